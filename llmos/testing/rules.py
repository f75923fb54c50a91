"""What the Messages API refuses, for the fake server.

Invariant: a request that passes here breaks none of these rules; a request that the API takes is not refused. The
prefix of a thinking block is what came before it when the server signed it: system, tools and every earlier block.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.testing.script import Error

_SAMPLING = ("temperature", "top_p", "top_k")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_OLD_MODEL = re.compile(r"claude-[a-z]+-4(-|$)|claude-3")


@dataclass(frozen=True, slots=True)
class _Signed:
    model: str
    thinking: str
    prefix: str


class ApiRules:
    """Checks requests, and remembers what the server sent so that later requests can be checked against it."""

    def __init__(self) -> None:
        self._signed: dict[str, _Signed] = {}
        self._paused: set[str] = set()

    def refusal(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Error | None:
        """The error that the API would answer with; None when it takes the request."""
        if not headers.get("authorization", "").startswith("Bearer ") and not headers.get("x-api-key"):
            return Error(401, "authentication_error", "no credential: send Authorization or x-api-key")
        for complaint in self._complaints(body):
            return Error(400, "invalid_request_error", complaint)
        return None

    def remember(self, body: Mapping[str, Any], content: list[dict[str, Any]], stop_reason: str | None) -> None:
        """Keep what was signed in this answer, and whether the model paused."""
        for place, block in enumerate(content):
            if block["type"] == "thinking" and block["signature"]:
                before = [*body["messages"], {"role": "assistant", "content": content[:place]}]
                self._signed[block["signature"]] = _Signed(
                    body["model"], block["thinking"], _digest(body.get("system"), body.get("tools"), before)
                )
        if stop_reason == "pause_turn":
            self._paused.add(_digest(content))

    def _complaints(self, body: Mapping[str, Any]) -> Iterator[str]:
        for name, kind in (("model", str), ("max_tokens", int), ("messages", list)):
            if not isinstance(body.get(name), kind) or not body[name]:
                yield f"{name}: field required"
                return
        current = not _OLD_MODEL.match(body["model"])
        yield from _parameters(body, current)
        yield from _tools(body)
        yield from _contents(body["messages"])
        yield from _pairs(body["messages"])
        last = body["messages"][-1]
        if current and last["role"] == "assistant" and _digest(_blocks(last)) not in self._paused:
            yield "this model does not support prefill: the conversation must end with a user message"
        yield from self._thinking(body)

    def _thinking(self, body: Mapping[str, Any]) -> Iterator[str]:
        messages = body["messages"]
        for number, message in enumerate(messages):
            for place, block in enumerate(_blocks(message)):
                if block["type"] != "thinking":
                    continue
                where = f"messages.{number}.content.{place}"
                signed = self._signed.get(block.get("signature", ""))
                if signed is None:
                    yield f"{where}: invalid `signature` in `thinking` block"
                elif signed.thinking != block.get("thinking"):
                    yield f"{where}: `thinking` blocks cannot be modified"
                elif signed.model == body["model"]:
                    before = [*messages[:number], {"role": "assistant", "content": _blocks(message)[:place]}]
                    if signed.prefix != _digest(body.get("system"), body.get("tools"), before):
                        yield f"{where}: The block is bound to a different conversation"


def _parameters(body: Mapping[str, Any], current: bool) -> Iterator[str]:
    for name in _SAMPLING:
        if name in body:
            yield f"{name}: not supported"
    choice = body.get("tool_choice") or {}
    if current and choice.get("type") in ("any", "tool"):
        yield "tool_choice: forced tool use is not supported by this model"
    mode = (body.get("thinking") or {}).get("type")
    if current and (mode == "enabled" or "budget_tokens" in (body.get("thinking") or {})):
        yield "thinking: `enabled` with `budget_tokens` is not supported by this model; use `adaptive`"
    if mode == "disabled" and re.match(r"claude-(opus|sonnet)-5-5", body["model"]):
        yield "thinking: cannot be disabled for this model"
    schema = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    if schema is not None and _open_object(schema):
        yield "output_config.format.schema: `additionalProperties` of every object must be false"


def _tools(body: Mapping[str, Any]) -> Iterator[str]:
    names = [tool.get("name", "") for tool in body.get("tools") or []]
    if len(set(names)) != len(names):
        yield "tools: tool names must be unique"
    for number, tool in enumerate(body.get("tools") or []):
        if not _TOOL_NAME.fullmatch(tool.get("name", "")):
            yield f"tools.{number}.name: must match {_TOOL_NAME.pattern}"
        if "type" not in tool and (tool.get("input_schema") or {}).get("type") != "object":
            yield f"tools.{number}.input_schema.type: must be object"


def _contents(messages: list[dict[str, Any]]) -> Iterator[str]:
    for number, message in enumerate(messages):
        if message.get("role") not in ("user", "assistant", "system"):
            yield f"messages.{number}.role: unexpected value"
        blocks = _blocks(message)
        if not blocks:
            yield f"messages.{number}: content must not be empty"
        for place, block in enumerate(blocks):
            if block["type"] == "text" and not block["text"].strip():
                yield f"messages.{number}.content.{place}: text must contain non-whitespace text"
            if block["type"] == "tool_use" and not isinstance(block.get("input"), dict):
                yield f"messages.{number}.content.{place}.tool_use.input: must be an object"


def _pairs(messages: list[dict[str, Any]]) -> Iterator[str]:
    """Every tool_use is answered at the start of the next message, and nothing else is answered."""
    seen: set[str] = set()
    asked: list[str] = []
    for role, blocks in _turns(messages):
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if stray := [name for name in answered if name not in asked]:
            yield f"tool_result without its tool_use in the previous message: {stray}"
        leading = [block["tool_use_id"] for block in blocks[: len(answered)] if block["type"] == "tool_result"]
        if missing := [name for name in asked if name not in leading]:
            yield f"tool_use without its tool_result at the start of the next message: {missing}"
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"] if role == "assistant" else []
        if again := [name for name in asked if name in seen or asked.count(name) > 1]:
            yield f"tool_use ids must be unique: {again}"
        seen.update(asked)
    if asked:
        yield f"tool_use without its tool_result at the start of the next message: {asked}"


def _turns(messages: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The messages, with neighbours of one role taken as one, as the API takes them."""
    role, blocks = "", list[dict[str, Any]]()
    for message in messages:
        if message["role"] != role and role:
            yield role, blocks
            blocks = []
        role, blocks = message["role"], blocks + _blocks(message)
    yield role, blocks


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content or [])


def _open_object(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(_open_object(item) for item in schema)
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return True
    return any(_open_object(value) for value in schema.values())


def _digest(*values: Any) -> str:
    return hashlib.sha256(json.dumps(_plain(list(values)), sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """The value without what does not count as content: cache marks, and text given as a string or as a block."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        plain = {name: _plain(item) for name, item in value.items() if name != "cache_control"}
        return {**plain, "content": _plain(_blocks(value))} if "role" in value else plain
    return value
