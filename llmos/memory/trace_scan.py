"""The trace folder and its files as rows of the index."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from llmos.core.errors import StoreError
from llmos.core.goal import goal_key
from llmos.core.matching import ranking_terms
from llmos.core.trace import Learned, TraceHeader, TraceStatus
from llmos.memory.codec import CodecError
from llmos.memory.files import os_cause, read_bounded, show_path
from llmos.memory.quarantine import Quarantine
from llmos.memory.trace_files import MAX_BYTES, decode_header
from llmos.memory.trace_keys import words_key
from llmos.memory.trace_outcomes import read_outcomes, score_of

Stamp = tuple[int, int, int]
"""Time of the last change in nanoseconds, size in bytes, and inode of a file."""

UNREAD: Stamp = (0, 0, 0)
"""Of a file that could not be read: no file has it, so it is looked at again."""

_SETTLED_NS = 2_000_000_000
"""A folder that changed less long ago may change again within the same tick of its file system's clock."""


def folder_stamp(folder: Path) -> str:
    """A text that changes when a file is added to, removed from or replaced in the folder; empty when unsure."""
    try:
        found = folder.stat()
    except OSError:
        return ""
    if abs(time.time_ns() - found.st_mtime_ns) < _SETTLED_NS:
        return ""
    return f"{found.st_dev}:{found.st_ino}:{found.st_mtime_ns}"


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def trace_names(folder: Path) -> Iterator[tuple[str, int]]:
    """Name and inode of each file that should be a trace; a name that is no text cannot be an id."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name.endswith(".yaml") and name[0] != "." and (name.isascii() or _is_text(name)):
                    yield name, entry.inode()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot read the traces in {show_path(folder)}: {os_cause(error)}") from None


def file_stamp(path: Path) -> Stamp | None:
    """None when the file is gone; of a link that leads nowhere, its own."""
    try:
        found = path.stat() if path.exists() else path.lstat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class Rows:
    """Writes what the files say into one connection, within its transaction."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, quarantine: Quarantine | None = None) -> None:
        self._connection = connection
        self._folder = folder
        self._quarantine = quarantine

    def take(self, name: str, stamp: Stamp) -> bool:
        """Read one file anew, or move it away where it is damaged.

        False where that may come out otherwise the next time: the system did not let it be read, or it may still be
        being written.
        """
        path = self._folder / name
        identifier = key = words = status = sha256 = supersedes = header_json = problem = ""
        terms: list[str] = []
        try:
            data = read_bounded(path, MAX_BYTES)
            header = decode_header(data, name=str(path))
            if header.id != path.stem:
                raise StoreError(f"{show_path(path)} says its id is {header.id!r}; a trace file is named by its id")
            identifier, key, status = header.id, goal_key(header.goal), header.status.value
            words, supersedes = words_key(header.goal), header.supersedes
            sha256, header_json = hashlib.sha256(data).hexdigest(), json.dumps(_header_data(header))
            if header.status is TraceStatus.VERIFIED:
                terms = sorted(ranking_terms(header.goal))
        except StoreError as error:
            problem, quarantine = str(error), self._quarantine if isinstance(error, CodecError) else None
            if quarantine is not None and quarantine.take(path, problem):
                self.drop(name)
                return True
            if (isinstance(error.__cause__, OSError) and path.is_file()) or (
                quarantine is not None and quarantine.is_fresh(path)
            ):
                stamp = UNREAD
        self.drop(name)
        self._connection.execute(
            "insert into files values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                name, *stamp, identifier, key, words, status, sha256, supersedes, header_json, problem,
                " ".join(terms), score_of(read_outcomes(self._connection, identifier)),
            ),
        )  # fmt: skip
        self._connection.execute("update outcomes set words_key = ? where trace = ?", (words, identifier))
        self._connection.executemany("insert or ignore into terms values (?, ?)", [(term, name) for term in terms])
        self._connection.executemany(
            "insert into frequencies values (?, 1) on conflict(term) do update set files = files + 1",
            [(term,) for term in terms],
        )
        return stamp != UNREAD

    def drop(self, name: str) -> None:
        """Forget a file."""
        row = self._connection.execute("select id, terms from files where name = ?", (name,)).fetchone()
        if row is None:
            return
        terms = [(term,) for term in str(row[1]).split()]
        self._connection.executemany("update frequencies set files = files - 1 where term = ?", terms)
        self._connection.executemany("delete from terms where term = ? and name = ?", [(t, name) for (t,) in terms])
        self._connection.execute("update outcomes set words_key = '' where trace = ?", (row[0],))
        self._connection.execute("delete from files where name = ?", (name,))


def _header_data(header: TraceHeader) -> dict[str, object]:
    learned = header.learned
    return {
        "id": header.id,
        "goal": header.goal,
        "status": header.status.value,
        "reason": header.reason,
        "tools": dict(header.tools),
        "learned": {
            "when": learned.when,
            "mode": learned.mode,
            "model": learned.model,
            "cost_usd": learned.cost_usd,
            "elapsed_s": learned.elapsed_s,
        },
        "supersedes": header.supersedes,
        "sandbox": header.sandbox,
        "provenance": list(header.provenance),
    }


def header_from_json(text: str) -> TraceHeader:
    data = json.loads(text)
    return TraceHeader(
        data["id"],
        data["goal"],
        TraceStatus(data["status"]),
        data["reason"],
        data["tools"],
        Learned(**data["learned"]),
        data.get("supersedes", ""),
        data.get("sandbox", ""),
        tuple(data.get("provenance", ())),
    )
