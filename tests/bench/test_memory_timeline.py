"""The mission's timeline in the real thing: processes, transcripts, screens; and the same with kill -9."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.memory_timeline import RESTARTS, Timeline, records, run
from llmos.core.memory_change import lines_after
from llmos.memory.memory_engine import MemoryEngine


def blocks_are_the_fold_of_their_changes(workspace: Path) -> None:
    memory = MemoryEngine(workspace / "memories/core", workspace / "memories/archival")
    for block in memory.blocks():
        known = lines_after(memory.log.all(), f"core/{block.label}")
        assert {item.id: item.line for item in block.items} == known
    assert [one for one in memory.passages() if not one.text] == memory.problems == []


def on_screen(made: Timeline, words: str) -> int:
    return sum(line.startswith(f"memory: {words}") for line in made.screen.splitlines())


@pytest.mark.timeout(400)
@pytest.mark.slow
def test_recall_at_each_message_core_at_each_tenth_archival_at_each_hundredth(tmp_path: Path) -> None:
    made = run(tmp_path)
    assert (made.messages, made.processes, len(RESTARTS)) == (250, 8, 7)
    assert made.recall == list(range(1, 251))
    assert made.core == list(range(10, 251, 10))
    assert made.archival == [100, 200]
    assert made.order == [
        tick
        for message in made.core
        for tick in [("core", message)] + [("archival", message)] * (message in made.archival)
    ]
    assert made.failed == []
    shown = [line for line in made.screen.splitlines() if line.startswith("memory: recall: ")]
    assert shown == [f"memory: recall: message {message} recorded" for message in made.recall]
    assert (on_screen(made, "core memory: "), on_screen(made, "archival memory: ")) == (25, 2)
    blocks_are_the_fold_of_their_changes(tmp_path)


@pytest.mark.timeout(400)
@pytest.mark.slow
def test_killed_at_random_points_no_message_is_lost_and_no_update_is_made_twice(tmp_path: Path) -> None:
    # Three more than sixty: an update whose message was the last one before a kill stays due until the next message.
    made = run(tmp_path, messages=63, kill=7)
    assert made.processes > 2, "nothing was killed: the test shows nothing"
    assert made.messages == 63
    assert [message // 10 for message in made.core] == [1, 2, 3, 4, 5, 6]
    goals = {record["goal"] for record in records(tmp_path) if record["event"] == "turn_started"}
    assert len(goals) == 63
    blocks_are_the_fold_of_their_changes(tmp_path)
