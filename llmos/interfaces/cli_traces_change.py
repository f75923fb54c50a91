"""`llmos traces edit|approve|export|import`: what changes the saved runs of a workspace, or carries them elsewhere."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmos.core.errors import ExitStatus, UsageError
from llmos.interfaces.cli_shared import (
    TraceArgument,
    WorkspaceOption,
    confirm,
    open_app,
    say,
    write,
    write_diff,
    write_lines,
)
from llmos.interfaces.startup import working_folder

if TYPE_CHECKING:
    from llmos.app import App
    from llmos.memory.trace_exchange import Imported, Shown

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Answer the question with yes.")]


def approve(
    ctx: typer.Context, identifier: TraceArgument, yes: YesOption = False, workspace: WorkspaceOption = None
) -> None:
    """Allow an imported or edited run to be replayed. It is shown whole first.

    What is approved is the content that was shown: when the file changes, it is not approved any more.

    \b
    Examples:
      llmos traces approve 7ee73448
      llmos traces approve 7ee73448 --yes
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import exchange, load_trace

    with closing(opened.traces):
        shown = exchange(opened).read(load_trace(opened, identifier).header.id)
        if not exchange(opened).waits(shown):
            say(f"{shown.trace.header.id} is approved already")
            return
        _show_and_approve(opened, shown, yes)


def _show_and_approve(opened: App, shown: Shown, yes: bool) -> None:
    from llmos.interfaces.actions_traces import exchange, inspect_lines, tool_changes
    from llmos.interfaces.layout import screen_width

    write_lines(inspect_lines(opened, shown.trace, screen_width(), whole=True))
    for sentence in tool_changes(opened, shown.trace):
        say(sentence)
    if not confirm("approve it, so that it may be replayed?", yes=yes):
        say("it was not approved, and is never replayed until it is")
        raise typer.Exit(ExitStatus.DENIED)
    exchange(opened).approve(shown, datetime.now(UTC))
    say(f"approved {shown.trace.header.id}")


def edit(
    ctx: typer.Context, identifier: TraceArgument, yes: YesOption = False, workspace: WorkspaceOption = None
) -> None:
    """Change a saved run in your editor. Its goal, steps and answer open in $VISUAL or $EDITOR.

    The saved run itself is never changed: the edit becomes a new one, which takes the place of the old one as soon as
    you approve it.

    \b
    Example:
      EDITOR=nano llmos traces edit 7ee73448
    """
    from llmos.interfaces.actions_traces import exchange, load_trace
    from llmos.interfaces.editing import edit_until_good
    from llmos.interfaces.trace_text import diff_lines
    from llmos.memory.trace_exchange import edited_trace
    from llmos.memory.trace_files import encode_trace
    from llmos.memory.workspace import make_derived_folder

    opened = open_app(ctx, workspace)
    with closing(opened.traces):
        old = load_trace(opened, identifier)
        specs = {name: tool.spec for name, tool in opened.tools.items()}
        now = datetime.now(UTC)
        new = edit_until_good(
            encode_trace(old),
            lambda data, name: edited_trace(old, data, specs, now, name=name),
            folder=make_derived_folder(opened.workspace),
            name=f"{old.header.id}.yaml",
            environ=os.environ,
            retry=lambda: sys.stdin.isatty() and confirm("open it again?", yes=False),
        )
        if new is None:
            say("nothing was changed")
            return
        write_diff(diff_lines(old, new))
        taken = exchange(opened).take(new)
        say(f"written as {taken.trace.header.id}")
        shown = exchange(opened).read(taken.trace.header.id)
        if not exchange(opened).waits(shown):
            say("it is approved already")
            return
        _show_and_approve(opened, shown, yes)
        say(f"{old.header.id} is used no more; `llmos traces diff` shows what is different")


def export_traces(
    ctx: typer.Context,
    identifiers: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which; all without any.")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Write each into this folder; else to standard output.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Give saved runs away as YAML, one file each. Drafts are left out unless they are named.

    They hold the commands and the beginning of what these printed: read them before you share them.

    \b
    Examples:
      llmos traces export 7ee73448 > count-lines.yaml
      llmos traces export --to shared/
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import export_files, exported

    with closing(opened.traces):
        traces = exported(opened, identifiers or [])
    if not traces:
        raise UsageError("there is nothing to export; `llmos traces list` shows what there is")
    if to is None:
        if len(traces) > 1:
            raise UsageError(f"{len(traces)} traces make one file each; name one of them, or a folder with --to")
        sys.stdout.write(traces[0][1].decode("utf-8"))
        return
    for path in export_files(traces, working_folder() / to):
        write(str(path))
    say("they are not approved anywhere else: whoever imports them reads and approves them")


def import_traces(
    ctx: typer.Context,
    sources: Annotated[list[Path], typer.Argument(metavar="FILE|DIR...", help="Trace files, or folders of them.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Take over saved runs from files. They are data until you approve them: nothing of them is run or believed.

    \b
    Examples:
      llmos traces import count-lines.yaml
      llmos traces import shared/
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import import_from

    with closing(opened.traces):
        taken = import_from(opened, [working_folder() / source for source in sources])
    for one in taken:
        write(f"{one.trace.header.id}\t{_arrived(one)}")
    waiting = [one.trace.header.id for one in taken if not one.approved]
    if waiting:
        say(f"{len(waiting)} are not approved, so they are never replayed; `llmos traces approve ID` shows one whole")


def _arrived(one: Imported) -> str:
    if one.approved:
        return "approved: this very content was learned or approved here before"
    return "new, not approved" if one.new else "was here already, not approved"


def add_to(group: typer.Typer) -> None:
    """Make these commands of `llmos traces`."""
    for name, command in (
        ("approve", approve),
        ("edit", edit),
        ("export", export_traces),
        ("import", import_traces),
    ):
        group.command(name)(command)
