"""`llmos traces wrong|check|enable|disable|pin|unpin`: what a person says of a saved run, and what follows."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from llmos.core.errors import ExitStatus
from llmos.interfaces.cli_shared import TraceArgument, WorkspaceOption, confirm, open_app, say, write


def wrong(
    ctx: typer.Context,
    identifier: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The trace; without it, the last replay of this workspace.")
    ] = None,
    goal: Annotated[str, typer.Option("--goal", metavar="TEXT", help="For which goal, if not its last.")] = "",
    reason: Annotated[str, typer.Option("--reason", "-r", metavar="TEXT", help="Why, for whoever reads it.")] = "",
    as_list: Annotated[bool, typer.Option("--list", help="The verdicts so far; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer the question with yes.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Say that a replay was wrong. It is not made again, nor another that differs in the same way.

    Without ID it is the last replay here. No model is asked, nothing is undone; it works offline.

    \b
    Examples:
      llmos traces wrong
      llmos traces wrong 7ee73448 --reason "counted hidden files too"
      llmos traces wrong --list
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import load_trace
    from llmos.interfaces.actions_wrong import mark_wrong, replay_to_blame
    from llmos.interfaces.printable import one_line

    with closing(opened.traces) as manager:
        if as_list:
            for one in manager.wrong():
                write("\t".join([one.when, one.trace, one_line(one.goal), one_line(one.reason)]))
            return
        trace = load_trace(opened, identifier).header.id if identifier else ""
        replay = replay_to_blame(opened, trace, goal)
        when = f" of {replay.at[:16].replace('T', ' ')}" if replay.at else ""
        question = f"was the replay{when} of {replay.trace} wrong for {one_line(repr(replay.goal), 120)}?"
        if not confirm(question, yes=yes):
            say("nothing was changed")
            raise typer.Exit(ExitStatus.DENIED)
        for sentence in mark_wrong(opened, replay, reason):
            say(sentence)


def check(ctx: typer.Context, workspace: WorkspaceOption = None) -> None:
    """Decide again on every replay that was called wrong. Exit code 1 if one would be made all the same.

    \b
    Example:
      llmos traces check
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_wrong import check_lines

    with closing(opened.traces):
        lines, bad = check_lines(opened)
    for line in lines:
        write(line)
    if bad:
        say(
            f"{bad} of {len(lines)} replays that were called wrong would be made again; delete "
            f"{opened.workspace.derived / 'traces.sqlite'}, which is then made anew from the files"
        )
        raise typer.Exit(ExitStatus.FAILED)
    say(f"all {len(lines)} replays that were called wrong are refused" if lines else "no replay was called wrong yet")


def enable(ctx: typer.Context, identifier: TraceArgument, workspace: WorkspaceOption = None) -> None:
    """Let a saved run be replayed again that was switched off or retired. Its failures so far count no more.

    \b
    Example:
      llmos traces enable 7ee73448
    """
    _say_of(ctx, identifier, workspace, "enabled")


def disable(
    ctx: typer.Context,
    identifier: TraceArgument,
    reason: Annotated[str, typer.Option("--reason", "-r", metavar="TEXT", help="Why, for whoever reads it.")] = "",
    workspace: WorkspaceOption = None,
) -> None:
    """Never replay a saved run, nor show it to a model, until it is enabled.

    \b
    Example:
      llmos traces disable 7ee73448 --reason "too slow"
    """
    _say_of(ctx, identifier, workspace, "disabled", reason)


def pin(ctx: typer.Context, identifier: TraceArgument, workspace: WorkspaceOption = None) -> None:
    """Prefer a saved run to other runs of the same goal.

    \b
    Example:
      llmos traces pin 7ee73448
    """
    _say_of(ctx, identifier, workspace, "pinned")


def unpin(ctx: typer.Context, identifier: TraceArgument, workspace: WorkspaceOption = None) -> None:
    """Take `pin` back.

    \b
    Example:
      llmos traces unpin 7ee73448
    """
    _say_of(ctx, identifier, workspace, "unpinned")


def _say_of(ctx: typer.Context, identifier: str, workspace: Path | None, word: str, reason: str = "") -> None:
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import load_trace

    with closing(opened.traces) as manager:
        trace, now = load_trace(opened, identifier).header.id, opened.clock.now()
        match word:
            case "enabled":
                manager.enable(trace, now)
            case "disabled":
                manager.disable(trace, now, reason)
            case "pinned":
                manager.pin(trace, now)
            case _:
                manager.unpin(trace, now)
        say(f"{word} {trace}")


def add_to(group: typer.Typer) -> None:
    """Make these commands of `llmos traces`."""
    for command in (wrong, check, enable, disable, pin, unpin):
        group.command()(command)
