"""What was written is on the disk before something rests on it, in few syncs, and others go on meanwhile."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmos.core.errors import StoreError
from llmos.core.messages import ToolCall
from llmos.core.tool import Effect, ToolContext, ToolOutput
from llmos.engine.backups import start_backup
from llmos.engine.changes import compare, snapshot
from llmos.engine.invoke import Invoker
from llmos.engine.step_backups import BackupLimits
from llmos.memory.files import sync_path, write_atomic
from llmos.memory.syncing import Syncs
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock
from llmos.tools.declare import tool


class Disk:
    """What was synced: by path, the size that a file had then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: list[tuple[str, int]] = []
        self.held = threading.Event()
        self.held.set()
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._recording(getattr(os, name)))

    def _recording(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            self.held.wait(10)
            real(descriptor)
            path = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
            self.synced.append((path, os.fstat(descriptor).st_size))

        return sync

    def has(self, path: Path) -> bool:
        return (str(path), path.stat().st_size) in self.synced

    def names(self) -> list[str]:
        return [Path(path).name for path, _ in self.synced]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize(("wait", "aside"), [(True, False), (True, True), (False, False)])
async def test_that_a_call_started_is_on_the_disk_before_its_tool_runs(
    tmp_path: Path, disk: Disk, wait: bool, aside: bool
) -> None:
    """The partner does not wait for the syncs of the transcript, and is found out."""
    syncs, seen = Syncs(aside=aside), list[tuple[bool, bool]]()
    transcript = Transcript(tmp_path / "recall", tmp_path / "open", session="s1", clock=FixedClock(), syncs=syncs)

    @tool(effect=Effect.EXECUTE)
    async def look(*, context: ToolContext) -> ToolOutput:
        """Look."""
        seen.append((disk.has(transcript.path), str(transcript.path.parent) in [path for path, _ in disk.synced]))
        return ToolOutput("looked")

    (tmp_path / "work").mkdir()
    invoker = Invoker(
        tools={"look": look},
        rules=(),
        context=ToolContext(cwd=tmp_path / "work", timeout_s=9),
        backups=BackupLimits(tmp_path / "backups"),
        emit=transcript.record,
        ask=None,
        grant_all=True,
        syncs=syncs if wait else None,
    )
    assert (await invoker.invoke(ToolCall("c1", "look", {}))).result.content.startswith("looked")
    transcript.close()
    assert seen == [(wait, wait)]


async def test_a_loop_goes_on_while_the_disk_is_waited_for_and_who_waits_too_shares_the_next_sync(
    tmp_path: Path, disk: Disk
) -> None:
    syncs = Syncs(aside=True)
    for name in "abc":
        (tmp_path / name).write_text(name)
    disk.held.clear()
    syncs.later(tmp_path / "a")
    first = asyncio.create_task(syncs.settled())
    await asyncio.sleep(0.01)
    syncs.later(tmp_path / "b", tmp_path / "c")
    others = [asyncio.create_task(syncs.settled()) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert not first.done() and disk.synced == []
    disk.held.set()
    await asyncio.gather(first, *others)
    assert disk.names() == ["a", "b", "c"]


@pytest.mark.parametrize("aside", [False, True])
async def test_what_could_not_be_put_on_the_disk_is_told_and_stays_due(tmp_path: Path, aside: bool) -> None:
    syncs, path = Syncs(aside=aside), tmp_path / "a"
    syncs.later(path)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot write .*/a"):
            await syncs.settled()
    path.write_text("a")
    await syncs.settled()


async def test_stopped_while_it_waits_all_stays_due(tmp_path: Path, disk: Disk) -> None:
    syncs, path = Syncs(aside=True), tmp_path / "a"
    path.write_text("a")
    syncs.later(path)
    disk.held.clear()
    waiting = asyncio.create_task(syncs.settled())
    await asyncio.sleep(0.01)
    waiting.cancel()
    disk.held.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    disk.synced.clear()
    await syncs.settled()
    assert "a" in disk.names()


def test_a_kept_copy_is_on_the_disk_with_the_names_that_lead_to_it(tmp_path: Path, disk: Disk) -> None:
    """At once, or when it is asked for; the copies themselves too, which a manifest without them would only promise."""
    work = tmp_path / "work"
    for how in ("at once", "later"):
        (work / "d").mkdir(parents=True, exist_ok=True)
        (work / "d/a.txt").write_text("before")
        look, disk.synced, due = snapshot(work), [], list[Path]()
        later: Any = due.append if how == "later" else None
        backup = start_backup(work, tmp_path / how / "s1" / "1", before=look, later=later)
        (work / "d/a.txt").write_text("after")
        kept = backup.finish(compare(look, snapshot(work)))
        assert kept is not None
        assert bool(disk.synced) is (how == "at once")
        for path in dict.fromkeys(due):
            sync_path(path)
        leading = {"a.txt", "d", "files", "1", "s1", how, tmp_path.name}
        assert leading - set(disk.names()) == set()
        assert (kept / "backup.json").stat().st_size in [size for path, size in disk.synced if "1/" in path]


def test_a_file_that_is_synced_later_is_whole_at_once(tmp_path: Path, disk: Disk) -> None:
    due: list[Path] = []
    write_atomic(tmp_path / "new", b"all of it", later=due.append)
    assert (tmp_path / "new").read_bytes() == b"all of it"
    assert due == [tmp_path / "new", tmp_path] and disk.synced == []
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
