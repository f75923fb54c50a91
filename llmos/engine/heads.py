"""The first lines of files, as a step that picks a column by its place rests on them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from llmos.core.trace import digest

MAX_HEAD_BYTES = 4096
MAX_HEADS = 20


def head_digest(cwd: Path, path: str) -> str:
    """A digest of the first line of a file, up to 4,096 bytes; empty for what is no readable file."""
    place = cwd / path
    try:
        if not place.is_file():
            return ""
        with place.open("rb") as file:
            line = file.readline(MAX_HEAD_BYTES)
    except (OSError, ValueError):
        return ""
    return digest(line.decode("utf-8", "replace"), str(cwd))


def heads_of(cwd: Path, paths: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The files among `paths` with the digests of their first lines; of the first 20."""
    found = [(path, head_digest(cwd, path)) for path in list(paths)[:MAX_HEADS] if not path.endswith("/")]
    return tuple((path, head) for path, head in found if head)
