"""Why a run that went well must not be replayed all the same: what it rests on may be otherwise next time.

A replay repeats calls and checks what it can see. This module finds the runs whose calls or answer depend on what it
cannot see: places outside the working directory, the date of the day, names and values that came from anywhere but the
goal, sentences that judge. Pure, and lexical on purpose: unsure is a miss, since a wrong refusal costs one model call
and a wrong replay costs trust.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmos.core.tool import Effect
from llmos.core.trace import AnswerTemplate, AnswerValue, RunStep

_ROOTS = (
    "bin boot data dev etc home lib media mnt opt private proc root run sbin srv sys tmp usr var work workspace Users"
)
_HARMLESS = re.compile(r"/dev/(?:null|stdin|stdout|stderr|zero|fd/\d+)|(?:/usr)?/bin/[\w.-]+")
_ABSOLUTE = re.compile(
    r"(?:^|(?<=[\s'\"=<>|&;(,:`]))/(?!/)[^\s'\"<>|&;()`,]*|(?:^|(?<=[\s'\"=<>|&;(,`]))//+(?=[\w.~@%+$-])[^\s'\"<>|&;()`,]*"
    r"|\bfile://[^\s'\"<>|&;()`,]*",
    re.IGNORECASE,
)
"""`//etc` is `/etc`, and `file:///etc` is no place on the network."""
_ROOTED = re.compile(rf"/(?:{'|'.join(_ROOTS.split())})(?:/|\Z)")
# `/re/` of sed and awk: after a quote or a tilde, closed by a slash.
_ADDRESS = re.compile(r"(?<=['\"~;,{ ])/(?:\\.|[^/\\\n])+/(?=[\s{,!;'\"&|)]|[dpqsIacinD]\b)")
# What is no path though it holds a slash: `${name//a/b}`, `s/a/b/`, a slash as the delimiter of tr, cut, awk and sort.
_NO_PATH = re.compile(
    r"\$\{\w+[/%#^,][^}]*\}|(?<=['\"\s;/\d$}])s/(?:\\.|[^/\\\n])*/(?:\\.|[^/\\\n])*/[gpIi0-9]*"
    r"|(?:\btr\s+(?:-\w+\s+)*|-[dFt]\s*)['\"]?/['\"]?"
)
_ELSEWHERE = re.compile(
    r"(?:^|[\s'\"=<>|&;(,:`])(?:~(?=[\w/]|\s*(?:[;&|)\n]|\Z))|\$\{?(?:HOME|OLDPWD|TMPDIR|XDG_\w+))"
    r"|(?<![\w.])\.\.(?=[/\s'\";|&)]|\Z)|\b(?:cd|pushd)\s*(?:-\s*)?(?=[;&|\n]|\Z)"
)
_BACKGROUND = re.compile(r"(?<![&>|\\])&(?![&>\d])|\b(?:nohup|setsid|disown|daemonize|at|batch|crontab|systemd-run)\s")
DELEGATE = "delegate"
MEMORY_TOOLS = frozenset({"memory_search", "core_memory_edit", "archival_memory_add"})
LONGEST_COMMAND = 10_000
STILL_OPEN = "[a background process still holds"

_DATE = re.compile(
    r"(?<!\d)(?:19|20)\d\d(?:[-/._]?(?:0[1-9]|1[0-2])(?:[-/._]?(?:0[1-9]|[12]\d|3[01]))?)?(?!\d)"
    r"|(?<!\d)1[6-9]\d{8}(?!\d)|(?<![\d.])\d{1,2}[./]\d{1,2}[./](?:19|20)?\d\d(?![\d.])"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
    r"|\b(?:january|february|april|june|july|august|september|october|november|december)\b",
    re.IGNORECASE,
)
_RELATIVE_TIME = re.compile(
    r"\b(?:today|tonight|now|yesterday|tomorrow|current\w*|ago|recent\w*)\b"
    r"|\b(?:this|last|past|next|coming)\s+(?:\d+\s+)?(?:day|night|week|month|quarter|year|hour|minute)s?\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")

_WRITES_LITERAL = re.compile(r"\b(?:echo|printf)\b[^|;&\n]*[^>&\d]>(?!>|&)|<<-?\s*['\"]?\w+['\"]?")
_BRANCHES = re.compile(r"\|\||\belse\b|\bcase\b|\bif\b")

_CHOICE = re.compile(
    r"^\W*(?:please\s+|can you\s+|could you\s+|tell me\s+)*(?:is|are|was|were|does|do|did|has|have|can|could|will|"
    r"should|am)\b|\b(?:whether|if|or|than|which of|either)\b",
    re.IGNORECASE,
)
_ASKS_TOO = re.compile(
    r"\b(?:tell|show|say|print|display|list|count|report|how|what|which|who|when|where|whether)\b", re.IGNORECASE
)
_QUANTIFIER = re.compile(
    r"\b(?:all|every|each|any|only|no|not|none|never|both|either|neither|always|yes)\b", re.IGNORECASE
)
_ORDINAL = re.compile(r"\b(?:first|second|third|last|next|more|most|less|least|fewer|other|same|still|already)\b", re.I)

_PLACEHOLDER = re.compile(r"\$\{\d+\}")
_TOKEN = re.compile(r"[^\s\"'`*(),;:!?<>|=\[\]{}]+")


def obstacle(goal: str, said: str, answer: AnswerTemplate, steps: Sequence[RunStep], shown: str = "") -> str:
    """Why this run must not be replayed, in words for a person; empty when nothing speaks against it.

    `said` is the answer as the model gave it, `shown` what the model was shown besides the goal and its own results:
    earlier turns, memory.
    """
    checks = (
        *(_step_obstacle(step, goal) for step in steps),
        _foreign_name(goal, steps),
        _foreign_value(goal, steps, shown),
        _unread_overwrite(steps),
        _answer_obstacle(goal, said, answer, steps),
    )
    return next((why for why in checks if why), "")


# ------------------------------------------------------------------------------------------------------- the calls


def _step_obstacle(step: RunStep, goal: str) -> str:
    if step.tool == DELEGATE:
        return "an agent did a part of it, and what it did stands in no step of this run"
    if step.tool in MEMORY_TOOLS:
        return f"{step.tool} was used, and memory is another the next time"
    if step.truncated:
        return f"the output of {step.tool} was longer than is kept, so nothing may rest on it"
    if step.effect is Effect.EXECUTE and not step.ok and step.exit_code is None:
        return f"{step.tool} was ended before its end"
    command = step.args.get("command")
    if isinstance(command, str):
        if len(command) > LONGEST_COMMAND:
            return "the command is too long to be looked through"
        if place := outside(command):
            return f"the command names {place!r}, which lies outside the working directory, where effects are not seen"
        if _BACKGROUND.search(_without_quotes(command)) or STILL_OPEN in step.output:
            return "the command leaves something running in the background, which cannot be checked"
    path = step.args.get("path")
    if isinstance(path, str) and (path.startswith(("/", "~")) or ".." in path.split("/")):
        return f"{step.tool} names {path!r}, which may lie outside the working directory"
    if literal := _date_literal(step, goal):
        return f"a call holds {literal!r}, which may stand for the day on which it was learned"
    return ""


def outside(command: str) -> str:
    """The first place that a command names outside the working directory, or an empty text."""
    if found := _ELSEWHERE.search(command):
        return found.group().strip(" '\"=<>|&;(,:`\t\n") or found.group().strip()
    plain = _NO_PATH.sub(" ", command)
    addresses = [m.span() for m in _ADDRESS.finditer(plain) if not _ROOTED.match(m.group())]
    for match in _ABSOLUTE.finditer(plain):
        divides = match.group() == "/" and "((" in plain
        if divides or any(a <= match.start() < b for a, b in addresses) or _HARMLESS.fullmatch(match.group()):
            continue
        return match.group()
    return ""


def _without_quotes(command: str) -> str:
    return re.sub(r"'[^']*'|\"(?:\\.|[^\"\\])*\"", "''", command)


def _date_literal(step: RunStep, goal: str) -> str:
    relative = _RELATIVE_TIME.search(goal) is not None
    # A span of a year is named by its first day and by the first day of the next.
    years = {str(year) for found in _YEAR.findall(goal) for year in (int(found), int(found) + 1)}
    for text in _texts(step.args):
        for match in _DATE.finditer(text):
            literal = match.group()
            if literal.lower() in goal.lower():
                continue
            year = _YEAR.search(literal)
            if year and year.group() in years and not relative:
                continue
            return literal
    return ""


def _foreign_name(goal: str, steps: Sequence[RunStep]) -> str:
    """An existing file that a call names though neither the goal nor an earlier result of this run does."""
    known = _names(goal)
    words = {name.lower() for name in known}
    looks_only = not any(step.has_effects for step in steps)
    for step in steps:
        for path in step.reads:
            name = path.rstrip("/")
            stem = name.rpartition(".")[0].lower()
            if name in known or all(part in known for part in name.split("/")) or (looks_only and stem in words):
                continue
            return f"a call names {name}, which the goal does not: another time it may be another file"
        known |= _names(step.output) | {path.rstrip("/") for path in step.changes.paths}
    return ""


def _foreign_value(goal: str, steps: Sequence[RunStep], shown: str) -> str:
    """A value in a call that stands in what the model was shown besides, and not in the goal."""
    if not shown:
        return ""
    known = _names(goal)
    elsewhere = {token for token in _names(shown) if re.search(r"\d|[/_@\\]|\w\.\w|[a-z][A-Z]", token)}
    for step in steps:
        for text in _texts(step.args):
            if found := sorted((_names(text) & elsewhere) - known):
                return f"a call holds {found[0]!r}, which comes from what was said or remembered before"
        known |= _names(step.output)
    return ""


def _unread_overwrite(steps: Sequence[RunStep]) -> str:
    """A file that was there and got a literal content, without a look at what it held."""
    looked: set[str] = set()
    for step in steps:
        changed = [path for path in step.changes.changed if path not in looked]
        command = step.args.get("command")
        literal = "content" in step.args or (isinstance(command, str) and _WRITES_LITERAL.search(command))
        if changed and literal:
            return f"{changed[0]} held something before that the run did not look at"
        if step.effect is not Effect.WRITE:
            looked.update(step.reads)
        looked.update(step.changes.created)
    return ""


# ------------------------------------------------------------------------------------------------------ the answer


def _answer_obstacle(goal: str, said: str, answer: AnswerTemplate, steps: Sequence[RunStep]) -> str:
    values = [_learned(value, steps) for value in answer.values]
    for number, (value, text) in enumerate(zip(answer.values, values, strict=True), start=1):
        if answer.text.count(f"${{{number}}}") > 1 or _is_ambiguous(value, text, steps):
            return f"which output the {text!r} of the answer comes from cannot be told"
        if _is_constant(text, value.step, goal, steps):
            return "the answer stands in the commands themselves, so it was not found out"
    around = _PLACEHOLDER.sub(" ", answer.text).strip()
    dropped = _dropped(goal, said, answer, values)
    if values and (_TOKEN.search(around) or _TOKEN.search(dropped)) and _CHOICE.search(goal):
        return "the goal asks for a judgement, which outputs do not give"
    if values and (_QUANTIFIER.search(around) or _new_word(_ORDINAL, around, goal)):
        return "the words of the answer claim more than its outputs show"
    touched = {path.rstrip("/") for step in steps for path in step.changes.paths}
    if any(re.search(r"\d|[/_=@\\]|\w\.\w", token) for token in _names(dropped) - touched):
        return "the answer held more than the outputs give"
    return ""


def _dropped(goal: str, said: str, answer: AnswerTemplate, values: Sequence[str]) -> str:
    """What the model said and a replay will not: the words around a bare value, or a report beside the file changes."""
    if not answer.text:
        return " ".join(_names(said) - _names(goal)) if _ASKS_TOO.search(goal) else ""
    is_bare = answer.text == "${1}" and len(values) == 1 and values[0] in said
    return said.replace(values[0], " ") if is_bare else ""


def _learned(value: AnswerValue, steps: Sequence[RunStep]) -> str:
    output = steps[value.step].stdout.strip()
    return output if value.field is None else output.split()[value.field]


def _is_ambiguous(value: AnswerValue, text: str, steps: Sequence[RunStep]) -> bool:
    """Whether another output, or another place in the same one, holds the same value."""
    if "\n" in text:
        return False
    for index, step in enumerate(steps):
        if step.effect is Effect.WRITE:
            continue
        times = len(re.findall(_whole(text), step.stdout))
        if times > (1 if index == value.step else 0):
            return True
    return False


def _is_constant(text: str, step: int, goal: str, steps: Sequence[RunStep]) -> bool:
    """Whether the output only says what the calls up to it already hold, and the goal does not."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or all(re.search(_whole(line), goal) for line in lines):
        return False
    command = steps[step].args.get("command")
    if isinstance(command, str) and _BRANCHES.search(command):
        return False
    given = "\n".join(text for earlier in steps[: step + 1] for text in _texts(earlier.args))
    return all(re.search(_whole(line), given) for line in lines)


def _new_word(pattern: re.Pattern[str], text: str, goal: str) -> bool:
    in_goal = {match.group().lower() for match in pattern.finditer(goal)}
    return any(match.group().lower() not in in_goal for match in pattern.finditer(text))


def _whole(text: str) -> str:
    return rf"(?<![\w$.-]){re.escape(text)}(?![\w-]|\.\w)"


def _names(text: str) -> set[str]:
    """The tokens of a text as a path could stand in it: without quotes, closing stops, "./" and a final slash."""
    return {token.rstrip(".,").removeprefix("./").rstrip("/") for token in _TOKEN.findall(text)} - {""}


def _texts(value: Any) -> Iterator[str]:
    """Every text in the arguments of a call; numbers as they are written."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        yield str(value)
