"""Recall: what was said, as a session writes it and asks for it. Opened when it is first needed.

Invariant: taking in a message never fails a turn and never waits long: whatever is left out, because another process
writes or the index is broken, the next search takes in from the transcripts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from llmos.core.errors import LlmosError
from llmos.core.ports import Embedder
from llmos.memory.memory_search import Hit, MemorySearch
from llmos.memory.recall_index import RecallIndex, Report
from llmos.memory.recall_reader import RecallMessage
from llmos.memory.vectors import MessageVectors, erase_vectors

MOST_SAID = 2_000
"""Messages that one update of memory takes in; the next one goes on from there."""

_ALIKE = 50
_AT_UPDATE = 256
"""Vectors made beside one update of memory: two seconds of one processor."""


class Recall:
    """The messages of one workspace. Frozen (also with memory off): nothing is written, a search reads the transcripts.

    `embedder` gives the embedder, or None where there is none; it is asked once, at the first search.
    """

    def __init__(
        self, recall: Path, derived: Path, embedder: Callable[[], Embedder | None], *, frozen: bool = False
    ) -> None:
        self._recall = recall
        self._derived = derived
        self._frozen = frozen
        self._embedder = embedder
        self._index: RecallIndex | None = None
        self._search: MemorySearch | None = None
        self._known: Embedder | None = None

    @property
    def index(self) -> RecallIndex:
        if self._index is None:
            self._index = RecallIndex(self._recall, None if self._frozen else self._derived)
        return self._index

    def take(self, transcript: Path) -> None:
        """A message was written to this transcript."""
        if self._frozen:
            return
        with suppress(sqlite3.Error, OSError, ValueError, LlmosError):
            if self.index.on_disk:
                self.index.take(transcript)

    def refresh(self, report: Report | None = None) -> RecallIndex:
        """The index with everything in it that any process has recorded."""
        self.index.refresh(report)
        self._settle()
        return self.index

    def said_since(self, at: str) -> list[RecallMessage]:
        """The person's messages that are newer than a time (ISO 8601; empty: all), oldest first."""
        found = self.refresh().since(at, role="user", limit=MOST_SAID)
        return [message for message in found if not at or message.at > datetime.fromisoformat(at)]

    def said_like(self, text: str) -> list[RecallMessage]:
        """Messages of the person that share words with a statement, the likest first."""
        found = self.index.by_keywords(text, _ALIKE)
        return [one for one in self.index.messages(list(found)) if one.role == "user"]

    def search(self, question: str, *, now: datetime, project: str = "", limit: int = 10) -> list[Hit]:
        """The best messages for a question, best first; `relevant` says whether one is about it at all."""
        self._settle()
        question = question.encode("utf-8", "replace").decode("utf-8")
        return self._searcher().search(question, now=now, project=project, limit=limit)

    def vectors(self) -> MessageVectors | None:
        """The vectors of the messages; None without an embedder."""
        return self._searcher().vectors

    def embed_waiting(self) -> int:
        """Make some of the vectors that are missing; how many. For a thread of its own: it uses nothing of others."""
        with suppress(sqlite3.Error, OSError, ValueError, LlmosError):
            embeds = None if self._frozen else self._embeds()
            if embeds is not None:
                index = RecallIndex(self._recall, self._derived)
                try:
                    return MessageVectors(index, embeds, self._derived).embed_pending(_AT_UPDATE)
                finally:
                    index.close()
        return 0

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = self._search = None

    def _searcher(self) -> MemorySearch:
        if self._search is None:
            embeds = self._embeds()
            derived = None if self._frozen else self._derived
            vectors = MessageVectors(self.index, embeds, derived) if embeds is not None else None
            self._search = MemorySearch(self.index, vectors)
        return self._search

    def _embeds(self) -> Embedder | None:
        if self._known is None:
            with suppress(LlmosError):
                self._known = self._embedder()
        return self._known

    def _settle(self) -> None:
        """No vector outlives its message."""
        gone = self.index.gone()
        if gone and not self._frozen:
            with suppress(OSError):
                erase_vectors(self._derived, gone)
                self.index.settle_gone(gone)
