"""`llmos memory edit|pin|unpin|forget|undo|export|import`: what changes memory, or carries it elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from llmos.core.errors import ExitStatus, UsageError
from llmos.interfaces.cli_memory import IdArgument
from llmos.interfaces.cli_shared import WorkspaceOption, confirm, open_app, say, write, write_lines
from llmos.interfaces.startup import working_folder

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Answer the question with yes.")]


def edit(
    ctx: typer.Context,
    identifier: IdArgument,
    text: Annotated[list[str], typer.Argument(metavar="TEXT...", help="What it is to say.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Say a remembered thing in other words. An archival passage is not overwritten: a new one takes its place.

    The files of the core blocks may be edited in any editor as well: memories/core/human.md.

    \b
    Example:
      llmos memory edit 3f2a9c1e "Prefers tabs in Makefiles and nowhere else."
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory import find
    from llmos.interfaces.actions_memory_change import edit as edit_known

    write(edit_known(opened, find(opened, identifier), " ".join(text), datetime.now(UTC)))


def pin(ctx: typer.Context, identifier: IdArgument, workspace: WorkspaceOption = None) -> None:
    """Keep an item of a core block through every update.

    \b
    Example:
      llmos memory pin 3f2a9c1e
    """
    _pin(ctx, identifier, workspace, pinned=True)


def unpin(ctx: typer.Context, identifier: IdArgument, workspace: WorkspaceOption = None) -> None:
    """Let an item change again when it is superseded.

    \b
    Example:
      llmos memory unpin 3f2a9c1e
    """
    _pin(ctx, identifier, workspace, pinned=False)


def _pin(ctx: typer.Context, identifier: str, workspace: Path | None, *, pinned: bool) -> None:
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory import find
    from llmos.interfaces.actions_memory_change import pin as pin_known

    write(pin_known(opened, find(opened, identifier), datetime.now(UTC), pinned=pinned))


def forget(
    ctx: typer.Context,
    identifiers: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Items, passages, or messages as SESSION:SEQ.")
    ],
    yes: YesOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Forget a thing for good. It goes, with the messages that it came from, out of every file and index.

    It says first what it would take out. It cannot be undone, and does not come back from the same messages.

    \b
    Examples:
      llmos memory forget 3f2a9c1e
      llmos memory forget 1be8c2db:4 --yes
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory_change import forgettable_lines, forgetting, forgotten_lines
    from llmos.interfaces.layout import screen_width

    work = forgetting(opened)
    what = work.look(identifiers)
    write_lines(forgettable_lines(what, screen_width()))
    if not confirm("forget this for good?", yes=yes):
        say("nothing was forgotten")
        raise typer.Exit(ExitStatus.DENIED)
    done = work.forget(what, datetime.now(UTC))
    if opened.config.settings.archival.url is not None:
        opened.archival.synchronise(0)  # what is on a server is not deleted with the folder
    for line in forgotten_lines(what, done):
        say(line)


def undo(
    ctx: typer.Context,
    change: Annotated[
        str, typer.Argument(metavar="CHANGE", help="Id of a change or group (`llmos memory log`); the last by default.")
    ] = "",
    workspace: WorkspaceOption = None,
) -> None:
    """Take back a change of memory, whoever made it.

    \b
    Examples:
      llmos memory undo
      llmos memory undo 5c0ffee1
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory import log_lines
    from llmos.interfaces.actions_memory_change import undo as undo_change
    from llmos.interfaces.layout import screen_width

    write_lines(log_lines(undo_change(opened, change, datetime.now(UTC)), screen_width()))


def export(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Write memory to one JSON file. Its items and passages can then be read elsewhere.

    \b
    Example:
      llmos memory export memory.json
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory import list_rows
    from llmos.memory.files import show_path, write_once
    from llmos.memory.memory_exchange import export_memory

    rows = list_rows(opened, everything=True)
    target = working_folder() / path
    if target.exists():
        raise UsageError(f"{show_path(target)} is there already; choose another name")
    write_once(target, export_memory(rows, datetime.now(UTC)))
    say(f"wrote {len(rows)} things that are remembered to {show_path(target)}")


def import_(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `llmos memory export` wrote.")],
    yes: YesOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Add what another memory held, as archival passages. They are found by search and have no authority.

    \b
    Examples:
      llmos memory import memory.json
      llmos memory import memory.json --yes
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_memory_change import person
    from llmos.interfaces.layout import screen_width, wrapped
    from llmos.memory.memory_exchange import read_import, take_import

    found = read_import(working_folder() / path, opened.memory)
    width = screen_width()
    for passage in found.passages:
        write_lines(wrapped(passage.text, width, hang=2))
    for text, reason in found.refused:
        say(f"left out: {text!r}: {reason}")
    if not found.passages:
        say("there is nothing new in it")
        return
    if not confirm(f"add {'this' if len(found.passages) == 1 else f'these {len(found.passages)}'}?", yes=yes):
        say("nothing was added")
        raise typer.Exit(ExitStatus.DENIED)
    count = take_import(found, opened.memory, person(datetime.now(UTC), "imported", found.source.partition(":")[2]))
    say(f"added {count} to the archival memory; `llmos memory undo {found.source.partition(':')[2]}` takes them out")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the group of `llmos memory`."""
    for command, name in (
        (edit, "edit"),
        (pin, "pin"),
        (unpin, "unpin"),
        (forget, "forget"),
        (undo, "undo"),
        (export, "export"),
        (import_, "import"),
    ):
        app.command(name)(command)
