"""What a shell is offered for a half-typed id. A completion never fails and never speaks: it offers nothing instead."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from llmos.core.errors import LlmosError
from llmos.interfaces.cli_shared import app_options
from llmos.interfaces.printable import one_line
from llmos.interfaces.startup import working_folder

if TYPE_CHECKING:
    import typer

    from llmos.app import App

_MOST = 200
_ABOUT = 60


def trace_ids(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of traces that begin so, or end in a hash that does, each with its goal."""
    from llmos.interfaces.actions_traces import labels, short_id

    try:
        app = _open(ctx)
        with closing(app.traces) as manager:
            headers = manager.headers()
        names = {label: identifier for identifier, label in labels(app).all().items()}
    except (LlmosError, OSError):
        return []
    called = [(name, one_line(names[name], _ABOUT)) for name in sorted(names) if name.startswith(incomplete)]
    whole = [(header.id, one_line(header.goal, _ABOUT)) for header in headers if header.id.startswith(incomplete)]
    if whole or called or not incomplete:
        return [*called, *whole][:_MOST]
    named = ((short_id(header.id), header.goal) for header in headers)
    return [(name, one_line(goal, _ABOUT)) for name, goal in named if name.startswith(incomplete)][:_MOST]


def session_ids(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of sessions that begin so, the one used last first, each with its first goal."""
    try:
        sessions = _open(ctx).sessions.all()
    except (LlmosError, OSError):
        return []
    found = [session for session in reversed(sessions) if session.id.startswith(incomplete)]
    return [(session.id, one_line(session.first_goal, _ABOUT)) for session in found][:_MOST]


def _open(ctx: typer.Context) -> App:
    from llmos.app import App

    workspace = ctx.params.get("workspace")
    return App.open(app_options(ctx, workspace), cwd=working_folder(), environ=os.environ)
