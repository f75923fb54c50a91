"""What a replay looks at in files before it begins: the first line that a column rests on, the word that is edited."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from llmos.core.trace import digest

MAX_HEAD_BYTES = 4096
MAX_HEADS = 20
MAX_SEARCHED_BYTES = 10_000_000


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


def stands_inside(cwd: Path, path: str, text: str) -> bool:
    """Whether `text` stands somewhere in the file with a letter or digit right beside it; True for a huge file."""
    try:
        if (cwd / path).stat().st_size > MAX_SEARCHED_BYTES:
            return True
        content = (cwd / path).read_text("utf-8", "replace")
    except (OSError, ValueError):
        return False
    before = r"(?<=\w)" if text[:1].isalnum() else r"(?!)"
    after = r"(?=\w)" if text[-1:].isalnum() else r"(?!)"
    return re.search(f"{before}{re.escape(text)}|{re.escape(text)}{after}", content) is not None
