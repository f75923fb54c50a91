"""The Model port over the Messages API, with the anthropic SDK.

Invariant: one `reply` is one HTTP request (the SDK's own retries are off), and every attempt has a cost: the server's
usage priced, or an upper estimate when the stream broke, or 0.0 when the server refused before it began.
"""

from __future__ import annotations

import asyncio
import importlib
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llmos.adapters.anthropic_errors import Failure, classify
from llmos.adapters.anthropic_prices import response_cost_usd, upper_bound_usd
from llmos.adapters.anthropic_request import capabilities_of, estimated_input_tokens, request_body
from llmos.adapters.anthropic_stream import StreamedReply
from llmos.core.errors import ModelError, ModelErrorKind
from llmos.core.messages import StopReason
from llmos.core.ports import Emit, ModelInfo, ModelReply, ModelRequest
from llmos.core.prices import ModelPrice

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_CONNECT_TIMEOUT_S = 10.0
_STUCK_FACTOR = 4
"""Pings alone show a server that is alive and may be thinking, so they are given this many times the idle limit."""


def warm_up() -> None:
    """Import what a first call needs; takes seconds, so that it is worth a background thread."""
    for name in ("anthropic", "genai_prices"):
        importlib.import_module(name)


class AnthropicModel:
    """A Claude model, or another behind a server that speaks the Messages API.

    `payer` names the credential in words ("ANTHROPIC_API_KEY"). `api_key`, `auth_token` and `base_url` override what
    the SDK reads from the environment; give at most one of the first two. `prices` are the user's own, by model id,
    and come before the built-in table. `idle_timeout_s`: seconds without a single byte after which a call is given up.
    """

    def __init__(
        self,
        model: str,
        *,
        payer: str,
        api_key: str | None = None,
        auth_token: str | None = None,
        base_url: str | None = None,
        effort: str | None = None,
        prices: Mapping[str, ModelPrice] | None = None,
        idle_timeout_s: float = 90.0,
    ) -> None:
        if api_key is not None and auth_token is not None:
            raise ValueError("give api_key or auth_token, not both")
        can = capabilities_of(model)
        self._info = ModelInfo(model, payer, max_output_tokens=can.max_output_tokens, context_tokens=can.context_tokens)
        self._credential = {"api_key": api_key} if auth_token is None else {"auth_token": auth_token}
        self._base_url = base_url
        self._effort = effort
        self._prices = dict(prices or {})
        self._idle_timeout_s = idle_timeout_s
        self._client: AsyncAnthropic | None = None
        self._abandoned_usd = 0.0

    @property
    def info(self) -> ModelInfo:
        return self._info

    def reserve_usd(self, request: ModelRequest) -> float | None:
        output_tokens = min(request.max_tokens, self._info.max_output_tokens)
        return upper_bound_usd(self._info.name, estimated_input_tokens(request), output_tokens, self._prices)

    async def reply(self, request: ModelRequest, emit: Emit) -> ModelReply:
        """Answer. `request.examples` are not sent: a large model gets them as words in its first message."""
        streamed = StreamedReply()
        try:
            # In a thread: the first import of the SDK would hold up everything else for seconds.
            await asyncio.to_thread(warm_up)
            self._require_price()
            await self._stream(request, streamed, emit)
        except asyncio.CancelledError:
            self._abandoned_usd = self._broken_cost_usd(request, streamed)
            raise
        except ModelError:
            raise
        except Exception as error:
            failure = classify(error, payer=self._info.payer, idle_timeout_s=self._idle_timeout_s)
            if failure is None:
                raise
            raise self._model_error(failure, request, streamed) from error
        return self._finished(request, streamed)

    def abandoned_usd(self) -> float:
        """See the port. Read it where CancelledError is caught, before anything is awaited: calls may run side by side,
        and until the next `await` the last one is the one that was cancelled."""
        return self._abandoned_usd

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _require_price(self) -> None:
        name = self._info.name
        if upper_bound_usd(name, 1, 1, self._prices) is None:
            raise ModelError(
                ModelErrorKind.BILLING,
                f"The price of {name} is not known, so no budget can hold; set prices.{name} in your own config.yaml.",
            )

    async def _stream(self, request: ModelRequest, streamed: StreamedReply, emit: Emit) -> None:
        """Feed `streamed` until the stream ends. The connection is closed on every way out."""
        loop = asyncio.get_running_loop()
        patience_s = self._idle_timeout_s * _STUCK_FACTOR
        body = request_body(request, self._info.name, self._effort, _closed_schema(request.output_schema))
        async with asyncio.timeout(patience_s) as watchdog:
            streamed.sent = True
            # Raw events, not `messages.stream`: its accumulator breaks off on malformed tool JSON.
            async with await self._ready_client().messages.create(stream=True, **body) as events:
                _require_event_stream(events.response.headers.get("content-type", ""))
                async for event in events:
                    watchdog.reschedule(loop.time() + patience_s)
                    words = streamed.add(event)
                    if words is not None:
                        emit(words)

    def _ready_client(self) -> AsyncAnthropic:
        import anthropic

        if self._client is None:
            # The SDK warns of each call of an older model; where warnings are errors, that would end the turn.
            warnings.filterwarnings("ignore", r"The model '.*' is deprecated", DeprecationWarning)
            warnings.filterwarnings("ignore", r"Using Claude with .* is deprecated", UserWarning)
            self._client = anthropic.AsyncAnthropic(
                **self._credential,
                base_url=self._base_url,
                max_retries=0,
                timeout=anthropic.Timeout(self._idle_timeout_s, connect=_CONNECT_TIMEOUT_S),
            )
        return self._client

    def _finished(self, request: ModelRequest, streamed: StreamedReply) -> ModelReply:
        if not streamed.complete:
            cut = Failure(
                ModelErrorKind.INCOMPLETE, "The answer of the model server broke off before its end.", answered=True
            )
            raise self._model_error(cut, request, streamed)
        reason, detail = streamed.stop()
        message = streamed.message()
        if reason is StopReason.TOOL_USE and not message.tool_calls:
            lost = Failure(
                ModelErrorKind.INCOMPLETE, "The model server announced a tool call and sent none.", answered=True
            )
            raise self._model_error(lost, request, streamed)
        usage = streamed.usage
        cost = response_cost_usd((streamed.model, self._info.name), usage, self._prices)
        assert cost is not None, "the price was checked before the call"
        return ModelReply(
            message=message,
            stop_reason=reason,
            usage=usage,
            cost_usd=cost,
            model=streamed.model or self._info.name,
            estimated=not streamed.usage_is_final,
            stop_detail=detail,
        )

    def _model_error(self, failure: Failure, request: ModelRequest, streamed: StreamedReply) -> ModelError:
        charged = failure.answered or streamed.started
        return ModelError(
            failure.kind,
            failure.message,
            retryable=failure.retryable,
            retry_after_s=failure.retry_after_s,
            cost_usd=self._broken_cost_usd(request, streamed) if charged else 0.0,
        )

    def _broken_cost_usd(self, request: ModelRequest, streamed: StreamedReply) -> float:
        """An upper estimate of an attempt without a complete answer."""
        if not streamed.sent:
            return 0.0
        if streamed.started:
            cost = response_cost_usd((streamed.model, self._info.name), streamed.usage, self._prices)
        else:
            cost = upper_bound_usd(self._info.name, estimated_input_tokens(request), 0, self._prices)
        assert cost is not None, "the price was checked before the call"
        return cost


def _closed_schema(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The schema as the API takes it: objects closed, bounds that it cannot enforce turned into words."""
    if schema is None:
        return None
    from anthropic import transform_schema

    return transform_schema(dict(schema))


def _require_event_stream(content_type: str) -> None:
    if not content_type.startswith("text/event-stream"):
        raise ModelError(
            ModelErrorKind.BAD_REQUEST,
            f"The model server did not answer with an event stream but with {content_type or 'nothing'!r}; "
            "check ANTHROPIC_BASE_URL.",
        )
