"""Which goal comes next: one at a time in a folder and the folders in it, those of a folder in their order. Pure.

What a command changed is seen by comparing its folder before and after, and a saved run expects what its last step
left; so two goals in one folder would each be charged with the other's effects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Placed(Protocol):
    """Something that happens in a folder."""

    @property
    def directory(self) -> str: ...


Item = TypeVar("Item", bound=Placed)


class FolderQueue(Generic[Item]):
    """Hands out each item once. `take` and `done` alternate for each item that is under way."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._waiting: dict[str, deque[Item]] = {}
        for item in items:
            self._waiting.setdefault(item.directory, deque()).append(item)
        self._busy: dict[str, int] = {}
        """Folders in which something is under way, and those above them, with how many times."""
        self._under_way: set[str] = set()

    def __len__(self) -> int:
        return sum(len(items) for items in self._waiting.values())

    def take(self) -> Item | None:
        """The next item whose folder is free, which is then under way; None where each waits for another."""
        for folder, items in self._waiting.items():
            if self._is_free(folder):
                item = items.popleft()
                if not items:
                    del self._waiting[folder]
                self._under_way.add(folder)
                for above in _upwards(folder):
                    self._busy[above] = self._busy.get(above, 0) + 1
                return item
        return None

    def done(self, item: Item) -> None:
        """The item's folder is free again."""
        self._under_way.remove(item.directory)
        for above in _upwards(item.directory):
            self._busy[above] -= 1
            if not self._busy[above]:
                del self._busy[above]

    def _is_free(self, folder: str) -> bool:
        """Nothing is under way in it, below it or in a folder above it."""
        return folder not in self._busy and self._under_way.isdisjoint(_upwards(folder))


def _upwards(folder: str) -> list[str]:
    """The folder and all above it."""
    parts = folder.strip("/").split("/") if folder.strip("/") else []
    return ["/", *("/" + "/".join(parts[: n + 1]) for n in range(len(parts)))]
