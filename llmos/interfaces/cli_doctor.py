"""`llmos doctor`: is everything as it should be."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

import typer

from llmos.core.errors import ExitStatus
from llmos.interfaces.cli_shared import ModelOption, WorkspaceOption, app_options, write, write_lines
from llmos.interfaces.startup import working_folder


def doctor(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the API whether it serves the model; this costs nothing.")
    ] = False,
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
) -> None:
    """Look whether everything is as it should be, and say what to do where it is not.

    Nothing is changed and, without --online, nobody is called. Keys, your user name and your home folder are left out,
    so that the output can be pasted in public. The exit code is 1 when something failed.

    \b
    Examples:
      llmos doctor
      llmos doctor --online --json
    """
    from llmos.interfaces.doctor import State, examine, lines
    from llmos.interfaces.layout import screen_width

    options = app_options(ctx, workspace, model)
    checks = examine(options, cwd=working_folder(), environ=os.environ, online=online)
    if as_json:
        from llmos.interfaces.output import json_line

        write("[" + ",\n ".join(json_line(asdict(check)) for check in checks) + "]")
    else:
        write_lines(lines(checks, screen_width()))
    if any(check.state is State.FAIL for check in checks):
        raise typer.Exit(ExitStatus.FAILED)
