"""`llmos sessions`: the conversations on record. Listed, read, deleted."""

from __future__ import annotations

from typing import Annotated

import typer

from llmos.core.errors import ExitStatus
from llmos.interfaces import cli_sessions_talk
from llmos.interfaces.cli_shared import (
    SessionArgument,
    WorkspaceOption,
    confirm,
    open_app,
    say,
    write,
    write_lines,
)
from llmos.interfaces.printable import one_line

app = typer.Typer(help="Earlier conversations. Without a command: list.", no_args_is_help=True, rich_markup_mode=None)


cli_sessions_talk.add_to(app)


@app.callback()
def sessions() -> None:
    """Sessions of this workspace; `llmos --resume ID` goes on with one."""


@app.command("list")
def list_sessions(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Only so many, those used last.")] = 50,
    agents: Annotated[bool, typer.Option("--agents", help="Below each session the agents that it called.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the sessions, the latest at the end. Each with what it cost and saved; times are UTC.

    \b
    Examples:
      llmos sessions list
      llmos sessions list --json -n 5
      llmos sessions list --agents
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_sessions import list_lines, session_row
    from llmos.interfaces.layout import screen_width

    store = opened.sessions
    found = store.all()
    shown = found[-limit:]
    hidden = len(found) - len(shown)
    if agents:
        shown = [one for session in shown for one in (session, *store.agents(session))]
    for problem in store.problems:
        say(f"skipped: {problem}")
    if as_json:
        from llmos.interfaces.output import json_line

        write("[" + ",\n ".join(json_line(session_row(session)) for session in shown) + "]")
    else:
        write_lines(list_lines(shown, screen_width()))
    if hidden:
        say(f"{hidden} earlier sessions are not shown; --limit shows more")
    if not found:
        say(f"no session yet in {opened.workspace.recall}")


@app.command()
def show(
    ctx: typer.Context,
    identifier: SessionArgument = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with every record.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Cut no output, however long it is.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show a session. Each goal, what was decided, what ran, the answer, the cost. What its agents did stands where
    they were called; ID/AGENT shows one of them alone.

    \b
    Examples:
      llmos sessions show
      llmos sessions show 1be8c2db/reviewer-1
      llmos sessions show 1be8c2db --json | jq '.records[].event'
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_sessions import show_json, show_lines
    from llmos.interfaces.layout import screen_width

    session = opened.sessions.find(identifier)
    records = opened.sessions.records(session.id)
    if as_json:
        write(show_json(session, records))
    else:
        write_lines(show_lines(session, records, screen_width(), whole=whole))


@app.command()
def delete(
    ctx: typer.Context,
    identifiers: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids or unambiguous beginnings of them.")],
    keep_backups: Annotated[
        bool, typer.Option("--keep-backups", help="Keep the copies of files that the session changed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Delete sessions for good. The transcript goes, and the copies of files that were kept for undoing it.

    Saved runs stay; `llmos traces prune` deletes those.

    \b
    Examples:
      llmos sessions delete 1be8c2db
      llmos sessions delete 1be8c2db 77aa0c11 --keep-backups --yes
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_sessions import size_words

    store = opened.sessions
    chosen = [store.find_whole(identifier) for identifier in identifiers]
    for session in chosen:
        files, count = (0, 0) if keep_backups else store.backups(session)
        copies = f" and {files} copies of changed files ({size_words(count)})" if files else ""
        write(f"{session.id}\t{size_words(session.bytes)}{copies}\t{one_line(session.first_goal, 80)}")
    if not confirm(f"delete {'it' if len(chosen) == 1 else f'these {len(chosen)}'} for good?", yes=yes):
        say("nothing was deleted")
        raise typer.Exit(ExitStatus.DENIED)
    for session in chosen:
        store.delete(session, backups=not keep_backups)
    say(f"deleted {len(chosen)} session{'s' if len(chosen) != 1 else ''}")
