"""An agent that answered can be asked again by who called it: it remembers, and its bounds hold over all of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from conftest import World

from llmos.core.agent_roles import AgentRole
from llmos.core.events import AgentAsked, Event, PermissionDecided
from llmos.core.messages import ToolCall
from llmos.core.permission import PermissionMode
from llmos.core.policy import OrchestratorLimits, TurnLimits
from llmos.core.ports import PermissionAnswer, PermissionQuestion
from llmos.interfaces.delegating import Agents
from tests.interfaces.test_agent_transcripts import agent_file, raw
from tests.interfaces.test_delegating import Worker, hand, results

ANY = AgentRole("any", "does a part", "You work.")
UNSHOWN = "no tool was run, so nothing shows that it is true"
LOOK = ToolCall("l", "list_files", {"path": "."})


def agents(*roles: AgentRole) -> Agents:
    return Agents(lambda: ({role.name: role for role in roles or (ANY,)}, []), lambda name: pytest.fail(name))


def asked(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.agent, event.turn) for event in events if isinstance(event, AgentAsked)]


async def test_it_goes_on_with_its_conversation_in_its_transcript(world: World) -> None:
    model = Worker({
        "find out": [(hand("the code is 4711, keep it", "any"),), (hand("what is the code?", "any-1", "e"),), "4711."],
        "the code is 4711, keep it": ["kept"],
        "what is the code?": ["4711"],
    })  # fmt: skip
    await world.dispatcher(model, agents=agents()).dispatch("find out")
    events = world.take_events()
    assert results(events) == [
        f"[any-1 ended unverified: {UNSHOWN}]\nkept",
        f"[any-1 ended unverified: {UNSHOWN}]\n4711",
    ]
    assert asked(events) == [("any-1", 1), ("any-1", 2)]
    (second,) = model.seen["what is the code?"]
    assert [message.text.splitlines()[-1] for message in second.messages] == [
        "the code is 4711, keep it",
        "kept",
        "what is the code?",
    ]
    turns = [one["goal"] for one in raw(agent_file(world)) if one["event"] == "turn_started"]
    assert turns == ["the code is 4711, keep it", "what is the code?"]


async def test_it_lives_over_the_turns_of_its_session_and_ends_with_it(world: World) -> None:
    model = Worker({
        "first": [(hand("remember it", "any"),), "Yes."],
        "remember it": ["kept"],
        "second": [(hand("say it", "any-1"),), "Yes."],
        "say it": ["it"],
        "third": [(hand("say it once more", "any-1"),), "No."],
    })  # fmt: skip
    dispatcher = world.dispatcher(model, agents=agents())
    await dispatcher.dispatch("first")
    await dispatcher.dispatch("second")
    assert asked(world.take_events()) == [("any-1", 1), ("any-1", 2)]
    dispatcher.restart()
    await dispatcher.dispatch("third")
    assert results(world.take_events()) == [
        "the agent any-1 has ended: the conversation that called it has ended; call a new one by its role"
    ]
    await dispatcher.close()
    assert [path.name for path in (world.workspace / ".llmos/open").iterdir() if "+" in path.name] == []


async def test_its_money_is_one_account_and_counts_in_the_turn_that_asks(world: World) -> None:
    cheap = AgentRole("cheap", "", "You are brief.", max_usd=0.0215)
    model = Worker({
        "first": [(hand("look", "cheap"),), "Yes."],
        "look": [(LOOK,), "nothing"],
        "second": [(hand("look again", "cheap-1"),), "Yes."],
        "look again": [(LOOK,), (LOOK,), "nothing"],
    }, )  # fmt: skip
    model.reserve_usd = lambda request: 0.02  # type: ignore[method-assign,assignment]
    dispatcher = world.dispatcher(model, agents=agents(cheap))
    first, second = await dispatcher.dispatch("first"), await dispatcher.dispatch("second")
    # A call costs 0.001 and sets 0.02 aside: the third would not fit the agent's cap, though the turn has room.
    assert (first.cost_usd, second.cost_usd) == (pytest.approx(0.004), pytest.approx(0.002))
    assert "cheap-1 ended over_budget" in results(world.take_events())[-1]


async def test_its_rights_are_kept_and_a_stricter_caller_holds_for_it(world: World) -> None:
    questions: list[str] = []

    async def ask(question: PermissionQuestion) -> PermissionAnswer:
        questions.append(question.agent)
        return PermissionAnswer(True)

    strict = AgentRole("strict", "", "You look.", None, PermissionMode.ASK)
    touch = ToolCall("t", "shell", {"command": "touch b.txt"})
    model = Worker({
        "first": [(hand("touch", "strict"),), "Yes."],
        "touch": [(touch,), "done"],
        "second": [(hand("touch again", "strict-1"),), "Yes."],
        "touch again": [(touch,), "done"],
        "third": [(hand("touch at last", "strict-1"),), "Yes."],
        "touch at last": [(touch,), "no"],
    })  # fmt: skip
    dispatcher = world.dispatcher(model, agents=agents(strict), ask=ask, grant_all=False)
    dispatcher.permission_mode = PermissionMode.TRUSTED
    await dispatcher.dispatch("first")
    await dispatcher.dispatch("second")
    assert questions == ["strict-1", "strict-1"]
    dispatcher.permission_mode = PermissionMode.READ_ONLY
    world.take_events()
    await dispatcher.dispatch("third")
    decided = [
        one for event in world.take_events() if isinstance(one := getattr(event, "event", None), PermissionDecided)
    ]
    assert [(one.verdict.value, one.by) for one in decided] == [("deny", "mode")]
    assert questions == ["strict-1", "strict-1"]


async def test_the_one_not_asked_for_longest_makes_room(world: World) -> None:
    model = Worker({
        "go": [
            (hand("one", "any"),), (hand("two", "any"),), (hand("one more", "any-1"),),
            (hand("three", "any"),), (hand("two more", "any-2"),), "Done.",
        ],
        "one": ["1"], "two": ["2"], "one more": ["1"], "three": ["3"],
    })  # fmt: skip
    limits = TurnLimits(orchestrator=OrchestratorLimits(alive_agents=2))
    await world.dispatcher(model, agents=agents(), limits=limits).dispatch("go")
    events = world.take_events()
    assert asked(events) == [("any-1", 1), ("any-2", 1), ("any-1", 2), ("any-3", 1)]
    assert results(events)[-1] == (
        "the agent any-2 has ended: it was not asked for longest, and another one was called "
        "(orchestrator.alive_agents); call a new one by its role"
    )


async def test_one_at_work_makes_no_room(world: World) -> None:
    model = Worker({
        "go": [(hand("one", "any", "d1"), hand("two", "any", "d2")), "Done."],
        "one": ["1"],
    }, wait_s=0.05)  # fmt: skip
    limits = TurnLimits(orchestrator=OrchestratorLimits(alive_agents=1))
    await world.dispatcher(model, agents=agents(), limits=limits).dispatch("go")
    assert results(world.take_events())[1] == "1 agents are at work (orchestrator.alive_agents)"


async def test_it_is_asked_by_who_called_it_and_by_nobody_else(world: World) -> None:
    """Its caller's other agents do not reach it, and what it called ends with it."""
    inner = ToolCall("i", "delegate", {"goal": "deep", "agent": "any"})
    reach = ToolCall("r", "delegate", {"goal": "reach", "agent": "any-2"})
    model = Worker({
        "go": [(hand("shallow", "any"),), (hand("reach over", "any"),), (hand("down", "any-2"),), "Done."],
        "shallow": [(inner,), "s"],
        "deep": ["d"],
        "reach over": [(reach,), "no"],
    })  # fmt: skip
    await world.dispatcher(model, agents=agents()).dispatch("go")
    events = world.take_events()
    inside = [event.event for event in events if getattr(event, "parent", "") == "any-3"]  # type: ignore[union-attr]
    assert results(inside) == ["there is no agent 'any-2'; there are: any"]
    assert results(events)[-1] == "there is no agent 'any-2'; there are: any"


