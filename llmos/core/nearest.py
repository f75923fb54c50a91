"""The nearest name to one that is not there, for a sentence that says so. Pure."""

from __future__ import annotations

from collections.abc import Iterable

_NEAR = 0.7


def did_you_mean(wanted: str, names: Iterable[str], otherwise: str) -> str:
    """`did you mean NAME?`, or `otherwise` where none is near. What is wanted may be the beginning of a name."""
    import difflib

    def likeness(name: str) -> float:
        starts = (name[: len(wanted)], name)
        return max(difflib.SequenceMatcher(None, wanted.lower(), start.lower()).ratio() for start in starts)

    near = max(names, key=likeness, default="")
    return f"did you mean {near}?" if near and len(wanted) > 1 and likeness(near) >= _NEAR else otherwise
