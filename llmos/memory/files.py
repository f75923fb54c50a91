"""Bytes on disk: the only code that writes, appends, locks or reads a file of the record.

Invariant: at every moment, also after a crash or a power cut, a file holds either its old bytes or its new bytes.
Every failure is a StoreError of one sentence that names the path and the cause.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from llmos.core.errors import StoreError
from llmos.memory.disk_sync import sync_all, sync_data, sync_folder, sync_names
from llmos.memory.locks import BusyError, lock_descriptor, try_lock
from llmos.memory.words import os_cause as os_cause
from llmos.memory.words import show_path as show_path

TEMPORARY_PREFIX = ".llmos-"
TEMPORARY_SUFFIX = ".tmp"
STALE_AFTER_S = 3600.0
_SLACK = 65_536
"""What may be appended to a file while it is read; more memory than that is not set aside."""
NOT_REGULAR = "it is not a regular file (but a folder, a pipe or a device)"

# What a file system without hard links answers to link(2).
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES})


class MissingFileError(StoreError):
    """The file to be read is not there."""


def _failure(action: str, path: Path, error: OSError | ValueError) -> StoreError:
    absent = isinstance(error, FileNotFoundError) and action != "read"
    return StoreError(
        f"cannot {action} {show_path(path)}: {'its folder does not exist' if absent else os_cause(error)}"
    )


Later = Callable[[Path], None]
"""Is told of what must still be put on the disk, by a caller that does that for many at once (memory/syncing)."""


def write_atomic(path: Path, data: bytes, *, later: Later | None = None) -> None:
    """Make `data` the whole content of `path`, durably, mode 0600. Raises StoreError; the old file then stays.

    `later` is for a path that is not there yet: a power cut before the caller has synced may leave it empty.
    """
    try:
        with _temporary_file(path, data, synced=later is None) as temporary:
            temporary.replace(path)
            if later is None:
                sync_folder(path.parent)
            else:
                later(path)
                later(path.parent)
    except (OSError, ValueError) as error:
        raise _failure("write", path, error) from error


def write_once(path: Path, data: bytes) -> bool:
    """Create `path` with `data`, durably; False when it is there already with the same bytes.

    Raises StoreError when it is there with other bytes, or cannot be written.
    """
    try:
        with _temporary_file(path, data) as temporary:
            created = _link_or_rename_new(temporary, path)
            if created:
                sync_folder(path.parent)
    except (OSError, ValueError) as error:
        raise _failure("write", path, error) from error
    if created or read_bounded(path, len(data) + 1, or_larger=True) == data:
        return created
    raise StoreError(f"cannot write {show_path(path)}: it exists already with another content and is never replaced")


def append_line(path: Path, line: bytes, *, sync: bool) -> None:
    """Append one line (of JSON; its newline is added when missing) in one write under a lock on the file.

    What a crash left half-written at the end is cut off first: that record was never acknowledged. With `sync` the
    bytes are on the disk on return. Raises StoreError; the file then is as it was.
    """
    line = line if line.endswith(b"\n") else line + b"\n"
    if b"\n" in line[:-1]:
        raise ValueError("a line holds a line break")
    try:
        created = not path.exists()
        descriptor = open_locked(path, os.O_APPEND | os.O_CREAT)
        try:
            _append_locked(descriptor, line)
            if sync:
                sync_data(descriptor)
        finally:
            os.close(descriptor)
        if created and sync:
            sync_folder(path.parent)
    except (OSError, ValueError) as error:
        raise _failure("write", path, error) from error


def sync_path(path: Path) -> None:
    """Put on the disk what was written to a file, or which names stand in a folder. Raises StoreError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                sync_names(descriptor)
            else:
                sync_all(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failure("write", path, error) from error


def cut_torn_end(path: Path) -> None:
    """Cut off what a crash left half-written at the end of a file of lines: it was never acknowledged.

    Raises StoreError, OSError.
    """
    descriptor = open_locked(path)
    try:
        size = os.fstat(descriptor).st_size
        end = _end_of_records(descriptor, size)
        if end < size:
            os.ftruncate(descriptor, end)
            sync_data(descriptor)
    finally:
        os.close(descriptor)


def open_locked(path: Path, more: int = 0) -> int:
    """A regular file open for reading and writing, locked until it is closed, and the one that has this name now.

    Who waited for the lock may have got a file that another process has put a new one in place of; it is opened again
    then. Raises StoreError, OSError.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | more, 0o600)
        try:
            _require_regular(descriptor, path)
            lock_descriptor(descriptor, path)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.lstat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading; a pipe, a device or a folder in its place is an OSError and not waited for."""
    if not stat.S_ISREG(path.stat().st_mode):  # asked before open: opening a device can have effects
        raise OSError(errno.EINVAL, NOT_REGULAR, str(path))
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, NOT_REGULAR, str(path))
        yield cast(BinaryIO, file)


def make_private_file(path: Path) -> None:
    """An empty file of mode 0600 where none is, for a library that opens it by its name.

    Raises OSError for a link or anything else that is no regular file: a link would be followed to somebody's file.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        _require_regular(descriptor, path)
    finally:
        os.close(descriptor)


def move_durably(path: Path, target: Path) -> None:
    """Give a file, or whatever has this name, another one where nothing is yet. Raises OSError."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "it exists already", str(target))
    path.rename(target)
    sync_folder(target.parent)
    sync_folder(path.parent)


