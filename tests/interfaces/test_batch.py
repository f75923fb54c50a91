"""`llmos batch`: many goals through the real command, the real shell and the real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_world import Llmos
from terminal_world import terminal

from llmos.memory.files import OwnLines
from llmos.memory.locks import StoreLock, take_marker
from llmos.testing import FakeMessagesServer, reply, text, tool_use, usage

pytestmark = pytest.mark.slow

APPEND = "append the line item-0 to log.txt"
COMMAND = "echo item-0 >> log.txt; while test -e hold; do sleep 0.02; done"
"""The effect shows a goal that was run twice; the file `hold` keeps a goal in the middle of its step."""


@pytest.fixture
def learned(llmos: Llmos, api: FakeMessagesServer, work: Path) -> str:
    """The goal above was worked out once, for a folder of its own; from now on no model is there."""
    (work / "log.txt").write_text("start\n")
    api.add(reply(tool_use("shell", {"command": COMMAND})), reply(text("Appended.")))
    ended = llmos("run", "-y", "-o", "json", APPEND)
    (work / "log.txt").unlink()
    return str(json.loads(ended.out)["kept"])


def place(work: Path, name: str) -> Path:
    folder = work / name
    folder.mkdir()
    (folder / "log.txt").write_text("start\n")
    return folder


def goals(work: Path, *pairs: tuple[str, str], name: str = "goals.jsonl") -> Path:
    """An input with one goal for each pair of an item and a folder."""
    lines = [
        json.dumps({"id": item, "goal": f"append the line {item} to log.txt", "directory": folder})
        for item, folder in pairs
    ]
    (work / name).write_text("\n".join(lines) + "\n")
    return work / name


def rows(work: Path, name: str = "goals.results.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work / name).read_text().splitlines()]


def log(work: Path, folder: str) -> list[str]:
    return (work / folder / "log.txt").read_text().split()[1:]


def test_goals_are_replayed_and_a_second_run_does_none_again(llmos: Llmos, learned: str, work: Path) -> None:
    place(work, "a"), place(work, "b")
    goals(work, ("x1", "a"), ("x2", "b"), ("x3", "a"))
    first = llmos("batch", "--offline", "-y", "-o", "json", "goals.jsonl")
    assert first.code == 0, first.err
    assert (log(work, "a"), log(work, "b")) == (["x1", "x3"], ["x2"])
    found = sorted(rows(work), key=lambda row: row["id"])
    assert [(row["id"], row["status"], row["mode"], row["answer"], row["trace"]) for row in found] == [
        (item, "ok", "FOLLOWER", "Appended.", learned) for item in ("x1", "x2", "x3")
    ]
    summary = json.loads(first.out)
    assert (summary["statuses"], summary["modes"], summary["cost_usd"]) == ({"ok": 3}, {"FOLLOWER": 3}, 0.0)
    again = llmos("batch", "--offline", "-y", "goals.jsonl")
    assert (again.code, again.out.splitlines()[0]) == (0, "3 goals: 3 ok · 3 of them before")
    assert (log(work, "a"), log(work, "b")) == (["x1", "x3"], ["x2"])
    # What is new is done, wherever it stands.
    goals(work, ("x4", "b"), ("x1", "a"), ("x2", "b"), ("x3", "a"))
    assert llmos("batch", "--offline", "-y", "goals.jsonl").code == 0
    assert (log(work, "a"), log(work, "b")) == (["x1", "x3"], ["x2", "x4"])


def test_each_goal_is_a_session_that_can_be_shown(llmos: Llmos, learned: str, work: Path) -> None:
    place(work, "a")
    goals(work, ("x1", "a"))
    llmos("batch", "--offline", "-y", "goals.jsonl")
    shown = llmos("sessions", "show", rows(work)[0]["session"])
    assert shown.code == 0 and "append the line x1 to log.txt" in shown.out


def test_a_bad_line_is_told_and_the_rest_goes_on(llmos: Llmos, learned: str, work: Path) -> None:
    place(work, "a")
    good = json.dumps({"goal": "append the line x1 to log.txt", "directory": "a"})
    (work / "big.jsonl").write_text("\n" * 6_999 + '{"gaol": "append"}\n' + good + "\n")
    ended = llmos("batch", "--offline", "-y", "big.jsonl")
    assert ended.code == 1
    assert ended.err.splitlines()[0] == (
        "llmos: big.jsonl line 7000: 'gaol' is no field of a goal; you may mean 'goal'; the line was left out"
    )
    assert ended.out.splitlines()[0] == "1 goal: 1 ok · 1 bad line"
    assert log(work, "a") == ["x1"]


def test_what_fails_says_why_and_is_run_again_only_when_asked(llmos: Llmos, learned: str, work: Path) -> None:
    place(work, "a")
    goals(work, ("x1", "a"), ("x2", "missing"))
    first = llmos("batch", "--offline", "-y", "goals.jsonl")
    assert (first.code, log(work, "a")) == (1, ["x1"])
    reason = f"its directory {work}/missing does not exist; make it, or correct the line"
    assert f"failed · line 2 · x2: append the line x2 to log.txt: {reason}" in first.err
    assert [(row["status"], row["reason"]) for row in rows(work)] == [("failed", reason), ("ok", "")]
    place(work, "missing")
    second = llmos("batch", "--offline", "-y", "goals.jsonl")
    assert (second.code, log(work, "missing")) == (1, [])
    assert "llmos: 1 of them did not go well; --retry-failed runs it again" in second.err
    third = llmos("batch", "--offline", "-y", "--retry-failed", "goals.jsonl")
    assert (third.code, log(work, "a"), log(work, "missing")) == (0, ["x1"], ["x2"])


def test_nobody_is_asked(llmos: Llmos, learned: str, work: Path) -> None:
    place(work, "a")
    goals(work, ("x1", "a"))
    ended = llmos("batch", "--offline", "goals.jsonl")
    (row,) = rows(work)
    assert (ended.code, row["status"], row["effects"], log(work, "a")) == (1, "denied", "none", [])


def test_a_dry_run_decides_in_order_and_keeps_nothing(llmos: Llmos, learned: str, work: Path) -> None:
    place(work, "a"), place(work, "b")
    goals(work, ("x1", "a"), ("x2", "b"), ("x3", "a"))
    before = sorted(str(path) for path in work.rglob("*"))
    ended = llmos("batch", "--dry-run", "--offline", "goals.jsonl")
    assert ended.code == 0
    assert [line.split(" · ")[:2] for line in ended.out.splitlines()[:3]] == [
        ["0.95 planned FOLLOWER", f"line {number}"] for number in (1, 2, 3)
    ]
    assert sorted(str(path) for path in work.rglob("*")) == before


def test_frozen_nothing_is_written_but_the_results(llmos: Llmos, learned: str, work: Path, tmp_path: Path) -> None:
    place(work, "a")
    goals(work, ("x1", "a"))
    home = Path(os.environ["LLMOS_HOME"])
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    ended = llmos("batch", "--freeze", "--offline", "-y", "goals.jsonl")
    assert (ended.code, log(work, "a")) == (0, ["x1"])
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()} == before


def test_goals_from_a_pipe_in_plain_words(llmos: Llmos, learned: str, work: Path) -> None:
    (work / "log.txt").write_text("start\n")
    ended = llmos(
        "batch", "--offline", "-y", "-", stdin=b"append the line x1 to log.txt\n\nappend the line x2 to log.txt"
    )
    assert ended.code == 0, ended.err
    assert log(work, ".") == ["x1", "x2"]
    assert [row["id"] for row in rows(work, "llmos-batch.results.jsonl")] == ["1", "3"]


def test_what_a_goal_teaches_serves_the_next(llmos: Llmos, api: FakeMessagesServer, work: Path) -> None:
    place(work, "a"), place(work, "b")
    api.add(reply(tool_use("shell", {"command": COMMAND.replace("item-0", "x1")})), reply(text("Appended.")))
    goals(work, ("x1", "a"), ("x2", "b"))
    ended = llmos("batch", "-y", "-w", "1", "goals.jsonl")
    assert ended.code == 0, ended.err
    assert [(row["mode"], row["model_calls"]) for row in rows(work)] == [("LEARNER", 2), ("FOLLOWER", 0)]
    assert (log(work, "a"), log(work, "b")) == (["x1"], ["x2"])


def test_one_cap_over_all_goals_and_over_all_runs(llmos: Llmos, api: FakeMessagesServer, work: Path) -> None:
    """A call may cost $0.168 and costs $0.15: the fourth does not fit. A later run has what the first had left."""
    for name in "abcde":
        place(work, name)
    api.add(*(reply(text("Thought."), usage=usage(output=15_000)) for _ in range(5)))
    lines = [json.dumps({"goal": f"think of {name}", "directory": name}) for name in "abcde"]
    (work / "goals.jsonl").write_text("\n".join(lines))
    first = llmos("batch", "--cap", "0.5", "-w", "1", "-o", "json", "goals.jsonl")
    assert json.loads(first.out)["statuses"] == {"over_budget": 2, "unverified": 3}
    assert json.loads(first.out)["cost_usd"] == pytest.approx(0.45, abs=0.01)
    assert "of the $0.50 for this batch is spent; raise --cap" in first.err
    same = llmos("batch", "--cap", "0.5", "-w", "1", "-o", "json", "goals.jsonl")
    assert json.loads(same.out)["statuses"] == {"over_budget": 2, "unverified": 3}
    assert json.loads(same.out)["cost_usd"] == 0.0
    more = llmos("batch", "--cap", "5", "-w", "1", "-o", "json", "goals.jsonl")
    assert json.loads(more.out)["statuses"] == {"unverified": 5}
    assert (more.code, len(api.requests)) == (3, 5)


def test_two_batches_do_not_meet(llmos: Llmos, learned: str, work: Path) -> None:
    place(work, "a")
    goals(work, ("x1", "a"))
    home = Path(os.environ["LLMOS_HOME"])
    (home / ".llmos").mkdir(exist_ok=True)
    with StoreLock(home / ".llmos/batch.lock"):
        other = llmos("batch", "--offline", "-y", "goals.jsonl")
    assert (other.code, other.err) == (
        2,
        f"llmos: another batch works on the workspace {home} now; let it finish, or give this one a workspace of its "
        "own with --workspace\n",
    )
    held = OwnLines(work / "goals.results.jsonl")
    third = llmos("batch", "--offline", "-y", "goals.jsonl")
    held.close()
    assert (third.code, third.err) == (
        2,
        f"llmos: another batch writes to {work}/goals.results.jsonl now; let it finish, or choose another file with "
        "--out\n",
    )
    assert log(work, "a") == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.txt"], "there is no {work}/none.txt; name a file with one goal a line, or - for standard input"),
        (["empty.txt"], "empty.txt holds no goal; write one a line"),
        (
            ["--out", "none/x.jsonl", "goals.txt"],
            "the folder {work}/none for the results does not exist; make it, or choose another with --out",
        ),
        (["--out", "notes.txt", "goals.txt"], None),
        (
            ["--out", "-", "goals.txt"],
            "results are kept in a file, so that a batch can go on; `-o stream-json` prints them too",
        ),
    ],
)
def test_bad_input_in_a_sentence(llmos: Llmos, work: Path, words: list[str], sentence: str | None) -> None:
    (work / "empty.txt").write_text("\n\n")
    (work / "goals.txt").write_text("count the files\n")
    ended = llmos("batch", "--offline", *words)
    assert ended.code in (2, 8) and len(ended.err.splitlines()) == 1 and ended.out == ""
    if sentence is not None:
        assert ended.err == f"llmos: {sentence.format(work=work)}\n"
    assert (work / "notes.txt").read_text() == "a\nb\nc\n"


# ------------------------------------------------------------------------------------------- stopped in the middle


def start(work: Path, *words: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "llmos", "batch", "--offline", "-y", *words, "goals.jsonl"]
    return subprocess.Popen(argv, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def still_running(work: Path) -> list[str]:
    """The commands of this test that any process still runs."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(work) in str((entry.parent / "cwd").readlink()):
                found.append((entry.parent / "cmdline").read_text())
        except OSError:
            continue
    return [line for line in found if "log.txt" in line or "second.txt" in line]


