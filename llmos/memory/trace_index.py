"""The index over trace files and their outcomes: derived, in `.llmos/traces.sqlite`, rebuilt from the files at will.

Invariant: after `refresh` it says what the files say. A file is read again only when its size or time changed. It
ranks and finds; whether a trace is replayed is decided on the file itself, because this folder may be brought along by
a repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llmos.core.evidence import Family, Outcomes
from llmos.core.trace import TraceHeader
from llmos.core.wrong import Wrong
from llmos.memory.derived_index import DerivedIndex
from llmos.memory.files import read_bounded, show_path
from llmos.memory.index_store import copy_index, index_in_memory, open_index, renew_index
from llmos.memory.quarantine import Quarantine
from llmos.memory.trace_outcomes import MAX_BYTES as MAX_OUTCOME_BYTES
from llmos.memory.trace_outcomes import (
    Alias,
    Fold,
    read_aliases,
    read_family,
    read_outcomes,
    read_wrong_for,
    score_of,
)
from llmos.memory.trace_scan import Rows, Stamp, file_stamp, folder_stamp, header_from_json, trace_names

_STEP = 50
"""Files between two steps; a key that is pressed meanwhile waits as long as they take."""


class TraceIndex(DerivedIndex):
    """Opened for one workspace; where the derived folder cannot be written, or is not to be, it lives in memory."""

    def __init__(
        self, folder: Path, derived: Path, *, frozen: bool = False, quarantine: Quarantine | None = None
    ) -> None:
        self._folder = folder
        self._path = derived / "traces.sqlite"
        self._frozen = frozen
        self._quarantine = quarantine
        self._connection = copy_index(self._path) if frozen else open_index(self._path)

    def refresh(self) -> None:
        """Take up every change in the folder since the last time: each file is looked at."""
        self.guarded(lambda: self._refresh(every_file=True))

    def refresh_quickly(self) -> None:
        """Take up files that were added, removed or replaced. One that was edited in place is not looked at."""
        self.guarded(lambda: self._refresh(every_file=False))

    def refresh_in_steps(self) -> Iterator[int]:
        """Take up a folder that was never looked at, or has changed since, a few files at a time.

        Gives how many there are before each step, none where there is nothing to do; `refresh_quickly` ends it.
        """
        waiting = list(self.guarded(self._unread).items())
        while waiting:
            yield len(waiting)
            step, waiting = waiting[:_STEP], waiting[_STEP:]
            self.guarded(lambda files=step: self._take(files))  # type: ignore[misc]

    def with_key(self, key: str, limit: int) -> list[tuple[str, str]]:
        """Id and SHA-256 of the traces whose goal has this key, the better-verified first."""
        return self._named("where goal_key = ? and problem = ''", key, limit)

    def with_words(self, key: str, limit: int) -> list[tuple[str, str]]:
        """The same for verified traces whose goal has the same words and number of values."""
        return self._named("where words_key = ? and status = 'verified' and problem = ''", key, limit)

    def drafts(self, key: str, limit: int) -> list[TraceHeader]:
        """The headers of the drafts whose goal has this key, newest first."""
        where = "where goal_key = ? and status = 'draft' and problem = '' order by mtime_ns desc, id limit ?"
        return self._headers(where, (key, limit))

    def headers(self) -> list[TraceHeader]:
        return self._headers("where problem = '' order by id", ())

    def nearest(self, terms: frozenset[str], limit: int) -> list[tuple[TraceHeader, str, frozenset[str]]]:
        """Verified traces that share the rarest of these terms: header, SHA-256 of the file, and its own terms."""
        return self.guarded(lambda: self._nearest(terms, limit))

    def frequencies(self, terms: frozenset[str]) -> dict[str, int]:
        """In how many verified traces each of these terms stands."""
        wanted = sorted(terms)
        marks = ", ".join("?" * len(wanted))
        query = f"select term, files from frequencies where term in ({marks})"  # noqa: S608 (question marks alone)
        return self.guarded(lambda: {str(a): int(b) for a, b in self._connection.execute(query, wanted)})

    def superseding(self) -> list[tuple[str, str, str]]:
        """For each verified trace that supersedes another: that one's id, its own id, and the SHA-256 of its file."""
        query = (
            "select id, supersedes, sha256 from files indexed by files_by_supersedes "
            "where supersedes != '' and problem = '' and status = 'verified'"
        )
        rows = self.guarded(lambda: sorted(self._connection.execute(query)))
        return [(str(old), str(new), str(sha256)) for new, old, sha256 in rows]

    def find(self, prefix: str) -> list[TraceHeader]:
        """The headers whose id begins with `prefix`; one when it is a whole id."""
        escaped = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        found = self._headers("where problem = '' and id like ? escape '\\' order by id", (escaped + "%",))
        one_each = {header.id: header for header in found}  # a damaged index may name a trace twice
        return [one_each[prefix]] if prefix in one_each else list(one_each.values())

    def problems(self) -> list[str]:
        """A sentence for each file that cannot be read."""
        return self.guarded(self._problems)

    def outcomes(self, identifier: str) -> Outcomes:
        """What became of the replays of a trace, and what a person said of it."""
        return self.guarded(lambda: read_outcomes(self._connection, identifier))

    def family(self, identifier: str) -> Family:
        """What became of the replays of the other traces whose goals have the same words."""
        return self.guarded(lambda: read_family(self._connection, identifier))

    def disabled(self) -> set[str]:
        """The ids of traces that a person switched off."""
        query = "select trace from outcomes where disabled != ''"
        return self.guarded(lambda: {str(row[0]) for row in self._connection.execute(query)})

    def wrong(self, goal: str) -> list[Wrong]:
        """The verdicts that may bear on a goal."""
        return self.guarded(lambda: read_wrong_for(self._connection, goal))

    def aliases(self, *, key: str = "", words: str = "", trace: str = "", limit: int = 100) -> list[Alias]:
        """The aliases with this key of a goal or of its words, or of this trace, oldest first."""
        return self.guarded(lambda: read_aliases(self._connection, key=key, words=words, trace=trace, limit=limit))

    # ---------------------------------------------------------------------------------------------- the database

    def _start_over(self, *, in_memory: bool) -> None:
        self._connection.close()
        in_memory = in_memory or self._frozen
        self._connection = index_in_memory() if in_memory else renew_index(self._path)

    # ------------------------------------------------------------------------------------------------- the files

    def _refresh(self, *, every_file: bool = True) -> None:
        stamp = folder_stamp(self._folder)
        settled = not every_file and stamp != "" and stamp == self._stamp()
        if self._folded() == self._outcome_bytes() and (
            # Without a stamp the folder changed just now: whether it did is not asked twice.
            settled or (stamp != "" and stamp == self._stamp() and not any(self._changes(every_file=every_file)))
        ):
            return
        with self._writing():
            rows = Rows(self._connection, self._folder, self._quarantine)
            changed, gone = ({}, set()) if settled else self._changes(every_file=every_file)
            read = [rows.take(name, found) for name, found in changed.items()]
            for name in gone:
                rows.drop(name)
            self._fold_outcomes()
            # The stamp of before the look at the names: what changed during it is looked for again.
            done = (stamp if all(read) else "",)
            self._connection.execute("insert or replace into stamps values ('folder', ?)", done)

    def _unread(self) -> dict[str, Stamp]:
        stamp = folder_stamp(self._folder)
        if stamp == self._stamp() if stamp else self._has_files():
            return {}  # without a stamp the folder changed just now: by the run that was kept a moment ago
        return self._changes(every_file=False)[0]

    def _has_files(self) -> bool:
        return self._connection.execute("select 1 from files limit 1").fetchone() is not None

    def _take(self, files: list[tuple[str, Stamp]]) -> None:
        with self._writing():
            rows = Rows(self._connection, self._folder, self._quarantine)
            for name, stamp in files:
                rows.take(name, stamp)

    def _changes(self, *, every_file: bool) -> tuple[dict[str, Stamp], set[str]]:
        """The files that are new or other than the index says, and the names that are gone."""
        known = self._known()
        changed: dict[str, Stamp] = {}
        seen = set()
        for name, inode in trace_names(self._folder):
            seen.add(name)
            before = known.get(name)
            if before is not None and not every_file and before[2] == inode:
                continue
            found = file_stamp(self._folder / name)
            if found is None:
                seen.discard(name)
            elif found != before:
                changed[name] = found
        return changed, known.keys() - seen

    def _stamp(self) -> str:
        row = self._connection.execute("select stamp from stamps where name = 'folder'").fetchone()
        return str(row[0]) if row else ""

    def _known(self) -> dict[str, Stamp]:
        rows = self._connection.execute("select name, mtime_ns, size, inode from files")
        return {row[0]: row[1:] for row in rows}

    def _nearest(self, terms: frozenset[str], limit: int) -> list[tuple[TraceHeader, str, frozenset[str]]]:
        frequencies = self.frequencies(terms)
        names: dict[str, None] = {}
        for term in sorted(frequencies, key=lambda term: (frequencies[term], term)):
            if len(names) >= limit:
                break
            rows = self._connection.execute("select name from terms where term = ? limit ?", (term, limit))
            names.update((str(row[0]), None) for row in rows)
        found = []
        for name in names:
            row = self._connection.execute("select header, sha256, terms from files where name = ?", (name,)).fetchone()
            if row is not None:
                found.append((header_from_json(row[0]), str(row[1]), frozenset(str(row[2]).split())))
        return found

    def _headers(self, where: str, values: tuple[str | int, ...]) -> list[TraceHeader]:
        query = f"select header from files {where}"  # noqa: S608 (our own words)
        return self.guarded(lambda: [header_from_json(row[0]) for row in self._connection.execute(query, values)])

    def _named(self, where: str, key: str, limit: int) -> list[tuple[str, str]]:
        query = f"select id, sha256 from files {where} order by score desc, mtime_ns desc, id limit ?"  # noqa: S608
        return self.guarded(lambda: [(str(a), str(b)) for a, b in self._connection.execute(query, (key, limit))])

    def _problems(self) -> list[str]:
        rows = self._connection.execute("select problem from files where problem != '' order by name")
        found = [str(row[0]) for row in rows]
        bad = self._connection.execute("select bad_lines from folded where name = 'outcomes'").fetchone()
        if bad and bad[0]:
            found.append(f"{show_path(self._outcomes_path)}: {bad[0]} of its lines are no records and do not count")
        return found

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
            for table in ("outcomes", "wrong", "aliases", "folded"):
                self._connection.execute(f"delete from {table}")  # noqa: S608 (our own names)
            self._connection.execute("update files set score = ?", (score_of(Outcomes()),))
            done = 0
        data = read_bounded(self._outcomes_path, MAX_OUTCOME_BYTES)[done:] if size else b""
        lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
        bad = Fold(self._connection).take(lines)
        self._connection.execute(
            "insert into folded values ('outcomes', ?, ?) on conflict(name) do update set "
            "size = excluded.size, bad_lines = bad_lines + excluded.bad_lines",
            (done + sum(map(len, lines)), bad),
        )
