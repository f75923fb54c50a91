"""Text laid out for a width in columns, with nothing but the standard library and rich's table of cell widths.

Invariant: no text is lost for want of width except where a column says that it may be cut, and a cut shows `…`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.cells import cell_len, set_cell_size

NARROWEST = 20
_GAP = 2
_LEAST_TEXT = 24
"""Columns below which the last column of a table is not worth reading."""


def screen_width(stream: TextIO | None = None) -> int:
    """Columns of the terminal behind a stream (standard output); 0 where nothing is to be wrapped."""
    target = sys.stdout if stream is None else stream
    if not target.isatty():
        return 0
    return max(NARROWEST, shutil.get_terminal_size().columns)


def wants_colour(stream: TextIO | None = None) -> bool:
    """Whether styles may be written: NO_COLOR (https://no-color.org) wins, then FORCE_COLOR, then the terminal."""
    target = sys.stdout if stream is None else stream
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return target.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], width: int, *, right: Sequence[int] = ()
) -> list[str] | None:
    """Aligned columns, the last one cut to `width` (0: never); `right` are the columns aligned to the right.

    None where the last column would have fewer than 24 columns left: the caller then writes `cards`.
    """
    lines = [list(titles), *(list(row) for row in rows)]
    fixed = [max(cell_len(line[column]) for line in lines) for column in range(len(titles) - 1)]
    left = width - sum(fixed) - _GAP * len(fixed)
    longest = max(cell_len(line[-1]) for line in lines)
    if width and left < min(_LEAST_TEXT, longest):
        return None
    made = []
    for line in lines:
        cells = [_padded(cell, size, at in right) for at, (cell, size) in enumerate(zip(line, fixed, strict=False))]
        made.append((" " * _GAP).join([*cells, cut(line[-1], left) if width else line[-1]]).rstrip())
    return made


def cards(heads: Iterable[tuple[str, str]], width: int) -> list[str]:
    """For each row a head line and below it, further in, its text; both wrapped."""
    lines: list[str] = []
    for head, text in heads:
        lines += wrapped(head, width, hang=_GAP)
        lines += [" " * _GAP + line for line in wrapped(text, width - _GAP if width else 0)]
    return lines


def pairs(rows: Iterable[tuple[str, str]], width: int) -> list[str]:
    """`label  value` lines with the values under one another; on a narrow screen the value below its label."""
    found = list(rows)
    size = max((cell_len(label) for label, _ in found), default=0) + _GAP
    lines: list[str] = []
    for label, value in found:
        if width and width - size < _LEAST_TEXT:
            lines.append(label)
            lines += [" " * _GAP + line for line in wrapped(value, width - _GAP)]
            continue
        first, *rest = wrapped(value, width - size if width else 0) or [""]
        lines.append((_padded(label, size, False) + first).rstrip())
        lines += [" " * size + line for line in rest]
    return lines


def wrapped(text: str, width: int, hang: int = 0) -> list[str]:
    """The text in lines of at most `width` columns (0: as it is), broken at spaces where that is possible.

    The line's own indent is kept, and lines after the first stand `hang` columns further in.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip(" "))
        lines += _wrap_line(line, width, " " * min(indent + hang, max(0, width // 2))) if width else [line]
    return lines


def cut(text: str, width: int) -> str:
    """The text in at most `width` columns; `…` stands for what was cut."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…"


def _wrap_line(line: str, width: int, margin: str) -> list[str]:
    lines: list[str] = []
    current = ""
    for word in re.findall(r"^ +|\S+ *", line) or [""]:
        if current.strip() and cell_len(current + word.rstrip()) > width:
            lines.append(current.rstrip())
            current = margin
        current += word
        while cell_len(current.rstrip()) > width:
            head = _head(current, width)
            lines.append(head)
            current = margin + current[len(head) :]
    lines.append(current.rstrip())
    return lines


def _head(text: str, width: int) -> str:
    """The longest beginning of at most `width` columns, never empty."""
    taken = 0
    for at, character in enumerate(text):
        taken += cell_len(character)
        if taken > width and at:
            return text[:at]
    return text


def _padded(text: str, size: int, to_the_right: bool) -> str:
    space = " " * (size - cell_len(text))
    return space + text if to_the_right else text + space
