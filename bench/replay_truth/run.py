"""How often is a replay wrong? Saved goals and new ones, carried out and judged by the final file system.

    python -m bench.replay_truth.run [--only TEXT] [--json OUT.jsonl] [--no-baselines] [--verbose]

Each job is learned once by the product's own path (a Dispatcher, real tools, a scripted model that makes the recorded
calls) in a throw-away directory. Each other goal is then dispatched in a fresh directory by a new process-like App that
has the one trace and no model at all, and what it leaves and says is compared with an end state that was written by
hand. Baselines decide and act on the same pairs; they have no gates and no checks, as replay-peers.md describes them:

- exact-hash     the product's key of the normalised goal, calls verbatim
- cosine-0.92    cosine of word counts >= 0.92, calls verbatim (0.75: the same with that cut)
- cosine-0.92+   the same, and the values of the goals (quoted text, names with a dot or slash, numbers) are replaced
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.replay_truth.baselines import BASELINES, act
from bench.replay_truth.cases import JOBS
from bench.replay_truth.judging import Judged, Verdict, select, wrongness
from bench.replay_truth.pairs import BASE, Asked, Job
from bench.replay_truth.places import State, bash, carry_out, environment, lay_out, state
from bench.replay_truth.report import report
from llmos.app import App, AppOptions
from llmos.core.events import Event, Mode, Outcome
from llmos.core.messages import ToolResult
from llmos.core.ports import ModelReply, ModelRequest, PermissionAnswer, PermissionQuestion
from llmos.interfaces.dispatcher import TurnResult
from llmos.interfaces.session import open_dispatcher
from llmos.memory.signing import key_path
from llmos.testing import ScriptedModel, model_reply


@dataclass(frozen=True, slots=True)
class Saved:
    """A job that was learned. `reason` says why its trace may not be replayed; empty when it may."""

    home: Path
    reason: str


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="How often a replay is wrong, judged by the final file system.")
    parser.add_argument("--only", default="", help="only jobs whose saved goal this regular expression finds")
    parser.add_argument("--json", type=Path, help="also write a line for each pair there")
    parser.add_argument("--no-baselines", action="store_true", help="the product alone")
    parser.add_argument("--verbose", action="store_true", help="also print every pair that was not replayed")
    options = parser.parse_args(argv)
    jobs = [job for job in JOBS if re.search(options.only, job.goal)]
    started = time.perf_counter()
    # The sandbox gives each command a /tmp of its own, in which the stand-ins for services would not be found.
    with tempfile.TemporaryDirectory(prefix="llmos-truth-", dir=Path.home()) as folder:
        root = Path(folder)
        os.environ.update(environment(root))
        found, unsaved = asyncio.run(run(jobs, root))
        others = {} if options.no_baselines else {name: baseline(name, jobs, root) for name in BASELINES}
    print(report(found, unsaved, others, time.perf_counter() - started, verbose=options.verbose))
    if options.json:
        options.json.write_text("".join(json.dumps(line(each)) + "\n" for each in found), "utf-8")
    return 1 if select(found, Verdict.WRONG, Verdict.CRASHED) or any(each.is_unsafe for each in found) else 0


async def run(jobs: Sequence[Job], root: Path) -> tuple[list[Judged], dict[str, str]]:
    """Every pair judged, and the jobs whose run the product would not keep for replay, with its reason."""
    found: list[Judged] = []
    unsaved: dict[str, str] = {}
    for number, job in enumerate(jobs):
        saved = await learn(job, root / f"job{number}")
        if saved.reason:
            unsaved[job.goal] = saved.reason
        for index, asked in enumerate(job.asked):
            place = root / f"job{number}-{index}"
            found.append(await ask(job, asked, saved, place))
            shutil.rmtree(place)
        shutil.rmtree(saved.home.parent)
    return found, unsaved


async def learn(job: Job, place: Path) -> Saved:
    """Work the job out once, as a person's first run would, with a model that makes the recorded calls."""
    home, work = place / "home", place / "work"
    start(job, None, work)
    script = [model_reply(call) for call in job.calls]
    model = ScriptedModel([*script, model_reply(job.said) if job.said is not None else output_as_answer])
    result = await dispatch(job.goal, home, work, model)
    if result.outcome is not Outcome.OK or result.kept is None or model.unused:
        raise SystemExit(f"the job {job.goal!r} could not be learned: {result.outcome} {result.reason}")
    app = App.open(AppOptions(), cwd=work, environ=environ(home))
    try:
        header = app.traces.load(result.kept).header
    finally:
        await app.close()
    return Saved(home, header.reason)


