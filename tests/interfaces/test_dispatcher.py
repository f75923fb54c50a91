"""A goal from its first word to its end, as whole event lists, with real tools in a real directory."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import World

from llmos.core.errors import ExitStatus, ModelError, ModelErrorKind, NoModelError, UsageError
from llmos.core.events import (
    MessageAdded,
    Mode,
    ModelCallFailed,
    ModelCallFinished,
    ModelCallStarted,
    Notice,
    Outcome,
    PermissionDecided,
    PlanMade,
    PlannedStep,
    RetryCountdown,
    StepChecked,
    TextStreamed,
    ToolFinished,
    ToolStarted,
    TraceKept,
    TurnEnded,
    TurnStarted,
    Verdict,
)
from llmos.core.explain import Considered, GateCheck
from llmos.core.messages import Message, StopReason, Text, ToolCall, ToolResult, Usage, user_text
from llmos.core.permission import GrantScope, parse_rule
from llmos.core.policy import TurnLimits
from llmos.core.ports import Model, ModelInfo, ModelReply, PermissionAnswer, PermissionQuestion
from llmos.core.tool import Effect, FileChanges
from llmos.engine.changes import snapshot, world_digest
from llmos.memory.abandoned import close_abandoned
from llmos.memory.transcript import read_transcript
from llmos.testing import ScriptedModel, model_reply

COUNT = ToolCall("c1", "shell", {"command": "ls *.py | wc -l"})
WRITE = ToolCall("c1", "write_file", {"path": "notes.txt", "content": "hello\n"})
SMALL = ModelInfo("small", "nobody (a test)", small=True)
USAGE = Usage(10, 5)


def no_model() -> Model:
    raise NoModelError("no model can answer: set ANTHROPIC_API_KEY")


def python_files(world: World, *names: str) -> None:
    for name in names:
        (world.cwd / name).write_text("pass\n")


def ending(world: World) -> TurnEnded:
    last = world.take_events()[-1]
    assert isinstance(last, TurnEnded)
    return last


async def test_a_new_goal_is_worked_out_and_kept(world: World) -> None:
    python_files(world, "a.py", "b.py", "c.py")
    model = ScriptedModel([model_reply(COUNT), model_reply("There are 3 Python files.")])
    result = await world.dispatcher(model).dispatch("how many python files are there?")
    trace = str(result.kept)
    assert world.take_events() == [
        TurnStarted(
            goal="how many python files are there?", cwd=str(world.cwd), workspace=str(world.workspace), turn=1
        ),
        PlanMade(mode=Mode.LEARNER, confidence=0.0, trace_id=None, reasons=("no saved run is like it",)),
        MessageAdded(message=user_text("how many python files are there?")),
        ModelCallStarted(call=1, model="scripted", payer="nobody (a test)", small=False, reserved_usd=0.01),
        ModelCallFinished(
            call=1, model="scripted", stop_reason=StopReason.TOOL_USE, usage=USAGE, cost_usd=0.001, estimated=False
        ),
        MessageAdded(message=Message("assistant", (COUNT,))),
        PermissionDecided(call_id="c1", tool="shell", verdict=Verdict.ALLOW, by="reading", reason="it only looks"),
        ToolStarted(call_id="c1", tool="shell", args=COUNT.args, effect=Effect.EXECUTE, replayed=False),
        ToolFinished(
            call_id="c1",
            tool="shell",
            ok=True,
            output="3",
            stdout="3\n",
            exit_code=0,
            truncated=False,
            total_bytes=2,
            changes=FileChanges(),
            backup=None,
            elapsed_s=0.0,
        ),
        MessageAdded(message=Message("user", (ToolResult("c1", "3"),))),
        ModelCallStarted(call=2, model="scripted", payer="nobody (a test)", small=False, reserved_usd=0.01),
        TextStreamed(text="There are 3 Python files."),
        ModelCallFinished(
            call=2, model="scripted", stop_reason=StopReason.END_TURN, usage=USAGE, cost_usd=0.001, estimated=False
        ),
        MessageAdded(message=Message("assistant", (Text("There are 3 Python files."),))),
        TraceKept(trace_id=trace, path=str(world.workspace / "traces" / f"{trace}.yaml"), status="verified", reason=""),
        TurnEnded(
            outcome=Outcome.OK,
            mode=Mode.LEARNER,
            answer="There are 3 Python files.",
            reason="",
            cost_usd=0.002,
            saved_usd=0.0,
            model_calls=2,
            elapsed_s=0.0,
        ),
    ]
    assert result.exit_status is ExitStatus.OK
    assert re.fullmatch(r"how-many-python-files-are-there-[0-9a-f]{8}", trace)


async def test_the_same_goal_again_calls_no_model_and_counts_anew(world: World) -> None:
    python_files(world, "a.py", "b.py", "c.py")
    model = ScriptedModel([model_reply(COUNT), model_reply("There are 3 Python files.")])
    learned = await world.dispatcher(model).dispatch("how many python files are there?")
    world.take_events()
    python_files(world, "d.py", "e.py")
    result = await world.dispatcher(no_model).dispatch("How many  python files are there?")
    assert world.take_events() == [
        TurnStarted(
            goal="How many  python files are there?", cwd=str(world.cwd), workspace=str(world.workspace), turn=1
        ),
        PlanMade(
            mode=Mode.FOLLOWER,
            confidence=0.96,
            trace_id=learned.kept,
            reasons=("scripted did this goal before, and it was checked; replays so far: 0 right, 0 wrong",),
            steps=(PlannedStep(tool="shell", args=COUNT.args, recorded=COUNT.args, effect=Effect.EXECUTE),),
            saving_usd=0.002,
            expected_cost_usd=0.0,
            considered=(
                Considered(
                    str(learned.kept),
                    "how many python files are there?",
                    "replay",
                    0.96,
                    cost_usd=0.002,
                    gates=(
                        GateCheck("goal", True, "the same goal"),
                        GateCheck("status", True, "verified"),
                        GateCheck("origin", True, "learned or approved here"),
                        GateCheck("context", True, ""),
                        GateCheck("tools", True, "unchanged"),
                        GateCheck("precondition", True, "as it needs it"),
                        GateCheck("confidence", True, "0.96 is at least 0.92"),
                    ),
                ),
            ),
        ),
        PermissionDecided(
            call_id="replay-1", tool="shell", verdict=Verdict.ALLOW, by="reading", reason="it only looks"
        ),
        ToolStarted(
            call_id="replay-1",
            tool="shell",
            args=COUNT.args,
            effect=Effect.EXECUTE,
            replayed=True,
            world=world_digest(snapshot(world.cwd)),
        ),
        ToolFinished(
            call_id="replay-1",
            tool="shell",
            ok=True,
            output="5",
            stdout="5\n",
            exit_code=0,
            truncated=False,
            total_bytes=2,
            changes=FileChanges(),
            backup=None,
            elapsed_s=0.0,
        ),
        StepChecked(step=0, ok=True, reason="as recorded"),
        TurnEnded(
            outcome=Outcome.OK,
            mode=Mode.FOLLOWER,
            answer="There are 5 Python files.",
            reason="",
            cost_usd=0.0,
            saved_usd=0.002,
            model_calls=0,
            elapsed_s=0.0,
        ),
    ]
    assert (result.answer, result.model_calls) == ("There are 5 Python files.", 0)


async def learn_note(world: World) -> None:
    model = ScriptedModel([model_reply(WRITE), model_reply("Created notes.txt containing hello.")])
    await world.dispatcher(model).dispatch("create a file notes.txt containing hello")
    world.take_events()


async def test_a_write_is_replayed_in_another_state_of_the_directory(world: World) -> None:
    await learn_note(world)
    (world.cwd / "notes.txt").unlink()
    result = await world.dispatcher(no_model).dispatch("create a file notes.txt containing hello")
    assert (result.mode, result.outcome, result.answer) == (
        Mode.FOLLOWER,
        Outcome.OK,
        "Created notes.txt containing hello.",
    )
    assert (world.cwd / "notes.txt").read_text() == "hello\n"


async def test_what_is_already_so_is_not_done_again(world: World) -> None:
    await learn_note(world)
    result = await world.dispatcher(no_model).dispatch("create a file notes.txt containing hello")
    assert (result.mode, result.answer) == (
        Mode.FOLLOWER,
        "Already as asked: notes.txt. Nothing had to change.",
    )
    assert not [event for event in world.take_events() if isinstance(event, ToolStarted)]


async def test_a_file_that_stands_in_the_way_is_never_overwritten_by_a_replay(world: World) -> None:
    await learn_note(world)
    (world.cwd / "notes.txt").write_text("precious\n")
    result = await world.dispatcher(no_model).dispatch("create a file notes.txt containing hello")
    assert (result.mode, result.exit_status) == (Mode.MIXED, ExitStatus.NO_MODEL)
    assert "notes.txt exists already" in result.reasons[0]
    assert (world.cwd / "notes.txt").read_text() == "precious\n"


async def test_a_replay_that_diverges_stops_and_the_model_goes_on(world: World) -> None:
    two = (
        ToolCall("c1", "shell", {"command": "mkdir out"}),
        ToolCall("c2", "shell", {"command": "cp s*.txt out/copy.txt"}),
    )
    (world.cwd / "source.txt").write_text("1\n")
    first = ScriptedModel([model_reply(two[0]), model_reply(two[1]), model_reply("Copied source.txt to out.")])
    await world.dispatcher(first).dispatch("make out and copy source.txt there")
    (world.cwd / "out/copy.txt").unlink()
    (world.cwd / "out").rmdir()
    (world.cwd / "source.txt").unlink()
    world.take_events()

    fix = ToolCall("c3", "shell", {"command": "touch out/copy.txt"})
    second = ScriptedModel([model_reply(fix), model_reply("source.txt is gone; out/copy.txt is empty.")])
    result = await world.dispatcher(second).dispatch("make out and copy source.txt there")
    events = world.take_events()
    assert [event for event in events if isinstance(event, StepChecked)] == [
        StepChecked(step=0, ok=True, reason="as recorded"),
        StepChecked(step=1, ok=False, reason="step 2 (shell): expected exit code 0, got exit code 1"),
    ]
    stopped = "step 2 (shell): expected exit code 0, got exit code 1"
    assert Notice(text=f"the replay stopped: {stopped}; the model goes on from there") in events
    opening = second.requests[0].messages[-1].text
    assert "1. done: shell: mkdir out (it gave: [no output])\n" in opening
    assert "2. failed: shell: cp s*.txt out/copy.txt (expected exit code 0, got exit code 1; it gave: " in opening
    assert (result.mode, result.outcome) == (Mode.MIXED, Outcome.OK)
    kept = [event for event in events if isinstance(event, TraceKept)]
    stands = "it went on from a replay that had stopped through no proven fault of the saved run, which stands"
    assert [(event.status, event.reason) for event in kept] == [("guidance", stands)]
    healed = world.records[-1].traces.load(kept[0].trace_id)
    assert [step.args["command"] for step in healed.steps] == ["mkdir out", "touch out/copy.txt"]
    assert healed.header.supersedes == ""  # source.txt was gone: the world was another, the trace is not to blame


async def test_a_replay_that_diverges_without_a_model_says_so(world: World) -> None:
    first = ScriptedModel([model_reply(ToolCall("c1", "shell", {"command": "wc -l *.txt"})), model_reply("1")])
    (world.cwd / "a.txt").write_text("x\n")
    await world.dispatcher(first).dispatch("count the lines of the text file")
    (world.cwd / "a.txt").unlink()
    result = await world.dispatcher(no_model).dispatch("count the lines of the text file")
    assert (result.outcome, result.exit_status, result.answer) == (Outcome.DIVERGED, ExitStatus.DIVERGED, "")
    assert "expected exit code 0, got exit code 1" in result.reason


async def test_with_nobody_to_ask_a_call_is_denied(world: World) -> None:
    model = ScriptedModel([model_reply(WRITE), model_reply("I may not write.")])
    result = await world.dispatcher(model, grant_all=False).dispatch("create a file notes.txt containing hello")
    assert (result.outcome, result.exit_status) == (Outcome.DENIED, ExitStatus.DENIED)
    assert not (world.cwd / "notes.txt").exists()
    assert (
        PermissionDecided(
            call_id="c1",
            tool="write_file",
            verdict=Verdict.DENY,
            by="nobody to ask",
            reason="write_file changes files, and no rule allows it; there is nobody to ask, and --yes was not given",
        )
        in world.take_events()
    )


async def test_replay_does_nothing_that_the_live_gate_refuses(world: World) -> None:
    await learn_note(world)
    (world.cwd / "notes.txt").unlink()
    deny = parse_rule("write_file(notes.txt)", Verdict.DENY, "config.yaml")
    result = await world.dispatcher(no_model, rules=[deny]).dispatch("create a file notes.txt containing hello")
    assert (result.mode, result.outcome) == (Mode.FOLLOWER, Outcome.DENIED)
    assert result.reason == "deny rule write_file(notes.txt) (config.yaml)"
    assert not (world.cwd / "notes.txt").exists()


async def test_a_person_may_refuse_with_a_reason_that_the_model_reads(world: World) -> None:
    asked: list[PermissionQuestion] = []

    async def ask(question: PermissionQuestion) -> PermissionAnswer:
        asked.append(question)
        return PermissionAnswer(allow=False, reason="use notes.md")

    model = ScriptedModel([model_reply(WRITE), model_reply("Understood.")])
    result = await world.dispatcher(model, ask=ask, grant_all=False).dispatch("create a note")
    assert result.outcome is Outcome.DENIED
    assert [question.call for question in asked] == [WRITE]
    assert model.requests[1].messages[-1] == Message("user", (ToolResult("c1", "not allowed: use notes.md", True),))


async def test_a_yes_for_the_session_is_asked_once(world: World) -> None:
    asked = 0

    async def ask(question: PermissionQuestion) -> PermissionAnswer:
        nonlocal asked
        asked += 1
        return PermissionAnswer(allow=True, scope=GrantScope.SESSION)

    calls = [ToolCall(f"c{n}", "shell", {"command": "echo 1 > one"}) for n in range(3)]
    model = ScriptedModel([model_reply(*calls), model_reply("1 1 1")])
    result = await world.dispatcher(model, ask=ask, grant_all=False).dispatch("say three numbers")
    assert (asked, result.outcome) == (1, Outcome.OK)


async def test_a_changed_file_can_be_brought_back(world: World) -> None:
    (world.cwd / "config.ini").write_text("port=1\n")
    call = ToolCall("c1", "shell", {"command": "echo broken > config.ini"})
    model = ScriptedModel([model_reply(call), model_reply("Done.")])
    await world.dispatcher(model).dispatch("set the port in config.ini")
    finished = [event for event in world.take_events() if isinstance(event, ToolFinished)]
    assert finished[0].changes == FileChanges(changed=("config.ini",))
    assert finished[0].backup is not None
    assert (Path(finished[0].backup) / "files/config.ini").read_text() == "port=1\n"


@pytest.mark.parametrize(
    ("script", "outcome", "reason"),
    [
        (
            ["I created notes.txt."],
            Outcome.UNVERIFIED,
            "no tool was run, so nothing shows that it is true",
        ),
        (
            [ToolCall("c1", "shell", {"command": "true"}), "I created notes.txt."],
            Outcome.UNVERIFIED,
            "the goal asks for a change, and no file was changed",
        ),
        ([ToolCall("c1", "shell", {"command": "false"}), "Done."], Outcome.FAILED, "the last step (shell) failed"),
    ],
)
async def test_the_word_of_a_small_model_is_not_believed(
    world: World, script: list[str | ToolCall], outcome: Outcome, reason: str
) -> None:
    insisting = [script[-1]] * 2
    model = ScriptedModel([model_reply(part) for part in (*script, *insisting)], info=SMALL)
    result = await world.dispatcher(model).dispatch("create notes.txt")
    assert (result.outcome, result.reason) == (outcome, reason)
    assert reason in model.requests[-1].messages[-1].text, "it is told why, and may mend it"
    assert await world.dispatcher(no_model).dispatch("create notes.txt", dry_run=True) is not None
    plans = [event for event in world.take_events() if isinstance(event, PlanMade)]
    assert plans[-1].mode is not Mode.FOLLOWER


async def test_a_command_that_the_model_doubts_is_not_kept_as_verified(world: World) -> None:
    def doubted(call: ToolCall) -> ModelReply:
        return replace(model_reply(call), doubt="2 of 5 draws gave this call")

    look = ToolCall("c1", "shell", {"command": "ls"})
    make = ToolCall("c2", "shell", {"command": "touch notes.txt && ls"})
    for script, outcome in (
        ([doubted(make)], Outcome.UNVERIFIED),
        ([doubted(make), model_reply(look)], Outcome.UNVERIFIED),
        ([doubted(look), model_reply(make)], Outcome.OK),
    ):
        (world.cwd / "notes.txt").unlink(missing_ok=True)
        model = ScriptedModel([*script, model_reply("Created notes.txt.")], info=SMALL)
        result = await world.dispatcher(model).dispatch("create notes.txt")
        reason = "the model was not sure of its command: 2 of 5 draws gave this call"
        assert (result.outcome, result.reason) == (outcome, reason if outcome is not Outcome.OK else "")
        assert model.unused == 0, "it is not sent back for it: it could only be as unsure again"
    kept = [event.status for event in world.take_events() if isinstance(event, TraceKept)]
    assert kept == ["draft", "draft", "verified"]


async def test_a_small_model_mends_what_it_only_claimed(world: World) -> None:
    (world.cwd / "names.txt").write_text("b\na\n")
    model = ScriptedModel(
        [
            model_reply(ToolCall("c1", "shell", {"command": "sort names.txt"})),
            model_reply("I sorted names.txt."),
            model_reply(ToolCall("c2", "shell", {"command": "sort -o names.txt names.txt"})),
            model_reply("I sorted names.txt."),
        ],
        info=SMALL,
    )
    result = await world.dispatcher(model).dispatch("sort names.txt in place")
    assert (result.outcome, (world.cwd / "names.txt").read_text()) == (Outcome.OK, "a\nb\n")
    opening = model.requests[0].messages[0].text
    assert opening == "In the working directory: names.txt\nnames.txt begins:\nb\na\n\nTask: sort names.txt in place"
    assert model.requests[3].messages[-1] == Message(
        "user", (ToolResult("c2", "[no output]\n[files: changed names.txt]"),)
    )


async def test_a_small_model_is_stopped_after_its_steps(world: World) -> None:
    calls = [model_reply(ToolCall(f"c{n}", "shell", {"command": f"echo {n}"})) for n in range(3)]
    model = ScriptedModel(calls, info=SMALL)
    result = await world.dispatcher(model, limits=TurnLimits(small_model_steps=3)).dispatch("go on for ever")
    assert (result.outcome, result.reason, model.unused) == (
        Outcome.FAILED,
        "stopped after 3 steps without an end",
        0,
    )


async def test_a_model_that_repeats_itself_is_stopped(world: World) -> None:
    model = ScriptedModel([model_reply(COUNT)] * 4)
    result = await world.dispatcher(model).dispatch("how many?")
    assert (result.outcome, result.reason) == (Outcome.FAILED, "the model repeats the same call of shell")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (ToolCall("c1", "shell", {}, "its arguments are not JSON"), "the call was not run: its arguments are not JSON"),
        (
            ToolCall("c1", "fly", {}),
            "there is no tool 'fly'; there are archival_memory_add, core_memory_edit, edit_file, list_files, "
            "memory_search, read_file, search_files, shell, write_file",
        ),
    ],
)
async def test_a_call_that_makes_no_sense_is_answered_not_run(world: World, call: ToolCall, said: str) -> None:
    model = ScriptedModel([model_reply(call), model_reply("Sorry.")])
    await world.dispatcher(model).dispatch("do something")
    assert not [event for event in world.take_events() if isinstance(event, ToolStarted)]
    assert model.requests[1].messages[-1] == Message("user", (ToolResult("c1", said, True),))


async def test_waiting_for_a_busy_server_is_shown_second_by_second(world: World) -> None:
    busy = ModelError(ModelErrorKind.RATE_LIMIT, "the server is busy", retry_after_s=3)
    model = ScriptedModel([busy, model_reply(COUNT), model_reply("0")])
    result = await world.dispatcher(model).dispatch("how many?")
    events = world.take_events()
    assert [event for event in events if isinstance(event, ModelCallFailed | RetryCountdown)] == [
        ModelCallFailed(call=1, kind="rate_limit", reason="the server is busy", cost_usd=0.0, retry_in_s=3),
        RetryCountdown(remaining_s=3, reason="the server is busy"),
        RetryCountdown(remaining_s=2, reason="the server is busy"),
        RetryCountdown(remaining_s=1, reason="the server is busy"),
    ]
    assert (result.model_calls, world.clock.sleeps) == (3, [1.0, 1.0, 1.0])


async def test_a_wait_longer_than_the_cap_is_not_begun(world: World) -> None:
    busy = ModelError(ModelErrorKind.RATE_LIMIT, "the server is busy", retry_after_s=301)
    result = await world.dispatcher(ScriptedModel([busy])).dispatch("how many?")
    assert (result.outcome, result.exit_status, world.clock.sleeps) == (Outcome.FAILED, ExitStatus.MODEL_FAILED, [])


async def test_over_the_cap_the_turn_stops_with_what_was_done(world: World) -> None:
    model = ScriptedModel([model_reply(WRITE, cost_usd=0.6)], reserve_usd=0.5)
    result = await world.dispatcher(model).dispatch("create a file notes.txt containing hello")
    assert (result.outcome, result.exit_status, result.cost_usd) == (
        Outcome.OVER_BUDGET,
        ExitStatus.OVER_BUDGET,
        0.6,
    )
    assert result.reason == (
        "the next call to scripted may cost up to $0.5000, and $0.6000 of the $1.00 for this goal is spent; "
        "raise it with --max-cost"
    )
    assert (world.cwd / "notes.txt").exists()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (model_reply("", stop_reason=StopReason.REFUSAL, stop_detail="cyber"), "the model refused this goal (cyber)"),
        (
            model_reply(WRITE, stop_reason=StopReason.UNKNOWN, stop_detail="moonrise"),
            "the model stopped for a reason this version does not know: moonrise",
        ),
        (
            model_reply(stop_reason=StopReason.CONTEXT_OVERFLOW),
            "the conversation no longer fits the model's context; start a new one",
        ),
    ],
)
async def test_a_stop_that_ends_the_turn_runs_nothing(world: World, reply: object, reason: str) -> None:
    result = await world.dispatcher(ScriptedModel([reply])).dispatch("create notes.txt")  # type: ignore[list-item]
    assert (result.outcome, result.reason, result.exit_status) == (Outcome.FAILED, reason, ExitStatus.MODEL_FAILED)
    assert not (world.cwd / "notes.txt").exists()
    assert not list((world.workspace / "traces").glob("*.yaml"))


async def test_a_paused_turn_is_sent_back_unchanged(world: World) -> None:
    paused = model_reply("thinking about it", stop_reason=StopReason.PAUSE_TURN)
    model = ScriptedModel([paused, model_reply(COUNT), model_reply("0")])
    await world.dispatcher(model).dispatch("how many?")
    assert model.requests[1].messages == (*model.requests[0].messages, paused.message)


async def test_an_answer_cut_at_the_limit_is_asked_to_go_on(world: World) -> None:
    cut = model_reply("It is ", stop_reason=StopReason.MAX_TOKENS)
    result = await world.dispatcher(ScriptedModel([cut, model_reply("four.")])).dispatch("what is it?")
    assert result.answer == "It is four."


async def test_silence_gets_one_nudge(world: World) -> None:
    model = ScriptedModel([model_reply(""), model_reply("")])
    result = await world.dispatcher(model).dispatch("say something")
    assert (result.outcome, result.reason) == (Outcome.FAILED, "the model gave no answer")


@pytest.mark.parametrize(
    ("goal", "sentence"),
    [("", "the goal is empty"), (" \n ", "the goal is empty"), ("x" * 1_000_000, "the goal has 1,000,000 bytes")],
)
async def test_a_goal_that_is_none(world: World, goal: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        await world.dispatcher(no_model).dispatch(goal)
    assert world.take_events() == []


async def test_a_dry_run_writes_nothing(world: World) -> None:
    await learn_note(world)
    (world.cwd / "notes.txt").unlink()
    before = sorted(str(path) for path in world.workspace.rglob("*") if ".llmos" not in path.parts)
    result = await world.dispatcher(no_model).dispatch("create a file notes.txt containing hello", dry_run=True)
    assert (result.mode, result.outcome, result.exit_status) == (Mode.FOLLOWER, None, ExitStatus.OK)
    assert sorted(str(path) for path in world.workspace.rglob("*") if ".llmos" not in path.parts) == before
    assert not (world.cwd / "notes.txt").exists()


async def test_the_conversation_goes_on_between_goals(world: World) -> None:
    model = ScriptedModel([model_reply(COUNT), model_reply("0"), model_reply("I said 0.")])
    dispatcher = world.dispatcher(model)
    await dispatcher.dispatch("how many python files?")
    await dispatcher.dispatch("what did you say?")
    assert [message.role for message in model.requests[2].messages] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert model.requests[2].system == model.requests[0].system


async def test_stopping_in_the_middle_of_a_command_is_on_record(world: World) -> None:
    call = ToolCall("c1", "shell", {"command": "touch begun; sleep 60; touch ended"})
    dispatcher = world.dispatcher(ScriptedModel([model_reply(call)]))
    task = asyncio.create_task(dispatcher.dispatch("sleep for long"))
    while not (world.cwd / "begun").exists():  # noqa: ASYNC110 (another process makes it)
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    events = world.take_events()
    assert isinstance(events[-2], ToolFinished)
    assert events[-2].changes == FileChanges(created=("begun",))
    assert isinstance(events[-1], TurnEnded)
    assert (events[-1].outcome, events[-1].reason) == (Outcome.INTERRUPTED, "stopped before its end")
    assert not list((world.workspace / "traces").glob("*.yaml"))


async def test_the_transcript_is_the_events(world: World) -> None:
    await learn_note(world)
    (path,) = (world.workspace / "memories/recall").glob("*.jsonl")
    names = [record["event"] for record in read_transcript(path, pytest.fail)]
    assert names == [
        "turn_started",
        "plan_made",
        "message_added",
        "model_call_started",
        "model_call_finished",
        "message_added",
        "permission_decided",
        "tool_started",
        "tool_finished",
        "message_added",
        "model_call_started",
        "model_call_finished",
        "message_added",
        "trace_kept",
        "turn_ended",
    ]


async def test_a_transcript_that_was_cut_off_is_closed_truthfully(world: World) -> None:
    await learn_note(world)
    (path,) = (world.workspace / "memories/recall").glob("*.jsonl")
    lines = path.read_text().splitlines()
    started = next(number for number, line in enumerate(lines) if json.loads(line)["event"] == "tool_started")
    path.write_text("\n".join(lines[: started + 1]) + "\n")
    world.records[0].transcript.close()
    open_folder = world.workspace / ".llmos/open"
    (open_folder / path.name).touch()
    assert close_abandoned(path.parent, open_folder, world.clock) == [
        "an earlier session was cut off while working on 'create a file notes.txt containing hello'; "
        "write_file had started and its effect is unknown"
    ]
    last = list(read_transcript(path, pytest.fail))[-1]
    assert (last["event"], last["outcome"], last["recovered"]) == ("turn_ended", "interrupted", True)
    assert close_abandoned(path.parent, open_folder, world.clock) == []


async def test_the_same_job_with_other_values_calls_no_model(world: World) -> None:
    """The mission's own pair, in the same words: the file that is asked for is made, and no other."""
    call = ToolCall("c1", "write_file", {"path": "utils.py", "content": ""})
    model = ScriptedModel([model_reply(call), model_reply("Created utils.py.")])
    await world.dispatcher(model).dispatch("Create a Python file called utils.py")
    (world.cwd / "utils.py").write_text("precious\n")
    world.take_events()

    result = await world.dispatcher(no_model).dispatch("Create a Python file called helpers.py")
    assert (result.mode, result.outcome, result.answer, result.model_calls) == (
        Mode.FOLLOWER,
        Outcome.OK,
        "Created helpers.py.",
        0,
    )
    assert {path.name: path.read_text() for path in world.cwd.iterdir()} == {"utils.py": "precious\n", "helpers.py": ""}
    plan = next(event for event in world.take_events() if isinstance(event, PlanMade))
    assert plan.values == (("utils.py", "helpers.py"),)
    assert plan.reasons == (
        "scripted did this goal before with utils.py, and it was checked; replays so far: 0 right, 0 wrong",
    )


