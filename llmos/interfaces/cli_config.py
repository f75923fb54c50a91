"""`llmos config`: each setting, its value, and where the value comes from."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from llmos.interfaces.cli_shared import (
    MaxCostOption,
    ModelOption,
    WorkspaceOption,
    app_options,
    say,
    working_folder,
    write,
)

app = typer.Typer(help="Show the settings.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def config() -> None:
    """Show the settings and where each comes from."""


@app.command()
def show(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    max_cost: MaxCostOption = None,
) -> None:
    """Show every setting, its value and its origin. Keys are never shown, only whether they are set."""
    from llmos.app import CREDENTIALS, App

    opened = App.open(app_options(ctx, workspace, model, max_cost), cwd=working_folder(), environ=os.environ)
    for notice in opened.config.notices:
        say(notice)
    space = opened.workspace
    credentials = [name for name in CREDENTIALS if os.environ.get(name)]
    rows = opened.config.rows()
    if as_json:
        settings = {row.key: {"value": row.value, "origin": row.origin} for row in rows}
        record = {
            "workspace": {"value": str(space.root), "origin": str(space.origin)},
            "models_folder": str(opened.models.folder),
            "credentials_set": credentials,
            "settings": settings,
        }
        write(json.dumps(record, indent=2))
        return
    lines = [
        ("workspace", str(space.root), str(space.origin)),
        ("models folder", str(opened.models.folder), "LLMOS_MODELS" if os.environ.get("LLMOS_MODELS") else "built-in"),
        ("credential", f"{credentials[0]} (set, not shown)" if credentials else "none", "environment"),
        *((row.key, _shown(row.value), row.origin) for row in rows),
    ]
    key_width = max(len(key) for key, _, _ in lines)
    value_width = min(32, max(len(value) for _, value, _ in lines))
    for key, value, origin in lines:
        write(f"{key:<{key_width}}  {value:<{value_width}}  {origin}".rstrip())


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
