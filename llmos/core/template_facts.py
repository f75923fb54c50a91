"""What the recorded arguments of a run tell besides the values of its goal: constants, variables, options, effects.

Facts alone; the gates decide what follows from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

from llmos.core.dataclass import dataclass
from llmos.core.shell_roles import Role, RoledWord, roles
from llmos.core.shell_words import NotParsed, Script, parse
from llmos.core.wording import Analysis, base_word

Path = tuple[str | int, ...]
COMMAND_ARGUMENTS = frozenset(["command", "cmd"])
"""Names of arguments that hold a shell command."""
CONTENTS = frozenset([("content",), ("text",), ("body",)])
"""Names of arguments that hold a text made for the goal: what else stands in it is no value of its own."""


class StepLike(Protocol):
    """A recorded tool call; `llmos.core.trace.Step` is one."""

    @property
    def tool(self) -> str: ...
    @property
    def args(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Field:
    """One text argument of a step; `script` is None where it is no shell command, or one that cannot be parsed."""

    step: int
    path: Path
    text: str
    script: Script | None
    words: tuple[RoledWord, ...]
    is_shell: bool


def texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in a call's arguments with the keys that lead to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from texts(item, (*path, index))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, str(value)


def fields_of(steps: Sequence[StepLike]) -> Iterator[Field]:
    for index, step in enumerate(steps):
        for path, text in texts(step.args):
            is_shell = bool(path) and path[-1] in COMMAND_ARGUMENTS
            script: Script | None = None
            if is_shell:
                try:
                    script = parse(text)
                except NotParsed:
                    script = None
            yield Field(index, path, text, script, roles(script) if script else (), is_shell)


_STRUCTURAL = re.compile(
    r"\.{1,2}/?|~/?|/|\$HOME/?|\{\}.*|-+|[+-]?\d+(?:\.\d+)?[A-Za-z%]?|[ugoa]*[+=-][rwxXst]+|/dev/(?:null|stdin|stdout|stderr|tty)|[a-z]|\W*"
    r"|HEAD(?:[~^]\d*)*|\+%\S*|/[0-7]{3,4}|/(?:usr/)?s?bin/\w+|\$\(.*|`.*|\$\{?\w+\}?|\*"
)
_DATA_ROLES = (Role.ARGUMENT, Role.PATTERN, Role.REGEX)


def constants(fields: Sequence[Field], covered: Mapping[tuple[int, Path], set[int]], goal: Analysis) -> Iterator[str]:
    """Values in the arguments that no literal and no word of the goal accounts for."""
    said = {part for word in goal.surface for part in re.findall(r"[^\W_]+", word)}
    for field in fields:
        taken = covered[field.step, field.path]
        if (field.is_shell and field.script is None) or field.path[-1:] in CONTENTS:
            continue
        yield from _listed_numbers(field, taken)
        yield from _printed_texts(field, taken, goal.goal.lower())
        for value, spans in _data_pieces(field):
            free = "".join(c if a not in taken else " " for c, (a, _) in zip(value, spans, strict=True))
            if _STRUCTURAL.fullmatch(value) or (free != value and not re.search(r"\w{3}|/\w", free)):
                continue
            names = re.findall(r"[^\W_]+", re.sub(r"\[:\w+:\]", " ", free.lower()))
            if names and not all(name in said or _plural_said(name, said) for name in names):
                yield value


def data_words(fields: Sequence[Field], covered: Mapping[tuple[int, Path], set[int]]) -> Iterator[str]:
    """The base form of each word that stands in an argument outside of the goal's values."""
    for field in fields:
        taken = covered[field.step, field.path]
        for value, spans in _data_pieces(field):
            free = "".join(c if a not in taken else "\0" for c, (a, _) in zip(value, spans, strict=True))
            yield from (base_word(word) for word in re.findall(r"[^\W_]{2,}", free.lower()))


def _data_pieces(field: Field) -> list[tuple[str, Sequence[tuple[int, int]]]]:
    """Each piece of data in a text argument, with the raw span of each of its characters."""
    if field.script:
        return [(w.word.value, w.word.spans) for w in field.words if w.role in _DATA_ROLES]
    return [(field.text, tuple((i, i + 1) for i in range(len(field.text))))]


def _printed_texts(field: Field, taken: set[int], goal: str) -> Iterator[str]:
    """Texts that a run adds to what it prints ("FILE: a.txt"), and which the goal does not hold."""
    into_file = any(roled.program in (">", ">>", "tee") for roled in field.words)
    for roled in field.words if not into_file else ():
        value = roled.word.value
        if roled.role is Role.CODE and roled.program in ("awk", "gawk", "mawk"):
            texts_added = re.findall(r'"((?:[^"\\]|\\.)*)"', value)
        elif (roled.program == "-printf") or (roled.program in ("echo", "printf") and not taken & _raw(roled)):
            texts_added = [] if roled.role is Role.NAME or "$" in value else [value]
        else:
            continue
        for text in texts_added:
            bare = re.sub(r"%[-\d.]*[A-Za-z]{1,2}|\\.", " ", text).strip().lower()
            if re.search(r"[^\W\d_]{3}", bare) and bare not in goal:
                yield text


