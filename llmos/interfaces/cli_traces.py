"""`llmos traces`: what can be replayed, what a trace holds, and which ones to delete."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from llmos.core.errors import UsageError
from llmos.interfaces.cli_shared import TraceArgument, WorkspaceOption, open_app, say, write, write_lines
from llmos.interfaces.printable import one_line

if TYPE_CHECKING:
    from llmos.memory.traces_sdk import TraceManager

app = typer.Typer(
    help="Saved runs, also called traces. Without a command: list.", no_args_is_help=True, rich_markup_mode=None
)

_AGE = re.compile(r"(\d{1,5})\s*([hdwy])")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}


@app.callback()
def traces() -> None:
    """Saved runs of this workspace."""


@app.command("list")
def list_traces(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Drafts too: runs that failed or were not verified.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the saved runs.

    With status, how often replayed rightly and wrongly, when learned, and whether approved here.

    \b
    Examples:
      llmos traces list
      llmos traces list --all --json
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import list_lines, trace_rows
    from llmos.interfaces.layout import screen_width

    with closing(opened.traces) as manager:
        total = len(manager.headers())
        rows = trace_rows(opened, everything=everything)
        _tell_problems(manager)
    if as_json:
        from llmos.interfaces.output import json_line

        write("[" + ",\n ".join(json_line(row) for row in rows) + "]")
    else:
        write_lines(list_lines(rows, screen_width()))
    if hidden := total - len(rows):
        say(f"{hidden} drafts are not shown; --all shows them")
    if not total:
        say(f'no traces yet in {opened.workspace.traces}; `llmos run "..."` keeps what it learned there')


@app.command()
def inspect(
    ctx: typer.Context,
    identifier: TraceArgument,
    whole: Annotated[bool, typer.Option("--whole", help="Cut nothing, however long a text is.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show one saved run.

    What it needs, what each step does and must give, and how sure a replay is.

    \b
    Examples:
      llmos traces inspect 7ee73448
      llmos traces inspect count-the-lines --whole
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import inspect_lines, load_trace, trace_row
    from llmos.interfaces.layout import screen_width

    with closing(opened.traces):
        trace = load_trace(opened, identifier)
        if as_json:
            from llmos.interfaces.output import json_line
            from llmos.memory.trace_files import trace_data

            write(json_line({**trace_row(opened, trace.header), **trace_data(trace)}))
        else:
            write_lines(inspect_lines(opened, trace, screen_width(), whole=whole))


@app.command()
def search(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help="Of a goal, a command, a file name.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="Show at most so many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Find saved runs by their goals and by what their steps do.

    \b
    Examples:
      llmos traces search notes.txt
      llmos traces search notes.txt --json
      llmos traces search "tar czf" -n 5
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import search_traces, short_id
    from llmos.interfaces.layout import cards, screen_width
    from llmos.interfaces.output import json_line

    with closing(opened.traces) as manager:
        found = search_traces(opened, " ".join(words), limit)
        _tell_problems(manager)
    if as_json:
        fields = ({"id": one.header.id, "goal": one.header.goal, "line": one.line} for one in found)
        write("[" + ",\n ".join(json_line(row) for row in fields) + "]")
        return
    heads = [
        (
            f"{short_id(one.header.id)}  {one.header.status.value}",
            one_line(one.header.goal) + (f"\n{one_line(one.line)}" if one.line else ""),
        )
        for one in found
    ]
    write_lines(cards(heads, screen_width()))
    if not found:
        say("no saved run is like it; `llmos traces list --all` shows them all")


@app.command()
def diff(
    ctx: typer.Context,
    old: TraceArgument,
    new: TraceArgument,
    workspace: WorkspaceOption = None,
) -> None:
    """Compare two saved runs. Goals, steps and answers are shown as a unified diff.

    \b
    Example:
      llmos traces diff 7ee73448 1a2b3c4d
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_traces import load_trace
    from llmos.interfaces.cli_shared import write_diff
    from llmos.interfaces.trace_text import diff_lines

    with closing(opened.traces):
        lines = diff_lines(load_trace(opened, old), load_trace(opened, new))
    write_diff(lines)
    if not lines:
        say("they do the same")


@app.command()
def prune(
    ctx: typer.Context,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Not used for so long: 12h, 90d, 8w, 1y.")
    ] = None,
    failures: Annotated[
        int | None,
        typer.Option("--failures", metavar="N", min=1, help="At least N wrong replays, and more than right ones."),
    ] = None,
    unused: Annotated[bool, typer.Option("--unused", help="Never replayed.")] = False,
    drafts: Annotated[bool, typer.Option("--drafts", help="Runs that failed or were not verified.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete them. Without it they are only listed.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Delete saved runs; without --yes only show which.

    \b
    Examples:
      llmos traces prune --older-than 90d
      llmos traces prune --drafts --failures 3 --yes
    """
    from llmos.core.prune import PruneRule

    rule = PruneRule(parse_age(older_than) if older_than else None, failures, unused, drafts)
    if rule.empty:
        raise UsageError("say which traces: --older-than AGE, --failures N, --unused or --drafts")
    opened = open_app(ctx, workspace)
    with closing(opened.traces) as manager:
        found = manager.to_prune(rule, datetime.now(UTC))
        for entry in found:
            write(f"{entry.header.id}\t{entry.reason}\t{one_line(entry.header.goal, 80)}")
        _tell_problems(manager)
        if not found:
            say("no trace matches; nothing to delete")
        elif yes:
            say(f"deleted {manager.prune(found)} traces")
        else:
            say(f"{len(found)} traces would be deleted; nothing was. --yes deletes them")


def parse_age(text: str) -> timedelta:
    """ "90d" and its like. Raises UsageError."""
    match = _AGE.fullmatch(text.strip().lower())
    if not match:
        raise UsageError(f"{one_line(text, 40)!r} is no age; write a number and h, d, w or y, such as 90d")
    return timedelta(hours=int(match[1]) * _HOURS[match[2]])


def _tell_problems(manager: TraceManager) -> None:
    for problem in manager.problems():
        say(f"skipped: {problem}")
