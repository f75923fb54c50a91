"""The index over trace files and their outcomes: derived, in `.llmos/traces.sqlite`, rebuilt from the files at will.

Invariant: after `refresh` it says what the files say. A file is read again only when its size or time changed. It
ranks and finds; whether a trace is replayed is decided on the file itself, because this folder may be brought along by
a repository.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from llmos.core.errors import StoreError
from llmos.core.goal import goal_key
from llmos.core.matching import Outcomes
from llmos.core.prune import parse_time
from llmos.core.trace import Learned, TraceHeader, TraceStatus
from llmos.core.wording import analyse
from llmos.memory.files import make_private_folder, os_cause, read_bounded, show_path
from llmos.memory.trace_files import MAX_BYTES, decode_header

_SCHEMA_VERSION = 4
_SCHEMA = """
create table if not exists files(
  name text primary key, mtime_ns integer, size integer,
  id text, goal_key text, words_key text, status text, sha256 text, supersedes text, header text, problem text);
create index if not exists files_by_key on files(goal_key);
create index if not exists files_by_words on files(words_key);
create index if not exists files_by_id on files(id);
create index if not exists files_by_supersedes on files(supersedes) where supersedes != '';
create table if not exists outcomes(trace text primary key, successes integer, failures integer, last_used text);
create table if not exists folded(name text primary key, size integer, bad_lines integer);
"""
_MAX_OUTCOME_BYTES = 1 << 30
# What a damaged index, or one that somebody else made, can lead to.
_BROKEN = (sqlite3.Error, ValueError, KeyError, TypeError, AttributeError)
T = TypeVar("T")


class TraceIndex:
    """Opened for one workspace; where the derived folder cannot be written it lives in memory."""

    def __init__(self, folder: Path, derived: Path) -> None:
        self._folder = folder
        self._path = derived / "traces.sqlite"
        self._connection = _open(self._path)

    def close(self) -> None:
        self._connection.close()

    def refresh(self) -> None:
        """Take up what changed in the folder since the last time."""
        self._guarded(self._refresh)

    def with_key(self, key: str) -> list[TraceHeader]:
        """The headers of the traces whose goal has this key, by id."""
        return self._headers("where goal_key = ? and problem = '' order by id", (key,))

    def with_words(self, key: str, limit: int) -> list[TraceHeader]:
        """The headers of verified traces whose goal has the same words and number of values, newest first."""
        return self._headers(
            "where words_key = ? and problem = '' and status = 'verified' order by mtime_ns desc, id limit ?",
            (key, limit),
        )

    def headers(self) -> list[TraceHeader]:
        return self._headers("where problem = '' order by id", ())

    def verified(self) -> list[tuple[TraceHeader, str]]:
        """The headers of verified traces, by id, each with the SHA-256 of its file."""
        return self._guarded(
            lambda: [
                (_header_from_json(header), str(sha256))
                for header, sha256 in self._connection.execute(
                    "select header, sha256 from files where problem = '' and status = ? order by id",
                    (TraceStatus.VERIFIED.value,),
                )
            ]
        )

    def superseding(self) -> list[tuple[str, str, str]]:
        """For each verified trace that supersedes another: that one's id, its own id, and the SHA-256 of its file."""
        query = (
            "select supersedes, id, sha256 from files "
            "where supersedes != '' and problem = '' and status = 'verified' order by id"
        )
        return self._guarded(lambda: [(str(a), str(b), str(c)) for a, b, c in self._connection.execute(query)])

    def find(self, prefix: str) -> list[TraceHeader]:
        """The headers whose id begins with `prefix`; one when it is a whole id."""
        escaped = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        found = self._headers("where problem = '' and id like ? escape '\\' order by id", (escaped + "%",))
        return [header for header in found if header.id == prefix] or found

    def problems(self) -> list[str]:
        """A sentence for each file that cannot be read."""
        return self._guarded(self._problems)

    def outcomes(self, identifier: str) -> Outcomes:
        """What became of the replays of a trace."""
        query = "select successes, failures, last_used from outcomes where trace = ?"

        def read() -> Outcomes:
            row = self._connection.execute(query, (identifier,)).fetchone()
            return Outcomes(int(row[0]), int(row[1]), str(row[2])) if row else Outcomes()

        return self._guarded(read)

    # ---------------------------------------------------------------------------------------------- the database

    def _guarded(self, work: Callable[[], T]) -> T:
        """The result of `work`; an index that turns out to be broken is made anew from the files, once."""
        try:
            return work()
        except _BROKEN as error:
            self._start_over(in_memory=_is_busy(error))
            try:
                self._refresh()
                return work()
            except _BROKEN:
                self._start_over(in_memory=True)
                self._refresh()
                return work()

    def _start_over(self, *, in_memory: bool) -> None:
        self._connection.close()
        self._connection = (
            _prepared(sqlite3.connect(":memory:", isolation_level=None)) if in_memory else _renew(self._path)
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time from its first look on, so that two processes never count a line twice."""
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    # ------------------------------------------------------------------------------------------------- the files

    def _refresh(self) -> None:
        seen = dict(_trace_files(self._folder))
        if self._known() == seen and self._folded() == self._outcome_bytes():
            return
        with self._writing():
            known = self._known()
            for name, stamp in seen.items():
                if known.get(name) != stamp:
                    self._read(name, stamp)
            gone = [(name,) for name in known.keys() - seen]
            self._connection.executemany("delete from files where name = ?", gone)
            self._fold_outcomes()

    def _known(self) -> dict[str, tuple[int, int]]:
        rows = self._connection.execute("select name, mtime_ns, size from files")
        return {name: (mtime_ns, size) for name, mtime_ns, size in rows}

    def _headers(self, where: str, values: tuple[str | int, ...]) -> list[TraceHeader]:
        query = f"select header from files {where}"  # noqa: S608 (our own words)
        return self._guarded(lambda: [_header_from_json(row[0]) for row in self._connection.execute(query, values)])

    def _problems(self) -> list[str]:
        rows = self._connection.execute("select problem from files where problem != '' order by name")
        found = [str(row[0]) for row in rows]
        bad = self._connection.execute("select bad_lines from folded where name = 'outcomes'").fetchone()
        if bad and bad[0]:
            found.append(f"{show_path(self._outcomes_path)}: {bad[0]} of its lines are no records and do not count")
        return found

    def _read(self, name: str, stamp: tuple[int, int]) -> None:
        path = self._folder / name
        identifier = key = words = status = sha256 = supersedes = header_json = problem = ""
        try:
            data = read_bounded(path, MAX_BYTES)
            header = decode_header(data, name=str(path))
            if header.id != path.stem:
                raise StoreError(f"{show_path(path)} says its id is {header.id!r}; a trace file is named by its id")
            identifier, key, status = header.id, goal_key(header.goal), header.status.value
            words, supersedes = words_key(header.goal), header.supersedes
            sha256, header_json = hashlib.sha256(data).hexdigest(), json.dumps(asdict(header))
        except StoreError as error:
            problem = str(error)
        self._connection.execute(
            "insert or replace into files values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                os.fsencode(name).decode("utf-8", "replace"),
                *stamp,
                identifier,
                key,
                words,
                status,
                sha256,
                supersedes,
                header_json,
                problem,
            ),
        )

    # ---------------------------------------------------------------------------------------------- the outcomes

    @property
    def _outcomes_path(self) -> Path:
        return self._folder / "outcomes.jsonl"

    def _outcome_bytes(self) -> int:
        try:
            return self._outcomes_path.stat().st_size
        except OSError:
            return 0

    def _folded(self) -> int:
        row = self._connection.execute("select size from folded where name = 'outcomes'").fetchone()
        return int(row[0]) if row else 0

    def _fold_outcomes(self) -> None:
        """Add up the new whole lines of outcomes.jsonl; from the start when the file shrank."""
        size, done = self._outcome_bytes(), self._folded()
        if size == done:
            return
        if size < done:
            self._connection.execute("delete from outcomes")
            self._connection.execute("delete from folded")
            done = 0
        data = read_bounded(self._outcomes_path, _MAX_OUTCOME_BYTES)[done:] if size else b""
        lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
        bad = 0
        for line in lines:
            try:
                self._count(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                bad += bool(line.strip())
        self._connection.execute(
            "insert into folded values ('outcomes', ?, ?) on conflict(name) do update set "
            "size = excluded.size, bad_lines = bad_lines + excluded.bad_lines",
            (done + sum(map(len, lines)), bad),
        )

    def _count(self, record: dict[str, str]) -> None:
        """Take one outcome in. Raises ValueError, KeyError, TypeError or AttributeError for what is none."""
        right, when = record["outcome"] == "ok", record["when"]
        parse_time(when)
        self._connection.execute(
            "insert into outcomes values (?, ?, ?, ?) on conflict(trace) do update set "
            "successes = successes + excluded.successes, failures = failures + excluded.failures, "
            "last_used = max(last_used, excluded.last_used)",
            (str(record["trace"]), int(right), int(not right), when),
        )


def words_key(goal: str) -> str:
    """32 hex digits that two goals share when they have the same canonical words and as many values."""
    return hashlib.sha256(json.dumps(analyse(goal).key).encode()).hexdigest()[:32]


def _trace_files(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name, and time and size, of each file that should be a trace; a name that is no text cannot be an id."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".yaml") and not entry.name.startswith(".") and entry.is_file():
                    with suppress(FileNotFoundError, UnicodeEncodeError):
                        entry.name.encode()
                        found = entry.stat()
                        yield entry.name, (found.st_mtime_ns, found.st_size)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot read the traces in {show_path(folder)}: {os_cause(error)}") from None


def _header_from_json(text: str) -> TraceHeader:
    data = json.loads(text)
    return TraceHeader(
        data["id"],
        data["goal"],
        TraceStatus(data["status"]),
        data["reason"],
        data["tools"],
        Learned(**data["learned"]),
        data.get("supersedes", ""),
    )


def _open(path: Path) -> sqlite3.Connection:
    """The index on disk; anew when it is broken or of another version, in memory when it cannot be used."""
    try:
        make_private_folder(path.parent)
        return _prepared(sqlite3.connect(path, timeout=10, isolation_level=None))
    except StoreError:
        return _prepared(sqlite3.connect(":memory:", isolation_level=None))
    except sqlite3.Error as error:
        return _prepared(sqlite3.connect(":memory:", isolation_level=None)) if _is_busy(error) else _renew(path)


def _renew(path: Path) -> sqlite3.Connection:
    """An empty index in place of one that is of no use; in memory where it cannot be replaced."""
    try:
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _prepared(sqlite3.connect(path, timeout=10, isolation_level=None))
    except (sqlite3.Error, OSError):
        return _prepared(sqlite3.connect(":memory:", isolation_level=None))


def _is_busy(error: Exception) -> bool:
    """Whether another process holds the index: it is then not broken, and not ours to delete."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        (version,) = connection.execute("pragma user_version").fetchone()
        if version not in (0, _SCHEMA_VERSION):
            raise sqlite3.DatabaseError("another version of the index")
        with suppress(sqlite3.OperationalError):  # a foreign file system keeps the default journal
            connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = off")
        if version == 0:
            connection.executescript(f"begin immediate; {_SCHEMA} pragma user_version = {_SCHEMA_VERSION}; commit;")
    except BaseException:
        connection.close()
        raise
    return connection
