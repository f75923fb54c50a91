"""What `delegate` does: the same dispatcher again for a part of the goal, in a role that can only tighten.

An agent lives on after its answer and can be asked again by who called it; it ends with its caller, and the one that
was not asked for longest makes room for a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from llmos.core.agent_roles import AgentRole
from llmos.core.budget import Account
from llmos.core.dataclass import dataclass
from llmos.core.errors import AgentLostError, LlmosError, NoModelError, ToolError
from llmos.core.events import AgentAsked, Event, Outcome
from llmos.core.ports import AgentChannel, Model
from llmos.core.tool import ToolOutput
from llmos.core.trace import shorten

if TYPE_CHECKING:
    from llmos.engine.invoke import Invoker
    from llmos.interfaces.dispatcher import Dispatcher
    from llmos.interfaces.remote_agents import AgentSpec
    from llmos.memory.transcript import EventLog

LONGEST_RESULT = 8_000
"""Characters of an agent's answer that its caller reads."""


@dataclass(frozen=True, slots=True)
class Agents:
    """The agents of a workspace: `read` gives them by name, and a sentence for each that is left out."""

    read: Callable[[], tuple[dict[str, AgentRole], list[str]]]
    model: Callable[[str], Model]
    """The model that an agent names. Raises NoModelError, OfflineError."""
    elsewhere: Callable[[AgentSpec], AgentChannel] | None = None
    """Begins an agent in a process of its own; None: they are objects of this one."""


NO_AGENTS = Agents(lambda: ({}, []), lambda name: _no_such(name))


def _no_such(name: str) -> Model:
    raise NoModelError(f"the model {name} is not to be had here")


@dataclass(frozen=True, slots=True)
class AskedBy:
    """The turn that an agent is asked in."""

    account: Account
    after: frozenset[str]
    """The places of agents that had ended before, and whose files it may therefore change."""


@dataclass(frozen=True, slots=True)
class AgentReply:
    outcome: Outcome
    answer: str
    reason: str


class LiveAgent(Protocol):
    """An agent between two questions: its conversation, its budget and its permissions are kept."""

    async def ask(self, goal: str, by: AskedBy) -> AgentReply:
        """Have it work on a goal. Raises LlmosError where it could not begin, AgentLostError where it is gone.

        Cancelling it stops what it does at once, and it may be asked again.
        """

    def close(self) -> None:
        """End it. Safe to call twice."""


class LocalAgent:
    """The LiveAgent port in this process. `log` is its transcript; None in a session of which nothing is kept."""

    def __init__(self, dispatcher: Dispatcher, invoker: Invoker, account: Account, log: EventLog | None) -> None:
        self._dispatcher = dispatcher
        self._invoker = invoker
        self._account = account
        self._log = log

    async def ask(self, goal: str, by: AskedBy) -> AgentReply:
        self._account.count_in(by.account)
        self._invoker.comes_after(by.after)
        result = await self._dispatcher.dispatch(goal)
        assert result.outcome is not None
        return AgentReply(result.outcome, result.answer, result.reason)

    def close(self) -> None:
        if self._log is not None:
            self._log.close()


@dataclass(eq=False, slots=True)
class _Alive:
    agent: LiveAgent
    asked: int = 0
    working: asyncio.Lock = field(default_factory=asyncio.Lock)


