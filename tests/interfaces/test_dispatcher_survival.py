"""Turns that end badly: killed, out of space, a screen that crashes, a second process. What is on record stays true."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import World

from llmos.core.errors import ExitStatus, NoModelError, StoreError
from llmos.core.events import Event, Notice, Outcome, ToolStarted, TurnEnded, TurnStarted
from llmos.core.messages import ToolCall
from llmos.core.ports import Model
from llmos.memory.abandoned import close_abandoned
from llmos.memory.transcript import read_transcript
from llmos.testing import ScriptedModel, model_reply

pytestmark = pytest.mark.slow

COUNT = ToolCall("c1", "shell", {"command": "ls *.py | wc -l"})
GOAL = "how many python files are here?"

_PROCESS = """
import asyncio, json, os, sys
from pathlib import Path
from llmos.app import App, AppOptions
from llmos.core.messages import ToolCall
from llmos.interfaces.session import open_dispatcher
from llmos.testing import ScriptedModel, model_reply

exec(os.environ.get("BEFORE", ""))
events = []
model = ScriptedModel([
    model_reply(ToolCall("c1", "shell", {"command": os.environ["COMMAND"]})), model_reply(os.environ["ANSWER"])
])
app = App.open(AppOptions(), cwd=Path.cwd(), environ=os.environ, model=model)
closed = app.close_abandoned()

async def main():
    dispatcher = open_dispatcher(app, emit=lambda e: events.append(type(e).__name__ + ": " + getattr(e, "text", "")),
                                 ask=None, grant_all=True)
    result = await dispatcher.dispatch(os.environ["GOAL"])
    await app.close()
    return result

from llmos.core.errors import LlmosError
try:
    result = asyncio.run(main())
    said = {"outcome": result.outcome.value, "reason": result.reason, "answer": result.answer, "kept": result.kept,
            "exit": int(result.exit_status), "mode": result.mode.value}
except LlmosError as error:
    said = {"error": str(error), "exit": int(error.exit_status)}
