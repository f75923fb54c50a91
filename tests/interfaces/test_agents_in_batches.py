"""Agents that goals of a batch call, as objects of one process and as actors on three nodes: they do the same."""

from __future__ import annotations

import json
import os
import secrets
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
        self.mark = f"300.{secrets.randbelow(10**6):06}"
        self.started: list[subprocess.Popen[str]] = []
        self.home = Path(os.environ["LLMOS_HOME"])
        self.home.mkdir(mode=0o700)
        (self.home / "config.yaml").write_text("format: llmos-config/1\norchestrator: {max_agents: 2}\n")
        (self.home / "agents").mkdir(mode=0o700)
        for name, more in (("any", ""), ("strict", "mode: read-only\n")):
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
        self.started.append(subprocess.Popen(argv, cwd=self.work, env=environ, stdout=-1, stderr=-1, text=True))
        return self.started[-1]

    def rows(self) -> dict[str, dict[str, Any]]:
        path = self.work / "goals.results.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return {row["id"]: row for row in map(json.loads, lines)}

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.home / "memories/recall", self.home / ".llmos/open", self.home / "backups")


EVERYWHERE = ["asyncio", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.thorough])]


@pytest.fixture
def place(request: pytest.FixtureRequest, work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(work, {}, request.getfixturevalue("cluster") if request.param == "ray" else {})
    with FakeMessagesServer(made.answer) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield made
        for process in made.started:
            process.kill()
            process.communicate()


def wait_for(true: Callable[[], object]) -> None:
    until = time.monotonic() + 60
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


REMEMBERS: Plays = {
    "remember": [
        reply(hand("write 4711 to out.txt")),
        reply(hand("which number was it?", "any-1")),
        reply(text("4711")),
    ],
    "write 4711 to out.txt": [reply(write("4711")), reply(text("kept"))],
    "which number was it?": [reply(text("4711"))],
}
"""It is asked again: it remembers, and what it did before stands in one transcript."""


@pytest.mark.parametrize("place", [pytest.param("ray", marks=pytest.mark.ray)], indirect=True)
def test_an_agent_on_a_cluster_is_asked_again(place: Place) -> None:
    place.plays |= REMEMBERS
    _, err = place.start(["remember"], "-y", "--workers", "1").communicate(timeout=120)
    row = place.rows()["remember"]
    assert (row["status"], row["answer"], row["model_calls"]) == ("ok", "4711", 6), err
    said = results_of(place, row)
    assert said[0] == "[any-1 ended ok]\nkept" and said[1].endswith("\n4711")
    assert (place.work / "f0/out.txt").read_text() == "4711"


@pytest.mark.parametrize("place", EVERYWHERE, indirect=True)
def test_what_agents_do_is_the_same_in_both_places(place: Place) -> None:
    place.plays |= REMEMBERS | {
        # Two that would write one file.
        "clash": [reply(hand("write left"), hand("write right")), reply(text("one of them"))],
        "write left": [reply(write("left")), reply(text("left"))],
        "write right": [reply(write("right")), reply(text("right"))],
        # A role that only looks, in which one calls more agents than a turn may.
        "bounds": [reply(hand("do too much", "strict")), reply(text("it could not"))],
        "do too much": [reply(write("no")), reply(hand("say a word")), reply(hand("say another")), reply(text("no"))],
        "say a word": [reply(text("word"))],
    }
    goals = ["remember", "clash", "bounds"]
    process = place.start(goals, "-y", "--workers", "2")
    _, err = process.communicate(timeout=120)
    rows = place.rows()
    assert {name: (row["status"], row["reason"]) for name, row in rows.items()} == {
        "remember": ("ok", ""),
        "clash": ("ok", ""),
        "bounds": ("failed", "the last step (delegate) failed"),
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
    assert [(agent, ends) for agent, _, ends in sub("bounds")] == [("strict-1", ["denied"]), ("any-2", ["unverified"])]
    not_allowed, _, too_many = results_of(place, rows["bounds"], nested=True)[:3]
    assert not_allowed == "not allowed: the mode is read-only, and write_file changes files"
    assert too_many == "2 agents were called in this turn (orchestrator.max_agents)"
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


@pytest.mark.parametrize("place", EVERYWHERE, indirect=True)
def test_what_is_lost_is_not_done_twice_and_nothing_outlives_its_caller(place: Place) -> None:
    """On the cluster the actor of one goal is killed in its second step, and the caller of another one while that one's
    agent works. Then the batch is stopped, with one at work.
    """
    first, second = "echo one >> log.txt", "echo two >> log.txt; while test -e hold; do sleep 0.02; done"
    place.plays |= {
        "work": [reply(hand("do both")), reply(hand("how far?", "any-1")), reply(text("I saw to it."))],
        "do both": [reply(tool_use("shell", {"command": first})), reply(tool_use("shell", {"command": second}))],
        "doze": [reply(hand("doze on")), reply(text("never"))],
        "doze on": [reply(tool_use("shell", {"command": f"touch begun; sleep {place.mark}2"}))],
        "wait": [reply(hand("nap")), reply(text("never"))],
        "nap": [reply(tool_use("shell", {"command": f"touch begun; sleep {place.mark}1"}))],
    }
    goals = ["work", "doze", "wait"] if place.ray else ["wait"]
    for number in range(len(goals)):
        (place.work / f"f{number}").mkdir()
    (place.work / "f0/hold").touch()
    process = place.start(goals, "-y", "--workers", "2")
    if place.ray:
        log = place.work / "f0/log.txt"
        wait_for(lambda: log.exists() and log.read_text() == "one\ntwo\n")
        os.kill(writer_in(place, place.work / "f0", agent=True), signal.SIGKILL)
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
        assert ends_of(place, row) == [("interrupted", True)]
        wait_for((place.work / "f1/begun").exists)
        dozing = writer_in(place, place.work / "f1", agent=True)
        os.kill(writer_in(place, place.work / "f1", agent=False), signal.SIGKILL)
        wait_for(lambda: place.rows().get("doze"))
        assert place.rows()["doze"]["status"] == "unknown"
        wait_for(lambda: not processes(f"sleep {place.mark}2") and not is_alive(dozing))
    wait_for((place.work / f"f{len(goals) - 1}/begun").exists)
    last = writer_in(place, place.work / f"f{len(goals) - 1}", agent=True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    wait_for(lambda: not processes(f"sleep {place.mark}"))
    wait_for(lambda: not is_alive(last))
    assert ends_of(place, place.rows()["wait"]) == [("interrupted", False)]
    workers = place.home / ".llmos/workers"
    assert not workers.exists() or list(workers.iterdir()) == []


def ends_of(place: Place, row: dict[str, Any]) -> list[tuple[str, bool]]:
    """How the turns of a goal's first agent ended, and whether somebody else had to say so."""
    records = place.sessions.records(f"{row['session']}/any-1")
    ends = [record for record in records if record["event"] == "turn_ended"]
    return [(str(record["outcome"]), "recovered" in record) for record in ends]


def writer_in(place: Place, folder: Path, *, agent: bool) -> int:
    """The process that writes the transcript of the goal in a folder, or that of its agent."""
    recall = place.home / "memories/recall"
    for marker in (place.home / ".llmos/open").iterdir():
        session, _, name = marker.stem.partition("+")
        transcript = recall / "agents" / session / f"{name}.jsonl" if name else recall / marker.name
        if bool(name) is agent and f'"cwd":"{folder}"' in transcript.read_text():
            return holder_of(marker)
    raise AssertionError(f"nobody works in {folder}")


def is_alive(process: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return False


def holder_of(marker: Path) -> int:
    """The process that holds a lock on a file."""
    inode = marker.stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        parts = line.split()
        if parts[5].endswith(f":{inode}"):
            return int(parts[4])
    raise AssertionError(f"nobody holds {marker}")