async def test_two_questions_at_once_are_answered_one_after_the_other(world: World) -> None:
    model = Worker({
        "go": [
            (hand("begin", "any"),), (hand("left", "any-1", "e1"), hand("right", "any-1", "e2")), "Done.",
        ],
        "begin": ["b"], "left": ["l"], "right": ["r"],
    }, wait_s=0.02)  # fmt: skip
    await world.dispatcher(model, agents=agents()).dispatch("go")
    assert model.most_open == 1
    assert asked(world.take_events()) == [("any-1", 1), ("any-1", 2), ("any-1", 3)]
    assert [message.text.splitlines()[-1] for message in model.seen["right"][0].messages] == [
        "begin", "b", "left", "l", "right",
    ]  # fmt: skip


async def test_it_may_change_what_one_before_it_wrote_and_not_what_one_beside_it_writes(world: World) -> None:
    def write(text: str) -> ToolCall:
        return ToolCall(f"w{text}", "write_file", {"path": "b.txt", "content": text})

    read = ToolCall("r", "read_file", {"path": "b.txt"})
    model = Worker({
        "go": [
            (hand("write one", "any"),), (hand("write two", "any"),), (hand("write three", "any-1"),), "Done.",
        ],
        "write one": [(write("1"),), "1"],
        "write two": [(read, write("2")), "2"],
        "write three": [(read, write("3")), "3"],
        "clash": [(hand("write left", "any", "d1"), hand("write right", "any", "d2")), "Done."],
        "write left": [(read, write("l")), "l"],
        "write right": [(read, write("r")), "r"],
    })  # fmt: skip
    dispatcher = world.dispatcher(model, agents=agents())
    await dispatcher.dispatch("go")
    assert (world.cwd / "b.txt").read_text() == "3"
    world.take_events()
    await dispatcher.dispatch("clash")
    assert (world.cwd / "b.txt").read_text() == "l"
    inside = [event.event for event in world.take_events() if getattr(event, "parent", "") == "any-4"]  # type: ignore[union-attr]
    assert results(inside)[-1] == (
        "the call was not run: sub-goal any-3 of this same turn has written b.txt, and sub-goal any-4 does not wait "
        "for it; write to another file"
    )


