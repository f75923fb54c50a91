"""Many processes that write to one store at once, and processes that are killed while they write.

Each says what it was told is saved. Afterwards the store is opened anew, and every one of these must be there: as many
outcomes, messages and dollars as were acknowledged, and each approval, item, passage, name and permission.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

from crash_points import NOW, VERSIONS, fast_folder, trace

from llmos.core.core_block import CoreBlock, CoreItem
from llmos.core.events import Notice, TurnStarted
from llmos.core.passage import Passage
from llmos.core.spending import Caps
from llmos.memory import files, locks
from llmos.memory.approvals import Approvals
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.money_journal import MoneyJournal
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.saved_permissions import SavedPermissions
from llmos.memory.trace_labels import TraceLabels
from llmos.memory.traces_sdk import TraceManager
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock

PERSON = Writer(NOW, "test", "person")
SHARED = "a-trace-that-all-replay"
CENT = 0.01


class Process:
    """What one process writes with; each operation is one acknowledged save."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        memories, home = root / "memories", root / "home"
        clock = FixedClock(NOW + timedelta(seconds=int(hashlib.sha256(name.encode()).hexdigest()[:4], 16)))
        self.traces = TraceManager(memories, root, False, home=home, tool_versions=VERSIONS)
        self.memory = MemoryEngine(memories / "core", memories / "archival")
        self.transcript = Transcript(memories / "recall", root / ".llmos/open", session=name, clock=clock)
        self.money = MoneyJournal(home, clock=clock, session=name, workspace=root, caps=Caps(1e9, 1e9))
        self.approvals = Approvals(home)
        self.permissions = SavedPermissions(home, clock.now)
        self.labels = TraceLabels(root / "traces")

    def outcome(self, at: int) -> None:
        self.traces.record_outcome(SHARED, "ok", NOW)

    def approval(self, at: int) -> None:
        self.approvals.add(_digest(f"{self.name} {at}"), f"{self.name}-{at}", NOW.isoformat())

    def item(self, at: int) -> None:
        item = CoreItem(f"{self.name} {at}", _digest(f"{self.name} {at}")[:8], NOW.date().isoformat())
        self.memory.edit_block("human", lambda block: _with(block, item), PERSON)

    def passage(self, at: int) -> None:
        self.memory.add_archival_memory(Passage("", f"{self.name} {at}"), PERSON)

    def call(self, at: int) -> None:
        self.money.settle(self.money.reserve(1.0, model="m"), CENT)

    def message(self, at: int) -> None:
        self.transcript.record(TurnStarted(goal=f"{self.name} {at}", cwd="/", workspace="/", turn=at))

    def event(self, at: int) -> None:
        self.transcript.record(Notice(text=f"{self.name} {at}"))

    def label(self, at: int) -> None:
        self.labels.name(f"{self.name}-{at}", f"{self.name}-{at}", NOW)

    def permission(self, at: int) -> None:
        self.permissions.add_rule(f"shell({self.name} {at})", self.root)

    def kept(self, at: int) -> None:
        self.traces.keep(trace(int(_digest(f"{self.name} {at}")[:12], 16)), NOW)


MIXED = ("outcome", "approval", "item", "call", "message")
"""What the acceptance names; one process after another asks for the same locks."""
WRITES = (
    *("event", "label", "event", "message", "event", "approval", "event", "permission", "event", "call", "event"),
    *("outcome", "event", "passage", "event", "item", "event", "kept", "event", "message", "event", "label"),
)
"""For the kills: each kind of write, the cheap ones more often."""


def _with(block: CoreBlock, item: CoreItem) -> CoreBlock:
    return replace(block, lines=(*block.lines, item), limit=10_000_000)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def missing(root: Path, said: list[tuple[str, str, int]]) -> list[str]:
    """What was acknowledged, as (kind, process, number), and is not there now."""
    there = Process(root, "reader")
    kinds: dict[str, list[tuple[str, int]]] = {}
    for kind, name, at in said:
        kinds.setdefault(kind, []).append((name, at))
    there.traces.headers()
    goals = {header.goal for header in there.traces.headers()}
    items = {item.text for item in there.memory.block("human").items}
    passages = {passage.text for passage in there.memory.passages()}
    labels = set(there.labels.all())
    rules = {one.rule for one in there.permissions.all()}
    lines = b"".join(path.read_bytes() for path in (root / "memories/recall").glob("*.jsonl"))
    present: dict[str, Callable[[str, int], bool]] = {
        "approval": lambda name, at: _digest(f"{name} {at}") in there.approvals,
        "item": lambda name, at: f"{name} {at}" in items,
        "passage": lambda name, at: f"{name} {at}" in passages,
        "label": lambda name, at: f"{name}-{at}" in labels,
        "permission": lambda name, at: f"shell({name} {at})" in rules,
        "event": lambda name, at: f'"text":"{name} {at}"'.encode() in lines,
        "message": lambda name, at: f'"goal":"{name} {at}"'.encode() in lines,
        "kept": lambda name, at: trace(int(_digest(f"{name} {at}")[:12], 16)).header.goal in goals,
    }
    lost = [f"{kind} {name} {at}" for kind, name, at in said if kind in present and not present[kind](name, at)]
    counts = {
        "outcome": there.traces.outcomes(SHARED).successes,
        "message": NestedLearning(root / "memories/recall", root / ".llmos").track_message(),
        "call": round(there.money.spending(NOW).total() / CENT),
    }
    for kind, count in counts.items():
        expected = len(kinds.get(kind, []))
        if count < expected:
            lost.append(f"{expected - count} of {expected} times {kind}")
    there.traces.close()
    return lost


