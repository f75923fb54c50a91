"""The copies that a session makes before its steps: one folder a step, one pool for all of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.engine.backups import Backup, CopyPool, start_backup
from llmos.engine.changes import Snapshot
from llmos.memory.files import Later


@dataclass(frozen=True, slots=True)
class BackupLimits:
    """What is copied before a step that may change files. Each step gets a folder of its own in `folder`."""

    folder: Path
    max_files: int = 2000
    max_bytes: int = 64_000_000


class StepBackups:
    """Shared by the invokers of a session and of its sub-goals."""

    def __init__(self, limits: BackupLimits, later: Later | None = None) -> None:
        self._limits = limits
        self._later = later
        self._pool = CopyPool(limits.folder / ".pool")
        self._steps = itertools.count(1)
        self._told: set[str] = set()

    def start(self, cwd: Path, before: Snapshot, only: Sequence[str] | None) -> Backup:
        """Copy what the next step may change: the files `only`, any where that is None. Raises StoreError, OSError."""
        return start_backup(
            cwd,
            self._limits.folder / str(next(self._steps)),
            max_files=self._limits.max_files,
            max_bytes=self._limits.max_bytes,
            only=only,
            before=before,
            pool=self._pool,
            later=self._later,
        )

    def news(self, backup: Backup) -> str:
        """Why no copies are kept, where a person was not told so before; else empty."""
        if backup.kept or backup.reason in self._told:
            return ""
        self._told.add(backup.reason)
        return backup.reason

    def keep_in(self, folder: Path) -> None:
        """From now on copies go to this folder, beside those that it holds."""
        self.close()
        self._limits = replace(self._limits, folder=folder)
        self._pool = CopyPool(folder / ".pool")
        kept = folder.iterdir() if folder.is_dir() else ()
        last = max((int(path.name) for path in kept if path.name.isdecimal()), default=0)
        self._steps = itertools.count(last + 1)

    def close(self) -> None:
        """Drop the copies that no step needed."""
        self._pool.close()
