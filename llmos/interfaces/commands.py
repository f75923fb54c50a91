"""The tree of commands: their words, options and help texts.

Invariant: this module and the command modules import typer and nothing else that takes time, so that help stays
quick; what a command needs is imported when it runs.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from llmos import __version__
from llmos.core.errors import UsageError
from llmos.interfaces import (
    cli_batch,
    cli_config,
    cli_doctor,
    cli_memory,
    cli_memory_change,
    cli_models,
    cli_permissions,
    cli_reindex,
    cli_sessions,
    cli_stats,
    cli_traces,
    cli_traces_change,
    cli_traces_state,
    cli_traces_wrong,
    cli_undo,
)
from llmos.interfaces.cli_shared import (
    ContinueOption,
    Defaults,
    FreezeOption,
    MaxCostOption,
    ModelOption,
    ModeOption,
    OfflineOption,
    OutputOption,
    PlainOption,
    UnsafeOption,
    WorkspaceOption,
    YesOption,
    app_options,
    complete_session,
    write,
)
from llmos.interfaces.run_command import chosen_session, run_command
from llmos.interfaces.startup import working_folder

_EXAMPLES = """\b
Examples:
  llmos                                      talk, one goal after the other
  llmos run "count the lines of notes.txt"   one goal; the answer on standard output
  llmos run -y -o json "sort names.txt"      grant the tools, answer as JSON
  echo "list the biggest files" | llmos run  the goal from standard input
  llmos -c                                   go on with the last session of this folder
  llmos batch goals.txt                      many goals, several at once; goes on after a stop
  llmos traces list                          what can be replayed without a model

\b
Exit codes: 0 done and checked, 1 failed, 2 bad usage, 3 not verified, 4 denied, 5 over budget,
6 no model, 7 bad configuration, 8 record unreadable or unwritable, 9 replay stopped,
10 model call failed, 11 a model was needed and --offline forbids it, 12 no sandbox, 130 interrupted.
"""
_RUN_EXAMPLES = """\b
Examples:
  llmos run "how many words does essay.md have"
  llmos run --yes "rename all .jpeg files to .jpg"
  llmos run --dry-run "delete all .bak files"     what would run, beside what was recorded
  llmos run --offline --yes "sort names.txt"      a replay without any model, or exit code 11
  llmos run --freeze "largest file here"          nothing is learned, counted or written
  llmos run --explain --dry-run "sort b.txt"      every candidate, gate and number behind it
  llmos run --json-schema sizes.schema.json "sizes of the .txt files"
  llmos run -o json "largest file here" | jq .answer
  llmos run -c "and of the other file?"           goes on with the last session of this folder
  llmos run - < goal.txt

