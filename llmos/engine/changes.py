"""Which files a step created, changed or deleted: two looks at a folder, compared.

Invariant: a difference in content, type or mode of a file that both looks took in whole is always reported, also when
size and time are the same; a newer time alone is no difference where the content is known. What was not taken in is
said (`complete`), and then nothing is concluded from absence. Folded folders (`.git/`, `node_modules/`, caches) are
one entry each, compared by a digest of names, sizes and times of their first entries.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.tool import FOLDED_NAMES, FileChanges, is_cache

# A file whose time is this close to the look may have changed after it within the same tick of the clock.
_RACY_NS = 2_000_000_000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one look takes in."""

    max_entries: int = 20_000
    max_folded_entries: int = 5_000
    """Of one folded folder; the ones nearest to its top count."""
    max_hash_bytes: int = 1_000_000
    """A larger file is compared by size and times."""
    max_total_hash_bytes: int = 64_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One name below the root. `kind` is "file", "link", "folder", "folded" or "other"."""

    kind: str
    mode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    digest: str | None = None
    """SHA-256 of a file's content, the target of a link, what stands for a folded folder; None when not taken."""

    @property
    def stamp(self) -> tuple[int, int, int, int]:
        return self.size, self.mtime_ns, self.ctime_ns, self.inode


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A look at a folder: paths relative to it, POSIX, folders with a slash at the end."""

    root: Path
    taken_ns: int
    entries: Mapping[str, Entry]
    listed: frozenset[str]
    """Folders whose names were all read; "" is the root."""
    complete: bool


def snapshot(root: Path, *, limits: Limits | None = None, earlier: Snapshot | None = None) -> Snapshot:
    """Look at the folder. Content hashes are taken over from `earlier` where size, times and inode are the same.

    Never raises for what is gone or may not be read: the snapshot is then not complete.
    """
    look = _Look(root, limits or Limits(), earlier if earlier is not None and earlier.root == root else None)
    look.run()
    return Snapshot(root, look.taken_ns, look.entries, frozenset(look.listed), look.complete)


@dataclass(slots=True)
class _Look:
    """The state of one walk, breadth first, so that what is near the top is taken in before a limit is met."""

    root: Path
    limits: Limits
    earlier: Snapshot | None
    entries: dict[str, Entry] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    complete: bool = True
    hashed_bytes: int = 0
    taken_ns: int = field(default_factory=time.time_ns)

    def run(self) -> None:
        try:
            device = self.root.stat().st_dev
        except FileNotFoundError:
            self.listed.add("")
            return
        waiting = deque([""])
        while waiting:
            folder = waiting.popleft()
            try:
                with os.scandir(self.root / folder) as found:
                    entries = list(found)
            except FileNotFoundError:
                continue
            except OSError:
                self.complete = False
                continue
            if len(self.entries) + len(entries) > self.limits.max_entries:
                self.complete = False
                return
            for entry in entries:
                self._take(entry, folder, device, waiting)
            self.listed.add(folder)

    def _take(self, entry: os.DirEntry[str], folder: str, device: int, waiting: deque[str]) -> None:
        path = folder + entry.name
        try:
            found = entry.stat(follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                self.entries[path] = self._leaf(path, entry.path, found)
            elif entry.name in FOLDED_NAMES:
                self.entries[path + "/"] = _entry("folded", found, self._folded_digest(entry.path))
            else:
                self.entries[path + "/"] = _entry("folder", found)
                # Another file system (/proc, a network share) is not entered: reading there can block or have effects.
                if found.st_dev == device:
                    waiting.append(path + "/")
                else:
                    self.complete = False
        except FileNotFoundError:
            return
        except OSError:
            self.complete = False

    def _leaf(self, path: str, full: str, found: os.stat_result) -> Entry:
        if stat.S_ISLNK(found.st_mode):
            return _entry("link", found, os.readlink(full))  # noqa: PTH115 - Path would tidy up the target
        if not stat.S_ISREG(found.st_mode):
            return _entry("other", found, str(stat.S_IFMT(found.st_mode)))
        new = _entry("file", found)
        if (digest := self._known_digest(path, new)) is None:
            room = self.limits.max_total_hash_bytes - self.hashed_bytes
            if found.st_size > min(self.limits.max_hash_bytes, room):
                return new
            self.hashed_bytes += found.st_size
            digest = hash_file(full)
        return _entry("file", found, digest)

    def _known_digest(self, path: str, new: Entry) -> str | None:
        if self.earlier is None:
            return None
        old = self.earlier.entries.get(path)
        return old.digest if old is not None and _untouched(old, new, self.earlier.taken_ns) else None

    def _folded_digest(self, top: str) -> str:
        digest = hashlib.sha256()
        seen = 0
        waiting = deque([(top, "")])
        while waiting:
            folder, name = waiting.popleft()
            try:
                with os.scandir(folder) as found:
                    entries = sorted(found, key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                seen += 1
                if seen > self.limits.max_folded_entries:
                    return digest.hexdigest()
                try:
                    at = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                path = f"{name}{entry.name}"
                if stat.S_ISDIR(at.st_mode):
                    waiting.append((entry.path, path + "/"))
                    digest.update(os.fsencode(path) + b"/\0")
                else:
                    digest.update(os.fsencode(path) + f"\0{at.st_size} {at.st_mtime_ns} {at.st_mode}\0".encode())
        return digest.hexdigest()


def _entry(kind: str, found: os.stat_result, digest: str | None = None) -> Entry:
    mode = stat.S_IMODE(found.st_mode)
    return Entry(kind, mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, digest)


def _untouched(old: Entry, new: Entry, taken_ns: int) -> bool:
    """Whether size, times and inode prove that the content is the same as when `old` was taken."""
    return (
        old.kind == new.kind == "file"
        and old.stamp == new.stamp
        and max(new.mtime_ns, new.ctime_ns) < taken_ns - _RACY_NS
    )


def hash_file(path: str) -> str | None:
    """SHA-256 of a regular file, as hex; None when it may not be read or is something else by now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        digest = hashlib.sha256()
        while chunk := os.read(descriptor, _CHUNK):
            digest.update(chunk)
        return digest.hexdigest()
    except OSError:
        return None
    finally:
        os.close(descriptor)


