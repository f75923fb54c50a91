"""NestedLearning: how many messages a person has sent, and which memory tier is due.

The count is a fold over the transcripts: each `turn_started` is one message. A cache in the derived folder spares
reading old transcripts again; delete it and the count comes back the same.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from llmos.core.errors import StoreError
from llmos.memory.files import make_private_folder, write_atomic

_MARK = b'"event":"turn_started"'


class NestedLearning:
    """Counts messages over all sessions and processes of a workspace."""

    def __init__(self, recall: Path, derived: Path, *, core_every: int = 10, archival_every: int = 100) -> None:
        self._recall = recall
        self._cache = derived / "message_count.json"
        self._core_every = core_every
        self._archival_every = archival_every
        self.count = 0
        self._before = 0

    def track_message(self) -> int:
        """Take up the messages recorded since the last call, by any process; the count of all messages ever."""
        counted = self._load()
        fresh: dict[str, tuple[int, int]] = {}
        for path in sorted(self._recall.glob("*.jsonl")):
            known = counted.get(path.name, (0, 0))
            with suppress(OSError):  # removed or made unreadable just now: it does not count
                size = path.stat().st_size
                fresh[path.name] = known if known[0] == size else _count(path, *(known if known[0] < size else (0, 0)))
        if fresh != counted:
            with suppress(StoreError):  # the cache saves time only
                make_private_folder(self._cache.parent)
                write_atomic(self._cache, json.dumps(fresh).encode())
        self.count = sum(messages for _, messages in fresh.values())
        self._before = sum(messages for _, messages in counted.values()) if counted else max(0, self.count - 1)
        return self.count

    def should_update_core(self) -> bool:
        """Whether the messages just taken up passed a multiple of `core_every`."""
        return self._passed(self._core_every)

    def should_update_archival(self) -> bool:
        """Whether the messages just taken up passed a multiple of `archival_every`."""
        return self._passed(self._archival_every)

    def _passed(self, every: int) -> bool:
        # Two processes may record at once, so the count can step over the very multiple.
        return self.count // every > min(self._before, self.count) // every

    def _load(self) -> dict[str, tuple[int, int]]:
        try:
            return {
                name: (int(size), int(messages))
                for name, (size, messages) in json.loads(self._cache.read_bytes()).items()
            }
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return {}


def _count(path: Path, offset: int, messages: int) -> tuple[int, int]:
    """Bytes of whole lines read and messages counted, going on from `offset`."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return offset + len(whole), messages + sum(_MARK in line for line in whole.splitlines())
