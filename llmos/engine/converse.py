"""The one agent loop: a model, its tool calls, and the end of the turn.

Tools run only after a complete response with a known stop reason, and only calls that parsed. The loop decides how
the conversation ended; whether the goal was met is judged by the caller from what the steps did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import BudgetError, ExitStatus, LlmosError
from llmos.core.events import MessageAdded, Outcome
from llmos.core.messages import Message, StopReason, Text, ToolCall, ToolResult, user_text
from llmos.core.ports import AnswerForm, Emit, Example, Model, ModelReply, ModelRequest
from llmos.core.replayable import DELEGATE
from llmos.core.tool import Effect, ToolSpec
from llmos.core.trace import RunStep
from llmos.engine.invoke import Invocation, Invoker
from llmos.engine.model_calls import ModelCalls

PAUSES = 8
"""How often a server may pause one turn before the loop gives up."""
CONTINUATIONS = 2
"""How often an answer that was cut at the output limit is asked to go on."""
REVIEWS = 2
"""How often an answer that the steps do not bear out is sent back."""
REPEATS = 3
"""How often in a row the same call may be asked for."""

_NUDGE = "You gave neither an answer nor a tool call. Give the answer to the goal, or say what is missing."
_CONTINUE = "Your answer was cut off at the output limit. Go on where it stopped, more briefly."
_NOT_SHOWN = "Not yet: {why}. Run a command that does it or prints it, then answer from what it printed."
_OTHER_FORM = "Not yet: {why}. Give the answer again, as JSON alone that follows the schema; do nothing anew."
_CARRIED_OUT = (
    "not run: the replayed run did this very call just before, with its effect on the files; it gave:\n{output}\n"
    "[call it once more only if the goal asks for it twice]"
)
_PAUSED = "the answer was paused before its end; call again if it is still wanted"
_REPEATED = "\n[this very call was made just before, with the same result; answer now or do something else]"


@dataclass(frozen=True, slots=True)
class Conversed:
    """How the loop ended. `outcome` is OK when the model ended the turn by itself with an answer."""

    outcome: Outcome
    reason: str
    answer: str
    steps: tuple[RunStep, ...]
    messages: tuple[Message, ...]
    model: str = ""
    denied: str = ""
    """Why a call was denied that no later call made up for; empty when there is none."""
    any_denied: bool = False
    """Whether any call was denied, made up for or not."""
    doubt: str = ""
    """Why the model was not sure of a call that the end rests on: the last one, or one that changed files."""
    exit_status: ExitStatus | None = None
    """A more precise exit code than the outcome's own, where an error gave one."""


@dataclass(slots=True)
class _State:
    messages: list[Message]
    steps: list[RunStep] = field(default_factory=list)
    answer: str = ""
    model: str = ""
    denied: str = ""
    any_denied: bool = False
    doubt: str = ""
    last_doubt: str = ""
    pauses: int = 0
    continuations: int = 0
    nudged: bool = False
    reviews: int = 0
    form_sent_back: bool = False
    last_call: tuple[str, str] = ("", "")
    repeats: int = 1


