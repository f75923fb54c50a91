"""The index over what was said: derived from the transcripts, in `.llmos/memory.sqlite`, rebuilt from them at will.

Invariant: after `refresh` it holds each message of each transcript once, whoever wrote it and however often a process
died: the bytes of a file that were taken in and the messages they gave are stored in one transaction.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llmos.core.errors import StoreError
from llmos.core.memory_text import content_words, identifiers, spoken_date
from llmos.memory.derived_index import DerivedIndex
from llmos.memory.files import make_private_file, make_private_folder, open_regular
from llmos.memory.recall_reader import RecallMessage, TranscriptReader, agent_sizes, transcript_sizes

_SCHEMA_VERSION = 2
_SCHEMA = """
create table if not exists messages(
  id integer primary key autoincrement, session text, ordinal integer, seq integer, at text, role text, speaker text,
  project text, text text);
create index if not exists messages_by_place on messages(session, ordinal);
create unique index if not exists messages_by_name on messages(session, seq);
create index if not exists messages_by_time on messages(at);
create index if not exists messages_by_speaker on messages(speaker);
create virtual table if not exists keys using fts5(text, before, tokenize='porter unicode61');
create table if not exists identifiers(word text, message integer, primary key(word, message)) without rowid;
create table if not exists folded(name text primary key, size integer, session text, state text);
create table if not exists gone(message integer primary key);
create table if not exists meta(key text primary key, value text);
"""
_TEXT_LIMIT = 20_000
"""Characters of one message that are indexed."""
_WAIT_MS = 10_000
_SHORT_WAIT_MS = 30
"""A turn waits no longer for another process that writes; what it leaves out is taken in by the next refresh."""
Report = Callable[[int, int], None]
_BM25 = "bm25(keys, 1.0, 0.7)"
"""What the message before says counts nearly as what it says itself."""


class RecallIndex(DerivedIndex):
    """Opened for one workspace; where the derived folder cannot be written it lives in memory."""

    def __init__(self, recall: Path, derived: Path | None) -> None:
        self._recall = recall
        self._path = derived / "memory.sqlite" if derived is not None else None
        self._known: tuple[tuple[int, int], dict[str, int]] | None = None
        self._connection = self._open()

    @property
    def on_disk(self) -> bool:
        """Whether it outlives the process."""
        (name,) = self._connection.execute("select file from pragma_database_list where name = 'main'").fetchone()
        return bool(name)

    def refresh(self, report: Report | None = None) -> None:
        """Take in what any process has recorded since the last time; `report` hears how many files are done, of all."""
        self.guarded(lambda: self._refresh(report))

    def take(self, path: Path) -> None:
        """Take in what one transcript has got since the last time. Raises sqlite3.Error, also where it would wait."""
        self._connection.execute(f"pragma busy_timeout = {_SHORT_WAIT_MS}")
        try:
            with self._writing():
                self._fold(path.relative_to(self._recall).as_posix())
        finally:
            self._connection.execute(f"pragma busy_timeout = {_WAIT_MS}")

    def add(self, messages: Iterable[RecallMessage]) -> None:
        """Take in messages that stand in no transcript, session by session in order."""
        with self._writing():
            for message in messages:
                self._insert(message)

    def count(self, after: int = 0) -> int:
        """How many messages there are with a number above `after`."""
        sql = "select count(*) from messages where id > ?"
        return self.guarded(lambda: int(self._connection.execute(sql, (after,)).fetchone()[0]))

    def generation(self) -> str:
        """Changes when the numbers of messages may have changed."""
        query = "select value from meta where key = 'generation'"
        return self.guarded(lambda: str(self._connection.execute(query).fetchone()[0]))

    def by_keywords(self, question: str, limit: int) -> dict[int, float]:
        """Numbers of messages with any of the question's words and their BM25 score, higher is better."""
        query = keyword_query(question)
        if not query:
            return {}
        sql = f"select rowid, -{_BM25} from keys where keys match ? order by {_BM25} limit ?"  # noqa: S608
        return self.guarded(lambda: {int(n): float(s) for n, s in self._connection.execute(sql, (query, limit))})

    def by_identifiers(self, question: str, limit: int) -> dict[int, float]:
        """Numbers of messages with identifiers of the question to the letter, and the share of them that each has."""
        wanted = identifiers(question)
        if not wanted:
            return {}
        marks = ",".join("?" * len(wanted))
        sql = (
            f"select message, count(*) from identifiers where word in ({marks}) group by message "  # noqa: S608
            "order by count(*) desc, message desc limit ?"
        )
        rows = self.guarded(lambda: list(self._connection.execute(sql, (*sorted(wanted), limit))))
        return {int(number): int(hits) / len(wanted) for number, hits in rows}

    def messages(self, numbers: Sequence[int]) -> list[RecallMessage]:
        """The messages with these numbers, those that are there."""
        found: list[RecallMessage] = []
        for start in range(0, len(numbers), 500):
            part = list(numbers[start : start + 500])
            marks = ",".join("?" * len(part))
            sql = f"{_COLUMNS} where id in ({marks})"
            found += self._read(sql, part)
        return found

    def named(self, name: str) -> RecallMessage | None:
        """The message `session:seq`."""
        session, _, seq = name.rpartition(":")
        if not seq.isdigit():
            return None
        sql = f"{_COLUMNS} where session = ? and seq = ?"
        row = self.guarded(lambda: self._connection.execute(sql, (session, int(seq))).fetchone())
        return _message(row) if row else None

    def beside(self, found: Sequence[RecallMessage]) -> list[RecallMessage]:
        """The messages next to these in their sessions."""
        places = {(m.session, m.ordinal + step) for m in found for step in (-1, 1)}
        places -= {(m.session, m.ordinal) for m in found}
        sql = f"{_COLUMNS} where session = ? and ordinal = ?"
        rows = self.guarded(lambda: [row for place in sorted(places) for row in self._connection.execute(sql, place)])
        return [_message(row) for row in rows]

    def since(self, at: str, *, role: str, limit: int) -> list[RecallMessage]:
        """Messages of a role from a time on, oldest first."""
        sql = f"{_COLUMNS} where at >= ? and role = ? order by at, id limit ?"
        return self.guarded(lambda: [_message(row) for row in self._connection.execute(sql, (at, role, limit))])

    def latest_of(self, role: str, limit: int) -> list[RecallMessage]:
        """The last messages of a role, oldest first."""
        sql = f"{_COLUMNS} where role = ? order by at desc, id desc limit ?"
        return self._read(sql, (role, limit))[::-1]

    def latest(self, limit: int) -> list[RecallMessage]:
        """The last messages, oldest first."""
        sql = f"{_COLUMNS} order by at desc, id desc limit ?"
        rows = self.guarded(lambda: [_message(row) for row in self._connection.execute(sql, (limit,))])
        return rows[::-1]

    def speakers(self) -> frozenset[str]:
        """The names of all who spoke, in lower case."""
        sql = """with recursive names(name) as (
          select min(speaker) from messages
          union all select (select min(speaker) from messages where speaker > name) from names where name is not null)
        select lower(name) from names where name is not null"""
        return frozenset(str(row[0]) for row in self._rows(sql, ()))

    # ---------------------------------------------------------------------------------------------- the database

    def _rows(self, sql: str, values: Sequence[object]) -> list[Any]:
        return self.guarded(lambda: list(self._connection.execute(sql, tuple(values))))

    def _read(self, sql: str, values: Sequence[object]) -> list[RecallMessage]:
        """The messages of these rows; one that cannot be one means a broken index."""
        return self.guarded(lambda: [_message(row) for row in self._connection.execute(sql, tuple(values))])

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            with suppress(StoreError, OSError, sqlite3.Error):
                make_private_folder(self._path.parent)
                return _on_disk(self._path)
            with suppress(OSError, sqlite3.Error, StoreError):
                return self._renewed()
        return _prepared(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False), None)

    def _renewed(self) -> sqlite3.Connection:
        assert self._path is not None
        for name in (self._path.name, f"{self._path.name}-wal", f"{self._path.name}-shm"):
            self._path.with_name(name).unlink(missing_ok=True)
        return _on_disk(self._path)

    def _start_over(self, *, in_memory: bool) -> None:
        self._connection.close()
        self._known = None
        if self._path is not None and not in_memory:
            with suppress(OSError, sqlite3.Error):
                self._connection = self._renewed()
                return
        self._connection = _prepared(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False), None)

    # ------------------------------------------------------------------------------------------------- the files

    def _refresh(self, report: Report | None = None) -> None:
        sizes = transcript_sizes(self._recall) | agent_sizes(self._recall)
        known = self._folded()
        if known == sizes:
            return
        for name, size in known.items():
            if size > sizes.get(name, -1):  # deleted or cut
                self.drop(name)
                known[name] = -1
        waiting = [name for name in sorted(sizes) if known.get(name) != sizes[name]]
        for done, name in enumerate(waiting, start=1):
            with self._writing():
                self._fold(name)
            if report is not None:
                report(done, len(waiting))

    def _folded(self) -> dict[str, int]:
        """The bytes of each transcript that are taken in; asked for again only where it was written to since."""
        (version,) = self._connection.execute("pragma data_version").fetchone()  # changes with others' writes
        mark = (version, self._connection.total_changes)
        if self._known is None or self._known[0] != mark:
            rows = self._connection.execute("select name, size from folded")
            self._known = (mark, {str(name): int(size) for name, size in rows})
        return dict(self._known[1])

    def drop(self, name: str) -> None:
        """Take the messages of a transcript out, so that none of their words is left in the file of the index."""
        with self._writing():
            row = self._connection.execute("select session from folded where name = ?", (name,)).fetchone()
            numbers = self._connection.execute("select id from messages where session = ?", row or ("",)).fetchall()
            for sql in (
                "insert or ignore into gone values (?)",
                "delete from keys where rowid = ?",
                "delete from identifiers where message = ?",
                "delete from messages where id = ?",
            ):
                self._connection.executemany(sql, numbers)
            self._connection.execute("insert into keys(keys) values ('optimize')")
            self._connection.execute("delete from folded where name = ?", (name,))
        self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()

    def gone(self) -> list[int]:
        """Numbers of messages that were taken out and whose vectors may still be there."""
        return [int(row[0]) for row in self._rows("select message from gone", ())]

    def settle_gone(self, numbers: Iterable[int]) -> None:
        """The vectors of these are erased."""
        with self._writing():
            self._connection.executemany("delete from gone where message = ?", [(number,) for number in numbers])

    def _fold(self, name: str) -> None:
        row = self._connection.execute("select size, state from folded where name = ?", (name,)).fetchone()
        size, state = (int(row[0]), TranscriptReader(**json.loads(row[1]))) if row else (0, TranscriptReader())
        try:
            with open_regular(self._recall / name) as file:
                file.seek(size)
                data = file.read()
        except OSError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        for line in filter(bytes.strip, whole.splitlines()):
            for message in state.take(line):
                self._insert(message)
        self._connection.execute(
            "insert or replace into folded values (?, ?, ?, ?)",
            (name, size + len(whole), state.session, json.dumps(state.as_record())),
        )

    def _insert(self, message: RecallMessage) -> None:
        row = self._connection.execute(
            "select ordinal, text, speaker from messages where session = ? order by ordinal desc limit 1",
            (message.session,),
        ).fetchone()
        ordinal, before = (int(row[0]) + 1, f"{row[2]}: {row[1]}") if row else (1, "")
        text = message.text[:_TEXT_LIMIT]
        at = message.at.astimezone(UTC)
        cursor = self._connection.execute(
            "insert or ignore into messages(session, ordinal, seq, at, role, speaker, project, text) "
            "values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.session,
                ordinal,
                message.seq,
                at.isoformat(timespec="milliseconds"),
                message.role,
                message.speaker,
                message.project,
                text,
            ),
        )
        if not cursor.rowcount:
            return
        number = cursor.lastrowid
        keys = f"[{spoken_date(at)}] {message.speaker}: {text} {Path(message.project).name}"
        row = (number, keys, before[:_TEXT_LIMIT])
        self._connection.execute("insert into keys(rowid, text, before) values (?, ?, ?)", row)
        self._connection.executemany(
            "insert or ignore into identifiers values (?, ?)", [(word, number) for word in sorted(identifiers(text))]
        )


