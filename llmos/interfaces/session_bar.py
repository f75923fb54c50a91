"""The bar of one session: what it tells is gathered here, what stands on it is `status_line`'s business."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from llmos.app import App
from llmos.core.events import Event
from llmos.core.memory_tiers import Tier
from llmos.core.permission import PermissionMode
from llmos.interfaces.layout import cut
from llmos.interfaces.printable import one_line
from llmos.interfaces.prompt_keys import TWICE_S
from llmos.interfaces.session_facts import SessionFacts
from llmos.interfaces.status_line import Status, status_line
from llmos.memory.files import show_path


class SessionBar:
    """`mode` tells the permission mode that holds; `changed` is told when the bar should be drawn again."""

    def __init__(
        self, app: App, environ: Mapping[str, str], *, mode: Callable[[], PermissionMode], changed: Callable[[], None]
    ) -> None:
        self.facts = SessionFacts()
        self._app = app
        self._environ = environ
        self._mode = mode
        self._changed = changed
        self._status = Status(mode="", cwd="")
        self._hint = self._ahead = ""
        self._hint_ends: asyncio.TimerHandle | None = None

    def take(self, event: Event) -> None:
        self.facts = self.facts.after(event)

    def gather(self) -> None:
        """Look up what does not come as an event; once a prompt, because some of it is on disk."""
        model, payer = self._app.models.choice
        nested = self._app.record.nested
        self._status = Status(
            mode="",
            cwd=below_home(self._app.cwd, self._environ),
            model=model,
            payer=payer,
            to_core=nested.messages_until(Tier.CORE),
            to_archival=nested.messages_until(Tier.ARCHIVAL),
            sandbox=self._app.sandbox_tier.name,
            context_limit=self._app.models.context_limit if self.facts.context_tokens else 0,
        )

    def line(self, width: int) -> str:
        """The bar in at most `width` columns."""
        facts = self.facts
        status = replace(
            self._status,
            mode=self._mode().value.replace("accept-", "accept "),
            cost_usd=facts.cost_usd,
            saved_usd=facts.saved_usd,
            context_tokens=facts.context_tokens,
            memory_failure=facts.memory_failure,
            hint=self._hint,
        )
        return status_line(status, width)

    def foot(self, width: int) -> list[str]:
        """What stays below while a turn works: what is typed for the next prompt, and the bar."""
        ahead = [cut(f"next: {one_line(self._ahead)}", width)] if self._ahead else []
        return [*ahead, self.line(width)]

    def typed_ahead(self, text: str) -> None:
        self._ahead = text
        self._changed()

    def hint(self, words: str) -> None:
        """A few words on the bar for as long as they hold; empty takes them away."""
        self._hint = words
        if self._hint_ends is not None:
            self._hint_ends.cancel()
        self._hint_ends = asyncio.get_running_loop().call_later(TWICE_S, self.hint, "") if words else None
        self._changed()


def below_home(folder: Path, environ: Mapping[str, str]) -> str:
    """The folder for a person, `~` for their home."""
    home = environ.get("HOME", "")
    shown, start = show_path(folder), show_path(home)
    return f"~{shown.removeprefix(start)}" if home and f"{shown}/".startswith(f"{start}/") else shown