class Converse:
    """The agent loop over one model. `run` may be cancelled at any await; the events say what had been done.

    `carried_out` are steps that a replay did before: a call that would repeat the effect of one is first refused, with
    what that step gave. `review` says why the steps do not bear out an answer, or nothing; such an answer is sent back
    with that reason. An answer that has not the `form` is sent back once.
    """

    def __init__(
        self,
        *,
        model: Model,
        calls: ModelCalls,
        invoker: Invoker,
        tools: Sequence[ToolSpec],
        system: str,
        max_steps: int,
        max_tokens: int,
        emit: Emit,
        carried_out: Sequence[RunStep] = (),
        review: Callable[[str, Sequence[RunStep]], str] | None = None,
        form: AnswerForm | None = None,
    ) -> None:
        self._model = model
        self._calls = calls
        self._invoker = invoker
        self._tools = tuple(tools)
        self._system = system
        self._max_steps = max_steps
        self._max_tokens = min(max_tokens, model.info.max_output_tokens)
        self._emit = emit
        self._carried_out = {_signature(run.tool, run.args): run for run in carried_out if run.has_effects}
        self._review = review
        self._form = form

    async def run(
        self,
        earlier: Sequence[Message],
        opening: Message,
        examples: Sequence[Example] = (),
        begun: Sequence[RunStep] = (),
    ) -> Conversed:
        """Run until the model ends the turn. Model and budget errors end it too; they never escape.

        `begun` are steps of this run that were made before the model was asked; the opening tells what they gave.
        """
        state = _State(list(earlier), steps=list(begun))
        self._add(state, opening)
        try:
            for _ in range(self._max_steps):
                reply = await self._calls.call(self._model, self._request(state, examples))
                state.model = reply.model
                ended = await self._take(state, reply)
                if ended is not None:
                    return ended
        except BudgetError as error:
            return self._end(state, Outcome.OVER_BUDGET, str(error), error.exit_status)
        except LlmosError as error:
            return self._end(state, Outcome.FAILED, str(error), error.exit_status)
        return self._end(state, Outcome.FAILED, f"stopped after {self._max_steps} steps without an end")

    def _request(self, state: _State, examples: Sequence[Example]) -> ModelRequest:
        return ModelRequest(
            system=self._system,
            messages=tuple(state.messages),
            tools=self._tools,
            max_tokens=self._max_tokens,
            examples=tuple(examples),
        )

    def _add(self, state: _State, message: Message) -> None:
        state.messages.append(message)
        self._emit(MessageAdded(message=message))

    def _end(
        self, state: _State, outcome: Outcome, reason: str = "", exit_status: ExitStatus | None = None
    ) -> Conversed:
        return Conversed(
            outcome=outcome,
            reason=reason,
            answer=state.answer,
            steps=tuple(state.steps),
            messages=tuple(state.messages),
            model=state.model,
            denied=state.denied,
            any_denied=state.any_denied,
            doubt=state.doubt or state.last_doubt,
            exit_status=exit_status,
        )

    async def _take(self, state: _State, reply: ModelReply) -> Conversed | None:
        """Act on one response; the end of the turn, or None to go on."""
        if reply.message.parts or reply.message.wire:
            self._add(state, reply.message)
        match reply.stop_reason:
            case StopReason.REFUSAL:
                why = f" ({reply.stop_detail})" if reply.stop_detail else ""
                return self._end(state, Outcome.FAILED, f"the model refused this goal{why}", ExitStatus.MODEL_FAILED)
            case StopReason.CONTEXT_OVERFLOW:
                why = "the conversation no longer fits the model's context; start a new one"
                return self._end(state, Outcome.FAILED, why, ExitStatus.MODEL_FAILED)
            case StopReason.UNKNOWN:
                why = f"the model stopped for a reason this version does not know: {reply.stop_detail or 'none given'}"
                return self._end(state, Outcome.FAILED, why, ExitStatus.MODEL_FAILED)
            case StopReason.PAUSE_TURN:
                state.pauses += 1
                if state.pauses > PAUSES:
                    return self._end(state, Outcome.FAILED, f"the server paused the turn {PAUSES} times")
                # A pause is not the end of an answer: what it calls for is not run, but the server wants a result.
                calls = [replace(call, problem=_PAUSED) for call in reply.message.tool_calls]
                return await self._run_calls(state, calls, reply.doubt) if calls else None
        if reply.message.tool_calls:
            return await self._run_calls(state, reply.message.tool_calls, reply.doubt)
        return self._take_answer(state, reply)

    def _take_answer(self, state: _State, reply: ModelReply) -> Conversed | None:
        # Unstripped: the two halves of an answer that was cut off may meet at a space.
        text = state.answer + "\n".join(part.text for part in reply.message.parts if isinstance(part, Text))
        if reply.stop_reason is StopReason.MAX_TOKENS:
            state.answer = text
            state.continuations += 1
            if state.continuations > CONTINUATIONS:
                return self._end(state, Outcome.FAILED, "the answer did not fit the output limit")
            self._add(state, user_text(_CONTINUE))
            return None
        if not text.strip():
            if state.nudged:
                return self._end(state, Outcome.FAILED, "the model gave no answer")
            state.nudged = True
            self._add(state, user_text(_NUDGE))
            return None
        complaint = self._review(text.strip(), state.steps) if self._review and state.reviews < REVIEWS else ""
        if complaint and not state.denied:
            state.reviews += 1
            self._add(state, user_text(_NOT_SHOWN.format(why=complaint)))
            return None
        wrong = self._form.problem(text) if self._form and not state.form_sent_back else ""
        if wrong:
            state.form_sent_back = True
            self._add(state, user_text(_OTHER_FORM.format(why=wrong)))
            return None
        state.answer = self._form.bare(text) if self._form else text.strip()
        return self._end(state, Outcome.OK)

    async def _run_calls(self, state: _State, calls: Sequence[ToolCall], doubt: str) -> Conversed | None:
        """Run the calls in order and add one message with all results; a denial does not stop the others."""
        results: list[ToolResult] = []
        together = await self._delegated(calls)
        for call in calls:
            this = _signature(call.name, call.args)
            if (before := self._carried_out.pop(this, None)) is not None:
                results.append(ToolResult(call.id, _CARRIED_OUT.format(output=before.output), True))
                continue
            state.repeats = state.repeats + 1 if this == state.last_call else 1
            state.last_call = this
            if state.repeats > REPEATS:
                return self._end(state, Outcome.FAILED, f"the model repeats the same call of {call.name}")
            invocation = together.get(call.id) or await self._invoker.invoke(call)
            if invocation.step is not None:
                state.steps.append(invocation.step)
                state.last_doubt = doubt
                state.doubt = state.doubt or (doubt if invocation.step.has_effects else "")
                if invocation.step.ok and invocation.step.effect is not Effect.READ:
                    state.denied = ""
            state.denied = invocation.denied or state.denied
            state.any_denied = state.any_denied or bool(invocation.denied)
            result = invocation.result
            if state.repeats > 1:
                result = ToolResult(result.call_id, result.content + _REPEATED, result.is_error)
            results.append(result)
        self._add(state, Message("user", tuple(results)))
        return None

    async def _delegated(self, calls: Sequence[ToolCall]) -> dict[str, Invocation]:
        """What agents gave that one reply calls: they work side by side."""
        if len(calls) < 2 or any(call.name != DELEGATE for call in calls):
            return {}
        gave = await asyncio.gather(*(self._invoker.invoke(call) for call in calls))
        return {call.id: one for call, one in zip(calls, gave, strict=True)}


def _signature(tool: str, args: Mapping[str, Any]) -> tuple[str, str]:
    """What two calls share that ask for the very same."""
    return tool, repr(sorted(args.items()))
