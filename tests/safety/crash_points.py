"""The store under a crash or a failing disk at every single operation: what a child process acknowledged must be there.

A child is forked for each point: from the N-th operation of the kernel on a file (open, write, sync, rename, link,
unlink) it is killed, or the operation fails (no space, input/output error, half a write). It says after each save that
it is done; the parent opens the store anew and looks for all that was said to be done.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llmos.core.core_edits import CoreEdit, EditKind
from llmos.core.errors import LlmosError
from llmos.core.events import Notice
from llmos.core.passage import Passage
from llmos.core.spending import Caps
from llmos.core.tool import Effect
from llmos.core.trace import Expect, Learned, OutputShape, Require, Step, Trace, TraceHeader, TraceStatus
from llmos.memory import files
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.money_journal import MoneyJournal
from llmos.memory.saved_permissions import SavedPermissions
from llmos.memory.trace_labels import TraceLabels
from llmos.memory.traces_sdk import TraceManager
from llmos.memory.transcript import Transcript, read_transcript
from llmos.testing import FixedClock

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
OPERATIONS = ("open", "write", "fsync", "fdatasync", "replace", "link", "unlink", "ftruncate", "mkdir")
KINDS = ("kill", "no space", "input/output error", "half a write")
VERSIONS = {"shell": "0123456789ab"}


def trace(number: int) -> Trace:
    goal = f"say the number {number} of the list"
    header = TraceHeader("", goal, TraceStatus.VERIFIED, "", VERSIONS, Learned(NOW.isoformat(), "LEARNER", "m", 0.1, 1))
    step = Step(
        "shell", {"command": f"echo {number}"}, Effect.EXECUTE, Require(), Expect(0, output=OutputShape.LINES), "1"
    )
    return Trace(header, (step,))


def told_by_the_person(text: str) -> CoreEdit:
    return CoreEdit(EditKind.ADD, text, evidence=("s1:1",), explicit=True)


@dataclass
class Store:
    """One workspace, opened as a process opens it."""

    root: Path

    def __post_init__(self) -> None:
        memories = self.root / "memories"
        self.traces = TraceManager(memories, self.root, False, home=self.root / "home", tool_versions=VERSIONS)
        self.memory = MemoryEngine(memories / "core", memories / "archival")
        clock = FixedClock()
        self.transcript = Transcript(memories / "recall", self.root / ".llmos" / "open", session="s1", clock=clock)
        caps = Caps(100.0, 100.0)
        self.labels = TraceLabels(self.root / "traces")
        self.permissions = SavedPermissions(self.root / "home", clock.now)
        self.money = MoneyJournal(self.root / "home", clock=clock, session="s1", workspace=self.root, caps=caps)

    def saves(self, first: int) -> Iterator[tuple[str, Callable[[], object]]]:
        """Everything that the store writes, each with the name under which it is acknowledged."""
        writer = Writer(NOW, "test")
        for number in (first, first + 1):
            yield f"trace {number}", lambda number=number: self.traces.keep(trace(number), NOW)
            yield (
                f"passage {number}",
                lambda number=number: self.memory.add_archival_memory(Passage("", f"fact number {number}"), writer),
            )
            yield (
                f"core {number}",
                lambda number=number: self.memory.update_core_memory(
                    "human",
                    [CoreEdit(EditKind.ADD, f"line number {number}", evidence=("s1:1",), explicit=True)],
                    writer,
                ),
            )
            yield f"event {number}", lambda number=number: self.transcript.record(Notice(text=f"event number {number}"))
            yield f"spent {number}", lambda: self.money.reserve(1.0, model="m")
            yield f"label {number}", lambda number=number: self.labels.name(f"t{number}", f"name-{number}", NOW)
            yield f"rule {number}", lambda number=number: self.permissions.add_rule(f"shell(x {number})", self.root)

    def missing(self, acknowledged: list[str]) -> list[str]:
        """What was said to be saved and is not there now. Raises whatever the store raises."""
        goals = {header.goal for header in self.traces.headers()}
        facts = {passage.text for passage in self.memory.passages()}
        lines = "\n".join(item.text for item in self.memory.block("human").items)
        labels, rules = self.labels.all().values(), {one.rule for one in self.permissions.all()}
        events: set[str] = set()
        if self.transcript.path.exists():
            events = {str(record.get("text")) for record in read_transcript(self.transcript.path, lambda _: None)}
        there = {
            "trace": lambda number: trace(number).header.goal in goals,
            "passage": lambda number: f"fact number {number}" in facts,
            "core": lambda number: f"line number {number}" in lines.splitlines(),
            "event": lambda number: f"event number {number}" in events,
            "spent": lambda number: True,
            "label": lambda number: f"name-{number}" in labels,
            "rule": lambda number: f"shell(x {number})" in rules,
        }
        names = [name.split() for name in acknowledged]
        lost = [f"{kind} {number}" for kind, number in names if not there[kind](int(number))]
        spent = self.money.spending(FixedClock().now()).total()
        charged = sum(kind == "spent" for kind, _ in names)
        return lost if spent >= charged else [*lost, f"{charged - spent} of the money"]

    def close(self) -> None:
        self.traces.close()
        self.transcript.close()


class Faults:
    """Counts the operations of this process on files, and lets the N-th one go wrong in one way."""

    def __init__(self, at: int, kind: str) -> None:
        self.at, self.kind, self.count = at, kind, 0

    def install(self) -> None:
        for name in OPERATIONS:
            setattr(os, name, self._faulty(name, getattr(os, name)))

    def _faulty(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **more: Any) -> Any:
            self.count += 1
            if self.count != self.at:
                return real(*args, **more)
            if self.kind == "half a write" and name == "write":
                real(args[0], bytes(args[1])[: max(1, len(args[1]) // 2)])
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind in ("kill", "half a write"):
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC if self.kind == "no space" else errno.EIO, "made to fail")

        return operation


def crash_at(root: Path, at: int, kind: str, prepare: Callable[[], None] = lambda: None) -> tuple[list[str], bool]:
    """One child: what it acknowledged, and whether the fault was reached. `prepare` changes the child alone."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            prepare()
            store = Store(root)
            say = os.write
            faults = Faults(at, kind)
            faults.install()
            for name, save in store.saves(1000):
                try:
                    save()
                except LlmosError:
                    continue  # it said that it is not saved, in a sentence
                say(writing, f"{name}\n".encode())
            status = 0 if faults.count >= at else 3
        except BaseException as error:  # the parent is to hear of it
            os.write(2, f"unexpected: {error!r}\n".encode())
            status = 4
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        acknowledged = pipe.read().splitlines()
    _, ended = os.waitpid(child, 0)
    if os.WIFEXITED(ended) and os.WEXITSTATUS(ended) == 4:
        raise AssertionError(f"the store raised what is no LlmosError at operation {at} ({kind})")
    return acknowledged, not (os.WIFEXITED(ended) and os.WEXITSTATUS(ended) == 3)


