"""Agents that goals of a batch call, as objects of one process and as actors on three nodes: they do the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmos.memory.sessions import Sessions
from llmos.memory.transcript import read_session
from llmos.testing import Answer, FakeMessagesServer, reply, text, tool_use

pytestmark = pytest.mark.slow

Plays = dict[str, list[Answer]]


def hand(goal: str, agent: str = "any") -> Any:
    return tool_use("delegate", {"goal": goal, "agent": agent})


def write(content: str) -> Any:
    return tool_use("write_file", {"path": "out.txt", "content": content})


def asked(body: dict[str, Any]) -> tuple[str, int]:
    """The goal of a request, and how often the model has answered it so far."""
    goal, count = "", 0
    for message in body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        words = [block["text"] for block in blocks if block["type"] == "text" and message["role"] == "user"]
        goal, count = (words[-1].splitlines()[-1], 0) if words else (goal, count + (message["role"] == "assistant"))
    return goal, count


class Place:
    """A home with an agent, folders for goals, and a server that answers each goal by its own play."""

    def __init__(self, work: Path, plays: Plays, ray: dict[str, str]) -> None:
        self.work, self.plays, self.ray = work, plays, ray
        self.home = Path(os.environ["LLMOS_HOME"])
        self.home.mkdir(mode=0o700)
        (self.home / "config.yaml").write_text("format: llmos-config/1\norchestrator: {max_agents: 2}\n")
        (self.home / "agents").mkdir(mode=0o700)
        for name, more in (("any", ""), ("strict", "mode: read-only\n"), ("cheap", "max_usd: 0.0\n")):
            (self.home / f"agents/{name}.md").write_text(f"---\nformat: llmos-agent/1\n{more}---\nYou work.\n")

    def answer(self, body: dict[str, Any]) -> Answer:
        goal, count = asked(body)
        return self.plays[goal][count]

    def start(self, goals: list[str], *words: str) -> subprocess.Popen[str]:
        for number, _ in enumerate(goals):
            (self.work / f"f{number}").mkdir(exist_ok=True)
        lines = [{"id": goal, "goal": goal, "directory": f"f{number}"} for number, goal in enumerate(goals)]
        (self.work / "goals.jsonl").write_text("\n".join(map(json.dumps, lines)))
        where = ("--executor", "ray", "--address", self.ray["address"]) if self.ray else ()
        argv = [sys.executable, "-m", "llmos", "batch", *where, *words, "goals.jsonl"]
        environ = {**os.environ, **self.ray}
        return subprocess.Popen(argv, cwd=self.work, env=environ, stdout=-1, stderr=-1, text=True)

    def rows(self) -> dict[str, dict[str, Any]]:
        lines = (self.work / "goals.results.jsonl").read_text().splitlines()
        return {row["id"]: row for row in map(json.loads, lines)}

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.home / "memories/recall", self.home / ".llmos/open", self.home / "backups")


@pytest.fixture(params=["asyncio", pytest.param("ray", marks=pytest.mark.ray)])
def place(request: pytest.FixtureRequest, work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(work, {}, request.getfixturevalue("cluster") if request.param == "ray" else {})
    with FakeMessagesServer(made.answer) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield made


def wait_for(true: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)


def processes(word: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if word in line:
                found.append(line)
    return found


def test_what_agents_do_is_the_same_in_both_places(place: Place) -> None:
    place.plays |= {
        # It is asked again: it remembers, and what it did before stands in one transcript.
        "remember": [
            reply(hand("write 4711 to out.txt")),
            reply(hand("which number was it?", "any-1")),
            reply(text("4711")),
        ],
        "write 4711 to out.txt": [reply(write("4711")), reply(text("kept"))],
        "which number was it?": [reply(text("4711"))],
        # Two that would write one file.
        "clash": [reply(hand("write left"), hand("write right")), reply(text("one of them"))],
        "write left": [reply(write("left")), reply(text("left"))],
        "write right": [reply(write("right")), reply(text("right"))],
        # A role that only looks, and one that has no money.
        "bounds": [
            reply(hand("write strictly", "strict")),
            reply(hand("think dearly", "cheap")),
            reply(text("neither")),
        ],
        "write strictly": [reply(write("no")), reply(text("not allowed"))],
        # More agents than a turn may call, the last of them within another one.
        "many": [reply(hand("call others")), reply(text("enough"))],
        "call others": [reply(hand("say a word")), reply(hand("say another")), reply(text("no more"))],
        "say a word": [reply(text("word"))],
    }
    goals = ["remember", "clash", "bounds", "many"]
    process = place.start(goals, "-y", "--workers", "2")
    _, err = process.communicate(timeout=60)
    rows = place.rows()
    assert {name: (row["status"], row["reason"]) for name, row in rows.items()} == {
        "remember": ("ok", ""),
        "clash": ("ok", ""),
        "bounds": ("failed", "the last step (delegate) failed"),
        "many": ("failed", "the last step (delegate) failed"),
    }, err
    assert (place.work / "f0/out.txt").read_text() == "4711"

    def sub(goal: str) -> list[tuple[str, list[str], list[str]]]:
        """The agents of a goal: each one's id, what it was asked and how that ended."""
        found = place.sessions
        session = found.find(str(rows[goal]["session"]))
        agents = []
        for agent in session.agents:
            records = found.records(f"{session.id}/{agent}")
            asked = [str(one["goal"]) for one in records if one["event"] == "turn_started"]
            agents.append((agent, asked, [one["outcome"] for one in records if one["event"] == "turn_ended"]))
        return agents

    assert sub("remember") == [("any-1", ["write 4711 to out.txt", "which number was it?"], ["ok", "unverified"])]
    said = results_of(place, rows["remember"])
    assert said[0] == "[any-1 ended ok]\nkept" and said[1].endswith("\n4711")
    assert (rows["remember"]["model_calls"], rows["remember"]["effects"]) == (6, "known")
    # What each had written is refused to the other, in the same words.
    inner = Counter(line.split(";")[0] for line in results_of(place, rows["clash"], nested=True))
    refused = [line for line in inner if line.startswith("the call was not run: sub-goal any-")]
    assert len(refused) == 1 and "of this same turn has written out.txt" in refused[0]
    assert (place.work / "f1/out.txt").read_text() in ("left", "right")
    assert [outcomes for _, _, outcomes in sub("bounds")] == [["denied"], ["over_budget"]]
    assert [agent for agent, _, _ in sub("many")] == ["any-1", "any-2"]
    last = results_of(place, rows["many"], nested=True)[-1]
    assert last == "2 agents were called in this turn (orchestrator.max_agents)"
    # What is spent is spent once, in the journal and in the turns.
    months = (place.home.parent / ".llmos.money").glob("*.jsonl")
    journal = [json.loads(line) for month in months for line in month.read_text().splitlines()]
    spent = sum(line.get("cost_usd", 0.0) for line in journal)
    assert spent == pytest.approx(sum(float(row["cost_usd"]) for row in rows.values())) != 0
    assert {line["session"] for line in journal if "session" in line} == {str(row["session"]) for row in rows.values()}
    assert list((place.home / ".llmos/open").iterdir()) == []
    workers = place.home / ".llmos/workers"
    assert not workers.exists() or list(workers.iterdir()) == []


