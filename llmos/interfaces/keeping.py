"""What a turn leaves in the traces: the run that it was, and what became of a replay.

Invariant: nothing here stops a turn. What was done stays done where it cannot be written, and a notice says so.
"""

from __future__ import annotations

from llmos.core.errors import StoreError
from llmos.core.events import Notice, Outcome, TraceKept
from llmos.core.ports import Clock, Emit
from llmos.core.trace import Learned, Trace
from llmos.engine.converse import Conversed
from llmos.engine.replay import Replayed
from llmos.interfaces.turn import Turn
from llmos.memory.redaction import redactor
from llmos.memory.traces_sdk import TraceManager


class Keeper:
    """Writes for one session, nothing with `freeze`. `cwd` is the working directory of its runs, `sandbox` the tier
    that holds their commands."""

    def __init__(
        self, *, traces: TraceManager, clock: Clock, cwd: str, sandbox: str, emit: Emit, freeze: bool = False
    ) -> None:
        self._traces = traces
        self._sandbox = sandbox
        self._clock = clock
        self._cwd = cwd
        self._emit = emit
        self._freeze = freeze

    def count(self, trace: Trace, outcome: str) -> None:
        """Note what became of a replay."""
        if self._freeze:
            return
        try:
            if notice := self._traces.record_outcome(trace.header.id, outcome, self._clock.now()):
                self._emit(Notice(text=notice))
        except StoreError as error:
            self._emit(Notice(text=f"this replay does not count: {error}"))

    def confirm(self, trace: Trace, goal: str, values: tuple[tuple[str, str], ...]) -> None:
        """A judged paraphrase whose replay was checked asks for this trace from now on, without a judge."""
        if self._freeze:
            return
        try:
            self._traces.add_alias(trace.header.id, goal, self._clock.now(), values)
        except StoreError as error:
            self._emit(Notice(text=f"this wording is not remembered: {error}"))

    def keep(self, turn: Turn, conversed: Conversed, outcome: Outcome, reason: str, stopped: Replayed | None) -> None:
        """Keep a run as a trace, whole: with the steps of the replay that it went on from, if any.

        It supersedes the trace of that replay only where that trace's steps were to blame.
        """
        if self._freeze:
            return
        # Learning looks through the whole run; a replay, which keeps none, need not import it.
        from llmos.core.heal import whole_run, why_not_replayed
        from llmos.core.learn import FinishedRun, trace_of

        replaced = turn.plan.trace.header.id if stopped and stopped.at_fault and turn.plan.trace else ""
        run = FinishedRun(
            goal=turn.goal,
            outcome=outcome,
            reason=reason,
            answer=conversed.answer,
            steps=whole_run(stopped.done, stopped.failed, conversed.steps) if stopped else conversed.steps,
            cwd=self._cwd,
            shown=turn.shown,
            denied=conversed.any_denied,
            secret=_holds_secret(turn.goal, conversed),
            healed=why_not_replayed(stopped.done, at_fault=stopped.at_fault) if stopped else "",
            supersedes=replaced,
            sandbox=self._sandbox,
            foreign=turn.foreign,
        )
        learned = Learned(
            when=self._clock.now().isoformat(timespec="seconds"),
            mode=turn.mode.value,
            model=conversed.model,
            cost_usd=turn.calls.ledger.spent,
            elapsed_s=round(self._clock.monotonic() - turn.started, 3),
        )
        self.write(turn, trace_of(run, learned))

    def write(self, turn: Turn, trace: Trace) -> None:
        """Keep this trace of a turn."""
        if self._freeze:
            return
        try:
            kept = self._traces.keep(trace, self._clock.now())
        except StoreError as error:
            self._emit(Notice(text=f"this run was not kept: {error}"))
            return
        turn.kept = kept.header.id
        if kept.new:
            header = kept.header
            self._emit(
                TraceKept(
                    trace_id=header.id,
                    path=str(kept.path),
                    status=header.status.value,
                    reason=header.reason,
                    provenance=header.provenance,
                )
            )


def _holds_secret(goal: str, conversed: Conversed) -> bool:
    seen = [(step.args, step.stdout, step.output) for step in conversed.steps]
    return redactor().finds([goal, conversed.answer, seen])
