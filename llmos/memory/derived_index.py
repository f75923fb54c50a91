"""What the SQLite indexes have in common: they are derived from files, so a broken one is made anew from them."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

# What a damaged index, or one that somebody else made, can lead to.
_BROKEN = (sqlite3.Error, ValueError, KeyError, TypeError, AttributeError)
T = TypeVar("T")


def is_busy(error: BaseException) -> bool:
    """Whether another process holds the index: it is then not broken, and not ours to delete."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


class DerivedIndex(ABC):
    """An open index; `_connection` is in autocommit."""

    _connection: sqlite3.Connection

    def close(self) -> None:
        self._connection.close()

    def start_over(self) -> None:
        """Forget everything derived; the next refresh reads all files again."""
        self._start_over(in_memory=False)

    def guarded(self, work: Callable[[], T]) -> T:
        """The result of `work`; an index that turns out to be broken is made anew from the files, once."""
        try:
            return work()
        except _BROKEN as error:
            self._start_over(in_memory=is_busy(error))
            try:
                self._refresh()
                return work()
            except _BROKEN:
                self._start_over(in_memory=True)
                self._refresh()
                return work()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time from its first look on, so that two processes never count a line twice."""
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    @abstractmethod
    def _refresh(self) -> None:
        """Take in what the files say now."""

    @abstractmethod
    def _start_over(self, *, in_memory: bool) -> None:
        """Open an empty index, on disk if that can be and may be."""
