"""R-5: a value changes a bound command in no other way than by being another value, however it is written."""

from __future__ import annotations

import asyncio
import posixpath
import random
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import World
from hostile_jobs import JOBS
from hostile_values import Figures, hostile_values, lay_out, naive, outside, run, saved, tree

from llmos.core.errors import NoModelError
from llmos.core.events import Mode
from llmos.core.messages import ToolCall
from llmos.core.ports import Model
from llmos.core.rebind import Rebound, rebind
from llmos.testing import ScriptedModel, model_reply

_REALLY = frozenset("wc sort uniq cat head cp ls find echo printf grep mkdir mv sed tee".split())
"""Programs of the jobs that are carried out: whatever they are given, they touch nothing but what they name."""


def no_model() -> Model:
    raise NoModelError("no model can answer")


async def carry_out(root: Path, count: int, *, seed: int = 6) -> tuple[int, int, list[str]]:
    """Learn jobs and dispatch hostile goals of theirs with the real tools: how many were asked, how many were replayed,
    and what then stood where it must not.
    """
    rng, problems, asked, replayed = random.Random(seed), list[str](), 0, 0
    chosen = [(job, at) for job in JOBS for at, text in enumerate(job.commands) if text.split()[0] in _REALLY]
    for number, (job, at) in enumerate(chosen):
        place = root / str(number)
        lay_out(place)
        (place / "workspace").mkdir()
        world = World(place)
        trace = saved(job, at)
        call = ToolCall("c1", "shell", dict(trace.steps[0].args))
        await world.dispatcher(ScriptedModel([model_reply(call), model_reply("Done.")])).dispatch(trace.header.goal)
        for value in hostile_values(job, count // len(chosen) + 1, rng, str(place / "outside")):
            goal = job.goal.replace("{}", value)
            if not goal.strip() or not isinstance(answer := rebind(trace, goal), Rebound) or not answer.values:
                continue
            asked += 1
            before = tree(place / "outside") | tree(place / "home")
            canaries = set(place.rglob("PWNED"))
            done = await world.dispatcher(no_model).dispatch(goal)
            replayed += done.mode is Mode.FOLLOWER
            if tree(place / "outside") | tree(place / "home") != before | _own(place):
                problems.append(f"{goal!r}: something outside was changed")
            made = set(place.rglob("PWNED")) - canaries
            named = {posixpath.basename(new.rstrip("/")) for _, new in answer.values}
            if made and "PWNED" not in named:
                problems.append(f"{goal!r}: {sorted(map(str, made))} was made")
        for record in world.records:
            record.traces.close()
            record.transcript.close()
    return asked, replayed, problems


def _own(place: Path) -> dict[str, bytes]:
    """What llmos itself keeps in its home."""
    return {name: data for name, data in tree(place / "home").items() if name != ".profile"}


@pytest.mark.parametrize("count", [12, pytest.param(150, marks=pytest.mark.slow)])
def test_a_hostile_value_is_refused_or_nothing_but_a_value(count: int) -> None:
    figures = run(count)
    assert figures.problems == []
    assert sum(figures.bound.values()) > count


def test_a_binder_that_puts_words_for_words_lets_them_through() -> None:
    """The partner: the same values, put where the old ones stood."""
    assert len(run(4, binder=naive).problems) > 20


@pytest.mark.slow
async def test_what_is_carried_out_touches_nothing_else(tmp_path: Path) -> None:
    asked, replayed, problems = await carry_out(tmp_path, 100)
    assert (problems, asked > 0, replayed > 0) == ([], True, True)


@pytest.mark.parametrize(
    ("goal", "other", "command", "gate"),
    [
        ("create a folder named alpha1", "create a folder named //tmp/x1", "mkdir alpha1", "outside"),
        ("list the files in docs/", "list the files in '/w xdocs/'", "ls '{}'", "outside"),
        ("download https://example.org/a1", "download file:///etc/passwd", "curl -O {}", "kind"),
        ("switch to the branch feature-1", "switch to the branch :feature-2", "git checkout {}", "option"),
        ("switch to the branch feature-1", 'switch to the branch "./"', "git checkout {}", "option"),
        ("build the target app1", "build the target SHELL=app2", "make {}", "option"),
        ("list the files in docs1", 'list the files in "!"', "find {} -type f", "option"),
    ],
)
def test_what_this_row_found(goal: str, other: str, command: str, gate: str) -> None:
    from dataclasses import replace

    job = next(job for job in JOBS if job.commands)
    value = goal.split()[-1]
    trace = saved(job, 0)
    step = replace(trace.steps[0], args={"command": command.replace("{}", value)})
    answer = rebind(replace(trace, header=replace(trace.header, goal=goal), steps=(step,)), other)
    assert not isinstance(answer, Rebound), answer
    assert answer.gate == gate, answer
    assert outside("//tmp/x1") != ""


def main() -> None:
    """The figures of `make safety`."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    figures: Figures = run(count)
    with tempfile.TemporaryDirectory() as folder:
        asked, replayed, problems = asyncio.run(carry_out(Path(folder).resolve(), count // 5))
    figures.problems += problems
    for problem in figures.problems:
        print(problem)
    print(f"{figures}; {asked:,} carried out for real ({replayed:,} replayed): {len(problems)} touched anything else")
    sys.exit(1 if figures.problems else 0)


if __name__ == "__main__":
    main()
