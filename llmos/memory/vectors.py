"""Vectors of the messages: one row a message in a flat file of the derived folder, written in order of the messages.

Invariant: a row below `done` belongs to the message of that number, under the embedder and the index generation that
the side file names; anything else is started over. numpy is imported when vectors are first used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmos.core.errors import StoreError
from llmos.core.ports import Embedder
from llmos.memory.files import read_bounded, write_atomic
from llmos.memory.recall_index import RecallIndex

if TYPE_CHECKING:
    import numpy

_BATCH = 32
_NAME = "message_vectors.f32"
_MAX_SIDE = 100_000


def erase_vectors(derived: Path, numbers: Iterable[int]) -> None:
    """Take the vectors of these messages out of the file, whatever embedder made them. Raises OSError."""
    path = derived / _NAME
    if not path.exists():
        return
    try:
        width = 4 * int(json.loads(read_bounded(path.with_suffix(".json"), _MAX_SIDE))["dimension"])
    except (StoreError, ValueError, KeyError, TypeError):
        path.unlink(missing_ok=True)  # whose rows these are nobody knows
        return
    size = path.stat().st_size
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        for number in numbers:
            if number * width <= size:
                os.pwrite(descriptor, bytes(width), (number - 1) * width)
    finally:
        os.close(descriptor)


class MessageVectors:
    """The vectors of one workspace's messages under one embedder. Without a folder they are kept in memory."""

    def __init__(self, index: RecallIndex, embedder: Embedder, derived: Path | None) -> None:
        self._index = index
        self._embedder = embedder
        self._path = derived / _NAME if derived is not None else None
        self._rows: dict[int, Any] = {}
        self._done = 0
        self._generation = ""
        self._matrix: Any = None

    def embed_pending(self, limit: int) -> int:
        """Embed up to `limit` messages that have no vector yet; how many were. Going on after a crash loses a batch."""
        self._attach()
        made = 0
        while made < limit:
            numbers = range(self._done + 1, self._done + 1 + min(_BATCH, limit - made))
            messages = {message.number: message for message in self._index.messages(numbers)}
            if not messages:
                if not self._index.count(after=self._done):
                    break
                last = numbers[-1]  # all of them were taken out
            else:
                last = max(messages)
            texts = [messages[n].text if n in messages else "" for n in range(self._done + 1, last + 1)]
            self._write(self._done + 1, self._embedder.embed(texts))
            made += len(texts)
        return made

    def pending(self) -> int:
        """How many messages have no vector yet."""
        self._attach()
        return self._index.count(after=self._done)

    def start_over(self) -> None:
        """Forget all vectors."""
        self._done, self._matrix, self._rows = 0, None, {}
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._side.unlink(missing_ok=True)

    def nearest(self, question: str, limit: int) -> tuple[dict[int, float], Any]:
        """Numbers and cosines of the nearest messages, and the cosines of all, by number - 1."""
        import numpy

        self._attach()
        if not self._done:
            return {}, None
        query = numpy.asarray(self._embedder.embed([question])[0], dtype=numpy.float32)
        cosines = self._loaded() @ query
        count = min(limit, len(cosines))
        top = numpy.argpartition(-cosines, count - 1)[:count]
        return {int(place) + 1: float(cosines[place]) for place in top}, cosines

    # ------------------------------------------------------------------------------------------------------ storage

    def _attach(self) -> None:
        """Hold on to what is there when it is of this index and embedder; start over else."""
        generation = self._index.generation()
        mark = {"generation": generation, "embedder": self._embedder.name, "dimension": self._embedder.dimension}
        if self._path is not None and self._path.exists() and not self._path.is_file():
            self._path = None  # something else stands in its place
        if self._path is None:
            if generation != self._generation:
                self._done, self._matrix, self._rows = 0, None, {}
            self._generation = generation
            return
        found: dict[str, Any] = {}
        with suppress(StoreError, ValueError, RecursionError):
            found = json.loads(read_bounded(self._side, _MAX_SIDE))
        done = found.get("done") if isinstance(found, dict) else None
        size = self._path.stat().st_size if self._path.exists() else 0
        same = isinstance(done, int) and {key: found.get(key) for key in mark} == mark
        if not same or size < int(done or 0) * 4 * self._embedder.dimension:
            done = 0
        if done != self._done or generation != self._generation:
            self._matrix = None
        self._done, self._generation = int(done or 0), generation

    @property
    def _side(self) -> Path:
        assert self._path is not None
        return self._path.with_suffix(".json")

    def _write(self, first: int, vectors: Sequence[Sequence[float]]) -> None:
        import numpy

        block = numpy.asarray(vectors, dtype=numpy.float32)
        self._put(first, block)
        self._done = first + len(block) - 1
        self._matrix = None
        if self._path is not None:
            side = {
                "generation": self._generation,
                "embedder": self._embedder.name,
                "dimension": self._embedder.dimension,
                "done": self._done,
            }
            with suppress(StoreError):
                write_atomic(self._side, json.dumps(side).encode())

    def _put(self, first: int, block: numpy.ndarray[Any, Any]) -> None:
        if self._path is None:
            self._rows.update({first + place: row for place, row in enumerate(block)})
            self._matrix = None
            return
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(descriptor, block.tobytes(), (first - 1) * 4 * self._embedder.dimension)
            finally:
                os.close(descriptor)

    def _loaded(self) -> Any:
        import numpy

        if self._matrix is None:
            if self._path is None:
                self._matrix = numpy.stack([self._rows[number] for number in range(1, self._done + 1)])
            else:
                shape = (self._done, self._embedder.dimension)
                self._matrix = numpy.memmap(self._path, dtype=numpy.float32, mode="r", shape=shape)
        return self._matrix
