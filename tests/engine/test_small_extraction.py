"""What a model on this machine is asked in an update: one word about each of a few sentences that rules picked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.extraction import NOW, SOURCE, talks
from llmos.core.memory_gate import Heard, heard
from llmos.core.ports import ModelInfo, ModelReply, ModelRequest
from llmos.core.small_extraction import MOST_ASKED, candidates
from llmos.testing import ScriptedModel, model_reply
from tests.engine.test_consolidate import Memory

SMALL = ModelInfo("small", "nobody", small=True)


async def test_it_keeps_sentences_to_the_letter_and_none_that_it_is_not_sure_of(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: ModelRequest) -> ModelReply:
        asked.append(request.messages[-1].text)
        chance = 0.97 if "database" in asked[-1] else 0.94
        return replace(model_reply("yes", cost_usd=0.0), chances={"yes": chance, "no": 1 - chance})

    memory = Memory(tmp_path, ScriptedModel([answer] * 2, info=SMALL))
    tick = await memory.tick(
        "The staging database is on port 5433. Show me its tables.",
        "The picture above is upside down.",
        "I prefer tabs.",
        "The build is broken right now.",
        "Is the staging database backed up?",
    )
    assert asked == ["The staging database is on port 5433.", "The picture above is upside down."]
    assert tick.changes == (
        "added to human: I prefer tabs",
        "added to system_context: The staging database is on port 5433",
    )
    assert (tick.done, tick.cost_usd, tick.model_calls) == (True, 0.0, 2)
    again = await memory.tick("The staging database is on port 5433.")
    assert again.model_calls == 0, "what is known is not asked about"


def test_the_rules_pick_most_of_what_lasts() -> None:
    picked = right = 0
    for said in talks(SOURCE.read_text("utf-8")):
        messages = [one for n, (_, text) in enumerate(said) if (one := heard(f"t:{n}", NOW, text, ""))]
        found = candidates(messages, ())
        picked += len(found)
        right += sum(said[int(fact.evidence[0].removeprefix("t:"))][0] for fact in found)
    assert (picked, right) == (83, 35), "of 100 messages, 40 of them worth keeping"


@given(st.lists(st.text(max_size=200), max_size=30))
def test_whatever_is_typed_what_is_picked_stands_there(texts: list[str]) -> None:
    messages = [Heard(f"t:{number}", NOW, text) for number, text in enumerate(texts)]
    found = candidates(messages, ())
    assert len(found) <= MOST_ASKED
    for fact in found:
        (source,) = fact.sources
        said = texts[int(source.message.removeprefix("t:"))]
        assert source.quote in said
        assert source.quote.casefold().startswith(fact.text.casefold())
