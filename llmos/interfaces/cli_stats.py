"""`llmos stats`: what was spent and saved, over time."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from llmos import __version__
from llmos.interfaces.cli_shared import WorkspaceOption, open_app, say, wants_plain, write, write_lines
from llmos.interfaces.startup import working_folder

if TYPE_CHECKING:
    from llmos.core.spending import Spending
    from llmos.core.stats import Stats


def stats(
    ctx: typer.Context,
    since: Annotated[
        str | None, typer.Option("--since", metavar="AGE", help="Only the last 12h, 7d, 8w and so on.")
    ] = None,
    by: Annotated[
        Literal["day", "week", "month"] | None,
        typer.Option("--by", help="Length of a period; by default it fits the time span."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one page with charts that needs no network.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show what was spent and saved. Also the modes, and the share that was replayed.

    Every number is a sum over the sessions on record; `llmos sessions list` shows what it is made of.

    \b
    Examples:
      llmos stats
      llmos stats --since 8w --by week
      llmos stats --html stats.html
    """
    opened = open_app(ctx, workspace)
    from llmos.core.stats import Period, stats_of

    after = None
    if since is not None:
        from llmos.interfaces.cli_traces import parse_age

        after = datetime.now(UTC) - parse_age(since)
    store = opened.sessions
    found = stats_of(store.turns(after), Period(by) if by else None)
    for problem in store.problems:
        say(f"skipped: {problem}")
    if html is not None:
        _write_page(found, working_folder() / html)
        return
    spending = opened.money.spending(datetime.now(UTC))
    here = spending.of_workspace(str(opened.workspace.root))
    if as_json:
        _write_json(found, spending, here)
    else:
        _write_text(found, spending, here, plots=not wants_plain(ctx))


def _write_page(found: Stats, path: Path) -> None:
    from llmos.interfaces.stats_html import html_page
    from llmos.memory.files import write_atomic

    write_atomic(path, html_page(found, __version__).encode("utf-8"))
    write(str(path))


def _write_json(found: Stats, spending: Spending, here: float) -> None:
    from llmos.interfaces.output import json_line
    from llmos.interfaces.stats_view import stats_record

    journal = {"month_usd": spending.total(), "workspace_usd": here, "unsettled_calls": spending.open()}
    write(json_line({**stats_record(found), "journal": journal}))


def _write_text(found: Stats, spending: Spending, here: float, *, plots: bool) -> None:
    """The totals, and the periods as plots where the terminal has room for them, else as lines."""
    from llmos.interfaces.call_view import money
    from llmos.interfaces.layout import screen_width, wants_colour
    from llmos.interfaces.stats_view import period_lines, plot_lines, total_lines

    width = screen_width()
    write_lines(total_lines(found, width))
    if spending.charges:
        write(f"journal of this month: {money(here)}")
        write(f"  in all workspaces: {money(spending.total())}")
        if spending.open():
            write(f"  not settled, counted whole: {spending.open()}")
    drawn = plot_lines(found, width, colour=wants_colour()) if width and plots else []
    for line in drawn:
        sys.stdout.write(line + "\n")
    if not drawn and found.periods:
        write()
        write_lines(period_lines(found, width))
