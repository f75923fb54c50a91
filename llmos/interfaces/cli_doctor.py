"""`llmos doctor`: is everything as it should be."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from llmos.core.errors import ExitStatus
from llmos.interfaces.cli_shared import ModelOption, WorkspaceOption, app_options, write, write_lines
from llmos.interfaces.startup import working_folder

if TYPE_CHECKING:
    from llmos.app import AppOptions


def doctor(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the API whether it serves the model; this costs nothing.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Do about the files of the record what doctor says would be done.")
    ] = False,
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
) -> None:
    """Check the installation. What is wrong is named, with what to do about it.

    Without --repair nothing is changed and, without --online, nobody is called. Keys, your user name and your home
    folder are left out, so that the output can be pasted in public. The exit code is 1 when something failed.

    \b
    Examples:
      llmos doctor
      llmos doctor --online --json
      llmos doctor --repair
    """
    from llmos.interfaces.doctor import State, examine, lines
    from llmos.interfaces.layout import screen_width

    options = app_options(ctx, workspace, model)
    if repair:
        _repair(options, as_json=as_json)
        return
    checks = examine(options, cwd=working_folder(), environ=os.environ, online=online)
    if as_json:
        from llmos.interfaces.output import json_line

        write("[" + ",\n ".join(json_line(asdict(check)) for check in checks) + "]")
    else:
        write_lines(lines(checks, screen_width()))
    if any(check.state is State.FAIL for check in checks):
        raise typer.Exit(ExitStatus.FAILED)


def _repair(options: AppOptions, *, as_json: bool) -> None:
    from llmos.app import App
    from llmos.interfaces import doctor_repair
    from llmos.interfaces.doctor import redactor
    from llmos.interfaces.layout import screen_width

    app = App.open(options, cwd=working_folder(), environ=os.environ)
    made = doctor_repair.repair(app, redactor(os.environ))
    if as_json:
        from llmos.interfaces.output import json_line

        write("[" + ",\n ".join(json_line(asdict(one)) for one in made) + "]")
    else:
        write_lines(doctor_repair.lines(made, screen_width()))
    if not all(one.ok for one in made):
        raise typer.Exit(ExitStatus.FAILED)
