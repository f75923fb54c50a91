"""The replay that a plan decided on: alone in its folder, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmos.core.events import Outcome
from llmos.core.goal import goal_key
from llmos.core.ports import Emit
from llmos.core.trace import Trace
from llmos.engine.alone import run_alone
from llmos.engine.invoke import Invoker
from llmos.engine.replay import Replay, Replayed, unmet_requirements
from llmos.interfaces.keeping import Keeper
from llmos.interfaces.session_parts import SessionParts
from llmos.interfaces.turn import Turn
from llmos.memory.replay_lock import SharedReplayLock

if TYPE_CHECKING:
    from llmos.engine.going_on import Done


class Replayer:
    """Replays for one dispatcher. `lock` lets the sub-goals of one turn write side by side; None: the workspace's."""

    def __init__(
        self, parts: SessionParts, invoker: Invoker, keeper: Keeper, emit: Emit, lock: SharedReplayLock | None
    ) -> None:
        self._traces = parts.record.traces
        self._clock = parts.clock
        self._wait_s = parts.limits.replay_wait_s
        self._invoker = invoker
        self._keeper = keeper
        self._emit = emit
        self._lock = lock

    async def run(self, turn: Turn, trace: Trace, before: Done = ()) -> Replayed:
        """Replay the trace of the turn's plan, after the steps done `before`, and note what became of it."""
        replay = Replay(
            trace,
            self._invoker,
            self._emit,
            clock=self._clock,
            wait_s=self._wait_s,
            content=turn.plan.content,
            rebound=bool(turn.plan.values) or goal_key(trace.header.goal) != goal_key(turn.goal),
            before=before,
        )
        replayed = await run_alone(
            replay,
            lock=self._lock or self._traces.replay_lock,
            clock=self._clock,
            emit=self._emit,
            wait_s=self._wait_s,
            unmet=lambda: unmet_requirements(trace, self._invoker.tools, self._invoker.context, done=len(before)),
        )
        if replayed.outcome is Outcome.OK:
            self._keeper.count(trace, "ok")
            if turn.plan.judged:
                self._keeper.confirm(trace, turn.goal, turn.plan.values)
            turn.saved_usd = trace.header.learned.cost_usd
        elif replayed.ran and replayed.outcome is Outcome.DIVERGED:
            self._keeper.count(trace, "diverged")
        return replayed
