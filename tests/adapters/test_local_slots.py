"""Which slot a conversation gets: its own again, else one that nobody needs; a wait where there is none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from llmos.adapters.local_slots import KEPT_S, Slots


@dataclass
class Now:
    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


def said(*words: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "the same for all"}, *({"role": "user", "content": word} for word in words)]


async def turn(slots: Slots, *words: str, goes_on: bool = True) -> int:
    async with slots.take(said(*words)) as slot:
        slot.goes_on = goes_on
        await asyncio.sleep(0)
        return slot.number


async def test_a_conversation_comes_back_to_its_place() -> None:
    slots = Slots(3, Now())
    slots.lay_out(2)
    first, second = await asyncio.gather(turn(slots, "a"), turn(slots, "b"))
    assert {first, second} == {3, 4}
    for _ in range(3):
        assert await turn(slots, "b", "call", "result") == second
        assert await turn(slots, "a", "call", "result") == first


async def test_a_stranger_waits_while_both_go_on_and_not_for_ever() -> None:
    now = Now()
    slots = Slots(3, now)
    slots.lay_out(2)
    await asyncio.gather(turn(slots, "a"), turn(slots, "b"))
    waiting = asyncio.ensure_future(turn(slots, "c"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await turn(slots, "a", "call", "result", goes_on=False) == 3
    assert await asyncio.wait_for(waiting, 5) == 3
    waiting = asyncio.ensure_future(turn(slots, "d"))
    await asyncio.sleep(0)
    assert not waiting.done()
    now.seconds += KEPT_S
    assert await asyncio.wait_for(waiting, 5) in (3, 4)


async def test_what_is_no_conversation_leaves_that_one_in_peace() -> None:
    slots = Slots(3, Now())
    slots.lay_out(2)
    kept = await turn(slots, "a")
    for word in ("is this like that?", "another question"):
        assert await turn(slots, word, goes_on=False) != kept
    assert await turn(slots, "a", "call", "result") == kept


async def test_one_place_serves_all_as_they_come() -> None:
    slots = Slots(3, Now())
    slots.lay_out(1)
    assert [await turn(slots, word) for word in "abc"] == [3, 3, 3]


async def test_a_place_is_free_again_after_a_stop() -> None:
    slots = Slots(3, Now())
    slots.lay_out(1)
    task = asyncio.ensure_future(turn(slots, "a"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await asyncio.wait_for(turn(slots, "b"), 1) == 3