def _raw(roled: RoledWord) -> set[int]:
    """Where in the command a word stands, by its characters."""
    return {start for start, _ in roled.word.spans}


_LISTING = frozenset("echo printf for touch mkdir tee".split())


def _listed_numbers(field: Field, taken: set[int]) -> Iterator[str]:
    """Numbers in a list that was written out ("echo 1 2 3"), of which the goal names only the ends."""
    for roled in field.words:
        word = roled.word
        if roled.program in _LISTING and word.value.isdigit() and word.spans[0][0] not in taken:
            yield word.value


def _plural_said(name: str, said: set[str]) -> bool:
    return name + "s" in said or name.removesuffix("s") in said or LANGUAGES.get(name) in said


LANGUAGES = {
    "txt": "text",
    "py": "python",
    "pl": "perl",
    "rb": "ruby",
    "js": "javascript",
    "jpg": "jpeg",
    "md": "markdown",
    "sh": "shell",
    "rs": "rust",
    "ts": "typescript",
    "htm": "html",
    "yml": "yaml",
}
"""Extensions by which a kind of file is known, and the words for it."""


_LISTERS = frozenset("find ls locate tree sort head echo xargs printf uniq nl column".split())


def only_lists(script: Script) -> bool:
    names = [roled for roled in roles(script) if roled.role is Role.NAME]
    return bool(names) and all(roled.program in _LISTERS for roled in names) and "find" in {n.program for n in names}


def descends(script: Script) -> bool:
    found = roles(script)
    options = {roled.word.value for roled in found if roled.role is Role.OPTION}
    programs = [roled.program for roled in found if roled.role is Role.NAME]
    return programs[:1] in (["find"], ["tree"]) and not {"-maxdepth", "-mindepth", "-prune"} & options


def options(fields: Sequence[Field]) -> Iterator[tuple[str, str]]:
    for field in fields:
        words = [*field.words, None]
        for roled, after in pairwise(words):
            if roled is not None and roled.role is Role.OPTION:
                yield roled.word.value, after.word.value if after is not None and after.role is not Role.OPTION else ""


def roots(fields: Sequence[Field]) -> Iterator[str]:
    for field in fields:
        if field.is_shell and field.script is None:
            yield field.text
        yield from (roled.word.value for roled in field.words if roled.role in _DATA_ROLES)


def tool_effects(step: StepLike) -> Iterable[str]:
    name = step.tool
    if re.search(r"delete|remove|unlink", name):
        return ("delete",)
    if re.search(r"write|create|edit|append|save", name):
        return ("write",)
    return ()


_GREPS = frozenset("grep egrep fgrep zgrep rgrep rg ag ack".split())


def folds_case(fields: Sequence[Field]) -> bool:
    """Whether a grep in the steps was told not to mind the case of letters."""
    return any(
        roled.program in _GREPS
        and roled.role is Role.OPTION
        and re.fullmatch(r"-[A-Za-z]*i[A-Za-z]*|--ignore-case", roled.word.value)
        for field in fields
        for roled in field.words
    )


def greps_parts(fields: Sequence[Field]) -> bool:
    """Whether a grep in the steps was not told to find whole words alone."""
    greps = [roled for field in fields for roled in field.words if roled.program in _GREPS]
    whole = any(re.search(r"^-[A-Za-z]*w|^--word-regexp$|\\b|\\<", roled.word.value) for roled in greps)
    return bool(greps) and not whole


_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?|[a-z]")
_GIVEN = frozenset("HOME PWD USER LOGNAME HOSTNAME SHELL PATH UID TMPDIR OLDPWD RANDOM".split())
_ASSIGNED = re.compile(r"\b(?:for|select)\s+(\w+)\s+in\b|\bread\b((?:\s+-?\w+)+)|\b([A-Za-z_]\w*)\+?=")


def variables(fields: Sequence[Field], covered: Mapping[tuple[int, Path], set[int]], goal: Analysis) -> Iterator[str]:
    """Arguments whose value stands in no goal and no step: what they meant was known to that moment's shell alone."""
    for field in fields:
        if field.script is None:
            continue
        assigned = {name for found in _ASSIGNED.findall(field.text) for part in found for name in part.split()}
        taken = covered[field.step, field.path]
        for roled in field.words:
            match = _VARIABLE.fullmatch(roled.word.value) if roled.role in _DATA_ROLES else None
            if match is None or roled.program in _TAKES_LETTERS or roled.word.spans[0][0] in taken:
                continue
            if _names(goal, roled.word.value):
                continue
            if match.group(1) is None or match.group(1) not in _GIVEN | assigned:
                yield roled.word.value


def _names(goal: Analysis, letter: str) -> bool:
    """Whether the goal says a letter as a name; "a" before a noun is none."""
    pairs = pairwise((*goal.surface, "and"))
    return any(word == letter and (letter != "a" or after in _AFTER_NAMES) for word, after in pairs)


_AFTER_NAMES = frozenset("to and or in into from as with on at , by § is".split())
_TAKES_LETTERS = frozenset("-type -xtype for = <<< echo printf yes tr cut sort xargs tar".split())
"""Programs and options for which a single letter is a setting or a text, not a name."""
