"""What the facts of an update become: items of core blocks and archival passages. Writes in an order that a crash at
any point leaves nothing lost: what leaves a block is in archival before it leaves."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

from llmos.core.consolidation import (
    NEAREST,
    Known,
    Label,
    Pair,
    archival_plan,
    core_plan,
    pairs_of,
    pairs_within,
    recalled_often,
    same_passages,
    strong,
)
from llmos.core.core_block import BLOCKS, FIRST_STRENGTH, MODEL, USER, CoreItem
from llmos.core.core_edits import NO_ROOM, CoreEdit, EditKind, apply_edits
from llmos.core.memory_gate import Fact, about_the_same, block_for, nearest
from llmos.core.memory_text import is_near_duplicate
from llmos.core.memory_tiers import TierRule
from llmos.core.passage import HOLDING, Passage, PassageState, Source
from llmos.memory.memory_engine import MemoryEngine, Writer

_NEVER: Mapping[str, int] = {}


class CoreUpdate:
    """One update of the core blocks from facts."""

    def __init__(
        self, memory: MemoryEngine, facts: Sequence[Fact], writer: Writer, asked_for: Mapping[str, int] = _NEVER
    ) -> None:
        """`asked_for`: how often a goal called for a passage, by its id."""
        self._asked_for = asked_for
        self.lines: list[str] = []
        """What was proposed by its strength, a sentence each."""
        self._memory = memory
        self._facts = facts
        self._writer = writer
        self._known = [
            Known(item.text, item.date, item=item, label=block.label)
            for block in memory.blocks()
            for item in block.items
        ]

    def nearest(self, fact: Fact) -> list[Known]:
        """The items that are most like a fact."""
        return [self._known[place] for place in nearest(fact.text, [one.text for one in self._known], NEAREST)]

    def write(self, pairs: Sequence[Pair], labels: Sequence[Label]) -> None:
        """Write what the rules allow. Raises StoreError."""
        plan = core_plan(self._facts, pairs, labels)
        waiting, proposed = self._waiting(), self._proposed()
        for label in BLOCKS:
            edits = (*plan.edits.get(label, ()), *waiting.get(label, ()), *proposed.get(label, ()))
            if edits:
                self._write_block(label, edits)
        for fact, known in plan.disputes:
            self._dispute(fact, known)

    def _waiting(self) -> dict[str, list[CoreEdit]]:
        """What earlier updates had no room for, oldest first."""
        found: dict[str, list[CoreEdit]] = {}
        passages = [one for one in self._memory.passages() if one.block in BLOCKS and one.state in HOLDING]
        for one in sorted(passages, key=lambda one: one.recorded_at):
            evidence = tuple(source.message for source in one.sources)
            if not self._memory.tombstones.bars(one.text, evidence):
                edit = CoreEdit(EditKind.ADD, one.text, "", evidence, one.by == USER)
                found.setdefault(one.block, []).append(edit)
        return found

    def _proposed(self) -> dict[str, list[CoreEdit]]:
        """What is strong in archival, strongest first: it takes what room the update leaves."""
        memory, found = self._memory, dict[str, list[CoreEdit]]()
        for one in recalled_often(memory.passages(), self._asked_for, memory.blocks(), memory.rules.archival):
            evidence = tuple(source.message for source in one.sources)
            if not memory.tombstones.bars(one.text, evidence):
                edit = CoreEdit(EditKind.ADD, one.text, "", evidence, one.by == USER)
                found.setdefault(block_for(one.text), []).append(edit)
        return found

    def _write_block(self, label: str, edits: Sequence[CoreEdit]) -> None:
        memory, writer = self._memory, self._writer
        planned = apply_edits(memory.block(label), edits, memory.rules.core, writer.day)
        replaced = {edit.item for edit in planned.done if edit.kind is EditKind.REPLACE}
        for item in planned.left:
            memory.add_archival_memory(_passage_of(item, writer.day if item.id in replaced else ""), writer)
        done = memory.update_core_memory(label, edits, writer)
        by_text = {fact.text: fact for fact in self._facts}
        for edit, why in done.refused:
            fact = by_text.get(edit.text)
            if fact is not None and edit.kind is EditKind.ADD and why in NO_ROOM:
                memory.add_archival_memory(replace(passage_of_fact(fact), block=label), writer)
        for edit in done.done:
            if edit.kind is EditKind.ADD:
                self._settled(edit.text)
                if edit.text not in by_text:
                    self.lines.append(f"strong in archival, so proposed to {label}: {edit.text}")

    def _settled(self, text: str) -> None:
        """What has found its place waits no longer."""
        for one in self._memory.passages():
            if one.block and is_near_duplicate(one.text, text):
                self._memory.change_passage(one.id, lambda known: replace(known, block=""), self._writer)

    def _dispute(self, fact: Fact, known: Known) -> None:
        assert known.item is not None
        memory, writer = self._memory, self._writer
        old = memory.add_archival_memory(replace(_passage_of(known.item, ""), state=PassageState.DISPUTED), writer)
        new = replace(passage_of_fact(fact), state=PassageState.DISPUTED, disputes=(old.id,))
        memory.add_archival_memory(new, writer)


def is_outdated(fact: Fact, passages: Sequence[Passage]) -> bool:
    """Whether a fact rests on nothing but messages whose word on it was closed since, in whatever words."""
    return any(
        one.state not in HOLDING
        and set(fact.evidence) <= {source.message for source in one.sources}
        and about_the_same(fact.text, one.text)
        for one in passages
    )


def update_archival(
    memory: MemoryEngine, facts: Sequence[Fact], writer: Writer
) -> Generator[list[Pair], Sequence[Label], None]:
    """One archival update: yields the pairs to be labelled, is sent their labels, and writes. Raises StoreError."""
    passages = [one for one in memory.passages() if one.state in HOLDING]
    known = [Known(one.text, one.since, passage=one) for one in passages]
    texts = [one.text for one in known]
    near = [[known[place] for place in nearest(fact.text, texts, NEAREST)] for fact in facts]
    pairs = [*pairs_of(facts, near), *pairs_within(facts)]
    labels = yield pairs
    for fact, closes, against in archival_plan(facts, pairs, labels).add:
        disputed = bool(against) and not closes
        made = replace(
            passage_of_fact(fact),
            supersedes=closes,
            disputes=against if disputed else (),
            state=PassageState.DISPUTED if disputed else PassageState.CURRENT,
        )
        memory.add_archival_memory(made, writer)
        for identifier in closes:
            if memory.has_passage(identifier):
                memory.close_passage(identifier, fact.day, writer)
        for identifier in made.disputes:
            if memory.has_passage(identifier):
                memory.change_passage(identifier, lambda one: _disputed(one, memory.rules.archival), writer)
    for fact, identifier in same_passages(facts, pairs, labels):
        if memory.has_passage(identifier):
            memory.bear_out(identifier, fact.sources, writer)
    for item in strong(memory.blocks(), memory.rules.core):
        if not any(is_near_duplicate(item.text, text) for text in texts):
            memory.add_archival_memory(_passage_of(item, ""), writer)


def _disputed(one: Passage, rule: TierRule) -> Passage:
    strength = round(rule.strength_after(one.strength, 0.0), 6)
    return replace(one, state=PassageState.DISPUTED, strength=strength)


def passage_of_fact(fact: Fact) -> Passage:
    return Passage(
        "",
        fact.text,
        by=USER if fact.explicit else MODEL,
        subject=fact.subject,
        attribute=fact.attribute,
        sources=fact.sources,
        valid_from=fact.day,
        strength=FIRST_STRENGTH if fact.explicit else FIRST_STRENGTH / 2,
    )


def _passage_of(item: CoreItem, closed: str) -> Passage:
    """An item of a block as a passage; `closed` is the day on which another took its place."""
    return Passage(
        "",
        item.text,
        by=item.by,
        sources=tuple(Source(name) for name in item.evidence),
        valid_from=item.date,
        valid_to=closed,
        state=PassageState.SUPERSEDED if closed else PassageState.CURRENT,
        strength=item.strength,
    )
