"""The transcript: whole events in order, and the truth about sessions that died."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.errors import StoreError
from llmos.core.events import (
    MessageAdded,
    Mode,
    ModelCallFailed,
    ModelCallFinished,
    ModelCallStarted,
    Notice,
    Outcome,
    PlanMade,
    PlannedStep,
    RetryCountdown,
    StepChecked,
    TextStreamed,
    ToolStarted,
    TurnEnded,
    TurnStarted,
)
from llmos.core.messages import Message, StopReason, Text, ToolCall, ToolResult, Usage
from llmos.core.tool import Effect
from llmos.memory.abandoned import close_abandoned
from llmos.memory.transcript import Transcript, last_cut_off, read_transcript
from llmos.testing import FixedClock

AT = "2026-11-22T12:00:00.000+00:00"
STARTED = TurnStarted(goal="list files", cwd="/w", workspace="/ws", turn=1)
PLAN = PlanMade(mode=Mode.FOLLOWER, confidence=0.96, trace_id="t", reasons=("r",))
TOOL = ToolStarted(call_id="c1", tool="shell", args={"command": "ls"}, effect=Effect.EXECUTE, replayed=True)
ENDED = TurnEnded(
    outcome=Outcome.OK,
    mode=Mode.FOLLOWER,
    answer="a",
    reason="",
    cost_usd=0.0,
    saved_usd=0.1,
    model_calls=0,
    elapsed_s=0.5,
)


def transcript(root: Path, session: str = "s1") -> Transcript:
    return Transcript(root / "recall", root / "open", session=session, clock=FixedClock())


def records(path: Path) -> list[dict[str, object]]:
    return list(read_transcript(path, pytest.fail))


def die(session: Transcript) -> None:
    """What the kernel does for a process that ends: the lock goes, the marker stays."""
    assert session._marker is not None
    os.close(session._marker)
    session._marker = None


def test_events_are_lines_in_order(tmp_path: Path) -> None:
    session = transcript(tmp_path)
    message = Message("assistant", (Text("x"), ToolCall("c1", "shell", {"command": "ls"}), ToolResult("c1", "a", True)))
    for event in (
        STARTED,
        TextStreamed(text="x"),
        RetryCountdown(remaining_s=1, reason="r"),
        MessageAdded(message=message),
    ):
        session.record(event)
    session.close()
    assert session.path == tmp_path / "recall/2026-11-22-s1.jsonl"
    assert records(session.path) == [
        {
            "seq": 1,
            "at": AT,
            "event": "turn_started",
            "goal": "list files",
            "cwd": "/w",
            "workspace": "/ws",
            "turn": 1,
        },
        {
            "seq": 2,
            "at": AT,
            "event": "message_added",
            "message": {
                "role": "assistant",
                "parts": [
                    {"type": "Text", "text": "x"},
                    {"type": "ToolCall", "id": "c1", "name": "shell", "args": {"command": "ls"}, "problem": ""},
                    {"type": "ToolResult", "call_id": "c1", "content": "a", "is_error": True},
                ],
            },
        },
    ]
    assert json.loads(session.path.read_bytes().splitlines()[0]) == {
        "seq": 0,
        "at": AT,
        "event": "session_started",
        "session": "s1",
        "format": "llmos-transcript/1",
    }
    assert [path.stat().st_mode & 0o777 for path in (session.path, session.path.parent)] == [0o600, 0o700]


def test_a_session_without_an_event_leaves_no_file(tmp_path: Path) -> None:
    transcript(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


@given(st.text(st.characters(codec=None), max_size=80))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    session = transcript(tmp_path_factory.mktemp("t"))
    session.record(Notice(text=text))
    session.close()
    assert [record["text"] for record in records(session.path)] == [text]


def test_a_newer_transcript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"seq":0,"event":"session_started","format":"llmos-transcript/2"}\n')
    with pytest.raises(StoreError, match=r"t\.jsonl was written by a newer llmos \(format 2"):
        records(path)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    session = transcript(tmp_path)
    session.record(STARTED)
    session.close()
    lines = session.path.read_bytes().splitlines(keepends=True)
    session.path.write_bytes(lines[0] + b"{torn\n" + lines[1])
    with pytest.raises(StoreError, match=r"2026-11-22-s1\.jsonl line 2: this is not a JSON record"):
        records(session.path)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "recall").write_text("a file")
    session = transcript(tmp_path)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot create the folder .*recall: "):
            session.record(STARTED)
    session.close()


def test_a_disk_that_is_full_leaves_whole_records(tmp_path: Path) -> None:
    """In a process of its own, because the limit on the size of files holds for all of it."""
    code = f"""
