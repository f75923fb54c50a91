"""The SQLite file of the trace index: opened, made anew when it is of no use, in memory where it cannot be kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from llmos import __version__
from llmos.core.errors import StoreError
from llmos.memory.derived_index import is_busy
from llmos.memory.files import make_private_file, make_private_folder

_SCHEMA_VERSION = 9
_SCHEMA = """
create table if not exists files(
  name text primary key, mtime_ns integer, size integer, inode integer,
  id text, goal_key text, words_key text, status text, sha256 text, supersedes text, header text, problem text,
  terms text, score real);
create index if not exists files_by_key on files(goal_key, score desc, mtime_ns desc, id);
create index if not exists files_by_words on files(words_key, status, score desc, mtime_ns desc, id);
create index if not exists files_by_id on files(id);
create index if not exists files_by_supersedes on files(supersedes) where supersedes != '';
create table if not exists terms(term text, name text, primary key(term, name)) without rowid;
create table if not exists frequencies(term text primary key, files integer) without rowid;
create table if not exists outcomes(
  trace text primary key, words_key text, successes integer, failures integer, last_used text, in_a_row integer,
  raised real, disabled text, pinned integer);
create index if not exists outcomes_by_words on outcomes(words_key);
create index if not exists outcomes_disabled on outcomes(trace) where disabled != '';
create table if not exists wrong(
  trace text, source text, goal text, calls text, happened text, reason text, goal_key text, words_key text);
create index if not exists wrong_by_key on wrong(goal_key);
create index if not exists wrong_by_words on wrong(words_key);
create table if not exists aliases(
  trace text, goal text, bound text, happened text, mac text, goal_key text, words_key text,
  primary key(trace, goal, mac));
create index if not exists aliases_by_key on aliases(goal_key);
create index if not exists aliases_by_words on aliases(words_key);
create table if not exists folded(name text primary key, size integer, bad_lines integer);
create table if not exists stamps(name text primary key, stamp text);
"""


def open_index(path: Path) -> sqlite3.Connection:
    """The index on disk; anew when it is broken or of another version, in memory when it cannot be used."""
    try:
        make_private_folder(path.parent)
        return _on_disk(path)
    except StoreError:
        return index_in_memory()
    except OSError:  # a link or a pipe in its place
        return renew_index(path)
    except sqlite3.Error as error:
        return index_in_memory() if is_busy(error) else renew_index(path)


def copy_index(path: Path) -> sqlite3.Connection:
    """A copy in memory of the index on disk, which is not touched; empty where there is none that can be read.

    `immutable` keeps SQLite from making its own files beside it; what another process has not yet merged is missing
    then, and read from the traces.
    """
    copy = sqlite3.connect(":memory:", isolation_level=None)
    try:
        if path.is_file():
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as source:
                source.backup(copy)
        return _prepared(copy)
    except (sqlite3.Error, OSError):
        copy.close()
        return index_in_memory()


def renew_index(path: Path) -> sqlite3.Connection:
    """An empty index in place of one that is of no use; in memory where it cannot be replaced."""
    try:
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _on_disk(path)
    except (sqlite3.Error, OSError):
        return index_in_memory()


def _on_disk(path: Path) -> sqlite3.Connection:
    make_private_file(path)
    return _prepared(sqlite3.connect(path, timeout=10, isolation_level=None))


def index_in_memory() -> sqlite3.Connection:
    return _prepared(sqlite3.connect(":memory:", isolation_level=None))


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
            connection.execute("insert or replace into stamps values ('llmos', ?)", (__version__,))
        # How goals are read changes with the program, and the keys of the index with it.
        made_by = connection.execute("select stamp from stamps where name = 'llmos'").fetchone()
        if made_by is None or made_by[0] != __version__:
            raise sqlite3.DatabaseError("an index of another version of the program")
    except BaseException:
        connection.close()
        raise
    return connection
