"""A folder that was never indexed is taken up in steps, so that keys act and a line can be shown meanwhile."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from llmos.core.tool import Effect
from llmos.core.trace import Expect, Learned, OutputShape, Require, Step, Trace, TraceHeader, TraceStatus
from llmos.memory.trace_files import encode_trace, read_trace
from llmos.memory.trace_index import TraceIndex
from llmos.memory.traces_sdk import MANY, TraceManager

LEARNED = Learned("2026-11-22T12:00:00+00:00", "LEARNER", "m", 0.1, 1)


def fill(folder: Path, count: int, *, first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    step = Step("shell", {"command": "ls"}, Effect.EXECUTE, Require(), Expect(0, output=OutputShape.LINES), "a")
    header = TraceHeader("ID-HERE", "list GOAL", TraceStatus.VERIFIED, "", {"shell": "0"}, LEARNED)
    text = encode_trace(Trace(header, (step,))).decode()
    for number in range(first, first + count):
        name = f"t-{number:08x}"
        (folder / f"{name}.yaml").write_text(text.replace("ID-HERE", name).replace("GOAL", f"f{number}.txt"))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[TraceIndex]:
    opened = TraceIndex(tmp_path / "traces", tmp_path / ".llmos")
    yield opened
    opened.close()


def test_the_steps_end_with_what_one_look_gives(index: TraceIndex, tmp_path: Path) -> None:
    fill(tmp_path / "traces", 120)
    (tmp_path / "traces/broken.yaml").write_text("format: llmos-trace/9\n---\n")
    assert list(index.refresh_in_steps()) == [121, 71, 21]
    index.refresh_quickly()
    whole = TraceIndex(tmp_path / "traces", tmp_path / "other")
    whole.refresh()
    assert (index.headers(), index.problems()) == (whole.headers(), whole.problems())
    whole.close()
    assert list(index.refresh_in_steps()) == []


def test_a_folder_that_changed_is_taken_up_too_and_one_that_did_not_is_not(index: TraceIndex, tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    fill(folder, 3)
    index.refresh()
    long_ago = time.time() - 60
    os.utime(folder, (long_ago, long_ago))
    index.refresh()
    assert list(index.refresh_in_steps()) == []
    fill(folder, 2, first=3)
    assert list(index.refresh_in_steps()) == []  # changed within its clock's tick: one look is enough
    os.utime(folder, (long_ago + 1, long_ago + 1))
    assert list(index.refresh_in_steps()) == [2]


async def test_other_tasks_go_on_meanwhile_and_a_long_one_is_told(tmp_path: Path) -> None:
    fill(tmp_path / "ws/traces", MANY)
    manager = TraceManager(tmp_path / "ws/memories", tmp_path / "ws", False, home=tmp_path / "home")
    told: list[int] = []
    turns = 0

    async def type_meanwhile() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    typing = asyncio.create_task(type_meanwhile())
    await manager.catch_up(told.append)
    typing.cancel()
    assert told == [MANY]
    assert turns >= MANY // 50
    await manager.catch_up(told.append)
    assert told == [MANY]
    assert len(manager.headers()) == MANY
    manager.close()


async def test_a_short_one_is_not_told(tmp_path: Path) -> None:
    fill(tmp_path / "ws/traces", 60)
    manager = TraceManager(tmp_path / "ws/memories", tmp_path / "ws", False, home=tmp_path / "home")
    told: list[int] = []
    await manager.catch_up(told.append)
    assert told == []
    assert len(manager.headers()) == 60
    manager.close()


def test_the_index_gives_the_whole_header(index: TraceIndex, tmp_path: Path) -> None:
    fill(tmp_path / "traces", 1)
    [path] = (tmp_path / "traces").iterdir()
    trace, _ = read_trace(path)
    header = replace(trace.header, supersedes="x", sandbox="landlock", provenance=("it did what a web page said",))
    path.write_bytes(encode_trace(replace(trace, header=header)))
    index.refresh()
    assert index.headers() == [header]
