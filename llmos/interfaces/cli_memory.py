"""`llmos memory`: what is remembered. Listed, searched, explained."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from llmos.interfaces.cli_shared import WorkspaceOption, open_app, say, write, write_diff, write_lines
from llmos.interfaces.startup import working_folder

app = typer.Typer(help="What llmos remembers. Without a command: list.", no_args_is_help=True, rich_markup_mode=None)
IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Of an item or passage, or the beginning of it; a message is SESSION:SEQ.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
AsOfOption = Annotated[
    datetime | None,
    typer.Option("--as-of", "--at", metavar="DAY", formats=["%Y-%m-%d"], help="What was so on that day."),
]
RecordedByOption = Annotated[
    datetime | None,
    typer.Option("--recorded-by", metavar="DAY", formats=["%Y-%m-%d"], help="What was on record by then."),
]
ScoresOption = Annotated[bool, typer.Option("--scores", help="Show the parts of each score.")]


def _day(moment: datetime | None) -> str:
    return moment.date().isoformat() if moment else ""


@app.callback()
def memory() -> None:
    """What is remembered in three tiers: messages, core blocks and archival passages."""


@app.command("list")
def list_memory(
    ctx: typer.Context,
    place: Annotated[
        str, typer.Argument(metavar="PLACE", help="persona, human, system_context, core or archival; all by default.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also passages that hold no more.")] = False,
    as_of: AsOfOption = None,
    recorded_by: RecordedByOption = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List what is remembered. These are the items that are always in the prompt, and the archival passages.

    \b
    Examples:
      llmos memory list
      llmos memory list archival --all
      llmos memory list archival --as-of 2026-03-01
      llmos memory list --recorded-by 2026-03-01
      llmos memory list core --json
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory import list_lines, list_rows
    from llmos.interfaces.layout import screen_width

    rows = list_rows(opened, place, everything=everything, as_of=_day(as_of), recorded_by=_day(recorded_by))
    for problem in opened.memory.problems:
        say(f"skipped: {problem}")
    if as_json:
        from llmos.interfaces.output import json_line

        write("[" + ",\n ".join(json_line(row) for row in rows) + "]")
    else:
        write_lines(list_lines(rows, screen_width()))
    if not rows:
        say(f"nothing is remembered here yet in {opened.workspace.memories}")


@app.command()
def show(ctx: typer.Context, identifier: IdArgument, workspace: WorkspaceOption = None) -> None:
    """Show one item, passage or message whole.

    \b
    Examples:
      llmos memory show 3f2a9c1e
      llmos memory show 1be8c2db:4
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory import find, show_lines
    from llmos.interfaces.layout import screen_width

    write_lines(show_lines(opened, find(opened, identifier), screen_width()))


@app.command()
def search(
    ctx: typer.Context,
    question: Annotated[list[str], typer.Argument(metavar="QUESTION...", help="What you look for, in any words.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="At most so many, half facts.")] = 8,
    as_of: AsOfOption = None,
    recorded_by: RecordedByOption = None,
    scores: ScoresOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Search memory and all earlier messages.

    \b
    Examples:
      llmos memory search which port does staging use
      llmos memory search "what did I decide in March" -n 3 --scores
      llmos memory search where do our metrics go --as-of 2026-03-01
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory import search as search_all
    from llmos.interfaces.actions_memory import search_lines, search_record
    from llmos.interfaces.layout import screen_width

    now, project = datetime.now(UTC), str(working_folder())
    days = {"as_of": _day(as_of), "recorded_by": _day(recorded_by)}
    found = search_all(opened, " ".join(question), limit=limit, now=now, project=project, **days)
    if as_json:
        from llmos.interfaces.output import json_line

        write(json_line(search_record(found)))
        return
    write_lines(search_lines(found, screen_width(), scores=scores))
    if not found.facts and not found.messages:
        say("nothing that is remembered is about that")


@app.command()
def why(
    ctx: typer.Context,
    identifier: IdArgument,
    question: Annotated[
        str, typer.Option("--for", metavar="QUESTION", help="Say also why it is found for this question.")
    ] = "",
    workspace: WorkspaceOption = None,
) -> None:
    """Say where a memory comes from. It names the messages that said it, who wrote it when, and the parts of its
    score.

    \b
    Examples:
      llmos memory why 3f2a9c1e
      llmos memory why 3f2a9c1e --for "which editor do I use"
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory import find, why_lines
    from llmos.interfaces.layout import screen_width

    now, project = datetime.now(UTC), str(working_folder())
    known = find(opened, identifier)
    write_lines(why_lines(opened, known, screen_width(), question=question, now=now, project=project))


@app.command()
def log(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Only so many, the latest.")] = 20,
    workspace: WorkspaceOption = None,
) -> None:
    """List the changes of memory, the latest at the end. Each with when, by whom and why.

    \b
    Example:
      llmos memory log -n 5
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory import chosen_changes, log_lines
    from llmos.interfaces.layout import screen_width

    write_lines(log_lines(chosen_changes(opened, "", limit), screen_width()))


@app.command()
def diff(
    ctx: typer.Context,
    change: Annotated[
        str, typer.Argument(metavar="CHANGE", help="Id of a change or group; the latest by default.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The latest so many.")] = 1,
    workspace: WorkspaceOption = None,
) -> None:
    """Show what a change of memory wrote. It stands beside what was there before.

    \b
    Examples:
      llmos memory diff
      llmos memory diff 5c0ffee1
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory import chosen_changes, diff_lines

    write_diff(diff_lines(chosen_changes(opened, change, limit)))


@app.command()
def status(ctx: typer.Context, as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Show how full memory is and when it updates. Also whether it is on, and what is wrong.

    \b
    Examples:
      llmos memory status
      llmos memory status --json | jq .tiers
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory import status_lines, status_record
    from llmos.interfaces.layout import screen_width

    record = status_record(opened)
    if as_json:
        from llmos.interfaces.output import json_line

        write(json_line(record))
    else:
        write_lines(status_lines(record, screen_width()))
