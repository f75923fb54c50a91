"""A folder below the system's temporary one that only this user can enter; and those that dead processes left there.

While its process lives, the folder's lock is held: what nobody holds belongs to nobody any more.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

from llmos.core.errors import StoreError
from llmos.memory.locks import is_held, try_lock

COMMANDS = "llmos-"
"""What commands see as /tmp."""
COPIES = "llmos-backups-"
"""Copies of files that a frozen session changed."""
TRY = "llmos-try-"
STALE_AFTER_S = 3600.0
_OURS = re.compile(rf"(?:{COMMANDS}|{COPIES}|{TRY})[a-z0-9_]{{8}}")


class PrivateFolder:
    """Made when it is first needed, gone with `remove` or with the process."""

    def __init__(self, prefix: str = COMMANDS) -> None:
        self._prefix = prefix
        self._path: Path | None = None
        self._held = -1

    @property
    def path(self) -> Path:
        """Raises StoreError where none can be made."""
        if self._path is None or not self._path.is_dir():
            try:
                self._path = Path(tempfile.mkdtemp(prefix=self._prefix))
                self._held = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                with suppress(OSError):  # a file system without locks: its age alone speaks for it
                    try_lock(self._held)
            except OSError as error:
                raise StoreError(f"cannot make a temporary folder for commands: {error.strerror or error}") from None
            # Not every way out of the program passes `remove`.
            weakref.finalize(self, shutil.rmtree, self._path, ignore_errors=True)
        return self._path

    @property
    def is_as_made(self) -> bool:
        """Whether nothing is in it and nobody changed who may enter: another session may have it then."""
        if self._path is None:
            return False
        try:
            return stat.S_IMODE(self._path.stat().st_mode) == 0o700 and not os.listdir(self._path)  # noqa: PTH208
        except OSError:
            return False

    def remove(self) -> None:
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            os.close(self._held)
            self._path = None


def left_behind(temporary: Path, now: float) -> list[Path]:
    """Private folders of this user that no process holds and that are an hour old, at `now` (seconds since 1970)."""
    found = []
    with suppress(OSError), os.scandir(temporary) as entries:
        for entry in entries:
            with suppress(OSError):
                if not (_OURS.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)):
                    continue
                about = entry.stat(follow_symlinks=False)
                old = now - about.st_mtime >= STALE_AFTER_S
                if about.st_uid == os.geteuid() and old and not is_held(Path(entry.path)):
                    found.append(Path(entry.path))
    return sorted(found)
