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
from enum import StrEnum
from fnmatch import fnmatchcase

from llmos.core.errors import ConfigError
from llmos.core.events import Verdict
from llmos.core.tool import Effect

_RULE = re.compile(r"(?P<tool>[A-Za-z_*][\w*]*)(?:\((?P<pattern>.*)\))?\Z", re.DOTALL)
_SHELL_SYNTAX = re.compile(r"[;&|<>$`(){}\n\\*?\[\]~!#'\"]")
_SEPARATORS = re.compile(r"[;&|\n(){}`]+|\b(?:then|do|else|xargs|exec|time|env|nohup|sudo|command|builtin)\s")
_PREFIX = re.compile(r"\A(?:\w+=\S*\s+|-\S+\s+|!\s*|\\|(?:/\S*)?/(?=[\w.-]+(?:\s|\Z)))+")
_STRICTNESS = {Verdict.ALLOW: 0, Verdict.ASK: 1, Verdict.DENY: 2}


class PermissionMode(StrEnum):
    """How a call is judged that no rule speaks of. Ordered from the strictest; no mode overrides a rule that denies."""

    READ_ONLY = "read-only"
    ASK = "ask"
    ACCEPT_EDITS = "accept-edits"
    TRUSTED = "trusted"

    @property
    def words(self) -> str:
        """For the screen."""
        return _MODE_WORDS[self]

    @property
    def next(self) -> PermissionMode:
        """The mode that a key goes on to; after the last the first."""
        modes = list(PermissionMode)
        return modes[(modes.index(self) + 1) % len(modes)]


_MODE_WORDS = {
    PermissionMode.READ_ONLY: "only looks, changes nothing",
    PermissionMode.ASK: "asks before it changes anything",
    PermissionMode.ACCEPT_EDITS: "edits files here, asks before commands",
    PermissionMode.TRUSTED: "runs commands and edits without asking",
}


class GrantScope(StrEnum):
    """How far a person's yes reaches."""

    ONCE = "once"
    SESSION = "session"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class SavedRun:
    """The trace that a call is replayed from, as a person may approve it: by its id and the hash of its content."""

    trace: str
    sha256: str


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
    by: str
    """What decided: "rule" or "mode"."""


def parse_rule(text: str, verdict: Verdict, origin: str) -> Rule:
    """Raises ConfigError for anything that is not `tool` or `tool(pattern)`."""
    match = _RULE.match(text.strip())
    if not match:
        raise ConfigError(f"{origin}: {text!r} is not a permission rule; write `tool` or `tool(pattern)`")
    return Rule(verdict, match["tool"], match["pattern"], origin)


def decide(
    rules: Sequence[Rule],
    tool: str,
    effect: Effect,
    subjects: Sequence[str],
    *,
    mode: PermissionMode = PermissionMode.ASK,
) -> Decision:
    """The verdict on one call, whatever the order of `rules`; the mode decides where no rule matches."""
    what = "runs a command" if effect is Effect.EXECUTE else "changes files"
    matching = [rule for rule in rules if matches(rule, tool, effect, subjects)]
    strictest = max(matching, key=lambda rule: (_STRICTNESS[rule.verdict], rule.text, rule.origin), default=None)
    denied = strictest is not None and strictest.verdict is Verdict.DENY
    if mode is PermissionMode.READ_ONLY and effect is not Effect.READ and not denied:
        return Decision(Verdict.DENY, f"the mode is {mode.value}, and {tool} {what}", "mode")
    if strictest is not None:
        reason = f"{strictest.verdict.value} rule {strictest.text} ({strictest.origin})"
        return Decision(strictest.verdict, reason, "rule")
    if effect is Effect.READ:
        return Decision(Verdict.ALLOW, "reading inside the working directory is allowed", "rule")
    if mode is PermissionMode.TRUSTED or (mode is PermissionMode.ACCEPT_EDITS and effect is Effect.WRITE):
        return Decision(Verdict.ALLOW, f"the mode is {mode.value}: {mode.words}", "mode")
    return Decision(Verdict.ASK, f"{tool} {what}, and no rule allows it", "mode")


def propose_rule(tool: str, effect: Effect, subjects: Sequence[str]) -> str:
    """The rule that "always" would save for this call: its exact command, or the folder of the files that it names."""
    if not subjects:
        return tool
    if effect is Effect.EXECUTE or len(subjects) > 1:
        return f"{tool}({literal(subjects[0])})" if len(subjects) == 1 else ""
    folder = subjects[0].rpartition("/")[0]
    below = folder and not subjects[0].startswith("/")
    return f"{tool}({literal(folder)}/*)" if below else f"{tool}({literal(subjects[0])})"


def literal(text: str) -> str:
    """A pattern that matches this text and no other."""
    return re.sub(r"([*?\[])", r"[\1]", text)


def matches(rule: Rule, tool: str, effect: Effect, subjects: Sequence[str]) -> bool:
    """Whether the rule speaks of the call."""
    if not fnmatchcase(tool, rule.tool):
        return False
    if rule.pattern is None:
        return True
    if rule.verdict is not Verdict.ALLOW:
        return any(fnmatchcase(part, rule.pattern) for subject in subjects for part in _parts(subject, effect))
    if len(subjects) == 1 and rule.pattern == literal(subjects[0]):
        return True  # the very text was allowed, whatever stands in it
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
