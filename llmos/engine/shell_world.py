"""What the judgement of a shell command asks of the files: is this path inside, is this program or repository plain."""

from __future__ import annotations

import glob as globbing
import os
import re
import shutil
import stat
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from llmos.core.danger import is_credential

_MOST = 500
"""Names that a glob may bring in before it is asked about."""
_DEEP_LOOK = 5_000
_MOST_TOUCHED = 2_000
"""Files below what a command touches that are looked at, before it is taken for one that touches anything."""
_PLAIN_SETTINGS = {
    "core": frozenset(
        "repositoryformatversion filemode bare logallrefupdates ignorecase precomposeunicode symlinks autocrlf eol "
        "abbrev quotepath".split()
    ),
    "user": frozenset(["name", "email"]),
    "init": frozenset(["defaultbranch"]),
    "pull": frozenset(["rebase", "ff"]),
    "push": frozenset(["default"]),
    "remote": frozenset(["url", "fetch", "pushurl"]),
    "branch": frozenset(["remote", "merge", "rebase"]),
    "commit": frozenset(["gpgsign"]),
}
_MAX_CONFIG = 64_000
_MAX_INDEX = 32_000_000
_LINK_MODE = b"\x00\x00\xe0\x00"
"""How an index marks a repository within the repository; seen by chance too, which then only asks."""


class FileWorld:
    """The ShellWorld port on the file system of the working directory."""

    def __init__(self, cwd: Path, allowed_roots: Sequence[Path] = ()) -> None:
        self._cwd = cwd
        self.root = str(cwd)
        self._roots = tuple(os.path.realpath(root) for root in (cwd, *allowed_roots))

    def readable(self, path: str, folder: str, *, glob: bool, deep: bool) -> str:
        base = os.path.join(self._cwd, folder)  # noqa: PTH118 - kept as text: a name may be anything
        full = os.path.join(base, path)  # noqa: PTH118
        try:
            found = list(islice(globbing.iglob(full, include_hidden=True), _MOST + 1)) if glob else [full]  # noqa: PTH207
        except (OSError, ValueError):
            return f"{path} cannot be looked up"
        if len(found) > _MOST:
            return f"{path} stands for too many files"
        for name in found or [full]:
            if problem := self._one(name, path, deep=deep):
                return problem
        return ""

    def _one(self, name: str, shown: str, *, deep: bool) -> str:
        try:
            real = os.path.realpath(name)
        except (OSError, ValueError):
            return f"{shown} cannot be looked up"
        if not any(real == root or real.startswith(root.rstrip("/") + "/") for root in self._roots):
            return f"{shown} lies outside the working directory"
        if is_credential(real) or is_credential(name):
            return f"{shown} may hold credentials"
        if deep and os.path.isdir(real) and _holds_credentials(real):  # noqa: PTH112
            return f"a file below {shown} may hold credentials"
        return ""

    def foreign_program(self, name: str) -> bool:
        found = shutil.which(name)
        return found is not None and any(_below(os.path.abspath(found), root) for root in self._roots)  # noqa: PTH100

    def plain_git(self, folder: str) -> bool:
        start = os.path.realpath(os.path.join(self._cwd, folder))  # noqa: PTH118
        for parent in (Path(start), *Path(start).parents):
            git = parent / ".git"
            if os.path.lexists(git):
                return _is_plain_repository(git)
            if (parent / "HEAD").exists() and (parent / "objects").exists():
                return False  # a bare repository, whose settings lie among the files
        return False

    def kind(self, path: str) -> str:
        at, mode = self.root, stat.S_IFDIR
        for piece in path.split("/"):
            if not stat.S_ISDIR(mode):
                return "strange"  # something lies below a file
            at = f"{at}/{piece}"
            try:
                mode = os.lstat(at).st_mode
            except FileNotFoundError:
                return ""
            except (OSError, ValueError):
                return "strange"
        return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "strange"

    def plain_below(self, path: str) -> bool:
        waiting, seen = [f"{self.root}/{path}"], 0
        while waiting:
            at = waiting.pop()
            try:
                found = os.lstat(at)
                seen += 1
                if stat.S_ISDIR(found.st_mode):
                    waiting += [f"{at}/{name}" for name in os.listdir(at)]  # noqa: PTH208
                elif not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                    return False
            except FileNotFoundError:
                continue
            except (OSError, ValueError):
                return False
            if seen + len(waiting) > _MOST_TOUCHED:
                return False
        return True


def _below(path: str, root: str) -> bool:
    return os.path.realpath(path).startswith(root.rstrip("/") + "/") or path.startswith(root.rstrip("/") + "/")


def _holds_credentials(folder: str) -> bool:
    """Whether a name that holds credentials stands in the folder or below it; unsure is yes."""
    seen = 0
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".git", "node_modules")]
        for name in (*folders, *files):
            seen += 1
            if seen > _DEEP_LOOK or is_credential(f"{parent}/{name}"):
                return True
    return False


def _is_plain_repository(git: Path) -> bool:
    """Whether nothing in the repository's own settings makes a command that looks run a program."""
    if not git.is_dir() or git.is_symlink() or (git / "modules").exists() or (git.parent / ".gitmodules").exists():
        return False
    if any((git / "hooks" / name).exists() for name in ("post-index-change", "fsmonitor-watchman", "query-watchman")):
        return False
    try:
        with (git / "config").open(encoding="ascii") as file:
            text = file.read(_MAX_CONFIG + 1)
        index = (git / "index").read_bytes() if (git / "index").exists() else b""
    except (OSError, ValueError):
        return False
    # A repository within this one, even one without a .gitmodules, has settings of its own that git obeys too.
    return len(text) <= _MAX_CONFIG and len(index) <= _MAX_INDEX and _LINK_MODE not in index and _plain_settings(text)


def _plain_settings(text: str) -> bool:
    """Whether each line is understood and sets nothing that could run a program."""
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if header := re.fullmatch(r"\[([A-Za-z-]+)(?: \"[^\"\\\]]*\")?\]", line):
            section = header[1].lower()
        elif setting := re.fullmatch(r"([A-Za-z][A-Za-z0-9-]*)(?:\s*=[^\\]*)?", line):
            if setting[1].lower() not in _PLAIN_SETTINGS.get(section, ()):
                return False
        else:
            return False
    return True
