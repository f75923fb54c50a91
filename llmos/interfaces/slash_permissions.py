"""Slash commands about permissions: what is allowed, taking it back, the mode of the session."""

from __future__ import annotations

from llmos.app import App
from llmos.core.errors import UsageError
from llmos.core.permission import PermissionMode
from llmos.interfaces.actions_permissions import (
    mode_line,
    permission_lines,
    permission_rows,
    revoke,
    unsigned_line,
    verdict_lines,
)
from llmos.interfaces.printable import one_line
from llmos.interfaces.slash import Offers, SlashCommand, SlashContext


async def permissions(context: SlashContext) -> None:
    """List what holds in this session, take one thing back, or say what would happen to a command."""
    verb, _, what = context.arguments.partition(" ")
    if verb == "revoke" and what.strip():
        rule = what.strip()
        if context.dispatcher.permits.take_back(rule):
            context.say(f"no longer allowed in this session: {one_line(rule)}")
        else:
            context.say(revoke(context.app, rule))
        return
    if verb == "test" and what.strip():
        now = context.dispatcher.permission_mode
        context.say("\n".join(verdict_lines(context.app, "shell", what.strip(), now)))
        return
    if verb not in ("", "list"):
        raise UsageError("write /permissions, /permissions revoke ID, or /permissions test COMMAND")
    rows = permission_rows(context.app, context.dispatcher.permits.granted)
    said = [
        mode_line(context.dispatcher.permission_mode),
        *permission_lines(rows, context.width()),
        unsigned_line(rows),
    ]
    context.say("\n".join(line for line in said if line))


async def mode(context: SlashContext) -> None:
    """Show the permission modes, or go on in one."""
    if not context.arguments:
        now = context.dispatcher.permission_mode
        width = max(len(one.value) for one in PermissionMode)
        context.say(
            "\n".join(f"{'*' if one is now else ' '} {one.value:<{width}}  {one.words}" for one in PermissionMode)
        )
        return
    try:
        chosen = PermissionMode(context.arguments.lower())
    except ValueError:
        known = ", ".join(one.value for one in PermissionMode)
        raise UsageError(f"there is no mode {one_line(context.arguments, 40)!r}; there are {known}") from None
    context.dispatcher.permission_mode = chosen
    context.say(mode_line(chosen))


def permission_offers(app: App, typed: str) -> Offers:
    verb, space, last = typed.partition(" ")
    if not space:
        return [(name, "") for name in ("list", "revoke", "test") if name.startswith(verb)]
    return [(one.id, one.text) for one in app.saved_permissions.all() if one.id.startswith(last)]


def mode_offers(_: App, typed: str) -> Offers:
    return [(one.value, one.words) for one in PermissionMode if one.value.startswith(typed)]


PERMISSIONS = SlashCommand(
    "/permissions",
    "[revoke ID|test COMMAND]",
    "what is allowed, asked and denied",
    permissions,
    offer=permission_offers,
)
MODE = SlashCommand("/mode", "[NAME]", "the permission mode: read-only to trusted", mode, offer=mode_offers)
