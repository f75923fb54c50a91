"""What was taken back or forgotten and must not be remembered again: `memories/tombstones.jsonl`.

A tombstone holds no word of what it bars, only a digest of it and the names of the messages that said it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from llmos.core.errors import StoreError
from llmos.core.memory_text import fingerprint, stems
from llmos.memory.codec import dump_line, whole_records
from llmos.memory.files import append_line, make_private_folder, read_bounded

_MAX_BYTES = 1 << 28


class Tombstones:
    """The tombstones of one workspace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def bar(self, text: str, messages: Iterable[str], when: datetime) -> None:
        """Keep this text from being remembered again on the word of these messages. Raises StoreError."""
        make_private_folder(self.path.parent)
        record = {"when": when.isoformat(timespec="seconds"), "digests": _digests(text), "messages": sorted(messages)}
        append_line(self.path, dump_line(record), sync=True)

    def bars(self, text: str, messages: Iterable[str]) -> bool:
        """Whether this was taken back: nothing says it but messages that a tombstone names, in whatever words, or it
        is the very text of a tombstone that names none."""
        said, wanted = set(messages), set(_digests(text))
        return any(said <= barred if said and barred else bool(wanted & digests) for digests, barred in self._all())

    def _all(self) -> list[tuple[set[str], set[str]]]:
        found = []
        try:
            data = read_bounded(self.path, _MAX_BYTES)
        except StoreError:
            return []
        for record in whole_records(data):
            try:
                found.append((set(map(str, record["digests"])), set(map(str, record["messages"]))))
            except (KeyError, TypeError):
                continue
        return found


def _digests(text: str) -> list[str]:
    """The text as it is written, and as the set of what it is about."""
    return [fingerprint(text), fingerprint(" ".join(sorted(stems(text))))]
