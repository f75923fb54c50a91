"""The keys of the prompt: what each does, and the table that a person reads.

Invariant: a key that is bound stands in `KEYS`, and the other way round.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from prompt_toolkit.application.current import get_app
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from llmos.core.dataclass import dataclass

KEYS: tuple[tuple[str, str], ...] = (
    ("Enter", "sends"),
    ("Alt+Enter, Ctrl+J, \\ Enter", "begin a new line"),
    ("Up, Down", "earlier messages, of other sessions too"),
    ("Ctrl+R", "searches them"),
    ("Ctrl+G, Ctrl+X Ctrl+E", "open the message in $EDITOR"),
    ("Esc, Ctrl+C", "stop the work and keep the session"),
    ("Ctrl+C", "clears what is typed; twice leaves"),
    ("Ctrl+D", "leaves"),
    ("Shift+Tab", "changes the permission mode"),
    ("Ctrl+O", "shows the last decision whole"),
    ("Ctrl+Z", "suspends; `fg` continues"),
    ("? on an empty line", "shows these keys"),
)
TWICE_S = 2.0
"""Seconds within which the second Ctrl-C leaves."""


@dataclass(frozen=True, slots=True)
class PromptActions:
    """What keys do beyond editing."""

    cycle_mode: Callable[[], None]
    show_keys: Callable[[], None]
    show_decision: Callable[[], None]
    hint: Callable[[str], None]
    """A few words in the bar, until the next one; empty takes them away."""


@Condition
def _empty() -> bool:
    return not get_app().current_buffer.text


def prompt_bindings(actions: PromptActions, *, monotonic: Callable[[], float] = time.monotonic) -> KeyBindings:
    """The bindings of a prompt at which messages are typed."""
    keys = KeyBindings()
    _bind_lines(keys)
    _bind_leaving(keys, actions, monotonic)

    # Readline's Ctrl+X Ctrl+E sends when the editor closes; here a message is sent by Enter and by nothing else.
    @keys.add("c-g", filter=~is_searching)
    @keys.add("c-x", "c-e")
    def _edit(event: KeyPressEvent) -> None:
        event.current_buffer.open_in_editor()

    @keys.add("s-tab")
    def _mode(event: KeyPressEvent) -> None:
        actions.cycle_mode()
        event.app.invalidate()

    @keys.add("?", filter=_empty)
    def _keys(event: KeyPressEvent) -> None:
        actions.show_keys()

    @keys.add("c-o")
    def _decision(event: KeyPressEvent) -> None:
        actions.show_decision()

    return keys


def _bind_lines(keys: KeyBindings) -> None:
    @keys.add("enter", filter=~is_searching)
    def _send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.text_before_cursor.endswith("\\") and not buffer.document.text_after_cursor:
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
            return
        buffer.validate_and_handle()

    @keys.add("escape", "enter")
    @keys.add("c-j")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")


def _bind_leaving(keys: KeyBindings, actions: PromptActions, monotonic: Callable[[], float]) -> None:
    pressed: list[float] = []

    @keys.add("c-c", filter=~is_searching)
    def _clear(event: KeyPressEvent) -> None:
        now = monotonic()
        if pressed and now - pressed[-1] < TWICE_S:
            event.app.exit(exception=EOFError)
            return
        pressed[:] = [now]
        event.current_buffer.reset()
        actions.hint("Ctrl-C once more leaves")
        event.app.invalidate()
