"""The slash commands of the prompt: what they are called, and the nearest one to a wrong name."""

from __future__ import annotations

import difflib
import re

from llmos.app import App
from llmos.core.trace import TraceStatus
from llmos.interfaces.printable import one_line
from llmos.interfaces.render import SMALL_MODEL_WORDS

COMMANDS = {
    "/help": "the commands and keys",
    "/traces": "what can be replayed without a model",
    "/model": "which model answers, and who pays",
    "/quit": "leave (also Ctrl-D)",
}
_KEYS = "Enter sends · Alt+Enter starts a new line · Ctrl-C clears the line or stops the turn · Ctrl-D leaves"
_NAME = re.compile(r"/[A-Za-z?_-]*\Z")


def command_of(text: str) -> str | None:
    """The first word when it looks like a command; a path such as /etc/hosts begins a goal."""
    word = text.split(maxsplit=1)[0]
    return word if _NAME.match(word) else None


def run_command(name: str, app: App) -> str | None:
    """What the command says; None for the one that leaves. Raises LlmosError."""
    match name:
        case "/quit" | "/exit":
            return None
        case "/help" | "/?":
            return "\n".join([*(f"{name:<8} {about}" for name, about in COMMANDS.items()), _KEYS])
        case "/traces":
            return _traces(app)
        case "/model":
            info = app.model().info
            small = f" {SMALL_MODEL_WORDS}" if info.small else ""
            return f"{info.name}{small} · paid by {info.payer}; `llmos --model NAME` starts with another"
    near = difflib.get_close_matches(name, COMMANDS, 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else "/help shows the commands"
    return f"there is no command {one_line(name, 40)}; {hint}"


def _traces(app: App) -> str:
    headers = [header for header in app.traces.headers() if header.status is TraceStatus.VERIFIED]
    lines = [f"{header.id}  {one_line(header.goal, 100)}" for header in headers]
    return "\n".join([*lines, f"{len(headers)} traces can be replayed; `llmos traces list --all` shows more"])
