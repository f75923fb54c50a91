"""The summary that a conversation goes on from: a model's, or a digest where none answers."""

from __future__ import annotations

from collections.abc import Callable

from llmos.core.compaction import compacted, digest_of, extent_of
from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError
from llmos.core.messages import Message
from llmos.core.ports import Model
from llmos.core.session_events import ConversationCompacted
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


async def compact_conversation(
    conversation: Conversation,
    model: Callable[[], Model],
    calls: ModelCalls,
    *,
    begin: Callable[[], None],
    go_on: Callable[[tuple[Message, ...]], None],
    before: str,
    focus: str,
    automatic: bool,
) -> ConversationCompacted:
    """Go on from a summary, in the session that `begin` begins; the event that says so.

    Cancelled while it writes, nothing is changed.
    """
    messages, tokens = conversation.messages, conversation.tokens
    summary = await summary_of(conversation, model, calls, focus)
    begin()
    go_on(compacted(summary.text, summary.by))
    extent = extent_of(messages)
    return ConversationCompacted(
        before=before,
        summary=summary.text,
        by=summary.by,
        reason=summary.reason,
        messages=extent.messages,
        tool_outputs=extent.tool_outputs,
        context_tokens=tokens,
        automatic=automatic,
        cost_usd=calls.ledger.spent,
        model_calls=calls.count,
    )
