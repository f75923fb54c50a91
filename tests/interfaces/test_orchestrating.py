"""Several tasks in one goal, through the dispatcher, with real tools in a real directory and a scripted model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import World

from llmos.core.errors import ExitStatus, NoModelError
from llmos.core.events import (
    Event,
    Mode,
    Nested,
    Notice,
    Outcome,
    PlanMade,
    SubGoalEnded,
    TurnEnded,
    TurnStarted,
)
from llmos.core.graph import Graph
from llmos.core.graph_text import read_graph
from llmos.core.messages import ToolCall
from llmos.core.policy import OrchestratorLimits, TurnLimits
from llmos.core.ports import Model, ModelInfo, ModelReply, ModelRequest
from llmos.testing import model_reply

COUNT = "count the lines of {}"
LIST = "1. create a.txt containing hello\n2. create b.txt containing world\n3. count the lines of c.txt"


def no_model() -> Model:
    raise NoModelError("no model can answer")


class Worker:
    """A model that answers by the goal alone, so that sub-goals may come in any order.

    `plays` gives the calls and then the answer for each text that stands in the last message of a person.
    """

    info = ModelInfo("worker", "nobody (a test)")

    def __init__(self, plays: dict[str, list[ToolCall | str]], *, wait_s: float = 0.0) -> None:
        self.plays = plays
        self.wait_s = wait_s
        self.asked: list[str] = []
        self.open_now = self.most_open = 0

    def reserve_usd(self, request: ModelRequest) -> float:
        return 0.01

    async def reply(self, request: ModelRequest, emit: Callable[[Event], None]) -> ModelReply:
        goals = [message.text for message in request.messages if message.role == "user" and message.text]
        goal = goals[-1].splitlines()[-1] if request.tools else goals[-1]
        found = next((play for text, play in self.plays.items() if text in goal), None)
        assert found is not None, f"not foreseen: {goal!r}"
        done = sum(bool(message.tool_calls) for message in request.messages)
        self.asked.append(goal)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await asyncio.sleep(self.wait_s)
        finally:
            self.open_now -= 1
        return model_reply(found[done])

    def abandoned_usd(self) -> float:
        return 0.0

    async def close(self) -> None: ...


def write(path: str, content: str) -> ToolCall:
    return ToolCall("w", "write_file", {"path": path, "content": content})


def shell(command: str) -> ToolCall:
    return ToolCall("s", "shell", {"command": command})


PLAYS: dict[str, list[ToolCall | str]] = {
    "create a.txt": [write("a.txt", "hello\n"), "Done."],
    "create b.txt": [write("b.txt", "world\n"), "Done."],
    "count the lines of c.txt": [shell("wc -l < c.txt"), "3"],
}


def ended(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(event.id, event.state, event.mode) for event in events if isinstance(event, SubGoalEnded)]


async def test_a_list_is_split_without_a_model_and_runs_at_once(world: World) -> None:
    (world.cwd / "c.txt").write_text("1\n2\n3\n")
    worker = Worker(PLAYS, wait_s=0.05)
    result = await world.dispatcher(worker).dispatch(LIST)
    assert (result.outcome, result.mode, result.model_calls, result.cost_usd) == (
        Outcome.OK, Mode.ORCHESTRATOR, 6, pytest.approx(0.006),
    )  # fmt: skip
    assert result.answer == (
        "1. create a.txt containing hello: Done.\n2. create b.txt containing world: Done.\n"
        "3. count the lines of c.txt: 3"
    )
    assert worker.most_open == 3
    assert (world.cwd / "a.txt").read_text() == "hello\n"
    events = world.take_events()
    plan = next(event for event in events if isinstance(event, PlanMade))
    assert plan.reasons == ("3 tasks, set apart by a numbered list",)
    assert [(one.id, one.goal, one.depends_on, one.mode) for one in plan.sub_goals] == [
        ("1", "create a.txt containing hello", (), ""),
        ("2", "create b.txt containing world", (), ""),
        ("3", "count the lines of c.txt", (), ""),
    ]
    top = [event for event in events if not isinstance(event, Nested)]
    assert [type(event).__name__ for event in top] == [
        "TurnStarted", "PlanMade", "SubGoalEnded", "SubGoalEnded", "SubGoalEnded", "TraceKept", "TurnEnded",
    ]  # fmt: skip
    inside = [event.event for event in events if isinstance(event, Nested) and event.parent == "3"]
    assert [type(event).__name__ for event in inside if not type(event).__name__.startswith("Model")] == [
        "TurnStarted", "PlanMade", "MessageAdded", "MessageAdded", "PermissionDecided", "ToolStarted", "ToolFinished",
        "MessageAdded", "MessageAdded", "TraceKept", "TurnEnded",
    ]  # fmt: skip


async def test_the_same_list_again_replays_whole_for_nothing(world: World) -> None:
    (world.cwd / "c.txt").write_text("1\n2\n3\n")
    first = await world.dispatcher(Worker(PLAYS)).dispatch(LIST)
    for name in ("a.txt", "b.txt"):
        (world.cwd / name).unlink()
    (world.cwd / "c.txt").write_text("1\n")
    world.take_events()
    again = await world.dispatcher(no_model).dispatch(LIST)
    assert (again.outcome, again.mode, again.model_calls, again.cost_usd) == (Outcome.OK, Mode.ORCHESTRATOR, 0, 0.0), (
        again.reason
    )
    assert again.saved_usd == pytest.approx(0.006)
    assert again.trace_id == first.kept
    assert again.answer.endswith("3. count the lines of c.txt: 1")
    assert sorted(ended(world.take_events())) == [(one, "done", "FOLLOWER") for one in ("1", "2", "3")]


async def test_two_of_five_are_replayed_and_the_others_are_worked_out(world: World) -> None:
    for name in ("c.txt", "d.txt", "e.txt"):
        (world.cwd / name).write_text("1\n2\n3\n")
    plays = {**PLAYS, "count the words of d.txt": [shell("wc -w < d.txt"), "3"]}
    plays["show the first line of e.txt"] = [shell("head -n 1 e.txt"), "1"]
    model = Worker(plays)
    await world.dispatcher(model).dispatch("create a.txt containing hello")
    await world.dispatcher(model).dispatch("count the lines of c.txt")
    (world.cwd / "a.txt").unlink()
    world.take_events()
    goal = f"{LIST}\n4. count the words of d.txt\n5. show the first line of e.txt"
    result = await world.dispatcher(model).dispatch(goal)
    events = world.take_events()
    assert [(state, mode == "FOLLOWER") for _, state, mode in sorted(ended(events))] == [
        ("done", True), ("done", False), ("done", True), ("done", False), ("done", False),
    ]  # fmt: skip
    plan = next(event for event in events if isinstance(event, PlanMade))
    assert [one.mode for one in plan.sub_goals] == ["FOLLOWER", "", "FOLLOWER", "", ""]
    assert (result.outcome, result.model_calls, result.saved_usd) == (Outcome.OK, 6, pytest.approx(0.004))


async def test_a_failure_skips_what_waits_for_it_and_nothing_else(world: World) -> None:
    (world.cwd / "c.txt").write_text("1\n2\n3\n")
    plays = {**PLAYS, "delete gone.txt": [shell("rm gone.txt"), "It is not there."]}
    goal = "1. delete gone.txt\n2. then show gone.txt\n3. count the lines of c.txt"
    result = await world.dispatcher(Worker(plays)).dispatch(goal)
    assert (result.outcome, result.exit_status) == (Outcome.FAILED, ExitStatus.FAILED)
    assert result.reason == (
        "1 of 3 sub-goals done, 1 failed (the last step (shell) failed), "
        "2 skipped (it waits for sub-goal 1, which was not done)"
    )
    assert sorted(ended(world.take_events())) == [
        ("1", "failed", "LEARNER"),
        ("2", "skipped", ""),
        ("3", "done", "LEARNER"),
    ]
    assert "2. show gone.txt: skipped" in result.answer


async def test_a_result_goes_into_the_text_of_the_next(world: World) -> None:
    (world.cwd / "c.txt").write_text("1\n2\n3\n")
    plays = {**PLAYS, "write 3 to n.txt": [write("n.txt", "3"), "Done."]}
    goal = "count the lines of c.txt; write {{1}} to n.txt"
    assert (await world.dispatcher(Worker(plays)).dispatch(goal)).outcome is Outcome.OK
    (world.cwd / "c.txt").write_text("1\n2\n3\n4\n")
    (world.cwd / "n.txt").unlink()
    again = await world.dispatcher(no_model).dispatch(goal)
    assert (again.outcome, again.model_calls) == (Outcome.OK, 0)
    assert (world.cwd / "n.txt").read_text() == "4"


async def test_a_miss_in_one_sub_goal_is_worked_out_alone(world: World) -> None:
    (world.cwd / "c.txt").write_text("1\n2\n3\n")
    await world.dispatcher(Worker(PLAYS)).dispatch(LIST)
    for name in ("a.txt", "b.txt"):
        (world.cwd / name).unlink()
    (world.cwd / "b.txt").mkdir()  # in the way, so its saved run may not begin
    world.take_events()
    plays = {**PLAYS, "create b.txt": [shell("rmdir b.txt && echo world > b.txt"), "It is there, made anew."]}
    result = await world.dispatcher(Worker(plays)).dispatch(LIST)
    assert sorted(ended(world.take_events())) == [
        ("1", "done", "FOLLOWER"),
        ("2", "done", "MIXED"),
        ("3", "done", "FOLLOWER"),
    ]
    assert (result.outcome, result.model_calls) == (Outcome.OK, 2)


async def test_stopping_stops_all_and_the_log_says_what_each_had_done(world: World) -> None:
    (world.cwd / "c.txt").write_text("1\n2\n3\n")
    naps = {
        "create a.txt": [write("a.txt", "hello\n"), "Done."],
        "wait here": [shell("touch begun; sleep 300.71"), "Done."],
        "show late.txt": ["never"],
    }
    dispatcher = world.dispatcher(Worker(naps))  # type: ignore[arg-type]
    goal = "1. create a.txt containing hello\n2. run wait here\n3. then show late.txt"
    task = asyncio.ensure_future(dispatcher.dispatch(goal))
    await until((world.cwd / "begun").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    events = world.take_events()
    last = events[-1]
    assert isinstance(last, TurnEnded)
    assert (last.outcome, last.reason) == (
        Outcome.INTERRUPTED,
        "stopped before its end: 1 of 3 sub-goals done, 2 stopped (all was stopped, after 1 step: created begun), "
        "3 skipped (all was stopped)",
    )
    assert sorted(ended(events)) == [("1", "done", "LEARNER"), ("2", "stopped", ""), ("3", "skipped", "")]
    inner = [event.event for event in events if isinstance(event, Nested) and event.parent == "2"]
    assert isinstance(inner[-1], TurnEnded) and inner[-1].outcome is Outcome.INTERRUPTED
    assert not running("sleep 300.71")


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came")


def running(text: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"):
                return True
        except OSError:
            continue
    return False


async def test_the_budget_is_one_for_all_and_ends_all(world: World) -> None:
    (world.cwd / "c.txt").write_text("1\n2\n3\n")
    dispatcher = world.dispatcher(Worker(PLAYS), limits=TurnLimits(cap_usd=0.0125))
    result = await dispatcher.dispatch(LIST)
    assert (result.outcome, result.exit_status) == (Outcome.OVER_BUDGET, ExitStatus.OVER_BUDGET)
    assert result.cost_usd <= 0.0125


async def test_what_is_off_is_off(world: World) -> None:
    model = Worker({LIST[-20:]: [write("a.txt", "x"), "Done."]})
    limits = TurnLimits(orchestrator=OrchestratorLimits(split="off"))
    assert (await world.dispatcher(model, limits=limits).dispatch(LIST)).mode is Mode.LEARNER


async def test_a_dry_run_shows_the_plan_and_runs_nothing(world: World) -> None:
    result = await world.dispatcher(no_model).dispatch(LIST, dry_run=True)
    assert result.outcome is None and result.plan is not None
    assert [one.goal for one in result.plan.sub_goals] == [line[3:] for line in LIST.splitlines()]
    assert [type(event) for event in world.take_events()] == [TurnStarted, PlanMade]
    assert list(world.cwd.iterdir()) == []


# ------------------------------------------------------------------------------------------------- planned by a model

GOAL = "create a.txt containing hello, create b.txt containing world and count the lines of c.txt"


def plan(*rows: tuple[str, str, list[str], list[str], list[str]], several: bool = True) -> str:
    keys = ("id", "goal", "depends_on", "inputs", "leaves")
    subs = [{**dict(zip(keys, row, strict=True)), "role": ""} for row in rows]
    return json.dumps({"several": several, "why": "three files that do not touch", "sub_goals": subs})


PLANNED = plan(
    ("a", "create a.txt containing hello", [], [], ["a.txt"]),
    ("b", "create b.txt containing world", [], [], ["b.txt"]),
    ("c", "count the lines of c.txt", ["a"], [], []),
)
ALL = {"At most": [PLANNED], "The results of its parts": ["Both are made; c.txt has 3 lines."], **PLAYS}


async def test_a_model_is_asked_for_a_plan_where_several_tasks_are_named(world: World) -> None:
    (world.cwd / "c.txt").write_text("1\n2\n3\n")
    result = await world.dispatcher(Worker(ALL)).dispatch(GOAL)
    assert (result.outcome, result.mode, result.model_calls) == (Outcome.OK, Mode.ORCHESTRATOR, 8)
    assert result.answer == "Both are made; c.txt has 3 lines."
    made = next(event for event in world.take_events() if isinstance(event, PlanMade))
    assert made.reasons[0] == "three files that do not touch (planned by worker)"
    for name in ("a.txt", "b.txt"):
        (world.cwd / name).unlink()
    again = await world.dispatcher(no_model).dispatch(GOAL)
    assert (again.outcome, again.mode, again.model_calls, again.trace_id) == (
        Outcome.OK, Mode.ORCHESTRATOR, 0, result.kept,
    )  # fmt: skip
    assert again.answer.endswith("3. count the lines of c.txt: 3")


async def test_the_same_with_other_values_replays_the_whole_graph(world: World) -> None:
    for name in "abcdef":
        (world.cwd / f"{name}.txt").write_text("1\n2\n3\n")
    goal = "count the lines of a.txt, count the words of b.txt and count the bytes of c.txt"
    plays: dict[str, list[ToolCall | str]] = {
        "lines of a.txt": [shell("wc -l < a.txt"), "3"],
        "words of b.txt": [shell("wc -w < b.txt"), "3"],
        "bytes of c.txt": [shell("wc -c < c.txt"), "6"],
    }
    made = plan(*((text[0], f"count the {text}", [], [], []) for text in plays))
    asked = {"At most": [made], "The results of its parts": ["3, 3 and 6."]}
    assert (await world.dispatcher(Worker({**asked, **plays})).dispatch(goal)).answer == "3, 3 and 6."
    world.take_events()
    other = "count the lines of d.txt, count the words of e.txt and count the bytes of f.txt"
    again = await world.dispatcher(no_model).dispatch(other)
    assert (again.outcome, again.mode, again.model_calls) == (Outcome.OK, Mode.ORCHESTRATOR, 0)
    assert again.answer.splitlines()[2] == "3. count the bytes of f.txt: 6"
    assert sorted(ended(world.take_events())) == [(one, "done", "FOLLOWER") for one in ("1", "2", "3")]


async def test_one_task_never_pays_for_a_plan(world: World) -> None:
    (world.cwd / "c.txt").write_text("1\n2\n3\n")
    for goal in ("count the lines of c.txt", "count the lines of c.txt and then understand it"):
        model = Worker({"count the lines": [shell("wc -l < c.txt"), "3"]})
        result = await world.dispatcher(model).dispatch(goal)
        assert result.mode is not Mode.ORCHESTRATOR
        assert not any("At most" in asked for asked in model.asked)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            plan(*[(str(n), f"show {n}.txt", [], [], []) for n in range(500)]),
            "the plan has 500 sub-goals and at most 50 are taken (orchestrator.max_sub_goals)",
        ),
        (
            plan(("a", "show a.txt", ["b"], [], []), ("b", "show b.txt", ["a"], [], [])),
            "the sub-goals of the plan wait for each other: a waits for b waits for a",
        ),
        (
            plan(("a", "show a.txt", [], [], []), ("b", f"please {GOAL}", [], [], [])),
            "sub-goal b asks for the whole goal again: 'please create a.txt",
        ),
        ("no JSON at all", "the plan of the model is no JSON"),
    ],
)
async def test_a_plan_that_cannot_run_is_asked_for_once_more_and_then_the_goal_is_one_task(
    world: World, answer: str, sentence: str
) -> None:
    plays: dict[str, list[ToolCall | str]] = {"At most": [answer], "This plan cannot be run": [answer]}
    model = Worker({**plays, "create a.txt": [write("a.txt", "hello\n"), "Done."]})
    result = await world.dispatcher(model).dispatch(GOAL)
    notices = [event.text for event in world.take_events() if isinstance(event, Notice)]
    assert [text.startswith(sentence) for text in notices] == [True, True]
    assert notices[0].endswith("; worker is asked once more")
    assert notices[1].endswith("; so the goal is worked on as one task; asking for a plan cost $0.0020")
    assert result.mode is Mode.LEARNER
    again = next(asked for asked in model.asked if asked.startswith("This plan cannot be run: "))
    assert again.startswith(f"This plan cannot be run: {sentence}")
    assert sum(asked.startswith(("At most", "This plan")) for asked in model.asked) == 2


async def test_a_plan_that_was_mended_is_run(world: World) -> None:
    (world.cwd / "c.txt").write_text("1\n2\n3\n")
    circle = plan(("a", "show a.txt", ["b"], [], []), ("b", "show b.txt", ["a"], [], []))
    model = Worker({**ALL, "At most": [circle], "This plan cannot be run": [PLANNED]})
    result = await world.dispatcher(model).dispatch(GOAL)
    assert (result.outcome, result.mode, result.model_calls) == (Outcome.OK, Mode.ORCHESTRATOR, 9)
    notices = [event.text for event in world.take_events() if isinstance(event, Notice)]
    assert notices == [
        "the sub-goals of the plan wait for each other: a waits for b waits for a; worker is asked once more"
    ]


async def test_an_agent_that_is_not_there_is_a_reason_to_ask_again(world: World) -> None:
    (world.cwd / "c.txt").write_text("1\n2\n3\n")
    strange = PLANNED.replace('"role": ""', '"role": "wizard"')
    model = Worker({**ALL, "At most": [strange], "This plan cannot be run": [PLANNED]})
    assert (await world.dispatcher(model).dispatch(GOAL)).outcome is Outcome.OK
    again = next(asked for asked in model.asked if asked.startswith("This plan cannot be run: "))
    assert "names the agent 'wizard', and there is none of that name" in again


async def test_the_second_question_is_under_the_cap_too(world: World) -> None:
    plays: dict[str, list[ToolCall | str]] = {"At most": ["no JSON"], "create a.txt": ["never"]}
    dispatcher = world.dispatcher(Worker(plays), limits=TurnLimits(cap_usd=0.0105))
    result = await dispatcher.dispatch(GOAL)
    assert (result.outcome, result.model_calls, result.cost_usd) == (Outcome.OVER_BUDGET, 1, pytest.approx(0.001))


class TestAsking:
    async def test_a_planned_goal_is_asked_about_and_may_be_edited(self, world: World) -> None:
        (world.cwd / "c.txt").write_text("1\n2\n3\n")
        seen: list[tuple[str, ...]] = []

        async def ask(made: PlanMade, graph: Graph) -> Graph:
            seen.append(tuple(one.goal for one in made.sub_goals))
            return read_graph(graph.goal, "1: count the lines of c.txt\n2 after 1: create a.txt containing hello\n")

        result = await world.dispatcher(Worker(ALL), ask_plan=ask).dispatch(GOAL)
        assert len(seen) == 1 and len(seen[0]) == 3
        assert result.outcome is Outcome.OK
        assert result.answer == "1. count the lines of c.txt: 3\n2. create a.txt containing hello: Done."
        plans = [event for event in world.take_events() if isinstance(event, PlanMade)]
        assert [len(one.sub_goals) for one in plans] == [3, 2]
        assert plans[1].reasons == ("edited by the person",)

    async def test_a_no_runs_nothing(self, world: World) -> None:
        async def ask(made: PlanMade, graph: Graph) -> None:
            return None

        result = await world.dispatcher(Worker(ALL), ask_plan=ask).dispatch(GOAL)
        assert (result.outcome, result.reason) == (
            Outcome.DENIED,
            "the person did not let the plan run, and nothing was run",
        )
        assert list(world.cwd.iterdir()) == []

    async def test_with_nobody_to_ask_always_means_no(self, world: World) -> None:
        limits = TurnLimits(orchestrator=OrchestratorLimits(confirm="always"))
        result = await world.dispatcher(no_model, limits=limits).dispatch(LIST)
        assert (result.outcome, result.reason) == (
            Outcome.DENIED,
            "orchestrator.confirm is always, and nothing was run",
        )


async def test_a_dry_run_that_asks_for_a_plan_records_nothing(world: World) -> None:
    result = await world.dispatcher(Worker(ALL)).dispatch(GOAL, dry_run=True)
    assert result.plan is not None and len(result.plan.sub_goals) == 3
    assert (result.model_calls, result.cost_usd) == (1, pytest.approx(0.001))
    assert not list(world.workspace.glob("memories/recall/*.jsonl"))
    assert list(world.cwd.iterdir()) == []
