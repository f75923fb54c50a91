"""A tool call in words for a person: what it is about, whole; and what else it carries, bounded.

Shared by the screen and by the permission question, so that what is asked is what is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmos.core.catalogue import LOCAL_PAYER
from llmos.core.tool import Effect, FileChanges

EFFECT_WORDS = {Effect.READ: "reads", Effect.WRITE: "writes files", Effect.EXECUTE: "runs a command"}
DETAIL_LINES = 12
"""How many lines of a text argument are shown."""

_SUBJECT_ARGS = ("command", "path", "pattern", "url", "query", "goal")
_EDIT_SIGNS = {"old": "- ", "new": "+ "}
_SHOWN_PATHS = 8


def call_subject(tool: str, args: Mapping[str, Any]) -> str:
    """What the call is about: the whole command or path. Other short arguments follow."""
    subject = next((name for name in _SUBJECT_ARGS if isinstance(args.get(name), str)), None)
    hidden = {subject, *_EDIT_SIGNS} if tool == "edit_file" else {subject}
    rest = [f"{name}={value!r}" for name, value in args.items() if name not in hidden and not _is_long(value)]
    first = [str(args[subject])] if subject else []
    return " ".join(first + ([f"({', '.join(rest)})"] if rest else []))


def call_details(tool: str, args: Mapping[str, Any], limit: int = DETAIL_LINES) -> list[str]:
    """The long text arguments, a few lines each: what is written, what is replaced by what."""
    signs = _EDIT_SIGNS if tool == "edit_file" else {}
    lines: list[str] = []
    for name, value in args.items():
        if name in _SUBJECT_ARGS or not (_is_long(value) or (name in signs and isinstance(value, str))):
            continue
        text = value if isinstance(value, str) else repr(value)
        parts = text.rstrip("\n").split("\n")
        if name not in signs:
            lines.append(f"{name}: {len(parts)} lines, {len(text):,} characters" if len(parts) > 1 else f"{name}:")
        lines.extend(f"{signs.get(name, '| ')}{part}".rstrip() for part in parts[:limit])
        if len(parts) > limit:
            lines.append(f"… {len(parts) - limit} more lines")
    return lines


def _is_long(value: object) -> bool:
    return isinstance(value, list | dict) or (isinstance(value, str) and (len(value) > 60 or "\n" in value))


def changes_words(changes: FileChanges) -> list[str]:
    """One line for each kind of change, with the paths."""
    lines = [
        f"{word} {_listed(paths)}"
        for word, paths in (
            ("created", changes.created),
            ("changed", changes.changed),
            ("deleted", changes.deleted),
        )
        if paths
    ]
    if not changes.complete:
        lines.append("the folder is too large to say all that changed")
    return lines


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - _SHOWN_PATHS
    return ", ".join(paths[:_SHOWN_PATHS]) + (f" and {more} more" if more > 0 else "")


def model_words(model: str, payer: str, *, small: bool) -> str:
    """Who answers, who pays, and what to beware of."""
    paid = "on this machine, free" if payer == LOCAL_PAYER else f"paid by {payer}"
    return f"{model}, {paid}" + ("; small models make mistakes, so check what it ran" if small else "")


def money(usd: float) -> str:
    """US dollars as a person reads them; what is more than nothing never looks like nothing."""
    if usd <= 0:
        return "$0.00"
    if usd < 0.0001:
        return "under $0.0001"
    return f"${usd:.4f}" if usd < 1 else f"${usd:.2f}"
