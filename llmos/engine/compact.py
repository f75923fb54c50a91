"""Asking a model for the summary of a conversation."""

from __future__ import annotations

from dataclasses import replace

from llmos.core.ports import Model, ModelRequest
from llmos.engine.model_calls import ModelCalls

MOST_TOKENS = 2_000


async def summarise(model: Model, calls: ModelCalls, request: ModelRequest) -> str:
    """The summary that the last message of the request asks for, empty where none came. Raises LlmosError.

    The request has the prompt and the tools of the conversation, so that its cached beginning is used; a call of a tool
    in the reply is never run.
    """
    reply = await calls.call(model, replace(request, max_tokens=min(MOST_TOKENS, model.info.max_output_tokens)))
    return reply.message.text
