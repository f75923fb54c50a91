"""Puts back what a command did to protected paths, after it has ended.

Where a path exists, bubblewrap mounts it read-only, and there is nothing to put back. But a path that is not there
yet cannot be mounted without leaving a trace of it in the person's folder; a parent can be renamed; and Landlock knows
no exception inside a folder that may be written. No process of the command is left when this runs.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from llmos.core.dataclass import dataclass
from llmos.core.errors import ToolError
from llmos.core.sandbox import within

_MOST_BYTES = 8_000_000
_MOST_FILES = 1_000

_HARMLESS = re.compile(
    r"""
    \A\s*(?:
        [#;].* | \[core\] | \[user\] | \[init\] | \[pull\] | \[push\] | \[extensions\]
      | \[remote\s+"[^"\\]*"\] | \[branch\s+"[^"\\]*"\]
      | (?:repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks|autocrlf|eol
          |name|email|defaultbranch|rebase|default|objectformat|merge|fetch|remote)\s*=\s*[^\\]*
      | url\s*=\s*(?!ext::)[\w.@:/~+-]+
    )?\Z
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Lines of a git config that start no program: what `git init`, `git clone` and `git config user.name` write."""


@dataclass(frozen=True, slots=True)
class _File:
    mode: int
    content: bytes


@dataclass(frozen=True, slots=True)
class _Link:
    target: str


@dataclass(frozen=True, slots=True)
class _Folder:
    mode: int
    entries: Mapping[str, _Entry]


_Entry: TypeAlias = "_File | _Link | _Folder"


@dataclass(slots=True)
class _Room:
    bytes: int = _MOST_BYTES
    files: int = _MOST_FILES


@dataclass(frozen=True, slots=True)
class Guard:
    """What stood at the protected paths before a command; None where nothing did."""

    roots: tuple[Path, ...]
    before: Mapping[Path, _Entry | None]
    new_repositories: frozenset[Path]
    """`.git` folders that are not there yet: a command may make one, but not with hooks or programs in its config."""

    def put_back(self) -> list[str]:
        """Make the paths as they were; the paths that were not. Raises OSError where that cannot be done."""
        return [str(path) for path in self.before if self._restore(path)]

    def _restore(self, path: Path) -> bool:
        before = self.before[path]
        moved = self._clear_way(path)
        if before is None and path.parent in self.new_repositories:
            return _tame(path) or moved
        if _read(path, _Room(1 << 40, 1 << 40)) == before:
            return moved
        _remove(path)
        if before is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, before)
        return True

    def _clear_way(self, path: Path) -> bool:
        """Take away links that now stand among the parents: none did before, and none may lead this elsewhere."""
        root = next(root for root in self.roots if within(path, root))
        moved = False
        for parent in [*reversed(path.relative_to(root).parents)][1:]:
            step = root / parent
            if step.is_symlink() or (self.before[path] is not None and step.exists() and not step.is_dir()):
                step.unlink()
                moved = True
        return moved


def watch(paths: Iterable[Path], roots: tuple[Path, ...], *, if_small: Iterable[Path] = ()) -> Guard:
    """Remember what stands at `paths`, each below one of `roots`. Raises ToolError when it is too much to be kept.

    `if_small` is remembered too as far as there is room.
    """
    room = _Room()
    before: dict[Path, _Entry | None] = {}
    for path in dict.fromkeys(_without_links(path, roots) for path in paths):
        try:
            before[path] = _read(path, room)
        except OSError as error:
            raise ToolError(f"shell: {path} is protected and cannot be looked at: {error.strerror}") from error
        if room.bytes < 0 or room.files < 0:
            raise ToolError(f"shell: {path} is protected and too large to be guarded; no command was run")
    for path in if_small:
        entry = _read(path, room)
        if room.bytes >= 0 and room.files >= 0:
            before[path] = entry
    fresh = frozenset(path.parent for path in before if path.parent.name == ".git" and not os.path.lexists(path.parent))
    return Guard(roots, before, fresh)


def _without_links(path: Path, roots: tuple[Path, ...]) -> Path:
    """The path, or the first of its parents that is a link: that link is then what must stay as it is."""
    root = next(root for root in roots if within(path, root))
    for parent in [*reversed(path.relative_to(root).parents)][1:]:
        if (root / parent).is_symlink():
            return root / parent
    return path


def _read(path: Path, room: _Room) -> _Entry | None:
    """What stands at the path, links not followed; None for nothing, or behind something that is no folder."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    room.files -= 1
    if stat.S_ISLNK(found.st_mode):
        return _Link(str(path.readlink()))
    if stat.S_ISDIR(found.st_mode):
        names = sorted(os.listdir(path)) if room.files >= 0 else []  # noqa: PTH208 - names are all that is needed
        entries = {name: entry for name in names if (entry := _read(path / name, room)) is not None}
        return _Folder(stat.S_IMODE(found.st_mode), entries)
    room.bytes -= found.st_size
    regular = stat.S_ISREG(found.st_mode) and room.bytes >= 0
    return _File(stat.S_IMODE(found.st_mode), path.read_bytes() if regular else b"")


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)


def _write(path: Path, entry: _Entry) -> None:
    if isinstance(entry, _Link):
        path.symlink_to(entry.target)
    elif isinstance(entry, _Folder):
        path.mkdir()
        for name, inner in entry.entries.items():
            _write(path / name, inner)
        path.chmod(entry.mode)
    else:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(entry.content)
            os.fchmod(descriptor, entry.mode)


def _tame(path: Path) -> bool:
    """Leave of a repository that a command made what starts no program; whether anything was taken out."""
    entry = _read(path, _Room())
    if entry is None:
        return False
    if path.name == "hooks" and isinstance(entry, _Folder):
        bad = [name for name in entry.entries if not name.endswith(".sample")]
        for name in bad:
            _remove(path / name)
        return bool(bad)
    if path.name == "config" and isinstance(entry, _File):
        lines = entry.content.decode("utf-8", "replace").splitlines(keepends=True)
        good = [line for line in lines if _HARMLESS.match(line.rstrip("\n"))]
        if len(good) == len(lines):
            return False
        _remove(path)
        _write(path, _File(entry.mode, "".join(good).encode()))
        return True
    _remove(path)
    return True
