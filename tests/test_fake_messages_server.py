"""The fake Messages server says what it is told and refuses what the real API refuses; the other fakes fail loudly.

Spoken to with the standard library alone: the SDK is in test_anthropic_model.py.
"""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from llmos.core.errors import ModelError, ModelErrorKind
from llmos.core.events import TextStreamed
from llmos.core.messages import Message, StopReason, Text, ToolCall, Usage, user_text
from llmos.core.ports import ModelReply, ModelRequest
from llmos.testing import (
    FakeMessagesServer,
    FixedClock,
    RecordingEmit,
    ScriptedModel,
    error,
    model_reply,
    ping,
    reply,
    text,
    thinking,
    tool_use,
    usage,
)

OPUS = "claude-opus-5-5"
USER = {"role": "user", "content": "hello"}


def call(
    server: FakeMessagesServer, body: Any, path: str = "/v1/messages", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    try:
        sent = {"authorization": "Bearer k"} if headers is None else headers
        connection.request("GET" if body is None else "POST", path, body and json.dumps(body), sent)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def body(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": OPUS, "max_tokens": 100, "messages": list(messages or (USER,)), **more}


def test_a_scripted_reply_as_json() -> None:
    with FakeMessagesServer([reply(text("hi"), usage=usage(input=3, output=4, cache_read=2))]) as server:
        status, _, raw = call(server, body())
    assert (status, json.loads(raw)) == (
        200,
        {
            "id": "msg_fake_1",
            "type": "message",
            "role": "assistant",
            "model": OPUS,
            "content": [{"type": "text", "text": "hi"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "stop_details": None,
            "usage": {
                "input_tokens": 3,
                "output_tokens": 4,
                "cache_read_input_tokens": 2,
                "cache_creation_input_tokens": 0,
            },
        },
    )


def test_a_scripted_reply_as_events() -> None:
    answer = reply(thinking("hm"), ping(), tool_use("add", {"a": 1}, split=['{"a"', ": 1}"]))
    with FakeMessagesServer([answer]) as server:
        status, headers, raw = call(server, body(stream=True), "/v1/messages?beta=true", {"x-api-key": "k"})
    events = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith("data: ")]
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    assert [line[7:] for line in raw.splitlines() if line.startswith("event: ")] == [e["type"] for e in events]
    assert events[0]["message"]["usage"]["output_tokens"] == 1
    assert [(e["type"], e.get("content_block") or e.get("delta")) for e in events[1:]] == [
        ("content_block_start", {"type": "thinking", "thinking": "", "signature": ""}),
        ("content_block_delta", {"type": "thinking_delta", "thinking": "hm"}),
        ("content_block_delta", {"type": "signature_delta", "signature": "signed_1"}),
        ("content_block_stop", None),
        ("ping", None),
        ("content_block_start", {"type": "tool_use", "id": "toolu_fake_2", "name": "add", "input": {}}),
        ("content_block_delta", {"type": "input_json_delta", "partial_json": '{"a"'}),
        ("content_block_delta", {"type": "input_json_delta", "partial_json": ": 1}"}),
        ("content_block_stop", None),
        ("message_delta", {"stop_reason": "tool_use", "stop_sequence": None, "stop_details": None}),
        ("message_stop", None),
    ]


def test_a_request_beyond_the_script_fails_and_is_kept() -> None:
    with FakeMessagesServer() as server:
        status, _, raw = call(server, body())
        assert status == 500
        assert "not in the script" in json.loads(raw)["error"]["message"]
        assert len(server.unexpected) == 1
        assert [request.body for request in server.requests] == [body()]


def test_a_script_may_be_a_function_of_the_request() -> None:
    with FakeMessagesServer(lambda asked: reply(text(asked["messages"][-1]["content"].upper()))) as server:
        assert json.loads(call(server, body())[2])["content"] == [{"type": "text", "text": "HELLO"}]
        assert json.loads(call(server, body())[2])["content"] == [{"type": "text", "text": "HELLO"}]


def test_a_scripted_error_carries_its_headers_and_code() -> None:
    scripted = error(429, "rate_limit_error", "slow down", retry_after=7, error_code="ramp_limit_exceeded")
    with FakeMessagesServer([scripted]) as server:
        status, headers, raw = call(server, body())
    assert (status, headers["retry-after"]) == (429, "7")
    assert json.loads(raw)["error"] == {
        "type": "rate_limit_error",
        "message": "slow down",
        "details": {"error_code": "ramp_limit_exceeded"},
    }


def test_models_and_token_counts() -> None:
    with FakeMessagesServer() as server:
        assert [m["id"] for m in json.loads(call(server, None, "/v1/models")[2])["data"]] == [
            "claude-opus-5-5",
            "claude-sonnet-5-5",
            "claude-haiku-5-5",
        ]
        assert json.loads(call(server, None, "/v1/models/claude-opus-5-5")[2])["max_tokens"] == 128_000
        counted = call(server, {"model": OPUS, "messages": [USER]}, "/v1/messages/count_tokens")
        assert (counted[0], json.loads(counted[2])["input_tokens"] > 0) == (200, True)
        assert call(server, None, "/v1/nowhere")[0] == 500
        assert server.unexpected == ["no such path: GET /v1/nowhere"]


CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "add", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "3"}]}
LATE = {"role": "user", "content": [{"type": "text", "text": "well"}, *RESULT["content"]]}
OPEN_SCHEMA = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (body(temperature=0.5), "temperature"),
        (body(top_k=1), "top_k"),
        (body(tool_choice={"type": "any"}), "forced tool use"),
        (body(tool_choice={"type": "tool", "name": "x"}), "forced tool use"),
        (body(thinking={"type": "enabled", "budget_tokens": 2000}), "budget_tokens"),
        (body(thinking={"type": "disabled"}), "cannot be disabled"),
        (body(USER, {"role": "assistant", "content": "I think"}), "prefill"),
        (body(USER, CALL, USER), "tool_use without its tool_result"),
        (body(USER, CALL), "tool_use without its tool_result"),
        (body(USER, CALL, LATE), "tool_use without its tool_result"),
        (body(USER, RESULT), "tool_result without its tool_use"),
        (body(USER, CALL, RESULT, CALL, RESULT), "must be unique"),
        (body({"role": "user", "content": ""}), "content must not be empty"),
        (body({"role": "user", "content": [{"type": "text", "text": " "}]}), "non-whitespace"),
        (body(output_config=OPEN_SCHEMA), "additionalProperties"),
        (body(tools=[{"name": "a b", "input_schema": {"type": "object"}}]), "tools.0.name"),
        (body(tools=[{"name": "a", "input_schema": {"type": "object"}}] * 2), "unique"),
        ({"model": OPUS, "messages": [USER]}, "max_tokens: field required"),
    ],
)
def test_what_the_api_refuses_is_refused(asked: dict[str, Any], complaint: str) -> None:
    with FakeMessagesServer([reply(text("kept"))]) as server:
        status, _, raw = call(server, asked)
        assert (status, json.loads(raw)["error"]["type"]) == (400, "invalid_request_error")
        assert complaint in json.loads(raw)["error"]["message"]
        assert len(server.refused) == 1
        assert call(server, body(USER, CALL, RESULT))[0] == 200, "a refused request leaves the script as it is"
        assert server.unexpected == []


