"""What an update may do to a core block, whatever is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.core_block import MODEL, CoreBlock, CoreItem, parse_lines
from llmos.core.core_edits import CoreEdit, EditKind, EditsDone, apply_edits
from llmos.core.memory_tiers import Tier, TierRule

RULE = TierRule(Tier.CORE, 10, 0.5, 0.01)
DAY = "2026-11-23"


def item(number: int, **known: object) -> CoreItem:
    made = CoreItem(f"fact number {number}", f"{number:08x}", "2026-11-01", evidence=(f"s:{number}",))
    return replace(made, **known)  # type: ignore[arg-type]


def block(*items: CoreItem | str, **known: object) -> CoreBlock:
    return replace(CoreBlock("human", tuple(items)), **known)  # type: ignore[arg-type]


def texts(done: EditsDone) -> list[str]:
    return [one.text for one in done.block.items]


def test_the_budget_is_one_of_few_items_and_a_tenth_of_many() -> None:
    edits = [CoreEdit(EditKind.ADD, f"new {word}", evidence=("s:9",), explicit=True) for word in "abcdefgh"]
    for count, budget in ((0, 1), (5, 1), (10, 1), (11, 2), (60, 6)):
        done = apply_edits(block(*(item(n) for n in range(count))), edits, RULE, DAY)
        assert (len(done.done), len(done.block.items)) == (budget, count + budget)
        assert {why for _, why in done.refused} == {"this update may change no more items of the block"}


@pytest.mark.parametrize(
    ("explicit", "evidence", "changed"),
    [
        (True, ("s:8",), True),
        (False, ("s:8",), False),
        (False, ("s:8", "s:8"), False),
        (False, ("s:8", "s:9"), True),
        (True, ("s:1",), False),  # what it rests on already is no new evidence
        (False, ("s:1", "s:9"), False),
        (True, (), False),
    ],
)
@pytest.mark.parametrize("kind", [EditKind.REPLACE, EditKind.REMOVE])
def test_evidence_needed_to_supersede(kind: EditKind, explicit: bool, evidence: tuple[str, ...], changed: bool) -> None:
    old = item(1)
    done = apply_edits(block(old), [CoreEdit(kind, "another fact", old.id, evidence, explicit)], RULE, DAY)
    assert bool(done.done) is changed
    assert done.left == ((old,) if changed else ())
    assert texts(done) == ([old.text] if not changed else ["another fact"] if kind is EditKind.REPLACE else [])


def test_what_is_said_again_is_evidence_and_costs_no_edit() -> None:
    again = CoreEdit(EditKind.ADD, "Fact number 1!", evidence=("s:1", "s:7"), explicit=True)
    new = CoreEdit(EditKind.ADD, "something new", evidence=("s:8",))
    done = apply_edits(block(item(1)), [again, new], RULE, DAY)
    first, second = done.block.items
    assert first == item(1, evidence=("s:1", "s:7"), strength=0.5025)
    assert (second.by, second.strength) == (MODEL, 0.25)


def test_a_full_block_gives_up_its_weakest_concluded_item_for_what_was_said() -> None:
    weak = item(1, by=MODEL, strength=0.2)
    many = [item(n) for n in range(2, 14)]
    full = block(weak, *many, limit=sum(len(one.text) for one in (weak, *many)))
    done = apply_edits(full, [CoreEdit(EditKind.ADD, "new", evidence=("s:9",), explicit=True)], RULE, DAY)
    assert (done.left, texts(done)[-1], len(texts(done))) == ((weak,), "new", 13)
    own = replace(full, lines=(item(1), *many))
    refused = apply_edits(own, [CoreEdit(EditKind.ADD, "new", evidence=("s:9",), explicit=True)], RULE, DAY)
    assert [why for _, why in refused.refused] == ["the block is full"]


def test_an_item_is_one_line_of_plain_words() -> None:
    for text in ("", " ", "a\nb", "x --> y", "<!-- id=00000001 -->", "a  b", "\x1b[31mred", "w" * 301):
        edit = CoreEdit(EditKind.ADD, text, evidence=("s:1",), explicit=True)
        assert apply_edits(block(), [edit], RULE, DAY).done == (), text


ANY_EDIT = st.builds(
    CoreEdit,
    kind=st.sampled_from(EditKind),
    text=st.one_of(st.text(max_size=40), st.sampled_from(["fact number 1", "x <!-- pin -->", "- y", "w" * 400])),
    item=st.sampled_from(["", "00000000", "00000001", "00000002", "00000003", "zzz"]),
    evidence=st.lists(st.sampled_from(["s:1", "s:2", "s:8", "s:9"]), max_size=3).map(tuple),
    explicit=st.booleans(),
)
ANY_ITEMS = st.lists(
    st.builds(
        item,
        st.integers(0, 20),
        pinned=st.booleans(),
        by=st.sampled_from(["user", "model", "machine"]),
        strength=st.sampled_from([0.0, 0.0001, 0.25, 0.5, 0.502512, 1.0]),
    ),
    max_size=20,
    unique_by=lambda one: one.id,
)


@given(ANY_ITEMS, st.lists(ANY_EDIT, max_size=12), st.booleans(), st.integers(0, 400), st.floats(0, 1))
def test_nothing_that_is_asked_for_breaks_the_rules(
    items: list[CoreItem], edits: list[CoreEdit], read_only: bool, limit: int, stability: float
) -> None:
    rule = TierRule(Tier.CORE, 10, stability, 0.01)
    before = block("My prose.", *items, read_only=read_only, limit=limit)
    done = apply_edits(before, edits, rule, DAY)
    old, new = {one.id: one for one in before.items}, {one.id: one for one in done.block.items}
    changed = {key for key in old.keys() | new.keys() if (old.get(key) and old[key].text) != (
        new.get(key) and new[key].text
    )}  # fmt: skip
    assert len(changed) <= rule.edit_budget(len(items))
    assert "My prose." in done.block.lines
    assert not read_only or done.block == before
    for key, one in old.items():
        assert not one.pinned or (key in new and new[key].text == one.text and new[key].pinned)
        if key in changed:  # whatever goes is handed on, and something new spoke against it or it was the weakest
            assert one.text in {left.text for left in done.left}
    assert done.block.size <= max(limit, before.size)
    assert parse_lines(done.block.body) == done.block.lines or not done.done
    assert {one.text for one in old.values()} <= {one.text for one in (*new.values(), *done.left)}
