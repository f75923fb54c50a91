"""`llmos permissions`: what is allowed, asked and denied here; and taking it back."""

from __future__ import annotations

from typing import Annotated

import typer

from llmos.interfaces.cli_shared import WorkspaceOption, open_app, say, write, write_lines

app = typer.Typer(
    help="What is allowed, asked and denied. Without a command: list.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def permissions() -> None:
    """What is allowed, asked and denied, and what you allowed for always."""


@app.command("list")
def list_permissions(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List what is allowed, asked and denied. Of the rules that match a call the strictest wins.

    \b
    Examples:
      llmos permissions list
      llmos permissions list --json
    """
    opened = open_app(ctx, workspace)
    from llmos.core.permission import PermissionMode
    from llmos.interfaces.actions_permissions import mode_line, permission_lines, permission_rows, unsigned_line
    from llmos.interfaces.layout import screen_width

    rows = permission_rows(opened)
    if as_json:
        from llmos.interfaces.output import json_line

        write("[" + ",\n ".join(json_line(row) for row in rows) + "]")
        return
    write_lines(permission_lines(rows, screen_width()))
    say(mode_line(PermissionMode(opened.config.settings.permissions.mode)))
    if unsigned := unsigned_line(rows):
        say(unsigned)
    if not rows:
        say("no rule, and nothing was allowed for always")


@app.command()
def confirm(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="The id, or the beginning of it.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Confirm saved permissions as your own. It is for those that stand there without your signature.

    \b
    Example:
      llmos permissions confirm 1f0c77aa
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_permissions import confirm as sign

    say(sign(opened, identifier))


@app.command()
def revoke(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="The id, the beginning of it, or the exact rule.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Take back what was allowed for always. It holds at once, in open sessions too.

    \b
    Example:
      llmos permissions revoke 1f0c77aa
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_permissions import revoke as take_back

    say(take_back(opened, identifier))


@app.command()
def test(
    ctx: typer.Context,
    subject: Annotated[str, typer.Argument(metavar="COMMAND", help="A shell command, or a path with --tool.")],
    tool: Annotated[str, typer.Option("--tool", help="The tool that is called.")] = "shell",
    workspace: WorkspaceOption = None,
) -> None:
    """Say what would happen to a call, and why. Nothing runs.

    \b
    Examples:
      llmos permissions test "git status && rm -rf build"
      llmos permissions test --tool write_file .git/config
    """
    opened = open_app(ctx, workspace)
    from llmos.core.permission import PermissionMode
    from llmos.interfaces.actions_permissions import verdict_lines

    write_lines(verdict_lines(opened, tool, subject, PermissionMode(opened.config.settings.permissions.mode)))
