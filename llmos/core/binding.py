"""Bind a template to another goal's values, or say by which gate not.

A binding is complete or it is none: every value that differs is written at every place where the old one stood, under
the quoting of that place, and the result is parsed again. `bind(generalise(t, b), b) = t`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmos.core.gate import Bound, Case, Gate, Landing, Refusal
from llmos.core.gates import AFTER, GATES
from llmos.core.literal_forms import forms
from llmos.core.literals import Kind, Literal
from llmos.core.shell_edit import encode, substitute
from llmos.core.shell_roles import Role
from llmos.core.shell_words import GLOB_CHARS, NotParsed, Quote, parse
from llmos.core.template import Place, Template
from llmos.core.template_facts import COMMAND_ARGUMENTS, Path, texts
from llmos.core.wording import Analysis, analyse


def bind(template: Template, goal: str | Analysis, gates: Sequence[Gate] = GATES) -> Bound | Refusal:
    """The template's calls with the values of `goal`, or the first closed gate and why. Total; never raises."""
    analysis = analyse(goal) if isinstance(goal, str) else goal
    case = make_case(template, analysis)
    for gate in gates:
        if gate.name not in AFTER and (reason := gate.check(case)):
            return Refusal(template.ref, gate.name, reason)
    calls = render(template, case.landings) if case.changed else tuple(step.args for step in template.steps)
    if calls is None:
        return Refusal(template.ref, "structure", "with the new values a command would be another command")
    case = case.with_calls(calls)
    for gate in gates:
        if gate.name in AFTER and (reason := gate.check(case)):
            return Refusal(template.ref, gate.name, reason)
    values = tuple((old.text, new.text) for old, new in case.changed)
    return Bound(template, calls, values, _distance(case))


def make_case(template: Template, analysis: Analysis) -> Case:
    """The facts that gates look at: the pairs of values, and where each changed value would land."""
    pairs: tuple[tuple[Literal, Literal], ...] = ()
    if len(template.analysis.literals) == len(analysis.literals):
        pairs = tuple(zip(template.analysis.literals, analysis.literals, strict=True))
    landings = []
    for place in template.places:
        if place.literal < len(pairs):
            old, new = pairs[place.literal]
            if not same_value(old, new):
                landings.append(_landing(place, old, new))
    return Case(template, analysis, pairs, tuple((a, b) for a, b in pairs if not same_value(a, b)), tuple(landings))


def same_value(old: Literal, new: Literal) -> bool:
    if old.kind is Kind.EXTENSION and new.kind is Kind.EXTENSION:
        return forms(old) == forms(new)
    return old.text == new.text


def _landing(place: Place, old: Literal, new: Literal) -> Landing:
    value = forms(new).get(place.form)
    if value is None and place.form == "glob" and place.role is Role.PATTERN:
        value = forms(new).get("text")
    if value is None and place.form == "text" and place.role is Role.PATTERN and place.whole:
        value = forms(new).get("glob") if new.text.startswith("*") else None
    if value is None and place.form == "slashed":
        value = forms(new).get("folder")
    if value is not None and place.form == "text" and old.text.endswith("/") and not place.whole:
        # "/srv/" in "/srv/*": what follows stands on that slash.
        value = forms(new).get("slashed")
    written = None if value is None else _written(place, value, new)
    return Landing(place, old, new, value, written)


def _written(place: Place, value: str, new: Literal) -> str | None:
    if not place.quotes:
        return value
    active = new.kind in (Kind.GLOB, Kind.EXTENSION) and place.role is Role.ARGUMENT and _is_active(place)
    tilde = new.kind is Kind.PATH and value.startswith("~")
    return encode(value, place.quotes, whole=place.whole, active_glob=active, tilde=tilde)


def _is_active(place: Place) -> bool:
    """Whether the old value is a glob that the shell expands."""
    pairs = zip(place.written, place.quotes, strict=True)
    return any(char in GLOB_CHARS and quote is Quote.NONE for char, quote in pairs)


def render(template: Template, landings: Sequence[Landing]) -> tuple[Mapping[str, Any], ...] | None:
    edits: dict[tuple[int, Path], dict[tuple[int, int], tuple[str, str]]] = {}
    for landing in landings:
        place = landing.place
        value = landing.value if landing.value is not None else landing.new.text
        written = landing.written if landing.written is not None else value
        edits.setdefault((place.step, place.path), {})[place.start, place.end] = (written, value)
    calls: list[Mapping[str, Any]] = []
    for index, step in enumerate(template.steps):
        args: Any = step.args
        for path, text in texts(step.args):
            if (changes := edits.get((index, path))) is not None:
                replaced = _replaced(text, changes, path)
                if replaced is None:
                    return None
                args = _with(args, path, replaced)
        calls.append(args)
    return tuple(calls)


def _replaced(text: str, changes: Mapping[tuple[int, int], tuple[str, str]], path: Path) -> str | None:
    if path and path[-1] in COMMAND_ARGUMENTS:
        try:
            return substitute(parse(text), changes)
        except NotParsed:
            return None
    for (start, end), (written, _) in sorted(changes.items(), reverse=True):
        text = text[:start] + written + text[end:]
    return text


def _with(value: Any, path: Path, text: str) -> Any:
    """A copy of nested arguments with the text at `path` replaced; a number stays a number."""
    if not path:
        if isinstance(value, int) and text.lstrip("+-").isdigit():
            return int(text)
        return text
    if isinstance(value, Mapping):
        return {key: _with(item, path[1:], text) if str(key) == path[0] else item for key, item in value.items()}
    items = [_with(item, path[1:], text) if index == path[0] else item for index, item in enumerate(value)]
    return items if isinstance(value, list) else tuple(items)


def _distance(case: Case) -> int:
    """0: the goal itself; 1: other values; 2: other words of the same meaning."""
    old, new = case.template.analysis, case.goal
    if old.surface != new.surface:
        return 2
    return 1 if case.changed else 0
