"""`llmos batch --executor ray` on a cluster of three nodes, simulated on this machine by Ray's own means."""

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

from llmos.testing import FakeMessagesServer, delay, reply, text, tool_use

COMMAND = "echo item-0 >> log.txt; while test -e hold; do sleep 0.02; done"


def start(work: Path, cluster: dict[str, str], *words: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "llmos", "batch", "-y", "--executor", "ray", "--address", cluster["address"], *words]
    return subprocess.Popen(
        [*argv, "goals.jsonl"],
        cwd=work,
        env={**os.environ, **cluster},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def goals(work: Path, *pairs: tuple[str, str]) -> None:
    for _, folder in pairs:
        (work / folder).mkdir(exist_ok=True)
        (work / folder / "log.txt").write_text("start\n")
    lines = [json.dumps({"id": i, "goal": f"append the line {i} to log.txt", "directory": at}) for i, at in pairs]
    (work / "goals.jsonl").write_text("\n".join(lines))


def rows(work: Path) -> dict[str, dict[str, Any]]:
    path = work / "goals.results.jsonl"
    return {row["id"]: row for row in map(json.loads, path.read_text().splitlines())} if path.exists() else {}


def log(work: Path, folder: str) -> list[str]:
    return (work / folder / "log.txt").read_text().split()[1:]


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 40
    while not true():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.ray
def test_what_one_worker_learns_serves_the_others(
    cluster: dict[str, str], llmos: Llmos, api: FakeMessagesServer, work: Path
) -> None:
    """Three goals in one folder, one after the other, on three nodes: the first is worked out, once for all."""
    api.add(reply(tool_use("shell", {"command": COMMAND.replace("item-0", "x1")})), reply(text("Appended.")))
    goals(work, ("x1", "a"), ("x2", "a"), ("x3", "a"))
    process = start(work, cluster, "--workers", "3", "-o", "json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["statuses"] == {"ok": 3}
    found = rows(work)
    assert [(found[name]["mode"], found[name]["model_calls"]) for name in ("x1", "x2", "x3")] == [
        ("LEARNER", 2),
        ("FOLLOWER", 0),
        ("FOLLOWER", 0),
    ]
    nodes = {row["worker"].split("-")[1] for row in found.values()}
    assert (len(nodes), log(work, "a")) == (3, ["x1", "x2", "x3"])
    # The shared record has it all, the folders of the workers are gone, and a session at home replays it.
    home = Path(os.environ["LLMOS_HOME"])
    assert list((home / ".llmos/workers").iterdir()) == []
    assert len((home / "traces/outcomes.jsonl").read_text().splitlines()) == 2
    (work / "log.txt").write_text("start\n")
    again = json.loads(llmos("run", "-y", "--offline", "-o", "json", "append the line x4 to log.txt").out)
    assert (again["mode"], again["trace"]) == ("FOLLOWER", found["x1"]["kept"])


@pytest.mark.slow
@pytest.mark.ray
def test_a_worker_that_is_killed_loses_nothing_and_does_nothing_twice(
    cluster: dict[str, str], llmos: Llmos, api: FakeMessagesServer, work: Path
) -> None:
    """One is killed in the middle of its step, one while it waits for the model; a third goes on all the while."""
    (work / "log.txt").write_text("start\n")
    api.add(reply(tool_use("shell", {"command": COMMAND})), reply(text("Appended.")))
    taught = llmos("run", "-y", "append the line item-0 to log.txt")
    assert taught.code == 0, taught.err
    (work / "log.txt").unlink()
    api.add(reply(delay(60), text("never")), reply(text("Thought.")))
    goals(work, ("x1", "a"), ("x2", "b"), ("x3", "b"), *((f"y{number}", "d") for number in range(6)))
    (work / "a/hold").touch()
    thinking = json.dumps({"id": "t", "goal": "think of nothing", "directory": "c"})
    (work / "c").mkdir()
    (work / "goals.jsonl").write_text(f"{thinking}\n{(work / 'goals.jsonl').read_text()}")
    asked = len(api.requests)
    process = start(work, cluster, "--workers", "3", "-o", "json")
    wait_for(lambda: log(work, "a") == ["x1"] and len(api.requests) > asked and "x2" in rows(work))
    workers = Path(os.environ["LLMOS_HOME"]) / ".llmos/workers"
    busy = {str(row["worker"]) for row in rows(work).values()}
    victims = [folder for folder in workers.iterdir() if folder.name not in busy]
    assert len(victims) == 2
    for folder in victims:
        os.kill(int((folder / "lock").read_text()), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    found = rows(work)
    assert process.returncode == 1, err
    assert json.loads(out)["statuses"] == {"ok": 8, "unknown": 1, "unverified": 1}
    assert (found["x1"]["status"], found["x1"]["effects"], log(work, "a")) == ("unknown", "unknown", ["x1"])
    assert "had begun, and whether it was done cannot be told; look at log.txt" in found["x1"]["reason"]
    assert (found["t"]["status"], found["t"]["answer"]) == ("unverified", "Thought.")
    assert (log(work, "b"), log(work, "d")) == (["x2", "x3"], [f"y{number}" for number in range(6)])
    begun = (work / "goals.results.jsonl.journal").read_text()
    assert begun.count('"id":"t"') == 2 and begun.count('"event":"goal_begun"') == 12
