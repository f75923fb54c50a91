"""A `forget` that is killed at any operation is carried out in the end: nothing of it was done, or all of it is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from crash_points import Faults, fast_folder, told_by_the_person

from llmos.core.core_block import named_items
from llmos.core.events import TurnStarted
from llmos.core.passage import Passage, Source
from llmos.memory.forgetting import Forgetting
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.recall import Recall
from llmos.memory.transcript import Transcript
from llmos.memory.unfinished import Unfinished
from llmos.memory.workspace import Workspace, WorkspaceOrigin
from llmos.testing import FixedClock

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
WORD = b"xanadu"


def opened(root: Path) -> tuple[MemoryEngine, Forgetting]:
    space = Workspace(root, WorkspaceOrigin.FLAG, root / "home")
    memory = MemoryEngine(space.core_blocks, space.archival)
    recall = Recall(space.recall, space.derived, lambda: None)
    return memory, Forgetting(space, memory, recall, root / "prefixes")


def make(root: Path) -> None:
    memory, _ = opened(root)
    session = Transcript(root / "memories/recall", root / ".llmos/open", session="s1", clock=FixedClock(NOW))
    session.record(TurnStarted(goal="I deploy from Xanadu", cwd="/", workspace="/", turn=1))
    session.record(TurnStarted(goal="something else", cwd="/", workspace="/", turn=2))
    session.close()
    writer = Writer(NOW, "test")
    memory.update_core_memory("human", [told_by_the_person("I deploy from Xanadu")], writer)
    memory.add_archival_memory(Passage("", "I deploy from Xanadu", sources=(Source("s1:1", "I deploy"),)), writer)


def holding(root: Path) -> list[str]:
    return [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if WORD in path.name.lower().encode() or (path.is_file() and WORD in path.read_bytes().lower())
    ]


def forget(root: Path) -> None:
    memory, forgetting = opened(root)
    items = [item.id for item in named_items(memory.block("human")) if "Xanadu" in item.text]
    passages = [one.id for one in memory.passages() if "Xanadu" in one.text]
    forgetting.forget(forgetting.look([*items, *passages]), NOW)


def killed_at(root: Path, at: int, prepare: Callable[[], None]) -> bool:
    """Whether a child that forgets was killed at its N-th operation on files."""
    child = os.fork()
    if child == 0:
        try:
            prepare()
            Faults(at, "kill").install()
            forget(root)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def run(stride: int, prepare: Callable[[], None] = lambda: None) -> tuple[int, list[str]]:
    """At how many points it was killed, and where a part of it was left."""
    points, left, at = 0, [], 1
    with fast_folder() as folder:
        template = Path(folder) / "template"
        make(template)
        assert holding(template)
        while True:
            root = Path(folder) / "store"
            shutil.rmtree(root, ignore_errors=True)
            shutil.copytree(template, root)
            before = holding(root)
            if not killed_at(root, at, prepare):
                return points, left
            points += 1
            opened(root)[1].finish()
            now = holding(root)
            if now and not set(before) <= set(now):
                left.append(f"at {at}: {now}")
            elif now:
                forget(root)
                left += [f"at {at}, done again: {holding(root)}"] * bool(holding(root))
            at += stride


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_forget_that_is_killed_is_finished(stride: int) -> None:
    points, left = run(stride)
    assert points > 40 / stride
    assert left == []


def without_a_journal() -> None:
    """A broken build, for the child alone."""
    Unfinished.begin = lambda self, change: None  # type: ignore[method-assign]


def test_one_without_a_journal_is_caught() -> None:
    assert run(5, without_a_journal)[1]


def main() -> None:
    """The figures of `make safety`."""
    points, left = run(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(*left[:10], f"{points} kills of `memory forget`, {len(left)} times a part of it was left", sep="\n")
    if left or not points:
        sys.exit(1)


if __name__ == "__main__":
    main()
