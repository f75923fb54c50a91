"""One kind of lock: the kernel's, on a file or folder, for as long as a process lives. All of llmos locks through here.

Invariant: a lock can never be stale. Whatever way its owner ends, the kernel takes the lock away; a lock file that is
left lying means nothing. The file says who holds it, so that a person can be told whom to wait for or to end.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from llmos.core.errors import StoreError
from llmos.memory.words import os_cause, show_path

LOCK_TIMEOUT_S = 10.0
_POLL_S = 0.01
_OPEN = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class BusyError(StoreError):
    """Another process has it."""


def lock_descriptor(descriptor: int, path: Path, timeout_s: float = LOCK_TIMEOUT_S) -> None:
    """Hold the lock on an open file until it is closed. Raises StoreError when it is not free in time."""
    deadline = time.monotonic() + timeout_s
    while not try_lock(descriptor):
        if time.monotonic() >= deadline:
            raise BusyError(
                f"another llmos has held {show_path(path)} for {timeout_s:g} s{_owner(descriptor)}; "
                "let it finish and try again"
            )
        time.sleep(_POLL_S)


def try_lock(descriptor: int) -> bool:
    """Hold the lock on an open file if it is free now. Raises OSError where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
            return False
        raise
    return True


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock on a file or folder; one that cannot be opened counts as held."""
    try:
        flags = _OPEN if not path.is_dir() else (os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY)
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return not try_lock(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)


def take_marker(path: Path, *, new: bool) -> int | None:
    """An open, locked marker file, made when `new`; None where a living process holds it. Raises OSError."""
    descriptor = os.open(path, _OPEN | (os.O_CREAT if new else 0), 0o600)
    try:
        if try_lock(descriptor):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


class StoreLock:
    """One writer at a time over a store: `with StoreLock(path):` holds the kernel lock on that file.

    Hold it for a change, never across a model call or a command. Not reentrant. Raises StoreError when it is not free
    within `timeout_s` seconds.
    """

    def __init__(self, path: Path, *, timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self.path = path
        self.timeout_s = timeout_s
        self._descriptor: int | None = None

    def __enter__(self) -> StoreLock:
        try:
            descriptor = os.open(self.path, _OPEN | os.O_CREAT, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "it is not a regular file")
                lock_descriptor(descriptor, self.path, self.timeout_s)
                with suppress(OSError):  # a full disk: the lock holds all the same
                    os.pwrite(descriptor, f"{os.getpid():<10}\n".encode(), 0)
            except BaseException:
                os.close(descriptor)
                raise
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot lock {show_path(self.path)}: {os_cause(error)}") from error
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _owner(descriptor: int) -> str:
    """` (process 123)`, where the lock file says so."""
    with suppress(OSError, ValueError):
        number = int(os.pread(descriptor, 12, 0))
        return f" (process {number})"
    return ""
