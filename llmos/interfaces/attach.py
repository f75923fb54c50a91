"""`@path` in a goal: which files it means, and why one cannot be attached.

Invariant: nothing outside the working directory is opened here; reading a file is a call of read_file, behind the same
gate as any other.
"""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import UsageError
from llmos.memory.files import open_regular, show_path

MOST_FILES = 8
MOST_BYTES = 200_000
_HEAD = 8_192
_MENTION = re.compile(r'(?<!\S)@(?:"([^"\n]+)"|(\S+))')
_CLOSING = ".,;:!?)"
_FILE_NAME = re.compile(r"\w\.[A-Za-z0-9]{1,5}$|[^/]/[^/]")
"""A name with an ending, or a path: `@alice` is neither."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A goal without its `@` signs, and the paths that they stood before."""

    goal: str
    paths: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """What looks like the name of a file after an `@`, and is none here."""


def attached(text: str, cwd: Path) -> Attached:
    """The goal and its files. What names no file stays as it is ("@alice"). Raises UsageError."""
    paths: dict[str, None] = {}
    missing: dict[str, None] = {}

    def bare(match: re.Match[str]) -> str:
        written = match[1] or match[2]
        path = written if match[1] or _is_file(cwd, written) else written.rstrip(_CLOSING)
        if not _is_file(cwd, path):
            if match[1] or _FILE_NAME.search(path):
                missing[path] = None
            return match[0]
        _check(cwd, path)
        paths[path] = None
        shown = f"'{path}'" if " " in path else path
        return shown + written[len(path) :]

    goal = _MENTION.sub(bare, text)
    if len(paths) > MOST_FILES:
        raise UsageError(f"{len(paths)} files are attached, and at most {MOST_FILES} can be; name the rest without @")
    return Attached(goal, tuple(paths), tuple(missing))


def _is_file(cwd: Path, path: str) -> bool:
    try:
        return bool(path) and (cwd / path).is_file()
    except (OSError, ValueError):
        return False


def _check(cwd: Path, path: str) -> None:
    """Raises UsageError for a file of the working directory that is too large or is no text."""
    place = Path(os.path.realpath(cwd / path))
    if not place.is_relative_to(os.path.realpath(cwd)):
        return  # read_file says whether it may be read
    try:
        size = place.stat().st_size
        with open_regular(place) as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise UsageError(f"@{show_path(path)} cannot be read: {(error.strerror or 'unknown').lower()}") from None
    if size > MOST_BYTES:
        raise UsageError(
            f"@{show_path(path)} has {size:,} bytes, and at most {MOST_BYTES:,} are attached; "
            "name it without @, and tools read what they need of it"
        )
    if b"\0" in head or not _is_text(head):
        raise UsageError(f"@{show_path(path)} is no text; name it without @, and tools work on it")


def _is_text(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 4 and len(head) == _HEAD  # a letter that the cut went through
    return True


def file_offers(cwd: Path, begun: str) -> list[tuple[str, str]]:
    """Files and folders whose path begins so, for completion; hidden ones only where a dot is typed."""
    folder, _, name = begun.rpartition("/")
    place = cwd / (f"{folder}/" if folder or begun.startswith("/") else "")
    try:
        with os.scandir(place) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except (OSError, ValueError):
        return []
    start = f"{folder}/" if "/" in begun else ""
    offers = []
    for entry in entries:
        if not entry.name.startswith(name) or (entry.name.startswith(".") and not name.startswith(".")):
            continue
        if entry.name.isprintable():
            offers.append((f"{start}{entry.name}/", "folder") if _is_folder(entry) else (start + entry.name, "file"))
    return offers


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def some_files(folder: Path) -> list[str]:
    """Names of files in a folder, of a large one the first ones; none where it cannot be read."""
    try:
        return [path.name for path in islice(folder.iterdir(), 500) if path.is_file()]
    except OSError:
        return []