@pytest.fixture
def held(learned: str, work: Path) -> Path:
    """Three goals: the first goes through, the other two stay in the middle of their step."""
    for name in "abc":
        place(work, name)
    for name in "bc":
        (work / name / "hold").touch()
    return goals(work, ("x1", "a"), ("x2", "b"), ("x3", "c"), ("x4", "a"))


def release(work: Path) -> None:
    for name in "bc":
        (work / name / "hold").unlink()


def begun(work: Path) -> bool:
    return log(work, "a") == ["x1", "x4"] and log(work, "b") == ["x2"] and log(work, "c") == ["x3"]


def test_after_a_kill_nothing_is_lost_and_nothing_done_twice(held: Path, work: Path, llmos: Llmos) -> None:
    process = start(work, "-w", "3")
    wait_for(lambda: begun(work) and len(rows(work)) == 2)
    process.kill()
    process.communicate()
    wait_for(lambda: still_running(work) == [])
    assert [(row["id"], row["status"]) for row in rows(work)] == [("x1", "ok"), ("x4", "ok")]
    release(work)
    second = llmos("batch", "--offline", "-y", "goals.jsonl")
    assert second.code == 1
    assert [(row["id"], row["status"], row["effects"]) for row in rows(work)[2:]] == [
        ("x2", "unknown", "unknown"),
        ("x3", "unknown", "unknown"),
    ]
    assert rows(work)[2]["reason"] == (
        "it was cut off in the middle: step 1 (shell: echo x2 >> log.txt; while test -e hold; do sleep 0.02; done) had "
        "begun, and whether it was done cannot be told; look at log.txt, then --retry-unknown runs it again"
    )
    assert begun(work)
    third = llmos("batch", "--offline", "-y", "--retry-unknown", "goals.jsonl")
    assert (third.code, log(work, "b"), log(work, "c")) == (0, ["x2", "x2"], ["x3", "x3"])


