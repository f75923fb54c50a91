"""What a small model is shown of the working directory before it begins: names, and the heads of the files it is about.

A small model guesses what it has not seen (a port number, the columns of a table), and seldom looks first by itself.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

from llmos.core.sandbox import Boundary

LISTED_NAMES = 30
LISTED_INSIDE = 8
SHOWN_FILES = 3
SHOWN_LINES = 8
SHOWN_CHARS = 400
READ_BYTES = 4_096
_COLUMNS = "Its columns, separated by"
_TOKEN = re.compile(r"[\w@%+=:,./~-]+")


def surroundings(goal: str, cwd: Path, boundary: Boundary) -> str:
    """The listing of `cwd`, and the first lines of the text files that the goal names, or the only one of a type.

    Nothing is shown that a file tool could not read: a link can lead to a key.
    """
    names = _names(cwd)
    if not names:
        return "The working directory is empty.\n"
    shown = [_with_inside(cwd, name) for name in names[:LISTED_NAMES]]
    text = f"In the working directory: {', '.join(shown)}{_more(names, LISTED_NAMES)}\n"
    for path in _about(goal, cwd, names)[:SHOWN_FILES]:
        if _may_be_read(cwd, path, boundary) and (head := _head(cwd / path)):
            text += f"{path} begins:\n{head}\n"
    return text


def seen_in(around: str) -> str:
    """What of the surroundings stands in the directory: the numbers of columns are ours, and no value of a file."""
    return "\n".join(line for line in around.split("\n") if not line.startswith(_COLUMNS))


def _names(cwd: Path) -> list[str]:
    try:
        with os.scandir(cwd) as entries:
            return sorted(entry.name + ("/" if entry.is_dir() else "") for entry in entries if entry.name[0] != ".")
    except OSError:
        return []


def _with_inside(cwd: Path, name: str) -> str:
    """A name, for a folder with the names in it."""
    if not name.endswith("/") or not (inside := _names(cwd / name)):
        return name
    return f"{name} ({', '.join(inside[:LISTED_INSIDE])}{_more(inside, LISTED_INSIDE)})"


def _more(names: list[str], shown: int) -> str:
    return f", and {len(names) - shown} more" if len(names) > shown else ""


def _about(goal: str, cwd: Path, names: list[str]) -> list[str]:
    """Existing files named in the goal, in its order; else the file that is the only one of an extension that it names.

    One of several would pass for the one that is meant.
    """
    tokens = [token.strip(".,:") for token in _TOKEN.findall(goal)]
    named = list(dict.fromkeys(token for token in tokens if _is_inside(cwd, token)))
    if named:
        return named
    words = {token.lstrip("*.").lower() for token in tokens}
    extensions = {name: Path(name).suffix.lstrip(".").lower() for name in names}
    counts = Counter(extensions.values())
    return [name for name, extension in extensions.items() if extension in words and counts[extension] == 1]


def _is_inside(cwd: Path, token: str) -> bool:
    path = Path(token)
    return bool(token) and not path.is_absolute() and ".." not in path.parts and (cwd / path).is_file()


def _may_be_read(cwd: Path, path: str, boundary: Boundary) -> bool:
    top, real = Path(os.path.realpath(cwd)), Path(os.path.realpath(cwd / path))
    return real.is_relative_to(top) and not boundary.refusal(real, top, write=False)


def _head(path: Path) -> str:
    """The first lines of a text file, shortened; empty for what is no readable text."""
    try:
        with path.open("rb") as file:
            data = file.read(READ_BYTES)
    except OSError:
        return ""
    if b"\0" in data:
        return ""
    lines = data.decode("utf-8", "replace").splitlines()
    text = "\n".join(lines[:SHOWN_LINES])[:SHOWN_CHARS].rstrip()
    whole = len(lines) <= SHOWN_LINES and len(data) < READ_BYTES and len(text) < SHOWN_CHARS
    shown = text if whole or not text else f"{text}\n..."
    return shown + _columns(lines[:SHOWN_LINES])


def _columns(lines: list[str]) -> str:
    """The columns of a table by number, with the separator: a small model miscounts them."""
    for separator in (",", ";", "\t", "|"):
        rows = [line.split(separator) for line in lines if line.strip()]
        widths = {len(row) for row in rows}
        if len(rows) > 1 and len(widths) == 1 and widths.pop() > 1 and all(name.strip() for name in rows[0]):
            numbered = ", ".join(f"{number} {name.strip()}" for number, name in enumerate(rows[0], start=1))
            shown = "a tab" if separator == "\t" else f"{separator!r}"
            return f"\n{_COLUMNS} {shown}: {numbered}"
    return ""
