"""Paths of the file tools: found inside the allowed folders, opened without following a link.

Invariant: a descriptor that leaves this module names something below the working folder or an allowed folder, and
nothing that the boundary keeps from tools, even when another process swaps folders for links meanwhile: the path is
resolved once, and what it resolved to is then opened without following any link (`beneath`).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import ToolError
from llmos.core.tool import ToolContext
from llmos.tools.beneath import FOLDER, open_beneath

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Place:
    """A path that may be used: `parts` below `root`, both free of links. `shown` is what the model wrote."""

    root: Path
    parts: tuple[str, ...]
    shown: str

    @property
    def real(self) -> Path:
        return self.root.joinpath(*self.parts)


def locate(path: str, context: ToolContext, *, write: bool = False) -> Place:
    """The place that `path` names. Raises ToolError when it is not inside `cwd` or an allowed folder, or is kept."""
    if not path:
        raise ToolError("the path is empty; name a file, or '.' for the working folder")
    if "\0" in path:
        raise ToolError("the path holds a NUL character, which no file name can")
    if path.startswith("~"):
        raise ToolError(f"{path}: '~' is not expanded here; write the path out, or './{path}' for a file of that name")
    try:
        real = Path(os.path.realpath(context.cwd / path))
    except UnicodeEncodeError:
        raise ToolError("the path holds half a character (a lone surrogate), which no file name can") from None
    roots = [Path(os.path.realpath(root)) for root in (context.cwd, *context.allowed_roots)]
    for root in roots:
        if real == root or root in real.parents:
            if why := context.boundary.refusal(real, root, write=write):
                raise ToolError(f"{path}: {why}")
            return Place(root, real.relative_to(root).parts, path)
    also = f" (and {', '.join(map(str, context.allowed_roots))})" if context.allowed_roots else ""
    raise ToolError(f"{path}: leads outside the working folder; only paths below {context.cwd}{also} may be used")


@contextmanager
def folder_of(place: Place, *, create: bool = False) -> Iterator[tuple[int, str]]:
    """The descriptor of the folder that holds the place, and the name in it; missing folders made on request."""
    if not place.parts:
        raise ToolError(f"{place.shown}: is a folder, not a file")
    current = os.open(str(place.root), FOLDER)
    try:
        below = _folder_below(current, place, create=create)
        os.close(current)
        current = below
        yield current, place.parts[-1]
    finally:
        os.close(current)


def _folder_below(top: int, place: Place, *, create: bool) -> int:
    """The folder that holds the place. When it cannot be opened at once, the way shows which name is to blame."""
    above = place.parts[:-1]
    with suppress(OSError):
        return open_beneath(top, above, FOLDER)
    current = os.dup(top)
    try:
        for part in above:
            below = _enter(current, part, place, create=create)
            os.close(current)
            current = below
        return os.dup(current)
    finally:
        os.close(current)


def _enter(folder: int, part: str, place: Place, *, create: bool) -> int:
    try:
        if create:
            try:
                return os.open(part, FOLDER, dir_fd=folder)
            except FileNotFoundError:
                os.mkdir(part, dir_fd=folder)
        return os.open(part, FOLDER, dir_fd=folder)
    except FileNotFoundError:
        raise ToolError(f"{place.shown}: no such file; the folder {part!r} does not exist") from None
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise ToolError(f"{place.shown}: {part!r} on the way is not a folder") from None
        raise ToolError(
            f"{place.shown}: {part!r} on the way: {(error.strerror or 'cannot be entered').lower()}"
        ) from None


def lookup(folder: int, name: str, place: Place) -> os.stat_result | None:
    """The regular file `name` in `folder`, or None when there is none. Raises ToolError for anything else."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    refuse_special(found.st_mode, place)
    return found


def refuse_special(mode: int, place: Place) -> None:
    """Raise ToolError for a folder, named pipe, socket, device or link, in words."""
    kinds = {
        stat.S_IFDIR: "a folder, not a file",
        stat.S_IFIFO: "a named pipe, which could wait for ever",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFLNK: "a symbolic link that leads nowhere usable",
    }
    kind = stat.S_IFMT(mode)
    if kind != stat.S_IFREG:
        raise ToolError(f"{place.shown}: is {kinds.get(kind, 'not a regular file')}")


def read_bytes(place: Place, limit: int) -> tuple[bytes, os.stat_result]:
    """The content of a regular file and its state when read. Raises ToolError when it is missing or over `limit`."""
    with folder_of(place) as (folder, name):
        if lookup(folder, name, place) is None:
            raise ToolError(f"{place.shown}: no such file")
        try:
            descriptor = os.open(name, _READ, dir_fd=folder)
        except OSError as error:
            raise ToolError(f"{place.shown}: {(error.strerror or 'cannot be opened').lower()}") from None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            refuse_special(found.st_mode, place)
            data = b"" if found.st_size > limit else file.read(limit + 1)
    if found.st_size > limit or len(data) > limit:
        raise ToolError(
            f"{place.shown}: is {max(found.st_size, len(data)):,} bytes, and at most {limit:,} are read at once; "
            "take a part of it with the shell (head, tail, sed, grep)"
        )
    return data, found
