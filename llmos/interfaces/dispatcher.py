"""The Dispatcher: one goal to its end. Match, decide, act, keep.

Deciding is core/policy; acting is engine/replay or engine/converse; this module carries values between them and says
truthfully how the turn ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from llmos.core.agent_roles import AgentRole, role_text, roles_text
from llmos.core.budget import Account
from llmos.core.conversation import TYPED, TYPED_ALONE, typed_messages
from llmos.core.errors import ExitStatus, LlmosError, NoModelError, OfflineError, StoreError
from llmos.core.events import (
    Event,
    Mode,
    ModelCallFailed,
    ModelCallStarted,
    Notice,
    Outcome,
    RetryCountdown,
    TurnStarted,
)
from llmos.core.messages import Message, ToolCall
from llmos.core.permission import PermissionMode
from llmos.core.policy import plan_event
from llmos.core.ports import AnswerForm, Emit
from llmos.core.prompt import guidance_text, handoff_text
from llmos.core.session_events import ConversationCompacted
from llmos.core.verify import judge
from llmos.engine.consolidate import Consolidator
from llmos.engine.converse import Conversed
from llmos.engine.invoke import Invocation, Invoker
from llmos.engine.model_calls import ModelCalls
from llmos.engine.permits import Permits
from llmos.engine.replay import Replayed
from llmos.interfaces.compacting import compact_conversation
from llmos.interfaces.conversation import Conversation
from llmos.interfaces.deciding import Decider
from llmos.interfaces.guiding import differs_of, failures_of, guides_of, unproven
from llmos.interfaces.keeping import Keeper
from llmos.interfaces.memory_updating import MemoryUpdating
from llmos.interfaces.replaying import Replayer
from llmos.interfaces.session_parts import SessionParts
from llmos.interfaces.splitting import Splitting
from llmos.interfaces.turn import UNDECIDED, Ending, Sink, Turn, TurnResult, Within, check_goal, formed


class Dispatcher:
    """Works on one goal after the other in one session, keeping the conversation between them.

    `cut_off` are the traces whose replay was cut off just before, each with how far it had come: they are not begun
    anew over their effects. `consolidator` keeps the memory tiers up to date; without one they stay as they are.
    `within` is the turn that this one is a sub-goal or an agent of, `role` what that agent is told to be.
    """

    def __init__(
        self,
        parts: SessionParts,
        *,
        invoker: Callable[[Emit], Invoker],
        emit: Emit,
        cut_off: Mapping[str, str] | None = None,
        consolidator: Consolidator | None = None,
        one_shot: bool = False,
        within: Within | None = None,
        role: AgentRole | None = None,
    ) -> None:
        self._parts = parts
        self._record, self._clock, self._limits = parts.record, parts.clock, parts.limits
        self._within = within or Within("", None, dict(cut_off or {}))
        self._cut_off = self._within.cut_off
        kept = _nowhere if parts.freeze or self._within.who else parts.record.transcript.record
        self._sink = Sink(self._within.log or kept, emit)
        self._show = emit
        self._memory = MemoryUpdating(consolidator, self._sink, one_shot=one_shot)
        self._turn = self._typed = 0
        self._invoker = invoker(self._sink)
        self._keeper = Keeper(
            traces=parts.record.traces,
            clock=parts.clock,
            cwd=str(self._cwd),
            sandbox=self._invoker.context.tier_name,
            emit=self._sink,
            freeze=parts.freeze,
        )
        mixed_k, going_on = parts.limits.mixed_k, parts.cut_off
        self._decider = Decider(parts.record.traces, self._invoker, self._cut_off, mixed_k, going_on)
        self._replayer = Replayer(parts, self._invoker, self._keeper, self._sink, self._within.replays)
        self._splitting = Splitting(parts, Dispatcher, self._invoker, self._keeper, self._sink, self._within)
        self._invoker.context = replace(self._invoker.context, delegation=self._splitting)
        self._conversation = Conversation(
            record=parts.record,
            invoker=self._invoker,
            limits=parts.limits,
            emit=self._sink,
            news=self._memory.take_news,
            roles=lambda: roles_text(self._splitting.roles) if self._splitting.offered else "",
            role=role_text(role),
        )

    @property
    def permission_mode(self) -> PermissionMode:
        """How calls are judged that no rule speaks of; may be set at any time."""
        return self._invoker.mode

    @permission_mode.setter
    def permission_mode(self, mode: PermissionMode) -> None:
        self._invoker.mode = mode

    @property
    def permits(self) -> Permits:
        """What is allowed in this session."""
        return self._invoker.permits

    @property
    def why_not_gone_on(self) -> str:
        """Why the replay that was cut off may not be gone on with, once the goal was decided on; empty where it may."""
        return self._decider.why_not

    async def dispatch(
        self,
        goal: str,
        *,
        dry_run: bool = False,
        attached: Sequence[str] = (),
        form: AnswerForm | None = None,
        given: str = "",
    ) -> TurnResult:
        """Carry out one goal. With `dry_run` decide, show, and do nothing. A model is shown the files `attached`, and
        what `form` the answer must have, and the results of other sub-goals that are `given`.

        Raises UsageError for a goal that is empty or too long, StoreError when the turn cannot even be recorded.
        Cancelling it stops everything in flight, records the turn as interrupted and raises CancelledError again.
        """
        check_goal(goal, self._limits.goal_bytes)
        await self._memory.stop(small_only=True)
        self._turn += 1
        emit = self._show if dry_run else self._sink
        turn = self._new_turn(goal, emit)
        turn.attached, turn.form, turn.given = tuple(attached), form, given
        if dry_run:
            self._begin(turn, emit)
            await self._decide(turn, emit, ask=False)
            return turn.result(Ending(Outcome.OK), self._clock.monotonic(), ran=False)
        try:
            self._begin(turn, emit)
            await self._decide(turn, emit)
            ending = await self._act(turn)
        except asyncio.CancelledError:
            reason = self._with_journal("stopped before its end")
            reason = f"{reason}: {turn.progress}" if turn.progress else reason
            self._conversation.extend(goal, f"[this turn was {reason}]")
            if turn.mode is Mode.FOLLOWER and turn.plan.trace and self._sink.journal.half_done:
                self._cut_off[turn.plan.trace.header.id] = self._sink.journal.closed().summary
            await self._end(turn, Ending(Outcome.INTERRUPTED, reason=reason))
            raise
        except LlmosError as error:
            if not turn.begun:
                raise
            ending = Ending(Outcome.FAILED, "", str(error), error.exit_status)
        except BaseException as error:
            await self._end(
                turn, Ending(Outcome.FAILED, reason=f"llmos itself failed: {type(error).__name__}: {error}")
            )
            raise
        return await self._end(turn, ending)

    def restart(
        self,
        messages: tuple[Message, ...] = (),
        *,
        turns: int = 0,
        tokens: int = 0,
        cut_off: Mapping[str, str] | None = None,
    ) -> None:
        """Go on from another conversation, which had so many turns and tokens; without one, from none.

        The agents of the one before end.
        """
        self._splitting.close("the conversation that called it has ended")
        self._conversation.restart(messages, tokens)
        self._turn = turns
        known = dict(cut_off or {})
        self._cut_off.clear()  # sub-goals share it
        self._cut_off.update(known)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation so far."""
        return self._conversation.messages

    @property
    def context_tokens(self) -> int:
        """What the conversation filled of a model's context at its last call."""
        return self._conversation.tokens

    async def compact(
        self, *, begin: Callable[[], None], before: str, focus: str, automatic: bool
    ) -> ConversationCompacted:
        """Go on from a summary of the conversation, in a session that `begin` begins. Raises StoreError.

        Without a model, or where it fails, the summary is a digest. Cancelled while it writes, nothing is changed.
        """
        account, total_s = Account(self._limits.cap_usd), self._limits.retry_total_s
        event = await compact_conversation(
            self._conversation,
            self._parts.model,
            ModelCalls(account=account, clock=self._clock, emit=self._show_progress, retry_total_s=total_s),
            begin=begin,
            go_on=lambda messages: self.restart(messages, turns=self._turn, cut_off=self._cut_off),
            before=before,
            focus=focus,
            automatic=automatic,
        )
        self._sink(event)
        return event

    def _show_progress(self, event: Event) -> None:
        """What is not said to the person: the screen waits, and shows no words of it."""
        if isinstance(event, ModelCallStarted | ModelCallFailed | RetryCountdown):
            self._show(event)

    async def run_command(self, command: str, *, told: bool) -> Invocation:
        """Run a command that the person typed, behind the gate; with `told` the model learns what it gave."""
        self._typed += 1
        self._invoker.begin_turn()
        call = ToolCall(f"{TYPED if told else TYPED_ALONE}{self._typed}", "shell", {"command": command})
        invocation = await self._invoker.invoke(call)
        if told and invocation.step is not None:
            self._conversation.add(typed_messages(command, invocation.result.content))
        return invocation

    def note(self, event: Event, messages: Sequence[Message]) -> None:
        """Put on record what happened between two turns, and tell the model in these messages. Raises StoreError."""
        self._sink(event)
        self._conversation.add(messages)

    @property
    def updating_memory(self) -> bool:
        """Whether an update of memory is under way."""
        return self._memory.running

    async def finish(self) -> None:
        """Wait for the update of memory that is under way; cancelled, it is stopped and stays due."""
        try:
            await self._memory.finish()
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop the update of memory that is under way, and end the agents of the session."""
        self._splitting.close("its session has ended")
        await self._memory.stop()

    def _new_turn(self, goal: str, emit: Emit) -> Turn:
        account = Account(self._limits.cap_usd, self._within.account)
        total_s = self._limits.retry_total_s
        calls = ModelCalls(account=account, clock=self._clock, emit=emit, retry_total_s=total_s)
        return Turn(goal, UNDECIDED, calls, self._clock.monotonic(), Mode.LEARNER)

    def _begin(self, turn: Turn, emit: Emit) -> None:
        self._invoker.begin_turn()
        self._splitting.begin(turn)
        emit(TurnStarted(goal=turn.goal, cwd=str(self._cwd), workspace=str(self._parts.workspace), turn=self._turn))
        turn.begun = True

    # ------------------------------------------------------------------------------------------------ deciding

    async def _decide(self, turn: Turn, emit: Emit, *, ask: bool = True) -> None:
        """Make the plan of the turn; what judging the likeness of goals cost is charged to it."""
        async with self._within.deciding:
            await self._decider.choose(turn, emit, ask=ask)
        turn.planned = plan_event(turn.plan, differs_of(turn.goal, turn.plan))
        await self._splitting.decide(turn, emit)
        emit(turn.planned)

    # -------------------------------------------------------------------------------------------------- acting

    async def _act(self, turn: Turn) -> Ending:
        if self._parts.cut_off is not None and turn.plan.mode is not Mode.FOLLOWER:
            return Ending(Outcome.DIVERGED, reason=turn.plan.reasons[0])
        if turn.split is not None:
            ending = await self._splitting.run(turn, turn.split)
            self._conversation.extend(turn.goal, ending.answer)
            return ending
        if turn.plan.mode is not Mode.FOLLOWER or turn.plan.trace is None:
            return await self._converse(turn)
        replayed = await self._replayer.run(turn, turn.plan.trace, self._decider.done)
        if replayed.outcome is Outcome.OK:
            self._conversation.extend(turn.goal, replayed.answer)
            return formed(turn, Ending(Outcome.OK, replayed.answer))
        if replayed.outcome is Outcome.DENIED:
            return Ending(Outcome.DENIED, reason=self._with_journal(replayed.reason))
        return await self._continue(turn, replayed)

    async def _continue(self, turn: Turn, replayed: Replayed) -> Ending:
        """The model goes on where a replay stopped; without a model the turn ends as diverged."""
        try:
            self._parts.model()
        except NoModelError as error:
            left = "; `llmos undo` takes back what it did to files" if replayed.has_effects else ""
            reason = f"{self._with_journal(replayed.reason)}{left}; {error}"
            return Ending(Outcome.DIVERGED, "", reason, ExitStatus.DIVERGED)
        self._sink(Notice(text=f"the replay stopped: {replayed.reason}; the model goes on from there"))
        turn.mode = Mode.MIXED
        return await self._converse(turn, replayed)

    async def _converse(self, turn: Turn, stopped: Replayed | None = None) -> Ending:
        """The agent loop; `stopped` is the replay that it goes on from."""
        try:
            model = self._parts.model()
        except OfflineError as error:
            reason = f"no saved run may be replayed ({turn.plan.reasons[0]}), and {error}"
            return Ending(Outcome.FAILED, "", reason, error.exit_status)
        guides = guides_of(turn.goal, turn.plan, turn.pieces, self._record.traces)
        went_on = [turn.plan.trace] if stopped and turn.plan.trace else []
        turn.foreign = unproven([*(guide.trace for guide in guides), *went_on], self._record.traces)
        guidance = guidance_text(
            guides,
            failures_of(turn.goal, turn.plan, self._record.traces),
            self._cut_off.get(turn.plan.trace.header.id, "") if turn.plan.trace else "",
        )
        handoff = handoff_text(self._sink.journal, stopped.reason) if stopped else ""
        done = stopped.done if stopped else ()
        await self._record.transcript.settled()
        conversed = await self._conversation.run(turn, model, guidance, handoff, done)
        return self._conclude(turn, conversed, stopped, small=model.info.small)

    def _with_journal(self, reason: str) -> str:
        """The reason, and how far the replay had come, where it is half done."""
        journal = self._sink.journal.closed()
        return f"{reason}; of the replay: {journal.summary}" if journal.half_done else reason

    # -------------------------------------------------------------------------------------------------- ending

    def _conclude(self, turn: Turn, conversed: Conversed, stopped: Replayed | None, *, small: bool) -> Ending:
        outcome, reason = conversed.outcome, conversed.reason
        if outcome is Outcome.OK and not conversed.denied:
            outcome, reason = judge(turn.goal, conversed.answer, conversed.steps, small=small, doubt=conversed.doubt)
        elif outcome is Outcome.OK:
            outcome, reason = Outcome.DENIED, conversed.denied
        ending = formed(turn, Ending(outcome, conversed.answer, reason, conversed.exit_status))
        outcome, reason = ending.outcome, ending.reason
        if conversed.outcome is Outcome.OK:
            self._conversation.take(conversed.messages)
        else:
            self._conversation.extend(turn.goal, f"[this turn ended {outcome.value}: {reason}]")
        if conversed.steps:
            self._keeper.keep(turn, conversed, outcome, reason, stopped)
        return ending

    async def _end(self, turn: Turn, ending: Ending) -> TurnResult:
        now = self._clock.monotonic()
        if ending.outcome is Outcome.DENIED and self._invoker.denied_unheld:
            ending = replace(ending, exit_status=ExitStatus.NO_SANDBOX)
        if ending.outcome is Outcome.OK and turn.plan.trace:
            self._cut_off.pop(turn.plan.trace.header.id, None)
        if self._within.who and not self._within.is_agent:
            self._splitting.close("the sub-goal that called it has ended")
        event, shown = turn.ended(ending, now), False
        try:
            self._sink(event)
            shown = True
            await self._record.transcript.settled()
        except StoreError as error:
            if not shown:
                self._show(event)
            self._show(Notice(text=f"the end of this turn is not on record: {error}"))
        self._memory.after(turn, ending)
        return turn.result(ending, now)

    @property
    def _cwd(self) -> Path:
        return self._invoker.context.cwd


def _nowhere(_: Event) -> None:
    """What a frozen session records."""
