"""Facts of the machine and the project, read without a model: what the block system_context holds of them."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_TOOLS = ("git", "docker", "podman", "make", "node", "npm", "cargo", "go", "uv", "poetry", "psql", "sqlite3", "jq")
_PROJECT_FILES = {
    "pyproject.toml": "Python",
    "package.json": "JavaScript or TypeScript",
    "Cargo.toml": "Rust",
    "go.mod": "Go",
    "pom.xml": "Java (Maven)",
    "CMakeLists.txt": "C or C++ (CMake)",
    "Makefile": "make",
}


def machine_facts(project: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Name and text of each fact; `project` is the project's folder, None outside of one."""
    facts = {"system": _system(), "programs": _programs()}
    if shell := environ.get("SHELL"):
        facts["shell"] = f"Login shell: {shell}"
    if project is not None:
        facts["project"] = _project(project)
    return {name: text for name, text in facts.items() if text}


def _system() -> str:
    name = f"{platform.system()} {platform.machine()}"
    with suppress(OSError):
        name += f", {platform.freedesktop_os_release().get('PRETTY_NAME', '')}".rstrip(", ")
    return f"{name}, {os.cpu_count() or 1} processors, Python {platform.python_version()}"


def _programs() -> str:
    found = [tool for tool in _TOOLS if shutil.which(tool)]
    return f"Programs at hand: {', '.join(found)}" if found else ""


def _project(folder: Path) -> str:
    kinds = [kind for name, kind in _PROJECT_FILES.items() if (folder / name).is_file()]
    git = ", under git" if (folder / ".git").exists() else ""
    return f"Project folder {folder}{git}{': ' + ', '.join(kinds) if kinds else ''}"
