"""An agent in a process of its own, on this machine or another: the same dispatcher as where it was called.

Rights are never weaker than there (interfaces/batch_worker), there is nobody to ask, and what must be one for the whole
session is asked of the caller before it is used: money, the right to change files, the number of agents.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from llmos.app import App
from llmos.core.agent_roles import INHERIT
from llmos.core.budget import Account
from llmos.core.errors import BudgetError, ModelError, StoreError
from llmos.core.events import EPHEMERAL, Event, innermost
from llmos.core.ports import Emit, Model, ModelReply, ModelRequest
from llmos.engine.claims import Claims, Held
from llmos.engine.invoke import Invoker
from llmos.engine.model_around import ModelAround
from llmos.interfaces.batch_worker import WorkerSpec, rights_check
from llmos.interfaces.delegating import AgentReply, Agents, AliveAgents, AskedBy, LocalAgent
from llmos.interfaces.dispatcher import Dispatcher
from llmos.interfaces.remote_agents import AgentSpec, Question
from llmos.interfaces.session_parts import SessionParts
from llmos.interfaces.turn import Within


class Upward(Protocol):
    """The caller, as this process reaches it."""

    def tell(self, what: str, *args: Any) -> None: ...

    async def call(self, what: str, *args: Any) -> Any: ...


def make_agent(worker: WorkerSpec, spec: AgentSpec, up: Upward) -> AgentWorker:
    """The agent, in the process where it is to live. Raises LlmosError where this machine may not carry it out."""
    return AgentWorker(worker, spec, up)


class AgentWorker:
    def __init__(self, worker: WorkerSpec, spec: AgentSpec, up: Upward) -> None:
        options = replace(worker.options.app, worker=f"agent-{secrets.token_hex(6)}")
        cwd = Path(spec.cwd)
        self._shared = App.open(options, cwd=cwd, environ=os.environ)
        rights_check(worker.rights)(self._shared)
        self._app = self._shared.beside(cwd, spec.session)
        self._yes = worker.options.yes
        self._spec = spec
        self._up = up
        self._account = Account(spec.limits.cap_usd)
        self._money = _Money(up)

    async def ask(self, question: Question) -> AgentReply:
        sync = self._shared.trace_sync
        if sync is not None:
            sync.pull()
        base, agent = self._made
        base.mode = question.mode
        before = self._account.calls, self._account.ledger.spent
        told = self._money.calls, self._money.spent
        try:
            # What is spent counts with the caller already: this account is the agent's own, over all that it is asked.
            return await agent.ask(question.goal, AskedBy(Account(float("inf")), question.after))
        finally:
            calls = self._account.calls - before[0] - (self._money.calls - told[0])
            spent = self._account.ledger.spent - before[1] - (self._money.spent - told[1])
            if calls > 0 or spent > 0:  # what judging cost
                self._up.tell("charge", max(0, calls), max(0.0, spent))
            if sync is not None:
                sync.push()

    @cached_property
    def _made(self) -> tuple[Invoker, LocalAgent]:
        app, spec = self._app, self._spec
        app.transcript.stand_for(Path(spec.transcript), spec.session)
        log = None if app.freeze else app.transcript.of_agent(spec.id, spec.call_id, spec.called_by)
        role, invokers = spec.role, list[Invoker]()

        def invoker(sink: Emit) -> Invoker:
            base = app.invoker_factory(ask=None, grant_all=self._yes)(sink)
            if not app.freeze:
                base.keep_backups_in(app.workspace.root / "backups" / spec.session / spec.id)
            base.share_claims(_Claims(self._up))
            tools = {name: base.tools[name] for name in spec.tools if name in base.tools}
            strictest = role.mode if role is not None else None
            invokers.extend((base, base.child(spec.place, sink, tools=tools, strictest=strictest)))
            return invokers[1]

        dispatcher = Dispatcher(
            SessionParts(
                record=app.record,
                model=self._model,
                clock=app.clock,
                limits=spec.limits,
                workspace=app.workspace.root,
                agents=Agents(app.read_agents, self._named),
                freeze=app.freeze,
            ),
            invoker=invoker,
            emit=self._emit,
            one_shot=True,
            within=Within(
                spec.place,
                self._account,
                {},
                agents=_Counted(self._up),
                log=log.record if log is not None else None,
                is_agent=True,
            ),
            role=role,
        )
        return invokers[0], LocalAgent(dispatcher, invokers[1], self._account, log)

    def _emit(self, event: Event) -> None:
        if not isinstance(innermost(event), EPHEMERAL):
            self._up.tell("event", event)

    def _model(self) -> Model:
        """Raises NoModelError, OfflineError."""
        role = self._spec.role
        name = role.model if role is not None and role.model != INHERIT else self._spec.model
        return self._named(name) if name else _Paid(self._app.model(), self._money)

    def _named(self, name: str) -> Model:
        return _Paid(self._app.agent_model(name), self._money)

    async def close(self) -> None:
        if "_made" in self.__dict__:
            self._made[1].close()
        await self._app.close()
        await self._shared.close()


class _Money:
    """What the caller was asked for."""

    def __init__(self, up: Upward) -> None:
        self._up = up
        self._keys = itertools.count(1)
        self.calls = 0
        self.spent = 0.0

    async def reserve(self, amount: float | None, model: str) -> int:
        """Raises BudgetError."""
        key = next(self._keys)
        await self._up.call("reserve", key, amount, model)
        self.calls += 1
        return key

    def settle(self, key: int, cost: float) -> None:
        self.spent += cost
        self._up.tell("settle", key, cost)


class _Paid(ModelAround):
    """The Model port around another one: each call is set aside with the caller, and in all accounts above, first."""

    def __init__(self, model: Model, money: _Money) -> None:
        super().__init__(model)
        self._money = money

    async def reply(self, request: ModelRequest, emit: Emit) -> ModelReply:
        amount = self._model.reserve_usd(request)
        key = await self._money.reserve(amount, self._model.info.name)
        cost = amount or 0.0  # what is not known counts whole
        try:
            reply = await self._model.reply(request, emit)
            cost = reply.cost_usd
            return reply
        except ModelError as error:
            cost = cost if error.cost_usd is None else error.cost_usd
            raise
        except (BudgetError, StoreError):  # a cap above does not let it be sent
            cost = 0.0
            raise
        except asyncio.CancelledError:
            cost = self._model.abandoned_usd()
            raise
        finally:
            self._money.settle(key, cost)


class _Claims(Claims):
    """The claims on the directory, kept by the caller: a step that may change something runs alone there."""

    def __init__(self, up: Upward) -> None:
        super().__init__()
        self._up = up
        self._keys = itertools.count(1)

    @asynccontextmanager
    async def hold(
        self, held: Held, who: str = "", after: frozenset[str] = frozenset(), command: str = ""
    ) -> AsyncIterator[Held]:
        """As there. Raises ToolError."""
        key = next(self._keys)
        try:
            await self._up.call("hold", key, held.own_paths, who, after, command)
            async with super().hold(held):
                yield held
        finally:
            self._up.tell("release", key)

    def take(self, who: str, paths: Iterable[str]) -> None:
        self._up.tell("take", who, tuple(paths))


class _Counted(AliveAgents):
    """Agents that this one calls: they live in this process, and the caller counts and numbers them."""

    def __init__(self, up: Upward) -> None:
        super().__init__()
        self._up = up

    async def admit(self, most: int) -> None:
        await self._up.call("admit")

    async def next_number(self, used: Callable[[], int]) -> int:
        return int(await self._up.call("number"))
