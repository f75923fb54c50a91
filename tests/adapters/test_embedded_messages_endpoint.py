"""The Anthropic adapter, and the real SDK in it, against a server that is not ours: llama.cpp's own `/v1/messages`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.adapters.anthropic_model import AnthropicModel
from llmos.adapters.local_model import LocalModel, available
from llmos.adapters.local_runtime import LocalServer
from llmos.core.catalogue import find_model
from llmos.core.errors import ModelError, ModelErrorKind
from llmos.core.events import Event, TextStreamed
from llmos.core.messages import StopReason, user_text
from llmos.core.ports import ModelRequest
from llmos.core.prices import ModelPrice
from llmos.memory.model_store import ModelStore, models_folder

SMALL = find_model("0.5b")
PATH = ModelStore(models_folder(os.environ, Path.home())).path(SMALL)
PRICES = {SMALL.name: ModelPrice(input=1.0, output=5.0, cache_read=0.1, cache_write=1.25)}

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not available() or not PATH.exists(), reason="the 0.5B model or its runtime is not here"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    model = LocalModel(PATH, name=SMALL.name, kv_bytes_per_token=SMALL.kv_bytes_per_token, n_ctx=1_024, threads=1)
    yield model.serve()
    asyncio.run(model.close())


@pytest.fixture
def elsewhere(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    """The environment of a person who points the SDK at another server."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", server.api_key)
    return server


REQUEST = ModelRequest("You are terse.", (user_text("Name three colours."),), max_tokens=40)


async def test_plain_text_is_streamed_and_counted(elsewhere: LocalServer) -> None:
    model = AnthropicModel(SMALL.name, payer="ANTHROPIC_API_KEY", prices=PRICES)
    seen: list[Event] = []
    reply = await model.reply(REQUEST, seen.append)
    await model.close()
    words = [event.text for event in seen if isinstance(event, TextStreamed)]
    assert len(words) > 1
    assert reply.message.text == "".join(words).strip() != ""
    assert reply.model == SMALL.name
    assert reply.stop_reason in (StopReason.END_TURN, StopReason.MAX_TOKENS)
    usage = reply.usage
    assert usage.input_tokens + usage.cache_read_tokens > 10 and 0 < usage.output_tokens <= 40
    assert reply.cost_usd > 0


async def test_a_wrong_key_is_an_authentication_error(elsewhere: LocalServer) -> None:
    model = AnthropicModel(SMALL.name, payer="ANTHROPIC_API_KEY", api_key="another", prices=PRICES)
    with pytest.raises(ModelError) as caught:
        await model.reply(REQUEST, lambda event: None)
    await model.close()
    assert (caught.value.kind, caught.value.retryable) == (ModelErrorKind.AUTHENTICATION, False)


async def test_a_prompt_over_the_context_is_refused(elsewhere: LocalServer) -> None:
    model = AnthropicModel(SMALL.name, payer="ANTHROPIC_API_KEY", prices=PRICES)
    with pytest.raises(ModelError) as caught:
        await model.reply(ModelRequest("", (user_text("word " * 2_000),), max_tokens=5), lambda event: None)
    await model.close()
    assert not caught.value.retryable
    assert caught.value.kind in (ModelErrorKind.CONTEXT_OVERFLOW, ModelErrorKind.BAD_REQUEST)
