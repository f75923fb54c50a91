"""Two verified runs of one template: what varied with the goal is a parameter, what stayed is proven constant. Pure.

Nothing is guessed. A template is opened by another run only if, bound to that run's values, it gives that run's calls
to the letter, and only for goals that change no other values than the two runs did.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from llmos.core.binding import make_case, render, same_value
from llmos.core.gate import Case, Landing
from llmos.core.template import Place, Template
from llmos.core.wording import Analysis

MOST_PLACES = 6
"""Places of changed values in one argument whose part in the other run is looked for."""


def proven_by(template: Template, other: Template, goal: Analysis) -> Template | None:
    """The template with what `other` proves constant taken out of doubt, for `goal`; None where it proves nothing.

    Places that kept their value while the goal's changed are no parameters (`Template.kept`), and constants are such
    with certainty: every character outside of the parameters is the same in both runs.
    """
    if not (template.analysis.surface == other.analysis.surface == goal.surface):
        return None
    if not _varied(template, goal) <= _varied(template, other.analysis):
        return None
    case = make_case(template, other.analysis)
    if not case.changed or len(template.steps) != len(other.steps):
        return None
    kept = _kept(case, other)
    if kept is None or not (kept or template.constants):
        return None
    places = tuple(place for place in template.places if place not in kept)
    return replace(template, places=places, kept=tuple(kept), constants=())


def _varied(template: Template, goal: Analysis) -> set[int]:
    """Indexes of the values in which two goals of one wording differ; of all when their number differs."""
    pairs = list(zip(template.analysis.literals, goal.literals, strict=False))
    if len(template.analysis.literals) != len(goal.literals):
        return set(range(len(template.analysis.literals) + len(goal.literals)))
    return {index for index, (old, new) in enumerate(pairs) if not same_value(old, new)}


def _kept(case: Case, other: Template) -> list[Place] | None:
    """The places that have the old value in the other run too; None where no choice of them gives that run's calls."""
    found: list[Place] = []
    for step, (recorded, seen) in enumerate(zip(case.template.steps, other.steps, strict=True)):
        if recorded.tool != seen.tool:
            return None
        landings = [landing for landing in case.landings if landing.place.step == step]
        paths = sorted({landing.place.path for landing in landings}, key=str)
        chosen: list[Landing] = list(landings)
        for path in paths:
            here = [landing for landing in landings if landing.place.path == path]
            staying = _staying(case, step, path, here, seen.args)
            if staying is None:
                return None
            found += [landing.place for landing in staying]
            chosen = [landing for landing in chosen if landing not in staying]
        if _calls(case, chosen, step) != dict(seen.args):
            return None
    return found


def _staying(
    case: Case, step: int, path: tuple[str | int, ...], here: Sequence[Landing], seen: Mapping[str, Any]
) -> Collection[Landing] | None:
    """Those of the landings of one argument that must not be written to get the other run's argument."""
    if len(here) > MOST_PLACES:
        return None
    for staying in _subsets(here):
        written = [landing for landing in here if landing not in staying]
        if any(landing.value is None or (landing.place.quotes and landing.written is None) for landing in written):
            continue
        calls = _calls(case, written, step)
        if calls is not None and _at(calls, path) == _at(seen, path):
            return staying
    return None


def _subsets(landings: Sequence[Landing]) -> Iterator[tuple[Landing, ...]]:
    for size in range(len(landings) + 1):
        yield from combinations(landings, size)


def _calls(case: Case, landings: Sequence[Landing], step: int) -> dict[str, Any] | None:
    calls = render(case.template, landings)
    return None if calls is None else dict(calls[step])


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        if isinstance(value, Mapping):
            value = next((item for name, item in value.items() if str(name) == key), None)
        elif isinstance(value, list | tuple) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value
