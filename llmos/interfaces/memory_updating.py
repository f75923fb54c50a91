"""The updates of memory that turns make due: begun beside what comes next, waited for, or stopped."""

from __future__ import annotations

from contextlib import suppress

from llmos.core.errors import StoreError
from llmos.core.events import Outcome
from llmos.core.ports import Emit
from llmos.engine.consolidate import Consolidator
from llmos.interfaces.turn import Ending, Turn


class MemoryUpdating:
    """For one session. Without a consolidator memory stays as it is."""

    def __init__(self, consolidator: Consolidator | None, emit: Emit, *, one_shot: bool) -> None:
        self._consolidator = consolidator
        self._emit = emit
        self._one_shot = one_shot

    @property
    def running(self) -> bool:
        return self._consolidator is not None and self._consolidator.running

    def take_news(self) -> list[str]:
        """What changed in the core blocks since the last time."""
        return self._consolidator.take_news() if self._consolidator is not None else []

    def after(self, turn: Turn, ending: Ending) -> None:
        """Begin the updates that are due. A replay that a script waits for starts no model: what is due stays due."""
        if self._consolidator is None:
            return
        replayed = turn.calls.count == 0 and ending.outcome is Outcome.OK
        with suppress(StoreError):  # that the turn is not on record was told already
            self._consolidator.after_message(self._emit, begin=not (self._one_shot and replayed))

    async def finish(self) -> None:
        """Wait for the update that runs."""
        if self._consolidator is not None:
            await self._consolidator.finish()

    async def stop(self, *, small_only: bool = False) -> None:
        """Stop the update that runs; it stays due. With `small_only` only one that the processor is needed for."""
        if self._consolidator is not None:
            await self._consolidator.stop(small_only=small_only)
