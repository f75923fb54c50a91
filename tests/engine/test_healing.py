"""What a replay that stops leaves: a journal that is true, a run that goes on from there, and the right trace of it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import World

from llmos.adapters.system_clock import SystemClock
from llmos.core.errors import NoModelError
from llmos.core.event_records import event_record
from llmos.core.events import Mode, Outcome, StepWaiting, ToolStarted, TraceKept, TurnEnded
from llmos.core.heal import is_at_fault
from llmos.core.journal import Journal, JournalEntry, StepState
from llmos.core.messages import ToolCall, ToolResult
from llmos.core.policy import TurnLimits
from llmos.core.ports import Model, ModelReply, ModelRequest
from llmos.core.tool import Effect, FileChanges
from llmos.core.trace import Expect, Require, RunStep, Step, Trace
from llmos.interfaces.turn import TurnResult
from llmos.testing import ScriptedModel, model_reply


def shell(command: str) -> ToolCall:
    return ToolCall("c", "shell", {"command": command})


def no_model() -> Model:
    raise NoModelError("no model can answer")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process or task does."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about within 10 s")


async def run(world: World, goal: str, *calls: ToolCall, answer: str) -> tuple[TurnResult, ScriptedModel]:
    model = ScriptedModel([*(model_reply(call) for call in calls), model_reply(answer)])
    result = await world.dispatcher(model).dispatch(goal)
    assert model.unused == 0, result
    return result, model


def kept(world: World) -> Trace:
    """The trace that was kept since the last look."""
    (event,) = [event for event in world.take_events() if isinstance(event, TraceKept)]
    return world.records[-1].traces.load(event.trace_id)


def commands(trace: Trace) -> list[str]:
    return [str(step.args["command"]) for step in trace.steps]


MAKE = shell("mkdir out")


def script(world: World, accepts: str) -> None:
    """A program of the machine, outside the working directory, that knows one option."""
    path = world.root / "bin" / "build.sh"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\n[ "$1" = {accepts} ] || {{ echo "unknown option $1" >&2; exit 2; }}\necho 7\n')
    path.chmod(0o755)


@pytest.fixture
def build(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("PATH", f"{world.root / 'bin'}:/usr/bin:/bin")
    script(world, "--old")
    return world


MAKE_GOAL = "make the folder out and write the report to out/report.txt"
OLD = shell("build.sh --old > out/report.txt")
NEW = shell("build.sh --new > out/report.txt")


async def learned(world: World) -> Trace:
    await run(world, MAKE_GOAL, MAKE, OLD, answer="Created out/report.txt.")
    trace = kept(world)
    assert (trace.header.status, trace.header.reason) == ("verified", "")
    return trace


def undo(world: World) -> None:
    subprocess.run(["rm", "-rf", "out"], cwd=world.cwd, check=True)


class TestSuperseding:
    async def test_steps_that_are_no_longer_right_in_the_same_world_are_superseded(self, build: World) -> None:
        old = await learned(build)
        undo(build)
        script(build, "--new")
        result, model = await run(build, MAKE_GOAL, NEW, answer="Created out/report.txt.")
        assert (result.mode, result.outcome) == (Mode.MIXED, Outcome.OK)
        assert model.requests[0].messages[-1].text == (
            "A saved run of this goal was replayed and stopped. Go on at the step that failed: what is done stays done "
            "and must not be repeated; look at the files before you redo what failed or is unknown; what was only "
            "planned may no longer be right.\n"
            "Steps and their state:\n"
            "1. done: shell: mkdir out (it gave: [no output])\n"
            "2. failed: shell: build.sh --old > out/report.txt (expected exit code 0, got exit code 2; it gave: "
            "[stderr] unknown option --old [exit code 2])\n"
            "Why it stopped: step 2 (shell): expected exit code 0, got exit code 2\n\n"
            f"{MAKE_GOAL}"
        )
        new = kept(build)
        # The failed step left an empty out/report.txt behind, so it is part of what happened.
        assert commands(new)[0] == "mkdir out"
        assert commands(new)[-1] == "build.sh --new > out/report.txt"
        assert new.header.status == "guidance"
        assert new.header.supersedes == ""
        assert old.header.id not in build.records[-1].traces.superseded()

    async def test_a_failed_step_without_effect_is_left_out_and_the_new_run_takes_over(self, build: World) -> None:
        goal = "make the folder out and show the report"
        await run(build, goal, MAKE, shell("build.sh --old"), answer="7")
        old = kept(build)
        undo(build)
        script(build, "--new")
        await run(build, goal, shell("build.sh --new"), answer="7")
        new = kept(build)
        assert commands(new) == ["mkdir out", "build.sh --new"]
        assert (new.header.status, new.header.supersedes) == ("verified", old.header.id)
        assert build.records[-1].traces.superseded() == {old.header.id: new.header.id}
        undo(build)
        result = await build.dispatcher(no_model).dispatch(goal)
        assert (result.mode, result.trace_id, result.answer) == (Mode.FOLLOWER, new.header.id, "7")

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda world: (world.cwd / "other.txt").write_text("x"), id="another file"),
            pytest.param(lambda world: (world.cwd / "data.txt").write_text("2\n"), id="another content"),
            pytest.param(lambda world: (world.cwd / "data.txt").chmod(0o600), id="another mode"),
        ],
    )
    async def test_a_run_healed_over_a_change_in_the_world_supersedes_nothing(
        self, build: World, change: Callable[[World], object]
    ) -> None:
        goal = "make the folder out and show the report"
        (build.cwd / "data.txt").write_text("1\n")
        (build.cwd / "data.txt").chmod(0o644)
        await run(build, goal, MAKE, shell("build.sh --old"), answer="7")
        old = kept(build)
        undo(build)
        script(build, "--new")
        change(build)
        await run(build, goal, shell("build.sh --new"), answer="7")
        new = kept(build)
        assert (new.header.status, new.header.reason, new.header.supersedes) == (
            "guidance",
            "it went on from a replay that had stopped through no proven fault of the saved run, which stands",
            "",
        )
        assert build.records[-1].traces.superseded() == {}
        # Nor by rank: of the two, only the good trace may ever be replayed.
        undo(build)
        script(build, "--old")
        plan = (await build.dispatcher(no_model).dispatch(goal, dry_run=True)).plan
        assert plan is not None
        closed = {one.trace_id: [gate.name for gate in one.closed] for one in plan.considered}
        assert closed[new.header.id] == ["status"]
        assert closed[old.header.id] in ([], ["confidence"])

    async def test_a_run_for_a_goal_in_other_words_supersedes_nothing(self, build: World) -> None:
        await run(build, "make the folder out and show the report", MAKE, shell("build.sh --old"), answer="7")
        build.take_events()
        undo(build)
        script(build, "--new")
        result, _ = await run(build, "make the directory out and show the report", shell("build.sh --new"), answer="7")
        new = kept(build)
        assert result.mode is Mode.MIXED
        assert commands(new) == ["mkdir out", "build.sh --new"]
        assert (new.header.status, new.header.supersedes) == ("guidance", "")

    async def test_a_run_that_did_not_verify_supersedes_nothing(self, build: World) -> None:
        goal = "make the folder out and show the report"
        await run(build, goal, MAKE, shell("build.sh --old"), answer="7")
        build.take_events()
        undo(build)
        script(build, "--new")
        result, _ = await run(build, goal, shell("build.sh --worse"), answer="7")
        new = kept(build)
        assert (result.outcome, new.header.status, new.header.supersedes) == (Outcome.FAILED, "draft", "")


STEP = Step(
    "shell",
    {},
    Effect.EXECUTE,
    Require(world="a1"),
    Expect(exit_code=0, created=("a.txt",)),
    "",
)
RUN = RunStep("shell", "v", {}, Effect.EXECUTE, (), False, 2, "", "", FileChanges(), world="a1")


@pytest.mark.parametrize(
    ("step", "run", "rebound", "expected"),
    [
        pytest.param(STEP, RUN, False, True, id="it failed in the same world"),
        pytest.param(STEP, replace(RUN, ok=True, exit_code=0), False, True, id="it made nothing in the same world"),
        pytest.param(STEP, RUN, True, False, id="it was learned for other values"),
        pytest.param(STEP, replace(RUN, world="b2"), False, False, id="the world is another"),
        pytest.param(STEP, replace(RUN, world=""), False, False, id="the world was not taken in whole"),
        pytest.param(replace(STEP, require=Require()), replace(RUN, world=""), False, False, id="nothing is known"),
        pytest.param(
            replace(STEP, expect=replace(STEP.expect, ok=False, created=())), RUN, False, False, id="it failed before"
        ),
        pytest.param(
            STEP,
            replace(RUN, ok=True, exit_code=0, stdout="other", changes=FileChanges(created=("a.txt",))),
            False,
            False,
            id="only its output is another",
        ),
    ],
)
def test_who_is_to_blame(step: Step, run: RunStep, rebound: bool, expected: bool) -> None:
    assert is_at_fault(step, run, rebound=rebound) is expected


async def test_a_run_that_lacks_a_skipped_step_only_guides(build: World) -> None:
    goal = "write hello to a.txt, then show the report"
    write = ToolCall("c", "write_file", {"path": "a.txt", "content": "hello"})
    await run(build, goal, write, shell("build.sh --old"), answer="7")
    assert kept(build).header.status == "verified"
    script(build, "--new")  # and a.txt is there already
    await run(build, goal, shell("build.sh --new"), answer="7")
    assert kept(build).header.status == "guidance"


async def test_an_effect_that_the_replay_had_is_not_repeated(world: World) -> None:
    goal = "append a line to log.txt and check it"
    (world.cwd / "log.txt").write_text("first\n")
    (world.cwd / "ok").write_text("")
    append = shell("echo line >> log.txt")
    await run(world, goal, append, shell("ls o*"), answer="ok")
    (world.cwd / "ok").unlink()
    _, model = await run(world, goal, append, shell("tail -1 log.txt"), answer="line")
    results = [
        part for message in model.requests[-1].messages for part in message.parts if isinstance(part, ToolResult)
    ]
    assert results[0].content == (
        "not run: the replayed run did this very call just before, with its effect on the files; it gave:\n"
        "[no output]\n[call it once more only if the goal asks for it twice]"
    )
    assert (world.cwd / "log.txt").read_text() == "first\nline\nline\n"  # once when learned, once when replayed


class TestInterrupted:
    """A replay that is cut off says what is done, what is unknown and what was not begun."""

    GOAL = "make one, then wait, then make three"

    async def test_by_the_person(self, world: World) -> None:
        (world.cwd / "nap").write_text("0")
        calls = [shell("mkdir one"), shell("sleep $(head -1 n*)"), shell("mkdir three")]
        await run(world, self.GOAL, *calls, answer="Made one and three.")
        (world.cwd / "one").rmdir()
        (world.cwd / "three").rmdir()
        (world.cwd / "nap").write_text("30")
        world.take_events()
        models: list[Model] = []
        dispatcher = world.dispatcher(lambda: models[0] if models else no_model())
        task = asyncio.create_task(dispatcher.dispatch(self.GOAL))
        await until(lambda: sum(isinstance(event, ToolStarted) for event in world.events) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        events = world.take_events()
        ended = events[-1]
        assert isinstance(ended, TurnEnded)
        assert (ended.outcome, ended.reason) == (
            Outcome.INTERRUPTED,
            "stopped before its end; of the replay: 1 of 3 steps done, step 2 unknown (shell: sleep $(head -1 n*)), "
            "1 not begun",
        )
        journal = Journal()
        for event in events:
            journal = journal.after(event_record(event))
        assert [entry.state for entry in journal.entries] == [StepState.DONE, StepState.UNKNOWN, StepState.PLANNED]
        # The next turn of the session is told.
        model = ScriptedModel([model_reply("Only one was made.")])
        models.append(model)
        plan = (await dispatcher.dispatch(self.GOAL, dry_run=True)).plan
        assert plan is not None
        assert plan.mode is Mode.MIXED
        assert (
            "precondition: its replay was cut off before its end: 1 of 3 steps done, step 2 unknown" in plan.reasons[0]
        )
        await dispatcher.dispatch("what was made?")
        assert "this turn was stopped before its end; of the replay: 1 of 3 steps done" in str(
            model.requests[0].messages
        )


def test_a_transcript_that_ends_in_a_step_says_that_its_effect_is_unknown() -> None:
    steps = [{"tool": "shell", "args": {"command": name}, "recorded": {}, "effect": "execute"} for name in "abc"]
    records: list[dict[str, object]] = [
        {"event": "turn_started", "goal": "g"},
        {"event": "plan_made", "mode": "FOLLOWER", "steps": steps},
        {"event": "tool_started", "call_id": "replay-1"},
        {"event": "tool_finished", "call_id": "replay-1", "output": "x\ny\n"},
        {"event": "step_checked", "step": 0, "ok": True, "reason": "as recorded"},
        {"event": "tool_started", "call_id": "replay-2"},
    ]
    journal = Journal()
    for record in records:
        journal = journal.after(record)
    assert journal == Journal(
        (
            JournalEntry("shell: a", StepState.DONE, "x y"),
            JournalEntry("shell: b", StepState.STARTED),
            JournalEntry("shell: c"),
        )
    )
    assert journal.closed().summary == "1 of 3 steps done, step 2 unknown (shell: b), 1 not begun"
    for strange in ({"event": "tool_started", "call_id": "replay-9"}, {"event": "step_checked", "step": "x"}, {}):
        assert journal.after(strange) == journal


class TestWaiting:
    """A file that a process in the background makes: the run waited for it, so the replay waits too."""

    GOAL = "start the job and show result.txt"

    @asynccontextmanager
    async def worker(self, world: World, seconds: float) -> AsyncIterator[None]:
        """Some other program that answers `go` with `result.txt` after so many seconds."""
        command = f"while [ ! -f go ]; do sleep 0.02; done; sleep {seconds}; echo 42 > .part; mv .part result.txt"
        process = await asyncio.create_subprocess_shell(command, cwd=world.cwd)
        try:
            yield
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def learn(self, world: World) -> Trace:
        async def look(request: ModelRequest) -> ModelReply:
            await until((world.cwd / "result.txt").exists)
            return model_reply(shell("cat result.txt"))

        async with self.worker(world, 0.3):
            model = ScriptedModel([model_reply(shell("touch go")), look, model_reply("42")])
            result = await world.dispatcher(model).dispatch(self.GOAL)
            assert result.outcome is Outcome.OK
        for name in ("go", "result.txt"):
            (world.cwd / name).unlink()
        return kept(world)

    async def test_the_replay_waits_for_what_the_run_waited_for(self, tmp_path: Path) -> None:
        world = World(tmp_path, clock=SystemClock())  # type: ignore[arg-type]
        world.cwd.mkdir()
        world.workspace.mkdir()
        trace = await self.learn(world)
        assert (trace.header.status, trace.header.reason) == ("verified", "")
        assert [step.require.wait_s > 0.1 for step in trace.steps] == [False, True]
        async with self.worker(world, 0.5):
            result = await world.dispatcher(no_model).dispatch(self.GOAL)
        assert (result.mode, result.outcome, result.answer) == (Mode.FOLLOWER, Outcome.OK, "42")
        (waiting,) = [event for event in world.take_events() if isinstance(event, StepWaiting)]
        assert waiting == StepWaiting(step=1, path="result.txt", limit_s=5.0)

    async def test_a_wait_has_an_end_and_says_so(self, tmp_path: Path) -> None:
        world = World(tmp_path, clock=SystemClock())  # type: ignore[arg-type]
        world.cwd.mkdir()
        world.workspace.mkdir()
        await self.learn(world)
        limits = TurnLimits(replay_wait_s=0.3)
        result = await world.dispatcher(no_model, limits=limits).dispatch(self.GOAL)
        assert (result.outcome, result.reason) == (
            Outcome.DIVERGED,
            "step 2 needs result.txt, which is missing after waiting for it; of the replay: 1 of 2 steps done, "
            "step 2 failed (shell: cat result.txt); `llmos undo` takes back what it did to files; no model can answer",
        )
