"""A few lines below what was printed that are drawn again and again: what is waited for, and text that still grows.

Invariant: it is never drawn while a prompt is open, one change is one write, and taking it away leaves nothing behind.
Where the terminal can take nothing back, it does nothing at all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import ControlType, Segment
from rich.text import Text

TICK_S = 0.125
SOONEST_S = 0.03
"""Seconds between two drawings of text that grows: as smooth as an eye can tell, and no more."""


class LiveArea:
    """Draws what `lines` gives at the bottom of `console`; an empty list is an area that is not there."""

    def __init__(
        self,
        console: Console,
        lines: Callable[[], Sequence[Text]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._lines = lines
        self._monotonic = monotonic
        self._enabled = console.is_interactive and console.is_terminal and not console.is_dumb_terminal
        self._rows = 0
        self._drawn_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def draw(self) -> None:
        """Show the lines as they are now, and again from time to time."""
        if not self._enabled:
            return
        lines = self._lines()
        with self._console:
            self._take_back()
            self._put(lines)
        self._again(TICK_S if lines else None)

    def soon(self) -> None:
        """Draw, but not so often that the terminal has more to do than the person to see."""
        left = self._drawn_at + SOONEST_S - self._monotonic()
        if left <= 0:
            self.draw()
        elif self._enabled:
            self._again(left)

    def erase(self) -> None:
        """Take the lines away until the next `draw`."""
        self._again(None)
        if self._rows:
            with self._console:
                self._take_back()

    @contextmanager
    def above(self, target: Console) -> Iterator[None]:
        """What the block prints to `target` stands above the area, which is drawn again below it."""
        if not self._enabled:
            yield
        elif target is self._console:
            with self._console:
                self._take_back()
                yield
                self._put(self._lines())
            self._again(TICK_S if self._rows else None)
        else:
            self.erase()
            yield
            self.draw()

    def _take_back(self) -> None:
        if self._rows:
            up = f"\x1b[{self._rows - 1}A" if self._rows > 1 else ""
            self._console.print(_Codes(f"\r{up}\x1b[J"), end="")
            self._rows = 0

    def _put(self, lines: Sequence[Text]) -> None:
        self._drawn_at = self._monotonic()
        # One column stays free, so that no terminal wraps; one row, so that the first line is never out of reach.
        width, height = self._console.width - 1, max(1, self._console.height - 1)
        shown = list(lines)[-height:]
        for line in shown:
            line.truncate(width, overflow="ellipsis")
        if shown:
            self._console.print(Text("\n").join(shown), end="", soft_wrap=True, highlight=False)
        self._rows = len(shown)

    def _again(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            try:
                self._timer = asyncio.get_running_loop().call_later(seconds, self._tick)
            except RuntimeError:  # outside an event loop it stands still
                return

    def _tick(self) -> None:
        try:
            self.draw()
        except OSError:
            self._again(None)  # the terminal is gone


class _Codes:
    """Control codes of our own, written as they are."""

    def __init__(self, codes: str) -> None:
        self._codes = codes

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self._codes, None, [(ControlType.CARRIAGE_RETURN,)])
