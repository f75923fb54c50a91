"""What cannot be read is moved out of the way, whole, and told: never deleted, and never in silence.

`<workspace>/quarantine/<time>-<4 hex digits>/` holds a file under the path that it had; `log.jsonl` says why
(docs/formats.md). Invariant: the line of the log is on the disk before the file moves.

A file that changed less than a minute ago stays: somebody may be in the middle of writing it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError
from llmos.memory.codec import CodecError, dump_line, whole_records
from llmos.memory.files import (
    append_line,
    make_private_folder,
    move_durably,
    read_bounded,
    show_path,
    write_once,
)

FOLDER = "quarantine"
LOG = "log.jsonl"
SETTLED_S = 60.0
_MAX_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class Kept:
    """One file in quarantine: where it is, where it was, since when and why."""

    path: Path
    was: Path
    when: str
    why: str


class Quarantine:
    """The quarantine of one store; `tell` hears a sentence for each file that is moved. Frozen, nothing is."""

    def __init__(self, root: Path, *, frozen: bool = False, tell: Callable[[str], None] = lambda _: None) -> None:
        self._root = root
        self._frozen = frozen
        self.tell = tell

    @property
    def folder(self) -> Path:
        return self._root / FOLDER

    def take(self, path: Path, why: str, *, settled_s: float = SETTLED_S) -> bool:
        """Move a file (or whatever stands in its place) away; False where it stays, and another will say that."""
        if self._frozen:
            return False
        try:
            if time.time() - path.lstat().st_mtime < settled_s:
                return False
            target = self._target(path, why)
            move_durably(path, target)
        except (OSError, StoreError, CodecError):
            return False  # gone, or not ours to move: the reader names it as before
        self.tell(f"{why}; it was moved to {show_path(target)}, whole: mend it and move it back, or leave it there")
        return True

    def is_fresh(self, path: Path) -> bool:
        """Whether it changed too short a time ago to be moved now."""
        try:
            return time.time() - path.lstat().st_mtime < SETTLED_S
        except OSError:
            return False

    def keep_copy(self, path: Path, data: bytes, why: str) -> Path:
        """Keep what a file holds, before something is taken out of it. Raises StoreError."""
        target = self._target(path, why)
        write_once(target, data)
        return target

    def all(self) -> list[Kept]:
        """What is in quarantine now, oldest first."""
        try:
            data = read_bounded(self.folder / LOG, _MAX_BYTES)
        except StoreError:
            return []
        found = []
        for record in whole_records(data):
            with suppress(KeyError, ValueError):  # ValueError: a name that no file can have
                when, place, was, why = (str(record[key]) for key in ("when", "kept", "path", "why"))
                if os.path.lexists(self.folder / place):
                    found.append(Kept(self.folder / place, self._root / was, when, why))
        return found

    def _target(self, path: Path, why: str) -> Path:
        """A free place for this file, on record. Raises StoreError, OSError."""
        now = datetime.now(UTC)
        # What lies beside the store (the money journal of a home) is named as it is seen from there.
        was = os.path.relpath(path, self._root)
        inside = was.replace(f"..{os.sep}", "beside-")
        kept = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}/{inside}"
        make_private_folder(self.folder)
        if not (self.folder / ".gitignore").exists():
            with suppress(StoreError):
                write_once(self.folder / ".gitignore", b"*\n")
        record = {"when": now.isoformat(timespec="seconds"), "path": was, "kept": kept, "why": why}
        append_line(self.folder / LOG, dump_line(record), sync=True)
        make_private_folder((self.folder / kept).parent)
        return self.folder / kept
