"""The journal of a change that touches many files: on the disk before the first of them changes, gone after the last.

So a crash in between is seen, and the change is finished as it was meant instead of being guessed at. (Changes of one
core block or passage have their line in memories/changes.jsonl before the file, which is the same for two files.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmos.core.errors import StoreError
from llmos.memory.codec import CodecError, dump_line
from llmos.memory.files import MissingFileError, make_private_folder, os_cause, read_bounded, show_path, write_atomic

NAME = "unfinished.json"
_MAX_BYTES = 1 << 28


class Unfinished:
    """One change at a time over the files of one memory; the caller has seen to it that none is open."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def begin(self, change: Mapping[str, Any]) -> None:
        """Durable on return. Raises StoreError."""
        make_private_folder(self.path.parent)
        write_atomic(self.path, dump_line(change))

    def end(self) -> None:
        """The change is done. Raises StoreError."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot delete {show_path(self.path)}: {os_cause(error)}") from None

    def open(self) -> dict[str, Any] | None:
        """The change that was begun and not ended; None for none. Raises StoreError."""
        try:
            data = read_bounded(self.path, _MAX_BYTES)
        except MissingFileError:
            return None
        try:
            change = json.loads(data)
        except (ValueError, RecursionError):
            change = None
        if not isinstance(change, dict):
            raise CodecError(f"{show_path(self.path)} cannot be read, so what it was about cannot be finished")
        return change
