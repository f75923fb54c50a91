"""Everyday shell goals, carried out by an embedded model through the product's own path, judged by their end state.

    python -m bench.local_goals.run --model NAME [--split dev|held-out|all|later] [--only ID ...] [--out FILE]
    python -m bench.local_goals.run --model NAME --report FILE      the report of what an earlier run wrote to FILE

Every goal runs in a directory and a workspace of its own, both thrown away; nothing is learned from one to the next.
The model stays loaded between goals, so the times are those of a session, without the load of some seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.local_goals.check import snapshot
from bench.local_goals.goals import LocalGoal, later_goals, load_goals
from llmos.app import App, AppOptions
from llmos.core.events import Event, ToolStarted, TraceKept
from llmos.core.ports import Model
from llmos.interfaces.session import open_dispatcher


@dataclass(frozen=True, slots=True)
class Result:
    """One goal's end. `outcome` is what llmos said of it, `passed` what the judge says."""

    id: str
    split: str
    kind: str
    steps: int
    goal: str
    passed: bool
    why: str
    outcome: str
    reason: str
    answer: str
    calls: list[str]
    seconds: float
    kept: str
    """What the run was kept as: verified (the next one is a replay), guidance, draft, or nothing."""


async def attempt(goal: LocalGoal, model: Model) -> Result:
    """Run one goal and judge what it left."""
    with tempfile.TemporaryDirectory(prefix="llmos-goal-") as folder:
        root, home = Path(folder, "work").resolve(), Path(folder, "home")
        root.mkdir()
        home.mkdir(mode=0o700)
        goal.setup(root)
        before = snapshot(root)
        events: list[Event] = []
        environ = {**os.environ, "LLMOS_HOME": str(home)}
        environ.pop("LLMOS_WORKSPACE", None)  # where the settings of the model may come from; nothing is learned there
        app = App.open(AppOptions(model=model.info.name), cwd=root, environ=environ, model=model)
        started = time.monotonic()
        try:
            result = await open_dispatcher(app, emit=events.append, ask=None, grant_all=True).dispatch(goal.goal)
        finally:
            await app.close()
        seconds = time.monotonic() - started
        verdict = goal.check(root, result.answer, before)
        calls = [json.dumps({event.tool: dict(event.args)}) for event in events if isinstance(event, ToolStarted)]
        return Result(
            id=goal.id,
            split=goal.split,
            kind=goal.kind,
            steps=goal.steps,
            goal=goal.goal,
            passed=verdict.ok,
            why=verdict.why,
            outcome=str(result.outcome),
            reason=result.reason,
            answer=result.answer,
            calls=calls,
            seconds=round(seconds, 2),
            kept=next((event.status for event in events if isinstance(event, TraceKept)), "nothing"),
        )


async def run(name: str, goals: Sequence[LocalGoal], out: Path | None) -> list[Result]:
    app = App.open(AppOptions(model=name), cwd=Path.cwd(), environ=os.environ)
    model = app.model()
    results = []
    try:
        for number, goal in enumerate(goals, start=1):
            result = await attempt(goal, model)
            results.append(result)
            mark = "ok  " if result.passed else "FAIL"
            print(f"{number:3}/{len(goals)} {mark} {result.seconds:6.1f} s  {goal.id}", file=sys.stderr, flush=True)
            if out is not None:
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")
    finally:
        await app.close()
    return results


def report(name: str, results: Sequence[Result]) -> str:
    """Success by split and number of steps, the median time, what llmos said of its own runs, and every failure."""
    lines = [f"model {name}, {len(results)} goals"]

    def row(label: str, chosen: Sequence[Result]) -> None:
        if chosen:
            passed = sum(result.passed for result in chosen)
            median = statistics.median(result.seconds for result in chosen)
            share = 100 * passed / len(chosen)
            lines.append(f"{label:24} {passed:3} of {len(chosen):3}  {share:5.1f} %   median {median:5.1f} s")

    row("all", results)
    for split in ("dev", "held-out", "later"):
        row(split, [result for result in results if result.split == split])
    row("one step", [result for result in results if result.steps == 1])
    row("two steps or more", [result for result in results if result.steps > 1])
    for kind in sorted({result.kind for result in results}):
        row(f"  {kind}", [result for result in results if result.kind == kind])
    said = Counter((result.outcome, result.passed) for result in results)
    lines.append("what llmos said of its runs, and what the judge found:")
    for (outcome, passed), count in sorted(said.items()):
        lines.append(f"  {outcome:12} {'right' if passed else 'wrong'} {count:4}")
    lines.append("what the runs were kept as, and what the judge found:")
    for (kept, passed), count in sorted(Counter((result.kept, result.passed) for result in results).items()):
        lines.append(f"  {kept:12} {'right' if passed else 'wrong'} {count:4}")
    lines.append("failures:")
    for result in results:
        if not result.passed:
            lines.append(f"  {result.id}: {result.why}\n    goal: {result.goal}")
            lines += [f"    call: {call[:240]}" for call in result.calls]
            lines.append(f"    answer ({result.outcome}): {result.answer[:240]!r}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", required=True)
    parser.add_argument("--split", choices=("dev", "held-out", "all", "later"), default="all")
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--shuffle", type=int, help="a seed: what a run that is cut short did is then a fair sample")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    if given.report is not None:
        lines = given.report.read_text(encoding="utf-8").splitlines()
        print(report(given.model, [Result(**json.loads(line)) for line in lines]))
        return
    goals = [
        goal
        for goal in (later_goals() if given.split == "later" else load_goals())
        if given.split in ("all", goal.split) and (not given.only or goal.id in given.only)
    ]
    if given.shuffle is not None:
        random.Random(given.shuffle).shuffle(goals)
    results = asyncio.run(run(given.model, goals, given.out))
    print(report(given.model, results))


if __name__ == "__main__":
    main()