STEPS = (
    "echo item-0 >> log.txt; while test -e hold; do sleep 0.02; done",
    "sleep 1; echo item-0 >> second.txt",
    "wc -l < second.txt",
)


@pytest.fixture
def learned_in_three(llmos: Llmos, api: FakeMessagesServer, work: Path) -> str:
    """A job of three steps: the first stops after its effect where a file says so, the second a while before it."""
    for name in ("log.txt", "second.txt"):
        (work / name).write_text("start\n")
    for number, step in enumerate(STEPS):
        api.add(reply(tool_use("shell", {"command": step}, id=f"toolu_{number}")))
    api.add(reply(text("second.txt has 2 lines.")))
    ended = llmos("run", "-y", "-o", "json", "append the line item-0 to log.txt and second.txt and count the lines")
    for name in ("log.txt", "second.txt"):
        (work / name).unlink()
    return str(json.loads(ended.out)["kept"])


def three_steps(work: Path) -> Path:
    """One goal over the three steps."""
    folder = place(work, "a")
    (folder / "second.txt").write_text("start\n")
    goal = "append the line x1 to log.txt and second.txt and count the lines"
    (work / "goals.jsonl").write_text(json.dumps({"id": "x1", "goal": goal, "directory": "a"}) + "\n")
    return folder


