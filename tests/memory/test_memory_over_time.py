"""Two hundred updates by a lossy model, and one value that changes three times: what stays, what leaves, and when."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.forgetting import no_vectors
from llmos.core.core_block import CoreItem, item_id
from llmos.core.core_edits import CoreEdit, EditKind
from llmos.core.memory_change import CORE, lines_after
from llmos.core.memory_tiers import TierRules
from llmos.core.passage import Passage, PassageState, Source
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.fact_search import passage_hit
from llmos.memory.memory_engine import MemoryEngine, Writer

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def engine(root: Path) -> MemoryEngine:
    return MemoryEngine(root / "core", root / "archival")


def filled(memory: MemoryEngine, label: str, count: int, *, pinned: int = 0) -> list[str]:
    """A block with so many items, the first ones pinned; their texts."""
    texts = [f"Fact {number} about the {label} that was said outright." for number in range(count)]

    def fill(block):  # type: ignore[no-untyped-def]
        for place, text in enumerate(texts):
            made = CoreItem(text, item_id(label, text), "2026-03-01", "user", (f"aaaa:{place}",), 0.9, place < pinned)
            block = block.with_item(made)
        return block

    memory.edit_block(label, fill, Writer(NOW, "planted", "person"))
    return texts


def lossy(draw: random.Random, memory: MemoryEngine, label: str, update: int) -> list[CoreEdit]:
    """What a model that drops and garbles asks for: most items go, some are replaced by half of themselves."""
    edits = []
    for item in memory.block(label).items:
        evidence = (f"bbbb:{update}",) if draw.random() < 0.7 else (f"bbbb:{update}", f"cccc:{update}")
        if draw.random() < 0.6:
            edits.append(CoreEdit(EditKind.REMOVE, item=item.id, evidence=evidence))
        elif draw.random() < 0.5:
            half = item.text[: len(item.text) // 2].strip()
            edits.append(CoreEdit(EditKind.REPLACE, half, item.id, evidence))
    made_up = f"Made up {draw.randrange(1_000_000)} in update {update}"
    return [*edits, CoreEdit(EditKind.ADD, made_up, evidence=(f"bbbb:{update}",))]


def test_after_two_hundred_lossy_updates_what_is_protected_is_there(tmp_path: Path) -> None:
    memory, draw, rule = engine(tmp_path), random.Random(4), TierRules().core
    texts = filled(memory, "human", 20, pinned=5)
    read_only = filled(memory, "persona", 5)
    path = tmp_path / "core/persona.md"
    path.write_text(path.read_text().replace("read_only: false", "read_only: true"))
    memory.take_up_edits(NOW)
    for update in range(200):
        for label in ("human", "persona"):
            before = {item.id: item for item in memory.block(label).items}
            edits = lossy(draw, memory, label, update)
            memory.update_core_memory(label, edits, Writer(NOW + timedelta(hours=update), f"update {update}"))
            after = {item.id: item for item in memory.block(label).items}
            changed = {one for one in before.keys() | after.keys() if not _same(before.get(one), after.get(one))}
            assert len(changed) <= rule.edit_budget(len(before))
    left = [item.text for item in memory.block("human").items]
    assert left[:5] == texts[:5]
    assert [item.text for item in memory.block("persona").items] == read_only
    for label in ("human", "persona"):
        lines = {item.id: item.line for item in memory.block(label).items}
        assert lines == lines_after(memory.log.all(), CORE + label), "nothing changed without an entry in the log"
    known = {edit.before or "" for change in memory.log.all() for edit in change.edits} | set(left)
    assert all(any(text in line for line in known) for text in texts), "what left can be read in the log"


def _same(one: CoreItem | None, other: CoreItem | None) -> bool:
    return one is not None and other is not None and one.text == other.text


def test_a_value_that_changed_three_times_is_told_with_its_history(tmp_path: Path) -> None:
    memory = engine(tmp_path)
    hosts = ("Azure", "Hetzner", "Scaleway", "our own rack")
    search = ArchivalSearch(memory, lambda: None, no_vectors)
    last: Passage | None = None
    for month, host in enumerate(hosts, start=1):
        writer = Writer(NOW.replace(month=month), "archival update")
        day = f"2026-{month:02}-02"
        made = Passage(
            "",
            f"drift is hosted on {host}.",
            sources=(Source(f"aaaa:{month}"),),
            valid_from=day,
            supersedes=(last.id,) if last else (),
        )
        stored = memory.add_archival_memory(made, writer)
        if last is not None:
            closed = {"state": PassageState.SUPERSEDED, "valid_to": day}
            memory.change_passage(last.id, lambda one, closed=closed: replace(one, **closed), writer)  # type: ignore[misc]
        last = stored
    hits = [passage_hit(one) for one in search.search("where is drift hosted?", now=NOW.replace(month=6))]
    assert hits[0].text == "drift is hosted on our own rack. (since 2026-04-02)"
    assert {hit.text for hit in hits[1:]} == {
        "drift is hosted on Azure. (until 2026-02-02)",
        "drift is hosted on Hetzner. (until 2026-03-02)",
        "drift is hosted on Scaleway. (until 2026-04-02)",
    }
    as_of = {
        month: [one.text for one in memory.passages() if one.held_on(f"2026-{month:02}-15")] for month in range(1, 6)
    }
    assert as_of == {
        1: ["drift is hosted on Azure."],
        2: ["drift is hosted on Hetzner."],
        3: ["drift is hosted on Scaleway."],
        4: ["drift is hosted on our own rack."],
        5: ["drift is hosted on our own rack."],
    }
    assert last is not None
    writer = Writer(NOW.replace(month=5), "archival update")
    again = Passage("", "drift is hosted on Azure again.", sources=(Source("aaaa:9"),), disputes=(last.id,))
    other = memory.add_archival_memory(replace(again, state=PassageState.DISPUTED), writer)
    disputed = {"state": PassageState.DISPUTED, "disputes": (other.id,)}
    memory.change_passage(last.id, lambda one: replace(one, **disputed), writer)
    hits = [passage_hit(one) for one in search.search("where is drift hosted?", now=NOW.replace(month=6))]
    assert {hit.text for hit in hits[:2]} == {
        "drift is hosted on our own rack. (said 2026-04-02; disputed)",
        "drift is hosted on Azure again. (said 2026-05-02; disputed)",
    }
