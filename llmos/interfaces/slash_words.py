"""Slash commands that hand their words to the command line: `/traces inspect X` is `llmos traces inspect X`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from llmos.app import App
from llmos.interfaces.slash import Offers, SlashCommand, SlashContext, no_offers
from llmos.memory.workspace import WorkspaceOrigin


def through_cli(
    name: str,
    arguments: str,
    about: str,
    *,
    default: Sequence[str] = (),
    offer: Callable[[App, str], Offers] = no_offers,
    in_thread: bool = False,
) -> SlashCommand:
    """The command `/name WORDS` that does what `llmos name WORDS` does; `default` stands where no words are given.

    `in_thread` is for a command that opens an event loop of its own; it may then ask nothing of the person.
    """

    async def run(context: SlashContext) -> None:
        words = [*_workspace(context.app), name, *(context.words() or default)]
        context.renderer.close()
        if in_thread:
            await asyncio.to_thread(_run, words)
            return
        with _control_c_stops_it():
            _run(words)

    return SlashCommand(f"/{name}", arguments, about, run, offer=offer, takes_terminal=True)


def _run(words: list[str]) -> None:
    from llmos.interfaces.cli import main

    main(words)


def _workspace(app: App) -> list[str]:
    """The option without which the command line would find another workspace than this session has."""
    named = app.workspace.origin is WorkspaceOrigin.FLAG
    return ["--workspace", str(app.workspace.root)] if named else []


@contextmanager
def _control_c_stops_it() -> Iterator[None]:
    """While a command runs that is no coroutine, Ctrl-C interrupts it and not the session."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
