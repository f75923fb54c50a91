"""A replay that was cut off at any line of its transcript: what was done is not done again, and nothing is guessed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from llmos.app import App, AppOptions
from llmos.core.batch import GoalDone, GoalJob
from llmos.core.messages import ToolCall
from llmos.interfaces.goal_runner import GoalRunner, RunnerOptions
from llmos.interfaces.session import open_dispatcher
from llmos.testing import ScriptedModel, model_reply

GOAL = "append the line item-0 to log.txt and second.txt and count the lines"
STEPS = ("echo item-0 >> log.txt", "echo item-0 >> second.txt", "wc -l < second.txt")
START, BOTH = "start\n", "start\nx1\n"


class Place:
    """A home in which the job was learned, and the transcript of one replay of it from beginning to end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {**os.environ, "LLMOS_HOME": str(root / "home")}
        self.lines: list[bytes] = []
        self.count = 0

    def folder(self, *done: str) -> Path:
        """A new folder of a goal in which these files have their line already."""
        self.count += 1
        made = self.root / f"work{self.count}"
        made.mkdir()
        for name in ("log.txt", "second.txt"):
            (made / name).write_text(BOTH if name in done else START)
        return made

    async def learn(self) -> None:
        work = self.folder()
        calls = [ToolCall(f"c{number}", "shell", {"command": step}) for number, step in enumerate(STEPS)]
        model = ScriptedModel([*map(model_reply, calls), model_reply("second.txt has 2 lines.")])
        app = App.open(AppOptions(), cwd=work, environ=self.environ, model=model)
        try:
            learned = await open_dispatcher(app, emit=lambda _: None, ask=None, grant_all=True).dispatch(GOAL)
        finally:
            await app.close()
        assert learned.kept, learned
        whole = await self.run(self.folder(), "aaaa0000")
        assert whole.status == "ok", whole
        self.lines = self.transcript("aaaa0000").read_bytes().splitlines(keepends=True)

    def transcript(self, session: str) -> Path:
        (found,) = (self.root / "home/memories/recall").glob(f"*-{session}.jsonl")
        return found

    def cut_off_after(self, count: int, change: Callable[[dict[str, Any]], None] = lambda _: None) -> str:
        """A session whose transcript ends after so many lines; its id."""
        session = f"bbbb{self.count:04}"
        name = self.transcript("aaaa0000").name.replace("aaaa0000", session)
        records = [json.loads(line) for line in self.lines[:count]]
        for record in records:
            change(record)
        (self.root / "home/memories/recall" / name).write_text("".join(json.dumps(one) + "\n" for one in records))
        return session

    async def run(self, folder: Path, session: str, *after: str) -> GoalDone:
        runner = GoalRunner(RunnerOptions(AppOptions(offline=True), yes=True), workers=1, environ=self.environ)
        try:
            goal = GOAL.replace("item-0", "x1")
            return await runner.run(GoalJob("k", "x1", goal, str(folder), None, session, after))
        finally:
            await runner.close()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    await made.learn()
    yield made
    shutil.rmtree(tmp_path / "home")


def effects_by(lines: list[bytes]) -> tuple[list[str], str]:
    """The files that the steps on record have changed, and the one that a step which had begun may have."""
    files = ("log.txt", "second.txt", "")
    done: list[str] = []
    begun = ""
    for line in lines:
        record = json.loads(line)
        step = int(str(record.get("call_id", "-0")).rpartition("-")[2] or 0)
        if record["event"] == "tool_started":
            begun = files[step - 1]
        elif record["event"] == "tool_finished":
            done, begun = [*done, files[step - 1]], ""
    return done, begun


async def test_cut_off_after_any_line_each_step_is_done_once(place: Place) -> None:
    """Where a step had begun both are tried: it had done nothing yet, or it had done all and nobody wrote that down."""
    told: list[tuple[str, str, bool, str]] = []
    for count in range(4, len(place.lines)):  # the head, the turn, the plan and what is asked of the gate come first
        done, begun = effects_by(place.lines[:count])
        last = json.loads(place.lines[count - 1])["event"]
        for happened in (False, True) if begun else (False,):
            folder = place.folder(*done, *([begun] if happened else []))
            session = place.cut_off_after(count)
            ended = await place.run(folder, f"cccc{place.count:04}", session)
            files = [(folder / name).read_text() for name in ("log.txt", "second.txt")]
            if happened:
                assert ended.status == "unknown" and f"look at {begun}, then --retry-unknown" in ended.reason, ended
                assert files == [BOTH, BOTH if begun == "second.txt" else START]
            else:
                assert (ended.status, ended.answer, ended.mode) == ("ok", "second.txt has 2 lines.", "FOLLOWER"), ended
                assert files == [BOTH, BOTH], (count, last)
            told.append((last, begun, happened, ended.status))
    assert ("tool_started", "second.txt", False, "ok") in told and ("tool_started", "log.txt", True, "unknown") in told
    assert ("tool_finished", "", False, "ok") in told and ("step_checked", "", False, "ok") in told


def _other_plan(record: dict[str, Any]) -> None:
    if record["event"] == "plan_made":
        record["steps"][0]["args"]["command"] = "echo another >> log.txt"


def _other_world(record: dict[str, Any]) -> None:
    if record["event"] == "tool_started":
        record["world"] = "0" * 16


def _no_world(record: dict[str, Any]) -> None:
    record.pop("world", None)


def _secret(record: dict[str, Any]) -> None:
    if record["event"] == "tool_finished":
        record["stdout"] = record["output"] = "[redacted:known value]"


def _other_effect(record: dict[str, Any]) -> None:
    if record["event"] == "tool_finished":
        record["changes"]["created"] = ["new.txt"]


def _model(record: dict[str, Any]) -> None:
    if record["event"] == "tool_started":
        record["call_id"] = "toolu_1"


@pytest.mark.parametrize(
    ("change", "last", "why"),
    [
        (_other_plan, "tool_started", "another run than the one that was cut off"),
        (_other_world, "tool_started", "had begun, and whether it was done cannot be told; look at log.txt"),
        (_no_world, "tool_started", "had begun, and whether it was done cannot be told; look at log.txt"),
        (_secret, "tool_finished", "was done and cannot be checked: what it gave held a secret; look at log.txt"),
        (_other_effect, "tool_finished", "was done and cannot be checked: "),
        (_model, "tool_started", "another run than the one that was cut off"),
    ],
)
async def test_what_the_record_does_not_show_is_not_gone_on_with(
    place: Place, change: Callable[[dict[str, Any]], None], last: str, why: str
) -> None:
    count = next(n for n, line in enumerate(place.lines, start=1) if json.loads(line)["event"] == last)
    folder = place.folder(*(["log.txt"] if last == "tool_finished" else []))
    before = {path.name: path.read_text() for path in folder.iterdir()}
    ended = await place.run(folder, "cccc0000", place.cut_off_after(count, change))
    assert ended.status == "unknown" and why in ended.reason, ended
    assert ended.reason.endswith(", then --retry-unknown runs it again")
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert list((place.root / "home/memories/recall").glob("*-cccc0000.jsonl")) == []