def compare(before: Snapshot, after: Snapshot) -> FileChanges:
    """What is different. Where a look stopped at its limit, only names whose folder both looks read whole count."""
    old, new = before.entries, after.entries
    return FileChanges(
        created=_only_in(new.keys() - old.keys(), before.listed, old),
        changed=tuple(sorted(path for path in old.keys() & new.keys() if _differs(old[path], new[path]))),
        deleted=_only_in(old.keys() - new.keys(), after.listed, new),
        complete=before.complete and after.complete,
    )


def world_digest(seen: Snapshot) -> str:
    """16 hex digits over names, kinds, modes and contents, caches left out; empty where not all of it is known."""
    if not seen.complete:
        return ""
    digest = hashlib.sha256()
    for path in sorted(seen.entries):
        entry = seen.entries[path]
        if is_cache(path):
            continue
        if entry.digest is None and entry.kind != "folder":
            return ""
        digest.update(
            os.fsencode(path) + f"\0{entry.kind} {entry.mode} {entry.digest}\0".encode("utf-8", "surrogatepass")
        )
    return digest.hexdigest()[:16]


def _only_in(paths: Iterable[str], listed: frozenset[str], other: Mapping[str, Entry]) -> tuple[str, ...]:
    """The paths that are truly absent from the other look: their folder was read there, or is absent itself."""
    absent: set[str] = set()
    for path in sorted(paths):
        folder = path.rstrip("/").rpartition("/")[0]
        folder = f"{folder}/" if folder else ""
        if folder in listed or (folder not in other and folder in absent):
            absent.add(path)
    return tuple(sorted(absent))


def _differs(old: Entry, new: Entry) -> bool:
    if old.kind != new.kind:
        return True
    if old.kind == "folder":
        return False
    if old.kind == "folded":
        return old.digest != new.digest
    if old.mode != new.mode and old.kind != "link":
        return True
    if old.kind != "file":
        return old.digest != new.digest
    if old.digest is not None and new.digest is not None:
        return old.digest != new.digest
    # Without both hashes a file counts as changed unless its stamp is the same; the racy margin cannot be settled.
    return old.stamp != new.stamp
