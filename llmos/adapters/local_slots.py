"""Which slot of the local runtime works on which conversation, so that what was read there is not read again.

Two conversations in two slots are decoded in one batch: on two cores that takes less of the processor than one after
the other (decision 28). A slot whose conversation waits for a tool is kept for it a while: reading a prompt again
takes longer than most tools.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from llmos.core.dataclass import dataclass

KEPT_S = 10.0
_LOOK_EVERY_S = 1.0

Messages = Sequence[Mapping[str, Any]]


@dataclass(eq=False, slots=True)
class Slot:
    number: int
    prefix: str = ""
    """The kept system prompt that was put there and is still there."""
    messages: Messages = ()
    """What was read there last."""
    taken: bool = False
    used: float = 0.0
    goes_on: bool = False
    """Whether the conversation there is expected to go on."""

    def alike(self, messages: Messages) -> int:
        """How many messages from the first on are those that were read here."""
        count = 0
        for mine, other in zip(self.messages, messages, strict=False):
            if mine != other:
                break
            count += 1
        return count


class Slots:
    """The slots for conversations, numbered from `first` on."""

    def __init__(self, first: int, monotonic: Callable[[], float]) -> None:
        self._first = first
        self._monotonic = monotonic
        self._slots = [Slot(first)]
        self._released = asyncio.Event()

    def lay_out(self, count: int) -> None:
        """So many slots from now on, with nothing in them."""
        self._slots = [Slot(self._first + number) for number in range(count)]

    @asynccontextmanager
    async def take(self, messages: Messages) -> AsyncIterator[Slot]:
        """The slot that has read most of these messages, or the one that is longest unused; waits for a free one."""
        while (slot := self._free(messages)) is None:
            with suppress(TimeoutError):  # after a while a slot that was kept is kept no longer
                await asyncio.wait_for(self._released.wait(), _LOOK_EVERY_S)
        slot.taken, slot.goes_on = True, False
        try:
            yield slot
            slot.messages = messages
        finally:
            slot.taken, slot.used = False, self._monotonic()
            self._released.set()
            self._released = asyncio.Event()

    def _free(self, messages: Messages) -> Slot | None:
        free = [slot for slot in self._slots if not slot.taken]
        best = max(free, key=lambda slot: slot.alike(messages), default=None)
        if best is not None and best.alike(messages) > 1:  # more than a system prompt, which is that of all
            return best
        now, several = self._monotonic(), len(self._slots) > 1
        open_to_all = [slot for slot in free if not (several and slot.goes_on and now - slot.used < KEPT_S)]
        return min(open_to_all, key=lambda slot: (-slot.alike(messages), slot.used), default=None)
