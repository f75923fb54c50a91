"""Strength: what stays strong in one tier is proposed to the next, whatever a model says or leaves out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmos.core.core_edits import CoreEdit, EditKind
from llmos.core.memory_tiers import Tier, TierRule, TierRules
from llmos.core.passage import Passage, Source
from llmos.core.session_events import MemoryTicked
from llmos.memory.memory_engine import Writer
from llmos.testing import ScriptedModel
from tests.engine.test_consolidate import JOBS, NOTHING, Memory, extracted, labelled

RULES = TierRules()
PORT = "The staging database listens on port 5433"


def ask_for(memory: Memory, identifier: str, times: int) -> None:
    """Messages for which this passage was put before the model."""
    for _ in range(times):
        memory.say(JOBS)
        memory.engine.recalled.append(identifier)
        memory.consolidator.after_message(memory.emit, begin=False)


def planted(memory: Memory, text: str = PORT, **more: str) -> Passage:
    writer = Writer(memory.clock.now(), "planted", "person")
    made = Passage("", text, sources=(Source("p:1", text),), **more)  # type: ignore[arg-type]
    return memory.engine.add_archival_memory(made, writer)


@pytest.mark.parametrize("times", [2, 3])
async def test_a_passage_that_goals_keep_asking_for_is_proposed_to_core(tmp_path: Path, times: int) -> None:
    memory = Memory(tmp_path, ScriptedModel([NOTHING]))
    passage = planted(memory)
    ask_for(memory, passage.id, times)
    assert memory.events[-1].recalled == (passage.id,)
    tick = await memory.tick(until=10 - times)
    assert memory.nested.asked_for == {passage.id: times}
    if times < 3:
        assert (tick.changes, memory.texts("system_context")) == ((), [])
        return
    assert tick.changes == (
        f"added to system_context: {PORT}",
        f"strong in archival, so proposed to system_context: {PORT}",
    )
    assert memory.texts("system_context") == [PORT]
    assert memory.engine.block("system_context").items[0].evidence == ("p:1",)
    assert memory.passages() == {PORT: "current"}, "it stays where it was, and its file is unchanged"
    assert memory.engine.passage(passage.id).strength == 0.5


async def test_what_the_person_took_out_of_core_is_not_proposed_again(tmp_path: Path) -> None:
    memory = Memory(tmp_path, ScriptedModel([NOTHING]))
    passage = planted(memory)
    memory.engine.tombstones.bar(PORT, ["p:1"], memory.clock.now())
    ask_for(memory, passage.id, 5)
    await memory.tick(until=5)
    assert memory.texts("system_context") == []


async def test_what_is_said_again_and_again_reaches_core_though_the_model_leaves_it_out(tmp_path: Path) -> None:
    memory = Memory(tmp_path, ScriptedModel([NOTHING, NOTHING]))
    assert (await memory.tick("I use pnpm, not npm.")).changes == ()
    tick = await memory.tick("again: I use pnpm, not npm!", "I use pnpm, not npm")
    assert tick.changes == ("added to human: I use pnpm, not npm",)
    (item,) = memory.engine.block("human").items
    assert sorted(item.evidence) == ["s:1", "s:13"]


async def test_a_job_that_is_given_again_and_again_is_no_fact(tmp_path: Path) -> None:
    memory = Memory(tmp_path, ScriptedModel([NOTHING]))
    await memory.tick(*["check whether my disk is full and tell me"] * 10)
    assert [memory.texts(label) for label in ("persona", "human", "system_context")] == [[], [], []]


async def test_what_is_said_otherwise_takes_strength_and_only_what_is_strong_goes_to_archival(tmp_path: Path) -> None:
    one = extracted(("Works with fish", "human", 1, "I work with fish in every terminal"))
    other = extracted(("Works with zsh", "human", 1, "I work with zsh in every terminal"))
    memory = Memory(tmp_path, ScriptedModel([one, other, labelled("contradict")]))
    await memory.tick("I work with fish in every terminal")
    tick = await memory.tick("I work with zsh in every terminal")
    assert tick.changes[0] == "doubted in human: Works with fish"
    (item,) = memory.engine.block("human").items
    assert (item.strength, RULES.core.is_strong(item.strength)) == (0.4975, True)
    writer = Writer(memory.clock.now(), "planted", "model")
    guess = CoreEdit(EditKind.ADD, "Seems to like Rust", evidence=("q:1", "q:2"))
    memory.engine.update_core_memory("human", [guess], writer)
    assert RULES.core.is_strong(memory.engine.block("human").items[1].strength)
    doubt = CoreEdit(EditKind.DOUBT, item=memory.engine.block("human").items[1].id, evidence=("q:9",))
    memory.engine.update_core_memory("human", [doubt], writer)
    assert not RULES.core.is_strong(memory.engine.block("human").items[1].strength)


@given(st.sampled_from(Tier), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 50))
def test_strength_stays_within_bounds_and_more_of_it_never_weakens(
    tier: Tier, stability: float, base: float, strength: float, times: int
) -> None:
    rule = TierRule(tier, 1, stability, base)
    after = rule.borne_out(strength, times)
    assert 0 <= rule.strength_after(strength, 0.0) <= strength <= after + 1e-9 <= 1 + 2e-9
    assert not rule.is_strong(strength) or rule.is_strong(after)
    step = strength
    for _ in range(times):
        step = rule.strength_after(step, 1.0)
    assert abs(step - after) < 1e-9


def test_how_often_makes_strong() -> None:
    recall, core, archival = RULES.recall, RULES.core, RULES.archival
    assert [recall.is_strong(recall.borne_out(0.0, times)) for times in (1, 2)] == [False, True]
    assert [core.is_strong(core.borne_out(0.25, times)) for times in (0, 1)] == [False, True]
    assert [archival.is_strong(archival.borne_out(0.5, times)) for times in (2, 3)] == [False, True]
    still = TierRule(Tier.ARCHIVAL, 100, 1.0, 0.001)
    assert not still.is_strong(1.0), "what never moves is never proposed"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 7), max_size=9), st.booleans())
def test_proposals_keep_the_budget_and_do_not_depend_on_the_order_of_asking(
    tmp_path_factory: pytest.TempPathFactory, asked: list[int], barred: bool
) -> None:
    blocks = []
    for order in (asked, sorted(asked)):
        memory = Memory(tmp_path_factory.mktemp("m"), ScriptedModel([lambda _: NOTHING] * 9))
        made = [planted(memory, f"The host number {word} is kept in Bern") for word in "abcdefgh"]
        if barred:  # one tombstone bars all that rest on that message alone
            memory.engine.tombstones.bar(made[0].text, ["p:1"], memory.clock.now())
        for number in order:
            ask_for(memory, made[number].id, 1)
        before: set[str] = set()
        for _ in range(3):
            asyncio.run(memory.tick())
            after = set(memory.texts("system_context"))
            assert before <= after
            assert len(after - before) <= memory.engine.rules.core.edit_budget(len(before))
            before = after
        assert before <= {made[number].text for number in asked if asked.count(number) >= 3}
        assert not barred or not before
        blocks.append(memory.texts("system_context"))
        assert all(isinstance(event, MemoryTicked) for event in memory.events)
        memory.recall.close()
    assert blocks[0] == blocks[1]
