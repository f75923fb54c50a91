"""Fakes of the ports: a model that follows a script, a clock that stands still, a sink that keeps what it is told.

Invariant: a call that the script does not foresee fails the test; it is never answered.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, TypeVar

from llmos.core.errors import ModelError
from llmos.core.events import Event, TextStreamed
from llmos.core.messages import Message, Part, StopReason, Text, ToolCall, Usage
from llmos.core.ports import Emit, ModelInfo, ModelReply, ModelRequest

ScriptEntry: TypeAlias = (
    ModelReply | ModelError | Callable[[ModelRequest], "ModelReply | ModelError | Awaitable[ModelReply | ModelError]"]
)
EventT = TypeVar("EventT", bound=Event)


def model_reply(
    *parts: Part | str,
    stop_reason: StopReason | None = None,
    usage: Usage = Usage(input_tokens=10, output_tokens=5),  # noqa: B008 (frozen)
    cost_usd: float = 0.001,
    model: str = "scripted",
    stop_detail: str = "",
    chances: Mapping[str, float] | None = None,
) -> ModelReply:
    """A reply of these parts (a string is a Text); stops with TOOL_USE when it calls a tool, else with END_TURN."""
    made = tuple(Text(part) if isinstance(part, str) else part for part in parts)
    calls = any(isinstance(part, ToolCall) for part in made)
    reason = stop_reason or (StopReason.TOOL_USE if calls else StopReason.END_TURN)
    return ModelReply(
        Message("assistant", made), reason, usage, cost_usd, model, stop_detail=stop_detail, chances=chances or {}
    )


class ScriptedModel:
    """A Model that answers from a list: a reply, a ModelError to raise, or a function of the request (async or not).

    `requests` holds every request. A call beyond the list raises AssertionError and is in `unexpected`, so that a test
    can see it even if something swallowed the error. The text of a reply is emitted as one TextStreamed.
    `reserve_usd` is what every call reserves (None: the price is unknown), `abandoned_usd` what a cancelled one costs.
    """

    def __init__(
        self,
        script: Iterable[ScriptEntry] = (),
        *,
        info: ModelInfo = ModelInfo("scripted", "nobody (a test)"),  # noqa: B008 (frozen)
        reserve_usd: float | None = 0.01,
        abandoned_usd: float = 0.0,
    ) -> None:
        self.requests: list[ModelRequest] = []
        self.unexpected: list[ModelRequest] = []
        self.closed = False
        self._script = list(script)
        self._info = info
        self._reserve_usd = reserve_usd
        self._abandoned_usd = abandoned_usd

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def unused(self) -> int:
        """How many entries of the script were not asked for."""
        return len(self._script)

    def reserve_usd(self, request: ModelRequest) -> float | None:
        return self._reserve_usd

    def abandoned_usd(self) -> float:
        return self._abandoned_usd

    async def reply(self, request: ModelRequest, emit: Emit) -> ModelReply:
        self.requests.append(request)
        if not self._script:
            self.unexpected.append(request)
            raise AssertionError(
                f"call {len(self.requests)} to the model is not in the script: {request.messages[-1:]}"
            )
        entry = self._script.pop(0)
        if not isinstance(entry, (ModelReply, ModelError)):
            made = entry(request)
            entry = await made if inspect.isawaitable(made) else made
        if isinstance(entry, ModelError):
            raise entry
        if entry.message.text:
            emit(TextStreamed(text=entry.message.text))
        return entry

    async def close(self) -> None:
        self.closed = True


class FixedClock:
    """A Clock that moves only when somebody sleeps or `advance` is called; `sleeps` holds every sleep, in seconds."""

    def __init__(self, now: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)) -> None:
        self.sleeps: list[float] = []
        self._start = now
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        self._elapsed_s += seconds

    async def sleep(self, seconds: float) -> None:
        """Takes no time, but lets other tasks run."""
        self.sleeps.append(seconds)
        self.advance(max(0.0, seconds))
        await asyncio.sleep(0)


class RecordingEmit:
    """An Emit that keeps every event, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[EventT]) -> list[EventT]:
        """The events of one type, in order."""
        return [event for event in self.events if isinstance(event, kind)]
