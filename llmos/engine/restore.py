"""Bringing back what a step changed or deleted, from its backup folder.

Invariant: all is checked before anything is written (manifest, checksums, what is there now); no link is followed on
the way to a file; each file is replaced whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError
from llmos.engine.backups import FILES, FORMAT_KIND, FORMAT_NUMBER, MANIFEST, path_state
from llmos.memory.codec import check_format
from llmos.memory.files import os_cause, read_bounded, show_path

_MAX_MANIFEST_BYTES = 16_000_000
_MAX_COPY_BYTES = 1 << 32
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Saved:
    """One file or link of a backup. `content` is the SHA-256 of a file or the target of a link."""

    path: str
    kind: str
    content: str
    mode: int
    after: str
    """What was there when the step had ended."""

    @property
    def state(self) -> str:
        return f"link {self.content}" if self.kind == "link" else f"file {self.mode:o} {self.content}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup folder holds. `not_kept` are paths that changed and of which there is no copy."""

    root: Path
    when: str
    files: tuple[Saved, ...]
    folders: tuple[tuple[str, int], ...]
    """Deleted folders and their modes."""
    not_kept: tuple[str, ...]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup folder. Raises StoreError when it is missing, damaged or of a newer format."""
    path = folder / MANIFEST
    try:
        data = json.loads(read_bounded(path, _MAX_MANIFEST_BYTES))
        if not isinstance(data, dict):
            raise TypeError
        check_format(data.get("format"), kind=FORMAT_KIND, supported=FORMAT_NUMBER, name=str(path))
        return Manifest(
            root=Path(data["root"]),
            when=str(data["when"]),
            files=tuple(_saved(record) for record in data["files"]),
            folders=tuple((_inside(record["path"]), int(record["mode"])) for record in data["folders"]),
            not_kept=tuple(str(name) for name in data["not_kept"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{show_path(path)} is not a whole backup manifest; nothing was restored") from error


def _saved(record: dict[str, Any]) -> Saved:
    kind = record["kind"]
    if kind not in ("file", "link"):
        raise ValueError(kind)
    content = record["sha256"] if kind == "file" else record["target"]
    mode = int(record["mode"]) if kind == "file" else 0
    return Saved(_inside(record["path"]), kind, str(content), mode & 0o7777, str(record["after"]))


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise ValueError(path)
    return path


def restore(folder: Path, *, force: bool = False) -> tuple[str, ...]:
    """Bring back the files of a backup; the paths that were written, relative to its root, sorted.

    Files that the step created stay. Raises StoreError, with nothing written, when a copy is damaged or a file changed
    again since (`force` overwrites such a file, but never a folder).
    """
    manifest = read_manifest(folder)
    wanted = []
    conflicts = []
    for saved in manifest.files:
        now = path_state(manifest.root / saved.path)
        if now == saved.state:
            continue
        if now not in (saved.after, "absent") and not force:
            conflicts.append(saved.path)
        wanted.append((saved, now, _checked_copy(folder, saved)))
    if conflicts:
        names = ", ".join(show_path(name) for name in conflicts[:3]) + (" and more" if len(conflicts) > 3 else "")
        raise StoreError(f"{names} changed again after this backup; restore with force to overwrite that")
    if blocked := [saved.path for saved, now, _ in wanted if now in ("folder", "other")]:
        raise StoreError(f"{show_path(blocked[0])} is not a file now; move it away, then restore again")
    written = []
    try:
        for path, _ in manifest.folders:
            with inside_of(manifest.root, path):
                pass
        for saved, _, copy in wanted:
            _put_back(manifest.root, saved, copy)
            written.append(saved.path)
        # Modes last and from the inside out: a folder may have been closed to writing.
        for path, mode in sorted(manifest.folders, reverse=True):
            with inside_of(manifest.root, path) as (at, _):
                os.fchmod(at, mode)
    except OSError as error:
        done = f"{len(written)} of {len(wanted)} files were restored"
        raise StoreError(f"cannot restore below {show_path(manifest.root)}: {os_cause(error)}; {done}") from error
    return tuple(sorted(written))


def check_copies(folder: Path) -> None:
    """Raises StoreError when the copy of a file is missing or damaged."""
    for saved in read_manifest(folder).files:
        _checked_copy(folder, saved)


def _checked_copy(folder: Path, saved: Saved) -> bytes:
    if saved.kind == "link":
        return b""
    data = read_bounded(folder / FILES / saved.path, _MAX_COPY_BYTES)
    if hashlib.sha256(data).hexdigest() != saved.content:
        raise StoreError(f"the copy of {show_path(saved.path)} in {show_path(folder)} is damaged; nothing was restored")
    return data


def _put_back(root: Path, saved: Saved, data: bytes) -> None:
    with inside_of(root, saved.path) as (at, name):
        temporary = f".llmos-{secrets.token_hex(8)}.tmp"
        try:
            if saved.kind == "link":
                os.symlink(saved.content, temporary, dir_fd=at)
            else:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=at), "wb") as file:
                    file.write(data)
                    os.fchmod(file.fileno(), saved.mode)
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, name, src_dir_fd=at, dst_dir_fd=at)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=at)
            raise


@contextmanager
def inside_of(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """The folder that holds `path`, reached without following a link, missing folders made; and the last name."""
    *folders, name = path.split("/")  # a folder ends in a slash, so that it is among them whole
    root.mkdir(parents=True, exist_ok=True)
    current = os.open(str(root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            try:
                below = os.open(part, _FOLDER, dir_fd=current)
            except FileNotFoundError:
                os.mkdir(part, dir_fd=current)
                below = os.open(part, _FOLDER, dir_fd=current)
            os.close(current)
            current = below
        yield current, name
    finally:
        os.close(current)
