"""What the fake Messages server is told to answer, as values, and the server-sent events that they become.

    reply(text("Looking", " around"), tool_use("list_files", {"path": "."}, split=3), usage=usage(input=100))

Invariant: building a reply touches no server; ids and signatures that are left out are filled in when it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Literal, TypeAlias

from llmos.core.dataclass import dataclass

_EMPTY: Mapping[str, Mapping[str, Any]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


@dataclass(frozen=True, slots=True)
class Block:
    """A content block: what it is when whole, and the deltas in which it arrives."""

    content: Mapping[str, Any]
    deltas: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """A `ping` event."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Silence for so many seconds; ends early when the client hangs up."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Error:
    """An error answer, or the `error` event of a broken stream."""

    status: int
    type: str
    message: str
    retry_after: float | None = None
    error_code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"type": self.type, "message": self.message}
        if self.error_code is not None:
            error["details"] = {"error_code": self.error_code}
        return {"type": "error", "error": error, "request_id": "req_fake"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. With `broken`, the stream ends so after `after_events` events."""

    items: tuple[Block | Ping | Delay, ...]
    stop_reason: str | None
    usage: Mapping[str, int]
    stop_details: Mapping[str, Any] | None = None
    model: str | None = None
    """None: the model that was asked."""
    broken: Literal["", "drop", "end", "error"] = ""
    after_events: int = 0
    error: Error | None = None

    @property
    def content(self) -> list[dict[str, Any]]:
        """The blocks as a whole message has them."""
        return [dict(item.content) for item in self.items if isinstance(item, Block)]


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as the bytes of its body, sent as they are; then the connection ends so, or nothing more comes."""

    body: bytes
    ends: Literal["end", "drop", "reset", "stall"] = "end"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})


Answer: TypeAlias = Reply | Error | Raw
Script: TypeAlias = Sequence[Answer | Callable[[dict[str, Any]], Answer]] | Callable[[dict[str, Any]], Answer]


def text(*pieces: str) -> Block:
    """Words, in as many deltas as pieces are given."""
    deltas = tuple({"type": "text_delta", "text": piece} for piece in pieces)
    return Block({"type": "text", "text": "".join(pieces)}, deltas)


def thinking(*pieces: str, signature: str | None = None) -> Block:
    """Summarised reasoning; the server signs it when no signature is given. An empty one stays empty (cut off)."""
    deltas = tuple({"type": "thinking_delta", "thinking": piece} for piece in pieces)
    return Block({"type": "thinking", "thinking": "".join(pieces), "signature": signature}, deltas)


def tool_use(
    name: str, args: Any = None, *, id: str | None = None, split: int | Sequence[str] = 1, raw: str | None = None
) -> Block:
    """A tool call. Its input arrives in `split` pieces, or in the given ones; `raw` replaces it by any text."""
    whole = raw if raw is not None else json.dumps({} if args is None else args)
    pieces = _cut(whole, split) if isinstance(split, int) else list(split)
    deltas = tuple({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    given = args if raw is None and isinstance(args, Mapping) else {}
    return Block({"type": "tool_use", "id": id, "name": name, "input": dict(given)}, deltas)


def ping() -> Ping:
    return Ping()


def delay(seconds: float) -> Delay:
    return Delay(seconds)


def usage(*, input: int = 10, output: int = 5, cache_read: int = 0, cache_write: int = 0) -> dict[str, int]:
    """Tokens in the words of the API; `input` excludes the cached ones."""
    return {
        "input_tokens": input,
        "output_tokens": output,
        "cache_read_input_tokens": cache_read,
        "cache_creation_input_tokens": cache_write,
    }


_default_usage = usage


def reply(
    *items: Block | Ping | Delay,
    stop_reason: str | None = None,
    usage: Mapping[str, int] | None = None,
    stop_details: Mapping[str, Any] | None = None,
    model: str | None = None,
) -> Reply:
    """A whole answer; stops with `tool_use` when it has a tool call, else with `end_turn`, unless told otherwise."""
    calls = any(isinstance(item, Block) and item.content["type"] == "tool_use" for item in items)
    reason = stop_reason or ("tool_use" if calls else "end_turn")
    return Reply(items, reason, usage or _default_usage(), stop_details, model)


def error(
    status: int,
    type: str,
    message: str = "scripted error",
    *,
    retry_after: float | None = None,
    error_code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Error:
    """An error in place of an answer."""
    return Error(status, type, message, retry_after, error_code, headers or {})


def midstream_error(
    *items: Block | Ping | Delay,
    after_events: int = 3,
    type: str = "overloaded_error",
    message: str = "scripted error",
    usage: Mapping[str, int] | None = None,
) -> Reply:
    """Status 200, then an `error` event after so many events of the stream."""
    return _broken("error", items, after_events, usage, Error(529, type, message))


def drop(*items: Block | Ping | Delay, after_events: int = 3, usage: Mapping[str, int] | None = None) -> Reply:
    """The connection breaks after so many events; 0 breaks it before the status line."""
    return _broken("drop", items, after_events, usage)


def end_without_stop(
    *items: Block | Ping | Delay, after_events: int = 3, usage: Mapping[str, int] | None = None
) -> Reply:
    """The stream ends in good order after so many events, without a `message_stop`."""
    return _broken("end", items, after_events, usage)


def events_of(answer: Reply, message_id: str, model: str) -> Iterator[dict[str, Any] | Delay]:
    """The stream's events in order, with the silences between them."""
    head = {**message_of(answer, message_id, model), "content": [], "stop_reason": None, "stop_details": None}
    # The API's first count of output tokens is a placeholder.
    head["usage"] = {**answer.usage, "output_tokens": 1}
    yield {"type": "message_start", "message": head}
    index = 0
    for item in answer.items:
        if isinstance(item, Delay):
            yield item
        elif isinstance(item, Ping):
            yield {"type": "ping"}
        else:
            yield from _block_events(item, index)
            index += 1
    delta = {"stop_reason": answer.stop_reason, "stop_sequence": None, "stop_details": answer.stop_details}
    yield {"type": "message_delta", "delta": delta, "usage": dict(answer.usage)}
    yield {"type": "message_stop"}


def message_of(answer: Reply, message_id: str, model: str) -> dict[str, Any]:
    """The answer as one message, as a call without `stream` gets it."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": answer.model or model,
        "content": answer.content,
        "stop_reason": answer.stop_reason,
        "stop_sequence": None,
        "stop_details": answer.stop_details,
        "usage": dict(answer.usage),
    }


def sse(event: Mapping[str, Any]) -> bytes:
    """One event as it goes over the wire."""
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _block_events(block: Block, index: int) -> Iterator[dict[str, Any]]:
    start = {**block.content, **_EMPTY[block.content["type"]]}
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in block.deltas:
        yield {"type": "content_block_delta", "index": index, "delta": dict(delta)}
    if signature := block.content.get("signature"):
        delta = {"type": "signature_delta", "signature": signature}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _broken(
    how: Literal["drop", "end", "error"],
    items: tuple[Block | Ping | Delay, ...],
    after_events: int,
    tokens: Mapping[str, int] | None,
    failure: Error | None = None,
) -> Reply:
    whole = reply(*(items or (text("The beginning", " of an answer", " that breaks."),)), usage=tokens)
    return Reply(whole.items, whole.stop_reason, whole.usage, broken=how, after_events=after_events, error=failure)


def _cut(whole: str, pieces: int) -> list[str]:
    size = max(1, -(-len(whole) // max(1, pieces)))
    return [whole[start : start + size] for start in range(0, len(whole), size)]
