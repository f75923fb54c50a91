"""`llmos sessions cost|context|explain|compact|export`: what it costs and holds, why it did what it did, its text."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from llmos.core.errors import UsageError
from llmos.interfaces.cli_shared import SessionArgument, WorkspaceOption, open_app, say, write, write_lines
from llmos.interfaces.startup import working_folder


def cost(ctx: typer.Context, identifier: SessionArgument = "", workspace: WorkspaceOption = None) -> None:
    """Show what a session spent and saved.

    \b
    Example:
      llmos sessions cost 1be8c2db
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_context import cost_lines
    from llmos.interfaces.layout import screen_width

    write_lines(cost_lines(opened.sessions.find(identifier), screen_width()))


def context(ctx: typer.Context, identifier: SessionArgument = "", workspace: WorkspaceOption = None) -> None:
    """Show how full a conversation's context is. What fills it is counted by kind.

    \b
    Example:
      llmos sessions context
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_context import context_lines, tokens_on_record
    from llmos.interfaces.layout import screen_width

    session = opened.sessions.find(identifier)
    messages = opened.sessions.load_conversation(session.id)
    write_lines(context_lines(opened, messages, tokens_on_record(opened, session), screen_width()))


def explain(ctx: typer.Context, identifier: SessionArgument = "", workspace: WorkspaceOption = None) -> None:
    """Show the last decision whole. Every candidate, gate and number is listed.

    \b
    Example:
      llmos sessions explain
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.plan_view import explain_lines, plan_line

    plan = opened.sessions.last_plan(identifier)
    if plan is None:
        raise UsageError("nothing was decided in this session")
    write_lines([plan_line(plan), *explain_lines(plan)])


def compact(
    ctx: typer.Context,
    identifier: SessionArgument = "",
    keep: Annotated[str, typer.Option("--keep", metavar="TEXT", help="What is kept above all.")] = "",
    workspace: WorkspaceOption = None,
) -> None:
    """Go on from a summary of a conversation. It begins a new session; a model writes the summary, if there is one.

    \b
    Examples:
      llmos sessions compact
      llmos sessions compact 1be8c2db --keep "the names of the files"
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_compact import compact_lines, compact_session

    event = asyncio.run(compact_session(opened, identifier, keep))
    write_lines(compact_lines(event))
    say(f"go on with: llmos --resume {opened.session}")


def export(
    ctx: typer.Context,
    identifier: SessionArgument = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A new file; standard output by default.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a session as Markdown. It holds goals, decisions, calls, outputs and answers.

    \b
    Examples:
      llmos sessions export > session.md
      llmos sessions export 1be8c2db -o session.md
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_export import session_markdown, write_export

    session = opened.sessions.find(identifier)
    text = session_markdown(session, opened.sessions.records(session.id))
    if output is None:
        write(text.rstrip("\n"))
        return
    write_export(working_folder() / output, text)
    say(f"wrote {output}")


def add_to(group: typer.Typer) -> None:
    """Make these commands of `llmos sessions`."""
    for command in (cost, context, explain, compact, export):
        group.command()(command)
