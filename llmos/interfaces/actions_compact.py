"""Going on from a summary in place of a whole conversation: asked for, or when the context fills up."""

from __future__ import annotations

from llmos.app import App
from llmos.core.errors import UsageError
from llmos.core.session_events import ConversationCompacted
from llmos.interfaces.actions_resume import resume
from llmos.interfaces.call_view import money
from llmos.interfaces.dispatcher import Dispatcher
from llmos.interfaces.layout import cut
from llmos.interfaces.printable import one_line
from llmos.interfaces.session import open_dispatcher

_SHOWN_LINES, _SHOWN_COLUMNS = 40, 100


async def compact(
    app: App, dispatcher: Dispatcher, *, focus: str = "", automatic: bool = False
) -> ConversationCompacted:
    """Begin a new session with a summary of this one's conversation. Raises UsageError where there is none yet.

    May be cancelled while the model writes; nothing is changed then.
    """
    if not dispatcher.messages:
        raise UsageError("there is no conversation to compact yet")
    return await dispatcher.compact(begin=app.begin_session, before=app.session, focus=focus, automatic=automatic)


async def compact_session(app: App, identifier: str, focus: str) -> ConversationCompacted:
    """`compact` for a session on record. Raises UsageError, StoreError."""
    dispatcher = open_dispatcher(app, emit=lambda _: None, ask=None, grant_all=False)
    try:
        resume(app, dispatcher, identifier or app.sessions.find().id, app.cwd)
        return await compact(app, dispatcher, focus=focus)
    finally:
        await app.close()


def is_due(app: App, dispatcher: Dispatcher) -> bool:
    """Whether the conversation fills so much of the model's context that it is to be compacted by itself."""
    limit = app.models.context_limit
    return bool(limit and dispatcher.messages) and dispatcher.context_tokens >= (
        app.config.settings.context.compact_at * limit
    )


def compact_lines(event: ConversationCompacted) -> list[str]:
    """What was dropped, what stays, and the summary that stands for it."""
    tokens = f", {event.context_tokens:,} tokens" if event.context_tokens else ""
    cost = f" · cost {money(event.cost_usd)}" if event.model_calls else ""
    why = f" ({one_line(event.reason)})" if event.reason else ""
    lines = event.summary.strip().split("\n")
    more = len(lines) - _SHOWN_LINES
    return [
        f"compacted: {event.messages} messages{tokens} became a summary by {event.by}{why}{cost}",
        f"dropped: what was said word for word, and {event.tool_outputs} outputs of tools; "
        f"all of it stays on record: llmos sessions show {event.before}",
        "kept as they are: core memory, the project's instructions, permissions, saved runs",
        *(f"  {cut(line, _SHOWN_COLUMNS)}" for line in lines[:_SHOWN_LINES]),
        *([f"  … {more} more lines"] if more > 0 else []),
    ]
