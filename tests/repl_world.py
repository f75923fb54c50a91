"""Sessions at a prompt in this process: a real Repl over a pipe in place of the keyboard."""

from __future__ import annotations

import asyncio
import io
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from llmos.app import App, AppOptions
from llmos.core.errors import ExitStatus
from llmos.interfaces.repl import Repl

Talk = Callable[..., Awaitable[tuple[ExitStatus, list[str]]]]


async def talk(
    *typed: str, options: AppOptions | None = None, resume: str | None = None
) -> tuple[ExitStatus, list[str]]:
    """A session in which `typed` is sent, a line each, then /quit; its status and the lines after the greeting."""
    console = Console(file=io.StringIO(), width=100, color_system=None, force_terminal=False, _environ={})
    app = App.open(options or AppOptions(), cwd=Path.cwd(), environ=os.environ)
    with create_pipe_input() as pipe:
        pipe.send_text("".join(f"{line}\r" for line in typed) + "/quit\r")
        repl = Repl(app, console, environ=os.environ, resume=resume, input=pipe, output=DummyOutput())
        try:
            status = await asyncio.wait_for(repl.run(), 30)
        finally:
            await app.close()
    assert isinstance(console.file, io.StringIO)
    return status, [without_times(line) for line in after_greeting(console.file.getvalue().splitlines())]


def after_greeting(lines: list[str]) -> list[str]:
    """Without the one line, or at the first run the panel, that a session begins with."""
    last = next(at for at, line in enumerate(lines) if " · workspace " in line or line.startswith("  keys: "))
    return lines[last + 1 :]


def without_times(line: str) -> str:
    return re.sub(r"\b\d+\.\d+ s\b", "N s", line)
