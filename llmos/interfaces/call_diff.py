"""What a file tool's call would change, as a unified diff, before it runs. Reads the file, writes nothing."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmos.core.errors import ToolError
from llmos.core.tool import ToolContext

LINES = 200
"""How much of a diff is shown."""
_MOST_BYTES = 1_000_000


def call_diff(tool: str, args: Mapping[str, Any], cwd: Path) -> list[str] | None:
    """The lines of the diff, without line ends; None for what is no change of a text file that can be told."""
    path = args.get("path")
    if not isinstance(path, str) or tool not in ("write_file", "edit_file"):
        return None
    before = _content(path, cwd)
    after = _after(tool, args, before)
    if after is None:
        return None
    if before is None and os.path.lexists(cwd / path):
        return [f"{path} is there and is replaced whole; it is no text that could be shown", *_plus(after)]
    names = (f"{path} (not there yet)" if before is None else path, path)
    found = difflib.unified_diff((before or "").splitlines(), after.splitlines(), *names, lineterm="")
    return _bounded(list(found) or ["(the content stays as it is)"])


def _plus(text: str) -> list[str]:
    return _bounded([f"+{line}" for line in text.splitlines()])


def _bounded(lines: list[str]) -> list[str]:
    hidden = len(lines) - LINES
    return [*lines[:LINES], *([f"… {hidden} more lines"] if hidden > 0 else [])]


def _after(tool: str, args: Mapping[str, Any], before: str | None) -> str | None:
    if tool == "write_file":
        content = args.get("content")
        return content if isinstance(content, str) else None
    old, new = args.get("old"), args.get("new")
    if before is None or not isinstance(old, str) or not isinstance(new, str) or old not in before:
        return None
    return before.replace(old, new) if args.get("all") is True else before.replace(old, new, 1)


def _content(path: str, cwd: Path) -> str | None:
    """The text that is there; None where there is none that the tool could read."""
    from llmos.tools.paths import locate, read_bytes

    try:
        return read_bytes(locate(path, ToolContext(cwd=cwd)), _MOST_BYTES)[0].decode("utf-8")
    except (ToolError, OSError, UnicodeError):
        return None
