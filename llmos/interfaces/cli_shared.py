"""What the command modules share. Imports nothing heavy: `llmos --help` loads every command module."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmos.core.dataclass import dataclass
from llmos.interfaces.printable import printable
from llmos.interfaces.run_command import ModeName, OutputName, draws_nothing
from llmos.interfaces.startup import working_folder

if TYPE_CHECKING:
    from llmos.app import App, AppOptions


def cost(value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise typer.BadParameter("give US dollars, 0 or more")
    return value


WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", metavar="DIR", help="Folder where llmos keeps saved runs, memory and settings."),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="Model that answers; auto: the API with a key, else the local one."),
]
MaxCostOption = Annotated[
    float | None,
    typer.Option("--max-cost", metavar="USD", callback=cost, help="Most that a goal may cost, in US dollars."),
]


def _complete_trace(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids and goals for a shell that completes; nothing where they cannot be read."""
    from llmos.interfaces.completion import trace_ids

    return trace_ids(ctx, incomplete)


def complete_session(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids and first goals of sessions, likewise."""
    from llmos.interfaces.completion import session_ids

    return session_ids(ctx, incomplete)


TraceArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        autocompletion=_complete_trace,
        help="The id, an unambiguous beginning of it, the hash at its end, or its name.",
    ),
]
SessionArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        autocompletion=complete_session,
        help="The id or an unambiguous beginning of it; the session used last by default.",
    ),
]
PlainOption = Annotated[
    bool, typer.Option("--plain", help="Draw nothing: no boxes, plots or spinners, for screen readers and logs.")
]
ContinueOption = Annotated[
    bool, typer.Option("--continue", "-c", help="Go on with the session used last in this folder.")
]
UnsafeOption = Annotated[
    bool, typer.Option("--unsafe-no-sandbox", help="Run commands with your own rights, outside the sandbox.")
]
OutputOption = Annotated[OutputName, typer.Option("--output-format", "-o", help="What standard output carries.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Use no model: replay a saved run, or fail.")]
FreezeOption = Annotated[bool, typer.Option("--freeze", help="Learn nothing: write nothing to the workspace.")]
ModeOption = Annotated[
    ModeName | None, typer.Option("--mode", help="What may be done unasked; `llmos permissions list` shows more.")
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Answer every permission question with yes, for this run.")
]


@dataclass(frozen=True, slots=True)
class Defaults:
    """Options given before the command; those after it win."""

    workspace: Path | None = None
    model: str | None = None
    max_cost: float | None = None
    plain: bool = False


def wants_plain(ctx: typer.Context) -> bool:
    """Whether nothing is to be drawn: `--plain`, or LLMOS_PLAIN, or a terminal that can draw nothing."""
    given = ctx.find_object(Defaults) or Defaults()
    return given.plain or draws_nothing(os.environ)


def app_options(
    ctx: typer.Context, workspace: Path | None, model: str | None = None, max_cost: float | None = None
) -> AppOptions:
    from llmos.app import AppOptions

    given = ctx.find_object(Defaults) or Defaults()
    return AppOptions(
        workspace=workspace or given.workspace,
        model=model or given.model,
        max_cost=given.max_cost if max_cost is None else max_cost,
    )


def open_app(ctx: typer.Context, workspace: Path | None) -> App:
    """The app of a command that runs no goal; notices of the configuration go to standard error."""
    from llmos.app import App

    opened = App.open(app_options(ctx, workspace), cwd=working_folder(), environ=os.environ)
    for notice in opened.config.notices:
        say(notice)
    opened.quarantine.tell = say
    return opened


def say(sentence: str) -> None:
    """One line to the person, on standard error."""
    print(printable(f"llmos: {sentence}"), file=sys.stderr)  # noqa: T201


def confirm(question: str, *, yes: bool) -> bool:
    """Whether a person says yes, by `--yes` or on the terminal; where nobody can be asked it is no."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        say(f"nobody to ask: {question} --yes answers it")
        return False
    sys.stderr.write(f"llmos: {question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


class ReaderGoneError(Exception):
    """Whoever read standard output has left. Not an OSError, which typer would turn into a failure of its own."""


def write_lines(lines: Iterable[str]) -> None:
    """Several lines of result."""
    for line in lines:
        write(line)


_DIFF_COLOURS = {"+": "32", "-": "31", "@": "36"}


def write_diff(lines: Iterable[str]) -> None:
    """A unified diff; in colour where the person wants it, and the signs carry the meaning all the same."""
    from llmos.interfaces.layout import wants_colour

    coloured = wants_colour()
    for line in lines:
        shown = printable(line) if coloured or sys.stdout.isatty() else line
        code = _DIFF_COLOURS.get(line[:1]) if coloured else None
        _print(f"\x1b[{code}m{shown}\x1b[0m" if code else shown)


def write(line: str = "") -> None:
    """One line of result, on standard output. Raises ReaderGoneError."""
    _print(printable(line) if sys.stdout.isatty() else line)


def _print(line: str) -> None:
    try:
        print(line)  # noqa: T201
    except BrokenPipeError:
        raise ReaderGoneError from None
