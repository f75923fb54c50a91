"""The table of slash commands, in the order of /help. One entry is one command."""

from __future__ import annotations

from llmos.interfaces import (
    slash_basic,
    slash_context,
    slash_permissions,
    slash_screen,
    slash_sessions,
    slash_traces,
    slash_undo,
)
from llmos.interfaces.slash import SlashCommand
from llmos.interfaces.slash_words import through_cli

COMMANDS: tuple[SlashCommand, ...] = (
    slash_basic.HELP,
    slash_basic.EXPLAIN,
    slash_basic.DRY_RUN,
    slash_undo.UNDO,
    slash_traces.WRONG,
    slash_traces.TRACES,
    slash_sessions.CLEAR,
    slash_context.COMPACT,
    slash_context.CONTEXT,
    slash_context.COST,
    slash_context.EXPORT,
    slash_sessions.RESUME,
    through_cli("sessions", "[VERB …]", "conversations on record: list, show, delete", default=["list"]),
    through_cli("memory", "[VERB …]", "what is remembered: list, search, why, forget, undo", default=["list"]),
    slash_basic.MODEL,
    slash_permissions.MODE,
    slash_permissions.PERMISSIONS,
    through_cli("stats", "[OPTIONS]", "spent and saved, over all sessions"),
    through_cli("config", "[VERB …]", "settings: show, get, set, path", default=["show"]),
    through_cli("doctor", "[OPTIONS]", "is everything in order", in_thread=True),
    slash_screen.VERBOSE,
    slash_basic.INIT,
    slash_basic.QUIT,
)
