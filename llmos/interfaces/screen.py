"""Printing on a terminal: lines, panels, text that streams, and what stays below while a turn works.

Invariant: what was printed is never touched again. In a terminal lines wrap with a hanging indent; elsewhere they are
never wrapped and nothing is drawn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from llmos.interfaces.blocks import Blocks
from llmos.interfaces.layout import cut, wrapped
from llmos.interfaces.live_area import TICK_S, LiveArea
from llmos.interfaces.markdown_view import block_view, is_markdown
from llmos.interfaces.printable import one_line, printable

_FRAMES, _ASCII_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "-\\|/"
_HANG = 2
_LOG_COLUMNS = 200


class _Waiting:
    """What is waited for, since how many seconds, and how to stop it."""

    def __init__(self, label: str, stop: str, monotonic: Callable[[], float]) -> None:
        self.label = label
        self._stop = stop
        self._monotonic = monotonic
        self._since = monotonic()

    def line(self, frames: str) -> Text:
        elapsed = self._monotonic() - self._since
        frame = frames[int(elapsed / TICK_S) % len(frames)]
        return Text.assemble((frame, "cyan"), (f" {self.label} · {int(elapsed)} s · {self._stop}", "dim"))


class Screen:
    """Prints to `console`, and streams to any console.

    `stop` says what stops a turn; `foot` gives the lines that stay below while a turn works, for a width.
    """

    def __init__(
        self,
        console: Console,
        *,
        stop: str,
        foot: Callable[[int], Sequence[str]] | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = console
        self.boxes = console.is_terminal and not console.is_dumb_terminal
        self._stop = stop
        self._foot = foot
        self._monotonic = monotonic
        self._area = LiveArea(console, self._live_lines, monotonic=monotonic)
        self._open: Console | None = None
        """Where a line is not ended, on what cannot be drawn on."""
        self._blocks = Blocks()
        self._block: tuple[Console, str] = (console, "")
        """Where the block that grows is printed, and in which style."""
        self._parted = False
        """Whether a block stands above, so that a blank line parts the next one from it."""
        self._active = False
        self.paused = False
        """Whether a prompt may be open, under which nothing is drawn."""
        self.branches: Callable[[int, str], Sequence[str]] = lambda width, frame: ()
        """What sub-goals do now, for a width and the sign of what works."""
        self._waiting: _Waiting | None = None

    @property
    def working(self) -> bool:
        """Whether a turn is being shown."""
        return self._active

    def begin(self) -> None:
        """From now on the foot stays below."""
        self.close()
        self._active = True

    def close(self) -> None:
        """Leave the terminal as a person expects it, whatever happened."""
        self.settle()
        self._active = self.paused = False
        self._waiting = None
        self._area.erase()

    def refresh(self) -> None:
        """Draw what stays below anew: something on it changed."""
        if self._active:
            self._area.soon()

    def say(self, text: str, *, pause: bool) -> None:
        """Lines that are no event, each with its own indent; with `pause` nothing is drawn below until the next event.

        A question pauses, because a prompt opens below it.
        """
        self.settle()
        self.paused = pause
        for line in text.split("\n"):
            words = line.lstrip(" ")
            self._print_line(words, "", len(line) - len(words))

    def line(self, text: str, style: str, *, indent: int = 0) -> None:
        """One line: wrapped with a hanging indent in a terminal, never wrapped elsewhere."""
        self.settle()
        self.paused = False
        self._print_line(text, style, indent)

    def _print_line(self, text: str, style: str, indent: int) -> None:
        self._parted = False
        shown = Text(printable(text), style=style)
        if self.boxes:
            width = max(8, self.console.width - indent - _HANG)
            lines = [piece for line in shown.split("\n") for piece in _hanging(line, width, self.console)]
        else:
            lines = list(shown.split("\n"))
        margin = Text(" " * indent)
        with self._area.above(self.console):
            self.console.print(Text("\n").join(margin + line for line in lines), soft_wrap=True, highlight=False)

    def panel(self, title: str, rows: Sequence[tuple[str, str]], style: str) -> None:
        self.settle()
        if not self.boxes:
            self.line(title, "")
            for label, value in rows:
                self.line(f"{label}: {value}" if label else value, "", indent=2)
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, style="dim")
        grid.add_column(overflow="fold")
        for label, value in rows:
            grid.add_row(Text(label), Text(printable(value)))
        with self._area.above(self.console):
            self.console.print(
                Panel(grid, title=Text(title, style=f"bold {style}"), title_align="left", border_style=style)
            )

    def stream(self, console: Console, text: str, style: str) -> None:
        """Text as it arrives: whole blocks are printed rendered, the one that grows is drawn below them."""
        if not (self.boxes and console.is_interactive):
            if self._open is not None and self._open is not console:
                self.settle()
            console.print(Text(printable(text), style=style), end="", soft_wrap=True, highlight=False)
            self._open = None if text.endswith("\n") else console
            return
        self.paused = False
        if self._block != (console, style):
            self.settle()
            self._block = (console, style)
        for block in self._blocks.feed(text):
            self._print_block(block)
        if self._waiting is not None:
            self._waiting.label = "writing"
        self._area.soon()

    def wait(self, label: str) -> None:
        """Show what is waited for, where the terminal can take it back again."""
        self.settle()
        self._active, self.paused = True, False
        self._waiting = _Waiting(printable(label), self._stop, self._monotonic)
        self._area.draw()

    def excerpt(self, output: str, limit: int) -> None:
        """The last `limit` lines of an output: that is where a failing program says why."""
        lines = output.rstrip("\n").split("\n") if limit and output.strip() else []
        if len(lines) > limit:
            self.line(f"… {len(lines) - limit} lines before", "dim", indent=4)
        for line in lines[-limit:]:
            self.line(line, "dim", indent=4)

    def beginning(self, output: str, limit: int) -> None:
        """The first `limit` lines of an output, each cut to a line of the screen."""
        lines = output.strip("\n").split("\n") if output.strip() else []
        room = self.console.width - 6 if self.boxes else _LOG_COLUMNS
        for line in lines[:limit]:
            self.line(cut(one_line(line, max(4 * room, 8)), max(8, room)), "dim", indent=4)
        if more := len(lines) - limit if len(lines) > limit else 0:
            self.line(f"… {more:,} more line{'s' if more != 1 else ''}", "dim", indent=4)

    def mark(self, mark: str, ascii_mark: str) -> str:
        return ascii_mark if self.console.options.ascii_only else mark

    def settle(self) -> None:
        """Print what streaming left open."""
        if rest := self._blocks.end():
            self._print_block(rest)
        if self._open is not None:
            self._open.print()
            self._open = None

    def plain(self, console: Console, text: str) -> None:
        """A text as it is, each of its lines however long on one."""
        self.settle()
        with self._area.above(console):
            console.print(Text(printable(text)), soft_wrap=True, highlight=False)

    def idle(self) -> None:
        """Nothing is waited for any more."""
        self.settle()
        self._waiting = None

    def relabel(self, label: str) -> None:
        """Wait for something else, and count on."""
        if self._waiting is None:
            self.wait(label)
        else:
            self._waiting.label = printable(label)

    def _print_block(self, block: str) -> None:
        console, style = self._block
        with self._area.above(console):
            if self._parted:
                console.print()
            text = printable(block)
            if not is_markdown(block):
                # Broken between words; as it is, the terminal would break it in the middle of one.
                text = "\n".join(wrapped(text, console.width))
            console.print(block_view(text, style), highlight=False, soft_wrap=not is_markdown(block))
        self._parted = True

    def _live_lines(self) -> list[Text]:
        """What stays below while a turn works: the text that grows, what is waited for, and the foot."""
        if not self._active or self.paused:
            return []
        width, rows = self.console.width - 1, max(1, self.console.height - 5)
        _, style = self._block
        tail = [line[-width * rows :] for line in self._blocks.tail(rows)]
        grown = wrapped(printable("\n".join(tail)), width)[-rows:] if tail else []
        lines = [Text(line, style=style) for line in ([""] if grown and self._parted else []) + grown]
        frames = self.mark(_FRAMES, _ASCII_FRAMES)
        branches = self.branches(width, frames[int(self._monotonic() / TICK_S) % len(frames)])
        lines += [Text(line, style="cyan" if line.lstrip()[:1] in frames else "dim") for line in branches]
        if self._waiting is not None:
            lines.append(self._waiting.line(frames))
        if self._foot is not None:
            lines += [Text(line, style="dim") for line in self._foot(width)]
        return lines


def _hanging(line: Text, width: int, console: Console) -> list[Text]:
    """The line in pieces of at most `width` columns, all but the first further in."""
    if line.cell_len <= width + _HANG:
        return [line]
    pieces = line.wrap(console, width, overflow="fold")
    for piece in pieces:
        piece.rstrip()
    return [pieces[0], *(Text(" " * _HANG) + piece for piece in pieces[1:])]
