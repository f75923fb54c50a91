"""The log of changes of memory, `memories/changes.jsonl`: written before the file that it is about, so that a crash
between the two is seen and nothing that llmos wrote is ever taken for a person's edit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llmos.core.memory_change import ItemEdit, MemoryChange
from llmos.memory.codec import dump_line, whole_records
from llmos.memory.files import append_line, make_private_folder, open_regular, write_atomic


class ChangeLog:
    """All changes of one workspace's memory, oldest first. A damaged line is left out and stands in nobody's way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._taken: tuple[int, int, list[MemoryChange]] = (0, 0, [])

    def append(self, change: MemoryChange) -> None:
        """Durable on return. Raises StoreError."""
        make_private_folder(self.path.parent)
        append_line(self.path, dump_line(_record(change)), sync=True)

    def all(self) -> list[MemoryChange]:
        """Every change on record, in one list that grows with the log."""
        try:
            with open_regular(self.path) as file:
                inode = os.fstat(file.fileno()).st_ino
                size, known, changes = self._taken
                if known != inode:
                    size, changes = 0, []
                file.seek(size)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        changes.extend(_changes(whole))
        self._taken = (size + len(whole), inode, changes)
        return changes

    def replace_all(self, changes: Iterable[MemoryChange]) -> None:
        """Write the log anew, for `forget`. The caller holds the lock of the memory."""
        write_atomic(self.path, b"".join(dump_line(_record(change)) for change in changes))


def _record(change: MemoryChange) -> dict[str, Any]:
    record = asdict(change)
    record["edits"] = [asdict(edit) for edit in change.edits]
    return {key: value for key, value in record.items() if value != ""}


def _changes(data: bytes) -> Iterable[MemoryChange]:
    for record in whole_records(data):
        try:
            edits = tuple(
                ItemEdit(str(edit["item"]), _optional(edit["before"]), _optional(edit["after"]))
                for edit in record.pop("edits")
            )
            words = {key: str(value) for key, value in record.items()}
            yield MemoryChange(edits=edits, **words)
        except (KeyError, TypeError):
            continue


def _optional(value: Any) -> str | None:
    return None if value is None else str(value)
