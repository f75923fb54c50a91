"""What is allowed, asked and denied, in words; and taking back what was allowed for always."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmos.app import App
from llmos.core.permission import PermissionMode, Rule
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


def mode_line(mode: PermissionMode) -> str:
    return f"mode {mode.value}: {mode.words}"


def revoke(app: App, identifier: str) -> str:
    """Take back a saved permission. A sentence. Raises UsageError, StoreError."""
    saved: SavedPermission = app.saved_permissions.revoke(identifier)
    return f"revoked: {one_line(saved.text)} in {one_line(saved.folder)}"
