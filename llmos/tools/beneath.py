"""Opening what lies below a folder, in one step that no other process can come between.

`openat2` refuses inside the kernel every way out: `..`, links, links of /proc. Where it is missing (before 5.6, in
some containers, on macOS) the path is walked name by name, each opened without following a link.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Callable, Sequence

_OPENAT2 = 437
_NO_MAGIC_LINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_RESOLVE = _NO_MAGIC_LINKS | _NO_SYMLINKS | _BENEATH
_TRIES = 16
_UNAVAILABLE = (errno.ENOSYS, errno.EPERM, errno.E2BIG)
FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


def open_beneath(folder: int, parts: Sequence[str], flags: int) -> int:
    """A descriptor of what `parts` name below `folder`, none of them a link. Raises OSError."""
    if not parts:
        return os.open(".", flags, dir_fd=folder)
    for _ in range(_TRIES):
        try:
            return _open_at_once(folder, "/".join(parts), flags)
        except OSError as error:
            if error.errno == errno.EAGAIN:  # something was renamed meanwhile; the kernel was not sure
                continue
            if error.errno in _UNAVAILABLE:
                break
            raise
    return walk_beneath(folder, parts, flags)


def walk_beneath(folder: int, parts: Sequence[str], flags: int) -> int:
    """The same, name by name."""
    if any(part in ("", ".", "..") or "/" in part for part in parts):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    current = os.dup(folder)
    try:
        for part in parts[:-1]:
            below = os.open(part, FOLDER, dir_fd=current)
            os.close(current)
            current = below
        return os.open(parts[-1], flags | os.O_NOFOLLOW, dir_fd=current)
    finally:
        os.close(current)


def _open_at_once(folder: int, path: str, flags: int) -> int:
    if _syscall is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, _RESOLVE)
    result = int(_syscall(_OPENAT2, folder, os.fsencode(path), how, ctypes.c_size_t(len(how))))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _find_syscall() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    return ctypes.CDLL(None, use_errno=True).syscall


_syscall = _find_syscall()
