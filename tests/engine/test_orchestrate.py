"""A graph that runs, under any interleaving, failure and stop: each once, in order, within the limit, and no orphan."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.core.errors import ExitStatus
from llmos.core.events import Event, Mode, Outcome, SubGoalEnded
from llmos.core.graph import Graph, SubGoal, SubState, ancestors
from llmos.engine.orchestrate import Orchestrate, SubResult
from llmos.interfaces.turn import EXIT_OF_OUTCOME
from llmos.testing import FixedClock


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 7))
    subs = []
    for number in range(count):
        before = [str(other) for other in range(number)]
        waits = tuple(draw(st.lists(st.sampled_from(before), unique=True, max_size=2))) if before else ()
        subs.append(SubGoal(str(number), f"do thing {number}", waits))
    return Graph("all things", tuple(subs))


ENDS = st.sampled_from([Outcome.OK, Outcome.OK, Outcome.OK, Outcome.UNVERIFIED, Outcome.FAILED, Outcome.OVER_BUDGET])


@settings(max_examples=100)
@given(graphs(), st.lists(st.tuples(st.integers(0, 6), ENDS), min_size=7, max_size=7), st.integers(1, 4), st.data())
def test_whatever_happens_each_runs_at_most_once_and_nothing_is_left(
    graph: Graph, fates: list[tuple[int, Outcome]], parallel: int, data: st.DataObject
) -> None:
    stop_after = data.draw(st.one_of(st.none(), st.integers(1, 12)))
    events: list[Event] = []
    began: list[str] = []
    running: set[str] = set()
    done: set[str] = set()

    async def run_sub(one: SubGoal, goal: str, given: Mapping[str, str]) -> SubResult:
        assert set(one.waits_for) <= done
        began.append(one.id)
        running.add(one.id)
        assert len(running) <= parallel
        steps, outcome = fates[int(one.id)]
        try:
            for _ in range(steps):
                await asyncio.sleep(0)
        finally:
            running.discard(one.id)
        if outcome in (Outcome.OK, Outcome.UNVERIFIED):
            done.add(one.id)
        return SubResult(outcome, "said", "", Mode.LEARNER)

    async def play() -> Orchestrate:
        work = Orchestrate(
            graph, run_sub, parallel=parallel, emit=events.append, clock=FixedClock(), missing=lambda _: []
        )
        task = asyncio.ensure_future(work.run())
        for _ in range(stop_after if stop_after is not None else 10_000):
            if task.done():
                break
            await asyncio.sleep(0)
        if not task.done():
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(asyncio.all_tasks()) == 1
        return work

    work = asyncio.run(play())
    assert running == set()
    assert len(began) == len(set(began))
    ended = [event.id for event in events if isinstance(event, SubGoalEnded)]
    assert sorted(ended) == sorted(graph.ids)
    before = ancestors(graph)
    for one, state in work.progress.states.items():
        assert state not in (SubState.WAITING, SubState.RUNNING)
        assert not (state is SubState.SKIPPED and one in began)
        assert state in (SubState.SKIPPED, SubState.STOPPED) or one in began
        if state is SubState.DONE:
            assert all(work.progress.states[other] is SubState.DONE for other in before[one])


async def test_a_fault_in_one_stops_the_others_and_is_told() -> None:
    stopped: list[str] = []

    async def run_sub(one: SubGoal, goal: str, given: Mapping[str, str]) -> SubResult:
        if one.id == "1":
            await asyncio.sleep(0.01)
            raise ZeroDivisionError("a defect")
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            stopped.append(one.id)
            raise
        raise AssertionError("it was not stopped")

    events: list[Event] = []
    graph = Graph("all", (SubGoal("1", "a"), SubGoal("2", "b"), SubGoal("3", "c", ("1",))))
    work = Orchestrate(graph, run_sub, parallel=3, emit=events.append, clock=FixedClock(), missing=lambda _: [])
    try:
        await work.run()
    except ZeroDivisionError:
        pass
    else:
        raise AssertionError("the defect is hidden")
    assert stopped == ["2"]
    assert work.progress.summary == (
        "0 of 3 sub-goals done, 1, 2 stopped (llmos failed in another one: a defect), "
        "3 skipped (llmos failed in another one: a defect)"
    )


async def test_what_must_be_left_and_is_not_is_a_failure() -> None:
    async def run_sub(one: SubGoal, goal: str, given: Mapping[str, str]) -> SubResult:
        return SubResult(Outcome.OK, "Done.", "", Mode.LEARNER)

    graph = Graph("all", (SubGoal("1", "create a.txt", leaves=("a.txt",)), SubGoal("2", "b", ("1",))))
    work = Orchestrate(graph, run_sub, parallel=3, emit=lambda _: None, clock=FixedClock(), missing=list)
    assert await work.run() is Outcome.FAILED
    assert work.reason == (
        "0 of 2 sub-goals done, 1 failed (a.txt is not there, and it was to leave it), "
        "2 skipped (it waits for sub-goal 1, which was not done)"
    )


D, U, M, S = Outcome.DENIED, Outcome.UNVERIFIED, ExitStatus.MODEL_FAILED, ExitStatus.NO_SANDBOX
ROWS: list[tuple[list[tuple[Outcome, ExitStatus]], Outcome, ExitStatus]] = [
    ([(Outcome.OK, ExitStatus.OK)] * 3, Outcome.OK, ExitStatus.OK),
    ([(Outcome.OK, ExitStatus.OK), (U, ExitStatus.UNVERIFIED)], U, ExitStatus.UNVERIFIED),
    ([(D, ExitStatus.DENIED), (Outcome.OK, ExitStatus.OK)], D, ExitStatus.DENIED),
    ([(D, S), (Outcome.OK, ExitStatus.OK)], D, S),
    ([(D, S), (D, S), (U, ExitStatus.UNVERIFIED)], D, S),
    ([(D, S), (D, ExitStatus.DENIED)], Outcome.FAILED, ExitStatus.FAILED),
    ([(Outcome.FAILED, M), (Outcome.FAILED, M)], Outcome.FAILED, M),
    ([(Outcome.FAILED, ExitStatus.OFFLINE)], Outcome.FAILED, ExitStatus.OFFLINE),
    ([(Outcome.FAILED, M), (Outcome.FAILED, ExitStatus.FAILED)], Outcome.FAILED, ExitStatus.FAILED),
    ([(Outcome.DIVERGED, ExitStatus.DIVERGED), (Outcome.OK, ExitStatus.OK)], Outcome.FAILED, ExitStatus.DIVERGED),
    ([(D, S), (Outcome.OVER_BUDGET, ExitStatus.OVER_BUDGET)], Outcome.OVER_BUDGET, ExitStatus.OVER_BUDGET),
]  # fmt: skip


@pytest.mark.parametrize(("ends", "outcome", "status"), ROWS)
async def test_one_rule_gives_the_exit_code(
    ends: list[tuple[Outcome, ExitStatus]], outcome: Outcome, status: ExitStatus
) -> None:
    """A sub-goal beside them that waits for the first says nothing of its own."""

    async def run_sub(one: SubGoal, goal: str, given: Mapping[str, str]) -> SubResult:
        of, its = ends[int(one.id)] if one.id != "last" else (Outcome.OK, ExitStatus.OK)
        return SubResult(of, "", "", Mode.LEARNER, its)

    subs = tuple(SubGoal(str(number), f"do {number}") for number in range(len(ends)))
    graph = Graph("all", (*subs, SubGoal("last", "the last", ("0",))))
    work = Orchestrate(graph, run_sub, parallel=4, emit=lambda _: None, clock=FixedClock(), missing=lambda _: [])
    assert await work.run() is outcome
    assert (work.exit_status or EXIT_OF_OUTCOME[outcome]) is status
