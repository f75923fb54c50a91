"""Copies of files from before a step, so that what it changed or deleted can be brought back.

Invariant: a backup folder with a manifest holds every copy that the manifest names, with its checksum; restoring
overwrites nothing that changed again since, unless told to, and follows no link. All that is kept is owner-only.

    backup = start_backup(root, folder, before=look)     before the step: copies into the pool
    kept = backup.finish(compare(look, snapshot(root)))  after it: only what the step touched stays, or None
    restore(kept)                                        on request
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError
from llmos.core.tool import FOLDED_NAMES, FileChanges
from llmos.engine.changes import Entry, Snapshot, hash_file, snapshot
from llmos.memory.files import Later, make_private_folder, os_cause, show_path, sync_path, write_atomic

MANIFEST = "backup.json"
FORMAT_KIND = "llmos-backup"
FORMAT_NUMBER = 1
MAX_FILES = 2_000
MAX_BYTES = 64_000_000
FILES = "files"
_CHUNK = 1 << 20
_SETTLED_NS = 2_000_000_000
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class CopyPool:
    """Contents of files, found by their SHA-256: what one step copied, the next one does not copy again.

    One pool serves the steps of a turn; `close` removes it. All contents are in one file, because creating a thousand
    small ones can take half a second. The file is made when the first copy comes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._end = 0
        self._held: dict[str, tuple[int, int]] = {}
        """Where each content is: offset and length."""
        self._seen: dict[tuple[str, tuple[int, ...]], str] = {}
        self.unsynced: list[Path] = []
        """Folders in which one was made for the pool: nothing rests on that until a copy is kept."""

    def copy(self, source: str, entry: Entry) -> str:
        """Hold the content of a regular file; its SHA-256. Raises OSError."""
        if entry.digest in self._held:
            return entry.digest
        seen = self._seen.get((source, entry.stamp))
        if seen is not None:
            return seen
        digest = self._copy(source)
        if max(entry.mtime_ns, entry.ctime_ns) < time.time_ns() - _SETTLED_NS:
            self._seen[source, entry.stamp] = digest
        return digest

    def _copy(self, source: str) -> str:
        if self._descriptor < 0:
            make_private_folder(self.path.parent, later=self.unsynced.append)
            self._descriptor = os.open(str(self.path), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        descriptor = os.open(source, _READ)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "is not a regular file any more", source)
            digest = hashlib.sha256()
            at = self._end
            while chunk := os.read(descriptor, _CHUNK):
                digest.update(chunk)
                at += _write_at(self._descriptor, chunk, at)
        finally:
            os.close(descriptor)
        name = digest.hexdigest()
        if name not in self._held:
            self._held[name] = (self._end, at - self._end)
            self._end = at
        return name

    def give(self, digest: str, target: Path) -> None:
        """Write the content to the new file `target`. Raises OSError."""
        offset, left = self._held[digest]
        descriptor = os.open(str(target), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            done = 0
            while left and (chunk := os.pread(self._descriptor, min(left, _CHUNK), offset + done)):
                _write_at(descriptor, chunk, done)
                done += len(chunk)
                left -= len(chunk)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self.path.unlink(missing_ok=True)
        self._held.clear()
        self._seen.clear()


@dataclass(frozen=True, slots=True)
class Backup:
    """Copies made before a step. `kept` is False when none were made; `reason` then says why."""

    root: Path
    folder: Path
    kept: bool
    reason: str = ""
    _pool: CopyPool | None = None
    _owns_pool: bool = False
    _later: Later | None = None
    _before: dict[str, Entry] = field(default_factory=dict)
    """What there was, by path; for files `digest` names the copy."""

    def finish(self, changes: FileChanges, *, when: datetime | None = None) -> Path | None:
        """Keep the copies of what the step changed or deleted; the folder, or None when there is nothing to keep.

        Raises StoreError when the copies cannot be kept.
        """
        try:
            return self._keep(changes, when or datetime.now(UTC)) if self._pool is not None else None
        except OSError as error:
            raise StoreError(f"cannot keep the backup in {show_path(self.folder)}: {os_cause(error)}") from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Forget the copies; a pool that serves other steps stays."""
        if self._pool is not None and self._owns_pool:
            self._pool.close()
            with suppress(OSError):  # it stays when something was kept in it
                self.folder.rmdir()

    def _keep(self, changes: FileChanges, when: datetime) -> Path | None:
        assert self._pool is not None
        touched = {*changes.changed, *changes.deleted}
        files, folders = [], []
        for path, entry in sorted(self._before.items()):
            if path not in touched and not any(path.startswith(top) for top in touched if _names_folded(top)):
                continue
            if entry.kind == "folder":
                folders.append({"path": path, "mode": entry.mode})
                continue
            after = path_state(self.root / path)
            if after == _entry_state(entry):
                continue
            files.append(_record(path, entry, after))
            if entry.kind == "file":
                assert entry.digest is not None
                self._give(entry.digest, self.folder / FILES / path)
        if not files and not folders:
            return None
        not_kept = sorted(touched - {record["path"] for record in (*files, *folders)})
        manifest = {
            "format": f"{FORMAT_KIND}/{FORMAT_NUMBER}",
            "root": str(self.root),
            "when": when.isoformat(timespec="seconds"),
            "files": files,
            "folders": folders,
            "not_kept": not_kept,
        }
        make_private_folder(self.folder, later=self._later)
        write_atomic(self.folder / MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n", later=self._later)
        while self._pool.unsynced:
            (self._later or sync_path)(self._pool.unsynced.pop())
        return self.folder

    def _give(self, digest: str, target: Path) -> None:
        assert self._pool is not None
        make_private_folder(target.parent, later=self._later)
        self._pool.give(digest, target)
        for path in (target, target.parent):
            (self._later or sync_path)(path)


def start_backup(
    root: Path,
    folder: Path,
    *,
    max_files: int = MAX_FILES,
    max_bytes: int = MAX_BYTES,
    only: Iterable[str] | None = None,
    before: Snapshot | None = None,
    pool: CopyPool | None = None,
    later: Later | None = None,
) -> Backup:
    """Copy what is below `root`, as `before` saw it (a new look if None), so that `finish` can keep some of it.

    `only`: the paths that the step can touch, where that is known. `pool`: shared by the steps of a turn; without one
    the copies stay in `folder` until `finish`. Over `max_files` files or `max_bytes` bytes nothing is copied.
    `later` is told of what `finish` wrote; without it that is on the disk on return.
    """
    owns_pool = pool is None
    pool = pool or CopyPool(folder / "copies.tmp")
    if only is not None:
        found = _look_at(root, only)
    else:
        before = before or snapshot(root)
        if not before.complete:
            return Backup(root, folder, False, "the folder is too large, or a part of it may not be read")
        found = {path: entry for path, entry in before.entries.items() if entry.kind in ("file", "link", "folder")}
    sizes = [entry.size for entry in found.values() if entry.kind == "file"]
    if len(sizes) > max_files:
        return Backup(root, folder, False, f"{len(sizes):,} files are more than the {max_files:,} that are copied")
    if sum(sizes) > max_bytes:
        return Backup(root, folder, False, f"{sum(sizes):,} bytes are more than the {max_bytes:,} that are copied")
    copied: dict[str, Entry] = {}
    backup = Backup(root, folder, True, "", pool, owns_pool, later, copied)
    for path, entry in found.items():
        try:
            digest = pool.copy(f"{root}/{path}", entry) if entry.kind == "file" else entry.digest
        except FileNotFoundError:
            continue
        except OSError as error:
            backup.discard()
            return Backup(root, folder, False, f"{show_path(path)} could not be copied: {os_cause(error)}")
        copied[path] = _with_digest(entry, digest)
    return backup


def _look_at(root: Path, only: Iterable[str]) -> dict[str, Entry]:
    """The files that these paths lead to, as far as they are below the root."""
    real_root = Path(os.path.realpath(root))
    found: dict[str, Entry] = {}
    for path in only:
        if "\0" in path:
            continue
        real = Path(os.path.realpath(real_root / path))
        if real_root not in real.parents:
            continue
        with suppress(OSError):
            at = real.lstat()
            if stat.S_ISREG(at.st_mode):
                mode = stat.S_IMODE(at.st_mode)
                entry = Entry("file", mode, at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino)
                found[real.relative_to(real_root).as_posix()] = entry
    return found


def _names_folded(path: str) -> bool:
    return path.endswith("/") and path.rstrip("/").rpartition("/")[2] in FOLDED_NAMES


def _with_digest(entry: Entry, digest: str | None) -> Entry:
    return Entry(entry.kind, entry.mode, entry.size, entry.mtime_ns, entry.ctime_ns, entry.inode, digest)


def _record(path: str, entry: Entry, after: str) -> dict[str, Any]:
    if entry.kind == "link":
        return {"path": path, "kind": "link", "target": entry.digest, "after": after}
    return {
        "path": path,
        "kind": "file",
        "sha256": entry.digest,
        "size": entry.size,
        "mode": entry.mode,
        "after": after,
    }


def _entry_state(entry: Entry) -> str:
    return f"link {entry.digest}" if entry.kind == "link" else f"file {entry.mode:o} {entry.digest}"


def path_state(path: Path) -> str:
    """What is at the path, in one string that is equal when content, type and mode are."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    if stat.S_ISLNK(found.st_mode):
        return f"link {os.readlink(path)}"  # noqa: PTH115 - Path would tidy up the target
    if stat.S_ISREG(found.st_mode):
        return f"file {stat.S_IMODE(found.st_mode):o} {hash_file(str(path))}"
    return "folder" if stat.S_ISDIR(found.st_mode) else "other"


def _write_at(descriptor: int, data: bytes, offset: int) -> int:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
    return len(data)
