"""The summary that a conversation goes on from: a model's, or a digest where none answers."""

from __future__ import annotations

from collections.abc import Callable

from llmos.core.compaction import digest_of
from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError
from llmos.core.ports import Model
from llmos.engine.model_calls import ModelCalls
from llmos.interfaces.conversation import Conversation

DIGEST = "a digest without a model"


@dataclass(frozen=True, slots=True)
class Summary:
    """`by` made it; `reason` says why that was no model."""

    text: str
    by: str
    reason: str = ""


async def summary_of(conversation: Conversation, model: Callable[[], Model], calls: ModelCalls, focus: str) -> Summary:
    """A summary of the conversation that keeps `focus` above all. Never raises for what a model did."""
    try:
        asked = model()
        if asked.info.small:
            reason = "a small model is not asked for it"
        elif text := await conversation.summary(asked, calls, focus):
            return Summary(text, asked.info.name)
        else:
            reason = "the model wrote none"
    except LlmosError as error:
        reason = str(error)
    return Summary(digest_of(conversation.messages), DIGEST, reason)