async def test_one_that_was_stopped_can_be_asked_again(world: World) -> None:
    nap = ToolCall("n", "shell", {"command": "touch begun; sleep 300.77"})
    model = Worker({
        "wait": [(hand("nap", "any"),)], "nap": [(nap,)],
        "again": [(hand("how far were you?", "any-1"),), "Done."], "how far were you?": ["not far"],
    })  # fmt: skip
    dispatcher = world.dispatcher(model, agents=agents())
    task = asyncio.ensure_future(dispatcher.dispatch("wait"))
    for _ in range(500):
        if (world.cwd / "begun").exists():
            break
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await dispatcher.dispatch("again")
    assert [message.text.splitlines()[-1] for message in model.seen["how far were you?"][0].messages] == [
        "nap", "[this turn was stopped before its end]", "how far were you?",
    ]  # fmt: skip
    ends = [(one["outcome"]) for one in raw(agent_file(world)) if one["event"] == "turn_ended"]
    assert ends == ["interrupted", "unverified"]


async def test_a_goal_that_cannot_begin_ends_the_agent(world: World) -> None:
    model = Worker({"go": [(hand("x" * 300, "any"),), (hand("yes", "any-1"),), "Done."]})
    limits = replace(TurnLimits(), goal_bytes=200)
    await world.dispatcher(model, agents=agents(), limits=limits).dispatch("go")
    events = world.take_events()
    first, second = results(events)
    assert first.startswith("any-1 could not begin: the goal has 300 bytes")
    assert second == "the agent any-1 has ended: it could not begin; call a new one by its role"


async def test_nobody_is_asked_about_what_another_one_has_written_meanwhile(world: World) -> None:
    """Two that would write one file, both of which must ask: the second question is not put."""
    questions: list[str] = []

    async def ask(question: PermissionQuestion) -> PermissionAnswer:
        questions.append(question.agent)
        await asyncio.sleep(0.05)
        return PermissionAnswer(True)

    model = Worker({
        "go": [(hand("write left", "any", "d1"), hand("write right", "any", "d2")), "Done."],
        "write left": [(ToolCall("w1", "write_file", {"path": "b.txt", "content": "l"}),), "l"],
        "write right": [(ToolCall("w2", "write_file", {"path": "b.txt", "content": "r"}),), "r"],
    })  # fmt: skip
    await world.dispatcher(model, agents=agents(), ask=ask, grant_all=False).dispatch("go")
    assert questions == ["any-1"]
    assert (world.cwd / "b.txt").read_text() == "l"
