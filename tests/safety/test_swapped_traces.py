"""R-9: a trace file that is swapped while it is looked at is replayed as the bytes that were approved, or not at all.

Beside the looks a process puts four files in the place of one, by renaming, by links and by writing over it: the run as
it was learned, an edited one, one that rests on foreign text and nobody said yes to, and one that a person said yes to.
The folders and files that tools name are raced in test_file_boundary.py.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from test_file_boundary import SECRET, flipping, picture

from llmos.core.errors import StoreError, ToolError
from llmos.core.events import Mode
from llmos.core.permission import SavedRun
from llmos.core.tool import Effect, ToolContext
from llmos.core.trace import Expect, Learned, Require, Step, Trace, TraceHeader, TraceStatus
from llmos.memory.approvals import Approvals
from llmos.memory.trace_files import encode_trace, read_trace
from llmos.memory.traces_sdk import TraceManager
from llmos.testing import FixedClock
from llmos.tools.files import read_file, write_file

GOAL = "create the file mark.txt"
NOW = FixedClock().now()
VERSION = "0" * 12

FLIPPER = """
import os, random, shutil, sys
folder, name = sys.argv[1:]
names = ["good", "edited", "foreign", "vouched"]
rng = random.Random(9)
while True:
    source = os.path.join(folder, rng.choice(names))
    how = rng.random()
    new = os.path.join(folder, "new")
    if os.path.lexists(new):  # a link to the very same file is not moved over it
        os.unlink(new)
    if how < 0.4:
        shutil.copyfile(source, new); os.rename(new, name)
    elif how < 0.7:
        os.symlink(source, new); os.rename(new, name)
    elif how < 0.9:
        os.link(source, new); os.rename(new, name)
    else:
        data = open(source, "rb").read()
        if not os.path.islink(name) and os.stat(name).st_nlink == 1:
            open(name, "r+b").write(data)
"""


def made(identifier: str, content: str, **header: object) -> Trace:
    learned = Learned("2026-11-26T00:00:00+00:00", "LEARNER", "m", 0.0, 1.0)
    head = TraceHeader(identifier, GOAL, TraceStatus.VERIFIED, "", {"write_file": VERSION}, learned)
    step = Step(
        "write_file",
        {"path": "mark.txt", "content": content},
        Effect.WRITE,
        Require(),
        Expect(created=("mark.txt",)),
        "",
    )
    return Trace(replace(head, **header), (step,))  # type: ignore[arg-type]


@dataclass
class Figures:
    looks: int = 0
    replayed: int = 0
    opened: int = 0
    wins: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.looks:,} decisions on a trace file that is swapped meanwhile ({self.replayed:,} to replay it), "
            f"{self.opened:,} uses of a folder that is: {len(self.wins)} ran or reached anything but what was approved"
        )


class Race:
    """A store with one trace, and the files that are put in its place."""

    def __init__(self, root: Path) -> None:
        self.root, self.home = root, root / "home"
        self.manager = TraceManager(
            root / "memories", root, False, home=self.home, tool_versions={"write_file": VERSION}
        )
        kept = self.manager.keep(made("", "as it was learned"), NOW)
        self.identifier, self.path = kept.header.id, kept.path
        self.other = root / "other"
        self.other.mkdir()
        approvals = Approvals(self.home)
        learned = self.path.read_bytes()
        self.contents = {
            "good": learned,
            "edited": encode_trace(made(self.identifier, "edited")),
            "foreign": encode_trace(made(self.identifier, "foreign", provenance=("step 1: stands in README.md",))),
            "vouched": encode_trace(made("another-run", "vouched", provenance=("step 1: stands in README.md",))),
        }
        for name, data in self.contents.items():
            (self.other / name).write_bytes(data)
        approvals.add(self.digest("foreign"), self.identifier, NOW.isoformat())  # learned here, as every run is
        approvals.add(self.digest("vouched"), "another-run", NOW.isoformat(), by_person=True)

    def digest(self, name: str) -> str:
        return hashlib.sha256(self.contents[name]).hexdigest()

    @contextmanager
    def swapping(self) -> Iterator[None]:
        process = subprocess.Popen([sys.executable, "-I", "-S", "-c", FLIPPER, str(self.other), str(self.path)])
        try:
            yield
            assert process.poll() is None, "the race ended before its time"
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.manager.close()

    async def look(self) -> tuple[str, SavedRun] | None:
        """What would be replayed and under which name, as the dispatcher takes it from the plan; None for nothing."""
        plan = await self.manager.plan(GOAL, self.manager.candidates(GOAL))
        if plan.mode is not Mode.FOLLOWER or plan.trace is None:
            return None
        return str(plan.trace.steps[0].args["content"]), SavedRun(plan.trace.header.id, plan.content)

    async def checked_first(self) -> str | None:
        """What a store would replay that looks whether a file is approved, and then reads it."""
        approvals = Approvals(self.home)
        with suppress(StoreError):
            if read_trace(self.path)[1] in (self.digest("good"), self.digest("vouched")) and approvals:
                return str(read_trace(self.path)[0].steps[0].args["content"])
        return None


async def race(root: Path, count: int) -> Figures:
    figures, store = Figures(), Race(root)
    right = ("as it was learned", SavedRun(store.identifier, store.digest("good")))
    with store.swapping():
        # On a busy machine the other process may begin late: the race goes on until both outcomes were seen.
        while figures.looks < count or (figures.replayed in (0, figures.looks) and figures.looks < 100 * count):
            figures.looks += 1
            found = await store.look()
            figures.replayed += found is not None
            if found is not None and found != right:
                figures.wins.append(f"replayed: {found}")
    return figures


async def race_of_folders(root: Path, count: int, figures: Figures) -> None:
    """Tools that name a folder which is a link to outside every other moment."""
    work, away = root / "work", root / "outside"
    work.mkdir()
    away.mkdir()
    (away / "secret").write_text(SECRET)
    context, before = ToolContext(cwd=work), picture(away)
    with flipping(work, away):
        for number in range(count):
            figures.opened += 1
            with suppress(ToolError):
                if SECRET in (await read_file.run({"path": "door/secret"}, context)).text:
                    figures.wins.append("read through the link")
            if number % 10 == 0:
                with suppress(ToolError):
                    await write_file.run({"path": "door/target", "content": "written"}, context)
    if picture(away) != before:
        figures.wins.append("written through the link")


@pytest.mark.parametrize("count", [100, pytest.param(800, marks=pytest.mark.slow)])
async def test_what_is_replayed_is_what_was_approved(tmp_path: Path, count: int) -> None:
    figures = await race(tmp_path, count)
    assert figures.wins == []
    assert 0 < figures.replayed < figures.looks


async def test_looking_first_and_reading_then_loses_the_race(tmp_path: Path) -> None:
    """The partner: a check of one read and the steps of another."""
    store = Race(tmp_path)
    with store.swapping():
        for _ in range(20_000):
            if await store.checked_first() not in (None, "as it was learned", "vouched"):
                return
    pytest.fail("the race was never lost, so it proves nothing")


def main() -> None:
    """The figures of `make safety`."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(race(Path(folder) / "traces", count))
        asyncio.run(race_of_folders(Path(folder), count, figures))
    for problem in figures.wins[:20]:
        print(problem)
    print(figures)
    sys.exit(1 if figures.wins or not figures.replayed else 0)


if __name__ == "__main__":
    main()
