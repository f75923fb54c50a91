"""The LiveAgent port for an agent in a process of its own, and what its caller answers it.

What must be one for all stays with the caller: the account, the claims on the directory, the count of agents, the
screen. The agent asks for each before it acts; where its process is lost, what it had reserved counts whole, and what
it held is free again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from llmos.core.agent_roles import AgentRole
from llmos.core.budget import Account
from llmos.core.dataclass import dataclass
from llmos.core.errors import AgentLostError, ChannelLostError, ToolError
from llmos.core.permission import PermissionMode
from llmos.core.policy import TurnLimits
from llmos.core.ports import AgentChannel, Emit
from llmos.engine.claims import Claims, Held
from llmos.engine.invoke import Invoker
from llmos.interfaces.delegating import AgentReply, AskedBy


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """An agent as its process is told of it. Everything in it only tightens what the settings there allow."""

    id: str
    place: str
    """The ids from the outermost on, joined by "/"."""
    call_id: str
    called_by: str
    """The place of its caller; empty for the session itself."""
    role: AgentRole | None
    session: str
    transcript: str
    """The path of the session's own."""
    cwd: str
    tools: tuple[str, ...]
    limits: TurnLimits
    model: str
    """The model that its caller works with, by its name; empty for that of the settings."""


@dataclass(frozen=True, slots=True)
class Question:
    goal: str
    after: frozenset[str]
    mode: PermissionMode
    """That of the caller, now."""


class RemoteAgent:
    """`emit` takes its events, `admit` counts an agent that it calls, `number` gives that one a number, and `lost`
    says how far it had come when its process is gone.
    """

    def __init__(
        self,
        channel: AgentChannel,
        *,
        spec: AgentSpec,
        account: Account,
        invoker: Invoker,
        emit: Emit,
        admit: Callable[[], Awaitable[None]],
        number: Callable[[], Awaitable[int]],
        lost: Callable[[], str],
    ) -> None:
        self._channel = channel
        self._spec = spec
        self._account = account
        self._invoker = invoker
        self._emit = emit
        self._admit = admit
        self._number = number
        self._lost = lost

    async def ask(self, goal: str, by: AskedBy) -> AgentReply:
        self._account.count_in(by.account)
        caller = _Caller(self._account, self._invoker.claims, self._emit, self._admit, self._number)
        try:
            reply = await self._channel.ask(Question(goal, by.after, self._invoker.mode), caller)
        except ChannelLostError as error:
            how_far = await asyncio.to_thread(self._lost)
            raise AgentLostError(
                f"the agent {self._spec.id} was lost ({error}): {how_far}; nothing of it is done again by itself: look "
                "first, then go on yourself or call another agent"
            ) from None
        finally:
            await caller.close()
        assert isinstance(reply, AgentReply)
        return reply

    def close(self) -> None:
        self._channel.close()


class _Caller:
    """Answers one question's worth of what an agent asks."""

    def __init__(
        self,
        account: Account,
        claims: Claims,
        emit: Emit,
        admit: Callable[[], Awaitable[None]],
        number: Callable[[], Awaitable[int]],
    ) -> None:
        self._account = account
        self._claims = claims
        self._emit = emit
        self._admit = admit
        self._number = number
        self._reserved: dict[int, float] = {}
        self._held: dict[int, tuple[asyncio.Event, asyncio.Task[None]]] = {}

    def hear(self, what: str, args: tuple[Any, ...]) -> None:
        match what, args:
            case "event", (event,):
                self._emit(event)
            case "settle", (key, cost):
                self._account.settle(self._reserved.pop(key, 0.0), cost)
            case "charge", (calls, cost):
                self._account.charge(calls, cost)
            case "take", (who, paths):
                self._claims.take(who, paths)
            case "release", (key,) if key in self._held:
                self._held[key][0].set()

    async def answer(self, what: str, args: tuple[Any, ...]) -> Any:
        """Raises BudgetError, ToolError."""
        match what, args:
            case "reserve", (key, amount, model):
                self._reserved[key] = self._account.reserve(amount, model=model)
            case "hold", (key, paths, who, after, command):
                await self._hold(key, paths, who, after, command)
            case "admit", ():
                await self._admit()
            case "number", ():
                return await self._number()
        return None

    async def _hold(self, key: int, paths: frozenset[str], who: str, after: frozenset[str], command: str) -> None:
        """Let a step of the agent run, alone: what steps beside it are to change is not known over there."""
        if refusal := self._claims.refusal(who, after, paths, command):
            raise ToolError(refusal)
        self._claims.take(who, paths)
        begun, over = asyncio.Event(), asyncio.Event()

        async def held() -> None:
            async with self._claims.hold(Held(None)):
                begun.set()
                await over.wait()

        self._held[key] = over, asyncio.ensure_future(held())
        await begun.wait()

    async def close(self) -> None:
        """Whatever it left open is closed: a call that was not settled counts at the most that it can have cost."""
        for amount in self._reserved.values():
            self._account.settle(amount, amount)
        self._reserved.clear()
        for _, task in self._held.values():
            task.cancel()  # also one that still waits for its turn
        await asyncio.gather(*(task for _, task in self._held.values()), return_exceptions=True)
        self._held.clear()