_COLUMNS = "select id, session, ordinal, seq, at, role, speaker, project, text from messages"


def _message(row: Sequence[Any]) -> RecallMessage:
    number, session, ordinal, seq, at, role, speaker, project, text = row
    return RecallMessage(session, seq, datetime.fromisoformat(at), role, speaker, project, text, number, ordinal)


def keyword_query(question: str) -> str:
    """The FTS5 query of a question: its content words, OR-ed; empty when it has none."""
    words = dict.fromkeys(content_words(question))
    return " OR ".join('"' + word.replace('"', '""') + '"' for word in list(words)[:64])


def _on_disk(path: Path) -> sqlite3.Connection:
    make_private_file(path)
    return _prepared(sqlite3.connect(path, isolation_level=None, check_same_thread=False), path)


def _prepared(connection: sqlite3.Connection, path: Path | None) -> sqlite3.Connection:
    try:
        connection.execute(f"pragma busy_timeout = {_WAIT_MS}")
        connection.execute("pragma secure_delete = on")  # what is forgotten must not stay in free pages
        if path is not None:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = off")  # derived: after a power cut it is read anew
        version = connection.execute("pragma user_version").fetchone()[0]
        if version not in (0, _SCHEMA_VERSION):
            raise sqlite3.DatabaseError("the index of another version")
        connection.executescript(_SCHEMA)
        connection.execute("insert or ignore into meta values ('generation', ?)", (secrets.token_hex(8),))
        connection.execute(f"pragma user_version = {_SCHEMA_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection
