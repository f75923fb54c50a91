"""What the prompt offers while a person types: commands, and what may stand after them. It never fails."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from llmos.app import App
from llmos.core.errors import LlmosError
from llmos.interfaces.attach import file_offers
from llmos.interfaces.printable import one_line
from llmos.interfaces.slash import SlashCommand

MOST = 200


def mention(text: str) -> str | None:
    """The path that is being typed after an `@`, if that is what is being typed."""
    last = re.split(r"\s", text)[-1]
    return last[1:] if last.startswith("@") else None


def wants_menu(text: str) -> bool:
    """Whether what is typed up to the cursor is offered something while it is typed."""
    return text.startswith("/") or mention(text) is not None


class SlashCompleter(Completer):
    """Completes the commands of a table."""

    def __init__(self, app: App, table: Sequence[SlashCommand]) -> None:
        self._app = app
        self._table = table

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        if (begun := mention(text)) is not None:
            found = file_offers(self._app.cwd, begun)[:MOST]
            return [Completion(path, -len(begun), display_meta=kind) for path, kind in found]
        if not text.startswith("/") or "\n" in text:
            return []
        name, space, typed = text.partition(" ")
        if not space:
            return list(self._names(name))
        return list(self._arguments(name, typed.lstrip()))

    def _names(self, begun: str) -> Iterable[Completion]:
        for command in self._table:
            for name in (command.name, *command.aliases):
                if name.startswith(begun) and (name == command.name or begun not in ("/", "")):
                    yield Completion(name, -len(begun), display=command.usage, display_meta=command.help)
                    break

    def _arguments(self, name: str, typed: str) -> Iterable[Completion]:
        command = next((one for one in self._table if name in (one.name, *one.aliases)), None)
        if command is None:
            return
        last = typed.rpartition(" ")[2]
        try:
            offers = list(command.offer(self._app, typed))[:MOST]
        except (LlmosError, OSError):
            return
        for offered, about in offers:
            yield Completion(offered, -len(last), display_meta=one_line(about))
