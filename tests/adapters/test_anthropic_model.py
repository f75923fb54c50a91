"""The Anthropic adapter, through the real SDK over real HTTP to the fake Messages server."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from llmos.adapters.anthropic_model import AnthropicModel, warm_up
from llmos.adapters.anthropic_request import capabilities_of
from llmos.adapters.anthropic_stream import strict_json
from llmos.core.errors import ConfigError, ModelError, ModelErrorKind
from llmos.core.events import TextStreamed
from llmos.core.messages import Message, StopReason, Text, ToolCall, ToolResult, Usage, user_text
from llmos.core.ports import ModelReply, ModelRequest
from llmos.core.prices import ModelPrice
from llmos.core.tool import Effect, ToolSpec
from llmos.testing import (
    FakeMessagesServer,
    RecordingEmit,
    delay,
    drop,
    end_without_stop,
    error,
    midstream_error,
    ping,
    reply,
    text,
    thinking,
    tool_use,
    usage,
)

SONNET = "claude-sonnet-5-5"  # $2 in, $10 out, $0.10 cache read, $2.50 cache write per million tokens
ADD = ToolSpec(
    name="add",
    description="Add two numbers.",
    input_schema={"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False},
    effect=Effect.READ,
    version="0" * 12,
)
ASK = ModelRequest("Be brief.", (user_text("hello"),), max_tokens=1000)
ASK_TOOLS = replace(ASK, tools=(ADD,))


@pytest.fixture(scope="session", autouse=True)
def _sdk() -> None:
    warm_up()


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("API_KEY", "AUTH_TOKEN", "BASE_URL", "PROFILE", "CUSTOM_HEADERS"):
        monkeypatch.delenv(f"ANTHROPIC_{name}", raising=False)
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))


@pytest.fixture
def server() -> Iterator[FakeMessagesServer]:
    with FakeMessagesServer() as running:
        yield running
    assert running.unexpected == []


@asynccontextmanager
async def open_model(server: FakeMessagesServer, name: str = SONNET, **more: Any) -> AsyncIterator[AnthropicModel]:
    model = AnthropicModel(name, **{"payer": "a test key", "api_key": "k", "base_url": server.url, **more})
    try:
        yield model
    finally:
        await model.close()


async def ask(server: FakeMessagesServer, *answers: Any, request: ModelRequest = ASK, **more: Any) -> ModelReply:
    server.add(*answers)
    async with open_model(server, **more) as model:
        return await model.reply(request, RecordingEmit())


async def failure(server: FakeMessagesServer, *answers: Any, request: ModelRequest = ASK, **more: Any) -> ModelError:
    with pytest.raises(ModelError) as raised:
        await ask(server, *answers, request=request, **more)
    return raised.value


# The request


async def test_the_whole_request(server: FakeMessagesServer) -> None:
    await ask(server, reply(text("hi")), request=ASK_TOOLS, effort="low")
    assert server.bodies == [
        {
            "model": SONNET,
            "max_tokens": 1000,
            "stream": True,
            "system": "Be brief.",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
            "tools": [{"name": "add", "description": "Add two numbers.", "input_schema": dict(ADD.input_schema)}],
            "cache_control": {"type": "ephemeral"},
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "low"},
        }
    ]
    assert server.requests[0].headers["authorization"] == "Bearer k"


async def test_an_auth_token_and_the_environment_are_honoured(
    server: FakeMessagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(server, reply(text("hi")), api_key=None, auth_token="token")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "from the environment")
    await ask(server, reply(text("hi")), api_key=None, base_url=None)
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer token", "Bearer from the environment"]


async def test_an_unknown_model_is_sent_no_thinking_parameter(server: FakeMessagesServer) -> None:
    free = {"qwen": ModelPrice(input=0, output=0, cache_read=0, cache_write=0)}
    answer = await ask(server, reply(text("hi")), name="qwen", prices=free)
    assert "thinking" not in server.bodies[0]
    assert (answer.cost_usd, answer.model) == (0.0, "qwen")


def test_capabilities_go_by_family() -> None:
    thinks = {name: capabilities_of(name).adaptive_thinking for name in (SONNET, "claude-opus-5", "claude-sonnet-4-5")}
    assert thinks == {SONNET: True, "claude-opus-5": True, "claude-sonnet-4-5": False}
    assert capabilities_of("claude-sonnet-50").adaptive_thinking is False


async def test_what_cannot_be_sent_is_left_out_or_mended(server: FakeMessagesServer) -> None:
    """Empty messages and blank texts are refused by the API; half characters cannot be encoded."""
    messages = (
        user_text("broken name: \udcff"),
        Message("assistant", ()),
        Message("user", (Text("  "), Text("go on"))),
    )
    await ask(server, reply(text("hi")), request=replace(ASK, messages=messages))
    assert server.bodies[0]["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "broken name: ?"}]},
        {"role": "user", "content": [{"type": "text", "text": "go on"}]},
    ]


async def test_a_conversation_from_another_model_is_built_from_its_parts(server: FakeMessagesServer) -> None:
    messages = (
        user_text("add"),
        Message("assistant", (Text("I add."), ToolCall("c1", "add", {"a": 1}))),
        Message("user", (Text("and then?"), ToolResult("c1", "no", is_error=True))),
    )
    await ask(server, reply(text("hi")), request=replace(ASK_TOOLS, messages=messages))
    assert server.bodies[0]["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I add."},
                {"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "no", "is_error": True},
                {"type": "text", "text": "and then?"},
            ],
        },
    ]


async def test_structured_output_closes_the_schema(server: FakeMessagesServer) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}, "deep": {"type": "object", "properties": {}}},
        "required": ["n"],
    }
    answer = await ask(server, reply(text('{"n": 3}')), request=replace(ASK, output_schema=schema))
    assert answer.message.text == '{"n": 3}'
    sent = server.bodies[0]["output_config"]["format"]
    assert (sent["type"], sent["schema"]["additionalProperties"], sent["schema"]["required"]) == (
        "json_schema",
        False,
        ["n"],
    )
    assert sent["schema"]["properties"]["deep"]["additionalProperties"] is False


# The reply


async def test_words_are_streamed_once_and_in_order(server: FakeMessagesServer) -> None:
    server.add(reply(thinking("Let me", " see."), ping(), text("Hel", "lo"), tool_use("add", {"a": 1})))
    emit = RecordingEmit()
    async with open_model(server) as model:
        await model.reply(ASK_TOOLS, emit)
    assert emit.events == [
        TextStreamed(text="Let me", thinking=True),
        TextStreamed(text=" see.", thinking=True),
        TextStreamed(text="Hel"),
        TextStreamed(text="lo"),
    ]


async def test_the_whole_reply(server: FakeMessagesServer) -> None:
    blocks = (thinking("Sum."), text("Adding."), tool_use("add", {"a": 1, "b": "ü"}, split=7), tool_use("now"))
    tokens = usage(input=100, output=20, cache_read=50, cache_write=40)
    answer = await ask(server, reply(*blocks, usage=tokens), request=ASK_TOOLS)
    first, second = ToolCall("toolu_fake_2", "add", {"a": 1, "b": "ü"}), ToolCall("toolu_fake_3", "now", {})
    assert answer == ModelReply(
        message=Message("assistant", (Text("Adding."), first, second)),
        stop_reason=StopReason.TOOL_USE,
        usage=Usage(input_tokens=100, output_tokens=20, cache_read_tokens=50, cache_write_tokens=40),
        cost_usd=pytest.approx((100 * 2 + 20 * 10 + 50 * 0.10 + 40 * 2.50) / 1e6),
        model=SONNET,
    )
    assert answer.message.wire == (
        {"type": "thinking", "thinking": "Sum.", "signature": "signed_1"},
        {"type": "text", "text": "Adding."},
        {"type": "tool_use", "id": "toolu_fake_2", "name": "add", "input": {"a": 1, "b": "ü"}},
        {"type": "tool_use", "id": "toolu_fake_3", "name": "now", "input": {}},
    )


def follow_up(answer: ModelReply, request: ModelRequest = ASK_TOOLS) -> ModelRequest:
    results = tuple(ToolResult(call.id, "3") for call in answer.message.tool_calls)
    return replace(request, messages=(*request.messages, answer.message, Message("user", results)))


async def test_thinking_goes_back_unchanged_over_several_rounds(server: FakeMessagesServer) -> None:
    server.add(*[reply(thinking("Sum."), tool_use("add", {"a": n}), thinking("Then?")) for n in (1, 2)])
    server.add(reply(thinking("Done."), text("3")))
    async with open_model(server) as model:
        request = ASK_TOOLS
        for _ in range(2):
            request = follow_up(await model.reply(request, RecordingEmit()), request)
        last = await model.reply(request, RecordingEmit())
    assert (last.message.text, server.refused) == ("3", [])


async def test_a_changed_prefix_is_refused(server: FakeMessagesServer) -> None:
    """The partner of the test above: the server would have seen a change."""
    answer = await ask(server, reply(thinking("Sum."), tool_use("add", {"a": 1})), request=ASK_TOOLS)
    changed = replace(follow_up(answer), system="Be long.")
    refused = await failure(server, request=changed)
    assert (refused.kind, refused.retryable, refused.cost_usd) == (ModelErrorKind.BAD_REQUEST, False, 0.0)
    assert "bound to a different conversation" in str(refused)


BAD_JSON = [
    ('{"a": tru x}', "The arguments are not valid JSON: "),
    ('{"a": 1} trailing', "The arguments are not valid JSON: "),
    ('{"a": NaN}', "The arguments are not valid JSON: NaN is not a JSON number."),
    ('{"a": 1, "a": 2}', "The arguments are not valid JSON: the key 'a' is given twice."),
    ('{"a": "\\ud83d"}', "The arguments are not valid JSON: a string holds half of a character."),
    ("[1, 2]", "The arguments must be a JSON object, not list."),
    ('{"a": 1', "The arguments are not valid JSON: "),
]


@pytest.mark.parametrize(("raw", "problem"), BAD_JSON)
async def test_malformed_arguments_are_marked_and_can_be_answered(
    server: FakeMessagesServer, raw: str, problem: str
) -> None:
    answer = await ask(server, reply(thinking("Sum."), tool_use("add", raw=raw, split=3)), request=ASK_TOOLS)
    (call,) = answer.message.tool_calls
    assert (answer.stop_reason, call.args, call.problem[: len(problem)]) == (StopReason.TOOL_USE, {}, problem)
    await ask(server, reply(text("sorry")), request=follow_up(answer))
    assert server.refused == []


def test_absurd_depth_is_refused() -> None:
    for depth in (200, 100_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            strict_json('{"a":' * depth + "1" + "}" * depth)
    assert strict_json('{"a": [[1]]}') == {"a": [[1]]}


@pytest.mark.parametrize("raw", ['{"path": "x", "cont', "", '{"path": "x"}'])
async def test_a_call_cut_off_by_the_token_limit_never_runs(server: FakeMessagesServer, raw: str) -> None:
    whole = tool_use("add", {"a": 1})
    cut = reply(whole, tool_use("write", raw=raw), stop_reason="max_tokens")
    answer = await ask(server, cut, request=ASK_TOOLS)
    assert answer.stop_reason is StopReason.MAX_TOKENS
    assert [(call.args, bool(call.problem)) for call in answer.message.tool_calls] == [({"a": 1}, False), ({}, True)]
    assert "cut off" in answer.message.tool_calls[1].problem


async def test_what_the_api_would_refuse_is_not_kept_for_sending_back(server: FakeMessagesServer) -> None:
    cut = reply(text("\n\n"), text("words"), thinking("unfini", signature=""), stop_reason="max_tokens")
    answer = await ask(server, cut)
    assert answer.message == Message("assistant", (Text("words"),))
    assert answer.message.wire == ({"type": "text", "text": "words"},)


@pytest.mark.parametrize(
    ("scripted", "details", "expected"),
    [
        ("end_turn", None, (StopReason.END_TURN, "")),
        ("stop_sequence", None, (StopReason.STOP_SEQUENCE, "")),
        ("pause_turn", None, (StopReason.PAUSE_TURN, "")),
        ("model_context_window_exceeded", None, (StopReason.CONTEXT_OVERFLOW, "")),
        ("refusal", {"type": "refusal", "category": "cyber"}, (StopReason.REFUSAL, "cyber")),
        ("refusal", {"type": "refusal", "category": None}, (StopReason.REFUSAL, "")),
        ("refusal", None, (StopReason.REFUSAL, "")),
        ("compaction", None, (StopReason.UNKNOWN, "compaction")),
        ("unknown", None, (StopReason.UNKNOWN, "unknown")),
    ],
)
async def test_every_stop_reason_is_known_or_said_to_be_unknown(
    server: FakeMessagesServer, scripted: str, details: Any, expected: Any
) -> None:
    answer = await ask(server, reply(text("well"), stop_reason=scripted, stop_details=details))
    assert (answer.stop_reason, answer.stop_detail) == expected


async def test_a_paused_answer_is_continued_as_it_is(server: FakeMessagesServer) -> None:
    paused = await ask(server, reply(thinking("hm"), text("wait"), stop_reason="pause_turn"))
    again = replace(ASK, messages=(*ASK.messages, paused.message))
    answer = await ask(server, reply(text("done")), request=again)
    assert (answer.message.text, server.refused) == ("done", [])


# Money


async def test_a_users_price_comes_first(server: FakeMessagesServer) -> None:
    mine = {SONNET: ModelPrice(input=1, output=2, cache_read=3, cache_write=4)}
    tokens = usage(input=1000, output=100, cache_read=10, cache_write=1)
    answer = await ask(server, reply(text("hi"), usage=tokens), prices=mine)
    assert answer.cost_usd == pytest.approx((1000 * 1 + 100 * 2 + 10 * 3 + 1 * 4) / 1e6)


async def test_the_model_that_answered_is_priced(server: FakeMessagesServer) -> None:
    tokens = usage(input=1_000_000, output=0)
    answer = await ask(server, reply(text("hi"), usage=tokens, model="claude-opus-5-5"))
    assert (answer.model, answer.cost_usd) == ("claude-opus-5-5", pytest.approx(4.0))
    alias = await ask(server, reply(text("hi"), usage=tokens, model="some-alias"))
    assert (alias.model, alias.cost_usd) == ("some-alias", pytest.approx(2.0))


def test_the_reserve_is_an_upper_bound() -> None:
    model = AnthropicModel(SONNET, payer="x")
    letters = replace(ASK, system="x" * 250_000, max_tokens=10_000)
    reserved = model.reserve_usd(letters)
    assert reserved == pytest.approx(100_000 * 2.50 / 1e6 + 10_000 * 10 / 1e6, rel=0.01)
    assert reserved >= 100_000 * 2.50 / 1e6 + 10_000 * 10 / 1e6
    with_tools = model.reserve_usd(replace(letters, tools=(ADD,)))
    assert with_tools is not None and with_tools > reserved
    capped = model.reserve_usd(replace(ASK, max_tokens=10_000_000))
    assert capped == pytest.approx(128_000 * 10 / 1e6, rel=0.01)


def test_a_letter_outside_ascii_reserves_more() -> None:
    model = AnthropicModel(SONNET, payer="x")
    ascii_usd, han_usd = (model.reserve_usd(replace(ASK, system=c * 100_000, max_tokens=1)) for c in "x字")
    assert ascii_usd is not None and han_usd is not None
    assert han_usd > 2 * ascii_usd


async def test_an_unknown_price_is_unknown_and_calls_nobody(server: FakeMessagesServer) -> None:
    async with open_model(server, "qwen") as model:
        assert model.reserve_usd(ASK) is None
        with pytest.raises(ModelError, match="price of qwen is not known") as raised:
            await model.reply(ASK, RecordingEmit())
    assert (raised.value.retryable, raised.value.cost_usd, server.requests) == (False, 0.0, [])


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf")])
def test_an_impossible_price_is_refused(price: float) -> None:
    with pytest.raises(ConfigError, match="`output` must be US dollars"):
        ModelPrice(input=1, output=price, cache_read=1, cache_write=1)


# Failures


@pytest.mark.parametrize(
    ("scripted", "kind", "retryable", "retry_after_s"),
    [
        (error(429, "rate_limit_error", retry_after=7), ModelErrorKind.RATE_LIMIT, True, 7.0),
        (error(429, "rate_limit_error", headers={"retry-after": "soon"}), ModelErrorKind.RATE_LIMIT, True, None),
        (error(429, "rate_limit_error"), ModelErrorKind.RATE_LIMIT, True, None),
        (
            error(429, "rate_limit_error", error_code="enforced_spend_limit_reached"),
            ModelErrorKind.BILLING,
            False,
            None,
        ),
        (error(429, "rate_limit_error", error_code="ramp_limit_exceeded"), ModelErrorKind.RATE_LIMIT, True, None),
        (error(529, "overloaded_error"), ModelErrorKind.OVERLOADED, True, None),
        (error(500, "api_error"), ModelErrorKind.SERVER, True, None),
        (error(500, "api_error", headers={"x-should-retry": "false"}), ModelErrorKind.SERVER, False, None),
        (error(503, "something_new"), ModelErrorKind.SERVER, True, None),
        (error(504, "timeout_error"), ModelErrorKind.TIMEOUT, True, None),
        (error(401, "authentication_error"), ModelErrorKind.AUTHENTICATION, False, None),
        (error(403, "permission_error"), ModelErrorKind.AUTHENTICATION, False, None),
        (error(402, "billing_error"), ModelErrorKind.BILLING, False, None),
        (error(404, "not_found_error"), ModelErrorKind.BAD_REQUEST, False, None),
        (error(413, "request_too_large"), ModelErrorKind.CONTEXT_OVERFLOW, False, None),
        (error(400, "invalid_request_error"), ModelErrorKind.BAD_REQUEST, False, None),
        (
            error(400, "invalid_request_error", "prompt is too long: 9 tokens > 8"),
            ModelErrorKind.CONTEXT_OVERFLOW,
            False,
            None,
        ),
    ],
)
async def test_an_error_in_place_of_an_answer_is_free_and_classified(
    server: FakeMessagesServer, scripted: Any, kind: ModelErrorKind, retryable: bool, retry_after_s: float | None
) -> None:
    failed = await failure(server, scripted)
    assert (failed.kind, failed.retryable, failed.retry_after_s, failed.cost_usd) == (
        kind,
        retryable,
        retry_after_s,
        0.0,
    )
    assert len(server.requests) == 1, "the SDK's own retries are off"


async def test_the_message_is_one_safe_line(server: FakeMessagesServer) -> None:
    failed = await failure(server, error(400, "invalid_request_error", "a\n\x1b[31mb" + "c" * 1000))
    assert str(failed).startswith("The model server refused the request: a [31mb")
    assert len(str(failed)) < 400 and str(failed).isprintable()


INPUT = usage(input=1000, output=999_999)
"""What the start of a stream reports: a broken one never gets to the output tokens."""
INPUT_USD = 1000 * 2 / 1e6


@pytest.mark.parametrize(
    ("scripted", "kind"),
    [
        (midstream_error(after_events=3, usage=INPUT), ModelErrorKind.OVERLOADED),
        (midstream_error(after_events=3, usage=INPUT, type="rate_limit_error"), ModelErrorKind.RATE_LIMIT),
        (midstream_error(after_events=3, usage=INPUT, type="something_new"), ModelErrorKind.SERVER),
        (drop(after_events=3, usage=INPUT), ModelErrorKind.CONNECTION),
        (end_without_stop(after_events=3, usage=INPUT), ModelErrorKind.INCOMPLETE),
    ],
)
async def test_a_broken_stream_is_charged_for_what_came(
    server: FakeMessagesServer, scripted: Any, kind: ModelErrorKind
) -> None:
    failed = await failure(server, scripted)
    streamed_usd = 6 * 10 / 1e6  # "The beginning" is 13 bytes, which are 6 tokens at most
    assert (failed.kind, failed.retryable, failed.cost_usd) == (kind, True, pytest.approx(INPUT_USD + streamed_usd))


async def test_a_stream_that_begins_with_an_error_is_charged_for_its_input(server: FakeMessagesServer) -> None:
    failed = await failure(server, midstream_error(after_events=0))
    assert failed.kind is ModelErrorKind.OVERLOADED
    assert failed.cost_usd is not None and 0 < failed.cost_usd < 0.001


async def test_a_stream_that_loses_only_its_last_event_is_charged_by_its_usage(server: FakeMessagesServer) -> None:
    whole = text("short")  # start, block start, delta, block stop, message_delta: five events, and no message_stop
    failed = await failure(server, end_without_stop(whole, after_events=5, usage=usage(input=1000, output=700)))
    assert (failed.kind, failed.cost_usd) == (ModelErrorKind.INCOMPLETE, pytest.approx(INPUT_USD + 700 * 10 / 1e6))


async def test_a_stop_without_a_reason_is_incomplete(server: FakeMessagesServer) -> None:
    nothing = replace(reply(text("well")), stop_reason=None)
    assert (await failure(server, nothing)).kind is ModelErrorKind.INCOMPLETE


async def test_a_connection_cut_before_the_answer_is_charged_for_its_input(server: FakeMessagesServer) -> None:
    failed = await failure(server, drop(after_events=0))
    assert (failed.kind, failed.retryable) == (ModelErrorKind.CONNECTION, True)
    assert failed.cost_usd is not None and 0 < failed.cost_usd < 0.001


async def test_nobody_listening_costs_nothing(server: FakeMessagesServer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        failed = await failure(server, base_url=f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert (failed.kind, failed.retryable, failed.cost_usd) == (ModelErrorKind.CONNECTION, True, 0.0)
    assert str(failed) == "No connection to the model server at 127.0.0.1."


@pytest.mark.parametrize("address", ["nowhere", "ftp://127.0.0.1"])
async def test_an_address_that_is_none_is_not_tried_again(server: FakeMessagesServer, address: str) -> None:
    failed = await failure(server, base_url=address)
    assert (failed.kind, failed.retryable, failed.cost_usd) == (ModelErrorKind.CONNECTION, False, 0.0)
    assert "ANTHROPIC_BASE_URL" in str(failed)


async def test_a_server_that_does_not_stream_is_not_believed(server: FakeMessagesServer) -> None:
    async with open_model(server, base_url=server.url) as model:
        server.add(error(200, "odd"))
        with pytest.raises(ModelError, match="did not answer with an event stream") as raised:
            await model.reply(ASK, RecordingEmit())
    assert (raised.value.kind, raised.value.retryable) == (ModelErrorKind.BAD_REQUEST, False)


async def test_silence_is_given_up(server: FakeMessagesServer) -> None:
    failed = await failure(server, reply(text("well"), delay(30), text("late")), idle_timeout_s=0.2)
    assert (failed.kind, failed.retryable) == (ModelErrorKind.TIMEOUT, True)
    assert str(failed) == "The model server sent nothing for 0.2 seconds."
    assert failed.cost_usd is not None and failed.cost_usd > 0
    assert server.saw_disconnect()


async def test_no_answer_at_all_is_given_up_and_charged_for_its_input(server: FakeMessagesServer) -> None:
    def late(body: dict[str, Any]) -> Any:
        time.sleep(0.5)
        return reply(text("late"))

    failed = await failure(server, late, idle_timeout_s=0.2)
    assert failed.kind is ModelErrorKind.TIMEOUT
    assert failed.cost_usd is not None and failed.cost_usd > 0


async def test_pings_prove_life_but_not_for_ever(server: FakeMessagesServer) -> None:
    # The gaps are far below the limit, so that a busy machine does not make them silence.
    pings = [item for _ in range(15) for item in (ping(), delay(0.1))]
    answer = await ask(server, reply(text("well"), *pings, text("now")), idle_timeout_s=1.2)
    assert answer.message.text == "well\nnow"
    failed = await failure(server, reply(text("well"), *(pings * 20)), idle_timeout_s=0.6)
    assert str(failed) == "The model server kept the connection but stopped answering."
    assert (failed.kind, server.saw_disconnect()) == (ModelErrorKind.TIMEOUT, True)


async def test_a_slow_answer_that_keeps_coming_is_waited_for(server: FakeMessagesServer) -> None:
    slow = [item for _ in range(25) for item in (text("word"), delay(0.1))]  # longer than the limit for pings alone
    answer = await ask(server, reply(*slow), idle_timeout_s=0.6)
    assert len(answer.message.parts) == 25


async def test_cancelling_closes_the_connection_at_once_and_knows_its_cost(server: FakeMessagesServer) -> None:
    server.add(reply(text("The beginning"), delay(60), usage=INPUT))
    heard = asyncio.Event()
    async with open_model(server) as model:
        task = asyncio.create_task(model.reply(ASK, lambda event: heard.set()))
        await heard.wait()
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert model.abandoned_usd() == pytest.approx(INPUT_USD + 6 * 10 / 1e6)
        assert await asyncio.to_thread(server.saw_disconnect)
        assert time.monotonic() - began < 30  # the rest of the answer would take twice that


async def test_cancelling_before_anything_was_sent_costs_nothing(server: FakeMessagesServer) -> None:
    async with open_model(server) as model:
        task = asyncio.create_task(model.reply(ASK, RecordingEmit()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (model.abandoned_usd(), server.requests) == (0.0, [])


async def test_a_refused_credential_names_who_pays(server: FakeMessagesServer) -> None:
    failed = await failure(server, error(401, "authentication_error", "invalid key"))
    assert str(failed) == "The model server refused the credential (a test key): invalid key."


async def test_a_missing_credential_is_an_authentication_failure(server: FakeMessagesServer) -> None:
    failed = await failure(server, api_key=None)
    assert (failed.kind, failed.cost_usd, server.requests) == (ModelErrorKind.AUTHENTICATION, 0.0, [])


async def test_a_bug_in_a_listener_is_not_taken_for_a_failed_call(server: FakeMessagesServer) -> None:
    def emit(event: Any) -> None:
        raise ZeroDivisionError

    server.add(reply(text("hi"), delay(30)))
    async with open_model(server) as model:
        with pytest.raises(ZeroDivisionError):
            await model.reply(ASK, emit)
    assert server.saw_disconnect()


async def test_calls_side_by_side_share_a_model(server: FakeMessagesServer) -> None:
    together = threading.Barrier(5, timeout=60)

    def answer(_: dict[str, Any]) -> Any:
        together.wait()  # nobody is answered before all five have asked
        return reply(text("hi"))

    server.add(*[answer] * 5)
    async with open_model(server) as model:
        answers = await asyncio.gather(*[model.reply(ASK, RecordingEmit()) for _ in range(5)])
    assert [answer.message.text for answer in answers] == ["hi"] * 5


async def test_an_older_model_is_called_where_warnings_are_errors(server: FakeMessagesServer) -> None:
    server.add(reply(text("hi")))
    async with open_model(server, "claude-sonnet-4-5") as model:  # the SDK warns of it
        assert (await model.reply(ASK, RecordingEmit())).message.text == "hi"


async def test_a_tool_call_that_was_announced_and_did_not_come_is_no_answer(server: FakeMessagesServer) -> None:
    failed = await failure(server, reply(text("I call it."), stop_reason="tool_use"))
    assert (failed.kind, str(failed)) == (
        ModelErrorKind.INCOMPLETE,
        "The model server announced a tool call and sent none.",
    )


def test_at_most_one_credential() -> None:
    with pytest.raises(ValueError, match="not both"):
        AnthropicModel(SONNET, payer="x", api_key="k", auth_token="t")


def test_importing_the_adapter_imports_no_sdk() -> None:
    import subprocess

    code = (
        "import sys, llmos.adapters.anthropic_model; print({'anthropic', 'genai_prices', 'httpx2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
