"""What comes from the keyboard, before any key acts: pastes of any size in linear time, and text that is text.

Invariant: a paste is one key press however large it is; one that is larger than any message is told and dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.input import Input
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

_END = "\x1b[201~"


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


def bounded(source: Input, limit: int, dropped: Callable[[int], None]) -> Input:
    """The input, with pastes that cost what they are long."""
    if isinstance(source, Vt100Input):
        source.vt100_parser = PasteParser(lambda press: source._buffer.append(press), limit=limit, dropped=dropped)
    return source


def as_text(typed: str) -> str:
    """The message with the sign for it in place of each byte that is not UTF-8."""
    return "".join("\N{REPLACEMENT CHARACTER}" if "\ud800" <= char <= "\udfff" else char for char in typed)
