"""Many goals in one go: what a line of the input says, what a row of the results says, and what is left to do. Pure.

A goal is known again by its key: what it says, where, and under which id, so that an input that grew or was sorted
anew is resumed and nothing in it is done twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.event_records import unnested
from llmos.core.spending import is_amount

FIELDS = ("id", "goal", "directory", "cap")
"""What a line of JSON may hold. `cap` is the most that the goal may cost, in US dollars."""
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class BatchGoal:
    """One goal of the input. `id` is the one given, else the number of its line."""

    line: int
    id: str
    goal: str
    directory: str
    """Absolute."""
    cap_usd: float | None
    key: str


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no goal; `problem` says what is wrong with it and what to write instead."""

    line: int
    problem: str


class Effects(StrEnum):
    """What a goal may have changed. NONE: nothing that changes anything was begun; KNOWN: all of it came to its end."""

    NONE = "none"
    KNOWN = "known"
    UNKNOWN = "unknown"


class Todo(StrEnum):
    """What a second run does with a goal."""

    RUN = "run"
    DONE = "done"
    FAILED = "failed"
    """It came to an end that is not good; run again only when that is asked for."""
    UNKNOWN = "unknown"
    """It was cut off after it had begun to change something; run again only when that is asked for."""


@dataclass(frozen=True, slots=True)
class GoalJob:
    """One goal as an executor is given it; `session` is what its transcript will be called."""

    key: str
    id: str
    goal: str
    directory: str
    """Absolute, without links."""
    cap_usd: float | None
    session: str
    after: tuple[str, ...] = ()
    """The sessions, oldest first, in which a replay for it was cut off: it is gone on with, or not touched."""


@dataclass(frozen=True, slots=True)
class GoalDone:
    """How a goal ended."""

    status: str
    """An outcome, "planned" after a dry run, or "unknown"."""
    reason: str = ""
    mode: str = ""
    answer: str = ""
    confidence: float = 0.0
    trace: str | None = None
    kept: str | None = None
    cost_usd: float = 0.0
    saved_usd: float = 0.0
    model_calls: int = 0
    elapsed_s: float = 0.0
    effects: Effects = Effects.NONE
    exit_code: int = 0
    worker: str = ""
    """Which worker it ran on; empty for this process."""


def row_of(goal: BatchGoal, session: str, done: GoalDone, at: str) -> dict[str, Any]:
    """The row of the results file."""
    return {
        "id": goal.id,
        "status": done.status,
        "mode": done.mode,
        "answer": done.answer,
        "reason": done.reason,
        "goal": goal.goal,
        "directory": goal.directory,
        "cost_usd": done.cost_usd,
        "saved_usd": done.saved_usd,
        "model_calls": done.model_calls,
        "elapsed_s": done.elapsed_s,
        "confidence": done.confidence,
        "trace": done.trace,
        "kept": done.kept,
        "session": session,
        "effects": done.effects.value,
        "exit_code": done.exit_code,
        "worker": done.worker,
        "at": at,
        "key": goal.key,
    }


class InputReader:
    """Takes the lines of one input in their order. `only_json`: each line must be a JSON object."""

    def __init__(self, folder: str, *, only_json: bool, goal_bytes: int) -> None:
        self._folder = folder
        self._only_json = only_json
        self._goal_bytes = goal_bytes
        self._ids: dict[str, int] = {}
        self._same: dict[tuple[str, str], int] = {}

    def take(self, number: int, line: str) -> BatchGoal | BadLine | None:
        """What line `number` says; None for an empty one."""
        text = line.strip()
        if not text:
            return None
        record: Mapping[str, Any] = {"goal": text}
        if text.startswith("{") or self._only_json:
            try:
                record = json.loads(text)
            except (ValueError, RecursionError) as error:
                what = getattr(error, "msg", "it is nested too deep")
                return BadLine(number, f'this is not JSON ({what}); write {{"goal": "…"}}')
        problem = _problem(record, self._goal_bytes)
        return BadLine(number, problem) if problem else self._goal(number, record)

    def _goal(self, number: int, record: Mapping[str, Any]) -> BatchGoal | BadLine:
        named, goal = record.get("id"), record["goal"].strip()
        directory = _joined(self._folder, record.get("directory") or "")
        if named is None:
            # The second time that the same goal is asked for is another one, and the line may move.
            count = self._same[goal, directory] = self._same.get((goal, directory), 0) + 1
            return BatchGoal(number, str(number), goal, directory, record.get("cap"), _key("", goal, directory, count))
        identifier = str(named)
        first = self._ids.setdefault(identifier, number)
        if first != number:
            return BadLine(number, f"the id {identifier!r} stands on line {first} too; give each goal an id of its own")
        return BatchGoal(number, identifier, goal, directory, record.get("cap"), _key(identifier, goal, directory, 1))


