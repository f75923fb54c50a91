"""What a setting may be: each kind takes a value that a file, a variable or a flag gave, or says what is wrong with it.

Nothing is converted but a whole number to a number and a list to a tuple. Written by hand: pydantic, which could do
this, takes longer to load than all the rest of a replay's start (docs/decisions/0022).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Protocol

from llmos.core.dataclass import dataclass
from llmos.core.prices import ModelPrice
from llmos.core.text import is_unicode

_ANY = "(?s:.*)"


class MisfitError(Exception):
    """A value that its setting cannot have; `path` leads to the wrong part of it, () is the whole."""

    def __init__(self, *path: str | int) -> None:
        super().__init__(path)
        self.path = path


class Kind(Protocol):
    """What `allowed` says in words; `take` gives the typed value. Raises MisfitError."""

    @property
    def allowed(self) -> str: ...

    def take(self, value: Any) -> Any: ...


@dataclass(frozen=True)
class Number:
    low: float
    high: float

    @property
    def allowed(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"

    def take(self, value: Any) -> float:
        if not _is_number(value) or not self.low <= value <= self.high:
            raise MisfitError
        return float(value)


@dataclass(frozen=True)
class Whole:
    low: int
    high: int
    null: bool = False

    @property
    def allowed(self) -> str:
        return f"{'null or ' if self.null else ''}a whole number from {self.low} to {self.high}"

    def take(self, value: Any) -> int | None:
        if value is None and self.null:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise MisfitError
        return value


@dataclass(frozen=True)
class Flag:
    allowed: str = "true or false"

    def take(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise MisfitError
        return value


@dataclass(frozen=True)
class Choice:
    """One of some words; where it matters, the strictest stands first."""

    words: tuple[str | None, ...]

    @property
    def allowed(self) -> str:
        names = [word or "null" for word in self.words]
        return " or ".join(names) if len(names) == 2 else f"one of {', '.join(names)}"

    def take(self, value: Any) -> str | None:
        if value not in self.words:
            raise MisfitError
        return None if value is None else str(value)


@dataclass(frozen=True)
class Text:
    allowed: str
    pattern: str
    """What the whole text must match."""
    null: bool = False

    def take(self, value: Any) -> str | None:
        return None if value is None and self.null else _text(value, self.pattern)


@dataclass(frozen=True)
class Texts:
    allowed: str
    pattern: str = _ANY
    """What each of them must match."""

    def take(self, value: Any) -> tuple[str, ...]:
        return _texts(value, self.pattern)


@dataclass(frozen=True)
class RuleWithExamples:
    """A rule that says what it speaks of and what not; checked when it is loaded."""

    rule: str
    match: tuple[str, ...] = ()
    no_match: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rules:
    allowed: str = "a list of rules"

    def take(self, value: Any) -> tuple[str | RuleWithExamples, ...]:
        return tuple(self._rule(item, at) for at, item in enumerate(_items(value)))

    def _rule(self, item: Any, at: int) -> str | RuleWithExamples:
        if not isinstance(item, dict):
            return _text(item, _ANY, at)
        _require_names(item, {"rule"}, {"match", "no_match"}, at)
        examples = {
            name: tuple(_text(text, _ANY, at, name, place) for place, text in enumerate(_items(item[name], at, name)))
            for name in ("match", "no_match")
            if name in item
        }
        return RuleWithExamples(_text(item["rule"], _ANY, at, "rule"), **examples)


@dataclass(frozen=True)
class Prices:
    allowed: str = "{MODEL: {input: …, output: …, cache_read: …, cache_write: …}} with numbers of 0 or more"

    def take(self, value: Any) -> dict[str, ModelPrice]:
        if not isinstance(value, dict):
            raise MisfitError
        return {_text(model, _ANY, model): self._price(model, price) for model, price in value.items()}

    def _price(self, model: str, given: Any) -> ModelPrice:
        if not isinstance(given, dict):
            raise MisfitError(model)
        known = {"input", "output", "cache_read", "cache_write"}
        for name, price in given.items():
            if name in known and not (_is_number(price) and math.isfinite(price) and price >= 0):
                raise MisfitError(model, name)
        _require_names(given, known, set(), model)
        return ModelPrice(**{name: float(price) for name, price in given.items()})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _items(value: Any, *path: str | int) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise MisfitError(*path)
    return value


def _texts(value: Any, pattern: str, *path: str | int) -> tuple[str, ...]:
    return tuple(_text(item, pattern, *path, at) for at, item in enumerate(_items(value, *path)))


def _text(value: Any, pattern: str, *path: str | int) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value) or not is_unicode(value):
        raise MisfitError(*path)
    return value


def _require_names(given: Mapping[str, Any], needed: set[str], free: set[str], *path: str | int) -> None:
    for name in (*sorted(needed - given.keys()), *(name for name in given if name not in needed | free)):
        raise MisfitError(*path, name)
