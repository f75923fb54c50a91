"""Slash commands about the conversation: making it short, what fills it, what it cost, writing it out."""

from __future__ import annotations

from llmos.core.errors import UsageError
from llmos.interfaces.actions_compact import compact, compact_lines, is_due
from llmos.interfaces.actions_context import context_lines, cost_lines
from llmos.interfaces.slash import SlashCommand, SlashContext
from llmos.memory.sessions import SessionSummary


async def make_short(context: SlashContext) -> None:
    """Go on from a summary; what is typed after the name is kept above all."""
    event = await compact(context.app, context.dispatcher, focus=context.arguments)
    context.say("\n".join(compact_lines(event)))


async def compact_if_due(context: SlashContext) -> None:
    """After a turn: make the conversation short where it fills the context."""
    if is_due(context.app, context.dispatcher):
        share = context.app.config.settings.context.compact_at
        context.say(f"the conversation fills over {100 * share:.0f} % of the context (context.compact_at)")
        event = await compact(context.app, context.dispatcher, automatic=True)
        context.say("\n".join(compact_lines(event)))


async def show_context(context: SlashContext) -> None:
    lines = context_lines(context.app, context.dispatcher.messages, context.dispatcher.context_tokens, context.width())
    context.say("\n".join(lines))


async def show_cost(context: SlashContext) -> None:
    context.say("\n".join(cost_lines(this_session(context), context.width())))


async def export(context: SlashContext) -> None:
    """Write the session as Markdown to a file of the working directory."""
    from llmos.interfaces.actions_export import session_markdown, write_export

    session = this_session(context)
    path = context.app.cwd / (context.arguments or f"llmos-{session.id}.md")
    write_export(path, session_markdown(session, context.app.sessions.records(session.id)))
    context.say(f"wrote {path}")


def this_session(context: SlashContext) -> SessionSummary:
    """Raises UsageError while nothing is on record."""
    if not context.app.transcript.path.exists():
        raise UsageError("nothing is on record in this session yet")
    return context.app.sessions.find(context.app.session)


COMPACT = SlashCommand("/compact", "[WHAT TO KEEP]", "go on from a summary of this conversation", make_short)
CONTEXT = SlashCommand("/context", "", "what fills the context of the model", show_context)
COST = SlashCommand("/cost", "", "what this session spent and saved", show_cost, ("/usage",))
EXPORT = SlashCommand("/export", "[FILE]", "write this session as Markdown", export)
