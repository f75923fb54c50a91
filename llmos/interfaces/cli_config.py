"""`llmos config`: each setting, its value, and where the value comes from."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from llmos.interfaces.cli_shared import MaxCostOption, ModelOption, WorkspaceOption, app_options, say, write
from llmos.interfaces.startup import working_folder


def _complete_key(incomplete: str) -> list[tuple[str, str]]:
    from llmos.memory.config_schema import all_settings

    return [(key, setting.about) for key, setting in all_settings().items() if key.startswith(incomplete)]


app = typer.Typer(help="The settings. Without a command: show.", no_args_is_help=True, rich_markup_mode=None)


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
    """Show every setting, its value and its origin. Keys are never shown, only whether they are set.

    \b
    Examples:
      llmos config show
      llmos config show --json | jq .settings.model
    """
    from llmos.app import App
    from llmos.app_models import CREDENTIALS

    opened = App.open(app_options(ctx, workspace, model, max_cost), cwd=working_folder(), environ=os.environ)
    for notice in opened.config.notices:
        say(notice)
    space = opened.workspace
    credentials = [name for name in CREDENTIALS if os.environ.get(name)]
    folder_origin = "LLMOS_MODELS" if os.environ.get("LLMOS_MODELS") else "built-in"
    rows = opened.config.rows()
    if as_json:
        settings = {row.key: {"value": row.value, "origin": row.origin} for row in rows}
        record = {
            "workspace": {"value": str(space.root), "origin": str(space.origin)},
            "models_folder": str(opened.model_store.folder),
            "credentials_set": credentials,
            "settings": settings,
        }
        write(json.dumps(record, indent=2))
        return
    lines = [
        ("workspace", str(space.root), str(space.origin)),
        ("models folder", str(opened.model_store.folder), folder_origin),
        ("credential", f"{credentials[0]} (set, not shown)" if credentials else "none", "environment"),
        *((row.key, _shown(row.value), row.origin) for row in rows),
    ]
    key_width = max(len(key) for key, _, _ in lines)
    value_width = min(32, max(len(value) for _, value, _ in lines))
    for key, value, origin in lines:
        write(f"{key:<{key_width}}  {value:<{value_width}}  {origin}".rstrip())


OwnOption = Annotated[
    bool, typer.Option("--own", help="Your own config.yaml, for all workspaces, instead of the workspace's.")
]


@app.command("get")
def get_value(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", autocompletion=_complete_key, help="As `config show` names it.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Show the value of one setting. A text is shown as it is, anything else as JSON.

    \b
    Examples:
      llmos config get budget.per_goal_usd
      test "$(llmos config get permissions.mode)" = ask
    """
    from llmos.app import App
    from llmos.core.errors import ConfigError
    from llmos.core.nearest import did_you_mean

    opened = App.open(app_options(ctx, workspace), cwd=working_folder(), environ=os.environ)
    values = {row.key: row.value for row in opened.config.rows()}
    if key not in values:
        near = did_you_mean(key, values, "`llmos config show` lists the settings")
        raise ConfigError(f"unknown setting {key}; {near}")
    value = values[key]
    write(value if isinstance(value, str) else _shown(value))


@app.command("set")
def set_value(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", autocompletion=_complete_key, help="As `config show` names it.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="As it would stand in the file: YAML or JSON.")],
    own: OwnOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Change one setting in config.yaml. Everything else in the file stays as it is, comments too.

    \b
    Examples:
      llmos config set budget.per_goal_usd 0.25
      llmos config set permissions.deny '["shell(git push*)"]'
      llmos config set --own model claude-opus-5-5
    """
    from llmos.app import App
    from llmos.core.errors import ConfigError
    from llmos.memory.config_edit import parse_value, set_setting
    from llmos.memory.workspace import find_workspace

    options = app_options(ctx, workspace)
    space = find_workspace(options.workspace, os.environ, working_folder())
    path = set_setting(space, key, parse_value(value, key), os.environ, own=own)
    say(f"written to {path}")
    try:
        config = App.open(options, cwd=working_folder(), environ=os.environ).config
    except ConfigError as error:
        say(str(error))  # another file or variable is off; this one is as it was asked for
        return
    (row,) = [row for row in config.rows() if row.key == key]
    write(f"{key}  {_shown(row.value)}  {row.origin}")
    if str(path) not in row.origin:
        say(f"what holds is decided by {row.origin}")


@app.command()
def path(ctx: typer.Context, own: OwnOption = False, workspace: WorkspaceOption = None) -> None:
    """Show which config.yaml `llmos config set` writes.

    \b
    Examples:
      llmos config path
      $EDITOR "$(llmos config path --own)"
    """
    from llmos.memory.config_edit import config_path
    from llmos.memory.workspace import find_workspace

    space = find_workspace(app_options(ctx, workspace).workspace, os.environ, working_folder())
    found = config_path(space, own=own)
    write(str(found))
    if not found.exists():
        say("it does not exist yet; `llmos config set` makes it")


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