def begun_steps(step: int) -> int:
    """How often that step of a replay was begun, by the transcripts of all sessions."""
    home = Path(os.environ["LLMOS_HOME"])
    said = "".join(path.read_text() for path in (home / "memories/recall").glob("*.jsonl"))
    return said.count(f'"tool_started","call_id":"replay-{step}"')


def kill_in(work: Path, step: int, times: int = 1) -> None:
    """Run the batch and kill it (SIGKILL) while that step runs, which was begun so many times then.

    A sandbox that is just being started would outlive its llmos: what is in it must run.
    """
    process = start(work, "-w", "1")
    wait_for(lambda: begun_steps(step) == times and log(work, "a") == ["x1"])
    wait_for(lambda: any(line.startswith("bash") for line in still_running(work)))
    process.kill()
    process.communicate()
    wait_for(lambda: still_running(work) == [])


def test_a_replay_that_was_killed_goes_on_in_the_step_that_did_nothing_yet(
    learned_in_three: str, work: Path, llmos: Llmos
) -> None:
    """Killed twice in its second step: the first is done once, and the answer is from this goal's run."""
    folder = three_steps(work)
    kill_in(work, 2)
    kill_in(work, 2, times=2)
    llmos("batch", "--offline", "-y", "goals.jsonl")
    (row,) = rows(work)
    facts = ("status", "mode", "answer", "effects", "trace", "cost_usd", "reason")
    assert [row[name] for name in facts] == [
        "ok",
        "FOLLOWER",
        "second.txt has 2 lines.",
        "known",
        learned_in_three,
        0.0,
        "",
    ], row
    assert (begun_steps(1), begun_steps(2), log(work, "a")) == (1, 3, ["x1"])
    assert (folder / "second.txt").read_text() == "start\nx1\n"