print(json.dumps({**said, "closed": closed, "notices": [e[8:] for e in events if e.startswith("Notice: ")]}))
"""


class Place:
    """A home and a working directory for processes of their own."""

    def __init__(self, root: Path) -> None:
        self.home, self.work = root / "home", root / "work"
        self.home.mkdir(mode=0o700)
        self.work.mkdir()
        for name in "abc":
            (self.work / f"{name}.py").touch()

    def start(self, *, command: str = "ls *.py | wc -l", before: str = "", **more: Any) -> subprocess.Popen[str]:
        environ = {
            **os.environ,
            "LLMOS_HOME": str(self.home),
            "COMMAND": command,
            "ANSWER": "There are 3 python files here.",
            "GOAL": GOAL,
            "BEFORE": before,
        }
        return subprocess.Popen(
            [sys.executable, "-c", _PROCESS],
            cwd=self.work,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def run(self, **more: Any) -> dict[str, Any]:
        process = self.start(**more)
        out, err = process.communicate(timeout=60)
        assert (err, process.returncode) == ("", 0)
        return dict(json.loads(out))

    def transcripts(self) -> list[list[dict[str, Any]]]:
        found = sorted((self.home / "memories/recall").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        return [list(read_transcript(path, pytest.fail)) for path in found]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_killed_in_the_middle_of_a_tool_the_next_start_says_so(place: Place) -> None:
    process = place.start(command="touch begun; sleep 30")
    deadline = time.monotonic() + 90
    while not (place.work / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == -signal.SIGKILL
    (events,) = place.transcripts()
    assert events[-1]["event"] == "tool_started"
    said = place.run()
    assert said["closed"] == [
        f"an earlier session was cut off while working on {GOAL!r}; shell had started and its effect is unknown"
    ]
    assert said["outcome"] == "ok"
    dead = next(events for events in place.transcripts() if any(event.get("recovered") for event in events))
    assert {key: dead[-1][key] for key in ("event", "outcome", "mode", "model_calls", "cost_usd", "reason")} == {
        "event": "turn_ended",
        "outcome": "interrupted",
        "mode": "LEARNER",
        "model_calls": 1,
        "cost_usd": 0.001,
        "reason": "the process ended in the middle of this turn; shell had started and its effect is unknown",
    }
    assert place.run()["closed"] == []


def limited(size: int) -> str:
    """Code that makes every write beyond `size` bytes of a file fail, as a full disk does."""
    return (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    )


@pytest.mark.parametrize("size", [0, 100, 600, 1200, 1500, 2000, 2600, 3200, 4000])
def test_a_disk_that_fills_up_anywhere_is_one_sentence(place: Place, size: int) -> None:
    said = place.run(before=limited(size))
    assert not list((place.home / "traces").glob("*.yaml")) or said.get("kept")
    sentence = said.get("error") or said["reason"] or " ".join(said["notices"])
    if sentence:
        refusals = ("cannot write ", "this run was not kept: cannot write ", "the end of this turn ", "cannot make ")
        assert sentence.startswith(refusals)
        assert "\n" not in sentence
    for events in place.transcripts():
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    # With room again the same workspace works, and what was cut off is told.
    after = place.run()
    assert (after["outcome"], after["notices"]) == ("ok", [])


_MAY_NOT_OVERRIDE = """
import ctypes
class Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]
libc, header, sets = ctypes.CDLL(None, use_errno=True), Header(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capget(ctypes.byref(header), sets) == 0
sets[0] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: even root then needs the permission
assert libc.capset(ctypes.byref(header), sets) == 0
"""


def test_where_a_trace_cannot_be_written_the_answer_is_not_lost(place: Place) -> None:
    traces = place.home / "traces"
    traces.mkdir()
    traces.chmod(0o555)
    said = place.run(before=_MAY_NOT_OVERRIDE)
    traces.chmod(0o755)
    (notice,) = said["notices"]
    assert notice.startswith(f"this run was not kept: cannot write {traces}/how-many-python-files-are-here-")
    assert notice.endswith(".yaml: permission denied; check who owns it and its mode")
    assert {key: said[key] for key in ("outcome", "answer", "kept", "exit")} == {
        "outcome": "ok",
        "answer": "There are 3 python files here.",
        "kept": None,
        "exit": 0,
    }


def test_a_workspace_that_may_not_be_written_is_one_sentence(place: Place) -> None:
    place.home.chmod(0o555)
    said = place.run(before=_MAY_NOT_OVERRIDE)
    place.home.chmod(0o755)
    assert said["error"] == (
        f"cannot create the folder {place.home}/memories/recall: permission denied; check who owns it and its mode"
    )
    assert said["exit"] == ExitStatus.STORE


def test_where_the_index_may_not_be_written_replays_go_on(place: Place) -> None:
    assert place.run()["kept"]
    derived = place.home / ".llmos"
    derived.chmod(0o555)
    (derived / "traces.sqlite").chmod(0o444)
    said = place.run(before=_MAY_NOT_OVERRIDE)
    derived.chmod(0o755)
    assert (said["mode"], said["outcome"], said["answer"]) == ("FOLLOWER", "ok", "There are 3 python files here.")


def test_a_goal_that_is_no_text_is_worked_on_all_the_same(place: Place) -> None:
    process = place.start(before="os.environ['GOAL'] = 'how many files \\udcff'")
    out, err = process.communicate(timeout=60)
    assert (err, process.returncode) == ("", 0)
    said = json.loads(out)
    assert (said["outcome"], said["kept"]) == ("ok", None)
    assert said["notices"] == [
        "this run was not kept: a text with half a character (a lone surrogate) cannot be written as UTF-8"
    ]


def test_two_processes_on_one_workspace_at_once(place: Place) -> None:
    processes = [place.start() for _ in range(3)]
    said = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (err, process.returncode) == ("", 0)
        said.append(json.loads(out))
    assert {(each["outcome"], each["answer"], *each["closed"]) for each in said} == {
        ("ok", "There are 3 python files here.")
    }
    again = place.run()
    assert (again["mode"], again["outcome"]) == ("FOLLOWER", "ok")
    assert len(place.transcripts()) == 4


class Crashing:
    """A screen that crashes at one kind of event."""

    def __init__(self, world: World, kind: type[Event]) -> None:
        self._world = world
        self._kind = kind

    def __call__(self, event: Event) -> None:
        if isinstance(event, self._kind):
            raise ZeroDivisionError("a bug in the screen")
        self._world.events.append(event)


@pytest.mark.parametrize("kind", [ToolStarted, TurnEnded, TurnStarted])
async def test_a_screen_that_crashes_leaves_a_true_record(world: World, kind: type[Event]) -> None:
    model = ScriptedModel([model_reply(ToolCall("c1", "shell", {"command": "touch a.txt"})), model_reply("Done.")])
    dispatcher = world.dispatcher(model, emit=Crashing(world, kind))
    with pytest.raises(ZeroDivisionError):
        await dispatcher.dispatch("create a.txt")
    (path,) = (world.workspace / "memories/recall").glob("*.jsonl")
    last = list(read_transcript(path, pytest.fail))[-1]
    expected = {
        ToolStarted: ("turn_ended", "failed", False),
        TurnEnded: ("turn_ended", "ok", True),
        TurnStarted: ("turn_ended", "failed", False),
    }
    assert (last["event"], last.get("outcome"), (world.cwd / "a.txt").exists()) == expected[kind]


async def test_stopped_while_it_decides_the_turn_has_an_end(world: World) -> None:
    class Judge:
        began = asyncio.Event()

    async def slow(*_: object) -> Any:
        Judge.began.set()
        await asyncio.sleep(3600)

    model = ScriptedModel([model_reply(COUNT), model_reply("0")])
    await world.dispatcher(model).dispatch("count the files of src")
    world.take_events()
    dispatcher = world.dispatcher(ScriptedModel([]), judge=ScriptedModel([slow], reserve_usd=0.5))
    task = asyncio.create_task(dispatcher.dispatch("count the files of lib"))
    await Judge.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    events = world.take_events()
    assert isinstance(events[-1], TurnEnded)
    assert (events[-1].outcome, events[-1].cost_usd, events[-1].model_calls) == (Outcome.INTERRUPTED, 0.5, 1)


async def test_what_judging_cost_is_part_of_the_turn(world: World) -> None:
    model = ScriptedModel([model_reply(COUNT), model_reply("0"), model_reply(COUNT), model_reply("0")])
    await world.dispatcher(model).dispatch("count the files of src")
    verdict = '{"verdicts": [{"number": 1, "reason": "r", "confidence": 0.8, "values": []}]}'
    judge = ScriptedModel([model_reply(verdict, cost_usd=0.25)])
    result = await world.dispatcher(model, judge=judge).dispatch("count the files of lib")
    assert (result.confidence, result.cost_usd, result.model_calls) == (pytest.approx(0.768), 0.252, 3)


async def test_a_replay_that_cannot_be_counted_is_done_all_the_same(world: World) -> None:
    (world.cwd / "a.py").touch()
    model = ScriptedModel([model_reply(COUNT), model_reply("1")])
    await world.dispatcher(model).dispatch(GOAL)
    # A link is read through but never written through.
    (world.workspace / "elsewhere.jsonl").touch()
    (world.workspace / "traces/outcomes.jsonl").symlink_to(world.workspace / "elsewhere.jsonl")
    world.take_events()

    def no_model() -> Model:
        raise NoModelError("no model can answer")

    result = await world.dispatcher(no_model).dispatch(GOAL)
    assert (result.outcome, result.answer, result.exit_status) == (Outcome.OK, "1", ExitStatus.OK)
    (notice,) = [event for event in world.take_events() if isinstance(event, Notice)]
    assert notice.text.startswith("this replay does not count: cannot write ")


async def test_a_turn_that_cannot_be_recorded_does_nothing(world: World) -> None:
    (world.workspace / "memories").write_text("a file stands in the way")
    model = ScriptedModel([model_reply(COUNT), model_reply("0")])
    with pytest.raises(StoreError, match="cannot create the folder "):
        await world.dispatcher(model).dispatch(GOAL)
    assert (model.requests, world.take_events()) == ([], [])


def test_a_marker_of_a_live_session_is_left_alone(world: World) -> None:
    record = world.record()
    record.transcript.record(TurnStarted(goal="g", cwd="/w", workspace="/ws", turn=1))
    folder = world.workspace / ".llmos/open"
    assert close_abandoned(world.workspace / "memories/recall", folder, world.clock) == []
    assert len(list(folder.iterdir())) == 1
