"""Whether a tool call may run: one function, for live calls, replays, sub-agents and slash commands alike.

A rule is `tool` or `tool(pattern)`. The pattern is a shell-style glob over what the call is about: the command of
`shell`, the paths of a file tool. The strictest match wins, whatever the order: deny over ask over allow. Below all
rules and modes lies a floor (danger.py). An allow rule covers a shell command only where every command in it is plain
and allowed; ask and deny rules match each command that can be made out, wrappers and quotes taken off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

from llmos.core.danger import Danger, Risk, risk_of_command, risk_of_path
from llmos.core.dataclass import dataclass
from llmos.core.errors import ConfigError
from llmos.core.events import Verdict
from llmos.core.read_only import ShellWorld, why_not_read_only
from llmos.core.shell_plain import PlainCommand
from llmos.core.shell_syntax import ShellReading, read_shell
from llmos.core.shell_tree import ParseShell
from llmos.core.shell_wrappers import program_name
from llmos.core.tool import Effect

_RULE = re.compile(r"(?P<tool>[A-Za-z_*][\w*]*)(?:\((?P<pattern>.*)\))?\Z", re.DOTALL)
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


def stricter(one: PermissionMode, other: PermissionMode) -> PermissionMode:
    """The stricter of two modes."""
    modes = list(PermissionMode)
    return min(one, other, key=modes.index)


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
    match: tuple[str, ...] = ()
    """Commands or paths that the rule must speak of; checked when it is loaded."""
    no_match: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.tool if self.pattern is None else f"{self.tool}({self.pattern})"


@dataclass(frozen=True, slots=True)
class Call:
    """What a verdict is given on: a tool with what it is about, and how its command reads if it has one."""

    tool: str
    effect: Effect
    subjects: tuple[str, ...] = ()
    """The paths, relative to the working directory where inside; or the command."""
    reading: ShellReading | None = None
    replayed: bool = False

    @property
    def what(self) -> str:
        return "runs a command" if self.effect is Effect.EXECUTE else "changes files"


@dataclass(frozen=True, slots=True)
class Decision:
    verdict: Verdict
    reason: str
    by: str
    """What decided: "rule", "mode", "reading", "floor", or "replay" (a replay that destroys needs a yes each time)."""
    detail: str = ""
    """Why the command is not known to only look, where that is why it is asked about."""


def parse_rule(
    text: str, verdict: Verdict, origin: str, *, match: Sequence[str] = (), no_match: Sequence[str] = ()
) -> Rule:
    """Raises ConfigError for anything that is not `tool` or `tool(pattern)`."""
    found = _RULE.match(text.strip())
    if not found:
        raise ConfigError(f"{origin}: {text!r} is not a permission rule; write `tool` or `tool(pattern)`")
    return Rule(verdict, found["tool"], found["pattern"], origin, tuple(match), tuple(no_match))


def read_call(tool: str, effect: Effect, subjects: Sequence[str], parse: ParseShell, *, replayed: bool = False) -> Call:
    """The call with its command read, where it is one."""
    command = effect is Effect.EXECUTE and len(subjects) == 1
    reading = read_shell(subjects[0], parse) if command else None
    return Call(tool, effect, tuple(subjects), reading, replayed)


def check_examples(rules: Sequence[Rule], parse: ParseShell) -> None:
    """Raises ConfigError for a rule that does not do what its own examples say, naming rule and example."""
    for rule in rules:
        effect = Effect.EXECUTE if fnmatchcase("shell", rule.tool) else Effect.WRITE
        for example, wanted in (*((text, True) for text in rule.match), *((text, False) for text in rule.no_match)):
            call = read_call("shell" if effect is Effect.EXECUTE else rule.tool, effect, (example,), parse)
            if matches(rule, call) is not wanted:
                does = "does not match" if wanted else "matches"
                raise ConfigError(f"{rule.origin}: the rule {rule.text} {does} its own example {example!r}")


def decide(
    rules: Sequence[Rule], call: Call, *, mode: PermissionMode = PermissionMode.ASK, world: ShellWorld | None = None
) -> Decision:
    """The verdict on one call, whatever the order of `rules`. Without a `world` no command is known to only look."""
    if call.reading is not None and call.reading.too_large:
        return Decision(Verdict.DENY, f"the command: {call.reading.why}; write it to a file and run that", "floor")
    risk = _risk(call)
    if risk is not None and risk.danger is Danger.NEVER:
        return Decision(Verdict.DENY, f"never: it {risk.what}", "floor")
    matching = [rule for rule in rules if matches(rule, call)]
    strictest = max(matching, key=lambda rule: (_STRICTNESS[rule.verdict], rule.text, rule.origin), default=None)
    said = f"{strictest.verdict.value} rule {strictest.text} ({strictest.origin})" if strictest else ""
    if strictest is not None and strictest.verdict is Verdict.DENY:
        return Decision(Verdict.DENY, said, "rule")
    unsure = _why_not_reading(call, world)
    if mode is PermissionMode.READ_ONLY and unsure:
        return Decision(Verdict.DENY, f"the mode is {mode.value}, and {call.tool} {call.what}", "mode")
    if risk is not None and risk.danger is Danger.PERSON:
        return Decision(Verdict.ASK, f"it {risk.what}; only a person's yes to this very call allows it", "floor")
    if strictest is not None and strictest.verdict is Verdict.ASK:
        return Decision(Verdict.ASK, said, "rule")
    if call.replayed and (what := risk.what if risk is not None else _lasting(call, unsure)):
        return Decision(Verdict.ASK, f"a replay that {what} needs a yes each time", "replay")
    return _loosest(rules, call, strictest is not None, said, unsure, mode)


def _loosest(rules: Sequence[Rule], call: Call, ruled: bool, said: str, unsure: str, mode: PermissionMode) -> Decision:
    """The verdict where nothing denies or asks."""
    if ruled or _each_allowed(rules, call):
        return Decision(Verdict.ALLOW, said or "each of its commands is allowed by a rule", "rule")
    if not unsure:
        if call.effect is Effect.READ:
            return Decision(Verdict.ALLOW, "reading inside the working directory is allowed", "rule")
        return Decision(Verdict.ALLOW, "it only looks", "reading")
    if mode is PermissionMode.TRUSTED and call.reading is not None and call.reading.hidden:
        return Decision(Verdict.ASK, "it may run more than can be made out in it", "mode")
    if mode is PermissionMode.TRUSTED or (mode is PermissionMode.ACCEPT_EDITS and call.effect is Effect.WRITE):
        return Decision(Verdict.ALLOW, f"the mode is {mode.value}: {mode.words}", "mode")
    detail = unsure if call.reading is not None else ""
    return Decision(Verdict.ASK, f"{call.tool} {call.what}, and no rule allows it", "mode", detail)


def _risk(call: Call) -> Risk | None:
    if call.reading is not None:
        return risk_of_command(call.subjects[0], call.reading)
    if call.effect is Effect.EXECUTE:
        return None
    risks = [risk_of_path(path, writes=call.effect is Effect.WRITE) for path in call.subjects]
    return max((risk for risk in risks if risk), key=lambda risk: risk.danger, default=None)


def _lasting(call: Call, unsure: str) -> str:
    """What of a call nothing takes back, where that is known; what only looks is not asked."""
    if not unsure or call.reading is None:
        return ""
    from llmos.core.irreversible import lasting  # most replays only look, and need not know the table

    return lasting(call.reading.commands, call.reading.sources)


def _why_not_reading(call: Call, world: ShellWorld | None) -> str:
    """Why the call may do more than look; empty where it only looks."""
    if call.effect is Effect.READ:
        return ""
    if call.reading is None:
        return "it is no command"
    if call.reading.plain is None:
        return call.reading.why
    return why_not_read_only(call.reading.plain, world) if world is not None else "the world is not known"


def only_looks(call: Call, world: ShellWorld) -> bool:
    """Whether the call is known to do no more than look, whatever the rules say of it."""
    return not _why_not_reading(call, world)


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


def matches(rule: Rule, call: Call) -> bool:
    """Whether the rule speaks of the call."""
    if not fnmatchcase(call.tool, rule.tool):
        return False
    if rule.pattern is None:
        return True
    if rule.verdict is not Verdict.ALLOW:
        return any(fnmatchcase(part, rule.pattern) for subject in call.subjects for part in _parts(subject, call))
    if len(call.subjects) == 1 and rule.pattern == literal(call.subjects[0]):
        return True  # the very text was allowed, whatever stands in it
    if call.effect is Effect.EXECUTE:
        plain = call.reading.plain if call.reading is not None else None
        return bool(plain) and all(_covers(rule, command) for command in plain or ())
    return bool(call.subjects) and all(fnmatchcase(subject, rule.pattern) for subject in call.subjects)


def _each_allowed(rules: Sequence[Rule], call: Call) -> bool:
    """Whether every command of a plain line is allowed by some rule: `make test && git status` by two."""
    plain = call.reading.plain if call.reading is not None else None
    allowing = [rule for rule in rules if rule.verdict is Verdict.ALLOW and fnmatchcase(call.tool, rule.tool)]
    return bool(plain) and all(any(_covers(rule, command) for rule in allowing) for command in plain or ())


def _covers(rule: Rule, command: PlainCommand) -> bool:
    """Whether an allow rule covers one plain command; what a glob brings in is known to no rule."""
    words = command.words
    return not command.globs and not command.inputs and fnmatchcase(" ".join(words), rule.pattern or "*")


def _parts(subject: str, call: Call) -> list[str]:
    """The subject, and each command that can be made out in it: `true; sudo "rm" x` is also an `rm x`.

    Where to cut is guessed on the strict side too, since more parts can only lead to more asking and denying.
    """
    if call.effect is not Effect.EXECUTE:
        return [subject]
    pieces = [piece.strip() for piece in _SEPARATORS.split(subject)]
    read = call.reading.commands if call.reading is not None else ()
    joined = [" ".join(words) for words in read]
    bare = [" ".join((program_name(words), *words[1:])) for words in read]
    return [subject, *pieces, *(_PREFIX.sub("", piece) for piece in pieces), *joined, *bare]
