"""The keys of a person while a turn works: those that act at once, and what is typed ahead for the next prompt.

Invariant: while nobody listens the terminal is as it was, and what was typed ahead is never lost, only handed on.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

ESCAPE_WAIT_S = 0.05
"""How long an Escape may be the beginning of another key."""
_MOST_AHEAD = 20_000
_NOT_TYPED = frozenset({Keys.CPRResponse, Keys.Vt100MouseEvent, Keys.WindowsMouseEvent, Keys.Ignore, Keys.ScrollUp})


class TurnKeys:
    """Listens on `input`. `actions` are the keys that act; any other key is typed ahead.

    `changed` is told when the text typed ahead changed; `around_stop` wraps the time in which the process is
    suspended, so that the screen is left in order and drawn again.
    """

    def __init__(
        self,
        input: Input,
        actions: Mapping[str, Callable[[], None]],
        *,
        changed: Callable[[str], None] = lambda _: None,
        suspended: Callable[[], None] = lambda: None,
        resumed: Callable[[], None] = lambda: None,
    ) -> None:
        self._input = input
        self._actions = actions
        self._changed = changed
        self._suspended = suspended
        self._resumed = resumed
        self._ahead: list[KeyPress] = []
        self._flush: asyncio.TimerHandle | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Act on keys until the block is left; then what was typed ahead goes to the next prompt."""
        with ExitStack() as stack:
            stack.enter_context(self._input.raw_mode())
            stack.enter_context(self._input.attach(self._read))
            try:
                # What arrived together with the Enter that sent the message was meant for the turn too.
                self._take(get_typeahead(self._input))
                yield
            finally:
                if self._flush is not None:
                    self._flush.cancel()
                    self._flush = None
                self.hand_on()

    def hand_on(self) -> None:
        """Give what was typed ahead to the next prompt that reads from this input."""
        store_typeahead(self._input, self._ahead)
        self._ahead = []

    def _read(self) -> None:
        self._take(self._input.read_keys())
        if self._flush is not None:
            self._flush.cancel()
        self._flush = asyncio.get_running_loop().call_later(ESCAPE_WAIT_S, self._end_escape)

    def _end_escape(self) -> None:
        self._flush = None
        self._take(self._input.flush_keys())

    def _take(self, presses: list[KeyPress]) -> None:
        before = len(self._ahead)
        for at, press in enumerate(presses):
            # An Escape with another key behind it is that key with Alt.
            alone = press.key != Keys.Escape or at == len(presses) - 1
            action = self._actions.get(press.key) if alone else None
            if press.key == Keys.ControlZ:
                self._suspend()
            elif action is not None:
                action()
            elif press.key not in _NOT_TYPED and len(self._ahead) < _MOST_AHEAD:
                self._ahead.append(press)
        if len(self._ahead) != before:
            self._changed(_as_text(self._ahead))

    def _suspend(self) -> None:
        """Stop the whole process group, as a shell expects it of Ctrl-Z; go on when it is continued."""
        if not hasattr(signal, "SIGTSTP"):
            return
        self._suspended()
        with self._input.cooked_mode():
            os.kill(0, signal.SIGTSTP)
        self._resumed()


def _as_text(presses: list[KeyPress]) -> str:
    """What the keys write, as far as they write at all."""
    text = ""
    for press in presses:
        if press.key in (Keys.ControlH, Keys.Backspace):
            text = text[:-1]
        elif press.key in (Keys.ControlM, Keys.ControlJ):
            text += "⏎ "
        elif press.key == Keys.BracketedPaste or len(press.key) == 1:
            text += press.data
    return text
