"""Sets of paths, each of which stands for itself and for all that lies below it. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator


def meets(writes: Iterable[str], others: Iterable[str]) -> bool:
    """Whether a path of one lies at, below or above a path of the other."""
    one, other = {_key(path) for path in writes}, {_key(path) for path in others}
    return any(above in other for path in one for above in _above(path)) or any(
        above in one for path in other for above in _above(path)
    )


def covers(outer: Iterable[str], path: str) -> bool:
    """Whether a path is one of `outer`, or lies below one."""
    known = {_key(one) for one in outer}
    return any(above in known for above in _above(_key(path)))


def _key(path: str) -> str:
    """By which paths are compared: the case of letters counts for nothing, as on some file systems."""
    return posixpath.normpath(path).casefold() if path else ""


def _above(path: str) -> Iterator[str]:
    """The path, and each that it lies below."""
    yield path
    while path:
        path = posixpath.dirname(path) if path != posixpath.dirname(path) else ""
        yield path
