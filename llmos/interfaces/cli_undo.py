"""`llmos undo`: take back what the last turn did to files."""

from __future__ import annotations

from typing import Annotated

import typer

from llmos.core.errors import ExitStatus
from llmos.interfaces.cli_shared import SessionArgument, WorkspaceOption, confirm, open_app, say, write_lines


def undo(
    ctx: typer.Context,
    identifier: SessionArgument = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Undo without asking.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what changed again since.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Take back what the last turn did to files. What cannot be taken back is said first.

    \b
    Examples:
      llmos undo --dry-run
      llmos undo 1be8c2db --yes
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_undo import carry_out, done_line, undo_lines, undo_plan

    session = opened.sessions.find_whole(identifier)
    plan = undo_plan(opened, session)
    write_lines(undo_lines(plan))
    if dry_run:
        say("dry run: nothing was changed")
        return
    if not plan.does_something or not confirm("undo this?", yes=yes):
        say("nothing was changed")
        raise typer.Exit(ExitStatus.DENIED if plan.does_something else ExitStatus.FAILED)
    opened.resume_session(session)
    try:
        event = carry_out(opened, plan, force=force)
        opened.transcript.record(event)
    finally:
        opened.transcript.close()
    say(done_line(event))
