"""What is wrong with the files of a record: who else may read them, what crashed processes left behind.

Looks and reports; changes nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.memory.agent_logs import IN_MARKER
from llmos.memory.files import STALE_AFTER_S, TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from llmos.memory.locks import is_held
from llmos.memory.money_journal import money_folder
from llmos.memory.quarantine import FOLDER as QUARANTINE
from llmos.memory.signing import key_path
from llmos.memory.workspace import Workspace

MOST_ENTRIES = 50_000
"""Files and folders that are looked at; a larger record is looked at in part, and that is said."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What processes that died left behind."""

    temporaries: tuple[Path, ...]
    """Half-written files, an hour old or older."""
    markers: tuple[Path, ...]
    """Open markers that no process holds: sessions that were cut off, and their agents."""
    edits: tuple[Path, ...]
    """Folders of edits that were not taken."""

    @property
    def sessions(self) -> int:
        """How many sessions were cut off: one whose agent alone was, in a process of its own, is one."""
        return len({marker.stem.partition(IN_MARKER)[0] for marker in self.markers})


def private_places(workspace: Workspace) -> list[Path]:
    """What nobody but its owner may read."""
    inside = [workspace.root / name for name in ("backups", QUARANTINE)]
    beside = [key_path(workspace.home), money_folder(workspace.home)]
    return [workspace.recall, *inside, workspace.derived, workspace.home, *beside]


def exposed(workspace: Workspace) -> tuple[list[Path], bool]:
    """Files and folders that others can read or write and should not; and whether all were looked at.

    A project's traces and settings may be read by others, because they are shared with the repository; nothing of the
    record may be written by others, and transcripts, copies of files and what is derived may not be read either.
    """
    private = private_places(workspace)
    shared = [] if workspace.is_home else [workspace.traces, workspace.memories, workspace.config_file]
    found: list[Path] = []
    seen = 0
    for folder, bits in [*((path, _OTHERS) for path in private), *((path, _OTHERS_WRITE) for path in shared)]:
        for path, mode in _entries(folder):
            seen += 1
            if seen > MOST_ENTRIES:
                return found, False
            if mode & bits and path not in found:
                found.append(path)
    return found, True


def leftovers(workspace: Workspace, now: float) -> Leftovers:
    """What is left of processes that died; `now` in seconds since 1970."""
    folders = [workspace.root, workspace.traces, workspace.recall, workspace.core_blocks, workspace.archival]
    temporaries = [
        path
        for folder in {*folders, workspace.home}
        for path in _listed(folder)
        if path.name.startswith(TEMPORARY_PREFIX) and path.name.endswith(TEMPORARY_SUFFIX) and _age(path, now) >= 0
    ]
    markers = [path for path in _listed(workspace.derived / "open") if path.suffix == ".jsonl" and not is_held(path)]
    edits = [path for path in _listed(workspace.derived) if path.name.startswith("edit-") and path.is_dir()]
    return Leftovers(tuple(sorted(temporaries)), tuple(markers), tuple(edits))


def _entries(folder: Path) -> Iterator[tuple[Path, int]]:
    """The folder (or file) itself and what can be reached below it, links left out, with their modes.

    Below a folder that others may not enter nothing is reached, whatever the modes there say.
    """
    mode = _mode(folder)
    if mode is None:
        return
    yield folder, mode
    if not mode & (stat.S_IXGRP | stat.S_IXOTH):
        return
    for root, folders, files in os.walk(folder):
        reachable = []
        for name in folders:
            mode = _mode(Path(root, name))
            if mode is not None:
                yield Path(root, name), mode
                if mode & (stat.S_IXGRP | stat.S_IXOTH):
                    reachable.append(name)
        folders[:] = reachable
        for name in files:
            mode = _mode(Path(root, name))
            if mode is not None:
                yield Path(root, name), mode


def _mode(path: Path) -> int | None:
    """The mode of a file or folder; None for a link and for what is gone."""
    with suppress(OSError):
        found = path.lstat().st_mode
        return None if stat.S_ISLNK(found) else found
    return None


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _age(path: Path, now: float) -> float:
    """Seconds beyond the age at which a temporary file is stale; negative for a fresh or vanished one."""
    try:
        return now - path.lstat().st_mtime - STALE_AFTER_S
    except OSError:
        return -1.0
