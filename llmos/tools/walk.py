"""Finding files by a glob pattern: bounded, sorted, links to folders not followed.

Invariant: the walk never leaves the folder it starts in and looks at no more than `limit` entries.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from llmos.core.errors import ToolError

MAX_ENTRIES = 100_000
_MAX_ALTERNATIVES = 64
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")

# One segment of a pattern: a compiled name pattern and whether it may match hidden names; None stands for `**`.
_Segment: TypeAlias = tuple[re.Pattern[str], bool] | None
_Pattern: TypeAlias = tuple[_Segment, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Paths below the folder, POSIX, sorted. `complete` is False when the walk stopped at its limit."""

    paths: tuple[str, ...]
    complete: bool


def find_files(folder: Path, pattern: str, *, links: bool = True, limit: int = MAX_ENTRIES) -> Found:
    """Files below `folder` that match; `links` takes in symbolic links to files. Raises ToolError for a bad pattern.

    `*` `?` `[...]` match within a name, `**` any number of folders, `{a,b}` either. A name that starts with a dot
    matches only a part of the pattern that starts with a dot.
    """
    paths: set[str] = set()
    seen = 0
    start = tuple((glob, frozenset(_closure(glob, {0}))) for glob in compile_glob(pattern))
    waiting = deque([("", start)])
    while waiting:
        relative, states = waiting.popleft()
        for entry in _entries(folder / relative):
            seen += 1
            if seen > limit:
                return Found(tuple(sorted(paths)), False)
            path = f"{relative}/{entry.name}" if relative else entry.name
            after = tuple((glob, _step(glob, at, entry.name)) for glob, at in states)
            if entry.is_dir(follow_symlinks=False):
                deeper = tuple((glob, at) for glob, at in after if at - {len(glob)})
                if deeper:
                    waiting.append((path, deeper))
            elif any(len(glob) in at for glob, at in after) and _is_file(entry, links):
                paths.add(path)
    return Found(tuple(sorted(paths)), True)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in the folder; a folder that is gone or may not be read holds nothing for us."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _is_file(entry: os.DirEntry[str], links: bool) -> bool:
    if not entry.is_symlink():
        return entry.is_file(follow_symlinks=False)
    try:
        return links and not entry.is_dir()
    except OSError:  # a link that leads in a circle
        return links


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