def test_an_older_model_takes_what_it_took() -> None:
    old = body(USER, {"role": "assistant", "content": "I think"}, model="claude-haiku-4-5")
    with FakeMessagesServer([reply(text("so"))]) as server:
        assert call(server, {**old, "tool_choice": {"type": "any"}})[0] == 200


def test_a_missing_credential_is_refused() -> None:
    with FakeMessagesServer() as server:
        status, _, raw = call(server, body(), headers={})
    assert (status, json.loads(raw)["error"]["type"]) == (401, "authentication_error")


def second_request(server: FakeMessagesServer, first: dict[str, Any]) -> dict[str, Any]:
    content = json.loads(call(server, first)[2])["content"]
    messages = [*first["messages"], {"role": "assistant", "content": content}, {"role": "user", "content": "go on"}]
    return {**first, "messages": messages}


def changed(asked: dict[str, Any], number: int, content: Any) -> dict[str, Any]:
    messages = [{**m, "content": content} if i == number else m for i, m in enumerate(asked["messages"])]
    return {**asked, "messages": messages}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda asked: asked, None),
        (lambda asked: {**asked, "cache_control": {"type": "ephemeral"}}, None),
        (lambda asked: changed(asked, 0, [{"type": "text", "text": "hello"}]), None),
        (lambda asked: {**asked, "model": "claude-sonnet-5-5"}, None),
        (lambda asked: {**asked, "system": "other"}, "different conversation"),
        (lambda asked: {**asked, "tools": []}, "different conversation"),
        (lambda asked: changed(asked, 0, "hullo"), "different conversation"),
        (lambda asked: changed(asked, 1, asked["messages"][1]["content"][1:]), None),
        (
            lambda asked: changed(asked, 1, [{**asked["messages"][1]["content"][0], "thinking": "other"}]),
            "cannot be modified",
        ),
        (
            lambda asked: changed(asked, 1, [{**asked["messages"][1]["content"][0], "signature": "forged"}]),
            "invalid `signature`",
        ),
    ],
)
def test_a_thinking_block_is_bound_to_what_came_before_it(change: Any, complaint: str | None) -> None:
    first = body(system="be brief", tools=[{"name": "add", "input_schema": {"type": "object"}}])
    with FakeMessagesServer([reply(thinking("hm"), text("hi")), reply(text("more"))]) as server:
        status, _, raw = call(server, change(second_request(server, first)))
        assert status == (400 if complaint else 200)
        assert (complaint or "") in raw


