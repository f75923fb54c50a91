"""The transcript of an agent: what stands in it, how readers of its session see it, that nothing is left over."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import World

from llmos.core.agent_roles import AgentRole
from llmos.core.batch import EffectFold
from llmos.core.event_records import event_record
from llmos.core.events import EPHEMERAL, Event, Nested, innermost
from llmos.core.messages import ToolCall
from llmos.engine.undo import last_turn, plan_undo, undo
from llmos.interfaces.delegating import Agents
from llmos.memory.abandoned import close_abandoned
from llmos.memory.forgetting import Forgetting
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.recall import Recall
from llmos.memory.repair import Repairs
from llmos.memory.sessions import Sessions, SessionState
from llmos.memory.transcript import read_session, read_transcript
from llmos.memory.workspace import Workspace, WorkspaceOrigin
from tests.interfaces.test_delegating import Worker, hand

SECRET = "sk-ant-api03-" + "A1b2C3d4E5" * 9
ANY = AgentRole("any", "does a part", "You work.")
AGENTS = Agents(lambda: ({"any": ANY}, []), lambda name: pytest.fail(name))
WRITE = ToolCall("w", "write_file", {"path": "b.txt", "content": "two\n"})
GOAL = "have b.txt written"
PLAYS = {GOAL: [(hand("write two to b.txt", "any"),), "It is written."], "write two to b.txt": [(WRITE,), "Written."]}


def recall_of(world: World) -> Path:
    return world.workspace / "memories/recall"


def space_of(world: World) -> Workspace:
    return Workspace(world.workspace, WorkspaceOrigin.FLAG, world.home)


def sessions_of(world: World) -> Sessions:
    return Sessions(recall_of(world), world.workspace / ".llmos/open", world.workspace / "backups")


def session_file(world: World) -> Path:
    (path,) = recall_of(world).glob("*.jsonl")
    return path


def agent_file(world: World, agent: str = "any-1") -> Path:
    return recall_of(world) / "agents" / session_file(world).stem / f"{agent}.jsonl"


def raw(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def kept(events: list[Event]) -> list[dict[str, Any]]:
    """The events as a log holds them, without those that none holds."""
    return [event_record(event) for event in events if not isinstance(innermost(event), EPHEMERAL)]


async def played(world: World, plays: dict[str, Any] = PLAYS, goal: str = GOAL) -> list[Event]:
    await world.dispatcher(Worker(plays), agents=AGENTS).dispatch(goal)
    return world.take_events()


async def test_what_an_agent_does_stands_in_its_own_file_and_is_linked_both_ways(world: World) -> None:
    await played(world)
    head, *records = raw(agent_file(world))
    assert head == {
        "seq": 0,
        "at": head["at"],
        "event": "session_started",
        "session": "session1/any-1",
        "agent": "any-1",
        "called_by": {"session": "session1", "call_id": "d", "parent": ""},
        "format": "llmos-transcript/1",
    }
    assert [record["event"] for record in records] == [
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
    assert [record["seq"] for record in records] == list(range(1, 16))
    lines = raw(session_file(world))
    assert [line["event"] for line in lines if line["event"] in ("tool_started", "agent_asked", "tool_finished")] == [
        "tool_started",
        "agent_asked",
        "tool_finished",
    ]
    link = next(line for line in lines if line["event"] == "agent_asked")
    assert {key: link[key] for key in ("call_id", "agent", "turn")} == {"call_id": "d", "agent": "any-1", "turn": 1}
    assert "write two" not in "".join(json.dumps(line) for line in lines if line["event"] == "nested")


async def test_its_session_is_read_as_it_was_seen(world: World) -> None:
    """Whoever reads the session sees, in the same order, what was shown and streamed while it ran."""
    seen = kept(await played(world))
    read = [
        {key: value for key, value in one.items() if key not in ("seq", "at")}
        for one in read_session(session_file(world))
    ]
    assert json.loads(json.dumps(read)) == json.loads(json.dumps(seen, default=str))
    assert sum(one["event"] == "nested" for one in read) == 15


async def test_agents_within_agents_and_beside_each_other_are_read_at_their_places(world: World) -> None:
    inner = ToolCall("i", "delegate", {"goal": "look deeper", "agent": "any"})
    look = ToolCall("l", "list_files", {"path": "."})
    plays = {
        "look twice": [(hand("look left", "any", "d1"), hand("look right", "any", "d2")), "Looked."],
        "look left": [(inner,), "left"],
        "look right": [(look,), "right"],
        "look deeper": [(look,), "deep"],
    }
    seen = kept(await played(world, plays, "look twice"))
    read = list(read_session(session_file(world)))
    places = {"any-1": 0, "any-2": 0, "any-1/any-3": 0}

    def of(records: list[dict[str, Any]], place: str) -> list[str]:
        return [one["kind"] for one in records if one["event"] == "nested" and one["parent"] == place]

    assert {place: of(read, place) == of(seen, place) != [] for place in places} == dict.fromkeys(places, True)
    assert raw(agent_file(world, "any-3"))[0]["called_by"] == {
        "session": "session1",
        "call_id": "i",
        "parent": "any-1",
    }
    assert [one.id for one in sessions_of(world).agents(sessions_of(world).find())] == [
        "session1/any-1",
        "session1/any-2",
        "session1/any-3",
    ]


async def test_an_agent_is_found_as_a_session_is(world: World) -> None:
    await played(world)
    world.records[0].transcript.close()
    found = sessions_of(world).find("session1/any-1")
    assert (found.of, found.turns, found.first_goal, found.state) == (
        "session1",
        1,
        "write two to b.txt",
        SessionState.ENDED,
    )
    assert found.cost_usd == pytest.approx(0.002)
    whole = sessions_of(world).find("session1")
    assert (whole.turns, whole.agents, whole.cost_usd) == (1, ("any-1",), pytest.approx(0.004))


async def test_what_an_agent_changed_is_undone_with_the_turn(world: World) -> None:
    (world.cwd / "b.txt").write_text("one\n")
    plays = {**PLAYS, "write two to b.txt": [(ToolCall("r", "read_file", {"path": "b.txt"}), WRITE), "Written."]}
    await played(world, plays)
    assert (world.cwd / "b.txt").read_text() == "two\n"
    turn = last_turn(read_session(session_file(world)), world.cwd)
    assert turn is not None and turn.goal == GOAL
    undo(plan_undo(turn), world.root / "undone")
    assert (world.cwd / "b.txt").read_text() == "one\n"


async def test_undo_says_what_it_cannot_know(world: World) -> None:
    await played(world)
    agent_file(world).unlink()
    lost: list[str] = []
    records = sessions_of(world).records("session1", lost.append)
    assert [record["event"] for record in records][-1] == "turn_ended"
    assert len(lost) == 1 and lost[0].startswith("what the agent any-1 did is not known: cannot read ")


async def test_a_forged_link_leads_nowhere(world: World, tmp_path: Path) -> None:
    """An agent that names itself, and one that is no name."""
    await played(world)
    link = '{"seq":99,"at":"2026-11-26T10:00:00+00:00","event":"agent_asked","call_id":"x","agent":"any-1","turn":1}\n'
    for agent in ("any-1", "../../../../secret"):
        with agent_file(world).open("a") as file:
            file.write(link.replace('"any-1"', json.dumps(agent)))
        with session_file(world).open("a") as file:
            file.write(link.replace('"any-1"', json.dumps(agent)))
    lost: list[str] = []
    assert len(list(read_session(session_file(world), lost.append))) < 100
    assert (
        lost
        == ["what the agent ../../../../secret did is not known: '../../../../secret' is not the name of an agent"] * 3
    )


# ---------------------------------------------------------------------------------------------------------- memory


async def test_only_the_persons_message_is_counted_and_taken_for_said(world: World) -> None:
    await played(world)
    assert NestedLearning(recall_of(world), world.workspace / ".llmos").track_message() == 1
    recall = Recall(recall_of(world), world.workspace / ".llmos", lambda: None)
    assert [one.text for one in recall.said_since("")] == [GOAL]
    said = [(one.name, one.role, one.speaker, one.text) for one in recall.index.latest(9)]
    ended = next(line["seq"] for line in raw(session_file(world)) if line["event"] == "turn_ended")
    assert sorted(said) == [
        ("session1/any-1:1", "assistant", "llmos", "write two to b.txt"),
        ("session1/any-1:15", "assistant", "any-1", "Written.\n(ran write_file: b.txt two\n)"),
        ("session1:1", "user", "user", GOAL),
        (f"session1:{ended}", "assistant", "llmos", "It is written.\n(ran delegate: write two to b.txt any)"),
    ]
    hits = recall.search("who wrote two to b.txt?", now=datetime(2026, 11, 26, tzinfo=UTC))
    assert "session1/any-1:1" in [hit.message.name for hit in hits]
    recall.close()


@pytest.mark.parametrize("chosen", ["session1:1", "session1/any-1:1"])
async def test_what_is_forgotten_is_in_no_transcript_of_an_agent(world: World, chosen: str) -> None:
    """By the turn that called it, whose words the agent need not share, and by what it was asked itself."""
    plays = {
        "tell the xanadu story": [(hand("say the xanadu word", "any"),), "Told."],
        "say the xanadu word": [(ToolCall("s", "shell", {"command": "echo kubla"}),), "kubla"],
    }
    await played(world, plays, "tell the xanadu story")
    space = space_of(world)
    recall = Recall(space.recall, space.derived, lambda: None)
    forgetting = Forgetting(space, MemoryEngine(space.core_blocks, space.archival), recall, world.root / "prefixes")
    assert b"kubla" in agent_file(world).read_bytes()
    forgetting.forget(forgetting.look([chosen]), datetime(2026, 11, 26, tzinfo=UTC))
    assert b"kubla" not in agent_file(world).read_bytes().lower()
    assert b"xanadu word" not in agent_file(world).read_bytes().lower()  # the id of a saved run stays, as it does
    assert [one.text for one in recall.index.latest(9) if "kubla" in one.text and "/" in one.name] == []
    assert len(list(read_session(session_file(world)))) > 15  # it can still be read
    recall.close()


async def test_a_secret_that_an_agent_saw_is_in_no_file(world: World) -> None:
    look = ToolCall("s", "shell", {"command": f"echo {SECRET}"})
    await played(world, {"go": [(hand("look", "any"),), "Done."], "look": [(look,), f"it is {SECRET}"]}, "go")
    holding = [path for path in world.workspace.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert holding == []
    assert "redacted" in agent_file(world).read_text()


# -------------------------------------------------------------------------------------------------- ends and repairs


async def test_an_agent_that_was_cut_off_gets_its_end_and_its_session_too(world: World) -> None:
    await played(world)
    world.records[0].transcript.close()
    for path, last in ((agent_file(world), "tool_started"), (session_file(world), "agent_asked")):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[: 1 + next(n for n, line in enumerate(lines) if f'"{last}"' in line)]))
    open_folder = world.workspace / ".llmos/open"
    (open_folder / session_file(world).name).touch()
    (open_folder / f"{session_file(world).stem}+any-1.jsonl").touch()
    assert sessions_of(world).find("session1").state is SessionState.CUT_OFF
    assert close_abandoned(recall_of(world), open_folder, world.clock) == [
        "an earlier session was cut off while working on 'have b.txt written'; delegate had started and its effect is "
        "unknown; write_file of the agent any-1 had started and its effect is unknown"
    ]
    for path in (agent_file(world), session_file(world)):
        last_record = raw(path)[-1]
        assert (last_record["outcome"], last_record["recovered"], last_record["seq"]) == (
            "interrupted",
            True,
            len(raw(path)) - 1,
        )
        assert "write_file" in last_record["reason"]
    assert list(open_folder.iterdir()) == []
    effects = EffectFold()
    for record in read_session(session_file(world)):
        effects.take(record)
    assert effects.effects.value == "unknown"


async def test_a_session_whose_agent_lives_in_another_process_is_left_alone(world: World) -> None:
    await played(world)
    log = world.records[0].transcript.of_agent("any-7", "d", "")
    log.record(Nested(parent="x", event=(await played(world))[0]))
    open_folder = world.workspace / ".llmos/open"
    world.records[0].transcript._marker = None  # as if its process had died; the lock itself goes with the test
    before = session_file_names(world)
    assert close_abandoned(recall_of(world), open_folder, world.clock) == []
    assert session_file_names(world) == before
    log.close()


def session_file_names(world: World) -> list[str]:
    return sorted(path.name for path in (world.workspace / ".llmos/open").iterdir())


async def test_stopping_ends_the_agents_turn_as_interrupted(world: World) -> None:
    nap = ToolCall("n", "shell", {"command": "touch begun; sleep 300.91"})
    dispatcher = world.dispatcher(Worker({"wait": [(hand("nap", "any"),)], "nap": [(nap,)]}), agents=AGENTS)
    task = asyncio.ensure_future(dispatcher.dispatch("wait"))
    for _ in range(500):
        if (world.cwd / "begun").exists():
            break
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(one["event"], one.get("outcome")) for one in raw(agent_file(world))[-2:]] == [
        ("tool_finished", None),
        ("turn_ended", "interrupted"),
    ]
    await dispatcher.close()
    assert [name for name in session_file_names(world) if "+" in name] == []


async def test_deleting_a_session_deletes_its_agents(world: World) -> None:
    await played(world)
    world.records[0].transcript.close()
    found = sessions_of(world)
    for marker in (world.workspace / ".llmos/open").iterdir():
        marker.unlink()
    found.delete(found.find("session1"), backups=True)
    assert list(recall_of(world).rglob("*.jsonl")) == []


async def test_doctor_finds_what_is_damaged_in_it(world: World) -> None:
    await played(world)
    with agent_file(world).open("a") as file:
        file.write('{"seq": 16, "torn\n{}\n')
    repairs = Repairs(space_of(world), world.clock, world.root / "none", lambda: None)
    found = [one for one in repairs.find() if one.path == agent_file(world)]
    assert [one.what for one in found] == ["damaged lines"]
    found[0].do()
    assert len(list(read_transcript(agent_file(world), pytest.fail))) == 16
