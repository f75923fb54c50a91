"""The `llmos` command: its words, and one sentence with an exit code for every way it can end.

Invariant: this module and the command modules import nothing heavy, so that help and version stay quick; what a
command needs is imported when it runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from llmos import __version__
from llmos.core.errors import ExitStatus, LlmosError
from llmos.interfaces import cli_config, cli_models, cli_traces
from llmos.interfaces.cli_shared import (
    Defaults,
    MaxCostOption,
    ModelOption,
    WorkspaceOption,
    YesOption,
    app_options,
    say,
    working_folder,
    write,
)

_EXAMPLES = """\b
Examples:
  llmos                                      talk, one goal after the other
  llmos run "count the lines of notes.txt"   one goal; the answer on standard output
  llmos run -y -o json "sort names.txt"      grant the tools, answer as JSON
  echo "list the biggest files" | llmos run  the goal from standard input
  llmos traces list                          what can be replayed without a model

\b
Exit codes: 0 done and checked, 1 failed, 2 bad usage, 3 not verified, 4 denied, 5 over budget,
6 no model, 7 bad configuration, 8 record unreadable or unwritable, 9 replay stopped,
10 model call failed, 130 interrupted.
"""
_RUN_EXAMPLES = """\b
Examples:
  llmos run "how many words does essay.md have"
  llmos run --yes "rename all .jpeg files to .jpg"
  llmos run --dry-run "delete all .bak files"     shows the decision, runs nothing
  llmos run -o json "largest file here" | jq .answer
  llmos run - < goal.txt

Reading is allowed; writing files and running commands is asked for on the terminal, and denied where there is
nobody to ask. --yes grants it for this run.
"""

app = typer.Typer(
    name="llmos",
    help="An agent shell that pays for reasoning once: a goal done before is replayed, checked and free.",
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_traces.app, name="traces")
app.add_typer(cli_models.app, name="models")
app.add_typer(cli_config.app, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        write(f"llmos {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    max_cost: MaxCostOption = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    ctx.obj = Defaults(workspace, model, max_cost)
    if ctx.invoked_subcommand is None:
        from llmos.interfaces.repl import run_repl

        raise typer.Exit(run_repl(app_options(ctx, None), cwd=working_folder(), environ=os.environ))


@app.command(epilog=_RUN_EXAMPLES)
def run(
    ctx: typer.Context,
    goal: Annotated[
        list[str] | None,
        typer.Argument(metavar="GOAL", help="What is to be done. A lone - or nothing: read it from standard input."),
    ] = None,
    model: ModelOption = None,
    workspace: WorkspaceOption = None,
    max_cost: MaxCostOption = None,
    yes: YesOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and show; run nothing, keep nothing.")] = False,
    output_format: Annotated[
        Literal["text", "json", "stream-json"],
        typer.Option("--output-format", "-o", help="What standard output carries."),
    ] = "text",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show model calls and the output of tools.")] = False,
) -> None:
    """Carry out one goal. The answer goes to standard output, everything else to standard error."""
    from llmos.interfaces.output import OutputFormat
    from llmos.interfaces.run import RunOptions, run_goal

    options = RunOptions(
        app=app_options(ctx, workspace, model, max_cost),
        words=goal or [],
        yes=yes,
        dry_run=dry_run,
        form=OutputFormat(output_format),
        verbose=verbose,
    )
    raise typer.Exit(run_goal(options, cwd=working_folder(), environ=os.environ))


@app.command()
def init(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The folder; the current one by default.")
    ] = None,
) -> None:
    """Make a folder a workspace: traces/, memories/ and config.yaml. What exists is left alone."""
    from llmos.memory.workspace import init_workspace

    root_folder = (working_folder() / folder) if folder else working_folder()
    created = init_workspace(root_folder)
    for path in created:
        write(f"created {path}")
    write(f"{root_folder} is a workspace of llmos" + ("" if created else " already; nothing was changed"))


@app.command()
def version() -> None:
    """Show the version."""
    write(f"llmos {__version__}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Nothing that a person can cause ends in a traceback."""
    _open_missing_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _status(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a list has seen enough; Python would complain at exit while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = ExitStatus.OK
    return int(status)


def _status(words: list[str]) -> int:
    try:
        if words in (["version"], ["--version"]):
            write(f"llmos {__version__}")
            return ExitStatus.OK
        code = app(words, prog_name="llmos", standalone_mode=False)
        return code if isinstance(code, int) else ExitStatus.OK
    except LlmosError as error:
        say(str(error))
        return error.exit_status
    except typer.TyperException as error:
        say(_usage_sentence(error))
        return ExitStatus.BAD_USAGE
    except (typer.Abort, KeyboardInterrupt):
        say("interrupted")
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # every way out of the program says one sentence
        from llmos.interfaces.failures import report_unexpected

        say(report_unexpected(error, os.environ))
        return ExitStatus.FAILED


def _usage_sentence(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "llmos"
    message = error.format_message().strip().rstrip(".")
    sentence = f"{message[:1].lower()}{message[1:]}"
    return sentence if sentence.endswith("?") else f"{sentence}; `{command} --help` shows what it takes"


def _open_missing_streams() -> None:
    """A daemon may start a process without them; and an answer must not fail because of its letters."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