@dataclass
class Figures:
    operations: int = 0
    processes: int = 0
    kills: int = 0
    lost: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)

    @property
    def p99_s(self) -> float:
        return sorted(self.waits_s)[int(len(self.waits_s) * 0.99)] if self.waits_s else 0.0


def at_once(
    root: Path,
    processes: int,
    operations: int,
    *,
    kinds: tuple[str, ...] = MIXED,
    prepare: Callable[[], None] = lambda: None,
) -> Figures:
    """Processes that carry out so many operations each, all at once."""
    figures = Figures(processes=processes)
    begin = time.monotonic() + 0.3
    children = [_child(root, f"p{number}", operations, kinds, begin, prepare) for number in range(processes)]
    said = []
    for child, pipe in children:
        for line in pipe:
            words = line.split()
            if words[0] == "failed":
                figures.failed.append(line)
            else:
                said.append((words[0], words[1], int(words[2])))
                figures.waits_s.append(float(words[3]))
        pipe.close()
        os.waitpid(child, 0)
    figures.operations = len(said)
    figures.lost = missing(root, said)
    return figures


def with_kills(
    root: Path, kills: int, *, writers: int, rng: random.Random, prepare: Callable[[], None] = lambda: None
) -> Figures:
    """Writers that are killed at random times and replaced, until there were so many kills."""
    figures = Figures(processes=writers)
    said: list[tuple[str, str, int]] = []
    while figures.kills < kills:
        wave = [
            _child(root, f"k{figures.kills + number}", 1_000_000, WRITES, 0.0, prepare)
            for number in range(min(writers, kills - figures.kills))
        ]
        for child, pipe in wave:
            lines = list(islice(pipe, rng.randrange(20, 90)))  # it is in the middle of its work then
            time.sleep(rng.uniform(0.0, 0.005))
            os.kill(child, signal.SIGKILL)
            for line in [*lines, *pipe]:
                words = line.split()
                if line.endswith("\n") and words[0] == "failed":
                    figures.failed.append(line)
                elif line.endswith("\n"):  # what was cut off was not yet said
                    said.append((words[0], words[1], int(words[2])))
            pipe.close()
            os.waitpid(child, 0)
            figures.kills += 1
    figures.operations = len(said)
    figures.lost = missing(root, said)
    return figures


def _child(
    root: Path, name: str, operations: int, kinds: tuple[str, ...], begin: float, prepare: Callable[[], None]
) -> tuple[int, Iterator[str]]:
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, os.fdopen(reading)
    try:
        os.close(reading)
        prepare()
        process = Process(root, name)
        time.sleep(max(0.0, begin - time.monotonic()))
        for at in range(operations):
            kind = kinds[(at + int(name[1:])) % len(kinds)]
            started = time.monotonic()
            getattr(process, kind)(at)
            os.write(writing, f"{kind} {name} {at} {time.monotonic() - started:.4f}\n".encode())
    except BaseException:
        os.write(writing, ("failed " + " ".join(traceback.format_exc().split())[-600:] + "\n").encode())
    finally:
        os._exit(0)


@contextmanager
def a_store() -> Iterator[Path]:
    with fast_folder() as folder:
        root = Path(folder) / "store"
        first = Process(root, "first")
        first.kept(0)
        first.traces.headers()
        first.traces.close()
        yield root


def without_locks() -> None:
    """A broken build, for the child alone: a lock that holds nobody up."""
    locks.StoreLock.__enter__ = lambda self: self  # type: ignore[method-assign]
    locks.StoreLock.__exit__ = lambda self, *_: None  # type: ignore[method-assign,assignment]


def without_haste() -> None:
    """A broken build, for the child alone: lines are kept in memory until there are eight."""
    real, waiting = files.append_line, list[tuple[Path, bytes]]()

    def later(path: Path, line: bytes, *, sync: bool) -> None:
        waiting.append((path, line))
        if len(waiting) >= 8:
            for one, what in waiting:
                real(one, what, sync=sync)
            waiting.clear()

    for module in list(sys.modules.values()):
        if getattr(module, "append_line", None) is real:
            module.append_line = later  # type: ignore[attr-defined]


def all_kills(kills: int, *, writers: int) -> Figures:
    """So many kills, in a new store after each 100."""
    total, rng = Figures(processes=writers), random.Random(f"{kills} {writers}")
    while total.kills < kills:
        with a_store() as root:
            done = with_kills(root, min(100, kills - total.kills), writers=writers, rng=rng)
        total.kills += done.kills
        total.operations += done.operations
        total.lost += done.lost
        total.failed += done.failed
    return total