def test_a_paused_answer_is_not_a_prefill() -> None:
    with FakeMessagesServer([reply(text("wait"), stop_reason="pause_turn"), reply(text("done"))]) as server:
        paused = {"role": "assistant", "content": json.loads(call(server, body())[2])["content"]}
        assert call(server, body(USER, paused))[0] == 200


REQUEST = ModelRequest("system", (user_text("hi"),))


async def test_a_scripted_model_follows_its_script() -> None:
    async def later(request: ModelRequest) -> ModelReply:
        return model_reply(f"{len(request.messages)} messages")

    failure = ModelError(ModelErrorKind.OVERLOADED, "busy")
    emit = RecordingEmit()
    model = ScriptedModel([model_reply("a", ToolCall("1", "add", {})), failure, later])
    assert await model.reply(REQUEST, emit) == ModelReply(
        Message("assistant", (Text("a"), ToolCall("1", "add", {}))),
        StopReason.TOOL_USE,
        Usage(input_tokens=10, output_tokens=5),
        0.001,
        "scripted",
    )
    with pytest.raises(ModelError) as raised:
        await model.reply(REQUEST, emit)
    assert raised.value is failure
    assert (await model.reply(REQUEST, emit)).message.text == "1 messages"
    assert emit.events == [TextStreamed(text="a"), TextStreamed(text="1 messages")]
    assert (model.requests, model.unused, model.unexpected) == ([REQUEST] * 3, 0, [])


async def test_a_scripted_model_fails_on_a_call_that_is_not_foreseen() -> None:
    model = ScriptedModel()
    with pytest.raises(AssertionError, match="call 1 to the model is not in the script"):
        await model.reply(REQUEST, RecordingEmit())
    assert model.unexpected == [REQUEST]


async def test_a_fixed_clock_moves_only_by_sleeping() -> None:
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    assert (clock.now(), clock.monotonic()) == (datetime(2026, 1, 1, tzinfo=UTC), 0.0)
    await clock.sleep(90)
    clock.advance(0.5)
    assert (clock.now(), clock.monotonic(), clock.sleeps) == (
        datetime(2026, 1, 1, 0, 1, 30, 500_000, tzinfo=UTC),
        90.5,
        [90],
    )
