"""What of the disk a command sees, worked out anew for each command from what is there now.

Invariant: every path here is free of links, so that what is mounted or allowed is what was meant.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import ToolError
from llmos.core.sandbox import DERIVED, PROTECTED, SYSTEM_SECRETS, Boundary, Confinement, keys_in, within

_NEVER_WRITABLE = frozenset(
    map(
        Path,
        "/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /opt /proc /run /sbin /sys /usr /var /Users".split(),
    )
)
_SYSTEM = tuple(
    map(Path, ("/proc", "/sys", "/dev", "/boot", "/run", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib64"))
)
REPLACED = (Path("/tmp"), Path("/var/tmp"), Path("/run"))  # noqa: S108 - these are taken away, not used
"""Folders with the sockets and scratch files of others: a command gets empty ones instead."""
_REPOSITORY_DEPTH = 2
_MOST_FOLDERS = 2_000


@dataclass(frozen=True, slots=True)
class Layout:
    """`writable` from the top down; `hidden` and `fixed` (read-only although inside `writable`) exist."""

    cwd: Path
    writable: tuple[Path, ...]
    hidden: tuple[Path, ...]
    fixed: tuple[Path, ...]
    watched: tuple[Path, ...]
    """What must be afterwards as it was before, there or not: protected paths inside `writable`."""
    derived: tuple[Path, ...] = ()
    """Those of them that llmos can make anew, of any size."""

    def inside_writable(self, path: Path) -> bool:
        return any(within(path, root) for root in self.writable)


def layout(confinement: Confinement, *, exceptions: bool) -> Layout:
    """Raises ToolError when the working directory is one where no command may run.

    With `exceptions` a folder inside a writable one can be hidden at no price, and what is llmos's own there is.
    """
    cwd = _real(confinement.cwd)
    boundary = confinement.boundary
    hidden = _outermost(_existing((*boundary.hidden, *_other_homes(), *map(Path, SYSTEM_SECRETS))))
    around = next((path for path in hidden if within(cwd, path)), None)
    if around is not None:
        raise ToolError(f"shell: no command may run inside {around}, which is kept from commands; use another folder")
    writable = _writable((cwd, *map(_real, confinement.writable)), hidden)
    watched = list(_watched(writable, boundary))
    if exceptions:
        hidden = _outermost((*hidden, *_existing(boundary.derived)))
    read_only = _existing(boundary.read_only)
    fixed = [path for path in (*watched, *read_only) if _inside(path, writable) and path.exists()]
    shown = _outermost(path for path in fixed if not _inside(path, hidden))
    # What is not there yet is watched for, whatever it would be.
    derived = tuple(path for path in dict.fromkeys(watched) if path.name == DERIVED and path.is_dir())
    return Layout(cwd, writable, hidden, shown, tuple(p for p in dict.fromkeys(watched) if p not in derived), derived)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _existing(paths: Iterable[Path]) -> list[Path]:
    return [_real(path) for path in dict.fromkeys(paths) if os.path.exists(path)]  # noqa: PTH110 - of a hundred names


def _inside(path: Path, roots: Iterable[Path]) -> bool:
    return any(within(path, root) for root in roots)


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The paths without those that lie in another of them, sorted: what lies in a folder comes right after it."""
    kept: list[Path] = []
    for path in sorted(set(paths)):
        if not kept or not within(path, kept[-1]):
            kept.append(path)
    return tuple(kept)


def _writable(roots: Iterable[Path], hidden: Iterable[Path]) -> tuple[Path, ...]:
    """The folders that may be written. Those of the system are not, even when llmos was started there."""
    usable = (
        root
        for root in roots
        if root.is_dir() and root not in _NEVER_WRITABLE and not _inside(root, _SYSTEM) and not _inside(root, hidden)
    )
    return _outermost(usable)


def _other_homes() -> Iterator[Path]:
    """Keys in the homes of all users, which matter to root."""
    if os.geteuid() != 0:
        return
    homes = [Path("/root")]
    with suppress(OSError):
        homes += [Path(entry.path) for entry in os.scandir("/home") if entry.is_dir(follow_symlinks=False)]
    for home in homes:
        yield from keys_in(home)
    try:
        with os.scandir("/etc/ssh") as entries:
            yield from (Path(entry.path) for entry in entries if entry.name.endswith("_key"))
    except OSError:
        return


@lru_cache(maxsize=256)
def _protected_in(root: Path) -> tuple[Path, ...]:
    return tuple(root / name for name in PROTECTED)


def _watched(writable: Iterable[Path], boundary: Boundary) -> Iterator[Path]:
    for root in writable:
        yield from _protected_in(root)
        for repository in _repositories(root):
            yield from (repository / ".git" / name for name in ("hooks", "config", "config.worktree"))
        if (root / ".git").is_file():
            yield root / ".git"
    for path in boundary.hidden:
        if _inside(path, writable) and not path.exists():
            yield path


def _repositories(root: Path) -> Iterator[Path]:
    """Git repositories a little below `root`; further down they are not looked for."""
    level = [root]
    left = _MOST_FOLDERS
    for _ in range(_REPOSITORY_DEPTH):
        below: list[Path] = []
        for folder in level:
            try:
                with os.scandir(folder) as entries:
                    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue
            names = [name for name in names if not name.startswith(".") and name != "node_modules"]
            below += [folder / name for name in names[:left]]
            left -= len(names)
            if left <= 0:
                break
        yield from (folder for folder in below if (folder / ".git").is_dir())
        level = below
