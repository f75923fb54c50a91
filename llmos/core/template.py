"""A run as a template: which pieces of its recorded arguments are the values of its goal.

`generalise` aligns each literal of a goal with every place where it stands in the arguments. Places are data: a step,
an argument, a span, the form in which the value stands there and what the surrounding text does with it. What the goal
does not account for is listed as constants. Nothing here decides whether a template may be used: gates.py does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.literal_forms import forms
from llmos.core.literals import Kind, Literal
from llmos.core.shell_roles import Role, RoledWord, effects, substitution_spans
from llmos.core.shell_words import Quote
from llmos.core.template_columns import unsaid
from llmos.core.template_facts import (
    CONTENTS,
    Field,
    Path,
    StepLike,
    constants,
    data_words,
    descends,
    fields_of,
    folds_case,
    greps_parts,
    only_lists,
    options,
    roots,
    tool_effects,
    variables,
)
from llmos.core.wording import Analysis, analyse


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call and nothing else."""

    tool: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: `text[start:end]` of one text argument, in characters."""

    literal: int
    """Index into the literals of the goal."""
    step: int
    path: Path
    """Keys and indexes that lead to the argument."""
    start: int
    end: int
    form: str
    """Which form of the value stands there: "text", "stem", "dotted" ... (literals.forms)."""
    written: str
    """What stands there once quoting is removed."""
    role: Role
    quotes: tuple[Quote, ...]
    """Quoting of each character in a shell word; empty in other arguments."""
    whole: bool
    """The value is the whole word or argument."""
    program: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A goal, its steps, and where the goal's values stand in them."""

    ref: str
    analysis: Analysis
    steps: tuple[StepLike, ...]
    places: tuple[Place, ...]
    constants: tuple[str, ...]
    """Values in the arguments that the goal does not account for."""
    variables: tuple[str, ...]
    """Shell variables and single letters among the arguments that neither the goal nor the steps give a value."""
    words: frozenset[str]
    """Base forms of the words that reach the run as data, besides the values of the goal."""
    effects: frozenset[str]
    """The kinds of change that the steps make, as far as shell commands and tool names tell."""
    readable: bool
    """Every shell command was parsed with certainty."""
    only_lists: bool
    """The steps do nothing but list which things there are."""
    descends: bool
    """What the steps work on includes everything below the place they start from."""
    arguments: tuple[str, ...]
    """The values of all arguments of shell commands, without quotes."""
    programs: frozenset[str]
    """Names of the programs that the steps run."""
    options: tuple[tuple[str, str], ...]
    """Each option of shell commands with the argument that follows it."""
    folds_case: bool
    """A search in the steps takes capital and small letters for the same."""
    greps_parts: bool
    """A search in the steps finds a text also inside longer words."""
    columns: tuple[str, ...]
    """Columns and keys that the steps pick out of files though the goal does not name them."""
    kept: tuple[Place, ...] = ()
    """Where a value of the goal stands by coincidence: another run with another value had the same there."""


def generalise(goal: str, steps: Sequence[StepLike], ref: str = "") -> Template:
    """The template of a verified run; total: any goal and steps have one."""
    analysis = analyse(goal)
    fields = tuple(fields_of(steps))
    covered: dict[tuple[int, Path], set[int]] = {(f.step, f.path): set() for f in fields}
    places = tuple(_align(analysis.literals, fields, covered))
    scripts = [field.script for field in fields if field.script is not None]
    found = frozenset().union(*(effects(script) for script in scripts), *(tool_effects(step) for step in steps))
    readable = all(field.script is not None for field in fields if field.is_shell)
    lists = readable and not found and bool(scripts) and all(only_lists(script) for script in scripts)
    return Template(
        ref=ref,
        analysis=analysis,
        steps=tuple(steps),
        places=places,
        constants=tuple(constants(fields, covered, analysis)),
        variables=tuple(variables(fields, covered, analysis)),
        words=frozenset(data_words(fields, covered)),
        effects=found,
        readable=readable,
        only_lists=lists,
        descends=readable and bool(scripts) and all(descends(script) for script in scripts),
        arguments=tuple(roots(fields)),
        programs=frozenset(roled.program for field in fields for roled in field.words if roled.role is Role.NAME),
        options=tuple(options(fields)),
        folds_case=folds_case(fields),
        greps_parts=greps_parts(fields),
        columns=tuple(column for script in scripts for column in unsaid(script, analysis)),
    )


# ------------------------------------------------------------------------------------------------------- alignment

_TAKES_TEXT = frozenset(["echo", "git", "<<", "=", "for"])
"""Programs to which an argument of several words is text and nothing else; quoted paths with spaces stay code."""
_FORM_ORDER = ("octal", "text", "glob", "slashed", "folder", "digits", "dotted", "base", "bare", "stem")


def _align(
    literals: Sequence[Literal], fields: Sequence[Field], covered: dict[tuple[int, Path], set[int]]
) -> Iterator[Place]:
    wanted = [
        (_FORM_ORDER.index(form), -len(value), index, form, value)
        for index, literal in enumerate(literals)
        for form, value in forms(literal).items()
    ]
    for _, _, index, form, value in sorted(wanted):
        for field in fields:
            taken = covered[field.step, field.path]
            for place in _occurrences(field, literals[index], index, form, value):
                span = set(range(place.start, place.end))
                if not span & taken:
                    taken |= span
                    yield place


