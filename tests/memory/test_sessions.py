"""Sessions from outside: what a resumed conversation holds, what a session cost, what may be deleted."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from conftest import World

from llmos.core.conversation import NOT_RUN, UNKNOWN_EFFECT
from llmos.core.errors import StoreError, UsageError
from llmos.core.events import (
    Event,
    MessageAdded,
    Mode,
    ModelCallFinished,
    ModelCallStarted,
    Outcome,
    PlanMade,
    ToolFinished,
    ToolStarted,
    TurnEnded,
    TurnStarted,
)
from llmos.core.messages import Message, StopReason, Text, ToolCall, ToolResult, Usage, user_text
from llmos.core.session_events import ConversationCompacted, MemoryTicked
from llmos.core.tool import Effect, FileChanges
from llmos.memory.sessions import Sessions, SessionState
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock, ScriptedModel, model_reply

GOAL = TurnStarted(goal="tidy up", cwd="/w", workspace="/ws", turn=1)
PLAN = PlanMade(mode=Mode.LEARNER, confidence=0.0, trace_id=None, reasons=("new",))
CALLS = tuple(ToolCall(f"c{n}", "shell", {"command": f"step {n}"}) for n in (1, 2, 3))


def asked(cost: float = 0.25, stop: StopReason = StopReason.END_TURN) -> list[Event]:
    return [
        ModelCallStarted(call=1, model="m", payer="p", small=False, reserved_usd=1.0),
        ModelCallFinished(call=1, model="m", stop_reason=stop, usage=Usage(10, 5), cost_usd=cost),
    ]


def ended(outcome: Outcome, reason: str = "", answer: str = "", mode: Mode = Mode.LEARNER, cost: float = 0.25) -> Event:
    return TurnEnded(
        outcome=outcome,
        mode=mode,
        answer=answer,
        reason=reason,
        cost_usd=cost,
        saved_usd=0.5 if mode is Mode.FOLLOWER else 0.0,
        model_calls=1,
        elapsed_s=1.0,
    )


def began(call: ToolCall) -> Event:
    return ToolStarted(call_id=call.id, tool=call.name, args=call.args, effect=Effect.EXECUTE, replayed=False)


def finished(call: ToolCall, output: str, ok: bool = True) -> Event:
    return ToolFinished(
        call_id=call.id,
        tool=call.name,
        ok=ok,
        output=output,
        stdout=output,
        exit_code=0 if ok else 1,
        truncated=False,
        total_bytes=len(output),
        changes=FileChanges(),
        backup=None,
        elapsed_s=0.1,
    )


def said(text: str) -> Message:
    return Message("assistant", (Text(text),))


def write(root: Path, *events: Event, session: str = "abcd1234", close: bool = True) -> Transcript:
    transcript = Transcript(root / "recall", root / "open", session=session, clock=FixedClock())
    for event in events:
        transcript.record(event)
    if close:
        transcript.close()
    return transcript


def sessions(root: Path) -> Sessions:
    return Sessions(root / "recall", root / "open", root / "backups")


# ------------------------------------------------------------------------------------------------------ conversations


async def test_what_is_resumed_is_what_the_session_had(world: World) -> None:
    (world.cwd / "notes.txt").write_text("a\nb\n")
    model = ScriptedModel(
        [
            model_reply(ToolCall("c1", "shell", {"command": "wc -l < notes.txt"})),
            model_reply(Text("2")),
            model_reply(Text("in words alone")),
            model_reply(Text("bye")),
        ]
    )
    dispatcher = world.dispatcher(model)
    for goal in ("count the lines of notes.txt", "count the lines of notes.txt", "say hello"):
        await dispatcher.dispatch(goal)
    found = Sessions(world.workspace / "memories/recall", world.workspace / ".llmos/open", world.workspace / "backups")
    resumed = found.load_conversation("session1")
    await dispatcher.dispatch("say bye")
    assert resumed == model.requests[-1].messages[:-1]
    assert [message.role for message in resumed] == ["user", "assistant"] * 4
    assert resumed[4:6] == (user_text("count the lines of notes.txt"), said("2"))


def test_a_turn_that_failed_is_its_goal_and_how_it_ended(tmp_path: Path) -> None:
    opening = MessageAdded(message=user_text("tidy up"))
    cut = MessageAdded(message=said("half an ans"))
    write(
        tmp_path, GOAL, PLAN, opening, *asked(stop=StopReason.MAX_TOKENS), cut, ended(Outcome.FAILED, "it did not fit")
    )
    assert sessions(tmp_path).load_conversation() == (
        user_text("tidy up"),
        said("[this turn ended failed: it did not fit]"),
    )


def test_a_call_without_an_end_is_answered_as_unknown_and_the_next_as_not_run(tmp_path: Path) -> None:
    write(
        tmp_path,
        GOAL,
        PLAN,
        MessageAdded(message=user_text("tidy up")),
        *asked(),
        MessageAdded(message=Message("assistant", (Text("I begin."), *CALLS), wire=({"type": "thinking"},))),
        began(CALLS[0]),
        finished(CALLS[0], "fine"),
        began(CALLS[1]),
    )
    resumed = sessions(tmp_path).load_conversation("abcd")
    assert resumed == (
        user_text("tidy up"),
        Message("assistant", (Text("I begin."), *CALLS)),
        Message(
            "user",
            (
                ToolResult("c1", "fine"),
                ToolResult("c2", UNKNOWN_EFFECT, is_error=True),
                ToolResult("c3", NOT_RUN, is_error=True),
            ),
        ),
        said(
            "[this turn was interrupted: the process ended in the middle of this turn; "
            "shell had started; its effect is unknown]"
        ),
    )
    assert not any(message.wire for message in resumed)


def test_an_interrupted_replay_says_what_it_had_done(tmp_path: Path) -> None:
    plan = PlanMade(mode=Mode.FOLLOWER, confidence=1.0, trace_id="t", reasons=())
    write(
        tmp_path,
        GOAL,
        plan,
        began(CALLS[0]),
        finished(CALLS[0], "fine"),
        began(CALLS[1]),
        ended(Outcome.INTERRUPTED, "stopped before its end", mode=Mode.FOLLOWER),
    )
    note = "[this turn was interrupted: stopped before its end; done: shell; shell had started; its effect is unknown]"
    assert sessions(tmp_path).load_conversation() == (user_text("tidy up"), said(note))


def test_roles_alternate_whatever_was_cut(tmp_path: Path) -> None:
    """Every beginning of a transcript gives a conversation that an API takes."""
    whole: list[Event] = [
        GOAL,
        PLAN,
        MessageAdded(message=user_text("tidy up")),
        *asked(),
        MessageAdded(message=Message("assistant", CALLS[:2])),
        began(CALLS[0]),
        finished(CALLS[0], "fine", ok=False),
        began(CALLS[1]),
        finished(CALLS[1], "fine"),
        MessageAdded(message=Message("user", (ToolResult("c1", "fine", True), ToolResult("c2", "fine")))),
        *asked(),
        MessageAdded(message=said("done")),
        ended(Outcome.OK, answer="done"),
        TurnStarted(goal="more", cwd="/w", workspace="/ws", turn=2),
    ]
    for length in range(1, len(whole) + 1):
        root = tmp_path / str(length)
        write(root, *whole[:length])
        resumed = sessions(root).load_conversation()
        assert [message.role for message in resumed] == ["user", "assistant"] * (len(resumed) // 2)
        for call_message, results in pairwise(resumed):
            wanted = [call.id for call in call_message.tool_calls]
            assert wanted == [part.call_id for part in results.parts if isinstance(part, ToolResult)] or not wanted


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"seq":1,"at":"t","event":"message_added","message":{"role":"system","parts":[]}}', "is no role"),
        ('{"seq":1,"at":"t","event":"message_added"}', "the key 'message' is missing"),
        ('{"seq":1,"at":"t"}', "the key 'event' is missing"),
        ('{"seq":1,"at":"t","event":"message_added","message":{"role":"user","parts":[3]}}', "subscriptable"),
    ],
)
def test_a_strange_record_is_one_sentence(line: str, sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path, GOAL).path
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(StoreError, match="is not a readable transcript: .*" + sentence):
        sessions(tmp_path).load_conversation()


# ----------------------------------------------------------------------------------------------------------- summaries


def test_a_session_is_summed_up(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        GOAL,
        PLAN,
        *asked(),
        ended(Outcome.OK),
        TurnStarted(goal="and more", cwd="/w2", workspace="/ws", turn=2),
        PlanMade(mode=Mode.FOLLOWER, confidence=1.0, trace_id="t", reasons=()),
        ended(Outcome.OK, mode=Mode.FOLLOWER, cost=0.0),
    ).path
    (summary,) = sessions(tmp_path).all()
    assert (summary.id, summary.path, summary.state) == ("abcd1234", path, SessionState.ENDED)
    assert (summary.turns, summary.first_goal, summary.last_goal, summary.cwd) == (2, "tidy up", "and more", "/w2")
    assert (summary.cost_usd, summary.saved_usd, summary.model_calls) == (0.25, 0.5, 2)
    assert summary.bytes == path.stat().st_size


def test_an_unfinished_turn_counts_with_what_its_calls_cost(tmp_path: Path) -> None:
    write(tmp_path, GOAL, PLAN, *asked(0.25), *asked(0.5))
    (summary,) = sessions(tmp_path).all()
    assert (summary.state, summary.cost_usd, summary.model_calls) == (SessionState.CUT_OFF, 0.75, 2)


def test_an_unreadable_transcript_hides_no_other(tmp_path: Path) -> None:
    write(tmp_path, GOAL, session="good")
    bad = write(tmp_path, GOAL, session="bad").path
    bad.write_text(bad.read_text().replace("llmos-transcript/1", "llmos-transcript/2"))
    found = sessions(tmp_path)
    assert [session.id for session in found.all()] == ["good"]
    assert len(found.problems) == 1 and str(bad) in found.problems[0] and "newer llmos" in found.problems[0]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, GOAL, PLAN).path
    with path.open("ab") as file:
        file.write(b'{"seq":9,"at":"2026","event":"turn_ended","outco')
    (summary,) = sessions(tmp_path).all()
    assert (summary.turns, summary.state) == (1, SessionState.CUT_OFF)


def test_a_session_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    for name in ("abcd1234", "abff0000", "ab"):
        write(tmp_path, GOAL, session=name)
    found = sessions(tmp_path)
    assert [found.find(name).id for name in ("abc", "ab", "2026-11-22-abff0000")] == ["abcd1234", "ab", "abff0000"]
    with pytest.raises(UsageError, match="there is no session 'zz'; `llmos sessions list` shows them"):
        found.find("zz")
    with pytest.raises(UsageError, match="'a' could be 3 sessions: ab, abcd1234, abff0000; give more of the id"):
        found.find("a")
    with pytest.raises(UsageError, match="there is no session in this workspace yet"):
        sessions(tmp_path / "empty").find()


# ------------------------------------------------------------------------------------------------------------ deleting


def test_deleting_takes_the_transcript_and_on_demand_the_copies(tmp_path: Path) -> None:
    write(tmp_path, GOAL)
    copy = tmp_path / "backups/abcd1234/1/files/notes.txt"
    copy.parent.mkdir(parents=True)
    copy.write_text("old")
    found = sessions(tmp_path)
    session = found.find()
    assert found.backups(session) == (1, 3)
    found.delete(session, backups=False)
    assert (session.path.exists(), copy.exists()) == (False, True)
    found.delete(session, backups=True)
    assert not copy.exists() and (tmp_path / "backups").is_dir()


def test_an_open_session_is_not_deleted(tmp_path: Path) -> None:
    transcript = write(tmp_path, GOAL, close=False)
    session = sessions(tmp_path).find()
    assert session.state is SessionState.OPEN
    with pytest.raises(UsageError, match="the session abcd1234 is open in another process"):
        sessions(tmp_path).delete(session, backups=True)
    assert session.path.exists()
    transcript.close()
    assert sessions(tmp_path).find().state is SessionState.CUT_OFF


def test_a_link_in_place_of_the_copies_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, GOAL)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups/abcd1234").symlink_to(precious)
    found = sessions(tmp_path)
    found.delete(found.find(), backups=True)
    assert (precious / "file").exists()


def test_what_is_spent_beside_turns_counts_with_the_turn_before_it(tmp_path: Path) -> None:
    """A summary that a session begins with counts with its first turn, an update of memory with the turn before it."""
    compacted = ConversationCompacted(
        before="old",
        summary="s",
        by="m",
        reason="",
        messages=2,
        tool_outputs=0,
        context_tokens=9,
        automatic=True,
        cost_usd=0.25,
        model_calls=1,
    )
    tick = MemoryTicked(tier="core", message=10, done=True, cost_usd=0.5, model_calls=2)
    write(tmp_path, compacted, GOAL, PLAN, ended(Outcome.OK, ""), tick, GOAL, PLAN, ended(Outcome.OK, ""))
    plain = tmp_path / "plain"
    write(plain, GOAL, PLAN, ended(Outcome.OK, ""), GOAL, PLAN, ended(Outcome.OK, ""))
    beside, without = sessions(tmp_path).turns(), sessions(plain).turns()
    assert [turn.cost_usd - bare.cost_usd for turn, bare in zip(beside, without, strict=True)] == [0.75, 0.0]
    assert [turn.model_calls - bare.model_calls for turn, bare in zip(beside, without, strict=True)] == [3, 0]
