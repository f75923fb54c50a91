"""Puts a streamed reply together from the raw events of the Messages API.

Invariant: a tool call without a `problem` has arguments that were complete, closed and parsed strictly; everything
else is marked, and a stream whose events are not in the order of the API (one lost, doubled, or for another block) is
no answer at all. The SDK's own accumulator is not used: it repairs cut-off JSON in silence and raises in the middle of
a stream on malformed JSON, which loses the stop reason and the usage. Pure: no I/O.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llmos.adapters.anthropic_request import estimated_tokens
from llmos.core.events import TextStreamed
from llmos.core.messages import Message, StopReason, Text, ToolCall, Usage

_CUTTING = frozenset({"max_tokens", "model_context_window_exceeded"})
_MAX_DEPTH = 100
_USAGE_FIELDS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
}


_BLOCKS_OF_DELTA = {
    "text_delta": ("text",),
    "thinking_delta": ("thinking",),
    "signature_delta": ("thinking",),
    "input_json_delta": ("tool_use", "server_tool_use", "mcp_tool_use"),
    "citations_delta": ("text",),
}
_UNKNOWN_DELTA = ("text", "thinking")
"""Where a delta of a later version of the API is passed over; in a call it would be a piece that is missing."""


class MalformedEvent(Exception):
    """The server sent an event that the Messages API does not define so."""


class StreamedReply:
    """One reply under way. Feed it every event; ask it at any moment what has been charged so far."""

    def __init__(self) -> None:
        self.sent = False
        """The request may have reached the server, so it may be charged."""
        self.started = False
        """The server began to answer, and said how large the input is."""
        self.model = ""
        self._stopped = False
        self._stop_reason: str | None = None
        self._stop_details: Any = None
        self._usage = Usage()
        self._usage_is_final = False
        self._blocks: dict[int, dict[str, Any]] = {}
        self._tool_json: dict[int, list[str]] = {}
        self._closed: set[int] = set()
        self._streamed: list[str] = []

    @property
    def complete(self) -> bool:
        """The server said that the reply is whole and why it stopped."""
        return self._stopped and self._stop_reason is not None

    @property
    def usage(self) -> Usage:
        """Tokens as last reported; until the report is final, no fewer output tokens than what was streamed."""
        if self._usage_is_final:
            return self._usage
        # What a stream reports at its start is a placeholder of a few tokens.
        streamed = estimated_tokens("".join(self._streamed))
        return replace(self._usage, output_tokens=max(self._usage.output_tokens, streamed))

    @property
    def usage_is_final(self) -> bool:
        return self._usage_is_final

    def add(self, event: Any) -> TextStreamed | None:
        """Take one raw event of the SDK; returns the words that it brought, if any. Raises MalformedEvent."""
        try:
            return self._take(event)
        except (AttributeError, KeyError, TypeError) as error:
            # The SDK builds events without validating them, so a field may be missing or of another type.
            raise MalformedEvent(str(error)) from error

    def _take(self, event: Any) -> TextStreamed | None:
        if self._stopped:
            return None  # the answer is whole, whatever is said after it
        match event.type:
            case "message_start":
                _require(not self.started, "a second message_start")
                self.started = True
                self.model = event.message.model or ""
                self._take_usage(getattr(event.message, "usage", None))
            case "content_block_start":
                _require(self.started and event.index == len(self._blocks), "a block out of order")
                self._blocks[event.index] = _new_block(event.content_block.to_dict())
            case "content_block_delta":
                return self._take_delta(self._open_block(event.index), event.index, event.delta)
            case "content_block_stop":
                self._open_block(event.index)
                self._closed.add(event.index)
            case "message_delta":
                _require(self._closed == set(self._blocks), "the end of a message with a block that did not end")
                self._stop_reason = event.delta.stop_reason or self._stop_reason
                self._stop_details = getattr(event.delta, "stop_details", None) or self._stop_details
                self._usage_is_final = self._take_usage(getattr(event, "usage", None))
            case "message_stop":
                self._stopped = True
        return None

    def message(self) -> Message:
        """The assistant message. Its `wire` can be sent back as it is."""
        parts: list[Text | ToolCall] = []
        wire: list[Mapping[str, Any]] = []
        last = max(self._blocks, default=0)
        for index, block in sorted(self._blocks.items()):
            cut_off = index not in self._closed or (index == last and self._stop_reason in _CUTTING)
            if block["type"] == "tool_use":
                call = _tool_call(block, self._tool_json.get(index, []), cut_off)
                parts.append(call)
                block = {**block, "input": {} if call.problem else dict(call.args)}
            elif block["type"] == "text":
                if not block["text"].strip():
                    continue  # the API returns such blocks and refuses them when they come back
                parts.append(Text(block["text"]))
            elif block["type"] == "thinking" and not block.get("signature"):
                continue  # cut off before it was signed: the API refuses it
            wire.append(block)
        return Message("assistant", tuple(parts), tuple(wire))

    def stop(self) -> tuple[StopReason, str]:
        """Why the model stopped, and what the server says of it (the category of a refusal, an unknown reason)."""
        value = self._stop_reason or ""
        try:
            reason = StopReason(value)
        except ValueError:
            return StopReason.UNKNOWN, value
        if reason is StopReason.UNKNOWN:
            return reason, value
        category = getattr(self._stop_details, "category", None)
        return reason, category or ""

    def _open_block(self, index: int) -> dict[str, Any]:
        _require(index in self._blocks and index not in self._closed, "an event for a block that is not open")
        return self._blocks[index]

    def _take_delta(self, block: dict[str, Any], index: int, delta: Any) -> TextStreamed | None:
        kinds = _BLOCKS_OF_DELTA.get(delta.type, _UNKNOWN_DELTA if isinstance(delta.type, str) else ())
        _require(block["type"] in kinds, "a delta for another kind of block")
        match delta.type:
            case "text_delta":
                block["text"] = block.get("text", "") + delta.text
                return self._words(delta.text, thinking=False)
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta.thinking
                return self._words(delta.thinking, thinking=True)
            case "signature_delta":
                block["signature"] = delta.signature
            case "input_json_delta":
                self._tool_json.setdefault(index, []).append(delta.partial_json)
                self._streamed.append(delta.partial_json)
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta.citation.to_dict()]
        return None

    def _words(self, text: str, *, thinking: bool) -> TextStreamed | None:
        self._streamed.append(text)
        return TextStreamed(text=text, thinking=thinking) if text else None

    def _take_usage(self, reported: Any) -> bool:
        """Overwrite what is reported (totals, not steps); says whether output tokens were among it."""
        values = {ours: getattr(reported, theirs, None) for theirs, ours in _USAGE_FIELDS.items()}
        known = {name: value for name, value in values.items() if isinstance(value, int)}
        self._usage = replace(self._usage, **known)
        return "output_tokens" in known


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise MalformedEvent(what)


def _new_block(block: dict[str, Any]) -> dict[str, Any]:
    required = {"tool_use": ("id", "name"), "text": ("text",)}.get(block["type"], ())
    for name in required:
        if not isinstance(block.get(name), str):
            raise MalformedEvent(f"a {block['type']} block without {name!r}")
    return block


def _tool_call(block: Mapping[str, Any], pieces: list[str], cut_off: bool) -> ToolCall:
    call = ToolCall(id=block["id"], name=block["name"], args={})
    if cut_off:
        return replace(call, problem="The arguments were cut off: the answer reached its token limit.")
    raw = "".join(pieces)
    try:
        args = strict_json(raw) if raw.strip() else block.get("input", {})
    except ValueError as error:
        return replace(call, problem=f"The arguments are not valid JSON: {error}.")
    if not isinstance(args, dict):
        return replace(call, problem=f"The arguments must be a JSON object, not {type(args).__name__}.")
    return replace(call, args=args)


def strict_json(raw: str) -> Any:
    """Parse JSON, refusing what Python lets pass: a key given twice, NaN, half characters, absurd depth.

    Raises ValueError.
    """
    try:
        value = json.loads(raw, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a string holds half of a character") from None
    if _depth(value) > _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"the key {twice!r} is given twice")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
