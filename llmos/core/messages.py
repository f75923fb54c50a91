"""Messages of a conversation with a model, as values.

The parts are neutral between models. `Message.wire` holds the content blocks exactly as a Messages API returned
them: thinking blocks are bound to everything before them, so what came from the server goes back unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from llmos.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """Words from either side."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A request of the model to run a tool."""

    id: str
    name: str
    args: Mapping[str, Any]
    problem: str = ""
    """Why the call must not run (incomplete, not JSON, cut off by max_tokens); empty when it may."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered, for the model."""

    call_id: str
    content: str
    is_error: bool = False


Part: TypeAlias = Text | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One message; a conversation is a tuple of them and only ever grows."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]
    wire: tuple[Mapping[str, Any], ...] = field(default=(), compare=False)
    """Content blocks as the API returned them (assistant messages of the Anthropic adapter), else empty."""

    @property
    def text(self) -> str:
        """The words of the message, without tool calls and results."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text)).strip()

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


def all_text(message: Message) -> str:
    """Everything in a message that a model may have taken a value from: words, arguments, results."""
    said = (
        part.text if isinstance(part, Text) else part.content if isinstance(part, ToolResult) else str(dict(part.args))
        for part in message.parts
    )
    return "\n".join(said)


def user_text(text: str) -> Message:
    return Message("user", (Text(text),))


class StopReason(StrEnum):
    """Why a model stopped; `UNKNOWN` stands for any value this version does not know."""

    END_TURN = "end_turn"
    TOOL_USE = "tool_use"
    MAX_TOKENS = "max_tokens"
    STOP_SEQUENCE = "stop_sequence"
    PAUSE_TURN = "pause_turn"
    REFUSAL = "refusal"
    CONTEXT_OVERFLOW = "model_context_window_exceeded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response. `input_tokens` excludes the cached ones, as the Messages API counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total(self) -> int:
        """What the call read and wrote."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens
