"""`llmos traces pin|disable|enable|rename|stats`: what is decided about a saved run, by record and not by edit."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from llmos.core.errors import UsageError
from llmos.interfaces.cli_shared import TraceArgument, WorkspaceOption, open_app, say, write, write_lines


def pin(
    ctx: typer.Context,
    identifier: TraceArgument,
    off: Annotated[bool, typer.Option("--off", help="Take the pin away.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Prefer a saved run to others of its goal. It is never pruned.

    \b
    Examples:
      llmos traces pin 7ee73448
      llmos traces pin 7ee73448 --off
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import load_trace

    with closing(opened.traces) as manager:
        name = load_trace(opened, identifier).header.id
        (manager.unpin if off else manager.pin)(name, datetime.now(UTC))
    say(f"{name} is {'no longer pinned' if off else 'pinned'}")


def disable(
    ctx: typer.Context,
    identifier: TraceArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is shown with the saved run.")] = "",
    workspace: WorkspaceOption = None,
) -> None:
    """Replay a saved run no more, until it is enabled again.

    \b
    Example:
      llmos traces disable 7ee73448 --reason "counts hidden files too"
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import load_trace

    with closing(opened.traces) as manager:
        name = load_trace(opened, identifier).header.id
        manager.disable(name, datetime.now(UTC), reason)
    say(f"{name} is replayed no more; `llmos traces enable` takes that back")


def enable(ctx: typer.Context, identifier: TraceArgument, workspace: WorkspaceOption = None) -> None:
    """Let a saved run be replayed again. It was disabled, or wrong replays had retired it.

    \b
    Example:
      llmos traces enable 7ee73448
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import load_trace

    with closing(opened.traces) as manager:
        name = load_trace(opened, identifier).header.id
        manager.enable(name, datetime.now(UTC))
    say(f"{name} may be replayed again")


def rename(
    ctx: typer.Context,
    identifier: TraceArgument,
    label: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, dots, dashes; empty takes it away.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Give a saved run a name, by which every command finds it. Its file and its id stay as they are.

    \b
    Examples:
      llmos traces rename 7ee73448 hello-file
      llmos traces rename hello-file ""
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import labels, load_trace

    with closing(opened.traces):
        name = load_trace(opened, identifier).header.id
        taken = {its: trace for trace, its in labels(opened).all().items()}
        if label and taken.get(label, name) != name:
            raise UsageError(f"{label} is the name of {taken[label]} already; take another one")
        labels(opened).name(name, label, datetime.now(UTC))
    say(f"{name} is called {label}" if label else f"{name} has no name any more")


def trace_stats(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="Show so many of the most used.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show how often saved runs were replayed. Also what that saved, and which ones went wrong.

    \b
    Examples:
      llmos traces stats
      llmos traces stats --json
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import stats_lines, trace_rows, trace_sums
    from llmos.interfaces.layout import screen_width

    with closing(opened.traces) as manager:
        rows = trace_rows(opened, everything=True)
        for problem in manager.problems():
            say(f"skipped: {problem}")
    found = trace_sums(rows, limit)
    if as_json:
        from llmos.interfaces.output import json_line

        write(json_line(found))
    else:
        write_lines(stats_lines(found, screen_width()))


def add_to(group: typer.Typer) -> None:
    """Make these commands of `llmos traces`."""
    for name, command in (
        ("pin", pin),
        ("disable", disable),
        ("enable", enable),
        ("rename", rename),
        ("stats", trace_stats),
    ):
        group.command(name)(command)
