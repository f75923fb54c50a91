"""What a caller keeps for an agent in another process: money, the directory, the count; also when that one is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.budget import Account
from llmos.core.errors import AgentLostError, BudgetError, ChannelLostError, ToolError
from llmos.core.events import Event, Notice, Outcome
from llmos.core.permission import PermissionMode
from llmos.core.policy import TurnLimits
from llmos.core.ports import AgentCaller
from llmos.engine.claims import Claims, Held
from llmos.interfaces.delegating import AgentReply, AliveAgents, AskedBy
from llmos.interfaces.remote_agents import AgentSpec, Question, RemoteAgent

SPEC = AgentSpec(
    id="any-1",
    place="any-1",
    call_id="d",
    called_by="",
    role=None,
    session="s",
    transcript="/nowhere/s.jsonl",
    cwd="/w",
    tools=(),
    limits=TurnLimits(cap_usd=1.0),
    model="",
)
DONE = AgentReply(Outcome.OK, "done", "")
Play = Callable[[AgentCaller], Awaitable[Any]]


class Pipe:
    """The AgentChannel port over a function of this process, which says what an agent would."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.closed = 0
        self.questions: list[Question] = []

    async def ask(self, question: Any, caller: AgentCaller) -> Any:
        self.questions.append(question)
        return await self.play(caller)

    def close(self) -> None:
        self.closed += 1


class Directory:
    """What of an invoker its caller shares."""

    def __init__(self) -> None:
        self.claims = Claims()
        self.mode = PermissionMode.ASK


class Caller:
    def __init__(self, play: Play, cap: float = 1.0) -> None:
        self.top = Account(cap)
        self.turn = Account(cap, self.top)
        self.directory = Directory()
        self.events: list[Event] = []
        self.alive = AliveAgents()
        self.pipe = Pipe(play)
        self.agent = RemoteAgent(
            self.pipe,
            spec=SPEC,
            account=Account(1.0),
            invoker=self.directory,  # type: ignore[arg-type]
            emit=self.events.append,
            admit=lambda: self.alive.admit(1),
            number=lambda: self.alive.next_number(lambda: 4),
            lost=lambda: "it had done 1 step (shell: make)",
        )

    async def ask(self) -> AgentReply:
        return await self.agent.ask("go", AskedBy(self.turn, frozenset({"any-0"})))


async def test_what_it_asks_for_is_answered_by_its_caller() -> None:
    async def play(caller: AgentCaller) -> AgentReply:
        await caller.answer("reserve", (1, 0.4, "m"))
        with pytest.raises(BudgetError, match="may cost up to"):
            await caller.answer("reserve", (2, 0.7, "m"))
        caller.hear("settle", (1, 0.1))
        caller.hear("charge", (2, 0.05))
        await caller.answer("admit", ())
        with pytest.raises(ToolError, match="1 agents were called in this turn"):
            await caller.answer("admit", ())
        assert await caller.answer("number", ()) == 5
        caller.hear("event", (Notice(text="hello"),))
        return DONE

    caller = Caller(play)
    assert await caller.ask() == DONE
    assert caller.pipe.questions == [Question("go", frozenset({"any-0"}), PermissionMode.ASK)]
    assert caller.events == [Notice(text="hello")]
    for account in (caller.turn, caller.top):
        assert (account.ledger.spent, account.ledger.reserved, account.calls) == (pytest.approx(0.15), 0.0, 3)


async def test_a_step_of_it_has_the_directory_alone_and_its_files_are_its_own() -> None:
    order: list[str] = []

    async def play(caller: AgentCaller) -> AgentReply:
        await caller.answer("hold", (1, frozenset({"a.txt"}), "any-1", frozenset(), ""))
        waiting = asyncio.ensure_future(beside())
        await asyncio.sleep(0.01)
        order.append("the agent's step")
        caller.hear("release", (1,))
        await waiting
        caller.hear("take", ("any-1", ("made.txt",)))
        return DONE

    async def beside() -> None:
        async with made.directory.claims.hold(Held(frozenset({"other.txt"}))):
            order.append("a step beside it")

    made = Caller(play)
    await made.ask()
    assert order == ["the agent's step", "a step beside it"]
    for path in ("a.txt", "made.txt"):
        with pytest.raises(ToolError, match=f"any-1 of this same turn has written {path}"):
            async with made.directory.claims.hold(Held(frozenset({path})), "any-2"):
                pass


async def test_what_another_wrote_is_refused_to_it() -> None:
    async def play(caller: AgentCaller) -> AgentReply:
        with pytest.raises(ToolError, match=r"any-7 of this same turn has written a\.txt"):
            await caller.answer("hold", (1, frozenset({"a.txt"}), "any-1", frozenset(), ""))
        return DONE

    made = Caller(play)
    made.directory.claims.take("any-7", ["a.txt"])
    assert await made.ask() == DONE


async def test_one_that_is_lost_is_one_sentence_and_leaves_nothing_held() -> None:
    async def play(caller: AgentCaller) -> AgentReply:
        await caller.answer("reserve", (1, 0.4, "m"))
        await caller.answer("hold", (1, frozenset({"a.txt"}), "any-1", frozenset(), ""))
        waiting = asyncio.ensure_future(caller.answer("hold", (2, frozenset(), "any-1", frozenset(), "")))
        await asyncio.sleep(0.01)
        waiting.cancel()
        raise ChannelLostError("ActorDiedError")

    made = Caller(play)
    with pytest.raises(AgentLostError) as lost:
        await made.ask()
    assert str(lost.value) == (
        "the agent any-1 was lost (ActorDiedError): it had done 1 step (shell: make); nothing of it is done again by "
        "itself: look first, then go on yourself or call another agent"
    )
    assert (made.top.ledger.spent, made.top.ledger.reserved) == (0.4, 0.0)
    async with asyncio.timeout(1), made.directory.claims.hold(Held(None)):
        pass


CALLS = st.lists(st.tuples(st.floats(0, 0.6), st.floats(0, 1), st.booleans()), max_size=8)


@given(CALLS, st.integers(0, 8))
def test_whenever_it_is_lost_spend_is_within_the_cap_and_never_less_than_it_was(
    calls: list[tuple[float, float, bool]], lost_after: int
) -> None:
    """Each call costs a share of what was set aside for it, and some are never settled."""
    real = 0.0

    async def play(caller: AgentCaller) -> AgentReply:
        nonlocal real
        for number, (amount, share, settled) in enumerate(calls):
            if number == lost_after:
                raise ChannelLostError("ActorDiedError")
            try:
                await caller.answer("reserve", (number, amount, "m"))
            except BudgetError:
                continue
            real += amount * share
            if settled:
                caller.hear("settle", (number, amount * share))
        return DONE

    async def run() -> Caller:
        made = Caller(play)
        with suppress(AgentLostError):
            await made.ask()
        return made

    made = asyncio.run(run())
    for account in (made.turn, made.top):
        assert real - 1e-9 <= account.ledger.spent <= 1.0 + 1e-9
        assert account.ledger.reserved == pytest.approx(0.0, abs=1e-9)