def test_a_replay_that_was_stopped_goes_on_too(learned_in_three: str, work: Path, llmos: Llmos) -> None:
    folder = three_steps(work)
    process = start(work)
    wait_for(lambda: begun_steps(2) == 1 and any(line.startswith("bash") for line in still_running(work)))
    process.send_signal(signal.SIGINT)
    process.communicate()
    ended = llmos("batch", "--offline", "-y", "goals.jsonl")
    assert (ended.code, [row["status"] for row in rows(work)]) == (0, ["interrupted", "ok"])
    assert (begun_steps(1), log(work, "a"), (folder / "second.txt").read_text()) == (1, ["x1"], "start\nx1\n")


def test_a_step_that_was_killed_after_it_did_something_is_told_and_left(
    learned_in_three: str, work: Path, llmos: Llmos
) -> None:
    folder = three_steps(work)
    (folder / "hold").touch()
    kill_in(work, 1)
    ended = llmos("batch", "--offline", "-y", "goals.jsonl")
    (row,) = rows(work)
    assert (ended.code, row["status"], row["effects"], row["reason"]) == (
        1,
        "unknown",
        "unknown",
        f"it was cut off in the middle: step 1 (shell: {STEPS[0].replace('item-0', 'x1')}) had begun, and whether it "
        "was done cannot be told; look at log.txt, then --retry-unknown runs it again",
    )
    assert (log(work, "a"), (folder / "second.txt").read_text()) == (["x1"], "start\n")


