"""Slash commands about sessions: beginning anew, going on with an earlier one."""

from __future__ import annotations

from llmos.app import App
from llmos.core.errors import UsageError
from llmos.interfaces.actions_resume import begin_anew, offer_lines, picked, resumable, resume
from llmos.interfaces.printable import one_line
from llmos.interfaces.slash import Offers, SlashCommand, SlashContext
from llmos.interfaces.slash_context import compact_if_due

_ABOUT = 60


async def clear(context: SlashContext) -> None:
    context.say("\n".join(begin_anew(context.app, context.dispatcher)))


async def go_on(context: SlashContext) -> None:
    """With an id, that session; else the person picks one of those used last."""
    chosen = context.arguments or await _pick(context)
    if chosen:
        context.say("\n".join(resume(context.app, context.dispatcher, chosen, context.app.cwd)))
        await compact_if_due(context)


async def _pick(context: SlashContext) -> str:
    sessions = [session for session in resumable(context.app) if session.id != context.app.session]
    if not sessions:
        raise UsageError("there is no other session to go on with yet")
    more = len(sessions) - len(offer_lines(sessions, 0))
    hidden = [f"{more} more: `/sessions` lists them, `/resume ID` takes one"] if more else []
    context.say(
        "\n".join([*offer_lines(sessions, context.width()), *hidden, "which one? A number or an id; Enter: none"])
    )
    try:
        chosen = picked(sessions, await context.ask_line())
    except EOFError:
        chosen = ""
    if not chosen:
        context.say("nothing was changed")
    return chosen


def session_offers(app: App, typed: str) -> Offers:
    found = [session for session in resumable(app) if session.id.startswith(typed)]
    return [(session.id, one_line(session.last_goal, _ABOUT)) for session in found]


CLEAR = SlashCommand("/clear", "", "begin a new conversation; the old one stays on record", clear, ("/new",))
RESUME = SlashCommand("/resume", "[ID]", "go on with an earlier session", go_on, ("/continue",), session_offers)