@dataclass
class Figures:
    points: int = 0
    lost: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.points} points, {len(self.lost)} acknowledged saves lost, {len(self.torn)} stores torn"


def fast_folder() -> tempfile.TemporaryDirectory[str]:
    """In memory where that is there: a kill tests what is ordered before what, not what the disk has."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)


def run(
    folder: Path,
    points: int,
    *,
    kinds: tuple[str, ...] = KINDS,
    first: int = 1,
    stride: int = 1,
    prepare: Callable[[], None] = lambda: None,
) -> Figures:
    """Each kind of fault at operation `first`, `first + stride`, … and around again, in a store that is not empty."""
    figures, at = Figures(), first
    template = folder / "template"
    before = Store(template)
    told = [name for name, save in before.saves(0) if save() or True]
    before.close()
    while True:
        beyond = 0
        for kind in kinds:
            if figures.points >= points:
                return figures
            root = folder / f"{figures.points}"
            shutil.copytree(template, root)
            acknowledged, reached = crash_at(root, at, kind, prepare)
            beyond += not reached
            figures.points += 1
            try:
                after = Store(root)
                figures.lost += [f"{name} at {at} ({kind})" for name in after.missing([*told, *acknowledged])]
                after.close()
            except LlmosError as error:
                figures.torn.append(f"{error} at {at} ({kind})")
            shutil.rmtree(root)
        at = first if beyond == len(kinds) else at + stride


def without_order() -> None:
    """A broken build, for the child alone: files are written in place, as a careless one would."""

    def write_in_place(path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(descriptor, data)
        os.close(descriptor)

    for module in list(sys.modules.values()):
        if getattr(module, "write_atomic", None) is files.write_atomic and module is not files:
            setattr(module, "write_atomic", write_in_place)  # noqa: B010
