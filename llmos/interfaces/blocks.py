"""Text that arrives in pieces, cut into blocks that can be rendered each by itself. Pure but for its own state.

A block is a paragraph, a list, a table or a whole piece of code between fences: what a blank line or a closing fence
ends. Invariant: what was fed is what the blocks and the rest hold, in order, but for blank lines between blocks.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r" {0,8}(`{3,}|~{3,})")


class Blocks:
    """Takes pieces and gives blocks."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        """Whole lines of the block that is being read."""
        self._rest = ""
        self._fence = ""

    def tail(self, count: int) -> list[str]:
        """The last lines of what is not yet a block; none where there is nothing."""
        lines = [*self._lines[-count:], self._rest] if self._rest else self._lines[-count:]
        return lines[-count:]

    def feed(self, piece: str) -> list[str]:
        """The blocks that this piece completes."""
        *whole, self._rest = (self._rest + piece).split("\n")
        done: list[str] = []
        for line in whole:
            if self._take(line):
                done.append(self._cut())
        return [block for block in done if block]

    def end(self) -> str:
        """What is left, as a block of its own; empty when nothing is."""
        if self._rest:
            self._lines.append(self._rest)
        self._rest = self._fence = ""
        return self._cut()

    def _take(self, line: str) -> bool:
        """Add a whole line; True when it ends the block."""
        mark = _FENCE.match(line)
        if self._fence:
            self._lines.append(line)
            closes = mark is not None and mark[1].startswith(self._fence) and not line[mark.end() :].strip()
            if closes:
                self._fence = ""
            return closes
        if mark is not None:
            self._fence = mark[1]
        if not line.strip():
            return True
        self._lines.append(line)
        return False

    def _cut(self) -> str:
        block, self._lines = "\n".join(self._lines), []
        return block
