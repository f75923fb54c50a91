"""What a gate sees and says: a template beside a goal, and a refusal with a name and a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.literals import Literal
from llmos.core.template import Place, Template
from llmos.core.wording import Analysis


@dataclass(frozen=True, slots=True)
class Landing:
    """A changed value at one of its places; None where the value has no such form, or cannot be written there."""

    place: Place
    old: Literal
    new: Literal
    value: str | None
    written: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """A template beside a goal, with everything that a gate may look at."""

    template: Template
    goal: Analysis
    pairs: tuple[tuple[Literal, Literal], ...]
    """Literals of the template's goal and of this one, paired by role; empty when their numbers differ."""
    changed: tuple[tuple[Literal, Literal], ...]
    landings: tuple[Landing, ...]
    calls: tuple[Mapping[str, Any], ...] = ()
    """The bound arguments; only the gates in AFTER see them."""

    def with_calls(self, calls: tuple[Mapping[str, Any], ...]) -> Case:
        return replace(self, calls=calls)

    @property
    def is_identical(self) -> bool:
        """The goal has the same words and the same values."""
        same = self.same_surface and self.template.analysis.polite == self.goal.polite
        return not self.changed and same

    @property
    def same_surface(self) -> bool:
        return self.template.analysis.surface == self.goal.surface

    def word_before(self, literal: Literal) -> str:
        """The word of the goal's form that stands before one of its values."""
        form = self.goal.form
        before = (word for word, after in zip(("", *form), form, strict=False) if after == "§")
        return next((word for word, (_, new) in zip(before, self.pairs, strict=False) if new is literal), "")


@dataclass(frozen=True, slots=True)
class Gate:
    name: str
    check: Callable[[Case], str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A template that must not be replayed for a goal: the first closed gate and why, for a person to read."""

    ref: str
    gate: str
    reason: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A template's calls with a goal's values."""

    template: Template
    calls: tuple[Mapping[str, Any], ...]
    values: tuple[tuple[str, str], ...]
    """Old and new text of each value that differs."""
    distance: int
    """0: the same goal; 1: the same words with other values; 2: other words that ask for the same."""