def _problem(record: object, goal_bytes: int) -> str:
    """What is wrong with the fields of a line; empty when nothing is."""
    if not isinstance(record, Mapping):
        return 'this is no JSON object; write {"goal": "…"}'
    for name in record:
        if name not in FIELDS:
            near = get_close_matches(str(name), FIELDS, 1)
            return f"{name!r} is no field of a goal; " + (f"you may mean {near[0]!r}" if near else _TAKEN)
    goal, identifier, directory, cap = (record.get(name) for name in FIELDS[1:2] + FIELDS[:1] + FIELDS[2:])
    if not isinstance(goal, str) or not goal.strip():
        return 'it says no goal; write {"goal": "what is to be done"}'
    size = len(goal.encode("utf-8", "surrogatepass"))
    if size > goal_bytes:
        return f"its goal has {size:,} bytes and at most {goal_bytes:,} are taken; put long material in a file"
    if not (identifier is None or _is_id(identifier)):
        return f"its id must be a text of 1 to {_LONGEST_ID} characters or a whole number"
    if not (directory is None or (isinstance(directory, str) and directory and "\0" not in directory)):
        return "its directory must be a text that names a folder"
    if not (cap is None or is_amount(cap)):
        return "its cap must be a number of US dollars, 0 or more"
    return ""


_TAKEN = f"a goal has {', '.join(FIELDS)}"


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= _LONGEST_ID
    return isinstance(value, int) and not isinstance(value, bool)


def _joined(folder: str, directory: str) -> str:
    """`directory` seen from `folder`, without `.`, `..` and double slashes."""
    parts: list[str] = []
    for part in (directory if directory.startswith("/") else f"{folder}/{directory}").split("/"):
        if part == "..":
            parts[-1:] = []
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def _key(identifier: str, goal: str, directory: str, count: int) -> str:
    said = json.dumps([identifier, goal, directory, count])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


class EffectFold:
    """What a turn may have changed, from the records of its events, live or out of a transcript."""

    def __init__(self) -> None:
        self._looks: set[object] = set()
        self._open: set[object] = set()
        self._begun = False
        self.ended: Mapping[str, Any] | None = None
        """The record of the turn's end, where there is one."""

    def take(self, record: Mapping[str, Any]) -> None:
        inner = unnested(record)  # what a sub-goal does is done by the turn, and its end is not the turn's
        call = (inner.get("parent"), inner.get("call_id"))
        match inner.get("event"):
            case "permission_decided" if inner.get("by") == "reading":
                self._looks.add(call)
            case "tool_started" if inner.get("effect") != "read" and call not in self._looks:
                self._begun = True
                self._open.add(call)
            case "tool_finished":
                self._open.discard(call)
                self._looks.discard(call)
            case "turn_ended" if inner is record and not record.get("recovered"):
                self.ended = record

    def go_on_from(self, before: EffectFold) -> None:
        """What an earlier session of the goal did counts too; a step that had begun there is begun again here."""
        self._begun = self._begun or before._begun
        self._open |= before._open

    @property
    def effects(self) -> Effects:
        if self._open:
            return Effects.UNKNOWN
        return Effects.KNOWN if self._begun else Effects.NONE


_GOOD = frozenset(["ok", "unverified"])
_CUT = frozenset(["interrupted", "unknown"])


@dataclass(frozen=True, slots=True)
class Known:
    """What is on record of one goal: its last row, or that it was begun under a session and has no row since."""

    row: Mapping[str, Any] | None = None
    begun: str = ""
    recorded: bool = True
    """Whether that session has a transcript, which tells how far it came."""
    after: tuple[str, ...] = ()
    """The sessions before that one, of which it goes on with what was cut off."""

    @property
    def todo(self) -> Todo:
        """Only of a goal that has a row, or was not begun at all."""
        if self.row is None:
            return Todo.RUN
        status, unchanged = self.row.get("status"), self.row.get("effects") == Effects.NONE.value
        if status in _GOOD:
            return Todo.DONE
        if status in _CUT:
            return Todo.RUN if unchanged else Todo.UNKNOWN
        return Todo.RUN if status == "over_budget" and unchanged else Todo.FAILED


@dataclass(slots=True)
class Progress:
    """A fold over the journal of a batch and its rows."""

    known: dict[str, Known] = field(default_factory=dict)

    def begin(self, record: Mapping[str, Any]) -> None:
        """A line of the journal."""
        key = record.get("key")
        if record.get("event") == "goal_begun" and isinstance(key, str):
            session, recorded = str(record.get("session", "")), record.get("recorded") is not False
            after = record.get("after")
            after = tuple(map(str, after)) if isinstance(after, list) else ()
            self.known[key] = Known(self.known.get(key, Known()).row, session, recorded, after)

    def end(self, row: Mapping[str, Any]) -> None:
        """A row. It ends the attempt whose session it names, and one begun later is still open."""
        key = row.get("key")
        if isinstance(key, str):
            known = self.known.get(key, Known())
            self.known[key] = replace(known, row=row, begun="" if known.begun == row.get("session") else known.begun)

    def of(self, goal: BatchGoal) -> Known:
        return self.known.get(goal.key, Known())
