"""The index over trace files and their outcomes: derived, in `.llmos/traces.sqlite`, rebuilt from the files at will.

Invariant: after `refresh` it says what the files say. A file is read again only when its size or time changed.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from llmos.core.errors import StoreError
from llmos.core.goal import goal_key
from llmos.core.matching import Outcomes
from llmos.core.trace import Learned, TraceHeader, TraceStatus
from llmos.memory.codec import load_lines
from llmos.memory.files import make_private_folder, read_bounded
from llmos.memory.trace_files import MAX_BYTES, decode_header

_SCHEMA_VERSION = 1
_SCHEMA = """
create table if not exists files(
  name text primary key, mtime_ns integer, size integer,
  id text, goal_key text, status text, header text, problem text);
create index if not exists files_by_key on files(goal_key);
create index if not exists files_by_id on files(id);
create table if not exists outcomes(trace text primary key, successes integer, failures integer, last_used text);
create table if not exists folded(name text primary key, size integer);
"""


class TraceIndex:
    """Opened for one workspace; where the derived folder cannot be written it lives in memory."""

    def __init__(self, folder: Path, derived: Path) -> None:
        self._folder = folder
        self._connection = _open(derived)

    def close(self) -> None:
        self._connection.close()

    def refresh(self) -> None:
        """Take up what changed in the folder since the last time."""
        known = {
            name: (mtime_ns, size)
            for name, mtime_ns, size in self._connection.execute("select name, mtime_ns, size from files")
        }
        seen: set[str] = set()
        with self._connection:
            for entry in _trace_files(self._folder):
                stat = entry.stat()
                seen.add(entry.name)
                if known.get(entry.name) != (stat.st_mtime_ns, stat.st_size):
                    self._read(entry.name, stat)
            gone = [(name,) for name in known.keys() - seen]
            self._connection.executemany("delete from files where name = ?", gone)
            self._fold_outcomes()

    def with_key(self, key: str) -> list[TraceHeader]:
        """The headers of the traces whose goal has this key, by id."""
        return self._headers("where goal_key = ? and problem = '' order by id", (key,))

    def headers(self) -> list[TraceHeader]:
        return self._headers("where problem = '' order by id", ())

    def find(self, prefix: str) -> list[TraceHeader]:
        """The headers whose id begins with `prefix`; one when it is a whole id."""
        escaped = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        found = self._headers("where problem = '' and id like ? escape '\\' order by id", (escaped + "%",))
        return [header for header in found if header.id == prefix] or found

    def problems(self) -> list[str]:
        """A sentence for each file that is no readable trace."""
        rows = self._connection.execute("select problem from files where problem != '' order by name")
        return [row[0] for row in rows]

    def outcomes(self, identifier: str) -> Outcomes:
        row = self._connection.execute(
            "select successes, failures, last_used from outcomes where trace = ?", (identifier,)
        ).fetchone()
        return Outcomes(*row) if row else Outcomes()

    def _headers(self, where: str, values: tuple[str, ...]) -> list[TraceHeader]:
        rows = self._connection.execute(f"select header from files {where}", values)  # noqa: S608 (our own words)
        return [_header_from_json(row[0]) for row in rows]

    def _read(self, name: str, stat: os.stat_result) -> None:
        path = self._folder / name
        identifier = key = status = header_json = problem = ""
        try:
            header = decode_header(read_bounded(path, MAX_BYTES), name=str(path))
            if header.id != path.stem:
                raise StoreError(f"{path} says its id is {header.id!r}; a trace file is named by its id")
            identifier, key, status = header.id, goal_key(header.goal), header.status.value
            header_json = json.dumps(asdict(header))
        except StoreError as error:
            problem = str(error)
        self._connection.execute(
            "insert or replace into files values (?, ?, ?, ?, ?, ?, ?, ?)",
            (name, stat.st_mtime_ns, stat.st_size, identifier, key, status, header_json, problem),
        )

    def _fold_outcomes(self) -> None:
        """Add up the new lines of outcomes.jsonl; from the start when the file shrank."""
        path = self._folder / "outcomes.jsonl"
        try:
            size = path.stat().st_size
        except OSError:
            size = 0
        row = self._connection.execute("select size from folded where name = 'outcomes'").fetchone()
        done = row[0] if row else 0
        if size == done:
            return
        if size < done:
            self._connection.execute("delete from outcomes")
            done = 0
        data = read_bounded(path, 1 << 30)[done:] if size else b""
        complete = data[: data.rfind(b"\n") + 1]
        for record in load_lines(complete, name=str(path), report=lambda _: None):
            right = record.get("outcome") == "ok"
            self._connection.execute(
                "insert into outcomes values (?, ?, ?, ?) on conflict(trace) do update set "
                "successes = successes + excluded.successes, failures = failures + excluded.failures, "
                "last_used = max(last_used, excluded.last_used)",
                (str(record.get("trace")), int(right), int(not right), str(record.get("when", ""))),
            )
        self._connection.execute("insert or replace into folded values ('outcomes', ?)", (done + len(complete),))


def _trace_files(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".yaml") and not entry.name.startswith(".") and entry.is_file():
                    yield entry
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot read the traces in {folder}: {error.strerror}") from None


def _header_from_json(text: str) -> TraceHeader:
    data = json.loads(text)
    return TraceHeader(
        data["id"],
        data["goal"],
        TraceStatus(data["status"]),
        data["reason"],
        data["tools"],
        Learned(**data["learned"]),
    )


def _open(derived: Path) -> sqlite3.Connection:
    path = derived / "traces.sqlite"
    for attempt in range(2):
        try:
            make_private_folder(derived)
            return _prepared(sqlite3.connect(path, timeout=10))
        except sqlite3.DatabaseError:
            if attempt == 0:
                path.unlink(missing_ok=True)
        except (StoreError, OSError):
            break
    return _prepared(sqlite3.connect(":memory:"))


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    (version,) = connection.execute("pragma user_version").fetchone()
    if version not in (0, _SCHEMA_VERSION):
        connection.close()
        raise sqlite3.DatabaseError("another version of the index")
    with suppress(sqlite3.OperationalError):  # a read-only or foreign file system keeps the default journal
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = off")
    connection.executescript(_SCHEMA)
    connection.execute(f"pragma user_version = {_SCHEMA_VERSION}")
    return connection