def read_bounded(path: Path, max_bytes: int, *, or_larger: bool = False) -> bytes:
    """The content of a regular file of at most `max_bytes` (its first `max_bytes` when `or_larger`).

    Raises MissingFileError, and StoreError for a larger file, a folder, a pipe or a device.
    """
    wanted = max_bytes if or_larger else max_bytes + 1
    try:
        with open_regular(path) as file:
            data = file.read(min(wanted, os.fstat(file.fileno()).st_size + _SLACK))
    except FileNotFoundError as error:
        raise MissingFileError(f"cannot read {show_path(path)}: {os_cause(error)}") from error
    except (OSError, ValueError) as error:
        raise _failure("read", path, error) from error
    if len(data) > max_bytes:
        raise StoreError(f"cannot read {show_path(path)}: it is larger than {max_bytes} bytes")
    return data


def read_from(path: Path, start: int, max_bytes: int) -> bytes:
    """What a regular file holds from a byte on, at most so much of it.

    Raises MissingFileError, and StoreError for a folder, a pipe or a device.
    """
    try:
        with open_regular(path) as file:
            file.seek(start)
            data = file.read(min(max_bytes, max(0, os.fstat(file.fileno()).st_size - start) + _SLACK))
    except FileNotFoundError as error:
        raise MissingFileError(f"cannot read {show_path(path)}: {os_cause(error)}") from error
    except (OSError, ValueError) as error:
        raise _failure("read", path, error) from error
    return data


def make_private_folder(path: Path, *, later: Later | None = None) -> None:
    """Create the folder and its missing parents with mode 0700; one that exists keeps its mode. Raises StoreError."""
    try:
        missing: list[Path] = []
        folder = path
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            with suppress(FileExistsError):
                new.mkdir(mode=0o700)
            (later or sync_folder)(new.parent)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder")
    except (OSError, ValueError) as error:
        raise _failure("create the folder", path, error) from error


def remove_stale_temporaries(folder: Path, *, now: float) -> int:
    """Delete what crashed writers left in `folder`, once it is an hour old at `now` (seconds since 1970); how many."""
    removed = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(TEMPORARY_PREFIX) and entry.name.endswith(TEMPORARY_SUFFIX):
                with suppress(OSError):
                    if now - entry.stat(follow_symlinks=False).st_mtime >= STALE_AFTER_S:
                        Path(entry.path).unlink()
                        removed += 1
    return removed


class OwnLines:
    """A file of lines that belongs to one process while it is open: made when missing, locked once, and appended to.

    Raises StoreError; where another process has the file open, that is `BusyError`, at once. Not for two threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            created = not path.exists()
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o600)
            try:
                _require_regular(self._descriptor, path)
                if not try_lock(self._descriptor):
                    raise BusyError(f"another llmos writes to {show_path(path)} now; let it finish")
                if created:
                    sync_folder(path.parent)
            except BaseException:
                os.close(self._descriptor)
                raise
        except (OSError, ValueError) as error:
            raise _failure("write", path, error) from error

    def append(self, line: bytes, *, later: Later | None = None) -> None:
        """Append one line, with its newline, durably. What a crash left half-written is cut off first."""
        try:
            _append_locked(self._descriptor, line)
            if later is None:
                sync_data(self._descriptor)
            else:
                later(self.path)
        except OSError as error:
            raise _failure("write", self.path, error) from error

    def close(self) -> None:
        """Safe to call twice: the number of a closed descriptor may belong to somebody else by then."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def _temporary_file(path: Path, data: bytes, *, synced: bool = True) -> Iterator[Path]:
    """A file beside `path` that holds `data`; gone on leaving unless it was moved."""
    temporary = path.parent / f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}{TEMPORARY_SUFFIX}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        try:
            _write_all(descriptor, data)
            if synced:
                sync_all(descriptor)
        finally:
            os.close(descriptor)
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink()


def _link_or_rename_new(temporary: Path, path: Path) -> bool:
    """Give the file its name unless the name is taken; False when it is."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without hard links, a lock on the folder keeps other writers of the record out between look and rename.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            lock_descriptor(folder, path.parent)
            if os.path.lexists(path):
                return False
            temporary.replace(path)
        finally:
            os.close(folder)
    return True


def _append_locked(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    end = _end_of_records(descriptor, size)
    if end < size:
        os.ftruncate(descriptor, end)
    elif size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    written = -1
    try:
        written = os.write(descriptor, line)
        if written != len(line):
            raise OSError(errno.ENOSPC, "short write")
    except OSError:
        if written > 0:
            os.ftruncate(descriptor, end)
        raise


def _end_of_records(descriptor: int, size: int) -> int:
    """Where the complete records end: at a last newline, or after a last line that is whole but for its newline."""
    start = size
    tail = b""
    while start > 0:
        step = min(start, 65_536)
        start -= step
        tail = os.pread(descriptor, step, start) + tail
        newline = tail.rfind(b"\n")
        if newline >= 0:
            start += newline + 1
            tail = tail[newline + 1 :]
            break
    return size if not tail or _is_whole(tail) else start


def _is_whole(line: bytes) -> bool:
    import json

    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _require_regular(descriptor: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, NOT_REGULAR, str(path))