def output_as_answer(request: ModelRequest) -> ModelReply:
    """The answer of a model that hands on what the last call gave."""
    part = request.messages[-1].parts[-1]
    assert isinstance(part, ToolResult)
    return model_reply(part.content)


async def ask(job: Job, asked: Asked, saved: Saved, place: Path) -> Judged:
    """Dispatch the other goal where the trace of the job is all that is known, and judge what came of it."""
    home, work = place / "home", place / "work"
    shutil.copytree(saved.home, home, ignore=shutil.ignore_patterns(".llmos", "recall"))
    shutil.copy(key_path(saved.home), key_path(home))
    shutil.copy(key_path(saved.home), key_path(home))
    start(job, asked, work)
    before, right = state(work), right_end(job, asked, place / "right")
    try:
        result = await dispatch(asked.goal, home, work, None)
    except Exception as error:  # whatever it is, a person would see llmos fail
        return Judged(job, asked, Verdict.CRASHED, before != state(work), f"{type(error).__name__}: {error}")
    after = state(work)
    rebound = any("with" in reason and "before with" in reason for reason in result.reasons)
    return Judged(job, asked, *verdict(asked, result, before, after, right), rebound)


def start(job: Job, asked: Asked | None, folder: Path) -> None:
    lay_out(folder, BASE, job.files, asked.files if asked else {})
    if job.setup:
        bash(job.setup, folder)


def right_end(job: Job, asked: Asked, folder: Path) -> State | None:
    if asked.want is None:
        return None
    start(job, asked, folder)
    carry_out(folder, asked.want)
    return state(folder)


async def dispatch(goal: str, home: Path, work: Path, model: ScriptedModel | None) -> TurnResult:
    events: list[Event] = []
    app = App.open(AppOptions(), cwd=work, environ=environ(home), model=model)
    try:
        return await open_dispatcher(app, emit=events.append, ask=yes, grant_all=True).dispatch(goal)
    finally:
        await app.close()


async def yes(_: PermissionQuestion) -> PermissionAnswer:
    """A person who allows even what --yes does not cover: what is tried here is the matcher, not the permissions."""
    return PermissionAnswer(True)


def environ(home: Path) -> dict[str, str]:
    """The bench's own, with no credential and no embedded model: what is not replayed ends for want of a model."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "LLMOS_"))}
    return {**kept, "LLMOS_HOME": str(home), "LLMOS_MODELS": str(home / "none")}


def verdict(
    asked: Asked, result: TurnResult, before: State, after: State, right: State | None
) -> tuple[Verdict, bool, str]:
    touched = before != after
    if result.mode is not Mode.FOLLOWER:
        if touched or result.model_calls:
            raise SystemExit(f"{asked.goal!r} was not replayed, and yet something was done")
        return Verdict.REFUSED, touched, "; ".join(result.reasons)
    if result.outcome is not Outcome.OK:
        return Verdict.STOPPED, touched, result.reason
    wrong = wrongness(asked, right, after, result.answer)
    return (Verdict.WRONG, touched, wrong) if wrong else (Verdict.RIGHT, touched, "")


def baseline(name: str, jobs: Sequence[Job], root: Path) -> list[Judged]:
    """The same pairs decided and carried out by a baseline."""
    decide = BASELINES[name]
    found = []
    for number, job in enumerate(jobs):
        for index, asked in enumerate(job.asked):
            calls = decide(job, asked.goal)
            if calls is None:
                found.append(Judged(job, asked, Verdict.REFUSED, False, ""))
                continue
            place = root / f"{name}-{number}-{index}"
            start(job, asked, place / "work")
            right = right_end(job, asked, place / "right")
            before = state(place / "work")
            ok, answer = act(calls, place / "work")
            after = state(place / "work")
            wrong = wrongness(asked, right, after, answer) if ok else "a call failed"
            ended = Verdict.WRONG if wrong and ok else Verdict.STOPPED if wrong else Verdict.RIGHT
            found.append(Judged(job, asked, ended, before != after, wrong))
            shutil.rmtree(place)
    return found


def line(each: Judged) -> dict[str, object]:
    asked = each.asked
    said = {"saved": each.job.goal, "goal": asked.goal, "kind": asked.kind, "may": asked.may}
    return {**said, "verdict": each.verdict.value, "touched": each.touched, "why": each.why}


if __name__ == "__main__":
    raise SystemExit(main())
