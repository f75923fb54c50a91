"""outcomes.jsonl: what became of traces after they were learned, and its fold into the index (docs/formats.md).

Invariant: lines are only ever appended, and the tables here are what the lines say, taken in their order.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.evidence import Evidence, Family, Outcomes
from llmos.core.goal import goal_key
from llmos.core.prune import parse_time
from llmos.core.wrong import Wrong
from llmos.memory.codec import whole_records
from llmos.memory.files import read_bounded
from llmos.memory.trace_keys import words_key

MAX_BYTES = 1 << 30
NO_RECORD = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What a line that is none can lead to."""

_COLUMNS = "successes, failures, last_used, in_a_row, raised, disabled, pinned"


def read_wrong(path: Path) -> list[Wrong]:
    """Every verdict "wrong" on record, in order, straight from the file and not from the index."""
    if not path.exists():
        return []
    found = []
    for record in whole_records(read_bounded(path, MAX_BYTES)):
        try:
            if record["outcome"] == "wrong":
                found.append(_wrong(record))
        except NO_RECORD:
            continue
    return found


@dataclass(frozen=True, slots=True)
class Alias:
    """Another goal text of a trace, confirmed by a run; `values` are the trace's values and this text's, in pairs.

    It asks for a replay as the trace's own goal does, so it counts only with this person's signature (`mac`): a line
    can be brought along by a repository.
    """

    trace: str
    goal: str
    values: tuple[tuple[str, str], ...]
    when: str = ""
    mac: str = ""

    @property
    def signed_fields(self) -> list[str]:
        """What its signature is over; JSON, so that no text holds a line break."""
        return [json.dumps([self.trace, self.goal, [list(pair) for pair in self.values], self.when])]


def read_wrong_for(connection: sqlite3.Connection, goal: str) -> list[Wrong]:
    """The verdicts on this goal or on one of its wording."""
    if connection.execute("select 1 from wrong limit 1").fetchone() is None:
        return []  # most stores hold none, and then the goal need not be read
    rows = connection.execute(
        "select distinct trace, source, goal, calls, happened, reason from wrong where goal_key = ? or words_key = ?",
        (goal_key(goal), words_key(goal)),
    )
    return [Wrong(*map(str, row)) for row in rows]


def read_aliases(
    connection: sqlite3.Connection, *, key: str = "", words: str = "", trace: str = "", limit: int
) -> list[Alias]:
    rows = connection.execute(
        "select trace, goal, bound, happened, mac from aliases where goal_key = ? or words_key = ? or trace = ? "
        "order by rowid limit ?",
        (key, words, trace, limit),
    )
    return [
        Alias(str(name), str(goal), tuple((str(a), str(b)) for a, b in json.loads(bound)), str(when), str(mac))
        for name, goal, bound, when, mac in rows
    ]


def read_outcomes(connection: sqlite3.Connection, trace: str) -> Outcomes:
    row = connection.execute(f"select {_COLUMNS} from outcomes where trace = ?", (trace,)).fetchone()  # noqa: S608
    if row is None:
        return Outcomes()
    successes, failures, last_used, in_a_row, raised, disabled, pinned = row
    return Outcomes(
        int(successes), int(failures), str(last_used), int(in_a_row), float(raised), str(disabled), bool(pinned)
    )


def read_family(connection: sqlite3.Connection, trace: str) -> Family:
    """The replays of the other traces of a wording, added up."""
    row = connection.execute(
        "select total(successes), total(failures) from outcomes "
        "where words_key = (select words_key from files where id = ?) and trace != ?",
        (trace, trace),
    ).fetchone()
    return Family(int(row[0]), int(row[1]))


def score_of(outcomes: Outcomes) -> float:
    """By what traces of one key are ordered, the better-verified first, when more are stored than are tried."""
    return Evidence(outcomes).posterior + (10.0 if outcomes.pinned else 0.0) - (10.0 if outcomes.retired else 0.0)


class Fold:
    """Takes new lines into the tables of one connection, within its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._outcomes: dict[str, Outcomes] = {}

    def take(self, lines: list[bytes]) -> int:
        """Take lines in, in their order; how many are no records."""
        bad = 0
        for line in lines:
            try:
                self._take(json.loads(line))
            except NO_RECORD:
                bad += bool(line.strip())
        for trace, outcomes in self._outcomes.items():
            self._store(trace, outcomes)
        return bad

    def _take(self, record: Mapping[str, Any]) -> None:
        trace, outcome, when = record["trace"], record["outcome"], record["when"]
        if not (isinstance(trace, str) and isinstance(outcome, str)):
            raise TypeError("no texts")
        parse_time(when)
        special = _SPECIAL.get(outcome)
        before = self._outcomes.get(trace) or read_outcomes(self._connection, trace)
        if outcome == "alias":
            self._alias(trace, record)
            return
        if outcome == "wrong":
            self._wrong(_wrong(record))
        self._outcomes[trace] = special(before, record) if special else before.failed(when)

    def _alias(self, trace: str, record: Mapping[str, Any]) -> None:
        goal, values = record["goal"], [(str(old), str(new)) for old, new in record.get("values", [])]
        self._connection.execute(
            "insert or replace into aliases values (?, ?, ?, ?, ?, ?, ?)",
            (trace, goal, json.dumps(values), record["when"], record.get("mac", ""), goal_key(goal), words_key(goal)),
        )

    def _wrong(self, wrong: Wrong) -> None:
        row = (wrong.trace, wrong.of, wrong.goal, wrong.calls, wrong.when, wrong.reason)
        goals = {words_key(wrong.goal), words_key(wrong.of)}
        for words in sorted(goals):
            self._connection.execute(
                "insert into wrong values (?, ?, ?, ?, ?, ?, ?, ?)", (*row, goal_key(wrong.goal), words)
            )

    def _store(self, trace: str, outcomes: Outcomes) -> None:
        found = self._connection.execute("select words_key from files where id = ?", (trace,)).fetchone()
        self._connection.execute(
            "insert or replace into outcomes values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                trace,
                found[0] if found else "",
                outcomes.successes,
                outcomes.failures,
                outcomes.last_used,
                outcomes.in_a_row,
                outcomes.raised,
                outcomes.disabled,
                int(outcomes.pinned),
            ),
        )
        self._connection.execute("update files set score = ? where id = ?", (score_of(outcomes), trace))


def _wrong(record: Mapping[str, Any]) -> Wrong:
    texts = [record[key] for key in ("trace", "of", "goal", "calls", "when", "reason")]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("no texts")
    return Wrong(*texts)


def _disabled(before: Outcomes, record: Mapping[str, Any]) -> Outcomes:
    reason = str(record.get("reason", ""))
    return replace(before, disabled=f"switched off by hand{f' ({reason})' if reason else ''}")


_SPECIAL: Mapping[str, Callable[[Outcomes, Mapping[str, Any]], Outcomes]] = {
    "ok": lambda before, record: before.succeeded(record["when"]),
    "confirmed": lambda before, record: before.succeeded(record["when"]),
    "wrong": lambda before, record: before.failed(record["when"], by_person=True),
    "enabled": lambda before, record: before.enabled(),
    "disabled": _disabled,
    "pinned": lambda before, record: replace(before, pinned=True),
    "unpinned": lambda before, record: replace(before, pinned=False),
}
"""What a line does to what is known of its trace; any other outcome is a wrong replay."""
