"""What a person called wrong is never replayed again, in whichever trace, by whichever way; and that can be checked."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from test_traces_sdk import NOW, Open, made, opened  # noqa: F401 (the fixture)

from llmos.core.events import Mode
from llmos.core.evidence import Outcomes
from llmos.core.policy import Plan
from llmos.core.prune import PruneRule
from llmos.core.tool import Effect
from llmos.core.trace import Expect, OutputShape, Require, Step, Trace
from llmos.memory.traces_sdk import TraceManager

EVERYTHING = PruneRule(unused=True, failures=1)


def counts(name: str, command: str = "wc -l < {}") -> Trace:
    trace = made(f"count the lines of {name}", command.format(name))
    step = replace(trace.steps[0], require=Require(present=(name,)), expect=Expect(0, output=OutputShape.INTEGER))
    return replace(trace, steps=(step,))


async def planned(manager: TraceManager, goal: str) -> Plan:
    return await manager.plan(goal, manager.candidates(goal))


async def mode(manager: TraceManager, goal: str) -> Mode:
    return (await planned(manager, goal)).mode


async def test_the_same_replay_is_never_made_again_and_others_are(opened: Open) -> None:  # noqa: F811
    manager = opened()
    kept = manager.keep(counts("a.txt"), NOW).header.id
    goals = ["count the lines of a.txt", "count the lines of b.txt", "count the lines of c.txt"]
    assert [await mode(manager, goal) for goal in goals] == [Mode.FOLLOWER] * 3
    assert manager.mark_wrong(kept, goals[1], NOW, "b.txt is a link") == ""
    for _ in range(30):
        manager.record_outcome(kept, "ok", NOW)
    for each in (manager, opened()):
        assert [await mode(each, goal) for goal in goals] == [Mode.FOLLOWER, Mode.LEARNER, Mode.FOLLOWER]
        assert (await planned(each, goals[1])).reasons == (
            f"{kept} not replayed: wrong: a person called this replay wrong on 2026-11-22 (b.txt is a link)",
        )


async def test_its_own_goal_can_be_blocked_and_a_model_is_not_shown_the_run(opened: Open) -> None:  # noqa: F811
    manager = opened()
    kept = manager.keep(counts("a.txt"), NOW).header.id
    manager.mark_wrong(kept, "Count the lines of a.txt", NOW)
    plan = await planned(manager, "count the lines of a.txt")
    assert (plan.mode, plan.guidance) == (Mode.LEARNER, ())
    assert manager.outcomes(kept) == Outcomes(0, 1, "2026-11-22T12:00:00+00:00", in_a_row=1, raised=0.02)


async def test_the_same_calls_stay_blocked_in_another_trace(opened: Open) -> None:  # noqa: F811
    manager = opened()
    wrong, goal = manager.keep(counts("a.txt"), NOW).header.id, "count the lines of b.txt"
    sibling = manager.keep(counts("c.txt"), NOW).header.id
    manager.mark_wrong(wrong, goal, NOW)
    manager.prune([entry for entry in manager.to_prune(EVERYTHING, NOW) if entry.header.id == wrong])
    assert [header.id for header in manager.headers()] == [sibling]
    assert await mode(manager, goal) is not Mode.FOLLOWER
    again = manager.keep(counts("b.txt"), NOW).header.id
    assert [(c.trace.header.id, bool(c.blocked)) for c in manager.candidates(goal)] == [(again, True)]
    right = manager.keep(counts("b.txt", "grep -c '' {}"), NOW).header.id
    plan = await planned(manager, goal)
    assert (plan.mode, plan.trace and plan.trace.header.id) == (Mode.FOLLOWER, right)


async def test_the_template_is_not_bound_over_the_same_difference_again(opened: Open) -> None:  # noqa: F811
    """ "copy a to docs" was no copy into a folder: no other file goes there by this template either."""
    manager = opened()
    step = Step(
        "shell",
        {"command": "cp a.txt b.txt"},
        Effect.EXECUTE,
        Require(("a.txt",), ("b.txt",)),
        Expect(0, ("b.txt",)),
        "",
    )
    kept = manager.keep(replace(made("copy a.txt to b.txt"), steps=(step,)), NOW).header.id
    assert await mode(manager, "copy x.txt to c.txt") is Mode.FOLLOWER
    for _ in range(30):
        manager.record_outcome(kept, "ok", NOW)
    manager.mark_wrong(kept, "copy a.txt to c.txt", NOW)
    assert await mode(manager, "copy x.txt to c.txt") is not Mode.FOLLOWER
    assert (await planned(manager, "copy x.txt to c.txt")).reasons[0] == (
        f"{kept} not replayed: wrong: it puts 'c.txt' where the run had another value, which a person called wrong on "
        "2026-11-22"
    )
    assert await mode(manager, "copy x.txt to d.txt") is Mode.FOLLOWER


async def test_every_verdict_is_refused_when_decided_again(opened: Open) -> None:  # noqa: F811
    manager = opened()
    kept = manager.keep(counts("a.txt"), NOW).header.id
    for goal in ("count the lines of a.txt", "count the lines of b.txt"):
        manager.mark_wrong(kept, goal, NOW)
    checked = manager.check_wrong()
    assert [(one.wrong.goal, one.replays) for one in checked] == [
        ("count the lines of a.txt", False),
        ("count the lines of b.txt", False),
    ]


async def test_the_check_sees_an_index_that_forgot_a_verdict(opened: Open, tmp_path: Path) -> None:  # noqa: F811
    manager = opened()
    kept = manager.keep(counts("a.txt"), NOW).header.id
    manager.mark_wrong(kept, "count the lines of b.txt", NOW)
    manager.candidates("count the lines of b.txt")
    manager.close()
    index = sqlite3.connect(tmp_path / "ws/.llmos/traces.sqlite")
    index.executescript("delete from wrong; update outcomes set failures = 0, raised = 0;")
    index.close()
    assert [one.replays for one in opened().check_wrong()] == [True]


@pytest.mark.parametrize(
    "record",
    [
        {"outcome": "wrong", "goal": "x"},
        {"outcome": "wrong", "goal": 7, "of": "a", "calls": "", "reason": ""},
        {"outcome": "alias"},
        {"outcome": "alias", "goal": ["x"]},
        {"outcome": "alias", "goal": "x", "values": [["a"]]},
        {"outcome": 3},
    ],
)
def test_a_record_that_is_none_does_no_harm(opened: Open, tmp_path: Path, record: dict[str, object]) -> None:  # noqa: F811
    manager = opened()
    kept = manager.keep(counts("a.txt"), NOW).header.id
    path = tmp_path / "ws/traces/outcomes.jsonl"
    path.write_text(json.dumps({"when": "2026-11-22T12:00:00+00:00", "trace": kept, **record}) + "\n")
    manager.headers()
    assert (manager.outcomes(kept), manager.wrong(), manager.aliases(kept)) == (Outcomes(), [], [])
    assert manager.problems() == [f"{path}: 1 of its lines are no records and do not count"]


def test_a_person_switches_off_on_and_prefers(opened: Open) -> None:  # noqa: F811
    manager = opened()
    kept = manager.keep(counts("a.txt"), NOW).header.id
    manager.disable(kept, NOW, "too slow")
    manager.headers()
    assert manager.outcomes(kept).retired == "switched off by hand (too slow)"
    manager.enable(kept, NOW)
    manager.pin(kept, NOW)
    manager.headers()
    assert manager.outcomes(kept) == Outcomes(pinned=True)
    manager.unpin(kept, NOW)
    manager.headers()
    assert manager.outcomes(kept) == Outcomes()


def test_the_third_failure_in_a_row_is_told_of_once(opened: Open) -> None:  # noqa: F811
    manager = opened()
    kept = manager.keep(counts("a.txt"), NOW).header.id
    said = [manager.record_outcome(kept, "diverged", NOW) for _ in range(4)]
    told = f"{kept} is not replayed any more: its last 3 replays went wrong; `llmos traces enable` lets it be again"
    assert said == ["", "", told, ""]
