"""Words taken out of transcripts, in place: a record keeps its place, its length and everything else that it says.

Only `forget` does this. A line becomes another line of the same length, so that a session that is being written goes on
undisturbed, and a crash in between leaves whole lines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from llmos.core.errors import StoreError
from llmos.core.memory_text import words_of, words_pattern
from llmos.memory.codec import dump_line
from llmos.memory.files import open_locked, os_cause, read_bounded, show_path

_MAX_BYTES = 512 * 1024 * 1024
FORGOTTEN = "[forgotten]"
_KEPT = frozenset(
    """event seq at session format call_id call tool effect mode outcome verdict by model payer trace_id id type role
    name cwd workspace stop_reason tier through backup kind parent state agent""".split()
)
"""Keys under which no words stand that somebody said or a tool printed: they stay, so that the record can be read."""


def blank(path: Path, turns: Iterable[int], texts: Sequence[str]) -> int:
    """Take every word out of the turns that begin at these `seq`, and these texts out of all others.

    How many records were changed. Raises StoreError.
    """
    patterns = [pattern for text in texts if (pattern := words_pattern(text)) is not None]
    starts, inside, changed = set(turns), False, 0
    if not starts and not _may_hold(path, texts):
        return 0
    try:
        descriptor = open_locked(path)
        try:
            with os.fdopen(os.dup(descriptor), "rb") as lines:
                place = 0
                for line in lines:
                    record = _record(line)
                    if record is not None and line.endswith(b"\n"):
                        if record.get("event") == "turn_started":
                            inside = record.get("seq") in starts
                        after = _emptied(record) if inside else _without(record, patterns)
                        if after != record:
                            os.pwrite(descriptor, _of_length(after, len(line)), place)
                            changed += 1
                    place += len(line)
            if changed:
                os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"cannot change {show_path(path)}: {os_cause(error)}") from None
    return changed


def holds(path: Path, texts: Sequence[str]) -> bool:
    """Whether a file holds one of these texts."""
    patterns = [pattern for text in texts if (pattern := words_pattern(text)) is not None]
    try:
        said = read_bounded(path, _MAX_BYTES).decode("utf-8", "replace")
    except StoreError:
        return False
    return any(pattern.search(said) for pattern in patterns)


def _may_hold(path: Path, texts: Sequence[str]) -> bool:
    """Whether it is worth reading record by record: the longest word of one of the texts stands in it."""
    longest = {max(words_of(text), key=len, default="") for text in texts} - {""}
    try:
        said = read_bounded(path, _MAX_BYTES).decode("utf-8", "replace").lower()
    except StoreError:
        return False
    return any(word in said or not word.isascii() for word in longest)


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _emptied(value: Any) -> Any:
    """The value with its words gone and its form kept."""
    match value:
        case str():
            return FORGOTTEN if value else value
        case list():
            return [_emptied(one) for one in value]
        case dict():
            return {key: _emptied_under(key, one) for key, one in value.items()}
    return value


def _emptied_under(key: str, value: Any) -> Any:
    match key:
        case "wire":
            return []  # what a server signed holds no longer once a word is gone
        case "args":
            return {}
    return value if key in _KEPT else _emptied(value)


def _without(record: dict[str, Any], patterns: Sequence[Any]) -> dict[str, Any]:
    return {key: _replaced(value, patterns) for key, value in record.items()}


def _replaced(value: Any, patterns: Sequence[Any]) -> Any:
    match value:
        case str():
            for pattern in patterns:
                value = pattern.sub(FORGOTTEN, value)
            return value
        case list():
            return [_replaced(one, patterns) for one in value]
        case dict():
            made = {key: _replaced(one, patterns) for key, one in value.items()}
            if made != value and "wire" in made:
                made["wire"] = []
            return made
    return value


def _of_length(record: dict[str, Any], length: int) -> bytes:
    """The record as a line of this length: spaces at its end, or its marks cut where they are longer than the words."""
    shrinks: tuple[Callable[[Any], Any], ...] = (lambda value: value, lambda value: _swapped(value, "[…]"), _bare)
    for shrink in shrinks:
        line = dump_line(shrink(record)).rstrip(b"\n")
        if len(line) < length:
            return line + b" " * (length - 1 - len(line)) + b"\n"
    raise StoreError("a record is too short to be forgotten in its place")


def _bare(value: Any) -> Any:
    return _swapped(value, "")


def _swapped(value: Any, mark: str) -> Any:
    match value:
        case str():
            return value.replace(FORGOTTEN, mark)
        case list():
            return [_swapped(one, mark) for one in value]
        case dict():
            return {key: _swapped(one, mark) for key, one in value.items()}
    return value
