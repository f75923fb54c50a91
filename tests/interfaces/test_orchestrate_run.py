"""`llmos run` on a goal of five parts, as its event log tells it: the real SDK against the fake Messages server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cli_world import Llmos

from llmos.testing import Answer, FakeMessagesServer, reply, text, tool_use

GOAL = (
    "1. create a.txt containing hello\n2. create b.txt containing world\n3. count the lines of notes.txt\n"
    "4. write {{3}} to n.txt\n5. list the txt files here"
)
CALLS: dict[str, tuple[str, dict[str, str], str]] = {
    "create a.txt": ("write_file", {"path": "a.txt", "content": "hello\n"}, "Done."),
    "create b.txt": ("write_file", {"path": "b.txt", "content": "world\n"}, "Done."),
    "count the lines": ("shell", {"command": "wc -l < notes.txt"}, "3"),
    "write 3 to": ("write_file", {"path": "n.txt", "content": "3"}, "Done."),
    "list the txt": ("shell", {"command": "ls *.txt"}, "a.txt, b.txt, n.txt and notes.txt"),
}


def by_goal(body: dict[str, Any]) -> Answer:
    first = body["messages"][0]["content"]
    goal = (first if isinstance(first, str) else first[0]["text"]).splitlines()[-1]
    tool, args, said = next(value for words, value in CALLS.items() if words in goal)
    return reply(text(said)) if len(body["messages"]) > 1 else reply(tool_use(tool, args))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    with FakeMessagesServer(by_goal) as made:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", made.url)
        yield made


def run(llmos: Llmos) -> list[dict[str, Any]]:
    return [json.loads(line) for line in llmos("run", "-y", "-o", "stream-json", GOAL).out.splitlines()]


def tree(records: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The kinds of events of each sub-goal, those of model calls and messages left out."""
    found: dict[str, list[str]] = {}
    for record in records:
        if record["event"] == "nested" and not record["kind"].startswith(("model_", "message_", "text_")):
            found.setdefault(record["parent"], []).append(record["kind"])
    return found


LEARNED = [
    "turn_started",
    "plan_made",
    "permission_decided",
    "tool_started",
    "tool_finished",
    "trace_kept",
    "turn_ended",
]
REPLAYED = [
    "turn_started", "plan_made", "permission_decided", "tool_started", "tool_finished", "step_checked", "turn_ended",
]  # fmt: skip


def ends(records: list[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [record for record in records if record["event"] == kind]


def test_five_parts_and_the_same_again(llmos: Llmos, server: FakeMessagesServer, work: Path) -> None:
    records = run(llmos)
    assert server.unexpected == []
    assert tree(records) == dict.fromkeys("12345", LEARNED)
    result = records[-1]
    assert (result["mode"], result["outcome"], result["model_calls"]) == ("ORCHESTRATOR", "ok", 10)
    spent = sum(record["of"]["cost_usd"] for record in records if record.get("kind") == "model_call_finished")
    assert result["cost_usd"] == pytest.approx(spent) and spent > 0
    subs = ends(records, "sub_goal_ended")
    assert sum(one["cost_usd"] for one in subs) == pytest.approx(spent)
    waits = {one["id"]: one["depends_on"] for one in ends(records, "plan_made")[0]["sub_goals"]}
    assert waits == {"1": [], "2": [], "3": [], "4": ["3"], "5": ["1", "2", "4"]}

    for name in ("a.txt", "b.txt", "n.txt"):
        (work / name).unlink()
    (work / "notes.txt").write_text("a\nb\nc\nd\n")
    again = run(llmos)
    assert len(server.bodies) == 10
    assert tree(again) == dict.fromkeys("12345", REPLAYED)
    result = again[-1]
    assert (result["mode"], result["outcome"], result["model_calls"], result["cost_usd"]) == (
        "ORCHESTRATOR",
        "ok",
        0,
        0.0,
    )
    assert result["saved_usd"] == pytest.approx(spent)
    assert (work / "n.txt").read_text() == "4"


def test_the_transcript_nests_as_the_stream_does(llmos: Llmos, server: FakeMessagesServer, work: Path) -> None:
    run(llmos)
    shown = llmos("sessions", "list", "--json").out
    session = json.loads(shown.splitlines()[0]) if shown.startswith("{") else json.loads(shown)[0]
    assert session["turns"] == 1
    told = llmos("sessions", "show", session["id"]).out
    assert "[3]   ran shell: wc -l < notes.txt" in told


def test_undo_takes_back_what_all_sub_goals_did(llmos: Llmos, server: FakeMessagesServer, work: Path) -> None:
    run(llmos)
    assert (work / "a.txt").exists()
    llmos("undo", "-y")
    assert sorted(path.name for path in work.iterdir()) == ["notes.txt"]


def test_a_dry_run_prints_the_plan(llmos: Llmos, server: FakeMessagesServer) -> None:
    out = llmos("run", "--dry-run", GOAL).out
    assert out.splitlines()[:2] == [
        "1. create a.txt containing hello · leaves a.txt",
        "2. create b.txt containing world · leaves b.txt",
    ]
    assert server.bodies == []


def test_wrong_asks_which_of_several_replays_is_meant(llmos: Llmos, server: FakeMessagesServer, work: Path) -> None:
    run(llmos)
    for name in ("a.txt", "b.txt", "n.txt"):
        (work / name).unlink()
    run(llmos)
    refused = llmos("traces", "wrong")
    assert refused.code == 2
    assert "the last turn replayed 5 saved runs; give the ID of the wrong one: " in refused.err
    counted = refused.err.split(" for 'count the lines of notes.txt'")[0].rpartition(" ")[2]
    assert llmos("traces", "wrong", counted, "-y").code == 0
    again = run(llmos)[-1]
    assert again["model_calls"] > 0
