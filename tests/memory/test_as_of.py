"""What was so on a day, and what was on record by a day: two clocks, asked apart and together."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from llmos.core.core_edits import CoreEdit, EditKind
from llmos.core.passage import Passage, Source
from llmos.memory.all_search import AllSearch
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.as_of import blocks_as_of, passages_as_of
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.recall import Recall

JENKINS, BUILDKITE, DRONE = (f"Builds run on {name}" for name in ("Jenkins", "Buildkite", "Drone"))


def writer(day: str) -> Writer:
    return Writer(datetime.fromisoformat(f"{day}T09:00:00").replace(tzinfo=UTC), "a test", "person")


def remembered(root: Path) -> MemoryEngine:
    """Told late: that Buildkite came in March was said in May; Drone, told and believed in April, was taken back."""
    memory = MemoryEngine(root / "core", root / "archival")
    old = memory.add_archival_memory(
        Passage("", JENKINS, sources=(Source("s:1"),), valid_from="2026-01-10"), writer("2026-01-10")
    )
    wrong = memory.add_archival_memory(
        Passage("", DRONE, sources=(Source("s:2"),), valid_from="2026-04-02"), writer("2026-04-02")
    )
    memory.remove_passage(wrong.id, writer("2026-04-20"))
    new = Passage("", BUILDKITE, sources=(Source("s:3"),), valid_from="2026-03-01", supersedes=(old.id,))
    memory.add_archival_memory(new, writer("2026-05-05"))
    memory.close_passage(old.id, "2026-03-01", writer("2026-05-05"))
    add = CoreEdit(EditKind.ADD, "Likes tea", evidence=("s:4",), explicit=True)
    memory.update_core_memory("human", [add], writer("2026-02-01"))
    (item,) = memory.block("human").items
    change = CoreEdit(EditKind.REPLACE, "Likes coffee", item.id, ("s:5",), explicit=True)
    memory.update_core_memory("human", [change], writer("2026-06-01"))
    return memory


def test_both_clocks(tmp_path: Path) -> None:
    memory = remembered(tmp_path)

    def known(as_of: str = "", recorded_by: str = "") -> list[str]:
        return sorted(one.text for one in passages_as_of(memory, as_of, recorded_by))

    assert known() == [BUILDKITE]
    assert known(as_of="2026-02-01") == [JENKINS]
    assert known(as_of="2026-04-10") == [BUILDKITE], "what is known today of that day"
    assert known(recorded_by="2026-04-10") == [DRONE, JENKINS], "what was believed then"
    assert known(recorded_by="2026-04-25") == [JENKINS]
    assert known(as_of="2026-02-01", recorded_by="2026-04-10") == [JENKINS]
    assert known(as_of="2026-01-01") == known(recorded_by="2026-01-09") == []


def test_core_blocks_as_they_were(tmp_path: Path) -> None:
    memory = remembered(tmp_path)
    days = ("2026-01-31", "2026-02-01", "2026-05-31", "2026-06-01", "")
    texts = [[item.text for block in blocks_as_of(memory, day) for item in block.items] for day in days]
    assert texts == [[], ["Likes tea"], ["Likes tea"], ["Likes coffee"], ["Likes coffee"]]


def test_a_search_among_what_held_then(tmp_path: Path) -> None:
    memory = remembered(tmp_path)
    recall = Recall(tmp_path / "recall", tmp_path / "derived", lambda: None)
    search = AllSearch(memory, ArchivalSearch(memory, lambda: None, lambda _: None), recall)  # type: ignore[arg-type, return-value]

    def found(**days: str) -> list[str]:
        now = datetime(2026, 7, 1, tzinfo=UTC)
        hits = search.search("what do builds run on", now=now, project="", limit=8, **days)
        return [hit.text for hit in hits.facts]

    assert found()[0] == f"{BUILDKITE} (since 2026-03-01)"
    assert found(as_of="2026-02-01") == [f"{JENKINS} (since 2026-01-10)"]
    assert found(recorded_by="2026-04-25") == [f"{JENKINS} (since 2026-01-10)"]
    recall.close()


def test_a_passage_that_was_put_there_by_hand_is_on_record_from_its_own_day(tmp_path: Path) -> None:
    memory = MemoryEngine(tmp_path / "core", tmp_path / "archival")
    (tmp_path / "archival").mkdir()
    text = "---\nformat: llmos-archival/2\nrecorded_at: '2026-03-01'\n---\nBy hand\n"
    (tmp_path / "archival/by-hand.md").write_text(text)
    later = "---\nformat: llmos-archival/2\nrecorded_at: '2026-05-01'\nsupersedes: [by-hand]\n---\nIn place of it\n"
    (tmp_path / "archival/later.md").write_text(later)
    found = [[one.id for one in passages_as_of(memory, "", day)] for day in ("2026-02-28", "2026-03-01", "2026-05-01")]
    assert found == [[], ["by-hand"], ["later"]]