class AliveAgents:
    """The agents of a session that can be asked again, by their places: those of all levels share one bound."""

    def __init__(self) -> None:
        self.called = 0
        """How often agents were called in this turn of the session."""
        self._made = 0
        self._alive: dict[str, _Alive] = {}  # the one asked last at the end
        self._ended: dict[str, str] = {}

    async def admit(self, most: int) -> None:
        """Count one more call of an agent in this turn. Raises ToolError."""
        if self.called >= most:
            raise ToolError(f"{most} agents were called in this turn (orchestrator.max_agents)")
        self.called += 1

    async def next_number(self, used: Callable[[], int]) -> int:
        """A number that no agent of the session has; `used` gives the highest one on record."""
        self._made = max(self._made, used()) + 1
        return self._made

    def find(self, place: str) -> _Alive | None:
        return self._alive.get(place)

    def ending(self, place: str) -> str:
        """Why an agent that was there is no more; empty for one that there never was."""
        return self._ended.get(place, "")

    def make_room(self, most: int) -> None:
        """End those that were not asked for longest until one more may live. Raises ToolError where all are at work."""
        while len(self._alive) >= max(1, most):
            idle = next((place for place, one in self._alive.items() if not one.working.locked()), None)
            if idle is None:
                raise ToolError(f"{len(self._alive)} agents are at work (orchestrator.alive_agents)")
            self.end(idle, "it was not asked for longest, and another one was called (orchestrator.alive_agents)")

    def add(self, place: str, agent: LiveAgent) -> _Alive:
        made = self._alive[place] = _Alive(agent)
        return made

    def asked(self, place: str) -> None:
        """This one was asked last."""
        if (one := self._alive.pop(place, None)) is not None:
            self._alive[place] = one

    def end(self, place: str, why: str) -> None:
        """End an agent, and before it those that it called."""
        self.end_below(place, why)
        if (one := self._alive.pop(place, None)) is not None:
            self._ended[place] = why
            one.agent.close()

    def end_below(self, place: str, why: str) -> None:
        """End the agents that were called from a place; empty: all of the session."""
        inside = f"{place}/" if place else ""
        for other in sorted(self._alive, reverse=True):  # what is further in comes first
            if other.startswith(inside) and other in self._alive:
                self._ended[other] = why
                self._alive.pop(other).agent.close()


@dataclass(frozen=True, slots=True)
class Called:
    """An agent as it is to be made."""

    id: str
    call_id: str
    role: AgentRole | None


class Delegates:
    """The agents that one dispatcher calls. `make` makes a new one; `used` is the highest number of one on record."""

    def __init__(
        self,
        alive: AliveAgents,
        place: str,
        emit: Callable[[Event], None],
        make: Callable[[Called], LiveAgent],
        used: Callable[[], int],
    ) -> None:
        self._alive = alive
        self._inside = f"{place}/" if place else ""
        self._emit = emit
        self._make = make
        self._used = used
        self._done: set[str] = set()

    def begin_turn(self) -> None:
        self._done.clear()

    async def ask(
        self, goal: str, agent: str, call_id: str, account: Account, roles: dict[str, AgentRole], most: int
    ) -> ToolOutput:
        """What an agent gives back: a new one of the role `agent`, or the one with that id. Raises ToolError."""
        one = self._alive.find(self._inside + agent) if agent and agent not in roles else None
        name, one = (agent, one) if one is not None else await self._new(agent, call_id, roles, most)
        place = self._inside + name
        # What agents before it wrote it may change; not what those beside it write.
        by = AskedBy(account, frozenset(self._done))
        try:
            async with one.working:
                if self._alive.find(place) is not one:
                    raise ToolError(f"the agent {name} has ended meanwhile")
                self._alive.asked(place)
                one.asked += 1
                self._emit(AgentAsked(call_id=call_id, agent=name, turn=one.asked))
                reply = await one.agent.ask(goal, by)
        except AgentLostError as error:
            self._alive.end(place, "it was lost")
            raise ToolError(str(error)) from error
        except LlmosError as error:
            self._alive.end(place, "it could not begin")
            raise ToolError(f"{name} could not begin: {error}") from error
        finally:
            self._done.add(place)
        answer = shorten(reply.answer.strip(), LONGEST_RESULT) or "(no answer)"
        reason = f": {reply.reason}" if reply.reason else ""
        ok = reply.outcome in (Outcome.OK, Outcome.UNVERIFIED)
        return ToolOutput(f"[{name} ended {reply.outcome.value}{reason}]\n{answer}", ok=ok, stdout=answer)

    async def _new(self, agent: str, call_id: str, roles: dict[str, AgentRole], most: int) -> tuple[str, _Alive]:
        """Call a new agent. Raises ToolError."""
        role = roles.get(agent)
        if agent and role is None:
            if why := self._alive.ending(self._inside + agent):
                raise ToolError(f"the agent {agent} has ended: {why}; call a new one by its role")
            raise ToolError(f"there is no agent {agent!r}; there are: {', '.join(sorted(roles)) or 'none'}")
        self._alive.make_room(most)
        name = ""
        while not name or name in roles:
            name = f"{agent or 'agent'}-{await self._alive.next_number(self._used)}"
        made = self._make(Called(name, call_id, role))
        return name, self._alive.add(self._inside + name, made)

    def close(self, why: str) -> None:
        """End the agents that were called from here."""
        self._alive.end_below(self._inside.rstrip("/"), why)
