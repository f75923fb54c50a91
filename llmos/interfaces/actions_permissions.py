"""What is allowed, asked and denied, in words; and taking back what was allowed for always."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmos.app import App
from llmos.app_boundary import parse_shell
from llmos.core.errors import UsageError
from llmos.core.permission import PermissionMode, Rule, decide, read_call
from llmos.engine.shell_world import FileWorld
from llmos.interfaces.layout import cards, table
from llmos.interfaces.printable import one_line
from llmos.memory.saved_permissions import SavedPermission


def permission_rows(app: App, granted: Sequence[Rule] = ()) -> list[dict[str, Any]]:
    """JSON-ready: rules of the settings, what was saved, what was `granted` for the session. Raises StoreError."""
    rules = [
        {"id": "", "verdict": rule.verdict.value, "what": rule.text, "folder": "", "from": rule.origin}
        for rule in app.config.rules
    ]
    saved = [
        {"id": one.id, "verdict": "allow", "what": one.text, "folder": one.folder, "from": f"saved {one.when[:10]}"}
        for one in app.saved_permissions.all()
    ]
    saved += [
        {"id": one.id, "verdict": "unsigned", "what": one.text, "folder": one.folder, "from": f"saved {one.when[:10]}"}
        for one in app.saved_permissions.unconfirmed()
    ]
    session = [
        {"id": "", "verdict": "allow", "what": rule.text, "folder": str(app.cwd), "from": "this session"}
        for rule in granted
    ]
    return [*rules, *saved, *session]


def permission_lines(rows: Sequence[dict[str, Any]], width: int) -> list[str]:
    """The rules as a table, or two lines each on a narrow screen."""
    if not rows:
        return []
    cells = [
        (row["id"] or "-", row["verdict"], one_line(row["from"]), one_line(row["folder"]) or "-", one_line(row["what"]))
        for row in rows
    ]
    made = table(("ID", "VERDICT", "FROM", "FOLDER", "WHAT"), cells, width)
    return made if made is not None else cards([(" · ".join(row[:4]), row[4]) for row in cells], width)


def verdict_lines(app: App, tool: str, subject: str, mode: PermissionMode) -> list[str]:
    """What would happen to a call now, before anybody is asked: the verdict, why, and what is read in a command.

    Raises UsageError for a tool that there is not, StoreError.
    """
    found = app.tools.get(tool)
    if found is None:
        raise UsageError(f"there is no tool {tool!r}; there are {', '.join(sorted(app.tools))}")
    call = read_call(tool, found.spec.effect, (subject,), parse_shell)
    rules = (*app.config.rules, *app.saved_permissions.rules(app.cwd))
    roots = [Path(path) for path in app.config.settings.permissions.paths]
    decision = decide(rules, call, mode=mode, world=FileWorld(app.cwd, roots))
    lines = [f"{decision.verdict.value}: {decision.reason}"]
    if decision.detail:
        lines.append(f"not by itself: {decision.detail}")
    if call.reading is not None:
        lines += [f"it runs: {one_line(' '.join(words))}" for words in call.reading.commands[:20]]
        lines += [f"it writes: {one_line(target)}" for target in call.reading.targets[:20]]
        lines += ["it may run more than can be made out"] if call.reading.hidden else []
    return lines


def mode_line(mode: PermissionMode) -> str:
    return f"mode {mode.value}: {mode.words}"


def revoke(app: App, identifier: str) -> str:
    """Take back a saved permission. A sentence. Raises UsageError, StoreError."""
    saved: SavedPermission = app.saved_permissions.revoke(identifier)
    return f"revoked: {one_line(saved.text)} in {one_line(saved.folder)}"


def unsigned_line(rows: Sequence[dict[str, Any]]) -> str:
    """What is to be said of saved permissions without a signature; empty where there is none."""
    count = sum(row["verdict"] == "unsigned" for row in rows)
    if not count:
        return ""
    them = "1 of them is" if count == 1 else f"{count} of them are"
    return f"{them} not signed with your key: no effect until `llmos permissions confirm ID`, or `revoke ID` it"


def confirm(app: App, identifier: str) -> str:
    """Sign a saved permission that was not signed. A sentence. Raises UsageError, StoreError."""
    saved = app.saved_permissions.confirm(identifier)
    return f"allowed, as {saved.id}: {one_line(saved.text)} in {one_line(saved.folder)}"
