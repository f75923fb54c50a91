"""A file of memory that cannot be read: what to do so that everything else goes on and no word of a person is lost.

A text that does not parse is a person's edit gone wrong: it stays where it is, is named, and is left out until it is
mended. What no editor leaves behind (bytes that are no text, a folder or a pipe in place of the file) goes to the
quarantine, and what llmos wrote last comes back from the log of changes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from llmos.core.core_block import DEFAULT_LIMIT, DESCRIPTIONS, CoreBlock, parse_item
from llmos.core.errors import StoreError
from llmos.core.memory_change import ARCHIVAL, CORE, lines_after
from llmos.memory.block_files import dump_block
from llmos.memory.codec import CodecError
from llmos.memory.files import read_bounded, show_path, write_atomic
from llmos.memory.locks import StoreLock
from llmos.memory.memory_log import ChangeLog
from llmos.memory.passage_files import MAX_BYTES
from llmos.memory.quarantine import SETTLED_S, Quarantine

T = TypeVar("T")


class Mending:
    """Over the files of one memory, changed under its lock. Without a quarantine nothing is moved."""

    def __init__(self, log: ChangeLog, locked: Callable[[], StoreLock], quarantine: Quarantine | None) -> None:
        self._log = log
        self._locked = locked
        self._quarantine = quarantine
        self._told: set[str] = set()

    def read(self, path: Path, target: str, read: Callable[[], T]) -> T:
        """What `read` gives, after the file was mended where it is damaged. `target` is its name in the log.

        Raises StoreError.
        """
        try:
            return read()
        except StoreError as error:
            if self._quarantine is None:
                raise
            with self._locked():
                try:
                    return read()  # another process may have mended it
                except StoreError:
                    if not self._mend(path, target, error):
                        raise
                    return read()

    def _mend(self, path: Path, target: str, error: StoreError) -> bool:
        if is_damaged(path, error) and self.move(path, target, str(error)):
            return True
        self._tell_once(f"{error}; it is left out until it is mended")
        return False

    def move(self, path: Path, target: str, why: str, *, settled_s: float = SETTLED_S) -> bool:
        """Move the file away and put back what llmos wrote last of it. The caller holds the lock. Raises StoreError."""
        assert self._quarantine is not None
        if not self._quarantine.take(path, why, settled_s=settled_s):
            return False
        before = self.last_written(target)
        if before is not None:
            write_atomic(path, before)
            self._quarantine.tell(f"what llmos wrote last was put back to {show_path(path)}")
        return True

    def last_written(self, target: str) -> bytes | None:
        """What the log of changes knows of a file: the items of a block, the whole of a passage. None for nothing."""
        changes = [change for change in self._log.all() if change.target == target]
        if target.startswith(ARCHIVAL):
            text = changes[-1].edits[0].after if changes and changes[-1].edits else None
            return None if text is None else text.encode()
        items = [item for line in lines_after(changes, target).values() if (item := parse_item(line)) is not None]
        if not items:
            return None
        label = target.removeprefix(CORE)
        return dump_block(CoreBlock(label, tuple(items), description=DESCRIPTIONS[label], limit=DEFAULT_LIMIT))

    def _tell_once(self, sentence: str) -> None:
        if self._quarantine is not None and sentence not in self._told:
            self._told.add(sentence)
            self._quarantine.tell(sentence)


def is_damaged(path: Path, error: StoreError) -> bool:
    """Whether no editor leaves a file so: it is no text, or no file at all."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return not path.is_file()
    if not isinstance(error, CodecError):
        return False
    try:
        data = read_bounded(path, MAX_BYTES)
        data.decode("utf-8")
    except StoreError:
        return False
    except UnicodeDecodeError:
        return True
    return b"\0" in data
