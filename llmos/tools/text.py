"""Text that leaves a tool: bounded in size, and free of terminal control sequences.

Invariant: what `clean` returns cannot move a cursor, set a title or hide text, whatever a program or a file printed.
"""

from __future__ import annotations

import re
from collections import deque

_CONTROL = re.compile(
    r"""
      (?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]                                # control sequence: colour, cursor
    | (?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*+(?:\x07|\x1b\\|\x9c)  # string: title, link, device
    | \x1b[ -/]*+[0-Z\\^-~]                                             # short escape: character set, reset
    | [\x00-\x08\x0b-\x1f\x7f-\x9f]                                     # any control character left
    """,
    re.VERBOSE,
)
_OVERSTRUCK = re.compile(r".\x08")


def clean(text: str) -> str:
    """The text without terminal control sequences; newlines and tabs stay, a carriage return starts a line.

    A lone carriage return becomes a newline and not an overwrite, so that nothing printed is hidden. Overstruck
    characters (bold and underline of manual pages) keep the last one. Lone surrogates become U+FFFD.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x08" in text:
        text = _OVERSTRUCK.sub("", text)
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _CONTROL.sub("", text)


class HeadTail:
    """Keeps the first and the last bytes of a stream, at most `cap` bytes in all, and counts the rest."""

    def __init__(self, cap: int) -> None:
        self._tail_cap = max(1, cap // 2)
        self._head_cap = max(1, cap - self._tail_cap)
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self.total = 0

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        room = self._head_cap - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if not data:
            return
        self._tail.append(data[-self._tail_cap :])
        self._tail_bytes += len(self._tail[-1])
        while self._tail_bytes - len(self._tail[0]) >= self._tail_cap and len(self._tail) > 1:
            self._tail_bytes -= len(self._tail.popleft())

    def text(self, cap: int | None = None) -> str:
        """What was kept, decoded, `cap` bytes of it at most; a line in the middle says how many were left out."""
        half = self._tail_cap if cap is None else max(1, min(self._tail_cap, cap // 2))
        front = self._head_cap if cap is None else max(1, min(self._head_cap, cap - half))
        data = bytes(self._head) + b"".join(self._tail)[-self._tail_cap :]
        if self.total <= front + half:
            return data.decode("utf-8", "replace")
        return _joined(data[:front], data[-half:], self.total)


def _joined(head: bytes, tail: bytes, total: int) -> str:
    """Head and tail with the gap said between them; characters that the cut split are dropped whole."""
    head = head[: _whole(head)]
    skip = 0
    while skip < min(3, len(tail)) and tail[skip] & 0xC0 == 0x80:
        skip += 1
    tail = tail[skip:]
    left_out = total - len(head) - len(tail)
    return f"{head.decode('utf-8', 'replace')}\n[{left_out} bytes left out]\n{tail.decode('utf-8', 'replace')}"


def _whole(data: bytes) -> int:
    """How many bytes remain when a character cut at the end is dropped."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return len(data) - back if length > back else len(data)
    return len(data)
