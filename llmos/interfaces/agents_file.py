"""A starter AGENTS.md: what an agent should know of a project, with the commands that its files tell of filled in."""

from __future__ import annotations

from pathlib import Path

from llmos.core.errors import UsageError
from llmos.memory.files import show_path
from llmos.memory.project_words import NAMES, write_project_file

_COMMANDS = (
    ("Makefile", "make"),
    ("pyproject.toml", "python -m pytest"),
    ("package.json", "npm test"),
    ("Cargo.toml", "cargo test"),
    ("go.mod", "go test ./..."),
    ("CMakeLists.txt", "cmake -B build && cmake --build build"),
)
_TEXT = """\
# {name}

What an agent should know before it works here. Keep it short: it is read in every session.

## What this is

One or two sentences.

## Commands

{commands}

## Rules

- What must not be touched, and why.
- How a change is checked before it counts as done.
"""


def write_agents_file(folder: Path) -> str:
    """Write a starter AGENTS.md; a sentence. Raises UsageError where there is one, or a CLAUDE.md; StoreError."""
    if there := next((name for name in NAMES if (folder / name).exists()), None):
        raise UsageError(f"{show_path(folder / there)} is there already; edit it, nothing was written")
    known = [(name, command) for name, command in _COMMANDS if (folder / name).exists()]
    found = [f"- `{command}` (because {name} is here; correct it)" for name, command in known]
    commands = "\n".join(found or ["- How it is built, run and tested."])
    path = folder / NAMES[0]
    write_project_file(path, _TEXT.format(name=folder.name or "Project", commands=commands))
    return f"wrote {show_path(path)}; fill it in: a new session (/clear) reads it"