def _occurrences(field: Field, literal: Literal, index: int, form: str, value: str) -> Iterator[Place]:
    if not value:
        return
    if field.script is not None:
        for roled in field.words:
            yield from _in_word(field, roled, literal, index, form, value)
        return
    for at in _find(value, field.text, literal):
        named = form in ("stem", "base") and field.path[-1:] in CONTENTS
        number = literal.kind is Kind.NUMBER and len(value) < len(field.text)
        is_code = field.is_shell or number or (named and not _in_prose(field.text, at, len(value)))
        role, whole = (Role.CODE if is_code else Role.ARGUMENT), len(value) == len(field.text)
        yield Place(index, field.step, field.path, at, at + len(value), form, value, role, (), whole)


def _in_word(field: Field, roled: RoledWord, literal: Literal, index: int, form: str, value: str) -> Iterator[Place]:
    word = roled.word
    for at in _find(value, word.value, literal, fixed=roled.fixed):
        end = at + len(value)
        if form in ("stem", "base") and len(value) < 3 and value != word.value:
            continue
        role = _role_at(roled, literal, at, end)
        yield Place(
            index, field.step, field.path, word.spans[at][0], word.spans[end - 1][1],
            _form_at(form, role, literal, word.value, at, end), value, role, word.quotes[at:end],
            len(value) == len(word.value), roled.program,
        )  # fmt: skip


def _form_at(form: str, role: Role, literal: Literal, text: str, start: int, end: int) -> str:
    """The form that another value must have to stand at this place of a word."""
    dotted = start > 0 and text[start - 1] == "."
    # "*gif" for GIF files, "*.macs" for names that end in "macs": the run took the value for another thing.
    if (form == "bare" and start and not dotted) or (form == "text" and dotted and role is Role.PATTERN):
        return "misread"
    if form == "text" and role is Role.ARGUMENT and text[end : end + 1] == "/" and "folder" in forms(literal):
        return "folder"
    return form


def _in_prose(text: str, at: int, length: int) -> bool:
    """Whether a name stands in a text as a word stands in a sentence, not as a piece of code."""
    before, after = text[:at], text[at + length :]
    if re.search(r"(?:[\w.$@(=]|\b(?:import|from|def|class|return|use|require|include)\s+)$", before):
        return False
    return re.match(r"[\w(=\[:]|\.\w|\s*[=(]|\s+import\b", after) is None


def _role_at(roled: RoledWord, literal: Literal, start: int, end: int) -> Role:
    """The role of a piece of a word.

    A piece of a text of several words, and a number inside other text, count as code: what they do there is unknown.
    """
    if (start, end) in substitution_spans(roled):
        return Role.REGEX
    if start < roled.fixed or roled.role in (Role.NAME, Role.CODE):
        return Role.OPTION if roled.role is Role.OPTION else roled.role
    if roled.role is Role.OPTION and roled.fixed >= len(roled.word.value):
        return Role.OPTION
    value = roled.word.value
    if value[end : end + 1] == "=":
        return Role.OPTION
    inside = (start, end) != (0, len(value)) and " " in value
    if inside and roled.role in (Role.ARGUMENT, Role.REGEX) and roled.program not in _TAKES_TEXT:
        return Role.CODE
    if literal.kind in (Kind.NUMBER, Kind.PORT):
        plain = re.fullmatch(r"[+-]?\d+(?:\.\d+)?[A-Za-z%]{0,3}", value[roled.fixed :])
        return Role.ARGUMENT if plain and roled.role in (Role.ARGUMENT, Role.OPTION) else Role.CODE
    return Role.ARGUMENT if roled.role is Role.OPTION else roled.role


_NOT_BEFORE = {".": re.compile(r"[\w.]"), "/": re.compile(r"[\w.~}*/]")}
"""What must not stand before a value with this first character: "./tmp" is another place than "/tmp"."""


def _is_unit(value: str, text: str, at: int, *, numeric: bool) -> bool:
    """Whether a value that stands at `at` is no part of a longer word or number."""
    end = at + len(value)
    before, after = text[at - 1 : at], text[end : end + 1]
    if numeric:
        fraction = after == "." and text[end + 1 : end + 2].isdecimal()
        return not (before.isdecimal() or before == "." or after.isdecimal() or fraction)
    if value[0].isalnum():
        free = not before.isalnum()
    else:
        sign = _NOT_BEFORE.get(value[0])
        free = sign is None or sign.match(before) is None
    return free and not (value[-1].isalnum() and after.isalnum())


def _units(value: str, text: str, *, numeric: bool) -> Iterator[tuple[int, int]]:
    """Where a value stands as a unit of its own, from left to right, without overlap."""
    at = text.find(value)
    while at >= 0:
        unit = _is_unit(value, text, at, numeric=numeric)
        if unit:
            yield at, at + len(value)
        at = text.find(value, at + (len(value) if unit else 1))


def _find(value: str, text: str, literal: Literal, *, fixed: int = 0) -> Iterator[int]:
    """Where a value stands in a text as a unit of its own."""
    if value not in text:
        return
    if value in ("/", ".", "..", "~", "*", "-"):
        if text == value:
            yield 0
        return
    numeric = literal.kind in (Kind.NUMBER, Kind.PORT)
    for start, end in _units(value, text, numeric=numeric):
        # The 3 of "file3x" is no number of its own.
        inside = text[:start].isalpha() and text[end : end + 1].isalpha()
        if not (numeric and fixed == 0 and inside):
            yield start