import resource, signal, sys
from pathlib import Path
from llmos.core.errors import StoreError
from llmos.core.events import Notice
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
root = Path({str(tmp_path)!r})
session = Transcript(root / "recall", root / "open", session="s1", clock=FixedClock())
for number in range(100):
    try:
        session.record(Notice(text=f"{{number}} " + "x" * 200))
    except StoreError as error:
        print(number, error)
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
session.record(Notice(text="room again"))
session.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    path = tmp_path / "recall/2026-11-22-s1.jsonl"
    number, _, sentence = done.stdout.strip().partition(" ")
    assert (done.returncode, done.stderr) == (0, "")
    assert sentence == f"cannot write {path}: there is no space left on the disk; free some and try again"
    kept = records(path)
    assert [str(record["text"]).split(" x")[0] for record in kept] == [*map(str, range(int(number))), "room again"]
    assert [record["seq"] for record in kept] == list(range(1, int(number) + 2))


class TestSessionsThatDied:
    def closed(self, root: Path) -> list[str]:
        return close_abandoned(root / "recall", root / "open", FixedClock())

    def test_a_turn_that_was_cut_off_gets_its_end(self, tmp_path: Path) -> None:
        session = transcript(tmp_path)
        call = ModelCallStarted(call=1, model="m", payer="p", small=False, reserved_usd=0.5)
        finished = ModelCallFinished(call=1, model="m", stop_reason=StopReason.TOOL_USE, usage=Usage(), cost_usd=0.25)
        failed = ModelCallFailed(call=2, kind="server", reason="r", cost_usd=0.5)
        for event in (STARTED, PLAN, call, finished, call, failed, TOOL):
            session.record(event)
        die(session)
        assert self.closed(tmp_path) == [
            "an earlier session was cut off while working on 'list files'; shell had started and its effect is unknown"
        ]
        assert records(session.path)[-1] == {
            "seq": 8,
            "at": AT,
            "event": "turn_ended",
            "outcome": "interrupted",
            "mode": "FOLLOWER",
            "answer": "",
            "reason": "the process ended in the middle of this turn; shell had started and its effect is unknown",
            "cost_usd": 0.75,
            "saved_usd": 0.0,
            "model_calls": 2,
            "elapsed_s": 0.0,
            "recovered": True,
        }
        assert self.closed(tmp_path) == []
        assert list((tmp_path / "open").iterdir()) == []

    def test_a_turn_whose_first_record_never_came_to_be_leaves_nothing(self, tmp_path: Path) -> None:
        session = transcript(tmp_path)
        session.record(STARTED)
        session.record(ENDED)
        whole = session.path.read_bytes()
        with session.path.open("ab") as file:
            file.write(whole[: len(whole) // 4])
        die(session)
        assert self.closed(tmp_path) == []
        assert session.path.read_bytes() == whole
        problems: list[str] = []
        assert len(list(read_transcript(session.path, problems.append))) == 2
        assert problems == []

    def test_a_session_that_died_in_its_first_record_leaves_an_empty_transcript(self, tmp_path: Path) -> None:
        session = transcript(tmp_path)
        session.record(STARTED)
        whole = session.path.read_bytes()
        session.path.write_bytes(whole[: len(whole) // 2])
        die(session)
        assert self.closed(tmp_path) == []
        problems: list[str] = []
        assert list(read_transcript(session.path, problems.append)) == []
        assert problems == []

    def test_a_replay_that_was_cut_off_says_how_far_it_had_come(self, tmp_path: Path) -> None:
        session = transcript(tmp_path)
        step = PlannedStep(tool="shell", args={"command": "ls"}, recorded={"command": "ls"}, effect=Effect.EXECUTE)
        plan = PlanMade(mode=Mode.FOLLOWER, confidence=0.96, trace_id="t", reasons=("r",), steps=(step, step))
        first, second = (
            ToolStarted(call_id=f"replay-{n}", tool="shell", args={}, effect=Effect.EXECUTE, replayed=True)
            for n in (1, 2)
        )
        for event in (STARTED, plan, first, StepChecked(step=0, ok=True, reason="as recorded"), second):
            session.record(event)
        die(session)
        how_far = "1 of 2 steps done, step 2 unknown (shell: ls)"
        assert last_cut_off(tmp_path / "recall") == {}  # it may be at work still
        assert self.closed(tmp_path) == [
            f"an earlier session was cut off while working on 'list files'; of the replay: {how_far}"
        ]
        assert last_cut_off(tmp_path / "recall") == {"t": how_far}
        later = transcript(tmp_path, "s2")
        later.record(STARTED)
        later.record(ENDED)
        later.close()
        assert last_cut_off(tmp_path / "recall") == {}
        assert last_cut_off(tmp_path / "nowhere") == {}

    def test_a_turn_that_had_ended_needs_none(self, tmp_path: Path) -> None:
        session = transcript(tmp_path)
        session.record(STARTED)
        session.record(ENDED)
        die(session)
        before = session.path.read_bytes()
        assert self.closed(tmp_path) == []
        assert session.path.read_bytes() == before

    def test_a_session_that_is_alive_is_left_alone(self, tmp_path: Path) -> None:
        session = transcript(tmp_path)
        session.record(STARTED)
        assert self.closed(tmp_path) == []
        session.record(ENDED)
        session.close()
        assert [record["event"] for record in records(session.path)] == ["turn_started", "turn_ended"]

    def test_a_torn_last_record_is_cut_before_the_end_is_written(self, tmp_path: Path) -> None:
        session = transcript(tmp_path)
        session.record(STARTED)
        die(session)
        with session.path.open("ab") as file:
            file.write(b'{"seq":2,"event":"tool_sta')
        assert self.closed(tmp_path) == ["an earlier session was cut off while working on 'list files'"]
        assert [record["event"] for record in records(session.path)] == ["turn_started", "turn_ended"]

    def test_what_cannot_be_closed_now_is_left_for_the_next_start(self, tmp_path: Path) -> None:
        session = transcript(tmp_path)
        session.record(STARTED)
        die(session)
        moved = session.path.rename(session.path.with_suffix(".kept"))
        session.path.mkdir()
        assert self.closed(tmp_path) == []
        session.path.rmdir()
        moved.rename(session.path)
        assert self.closed(tmp_path) == ["an earlier session was cut off while working on 'list files'"]

    def test_a_marker_without_a_transcript_goes(self, tmp_path: Path) -> None:
        (tmp_path / "open").mkdir()
        (tmp_path / "open/2026-01-01-x.jsonl").touch()
        assert self.closed(tmp_path) == []
        assert list((tmp_path / "open").iterdir()) == []

    @pytest.mark.parametrize(
        "line",
        [
            b'{"seq":"many","event":"turn_started"}',
            b'{"event":"tool_started"}',
            b'{"event":["turn_started"],"goal":{}}',
            b"[]",
            b"\xff\xff",
        ],
    )
    def test_hostile_records_end_in_no_traceback(self, tmp_path: Path, line: bytes) -> None:
        session = transcript(tmp_path)
        session.record(STARTED)
        die(session)
        with session.path.open("ab") as file:
            file.write(line + b"\n")
        self.closed(tmp_path)
        assert list((tmp_path / "open").iterdir()) == []

    def test_strange_things_among_the_markers(self, tmp_path: Path) -> None:
        folder = tmp_path / "open"
        folder.mkdir()
        (folder / "folder.jsonl").mkdir()
        (folder / "link.jsonl").symlink_to("/etc/passwd")
        os.mkfifo(folder / "pipe.jsonl")
        assert self.closed(tmp_path) == []


_WRITER = """
import sys
from pathlib import Path
from llmos.core.events import Notice, TurnStarted
from llmos.memory.abandoned import close_abandoned
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock
root, name = Path(sys.argv[1]), sys.argv[2]
for number in range(20):
    assert close_abandoned(root / "recall", root / "open", FixedClock()) == []
    session = Transcript(root / "recall", root / "open", session=f"{name}{number}", clock=FixedClock())
    for word in "abc":
        session.record(Notice(text=word))
    session.close()
"""


def test_two_processes_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), name], stderr=subprocess.PIPE)
        for name in ("one", "two")
    ]
    assert [(worker.communicate()[1], worker.returncode) for worker in workers] == [(b"", 0), (b"", 0)]
    found = sorted((tmp_path / "recall").iterdir())
    assert len(found) == 40
    assert {tuple(record["text"] for record in records(path)) for path in found} == {("a", "b", "c")}
