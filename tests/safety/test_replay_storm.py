"""Two replays do not write in one place at once, and a saved run that calls llmos comes to an end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_world import Llmos
from conftest import World
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.depth import DEPTH, MOST, depth_of, next_depth
from llmos.core.errors import NoModelError, UsageError
from llmos.core.events import Event, Mode, Notice, Outcome, ToolFinished, ToolStarted
from llmos.core.messages import ToolCall
from llmos.core.policy import TurnLimits
from llmos.core.ports import Model
from llmos.memory.replay_lock import Busy, ReplayLock, Taken, replays_folder
from llmos.testing import Answer, FakeMessagesServer, ScriptedModel, model_reply, reply, text, tool_use

GOAL = "append x to log.txt and stamp it"
# What interleaves is seen: each run writes its beginning, waits, and writes its end.
STEPS = "echo begin >> log.txt; sleep 0.2; echo end >> log.txt"


def no_model() -> Model:
    raise NoModelError("no model can answer")


async def learn(world: World, command: str = STEPS) -> None:
    (world.cwd / "log.txt").write_text("")
    look = model_reply(ToolCall("c0", "shell", {"command": "cat log.txt"}))
    model = ScriptedModel([look, model_reply(ToolCall("c1", "shell", {"command": command})), model_reply("Done.")])
    await world.dispatcher(model).dispatch(GOAL)
    (world.cwd / "log.txt").write_text("")
    world.take_events()


async def overlapping(world: World, *, locks: int) -> list[str]:
    """Steps that one of two replays began while the other was between its first step and its last."""
    order: list[tuple[int, Event]] = []
    sessions = [
        world.dispatcher(
            no_model,
            limits=TurnLimits(replay_wait_s=1e6),
            emit=lambda event, at=at: order.append((at, event)),  # type: ignore[misc]
        )
        for at in range(2)
    ]
    for at, record in enumerate(world.records[-2:]):
        record.traces.replay_lock = ReplayLock(world.root / f"home{at % locks}")
    await asyncio.gather(*(session.dispatch(GOAL) for session in sessions))
    calls = [(at, event) for at, event in order if isinstance(event, ToolStarted | ToolFinished)]
    found = []
    for at in (0, 1):
        mine = [number for number, (who, _) in enumerate(calls) if who == at]
        inside = calls[mine[0] : mine[-1]] if mine else []
        found += [f"{who}: {event.tool}" for who, event in inside if who != at and isinstance(event, ToolStarted)]
    world.events.extend(event for _, event in order)
    return found


async def test_two_replays_in_one_folder_run_one_after_the_other(world: World) -> None:
    await learn(world)
    assert await overlapping(world, locks=1) == []
    assert (world.cwd / "log.txt").read_text().split()[:2] == ["begin", "end"]
    notices = [event.text for event in world.take_events() if isinstance(event, Notice)]
    assert any(f"another replay (process {os.getpid()}) writes in {world.cwd}" in one for one in notices)


async def test_without_the_lock_they_would_interleave(world: World) -> None:
    """The partner: the same two replays, each under a lock of its own."""
    await learn(world)
    assert await overlapping(world, locks=2) != []


async def test_after_a_time_it_is_a_miss_with_a_reason(world: World) -> None:
    await learn(world)
    taken = ReplayLock(world.home).take(world.cwd)
    assert isinstance(taken, Taken)
    result = await world.dispatcher(no_model, limits=TurnLimits(replay_wait_s=3.0)).dispatch(GOAL)
    assert (result.outcome, (world.cwd / "log.txt").read_text()) == (Outcome.DIVERGED, "")
    who = f"another replay (process {os.getpid()}) writes in {world.cwd}"
    assert result.reason.startswith(f"{who} for 3 s by now, and two do not write in one place at once")
    taken.release()
    assert (await world.dispatcher(no_model).dispatch(GOAL)).mode is Mode.FOLLOWER


async def test_a_replay_that_only_looks_waits_for_nobody(world: World) -> None:
    (world.cwd / "a.txt").write_text("1\n2\n")
    goal = "count the lines of a.txt"
    model = ScriptedModel([model_reply(ToolCall("c", "shell", {"command": "wc -l < a.txt"})), model_reply("2")])
    await world.dispatcher(model).dispatch(goal)
    taken = ReplayLock(world.home).take(world.cwd)
    assert isinstance(taken, Taken)
    assert (await world.dispatcher(no_model).dispatch(goal)).mode is Mode.FOLLOWER
    taken.release()


paths = st.lists(st.sampled_from("abc"), max_size=3).map(lambda parts: "/work/" + "/".join(parts))


@given(paths, paths)
def test_folders_meet_where_one_holds_the_other(one: str, other: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / ".llmos"
        taken = ReplayLock(home).take(Path(one))
        second = ReplayLock(home).take(Path(other))
        meet = Path(one).is_relative_to(other) or Path(other).is_relative_to(one)
        assert isinstance(taken, Taken) and isinstance(second, Busy if meet else Taken)
        taken.release()
        assert isinstance(ReplayLock(home).take(Path("/work")), Taken if meet else Busy)


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    home = tmp_path / ".llmos"
    code = (
        "import sys, time; from pathlib import Path; from llmos.memory.replay_lock import ReplayLock; "
        f"taken = ReplayLock(Path({str(home)!r})).take(Path({str(tmp_path)!r})); print(taken, flush=True); "
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline().startswith("Taken")
        assert isinstance(ReplayLock(home).take(tmp_path), Busy)
        child.send_signal(signal.SIGKILL)
    taken = ReplayLock(home).take(tmp_path)
    assert isinstance(taken, Taken)
    assert [path.name for path in replays_folder(home).glob("*.marker")] == [taken.path.name]  # the other was swept
    taken.release()


def test_a_command_is_told_how_deep_it_is(llmos: Llmos, api: FakeMessagesServer) -> None:
    command = f"echo depth=${DEPTH}"
    api.add(reply(tool_use("shell", {"command": command})), reply(text("depth=1")))
    ended = llmos("run", "-y", "say how deep you are")
    assert ended.out == "depth=1\n"
    assert DEPTH not in os.environ


@pytest.mark.slow
def test_a_run_that_calls_itself_ends_in_a_sentence(work: Path) -> None:
    """Without a sandbox, where a command can reach llmos and its store: the worst case."""
    asked = []
    log = work / "log.txt"

    def model(body: dict[str, object]) -> Answer:
        asked.append(body)
        said = json.dumps(body["messages"][-1])  # type: ignore[index]
        return reply(text("Done.")) if "tool_result" in said else reply(tool_use("shell", {"command": inner}))

    with FakeMessagesServer(model) as server:
        again = f"{sys.executable} -m llmos run --unsafe-no-sandbox -y -q 'begin again'"
        key = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}
        inner = f"{' '.join(f'{name}={value}' for name, value in key.items())} {again} 2>&1 | tee -a {log}; true"
        environ = {**os.environ, **key}
        ended = subprocess.run(again, shell=True, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode in (0, 3), ended.stderr
    assert len(asked) == 2 * (MOST + 1)
    told = f"this llmos was started by a command of another one, and {MOST} inside each other are the most"
    assert log.read_text().count(told) >= 1


@given(st.text(max_size=8))
def test_what_is_no_depth_is_too_deep(said: str) -> None:
    depth = depth_of({DEPTH: said})
    assert depth > MOST or (said.isdecimal() and depth == int(said))
    if depth > MOST:
        with pytest.raises(UsageError, match="started by a command of another one"):
            next_depth({DEPTH: said})
    else:
        assert next_depth({DEPTH: said}) == str(depth + 1)
