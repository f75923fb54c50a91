"""Finding files by a glob pattern: bounded, sorted, links to folders not followed.

Invariant: the walk never leaves the folder it starts in and looks at no more than `limit` entries.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections import deque
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple, TypeAlias

from llmos.core.dataclass import dataclass
from llmos.core.errors import ToolError
from llmos.tools.beneath import FOLDER, open_beneath

MAX_ENTRIES = 100_000
_MAX_ALTERNATIVES = 64
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")

# One segment of a pattern: a compiled name pattern and whether it may match hidden names; None stands for `**`.
_Segment: TypeAlias = tuple[re.Pattern[str], bool] | None
_Pattern: TypeAlias = tuple[_Segment, ...]


_States: TypeAlias = tuple[tuple[_Pattern, frozenset[int]], ...]


class _Kind(Enum):
    FOLDER = auto()
    FILE = auto()
    LINK = auto()
    """To a file, or to nothing."""
    OTHER = auto()


class _Entry(NamedTuple):
    name: str
    kind: _Kind


@dataclass(frozen=True, slots=True)
class Found:
    """Paths below the folder, POSIX, sorted. `complete` is False when the walk stopped at its limit."""

    paths: tuple[str, ...]
    complete: bool


def find_files(
    folder: Path,
    pattern: str,
    *,
    links: bool = True,
    hidden: frozenset[str] = frozenset(),
    limit: int = MAX_ENTRIES,
) -> Found:
    """Files below `folder` that match; `links` takes in symbolic links to files. Raises ToolError for a bad pattern.

    What is `hidden`, relative to the folder, is left out, and so is what is in it.

    `*` `?` `[...]` match within a name, `**` any number of folders, `{a,b}` either. A name that starts with a dot
    matches only a part of the pattern that starts with a dot.
    """
    start = tuple((glob, frozenset(_closure(glob, {0}))) for glob in compile_glob(pattern))
    waiting = deque([("", start)])
    try:
        top = os.open(folder, FOLDER)
    except OSError:
        return Found((), True)
    try:
        return _walk(top, waiting, links=links, hidden=hidden, limit=limit)
    finally:
        os.close(top)


def _walk(top: int, waiting: deque[tuple[str, _States]], *, links: bool, hidden: frozenset[str], limit: int) -> Found:
    paths: set[str] = set()
    seen = 0
    while waiting:
        relative, states = waiting.popleft()
        for entry in _entries(top, relative):
            seen += 1
            if seen > limit:
                return Found(tuple(sorted(paths)), False)
            path = f"{relative}/{entry.name}" if relative else entry.name
            if path in hidden:
                continue
            after = tuple((glob, _step(glob, at, entry.name)) for glob, at in states)
            if entry.kind is _Kind.FOLDER:
                deeper = tuple((glob, at) for glob, at in after if at - {len(glob)})
                if deeper:
                    waiting.append((path, deeper))
            elif any(len(glob) in at for glob, at in after) and (
                entry.kind is _Kind.FILE or (links and entry.kind is _Kind.LINK)
            ):
                paths.add(path)
    return Found(tuple(sorted(paths)), True)


def _entries(top: int, relative: str) -> list[_Entry]:
    """What is in the folder; one that is gone, may not be read, or is a link by now holds nothing for us."""
    try:
        descriptor = open_beneath(top, relative.split("/") if relative else (), os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        with os.scandir(descriptor) as found:
            return [_Entry(entry.name, _kind(entry)) for entry in found]
    except OSError:
        return []
    finally:
        os.close(descriptor)


def _kind(entry: os.DirEntry[str]) -> _Kind:
    if entry.is_dir(follow_symlinks=False):
        return _Kind.FOLDER
    if not entry.is_symlink():
        return _Kind.FILE if entry.is_file(follow_symlinks=False) else _Kind.OTHER
    try:
        return _Kind.OTHER if entry.is_dir() else _Kind.LINK
    except OSError:  # a link that leads in a circle
        return _Kind.LINK


def compile_glob(pattern: str) -> list[_Pattern]:
    """The pattern as segments, one tuple for each alternative of its braces."""
    if not pattern or "\0" in pattern:
        raise ToolError("the pattern is empty or holds a NUL character; '**/*' takes in every file")
    if pattern.startswith(("/", "~")) or ".." in pattern.split("/"):
        raise ToolError(f"pattern {pattern}: is relative to the folder and cannot leave it ('/', '~' or '..' found)")
    return [_segments(alternative) for alternative in _alternatives(pattern)]


def _alternatives(pattern: str) -> list[str]:
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        current = waiting.pop()
        braces = _BRACES.search(current)
        if braces is None:
            done.append(current)
        else:
            head, tail = current[: braces.start()], current[braces.end() :]
            waiting.extend(head + choice + tail for choice in braces[1].split(","))
        if len(done) + len(waiting) > _MAX_ALTERNATIVES:
            raise ToolError(f"pattern {pattern}: its braces stand for more than {_MAX_ALTERNATIVES} patterns")
    return done


def _segments(pattern: str) -> _Pattern:
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if pattern.endswith("/") or not parts:
        parts.append("**")
    return tuple(None if part == "**" else (re.compile(fnmatch.translate(part)), part[0] == ".") for part in parts)


def _closure(glob: _Pattern, positions: set[int]) -> set[int]:
    """Positions in the pattern, with those reached by letting `**` stand for nothing; a last `**` needs a name."""
    reached = set(positions)
    for at in sorted(positions):
        while at < len(glob) - 1 and glob[at] is None:
            at += 1
            reached.add(at)
    return reached


def _step(glob: _Pattern, positions: frozenset[int], name: str) -> frozenset[int]:
    """Positions after one more name of the path."""
    after: set[int] = set()
    for at in positions:
        if at == len(glob):
            continue
        segment = glob[at]
        if segment is None:
            if not name.startswith("."):
                after.add(at)
                if at == len(glob) - 1:
                    after.add(len(glob))
        elif (segment[1] or not name.startswith(".")) and segment[0].match(name):
            after.add(at + 1)
    return frozenset(_closure(glob, after))
