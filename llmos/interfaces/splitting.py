"""Whether a turn is several tasks, and its sub-goals as turns of the same dispatcher one level further down.

The machinery itself (`orchestrating`) is imported by the first goal whose structure shows several tasks.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from llmos.core.agent_roles import INHERIT, AgentRole
from llmos.core.budget import Account
from llmos.core.errors import ToolError
from llmos.core.events import Event, Mode, Notice, Outcome, ToolFinished, innermost, nested
from llmos.core.policy import plan_event
from llmos.core.ports import Emit
from llmos.core.tool import ToolOutput
from llmos.engine.invoke import Invoker
from llmos.interfaces.delegating import Called, Delegates, LiveAgent, LocalAgent
from llmos.interfaces.keeping import Keeper
from llmos.interfaces.session_parts import SessionParts
from llmos.interfaces.turn import Ending, Turn, Within
from llmos.memory.replay_lock import SharedReplayLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmos.core.graph import SubGoal
    from llmos.core.ports import AgentChannel
    from llmos.interfaces.dispatcher import Dispatcher
    from llmos.interfaces.orchestrating import Orchestrator, Split
    from llmos.interfaces.remote_agents import AgentSpec
    from llmos.memory.transcript import EventLog


_ENDS_S = 3.0
"""How long the process of an agent that is lost may take to be gone indeed."""


class Splitting:
    """What a dispatcher needs for turns of several tasks; `make` is the dispatcher's own class."""

    def __init__(
        self,
        parts: SessionParts,
        make: type[Dispatcher],
        invoker: Invoker,
        keeper: Keeper,
        sink: Emit,
        within: Within,
    ) -> None:
        self._parts = parts
        self._limits = parts.limits
        self._make = make
        self._invoker = invoker
        self._keeper = keeper
        self._sink = sink
        self._within = within
        self._turn: Turn | None = None
        self._ended: dict[str, list[ToolFinished]] = {}
        """The steps that ended, by sub-goal or agent of the turn."""
        self._delegates = Delegates(within.agents, within.who, sink, self._agent, parts.record.transcript.last_agent)

    def begin(self, turn: Turn) -> None:
        """What agents do from now on belongs to this turn."""
        self._turn = turn
        self._ended.clear()
        self._delegates.begin_turn()
        if not self._within.who:
            self._within.agents.called = 0

    def _tell(self, name: str, event: Event, *, elsewhere: bool) -> None:
        """An event of the sub-goal or agent `name`, nested in the log of the turn."""
        inner = innermost(event)
        if isinstance(inner, ToolFinished):
            self._ended.setdefault(name, []).append(inner)
        self._sink(nested(name, event, elsewhere=elsewhere))

    def _did(self, name: str) -> str:
        from llmos.core.graph_text import steps_words

        return steps_words(self._ended.get(name, ()))

    def close(self, why: str) -> None:
        """End the agents that were called from here."""
        self._delegates.close(why)

    @cached_property
    def roles(self) -> dict[str, AgentRole]:
        """The agents of the workspace, read when they are first asked for."""
        roles, problems = self._parts.agents.read()
        for problem in problems if not self._within.who else ():
            self._sink(Notice(text=problem))
        return roles

    @property
    def offered(self) -> bool:
        """Whether a model is told that it can hand on work: where there are agents, or within several tasks."""
        return self._limits.orchestrator.depth > 0 and (bool(self._within.who) or bool(self.roles))

    async def delegate(self, goal: str, agent: str, call_id: str) -> ToolOutput:
        """Hand a part of the goal to an agent of this turn, or to one that answered before. Raises ToolError."""
        limits, turn = self._limits.orchestrator, self._turn
        if turn is None or limits.depth < 1:
            raise ToolError("no agent can be called from here: orchestrator.depth allows no deeper one")
        await self._within.agents.admit(limits.max_agents)
        account = turn.calls.account
        return await self._delegates.ask(goal, agent, call_id, account, self.roles, limits.alive_agents)

    def _agent(self, called: Called) -> LiveAgent:
        """An agent with a transcript of its own, in this process or in one of its own."""
        if self._parts.agents.elsewhere is not None:
            return self._remote(called, self._parts.agents.elsewhere)
        transcript, account = self._parts.record.transcript, Account(self._cap_usd(called.role))
        log = None if self._parts.freeze else transcript.of_agent(called.id, called.call_id, self._within.who)
        dispatcher, invoker = self._below(called.id, frozenset(), called.role, account, log, is_agent=True)
        return LocalAgent(dispatcher, invoker, account, log)

    def _remote(self, called: Called, begin: Callable[[AgentSpec], AgentChannel]) -> LiveAgent:
        from llmos.interfaces.remote_agents import AgentSpec, RemoteAgent
        from llmos.memory.abandoned import end_lost_agent
        from llmos.memory.agent_logs import agent_path

        role, transcript, alive = called.role, self._parts.record.transcript, self._within.agents
        below = replace(self._limits.orchestrator, depth=self._limits.orchestrator.depth - 1)
        named = role.tools if role is not None and role.tools is not None else self._invoker.tools
        spec = AgentSpec(
            id=called.id,
            place=f"{self._within.who}/{called.id}" if self._within.who else called.id,
            call_id=called.call_id,
            called_by=self._within.who,
            role=role,
            session=transcript.session,
            transcript=str(transcript.path),
            cwd=str(self._invoker.context.cwd),
            tools=tuple(sorted(name for name in named if name in self._invoker.tools)),
            limits=replace(self._limits, orchestrator=below, cap_usd=self._cap_usd(role)),
            model=self._parts.model_name,
        )
        log, most = agent_path(transcript.path, called.id), self._limits.orchestrator.max_agents
        return RemoteAgent(
            begin(spec),
            spec=spec,
            account=Account(spec.limits.cap_usd),
            invoker=self._invoker,
            emit=lambda event: self._sink(nested(called.id, event, elsewhere=True)),
            admit=lambda: alive.admit(most),
            number=lambda: alive.next_number(transcript.last_agent),
            lost=lambda: end_lost_agent(log, transcript.open_folder, self._parts.clock, wait_s=_ENDS_S),
        )

    async def decide(self, turn: Turn, emit: Emit) -> None:
        """Take the goal of a turn for several tasks where its structure, or a saved graph, says so."""
        plan, limits = turn.plan, self._limits.orchestrator
        saved = plan.trace if plan.mode is Mode.FOLLOWER else None
        if saved is not None and not saved.header.is_graph:
            return
        from llmos.core.split import may_hold_several  # a replay of one task need not import it

        if limits.depth > 0 and limits.split != "off" and turn.form is None and not turn.attached:
            split = self._orchestrator.of_trace(saved, turn.goal, plan.reasons) if saved is not None else None
            if split is None and may_hold_several(turn.goal):
                split = await self._orchestrator.split(turn, plan, emit)
            if split is not None and turn.planned is not None:
                turn.split, turn.mode = split, Mode.ORCHESTRATOR
                turn.plan = replace(plan, mode=Mode.ORCHESTRATOR, reasons=split.reasons)
                turn.planned = self._orchestrator.planned(split, turn.planned)
                return
        if saved is not None or any(header.is_graph for header in plan.guidance):
            # What holds no calls guides nobody.
            reasons = (*plan.reasons, "its sub-goals are not run here")
            turn.plan = replace(plan, mode=Mode.LEARNER, trace=None, guidance=(), values=(), reasons=reasons)
            turn.mode, turn.planned = Mode.LEARNER, plan_event(turn.plan)

    async def run(self, turn: Turn, split: Split) -> Ending:
        """Run the sub-goals of a turn, once the person lets them where they are asked, and keep what was learned."""
        confirmed = await self._orchestrator.confirmed(turn, split)
        if confirmed is None:
            why = "the person did not let the plan run" if self._parts.ask_plan else "orchestrator.confirm is always"
            return Ending(Outcome.DENIED, reason=f"{why}, and nothing was run")
        ending, trace = await self._orchestrator.run(turn, confirmed)
        if confirmed.by == "trace" and turn.plan.trace:
            self._keeper.count(turn.plan.trace, "ok" if ending.outcome is Outcome.OK else "diverged")
        elif trace is not None:
            self._keeper.write(turn, trace)
        return ending

    @cached_property
    def _orchestrator(self) -> Orchestrator:
        from llmos.interfaces.orchestrating import Orchestrator

        return Orchestrator(
            limits=self._limits.orchestrator,
            traces=self._parts.record.traces,
            model=self._parts.model,
            clock=self._parts.clock,
            cwd=str(self._invoker.context.cwd),
            emit=self._sink,
            child=self._sub_goal,
            agents={name: role.description for name, role in self.roles.items()},
            ask=self._parts.ask_plan,
            did=self._did,
        )

    @cached_property
    def _replays(self) -> SharedReplayLock:
        return self._within.replays or SharedReplayLock(self._parts.record.traces.replay_lock)

    def _sub_goal(self, turn: Turn, one: SubGoal, after: frozenset[str]) -> Dispatcher:
        return self._below(one.id, after, self.roles.get(one.role), turn.calls.account)[0]

    def _cap_usd(self, role: AgentRole | None) -> float:
        cap_usd = self._limits.cap_usd
        return cap_usd if role is None or role.max_usd is None else min(cap_usd, role.max_usd)

    def _below(
        self,
        name: str,
        after: frozenset[str],
        role: AgentRole | None,
        account: Account,
        log: EventLog | None = None,
        *,
        is_agent: bool = False,
    ) -> tuple[Dispatcher, Invoker]:
        """The dispatcher of a sub-goal or agent: in the same place, under the same permissions, one level further down.

        A role may make it stricter: fewer tools, a stricter mode. What an agent does stands in its own `log`.
        """
        above = f"{self._within.who}/" if self._within.who else ""
        place, earlier = f"{above}{name}", frozenset(f"{above}{other}" for other in after)
        tools, mode, model, model_name = None, None, self._parts.model, self._parts.model_name
        if role is not None:
            mode = role.mode
            if role.tools is not None:
                tools = {tool: self._invoker.tools[tool] for tool in role.tools if tool in self._invoker.tools}
            if role.model != INHERIT:
                wanted = model_name = role.model
                model = lambda: self._parts.agents.model(wanted)  # noqa: E731
        below = replace(self._limits.orchestrator, depth=self._limits.orchestrator.depth - 1)
        made: list[Invoker] = []

        def invoker(emit: Emit) -> Invoker:
            made.append(self._invoker.child(place, emit, after=earlier, tools=tools, strictest=mode))
            return made[0]

        dispatcher = self._make(
            replace(
                self._parts,
                model=model,
                model_name=model_name,
                limits=replace(self._limits, orchestrator=below, cap_usd=self._cap_usd(role)),
                ask_plan=None,
            ),
            invoker=invoker,
            emit=lambda event: self._tell(name, event, elsewhere=log is not None),
            one_shot=True,
            within=replace(
                self._within,
                who=place,
                account=account,
                replays=self._replays,
                log=log.record if log is not None else None,
                is_agent=is_agent,
            ),
            role=role,
        )
        return dispatcher, made[0]
