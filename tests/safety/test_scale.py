"""D-10: ten thousand saved runs and fifty thousand remembered messages: opening, matching and saving stay quick.

The limits are on the processor time of one thread, since other programs may run beside it; what saving takes by the
clock, where it waits for the disk and for them, is told beside.
"""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

from bench.memory_scale import fill
from llmos.core.events import Mode
from llmos.core.tool import Effect
from llmos.core.trace import Expect, Learned, OutputShape, Require, Step, Trace, TraceHeader, TraceStatus
from llmos.memory.approvals import approval_line
from llmos.memory.recall import Recall
from llmos.memory.signing import ready_key
from llmos.memory.trace_files import encode_trace, trace_id
from llmos.memory.traces_sdk import TraceManager
from llmos.testing import FixedClock

OPEN_S, MATCH_S, SAVE_S = 2.0, 0.2, 0.05
"""The most that each may take: opening, one match, and 99 of 100 saves."""
NOW = FixedClock().now()
VERSION = "0" * 12
KINDS = (
    ("count the lines of {0}{1}.txt", "wc -l < {0}{1}.txt"),
    ("show the first {1} lines of {0}.txt", "head -n {1} {0}.txt"),
    ("copy {0}{1}.txt to {0}-copy{1}.txt", "cp {0}{1}.txt {0}-copy{1}.txt"),
    ("list the files in {0}/part{1}", "ls {0}/part{1}"),
    ("find the lines with {0}{1} in notes.txt", "grep -F {0}{1} notes.txt"),
    ("create the folder {0}/week{1}", "mkdir {0}/week{1}"),
    ("show the size of {0}{1}.bin", "stat -c %s {0}{1}.bin"),
)
NAMES = "sales stock plans drafts letters photos audio logs bills notes maps tests".split()


@dataclass
class Figures:
    traces: int
    messages: int
    took: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    waits: tuple[float, float] = (0.0, 0.0)

    def limit(self, what: str) -> float:
        return OPEN_S if what.startswith("open") else MATCH_S if what.startswith("match") else SAVE_S

    @property
    def over(self) -> list[str]:
        late = [f"{what} took {took:.3f} s" for what, took in self.took.items() if took >= self.limit(what)]
        return [*late, *self.problems]

    def __str__(self) -> str:
        said = ", ".join(f"{what} {took * 1000:.0f} ms" for what, took in self.took.items())
        waits = "half of the saves within {:.0f} ms by the clock, 99 % within {:.0f} ms".format(
            *(t * 1000 for t in self.waits)
        )
        return (
            f"{self.traces:,} saved runs, {self.messages:,} messages: {said}; {waits}; {len(self.over)} over the limits"
        )


def trace(number: int) -> Trace:
    goal, command = KINDS[number % len(KINDS)]
    place = number // len(KINDS)
    name, value = NAMES[place % len(NAMES)], place // len(NAMES)
    learned = Learned("2026-11-26T00:00:00+00:00", "LEARNER", "m", 0.01, 1.0)
    header = TraceHeader("", goal.format(name, value), TraceStatus.VERIFIED, "", {"shell": VERSION}, learned)
    step = Step(
        "shell",
        {"command": command.format(name, value)},
        Effect.EXECUTE,
        Require(),
        Expect(0, output=OutputShape.LINE),
        "",
    )
    return Trace(header, (step,))


def fill_traces(root: Path, count: int) -> None:
    """As `keep` would leave them, without a sync for each."""
    home = root / "home"
    folder = root / "traces"
    folder.mkdir(parents=True)
    key, lines = ready_key(home), []
    for number in range(count):
        made = trace(number)
        identifier = trace_id(made)
        data = encode_trace(replace(made, header=replace(made.header, id=identifier)))
        (folder / f"{identifier}.yaml").write_bytes(data)
        lines.append(approval_line(key, hashlib.sha256(data).hexdigest(), identifier, NOW.isoformat()))
    home.mkdir(exist_ok=True)
    (home / "approvals.jsonl").write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in lines))


def timed(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def opened(root: Path) -> TraceManager:
    return TraceManager(root / "memories", root, False, home=root / "home", tool_versions={"shell": VERSION})


def run(root: Path, traces: int, messages: int) -> Figures:
    figures = Figures(traces, messages)
    fill_traces(root, traces)
    first = opened(root)
    first.headers()  # once in the life of a store: every file is read
    first.close()

    managers: list[TraceManager] = []

    def open_and_look() -> None:
        managers.append(opened(root))
        managers[-1].candidates("count the lines of sales0.txt")

    figures.took["open"] = timed(open_and_look)
    manager = managers[0]

    def plan(goal: str) -> Mode:
        return asyncio.run(manager.plan(goal, manager.candidates(goal))).mode

    asked = {
        "match of a goal": [trace(number).header.goal for number in range(0, traces, max(1, traces // 40))],
        "match with other values": [f"count the lines of other{number}.txt" for number in range(20)],
        "match of nothing": [f"draw the sales of week {number} as a chart for the board" for number in range(20)],
    }
    for what, goals in asked.items():
        modes: list[Mode] = []
        took: list[float] = []
        for goal in goals:
            began = time.thread_time()
            modes.append(plan(goal))
            took.append(time.thread_time() - began)
        figures.took[what] = max(took)
        wanted = what != "match of nothing"
        if any((mode is Mode.FOLLOWER) != wanted for mode in modes):
            figures.problems.append(f"{what}: {modes}")
    saves, waits = list[float](), list[float]()
    for number in range(200):
        made, began, since = trace(traces + number), time.thread_time(), time.perf_counter()
        manager.keep(made, NOW)
        saves.append(time.thread_time() - began)
        waits.append(time.perf_counter() - since)
    figures.took["save (99 %)"] = statistics.quantiles(saves, n=100)[98]
    figures.waits = statistics.median(waits), statistics.quantiles(waits, n=100)[98]
    manager.close()
    _memories(root / "memory", messages, figures)
    return figures


def _memories(root: Path, count: int, figures: Figures) -> None:
    recall = Recall(root / "memories/recall", root / ".llmos", lambda: None)
    with redirect_stdout(StringIO()):
        took = fill(root, recall, count // 2)
    recall.close()
    figures.took["save of a message (99 %)"] = statistics.quantiles(took[-1000:], n=100)[98] / 1000
    recalls: list[Recall] = []

    def open_and_search() -> None:
        recalls.append(Recall(root / "memories/recall", root / ".llmos", lambda: None))
        recalls[-1].search("which editor does the person prefer", now=NOW, project="/work", limit=8)

    figures.took["open of memory"] = timed(open_and_search)
    questions = [f"what was said of the invoice {number} of the client" for number in range(20)]
    figures.took["match in memory"] = max(
        timed(lambda text=text: recalls[0].search(text, now=NOW, project="/work", limit=8))  # type: ignore[misc]
        for text in questions
    )
    recalls[0].close()


def test_a_small_store_is_quick_and_a_slow_one_is_seen(tmp_path: Path) -> None:
    figures = run(tmp_path, 70, 200)
    assert figures.problems == []
    slow = Figures(1, 1, {"open": OPEN_S, "match of a goal": MATCH_S / 2, "save (99 %)": SAVE_S})
    assert len(slow.over) == 2  # the partner: what is over its limit counts


def main() -> None:
    """The figures of `make safety`."""
    traces, messages = (int(word) for word in (sys.argv[1:3] or ("10000", "50000")))
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder).resolve(), traces, messages)
    for problem in figures.over:
        print(problem)
    print(figures)
    sys.exit(1 if figures.over else 0)


if __name__ == "__main__":
    main()
