"""What a project says of itself to an agent: AGENTS.md, else CLAUDE.md, from the working directory upwards.

Invariant: it is read as data, bounded, and only where no other user could have written it; it is quoted to a model and
changes nothing of what is allowed.
"""

from __future__ import annotations

import os
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError, StoreError
from llmos.memory.files import os_cause, read_bounded, show_path

NAMES = ("AGENTS.md", "CLAUDE.md")
MOST_BYTES = 24_000
"""Of one file."""
MOST_FILES = 4


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """One such file. `text` is its beginning where it is longer than is used; `size` in bytes."""

    path: Path
    text: str
    size: int

    @property
    def about(self) -> str:
        """In words for a person."""
        more = f", of which the first {MOST_BYTES:,} are used" if self.size > MOST_BYTES else ""
        return f"{show_path(self.path)} ({self.size:,} bytes{more})"


def project_files(cwd: Path) -> tuple[ProjectFile, ...]:
    """The files that speak for `cwd`, the outermost first: one a folder, up to the top of its repository.

    Without a repository around it only `cwd` itself is looked at.
    """
    folders = [cwd, *cwd.parents]
    top = next((at for at, folder in enumerate(folders) if os.path.lexists(folder / ".git")), 0)
    found = []
    for folder in folders[: top + 1]:
        if (file := _of(folder)) is not None:
            found.append(file)
    return tuple(reversed(found[:MOST_FILES]))


def write_project_file(path: Path, text: str) -> None:
    """Write a new file of the project, readable as its other files are. Raises StoreError, also where one is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StoreError(f"cannot write {show_path(path)}: {os_cause(error)}") from None


def _of(folder: Path) -> ProjectFile | None:
    for name in NAMES:
        path = folder / name
        try:
            if path.stat().st_uid not in (os.geteuid(), 0):
                continue
            data = read_bounded(path, MOST_BYTES, or_larger=True)
            size = path.stat().st_size
        except (OSError, LlmosError):
            continue
        text = data.decode("utf-8", "replace").strip()
        if text:
            return ProjectFile(path, text, size)
    return None
