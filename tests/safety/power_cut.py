"""The store after the power went: every disk that a file system may have left, out of one recording (D-3).

A child saves what a session saves, and each operation on a file is recorded with what it was of. What was not synced
may be there or not at all, a write may be there in half, and names in a folder that was not synced may be the old or
the new ones, each by itself: a file system may write them in any order. For every moment of the recording several such
disks are made, the store is opened on each, and all that had been acknowledged by then must be readable.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crash_points import Store

from llmos.core.errors import LlmosError

WAYS = ("all of it", "only what was synced", "some of it")
_ROOT = "."


@dataclass(frozen=True)
class Op:
    """One operation. `kind`: create, mkdir, write, truncate, rename, link, unlink, sync, syncdir or ack."""

    kind: str
    path: str = ""
    other: str = ""
    ino: int = 0
    at: int = 0
    data: bytes = b""


class Recorder:
    """Records the operations of this process on files below a folder, in the words of `Op`."""

    def __init__(self, root: Path) -> None:
        self.ops: list[Op] = []
        self._root = str(root)
        self._real = {name: getattr(os, name) for name in self.names}

    names = (
        "open",
        "write",
        "pwrite",
        "fsync",
        "fdatasync",
        "replace",
        "rename",
        "link",
        "unlink",
        "mkdir",
        "ftruncate",
    )

    def install(self) -> None:
        for name in self.names:
            setattr(os, name, getattr(self, f"_{name}"))

    def ack(self, name: str) -> None:
        self.ops.append(Op("ack", name))

    def _inside(self, path: Any) -> str:
        """The path below the folder; empty for one outside, and for what can be made anew."""
        whole = os.path.abspath(os.fspath(path)) if not isinstance(path, int) else ""  # noqa: PTH100
        if not whole.startswith(f"{self._root}/") and whole != self._root:
            return ""
        inside = os.path.relpath(whole, self._root)
        return "" if inside.split("/")[0] == ".llmos" else inside

    def _of(self, descriptor: int) -> tuple[str, int]:
        path = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
        return self._inside(path), os.fstat(descriptor).st_ino

    def _open(self, path: Any, flags: int, *args: Any, **more: Any) -> int:
        inside = self._inside(path)
        there = not inside or os.path.lexists(path)
        descriptor = int(self._real["open"](path, flags, *args, **more))
        if inside and not there:
            self.ops.append(Op("create", inside, ino=os.fstat(descriptor).st_ino))
        elif inside and flags & os.O_TRUNC:
            self.ops.append(Op("truncate", inside, ino=os.fstat(descriptor).st_ino))
        return descriptor

    def _write(self, descriptor: int, data: bytes) -> int:
        path, ino = self._of(descriptor)
        if not path:
            return int(self._real["write"](descriptor, data))
        before = os.lseek(descriptor, 0, os.SEEK_CUR)
        written = int(self._real["write"](descriptor, data))
        after = os.lseek(descriptor, 0, os.SEEK_CUR)
        at = before if after - before == written else after - written  # an append goes to the end, wherever it stood
        self.ops.append(Op("write", path, ino=ino, at=at, data=bytes(data[:written])))
        return written

    def _pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        path, ino = self._of(descriptor)
        if path:
            self.ops.append(Op("write", path, ino=ino, at=offset, data=bytes(data)))
        return int(self._real["pwrite"](descriptor, data, offset))

    def _ftruncate(self, descriptor: int, length: int) -> None:
        path, ino = self._of(descriptor)
        if path:
            self.ops.append(Op("truncate", path, ino=ino, at=length))
        self._real["ftruncate"](descriptor, length)

    def _fsync(self, descriptor: int) -> None:
        path, ino = self._of(descriptor)
        self._real["fsync"](descriptor)
        if path:
            is_folder = Path(f"/proc/self/fd/{descriptor}").is_dir()
            self.ops.append(Op("syncdir", path) if is_folder else Op("sync", path, ino=ino))

    _fdatasync = _fsync

    def _moving(self, name: str, source: Any, target: Any, **more: Any) -> None:
        self._real[name](source, target, **more)
        kind = "link" if name == "link" else "rename"
        if self._inside(source) or self._inside(target):
            self.ops.append(Op(kind, self._inside(source), self._inside(target)))

    def _replace(self, source: Any, target: Any, **more: Any) -> None:
        self._moving("replace", source, target, **more)

    def _rename(self, source: Any, target: Any, **more: Any) -> None:
        self._moving("rename", source, target, **more)

    def _link(self, source: Any, target: Any, **more: Any) -> None:
        self._moving("link", source, target, **more)

    def _unlink(self, path: Any, **more: Any) -> None:
        self._real["unlink"](path, **more)
        if inside := self._inside(path):
            self.ops.append(Op("unlink", inside))

    def _mkdir(self, path: Any, *args: Any, **more: Any) -> None:
        self._real["mkdir"](path, *args, **more)
        if inside := self._inside(path):
            self.ops.append(Op("mkdir", inside))


def folder_of(path: str) -> str:
    return str(Path(path).parent)


@dataclass
class Disk:
    """Names and contents as they may be after the power went."""

    names: dict[str, int]
    """File by its path; 0 is a folder."""
    contents: dict[int, bytes]

    def after(self, ops: Sequence[Op], way: str, rng: random.Random) -> Disk:
        """This disk after some operations, of which what was not synced may be missing."""
        made = Disk(dict(self.names), dict(self.contents))
        synced = self._synced(ops)
        for number, op in enumerate(ops):
            if op.kind in ("sync", "syncdir", "ack"):
                continue
            if synced[number] or way == WAYS[0] or (way == WAYS[2] and rng.random() < 0.5):
                made._apply(op, half=False)
            elif way == WAYS[2] and op.kind == "write" and rng.random() < 0.5:
                made._apply(op, half=True)
        return made

    @staticmethod
    def _synced(ops: Sequence[Op]) -> list[bool]:
        """Whether each operation was made durable by a later one."""
        files: set[int] = set()
        folders: set[str] = set()
        found = []
        for op in reversed(ops):
            if op.kind == "sync":
                files.add(op.ino)
            elif op.kind == "syncdir":
                folders.add(op.path)
            if op.kind in ("write", "truncate"):
                found.append(op.ino in files)
            else:
                found.append(folder_of(op.other or op.path) in folders)
        return found[::-1]

    def _apply(self, op: Op, *, half: bool) -> None:
        match op.kind:
            case "mkdir":
                self.names[op.path] = 0
            case "create":
                self.names[op.path] = op.ino
                self.contents.setdefault(op.ino, b"")
            case "write":
                old = self.contents.get(op.ino, b"").ljust(op.at, b"\0")
                data = op.data[: len(op.data) // 2] if half else op.data
                self.contents[op.ino] = old[: op.at] + data + old[op.at + len(data) :]
            case "truncate":
                self.contents[op.ino] = self.contents.get(op.ino, b"")[: op.at].ljust(op.at, b"\0")
            case "unlink":
                self.names.pop(op.path, None)
            case "rename" | "link" if op.path in self.names:
                if op.kind == "link" and op.other in self.names:
                    return
                self.names[op.other] = self.names[op.path]
                if op.kind == "rename":
                    del self.names[op.path]

    def write_to(self, root: Path) -> None:
        root.mkdir(parents=True)
        for name, ino in sorted(self.names.items()):
            above = Path(name).parents
            if any(self.names.get(str(folder), 1) != 0 for folder in above if str(folder) != _ROOT):
                continue  # a folder whose own name is not there
            if ino == 0:
                (root / name).mkdir(mode=0o700)
            else:
                (root / name).write_bytes(self.contents.get(ino, b""))
                (root / name).chmod(0o600)


@dataclass
class Figures:
    states: int = 0
    lost: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.states} disks after a power cut: {len(self.lost)} lost an acknowledged save, {len(self.torn)} "
            "stores did not open"
        )


def durable(kind_and_number: str) -> bool:
    """An event that is no message is not synced, on purpose: it is on record again with the next one."""
    return not kind_and_number.startswith("event ")


def record(folder: Path) -> tuple[Disk, list[str], list[Op]]:
    """A disk, what is on it, and the operations of a session on it, each save acknowledged."""
    root = folder / "recorded"
    before = Store(root)
    told = [name for name, save in before.saves(0) if (save() or True) and durable(name)]
    before.close()
    names, contents = dict[str, int](), dict[int, bytes]()
    for path in [root, *sorted(root.rglob("*"))]:
        inside = os.path.relpath(path, root)
        if inside == _ROOT or inside.split("/")[0] == ".llmos":
            continue
        names[inside] = 0 if path.is_dir() else path.stat().st_ino
        if path.is_file():
            contents[path.stat().st_ino] = path.read_bytes()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        import pickle

        try:
            store, recorder = Store(root), Recorder(root)
            recorder.install()
            for name, save in store.saves(1000):
                save()
                recorder.ack(name)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(recorder.ops, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    import pickle

    with os.fdopen(reading, "rb") as pipe:
        ops: list[Op] = pickle.load(pipe)
    os.waitpid(child, 0)
    shutil.rmtree(root)
    return Disk(names, contents), told, ops


def states(disk: Disk, ops: Sequence[Op], count: int, seed: int) -> Iterator[tuple[int, str, Disk]]:
    """So many disks: each moment of the recording in each way, then more of the third way."""
    rng, made = random.Random(seed), 0
    while True:
        for way in WAYS if made == 0 else WAYS[2:]:
            for end in range(len(ops) + 1):
                if made == count:
                    return
                made += 1
                yield end, way, disk.after(ops[:end], way, rng)


def run(folder: Path, count: int, *, seed: int = 3, spoil: Callable[[Op], bool] = lambda op: False) -> Figures:
    """`spoil` names operations that a broken build would not make."""
    disk, told, ops = record(folder)
    ops = [op for op in ops if not spoil(op)]
    figures = Figures()
    for end, way, made in states(disk, ops, count, seed):
        figures.states += 1
        root = folder / f"{figures.states}"
        made.write_to(root)
        acknowledged = [op.path for op in ops[:end] if op.kind == "ack" and durable(op.path)]
        name = f"after {end} of {len(ops)} operations, {way}"
        try:
            store = Store(root)
            figures.lost += [f"{what} {name}" for what in store.missing([*told, *acknowledged])[:1]]
            store.close()
        except LlmosError as error:
            figures.torn.append(f"{error} {name}")
        shutil.rmtree(root)
    return figures
