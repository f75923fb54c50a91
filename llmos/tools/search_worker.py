"""Matches a regular expression against text from standard input, in a process of its own.

A pattern that backtracks without end holds Python's interpreter lock, so no thread can stop it: this process can be
killed. Invariant: it opens no file; it sees only what it is sent. Started by path with `python -I -S`, so it imports
the standard library alone.

Input: one JSON line {pattern, ignore_case, cap, width}, then for each file one JSON line {path, size} and its bytes.
Output: one JSON object, {error} or {lines, matches, bytes}: what fits into `cap` bytes, and the counts of all.
"""

from __future__ import annotations

import json
import re
import sys
from typing import BinaryIO


def main(source: BinaryIO, target: BinaryIO) -> None:
    target.write(json.dumps(_answer(source)).encode())
    target.flush()


def _answer(source: BinaryIO) -> dict[str, object]:
    order = json.loads(source.readline())
    try:
        pattern = re.compile(order["pattern"], re.IGNORECASE if order["ignore_case"] else 0)
    except (re.error, OverflowError, RecursionError) as error:
        return {"error": str(error)}
    lines: list[str] = []
    matches = total = kept = 0
    while header := source.readline():
        file = json.loads(header)
        text = source.read(file["size"]).decode("utf-8", "replace")
        for number, ended in enumerate(_lines(text), 1):
            line = ended.removesuffix("\r")
            found = pattern.search(line)
            if found is None:
                continue
            shown = f"{file['path']}:{number}:{_window(line, found.start(), order['width'])}"
            size = len(shown.encode("utf-8", "replace")) + 1
            matches += 1
            total += size
            if kept + size <= order["cap"] and matches == len(lines) + 1:
                lines.append(shown)
                kept += size
    return {"lines": lines, "matches": matches, "bytes": total}


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def _window(line: str, start: int, width: int) -> str:
    """The line, or the part around the match when the line is long."""
    if len(line) <= width:
        return line
    begin = max(0, min(start - width // 4, len(line) - width))
    return ("…" if begin else "") + line[begin : begin + width] + ("…" if begin + width < len(line) else "")


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