async def test_a_job_that_only_looks_alike_is_not_replayed(world: World) -> None:
    (world.cwd / "a.txt").write_text("1\n")
    (world.cwd / "b.txt").write_text("1\n2\n")
    call = ToolCall("c1", "shell", {"command": "wc -l < a.txt"})
    model = ScriptedModel([model_reply(call), model_reply("1")])
    await world.dispatcher(model).dispatch("how many lines does a.txt have?")
    again = await world.dispatcher(no_model).dispatch("how many lines does b.txt have?")
    assert (again.mode, again.answer) == (Mode.FOLLOWER, "2")
    other = await world.dispatcher(no_model).dispatch("how many words does b.txt have?")
    assert other.mode is not Mode.FOLLOWER


async def test_a_replay_that_deletes_needs_a_yes_each_time(world: World) -> None:
    (world.cwd / "a.txt").touch()
    model = ScriptedModel(
        [model_reply(ToolCall("c1", "shell", {"command": "rm a.txt"})), model_reply("Deleted a.txt.")]
    )
    assert (await world.dispatcher(model).dispatch("delete the file a.txt")).outcome is Outcome.OK
    (world.cwd / "a.txt").touch()
    rules = [parse_rule("shell", Verdict.ALLOW, "config.yaml")]
    result = await world.dispatcher(no_model, rules=rules, grant_all=False).dispatch("delete the file a.txt")
    assert (result.mode, result.outcome) == (Mode.FOLLOWER, Outcome.DENIED)
    assert result.reason.startswith("a replay that deletes files needs a yes each time; there is nobody to ask")
    assert (world.cwd / "a.txt").exists()
    assert (await world.dispatcher(no_model).dispatch("delete the file a.txt")).outcome is Outcome.OK
