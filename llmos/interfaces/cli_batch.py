"""`llmos batch`: many goals from a file or a pipe."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from llmos.core.errors import UsageError
from llmos.interfaces.cli_shared import (
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
    cost,
    wants_plain,
)
from llmos.interfaces.startup import working_folder

SourceArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="One goal a line, or JSON lines; - is standard input.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Where the results go; by default beside FILE, *.results.jsonl."),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", "-w", metavar="N", min=1, max=256, help="Goals worked on at once (batch.workers)."),
]
CapOption = Annotated[
    float | None,
    typer.Option(
        "--cap", metavar="USD", callback=cost, help="Most that all goals may cost together, over all its runs."
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Decide each goal and say how; run and keep nothing.")]
RetryFailedOption = Annotated[
    bool, typer.Option("--retry-failed", help="Run those again that came to an end that is not good.")
]
RetryUnknownOption = Annotated[
    bool,
    typer.Option("--retry-unknown", help="Run those again that were cut off after they had begun to change things."),
]
ExecutorOption = Annotated[
    Literal["asyncio", "ray"],
    typer.Option("--executor", help="What works on the goals: this process, or Ray (pip install 'llmos[ray]')."),
]
AddressOption = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST:PORT", help="Of a Ray cluster; without one Ray runs on this machine."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only what went wrong.")]


def batch(
    ctx: typer.Context,
    source: SourceArgument,
    out: OutOption = None,
    workers: WorkersOption = None,
    cap: CapOption = None,
    max_cost: MaxCostOption = None,
    model: ModelOption = None,
    workspace: WorkspaceOption = None,
    yes: YesOption = False,
    mode: ModeOption = None,
    dry_run: DryRunOption = False,
    offline: OfflineOption = False,
    freeze: FreezeOption = False,
    retry_failed: RetryFailedOption = False,
    retry_unknown: RetryUnknownOption = False,
    executor: ExecutorOption = "asyncio",
    address: AddressOption = None,
    output_format: OutputOption = "text",
    quiet: QuietOption = False,
    plain: PlainOption = False,
    unsafe_no_sandbox: UnsafeOption = False,
) -> None:
    """Carry out many goals, each as `llmos run` would. The same command goes on where it was stopped or killed.

    A line is a goal, or a JSON object with "goal" and, if you like, "id", "directory" (seen from the current folder)
    and "cap" (US dollars). Goals in one folder run one after the other, others at once. Nobody is asked: what would be
    asked is denied, unless --yes or a rule allows it.

    \b
    Examples:
      llmos batch goals.txt
      llmos batch --yes --workers 8 --cap 2.50 goals.jsonl
      llmos batch --dry-run goals.jsonl                      how each would be done, and at what confidence
      llmos batch --offline --yes --out today.jsonl -        from standard input, replays alone
      llmos batch -y --retry-failed goals.jsonl
      llmos batch -y --executor ray --address 10.0.0.5:6379 goals.jsonl
    """
    from llmos.interfaces.batch import BatchOptions, run_batch
    from llmos.interfaces.output import OutputFormat

    if str(out) == "-":
        raise UsageError("results are kept in a file, so that a batch can go on; `-o stream-json` prints them too")
    options = BatchOptions(
        app=replace(
            app_options(ctx, workspace, model, max_cost),
            offline=offline,
            freeze=freeze,
            mode=mode,
            unsafe_no_sandbox=unsafe_no_sandbox,
        ),
        source=None if source == "-" else Path(source),
        out=out,
        yes=yes,
        dry_run=dry_run,
        workers=workers,
        cap_usd=cap,
        retry_failed=retry_failed,
        retry_unknown=retry_unknown,
        executor=executor,
        address=address,
        form=OutputFormat(output_format),
        quiet=quiet,
        plain=plain or wants_plain(ctx),
    )
    raise typer.Exit(run_batch(options, cwd=working_folder(), environ=os.environ))
