"""What a call reads: the files that it names and that were there before it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from llmos.core.messages import ToolCall
from llmos.engine.changes import Snapshot

COMMAND_WORD = re.compile(r"[^\s'\"`;|&<>()=,{}]+")
"""What may be the name of a file in a command, as far as that shows without parsing it."""
_BEFORE_COMMAND = re.compile(r"(?:^|[|;&(`{!\n]|\b(?:do|then|else|if|while|xargs|sudo|time|exec|env))\s*\Z")


def relative_path(path: str, cwd: Path) -> str:
    """The path as a rule or a trace names it: relative to the working directory where it is inside, else absolute."""
    normal = os.path.normpath(cwd / path)
    return os.path.relpath(normal, cwd) if Path(normal).is_relative_to(cwd) else normal


def step_reads(call: ToolCall, paths: tuple[str, ...], cwd: Path, before: Snapshot | None) -> tuple[str, ...]:
    """What the call names that was there before it: the paths of a file tool, the names in a command."""
    command = call.args.get("command")
    if paths or before is None or not isinstance(command, str):
        return tuple(sorted({relative_path(path, cwd) for path in paths if _was_file(cwd, path, before)}))
    return tuple(sorted(_named(command, before)))


def _named(command: str, before: Snapshot) -> set[str]:
    """Files and folders that stood in the working directory and whose name stands in the command as an argument."""
    found = set()
    for match in COMMAND_WORD.finditer(command):
        word = match.group()
        path = os.path.normpath(word)
        there = path if path in before.entries else f"{path}/" if f"{path}/" in before.entries else None
        is_command = "/" not in word and _BEFORE_COMMAND.search(command[max(0, match.start() - 20) : match.start()])
        if there and not is_command:
            found.add(there)
    return found


def _was_file(cwd: Path, path: str, before: Snapshot | None) -> bool:
    if before is None or not before.complete:
        return _is_file(cwd, path)
    return relative_path(path, cwd) in before.entries


def _is_file(cwd: Path, path: str) -> bool:
    try:
        return (cwd / path).is_file()
    except (OSError, ValueError):
        return False
