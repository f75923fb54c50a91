"""R-6: after something that a saved run rests on is otherwise, no further step of it runs.

Each job is learned with real tools, one thing is changed, before the replay or between two of its steps, and the goal
is given again where no model can answer. The last step of each job makes a mark: where it stands, a step ran too many.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from conftest import World

from llmos.core.errors import NoModelError
from llmos.core.events import Event, Mode, Outcome, StepChecked, ToolStarted, TraceKept, Verdict
from llmos.core.messages import ToolCall
from llmos.core.permission import parse_rule
from llmos.core.ports import Model
from llmos.testing import ScriptedModel, model_reply

Change = Callable[[Path], object]
MARK = "mark.txt"


def no_model() -> Model:
    raise NoModelError("no model can answer")


def lay_out(work: Path) -> None:
    """A project with a repository, a program of its own and some files."""
    for folder in ("docs", "out", "away"):
        (work / folder).mkdir()
    (work / "notes.txt").write_text("a x\nb\nc x\n")
    (work / "old.txt").write_text("old\n")
    (work / "data.csv").write_text("name,age\nann,5\nbob,7\n")
    (work / "docs" / "one.md").write_text("1\n")
    (work / "tool.sh").write_text('#!/bin/sh\necho "seen: $1"\n')
    (work / "tool.sh").chmod(0o755)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(work)]
    for words in (["init", "-qb", "main"], ["add", "tool.sh"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True, capture_output=True)


def run_in(*words: str) -> Change:
    return lambda work: subprocess.run(words, cwd=work, check=True, capture_output=True)


def gone(name: str) -> Change:
    return lambda work: shutil.rmtree(work / name) if (work / name).is_dir() else (work / name).unlink()


def moved(name: str) -> Change:
    return lambda work: (work / name).rename(work / "away" / "moved")


def text(name: str, content: str) -> Change:
    return lambda work: (work / name).write_text(content)


def instead(name: str, make: Change) -> Change:
    def change(work: Path) -> None:
        if os.path.lexists(work / name):
            gone(name)(work)
        make(work / name)

    return change


def folder(path: Path) -> None:
    path.mkdir()


def nowhere(path: Path) -> None:
    path.symlink_to("no-such-file")


def elsewhere(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def a_file(path: Path) -> None:
    path.write_text("something else\n")


@dataclass(frozen=True)
class Job:
    goal: str
    calls: Sequence[ToolCall]
    changes: dict[str, Change]
    between: dict[str, Change] = field(default_factory=dict)
    """Made after the first step went well."""


def shell(*commands: str) -> list[ToolCall]:
    return [ToolCall("c", "shell", {"command": command}) for command in (*commands, f"touch {MARK}")]


def script(body: str) -> Change:
    return text("tool.sh", f"#!/bin/sh\n{body}\n")


JOBS = (
    Job(
        "run ./tool.sh on notes.txt and create mark.txt",
        shell("./tool.sh notes.txt"),
        {
            "file moved": moved("notes.txt"),
            "file is a folder": instead("notes.txt", folder),
            "file is a link to nowhere": instead("notes.txt", nowhere),
            "program gone": gone("tool.sh"),
            "program may not run": lambda work: (work / "tool.sh").chmod(0o644),
            "program is a folder": instead("tool.sh", folder),
            "program needs another": script("exec no-such-program"),
            "other output": script('echo "read: $1"'),
            "more output": script('echo "seen: $1"; echo again'),
            "no output": script("true"),
            "a number": script("echo 5"),
            "another exit code": script('echo "seen: $1"; exit 3'),
            "a warning": script('echo "seen: $1"; echo careful >&2'),
            "one more file": script('echo "seen: $1"; touch extra'),
            "one file less": script('echo "seen: $1"; rm old.txt'),
            "one file changed": script('echo "seen: $1"; echo >> old.txt'),
            "killed": script('echo "seen: $1"; kill -9 $$'),
            "mark is there": text(MARK, "mine\n"),
        },
    ),
    Job(
        "show the branch and create mark.txt",
        shell("git rev-parse --abbrev-ref HEAD"),
        {
            "another branch": run_in("git", "checkout", "-qb", "other"),
            "no branch": run_in("git", "checkout", "-q", "--detach"),
            "no repository": gone(".git"),
            "repository is a file": instead(".git", a_file),
        },
    ),
    Job(
        "show the state of git and create mark.txt",
        shell("git status --short"),
        {
            "staged": run_in("git", "add", "notes.txt"),
            "edited": text("tool.sh", "#!/bin/sh\n"),
            "one more": text("new.txt", ""),
        },
    ),
    Job(
        "copy notes.txt to out/b.txt and create mark.txt",
        shell("cp notes.txt out/b.txt"),
        {
            "source gone": gone("notes.txt"),
            "source is a folder": instead("notes.txt", folder),
            "target there": text("out/b.txt", "mine"),
            "target is a folder": lambda work: (work / "out/b.txt").mkdir(),
            "target is a link": lambda work: nowhere(work / "out/b.txt"),
            "target leads out": lambda work: elsewhere(work / "out/b.txt"),
            "folder gone": gone("out"),
            "folder is a file": instead("out", a_file),
            "folder leads out": instead("out", lambda path: path.symlink_to("/nonexistent")),
            "source leads nowhere": instead("notes.txt", nowhere),
        },
    ),
    Job(
        "count the lines with x in notes.txt and create mark.txt",
        shell("grep -c x notes.txt"),
        {
            "none": text("notes.txt", "a\n"),
            "one more": text("notes.txt", "x\nx\nx\n"),
            "binary": lambda work: (work / "notes.txt").write_bytes(b"\0x\n"),
            "empty": text("notes.txt", ""),
        },
    ),
    Job(
        "delete old.txt and create mark.txt",
        shell("rm old.txt"),
        {
            "gone": gone("old.txt"),
            "folder": instead("old.txt", folder),
            "mark is a folder": lambda work: (work / MARK).mkdir(),
        },
    ),
    Job(
        "change a to z in notes.txt and create mark.txt",
        shell("cat notes.txt", "sed -i s/a/z/ notes.txt"),
        {
            "nothing to change": text("notes.txt", "b\n"),
            "longer": text("notes.txt", "a\na\na\n"),
            "a link": instead("notes.txt", nowhere),
        },
        {
            "changed in between": text("notes.txt", "b\n"),
            "gone in between": gone("notes.txt"),
            "folder in between": instead("notes.txt", folder),
        },
    ),
    Job(
        "list docs and create mark.txt",
        shell("ls docs"),
        {
            "one more": text("docs/two.md", ""),
            "none": gone("docs/one.md"),
            "a file": instead("docs", a_file),
            "gone": gone("docs"),
            "a link": instead("docs", lambda path: path.symlink_to("away")),
        },
    ),
    Job(
        "show the second column of data.csv and create mark.txt",
        shell("cut -d, -f2 data.csv"),
        {
            "columns swapped": text("data.csv", "age,name\n5,ann\n7,bob\n"),
            "no header": text("data.csv", "ann,5\n"),
        },
    ),
    Job(
        "copy notes.txt to b.txt and cat b.txt and create mark.txt",
        shell("cp notes.txt b.txt", "cat b.txt"),
        {
            "other content": text("notes.txt", "other\n"),
        },
        {
            "copy gone": gone("b.txt"),
            "copy is a folder": instead("b.txt", folder),
            "copy is a link": instead("b.txt", nowhere),
            "copy changed": text("b.txt", "other\n"),
            "mark made in between": text(MARK, "mine\n"),
        },
    ),
    Job(
        "write hello into sub/x1.txt and create mark.txt",
        [
            ToolCall("c", "write_file", {"path": "sub/x1.txt", "content": "hello"}),
            ToolCall("d", "shell", {"command": f"touch {MARK}"}),
        ],
        {
            "there": lambda work: ((work / "sub").mkdir(), (work / "sub/x1.txt").write_text("mine")),
            "folder is a file": text("sub", "mine"),
            "it is a folder": lambda work: (work / "sub/x1.txt").mkdir(parents=True),
            "folder leads out": lambda work: (work / "sub").symlink_to("/nonexistent"),
        },
    ),
)


def retooled(world: World) -> None:
    spec = replace(world.tools["shell"].spec, version="f" * 12)
    world.tools["shell"] = replace(world.tools["shell"], spec=spec)


POLICIES: dict[str, Callable[[World], dict[str, object]]] = {
    "tool of another version": lambda world: retooled(world) or {},
    "tool gone": lambda world: world.tools.pop("shell") and {},
    "denied by a rule": lambda world: {"rules": [parse_rule("shell", Verdict.DENY, "a test")]},
    "asked, and nobody there": lambda world: {
        "rules": [parse_rule("shell", Verdict.ASK, "a test")],
        "grant_all": False,
    },
    "no saved yes": lambda world: {"grant_all": False},
}


@dataclass
class Figures:
    cases: int = 0
    stopped: int = 0
    refused: int = 0
    too_many: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.cases} things changed under a saved run: {self.refused} times none of it began, "
            f"{self.stopped} times it stopped at a step; {len(self.too_many)} times a step ran after it, or "
            "it was not seen"
        )


class Place:
    """A folder in which a job is learned once and tried again and again."""

    def __init__(self, root: Path, job: Job) -> None:
        self.root, self.job = root, job
        self.fresh = root / "fresh"
        self.fresh.mkdir(parents=True)
        lay_out(self.fresh)
        self.world = World(root / "world")
        self.world.workspace.mkdir(parents=True)

    def start_over(self) -> Path:
        shutil.rmtree(self.world.cwd, ignore_errors=True)
        shutil.copytree(self.fresh, self.world.cwd, symlinks=True)
        return self.world.cwd

    async def learn(self) -> None:
        self.start_over()
        model = ScriptedModel([*(model_reply(call) for call in self.job.calls), model_reply("Done.")])
        result = await self.world.dispatcher(model).dispatch(self.job.goal)
        kept = [event for event in self.world.take_events() if isinstance(event, TraceKept)]
        assert [one.status for one in kept] == ["verified"], (self.job.goal, result, kept)

    async def again(self, between: Change | None = None, **policy: object) -> tuple[Mode, Outcome, list[Event]]:
        events: list[Event] = []

        def emit(event: Event) -> None:
            events.append(event)
            first = isinstance(event, StepChecked) and event.step == 0 and event.ok
            if between is not None and first:
                between(self.world.cwd)

        result = await self.world.dispatcher(no_model, emit=emit, **policy).dispatch(self.job.goal)  # type: ignore[arg-type]
        for record in self.world.records:
            record.traces.close()
            record.transcript.close()
        self.world.records.clear()
        return result.mode, result.outcome, events


def steps_too_many(events: Sequence[Event]) -> int:
    """Steps that began after one that was not as recorded."""
    failed = next((at for at, event in enumerate(events) if isinstance(event, StepChecked) and not event.ok), None)
    return 0 if failed is None else sum(isinstance(event, ToolStarted) for event in events[failed:])


async def one(place: Place, name: str, figures: Figures, *, before: Change | None, **more: object) -> None:
    work = place.start_over()
    if before is not None:
        before(work)
    marked = os.path.lexists(work / MARK)
    mode, outcome, events = await place.again(**more)  # type: ignore[arg-type]
    began = sum(isinstance(event, ToolStarted) for event in events)
    figures.cases += 1
    figures.refused += began == 0
    figures.stopped += began > 0
    problem = ""
    if steps_too_many(events):
        problem = "a step began after the mismatch"
    elif outcome is Outcome.OK:
        problem = f"{mode.value} went to its end"
    elif os.path.lexists(work / MARK) and not marked and more.get("between") is None:
        problem = "the last step ran"
    if problem:
        figures.too_many.append(f"{place.job.goal!r}, {name}: {problem}")


async def run(root: Path, *, every: int = 1, jobs: Sequence[Job] = JOBS) -> Figures:
    figures, number = Figures(), 0
    for at, job in enumerate(jobs):
        place = Place(root / str(at), job)
        await place.learn()
        place.start_over()
        assert (await place.again())[:2] == (Mode.FOLLOWER, Outcome.OK), job.goal  # nothing changed: it is replayed
        cases = [(name, {"before": change}) for name, change in job.changes.items()]
        cases += [(name, {"before": None, "between": change}) for name, change in job.between.items()]
        for name, more in cases:
            number += 1
            if number % every == 0:
                await one(place, name, figures, **more)  # type: ignore[arg-type]
        for name, policy in POLICIES.items():
            number += 1
            if number % every == 0:
                tools = dict(place.world.tools)
                await one(place, name, figures, before=None, **policy(place.world))
                place.world.tools.clear()
                place.world.tools.update(tools)
        shutil.rmtree(root / str(at))
    return figures


@pytest.mark.parametrize("every", [4, pytest.param(2, marks=pytest.mark.slow)])
async def test_no_step_runs_after_a_mismatch(tmp_path: Path, every: int) -> None:
    figures = await run(tmp_path, every=every, jobs=[JOBS[0]] if every > 2 else JOBS[:3])
    assert figures.too_many == []
    assert figures.refused and figures.stopped


async def test_a_change_that_matters_to_no_step_stops_nothing(tmp_path: Path) -> None:
    """The partner: a replay that goes on is seen as such, and would be counted."""
    place = Place(tmp_path, JOBS[0])
    await place.learn()
    figures = Figures()
    await one(place, "an unrelated file", figures, before=text("unrelated.md", "x"))
    assert figures.too_many == [f"{JOBS[0].goal!r}, an unrelated file: FOLLOWER went to its end"]


def main() -> None:
    """The figures of `make safety`."""
    with tempfile.TemporaryDirectory() as place:
        figures = asyncio.run(run(Path(place).resolve(), every=int(sys.argv[1]) if len(sys.argv) > 1 else 1))
    for problem in figures.too_many:
        print(problem)
    print(figures)
    sys.exit(1 if figures.too_many else 0)


if __name__ == "__main__":
    main()
