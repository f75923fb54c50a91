"""What comes from the keyboard, before any key acts: pastes of any size in linear time, and text that is text.

Invariants: a paste is one key press however large it is; one that is larger than any message is told and dropped.
Enter is Enter, also when it was pressed before the prompt was there.
"""

from __future__ import annotations

import array
import fcntl
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TextIO

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.input import Input
from prompt_toolkit.input.posix_utils import PosixStdinReader
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

_END = "\x1b[201~"
_PRINTS = ContextVar("prints", default=False)
"""Whether what runs above a prompt only prints, so that it needs no line editing."""


class PasteParser(Vt100Parser):
    """prompt_toolkit's own looks through the whole paste again with every piece that arrives; this one does not.

    Of a paste of more than `limit` characters nothing is kept; `dropped` is told how many it had.
    """

    def __init__(
        self, feed_key_callback: Callable[[KeyPress], None], *, limit: int, dropped: Callable[[int], None]
    ) -> None:
        self._limit = limit
        self._dropped = dropped
        self._pieces: list[str] = []
        self._size = 0
        self._tail = ""
        super().__init__(feed_key_callback)

    def feed(self, data: str) -> None:
        while data:
            if not self._in_bracketed_paste:
                data = self._keys(data)
            else:
                data = self._pasted(data)

    def _keys(self, data: str) -> str:
        """Take keys until a paste begins; what is left then."""
        for at, char in enumerate(data):
            self._input_parser.send(char)
            if self._in_bracketed_paste:
                return data[at + 1 :]
        return ""

    def _pasted(self, data: str) -> str:
        """Take a piece of the paste; what is left behind its end."""
        looked_at = self._tail + data
        end = looked_at.find(_END)
        if end < 0:
            # The end mark may be cut in two.
            keep = max((size for size in range(1, len(_END)) if looked_at.endswith(_END[:size])), default=0)
            self._tail = looked_at[len(looked_at) - keep :]
            self._keep(looked_at[: len(looked_at) - keep])
            return ""
        self._keep(looked_at[:end])
        text, size = "".join(self._pieces), self._size
        self._pieces, self._size, self._tail = [], 0, ""
        self._in_bracketed_paste = False
        if size <= self._limit:
            self.feed_key_callback(KeyPress(Keys.BracketedPaste, text))
        else:
            self._dropped(size)
        return looked_at[end + len(_END) :]

    def _keep(self, piece: str) -> None:
        self._size += len(piece)
        if self._size <= self._limit:
            self._pieces.append(piece)
        else:
            self._pieces = []


class TerminalReader(PosixStdinReader):
    """Gives back the keys behind characters that the terminal's line editing had changed when they arrived."""

    _AS_TYPED = str.maketrans({"\n": "\r", "\0": "\x04"})
    """Line editing (termios(3): ICRNL, VEOF) makes a newline of Enter and keeps the end-of-file sign as a NUL."""

    def __init__(self, descriptor: int, encoding: str) -> None:
        super().__init__(descriptor, encoding=encoding)
        self._edited = 0

    def take_for_edited(self) -> None:
        """All that waits to be read was typed under line editing."""
        self._edited = self._waiting()

    def read(self, count: int = 1024) -> str:
        self._edited = min(self._edited, self._waiting()) if self._edited else 0  # it may have been flushed
        if not self._edited:
            return super().read(count)
        count = min(count, self._edited)
        self._edited -= count
        return super().read(count).translate(self._AS_TYPED)

    def _waiting(self) -> int:
        """Bytes that can be read at once."""
        size = array.array("i", [0])
        try:
            fcntl.ioctl(self.stdin_fd, termios.FIONREAD, size)
        except OSError:
            return 0
        return size[0]


class TerminalInput(Vt100Input):
    """The terminal of a session. Its line editing is on until `raw_mode`, and while something that wants it runs above
    a prompt; keys pressed then are taken for what they are once it is off again.
    """

    def __init__(self, stdin: TextIO) -> None:
        super().__init__(stdin)
        self._reader = self.stdin_reader = TerminalReader(self.fileno(), stdin.encoding)

    @contextmanager
    def raw_mode(self) -> Iterator[None]:
        edited = self._line_editing()
        with super().raw_mode():
            if edited:
                self._reader.take_for_edited()
            yield

    @contextmanager
    def cooked_mode(self) -> Iterator[None]:
        if _PRINTS.get():
            yield
            return
        edited = self._line_editing()
        with super().cooked_mode():
            yield
        if not edited:
            self._reader.take_for_edited()

    def _line_editing(self) -> bool:
        try:
            return bool(termios.tcgetattr(self.fileno())[3] & termios.ICANON)
        except termios.error:
            return False


def print_above_prompt(action: Callable[[], None]) -> None:
    """Run what only prints, above the open prompt. The terminal shows no key that is pressed meanwhile."""
    context = copy_context()
    context.run(_PRINTS.set, True)
    context.run(run_in_terminal, action)


def bounded(source: Input, limit: int, dropped: Callable[[int], None]) -> Input:
    """The input, with pastes that cost what they are long."""
    if isinstance(source, Vt100Input):
        source.vt100_parser = PasteParser(lambda press: source._buffer.append(press), limit=limit, dropped=dropped)
    return source


def as_text(typed: str) -> str:
    """The message with the sign for it in place of each byte that is not UTF-8."""
    return "".join("\N{REPLACEMENT CHARACTER}" if "\ud800" <= char <= "\udfff" else char for char in typed)
