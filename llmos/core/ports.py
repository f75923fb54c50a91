"""The ports: what the engine needs of the outside, as protocols. Adapters and `llmos.testing` implement them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from llmos.core.batch import GoalDone, GoalJob
from llmos.core.dataclass import dataclass
from llmos.core.events import Event
from llmos.core.messages import Message, StopReason, ToolCall, Usage
from llmos.core.permission import GrantScope
from llmos.core.tool import ToolSpec

Emit: TypeAlias = Callable[[Event], None]
"""Facts flow out through one synchronous sink."""


@dataclass(frozen=True, slots=True)
class ExampleStep:
    """One tool call of a solved goal and a short piece of what it gave."""

    tool: str
    args: Mapping[str, Any]
    saw: str


@dataclass(frozen=True, slots=True)
class Example:
    """A solved goal, shown to a model."""

    goal: str
    steps: tuple[ExampleStep, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the engine may know of a model."""

    name: str
    payer: str
    small: bool = False
    """A small model is steered by examples, bounded in steps, and never believed."""
    max_output_tokens: int = 32_000
    context_tokens: int = 200_000
    """How much of a conversation it can read."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call. Within a conversation `system`, `tools` and the earlier messages never change."""

    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_tokens: int = 16_000
    examples: tuple[Example, ...] = ()
    """Solved goals for a small model; a large one gets them as words in its first message."""
    output_schema: Mapping[str, Any] | None = None
    """JSON Schema that the whole answer must follow; not combined with tools."""
    choices: tuple[str, ...] = ()
    """Words of which the answer is one, for a small model that can say how likely each is; not combined with tools."""


@dataclass(frozen=True, slots=True)
class ModelReply:
    """One complete response."""

    message: Message
    stop_reason: StopReason
    usage: Usage
    cost_usd: float
    model: str
    """Who really answered, as the server names it."""
    estimated: bool = False
    stop_detail: str = ""
    """What the server said of a refusal or of a stop reason that this version does not know."""
    doubt: str = ""
    """Why the model itself is not sure of the call that it makes; empty when it is, or cannot say."""
    chances: Mapping[str, float] = field(default_factory=dict)
    """For each of the request's choices how likely it is, together 1; empty where the model cannot say."""


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """The form that the final answer of a goal must have."""

    schema: str
    """JSON Schema, as a model is shown it."""
    bare: Callable[[str], str]
    """An answer without what is around its JSON."""
    problem: Callable[[str], str]
    """Why an answer does not have the form; empty when it has."""


class Model(Protocol):
    """A model. One `reply` is one attempt: waiting and trying again is the engine's business."""

    @property
    def info(self) -> ModelInfo: ...

    def reserve_usd(self, request: ModelRequest) -> float | None:
        """The most that this call can cost, in US dollars; None when the price is not known."""

    async def reply(self, request: ModelRequest, emit: Emit) -> ModelReply:
        """Answer, emitting TextStreamed on the way. Raises ModelError; cancelling closes the connection at once."""

    def abandoned_usd(self) -> float:
        """The upper estimate of what the last attempt costs, when it was cancelled; 0.0 when nothing was sent."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class PermissionQuestion:
    """What a person is asked before a call runs."""

    call: ToolCall
    effect: str
    reason: str
    replayed: bool
    rule: str = ""
    """The exact rule that a yes for the session or for always stands for; empty where only this call can be allowed."""
    scopes: tuple[GrantScope, ...] = (GrantScope.ONCE,)
    """What may be answered."""
    run: str = ""
    """The id of the saved run that is replayed; a yes may then cover the whole of it."""
    agent: str = ""
    """The sub-goal or sub-agent that asks; empty for the turn itself."""


@dataclass(frozen=True, slots=True)
class PermissionAnswer:
    """A yes for more than the question offers counts for what it offers."""

    allow: bool
    reason: str = ""
    """What the person typed when rejecting; the model reads it."""
    scope: GrantScope = GrantScope.ONCE
    whole_run: bool = False
    """The yes is for every step of the saved run, now (ONCE) and in its later replays (SESSION, ALWAYS)."""


class Ask(Protocol):
    """A question is an awaited call. None in its place means: nobody to ask."""

    async def __call__(self, question: PermissionQuestion) -> PermissionAnswer: ...


class Embedder(Protocol):
    """Texts to vectors of length 1, on this machine or elsewhere."""

    @property
    def name(self) -> str:
        """Which model and version: vectors of different names are never compared."""

    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector for each text, in order. Raises LlmosError."""


class PassageVectors(Protocol):
    """Vectors of archival passages under one embedder. Derived: what is lost is embedded again from the files."""

    def known(self) -> Mapping[str, str]:
        """The digest of the text that each id's vector is of. Raises StoreError."""

    def put(self, digests: Mapping[str, str], vectors: Mapping[str, Sequence[float]]) -> None:
        """Keep the vectors of these ids. Raises StoreError."""

    def remove(self, ids: Sequence[str]) -> None:
        """Raises StoreError."""

    def nearest(self, vector: Sequence[float], limit: int) -> Mapping[str, float]:
        """The nearest ids and their cosines. Raises StoreError."""

    def close(self) -> None: ...


class Executor(Protocol):
    """Carries out goals, in this process or on other machines, as many at once as are asked of it."""

    @property
    def workers(self) -> int:
        """How many goals it works on at once."""

    async def run(self, job: GoalJob) -> GoalDone:
        """Carry out one goal. Raises WorkerLostError when what it ran on is gone, and its effects may be there.

        Cancelling it stops the goal at once, and it then returns what it had done.
        """

    async def close(self) -> None:
        """Stop everything and release the workers."""


class AgentCaller(Protocol):
    """What an agent in another process is answered by who called it."""

    def hear(self, what: str, args: tuple[Any, ...]) -> None:
        """Take in what needs no answer."""

    async def answer(self, what: str, args: tuple[Any, ...]) -> Any:
        """Raises LlmosError, ToolError, which the agent then gets."""


class AgentChannel(Protocol):
    """The way to an agent in another process."""

    async def ask(self, question: Any, caller: AgentCaller) -> Any:
        """What it answers. Raises ChannelLostError when the process is gone, and what the agent itself raised.

        Cancelling it stops what the agent does, and what it says meanwhile is still heard.
        """

    def close(self) -> None:
        """End the agent and its process. Safe to call twice."""


class Clock(Protocol):
    """Time, so that a test can hold it still."""

    def now(self) -> datetime:
        """The time of day, with UTC as its zone."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""

    async def sleep(self, seconds: float) -> None: ...
