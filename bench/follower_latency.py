"""How much longer a replayed goal takes than its commands alone: `llmos run` in fresh processes beside bare bash.

    python -m bench.follower_latency [--runs 9] [--traces 0 1000 10000]

A goal is learned once through the product's own path, with a scripted model that plays the two calls of a real one.
Then the workspace is filled up with other approved traces, and the same goal is run again and again: no model call, a
real shell, a real transcript on the disk. The commands take turns, so that a busy machine slows all of them alike.
`cpu` is the processor time that `llmos run` took, which other programs on the machine disturb less than its duration.
`first` is the first run after the index was deleted, `decide` is `--dry-run`: everything up to the decision.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from llmos.app import App, AppOptions
from llmos.core.events import Event
from llmos.core.goal import slug
from llmos.core.messages import ToolCall
from llmos.interfaces.session import open_dispatcher
from llmos.memory.approvals import approval_line
from llmos.memory.signing import signing_key
from llmos.memory.trace_files import encode_trace, read_trace
from llmos.testing import ScriptedModel, model_reply

GOAL = "how many python files are here?"
COMMAND = "ls *.py | wc -l"
REQUIRED_S = 0.3


@dataclass(frozen=True, slots=True)
class Place:
    """A home, which is the workspace too, and a working directory."""

    home: Path
    work: Path

    @property
    def environ(self) -> dict[str, str]:
        # Without saved bytecode every start compiles llmos anew, which no installed program does.
        hidden = ("ANTHROPIC_", "LLMOS_", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        return {**kept, "LLMOS_HOME": str(self.home)}


@dataclass(frozen=True, slots=True)
class Measured:
    """Median seconds with so many other traces stored."""

    traces: int
    bare: float
    run: float
    decide: float
    first: float
    cpu: float

    @property
    def added(self) -> float:
        return self.run - self.bare


def main() -> int:
    parser = argparse.ArgumentParser(description="What a replay costs beside its commands.")
    parser.add_argument("--runs", type=int, default=9, help="fresh processes per command")
    parser.add_argument("--traces", type=int, nargs="+", default=[0, 1000, 10_000], help="other traces stored")
    arguments = parser.parse_args()
    found = []
    for traces in arguments.traces:
        with tempfile.TemporaryDirectory(prefix="llmos-follower-") as folder:
            found.append(measure(Path(folder), traces, arguments.runs))
    print(table(found, arguments.runs))
    return 0 if all(each.added <= REQUIRED_S for each in found) else 1


def measure(folder: Path, traces: int, runs: int) -> Measured:
    place = Place(folder / "home", folder / "work")
    place.home.mkdir(mode=0o700)
    place.work.mkdir()
    for name in ("a", "b", "c"):
        (place.work / f"{name}.py").write_text("pass\n")
    asyncio.run(learn(place))
    fill(place, traces)
    shutil.rmtree(place.home / ".llmos", ignore_errors=True)
    first = run_goal(place)
    times: dict[str, list[float]] = {"bare": [], "run": [], "decide": []}
    cpu: list[float] = []
    for _ in range(runs):
        times["bare"].append(timed(["bash", "--noprofile", "--norc", "-c", COMMAND], place)[0])
        before = children_cpu()
        times["run"].append(run_goal(place))
        cpu.append(children_cpu() - before)
        times["decide"].append(run_goal(place, "--dry-run"))
    median = {name: statistics.median(found) for name, found in times.items()}
    return Measured(traces, median["bare"], median["run"], median["decide"], first, min(cpu))


def children_cpu() -> float:
    """Processor seconds of all child processes that ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def learn(place: Place) -> None:
    """Run the goal once with a scripted model, so that its trace is learned and approved as any other."""
    events: list[Event] = []
    call = ToolCall("c1", "shell", {"command": COMMAND})
    model = ScriptedModel([model_reply(call), model_reply("There are 3 python files here.")])
    app = App.open(AppOptions(), cwd=place.work, environ=place.environ, model=model)
    try:
        result = await open_dispatcher(app, emit=events.append, ask=None, grant_all=True).dispatch(GOAL)
    finally:
        await app.close()
    assert result.kept, result


def fill(place: Place, count: int) -> None:
    """Store `count` traces of other goals, approved like those learned here."""
    folder = place.home / "traces"
    learned, _ = read_trace(next(folder.glob("*.yaml")))
    key = signing_key(place.home)
    assert key is not None
    approvals = []
    for number in range(count):
        goal = f"count the lines of report-{number}.txt in folder {number % 97}"
        identifier = f"{slug(goal)}-{number:08x}"
        data = encode_trace(replace(learned, header=replace(learned.header, id=identifier, goal=goal)))
        (folder / f"{identifier}.yaml").write_bytes(data)
        when = learned.header.learned.when
        approvals.append(approval_line(key, hashlib.sha256(data).hexdigest(), identifier, when))
    with (place.home / "approvals.jsonl").open("ab") as file:
        file.writelines(approvals)


def run_goal(place: Place, *more: str) -> float:
    """Seconds of one `llmos run`; anything but a right replay ends the bench."""
    argv = [sys.executable, "-m", "llmos", "run", "--yes", "-o", "json", *more, GOAL]
    seconds, output = timed(argv, place)
    said = json.loads(output)
    answer = "" if more else "There are 3 python files here."
    assert (said["mode"], said["model_calls"], said["answer"]) == ("FOLLOWER", 0, answer), said
    return seconds


def timed(argv: list[str], place: Place) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run(argv, cwd=place.work, env=place.environ, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, done.stdout


def table(found: list[Measured], runs: int) -> str:
    lines = [
        f"Goal: {GOAL}   Command: {COMMAND}   median of {runs} fresh processes, milliseconds",
        f"{'other traces':>12} {'bare bash':>10} {'llmos run':>10} {'added':>8} {'decide':>8} {'first':>8} {'cpu':>6}",
    ]
    for each in found:
        cells = (each.bare, each.run, each.added, each.decide, each.first, each.cpu)
        widths = (10, 10, 8, 8, 8, 6)
        shown = " ".join(f"{1000 * cell:>{width}.0f}" for cell, width in zip(cells, widths, strict=True))
        lines.append(f"{each.traces:>12} {shown}")
    lines.append(f"Required: at most {1000 * REQUIRED_S:.0f} added.")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