def results_of(place: Place, row: dict[str, Any], *, nested: bool = False) -> list[str]:
    """What the tools of a session gave its model, or those of its agents."""
    (path,) = (place.home / "memories/recall").glob(f"*-{row['session']}.jsonl")
    found = []
    for record in read_session(path):
        if (record["event"] == "nested") is nested:
            told = record["of"] if nested else record
            kind = record["kind"] if nested else record["event"]
            if kind == "message_added" and told["message"]["role"] == "user":
                found += [part["content"] for part in told["message"]["parts"] if part["type"] == "ToolResult"]
    return found


def test_one_that_is_lost_does_nothing_twice_and_stopping_leaves_nothing(place: Place) -> None:
    """On the cluster the actor of one goal is killed in its second step; then the batch is stopped, one at work."""
    first, second = "echo one >> log.txt", "echo two >> log.txt; while test -e hold; do sleep 0.02; done"
    place.plays |= {
        "wait": [reply(hand("nap")), reply(text("never"))],
        "nap": [reply(tool_use("shell", {"command": "touch begun; sleep 300.61"}))],
        "work": [reply(hand("do both")), reply(hand("how far?", "any-1")), reply(text("I saw to it."))],
        "do both": [reply(tool_use("shell", {"command": first})), reply(tool_use("shell", {"command": second}))],
    }
    for folder in ("f0", "f1"):
        (place.work / folder).mkdir()
    (place.work / "f1/hold").touch()
    process = place.start(["wait", "work"] if place.ray else ["wait"], "-y", "--workers", "2")
    wait_for((place.work / "f0/begun").exists)
    if place.ray:
        log = place.work / "f1/log.txt"
        wait_for(lambda: log.exists() and log.read_text() == "one\ntwo\n")
        os.kill(pid_of_agent_in(place, place.work / "f1"), signal.SIGKILL)
        wait_for(lambda: place.rows().get("work"))
        row = place.rows()["work"]
        assert results_of(place, row) == [
            "the agent any-1 was lost (ActorDiedError): it had done 1 step (shell: echo one >> log.txt), and the "
            f"effect of one that it had begun is not known (shell: {second}); nothing of it is done again by itself: "
            "look first, then go on yourself or call another agent",
            "the agent any-1 has ended: it was lost; call a new one by its role",
        ]
        assert log.read_text() == "one\ntwo\n"
        assert (row["mode"], row["effects"], row["model_calls"]) == ("LEARNER", "unknown", 5)
        last = ends_of(place, row)[-1]
        assert (last["outcome"], last["recovered"]) == ("interrupted", True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=40)
    wait_for(lambda: not processes("sleep 300.61") and not processes("ray::_AgentActor"))
    last = ends_of(place, place.rows()["wait"])[-1]
    assert (last["outcome"], last["reason"], "recovered" in last) == ("interrupted", "stopped before its end", False)
    assert list((place.home / ".llmos/open").iterdir()) == []
    workers = place.home / ".llmos/workers"
    assert not workers.exists() or list(workers.iterdir()) == []


def ends_of(place: Place, row: dict[str, Any]) -> list[dict[str, Any]]:
    """How the turns of a goal's first agent ended."""
    records = place.sessions.records(f"{row['session']}/any-1")
    return [record for record in records if record["event"] == "turn_ended"]


def pid_of_agent_in(place: Place, folder: Path) -> int:
    """The process of the agent whose transcript says that it works there."""
    for marker in (place.home / ".llmos/open").glob("*+*.jsonl"):
        session, _, agent = marker.stem.partition("+")
        transcript = place.home / "memories/recall/agents" / session / f"{agent}.jsonl"
        if f'"cwd":"{folder}"' in transcript.read_text():
            return holder_of(marker)
    raise AssertionError(f"no agent works in {folder}")


def holder_of(marker: Path) -> int:
    """The process that holds a lock on a file."""
    inode = marker.stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        parts = line.split()
        if parts[5].endswith(f":{inode}"):
            return int(parts[4])
    raise AssertionError(f"nobody holds {marker}")