def test_ctrl_c_stops_all_says_what_was_done_and_a_second_run_goes_on(held: Path, work: Path, llmos: Llmos) -> None:
    """Two workers: `x1` and `x4` wait behind nobody, one of the others is never begun."""
    process = start(work, "-w", "1")
    wait_for(lambda: log(work, "b") == ["x2"])
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert still_running(work) == []
    assert "interrupted FOLLOWER · line 2 · x2: append the line x2 to log.txt: stopped before its end" in err
    assert "of the replay: " in err and "llmos: stopped; 1 goal not begun; the same command goes on" in err
    release(work)
    second = llmos("batch", "--offline", "-y", "goals.jsonl")
    assert (second.code, log(work, "a"), log(work, "b"), log(work, "c")) == (1, ["x1", "x4"], ["x2"], ["x3"])
    assert "had begun, and whether it was done cannot be told; look at log.txt, then --retry-unknown runs" in second.err
    third = llmos("batch", "--offline", "-y", "goals.jsonl")
    assert "llmos: 1 of them cut off after changes had begun; --retry-unknown runs it again" in third.err


def test_killed_between_the_end_of_a_goal_and_its_row(learned: str, work: Path, llmos: Llmos) -> None:
    """The transcript says how the goal ended, so its row is written from there."""
    place(work, "a")
    goals(work, ("x1", "a"))
    llmos("batch", "--offline", "-y", "goals.jsonl")
    (row,) = rows(work)
    (work / "goals.results.jsonl").write_text("")
    again = llmos("batch", "--offline", "-y", "goals.jsonl")
    assert (again.code, log(work, "a")) == (0, ["x1"])
    (found,) = rows(work)
    same = ("id", "status", "mode", "answer", "session", "effects", "elapsed_s", "exit_code", "key")
    assert {name: found[name] for name in same} == {name: row[name] for name in same}


def test_a_goal_that_a_process_still_works_on_is_not_begun_beside_it(learned: str, work: Path, llmos: Llmos) -> None:
    """A worker on another machine may live on when its batch is killed: its transcript is still open."""
    place(work, "a")
    goals(work, ("x1", "a"))
    llmos("batch", "--offline", "-y", "goals.jsonl")
    session = rows(work)[0]["session"]
    (work / "goals.results.jsonl").write_text("")
    home = Path(os.environ["LLMOS_HOME"])
    (transcript,) = (home / "memories/recall").glob(f"*-{session}.jsonl")
    marker = take_marker(home / ".llmos/open" / transcript.name, new=True)
    assert marker is not None
    try:
        held = llmos("batch", "--offline", "-y", "goals.jsonl")
    finally:
        os.close(marker)
    assert (held.code, held.err) == (
        2,
        f"llmos: a process of an earlier run still works on goal 'x1' (session {session}); let it finish, or end it, "
        "and give the same command again\n",
    )
    assert (llmos("batch", "--offline", "-y", "goals.jsonl").code, log(work, "a")) == (0, ["x1"])


def test_on_a_terminal_a_bar_stands_below_and_is_taken_away(learned: str, work: Path) -> None:
    for name in "ab":
        place(work, name)
    (work / "b/hold").touch()
    goals(work, ("x1", "a"), ("x2", "b"), ("x3", "missing"))
    with terminal(["batch", "--offline", "-y", "-w", "2", "goals.jsonl"], width=80) as shown:
        shown.wait_for("━━━━ 2/3 · $0.00 · 1 FOLLOWER · 1 failed")
        shown.wait_for("s  x2: append the line x2 to log.txt")
        (work / "b/hold").unlink()
        assert shown.wait_for_end() == 1
    lines = [line for line in shown.written if line]
    assert lines[0].startswith("failed · line 3 · x3: append the line x3 to log.txt: its")
    assert any(line.startswith("3 goals: ") for line in lines) and not any("━" in line for line in lines)


def test_whoever_takes_the_results_away_starts_over(learned: str, work: Path, llmos: Llmos) -> None:
    place(work, "a")
    goals(work, ("x1", "a"))
    llmos("batch", "--offline", "-y", "goals.jsonl")
    (work / "goals.results.jsonl").unlink()
    assert llmos("batch", "--offline", "-y", "goals.jsonl").code == 0
    assert (log(work, "a"), len(rows(work))) == (["x1", "x1"], 1)
