"""What was written and is not on the disk yet: gathered, and put there in one go before something may rest on it.

Each write comes before the first sync, because a file system takes many changes at once for the price of one, and pays
for each where it is asked after each. Where other work goes on in the same loop, a thread waits for the disk.

Invariant: on return of `now` or `settled`, all that `later` was told of before is on the disk. What failed stays due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from llmos.memory.files import sync_path


class Syncs:
    """`aside`: `settled` lets the loop go on meanwhile. One task may ask for it while another waits: they share."""

    def __init__(self, *, aside: bool = False) -> None:
        self._aside = aside
        self._due: dict[Path, None] = {}
        self._one_at_a_time = asyncio.Lock()

    def later(self, *paths: Path) -> None:
        """These files were written, or names in these folders changed."""
        self._due.update(dict.fromkeys(paths))

    def now(self) -> None:
        """Raises StoreError."""
        due, self._due = self._due, {}
        try:
            _sync(due)
        except BaseException:
            self._due = due | self._due
            raise

    async def settled(self) -> None:
        """Raises StoreError."""
        if not self._aside:
            self.now()
            return
        async with self._one_at_a_time:  # who had to wait here finds its own done by whom it waited for
            due, self._due = self._due, {}
            if not due:
                return
            try:
                await asyncio.to_thread(_sync, due)
            except BaseException:
                self._due = due | self._due
                raise


def _sync(paths: Iterable[Path]) -> None:
    for path in paths:
        sync_path(path)
