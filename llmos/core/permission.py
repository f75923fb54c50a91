"""Whether a tool call may run: allow, ask or deny from ordered rules, the strictest match winning.

A rule is `tool` or `tool(pattern)`. The pattern is a shell-style glob over what the call is about: the command of
`shell`, the paths of a file tool. An allow rule never matches a command that holds shell syntax, because a pattern
over text cannot see where one command ends and the next begins. Ask and deny rules match each command that can be
made out in it; what hides better is the business of the sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from llmos.core.errors import ConfigError
from llmos.core.events import Verdict
from llmos.core.tool import Effect

_RULE = re.compile(r"(?P<tool>[A-Za-z_*][\w*]*)(?:\((?P<pattern>.*)\))?\Z", re.DOTALL)
_SHELL_SYNTAX = re.compile(r"[;&|<>$`(){}\n\\*?\[\]~!#'\"]")
_SEPARATORS = re.compile(r"[;&|\n(){}`]+|\b(?:then|do|else|xargs|exec|time|env|nohup|sudo|command|builtin)\s")
_PREFIX = re.compile(r"\A(?:\w+=\S*\s+|-\S+\s+|!\s*|\\|(?:/\S*)?/(?=[\w.-]+(?:\s|\Z)))+")
_STRICTNESS = {Verdict.ALLOW: 0, Verdict.ASK: 1, Verdict.DENY: 2}


@dataclass(frozen=True, slots=True)
class Rule:
    verdict: Verdict
    tool: str
    pattern: str | None
    origin: str
    """Where the rule stands, for the sentence that a person reads."""

    @property
    def text(self) -> str:
        return self.tool if self.pattern is None else f"{self.tool}({self.pattern})"


@dataclass(frozen=True, slots=True)
class Decision:
    verdict: Verdict
    reason: str


def parse_rule(text: str, verdict: Verdict, origin: str) -> Rule:
    """Raises ConfigError for anything that is not `tool` or `tool(pattern)`."""
    match = _RULE.match(text.strip())
    if not match:
        raise ConfigError(f"{origin}: {text!r} is not a permission rule; write `tool` or `tool(pattern)`")
    return Rule(verdict, match["tool"], match["pattern"], origin)


def decide(rules: Sequence[Rule], tool: str, effect: Effect, subjects: Sequence[str]) -> Decision:
    """The verdict on one call, whatever the order of `rules`. Without a match reading is allowed, the rest asked."""
    matching = [rule for rule in rules if _matches(rule, tool, effect, subjects)]
    if matching:
        strictest = max(matching, key=lambda rule: (_STRICTNESS[rule.verdict], rule.text, rule.origin))
        return Decision(strictest.verdict, f"{strictest.verdict.value} rule {strictest.text} ({strictest.origin})")
    if effect is Effect.READ:
        return Decision(Verdict.ALLOW, "reading inside the working directory is allowed")
    what = "runs a command" if effect is Effect.EXECUTE else "changes files"
    return Decision(Verdict.ASK, f"{tool} {what}, and no rule allows it")


def _matches(rule: Rule, tool: str, effect: Effect, subjects: Sequence[str]) -> bool:
    if not fnmatchcase(tool, rule.tool):
        return False
    if rule.pattern is None:
        return True
    if rule.verdict is not Verdict.ALLOW:
        return any(fnmatchcase(part, rule.pattern) for subject in subjects for part in _parts(subject, effect))
    hits = [fnmatchcase(subject, rule.pattern) for subject in subjects]
    if effect is Effect.EXECUTE and any(_SHELL_SYNTAX.search(subject) for subject in subjects):
        return False
    return bool(hits) and all(hits)


def _parts(subject: str, effect: Effect) -> list[str]:
    """The subject, and each simple command in it: `true; rm x` is also an `rm x`.

    Where to cut is guessed on the strict side, since more parts can only lead to more asking and denying.
    """
    if effect is not Effect.EXECUTE:
        return [subject]
    pieces = [piece.strip() for piece in _SEPARATORS.split(subject)]
    return [subject, *pieces, *(_PREFIX.sub("", piece) for piece in pieces)]