Reading is allowed; writing files and running commands is asked for on the terminal, and denied where there is
nobody to ask. --yes grants it for this run.
"""

app = typer.Typer(
    name="llmos",
    help="An agent shell that learns: a goal that it did before is repeated without a model, checked and free.\n\n"
    "Without a command it opens a session at a prompt.",
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
cli_traces_change.add_to(cli_traces.app)
cli_traces_wrong.add_to(cli_traces.app)
cli_traces_state.add_to(cli_traces.app)
app.add_typer(cli_traces.app, name="traces")
app.add_typer(cli_sessions.app, name="sessions")
app.add_typer(cli_models.app, name="models")
app.add_typer(cli_permissions.app, name="permissions")
cli_memory_change.add_to(cli_memory.app)
app.add_typer(cli_memory.app, name="memory")
app.add_typer(cli_config.app, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        write(f"llmos {__version__}")
        raise typer.Exit


VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show model calls and the output of tools.")]
MaxStepsOption = Annotated[
    int | None, typer.Option("--max-steps", metavar="N", min=1, max=1_000, help="Most model calls for one goal.")
]


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    max_cost: MaxCostOption = None,
    plain: PlainOption = False,
    go_on: ContinueOption = False,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="[ID]",
            autocompletion=complete_session,
            help="Go on with a session: its id or the beginning of it; without one, pick.",
        ),
    ] = None,
    mode: ModeOption = None,
    max_steps: MaxStepsOption = None,
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
    unsafe_no_sandbox: UnsafeOption = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    ctx.obj = Defaults(workspace, model, max_cost, plain)
    chosen = chosen_session(go_on, resume)
    if ctx.invoked_subcommand is None:
        from llmos.interfaces.repl import run_repl

        if plain:
            os.environ["LLMOS_PLAIN"] = "1"
        options = replace(
            app_options(ctx, None),
            mode=mode,
            max_steps=max_steps,
            offline=offline,
            unsafe_no_sandbox=unsafe_no_sandbox,
        )
        raise typer.Exit(run_repl(options, cwd=working_folder(), environ=os.environ, resume=chosen, verbose=verbose))
    if chosen is not None:
        raise UsageError("-c and --resume stand after `run`, or alone; no other command goes on with a session")
    alone = {
        "--mode": mode,
        "--max-steps": max_steps,
        "--offline": offline,
        "--verbose": verbose,
        "--unsafe-no-sandbox": unsafe_no_sandbox,
    }
    if misplaced := next((name for name, value in alone.items() if value), None):
        raise UsageError(f"{misplaced} stands alone, or after a command that works on goals: llmos run {misplaced} …")


GoalArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="GOAL", help="What is to be done. A lone - or nothing: read it from standard input."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Decide and show what would differ from the saved run; run nothing.")
]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Show the candidates, gates and confidence behind the decision.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the answer, and what went wrong.")]
SchemaOption = Annotated[
    Path | None,
    typer.Option("--json-schema", metavar="FILE", help="The answer must be JSON that follows this JSON Schema."),
]
ResumeOption = Annotated[
    str | None,
    typer.Option(
        "--resume", metavar="ID", autocompletion=complete_session, help="Go on with that session's conversation."
    ),
]


@app.command(epilog=_RUN_EXAMPLES)
def run(
    ctx: typer.Context,
    goal: GoalArgument = None,
    model: ModelOption = None,
    workspace: WorkspaceOption = None,
    max_cost: MaxCostOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    offline: OfflineOption = False,
    freeze: FreezeOption = False,
    explain: ExplainOption = False,
    output_format: OutputOption = "text",
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    plain: PlainOption = False,
    mode: ModeOption = None,
    json_schema: SchemaOption = None,
    go_on: ContinueOption = False,
    resume: ResumeOption = None,
    unsafe_no_sandbox: UnsafeOption = False,
    max_steps: MaxStepsOption = None,
) -> None:
    """Carry out one goal. The answer goes to standard output, everything else to standard error."""
    before = ctx.find_object(Defaults) or Defaults()
    # As typer read them: `read_plainly` gives the same names and values without typer.
    given = ctx.params | {
        "goal": goal or [],
        "model": model or before.model,
        "workspace": workspace or before.workspace,
        "max_cost": before.max_cost if max_cost is None else max_cost,
        "plain": plain or before.plain,
    }
    raise typer.Exit(run_command(**given))


app.command()(cli_batch.batch)
app.command()(cli_doctor.doctor)
app.command()(cli_stats.stats)
app.command()(cli_undo.undo)
app.command()(cli_reindex.reindex)


@app.command()
def init(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The folder; the current one by default.")
    ] = None,
    agents: Annotated[
        bool, typer.Option("--agents", help="Only write a starter AGENTS.md, what a project says to agents.")
    ] = False,
) -> None:
    """Make a folder a workspace of its own. It gets traces/, memories/ and config.yaml; what exists is left alone.

    \b
    Examples:
      llmos init
      llmos init ~/projects/site
      llmos init --agents
    """
    root_folder = (working_folder() / folder) if folder else working_folder()
    if agents:
        from llmos.interfaces.agents_file import write_agents_file

        write(write_agents_file(root_folder))
        return
    from llmos.memory.workspace import init_workspace

    created = init_workspace(root_folder)
    for path in created:
        write(f"created {path}")
    write(f"{root_folder} is a workspace of llmos" + ("" if created else " already; nothing was changed"))


@app.command()
def version() -> None:
    """Show the version.

    \b
    Example:
      llmos version
    """
    write(f"llmos {__version__}")
