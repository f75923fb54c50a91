"""A ModelRequest in the form of the Messages API.

Invariant: what is sent for a conversation only grows. An assistant message goes back as it came (`Message.wire`), and
nothing here depends on the time, on the position in the conversation or on an earlier request.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.messages import Message, Text, ToolCall, ToolResult
from llmos.core.ports import ModelRequest

_BYTES_PER_TOKEN = 2.5
"""Fewer than any ordinary text has, so that an estimate is an upper bound."""
_TOOL_PREAMBLE_TOKENS = 700
"""What the API adds to a prompt that has tools."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model takes that not every model takes."""

    adaptive_thinking: bool
    max_output_tokens: int
    context_tokens: int = 200_000


_UNKNOWN = Capabilities(adaptive_thinking=False, max_output_tokens=32_000)
_CURRENT = Capabilities(adaptive_thinking=True, max_output_tokens=128_000, context_tokens=1_000_000)
_FAMILIES: tuple[tuple[str, Capabilities], ...] = (
    ("claude-fable-5", _CURRENT),
    ("claude-mythos-5", _CURRENT),
    ("claude-opus-5", _CURRENT),
    ("claude-sonnet-5", _CURRENT),
    ("claude-haiku-5", _CURRENT),
    ("claude-opus-4-8", _CURRENT),
    ("claude-opus-4-7", _CURRENT),
    ("claude-opus-4-6", _CURRENT),
    ("claude-sonnet-4-6", Capabilities(adaptive_thinking=True, max_output_tokens=64_000)),
    ("claude-mythos-preview", Capabilities(adaptive_thinking=True, max_output_tokens=64_000)),
    ("claude-opus-4-5", Capabilities(adaptive_thinking=False, max_output_tokens=64_000)),
    ("claude-sonnet-4-5", Capabilities(adaptive_thinking=False, max_output_tokens=64_000)),
    ("claude-haiku-4-5", Capabilities(adaptive_thinking=False, max_output_tokens=64_000)),
)


def capabilities_of(model: str) -> Capabilities:
    """By family, because ids carry no date; the cautious set for an id that is not known."""
    for family, capabilities in _FAMILIES:
        if model == family or model.startswith(family + "-"):
            return capabilities
    return _UNKNOWN


def request_body(
    request: ModelRequest, model: str, effort: str | None, schema: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The arguments of a Messages call. `schema` is the output schema in the form that the API accepts."""
    capabilities = capabilities_of(model)
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": min(request.max_tokens, capabilities.max_output_tokens),
        "messages": _messages(request.messages),
        "cache_control": {"type": "ephemeral"},
    }
    if request.system:
        body["system"] = _sendable(request.system)
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.input_schema)}
            for tool in request.tools
        ]
    if capabilities.adaptive_thinking:
        # Without `summarized`, the words between tool calls arrive empty and the screen falls silent.
        body["thinking"] = {"type": "adaptive", "display": "summarized"}
    output: dict[str, Any] = {}
    if effort is not None:
        output["effort"] = effort
    if schema is not None:
        output["format"] = {"type": "json_schema", "schema": dict(schema)}
    if output:
        body["output_config"] = output
    return body


def estimated_input_tokens(request: ModelRequest) -> int:
    """An upper estimate of the tokens that the request is charged as input."""
    prompt = [
        request.system,
        _messages(request.messages),
        [(tool.name, tool.description, tool.input_schema) for tool in request.tools],
        request.output_schema,
    ]
    preamble = _TOOL_PREAMBLE_TOKENS if request.tools else 0
    return estimated_tokens(json.dumps(prompt, ensure_ascii=False, default=dict)) + preamble


def estimated_tokens(text: str) -> int:
    """An upper estimate; by bytes, because a letter outside ASCII may take several tokens."""
    return math.ceil(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN)


def _messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    built = ({"role": message.role, "content": _content(message)} for message in messages)
    # The API refuses a message without content, and such a message says nothing.
    return [message for message in built if message["content"]]


def _content(message: Message) -> list[dict[str, Any]]:
    if message.wire:
        return [dict(block) for block in message.wire]
    # Tool results come first: the API takes them only directly after their calls.
    results = [_result(part) for part in message.parts if isinstance(part, ToolResult)]
    rest = [_block(part) for part in message.parts if not isinstance(part, ToolResult)]
    return results + [block for block in rest if block["type"] != "text" or block["text"].strip()]


def _block(part: Text | ToolCall) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": _sendable(part.text)}
    return {"type": "tool_use", "id": part.id, "name": part.name, "input": dict(part.args)}


def _result(part: ToolResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": part.call_id, "content": _sendable(part.content)}
    if part.is_error:
        block["is_error"] = True
    return block


def _sendable(text: str) -> str:
    """The text without halves of characters (file names may hold them), which no JSON body can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
