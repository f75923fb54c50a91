"""The transcript: the stamped events of one session, one JSON object a line, only ever appended.

Invariant: a `tool_started` line is on the disk before the tool runs, so a log that ends there means "effect unknown".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError, UsageError
from llmos.core.event_records import event_record, unnested
from llmos.core.events import EPHEMERAL, Event, ToolStarted, TurnEnded, TurnStarted, innermost
from llmos.core.journal import Journal
from llmos.core.ports import Clock
from llmos.memory.codec import CodecError, check_format, dump_line, load_lines
from llmos.memory.files import (
    MissingFileError,
    append_line,
    cut_torn_end,
    make_private_folder,
    open_regular,
    os_cause,
    read_bounded,
    show_path,
)
from llmos.memory.locks import take_marker

FORMAT_KIND = "llmos-transcript"
FORMAT_NUMBER = 1
MAX_BYTES = 512 * 1024 * 1024
_MAX_LAST_BYTES = 4_000_000
"""A longer last session is not looked through before a turn."""
_MAX_HEAD_BYTES = 10_000
_DATE = len("2026-11-24")
_DURABLE = (TurnStarted, ToolStarted, TurnEnded)
_MESSAGES = (TurnStarted, TurnEnded)


class Transcript:
    """Writes the events of one session to `<recall>/<date>-<session>.jsonl`, created with the first event.

    While the process lives it holds a lock on a marker in `open_folder`; a marker without a lock belongs to a process
    that died, and `close_abandoned` then says so in that session's transcript.
    """

    def __init__(
        self,
        recall: Path,
        open_folder: Path,
        *,
        session: str,
        clock: Clock,
        said: Callable[[Path], None] | None = None,
    ) -> None:
        """`said` is called after each message, a goal or an answer, with the path; it must not raise."""
        self._recall = recall
        self._open_folder = open_folder
        self._clock = clock
        self._session = session
        self._said = said
        self._sequence = 0
        self._marker: int | None = None
        self.path = self._path_of(session)

    def record(self, event: Event) -> None:
        """Append one event. Raises StoreError; nothing that needs the record may then go on."""
        if isinstance(innermost(event), EPHEMERAL):
            return
        if self._sequence == 0:
            self._begin()
        self._write(event_record(event), sync=isinstance(innermost(event), _DURABLE))
        if self._said is not None and isinstance(event, _MESSAGES):
            self._said(self.path)

    def begin_anew(self, session: str) -> None:
        """Go on in a new file, made with its first event."""
        self.close()
        self._session, self._sequence, self.path = session, 0, self._path_of(session)

    def go_on_in(self, path: Path, session: str) -> None:
        """Go on at the end of an earlier session's file.

        Raises UsageError when another process writes to it, StoreError when it cannot be read; nothing is changed then.
        """
        try:
            with open_regular(path) as lines:
                count = sum(line.endswith(b"\n") for line in lines)
        except OSError as error:
            raise StoreError(f"cannot read {show_path(path)}: {os_cause(error)}") from None
        if path == self.path:
            return
        marker = self._take_marker(path)
        self.close()
        self._session, self._sequence, self.path, self._marker = session, count, path, marker

    def _take_marker(self, path: Path) -> int | None:
        """The locked marker of a transcript; None where none can be made, which costs the repair after a crash only."""
        with suppress(StoreError, OSError):
            make_private_folder(self._open_folder)
            marker = take_marker(self._open_folder / path.name, new=True)
            if marker is None:
                raise UsageError(f"the session in {show_path(path)} is open in another process; leave it there")
            return marker
        return None

    def close(self) -> None:
        """Release the session's marker. Safe to call twice."""
        if self._marker is not None:
            self._marker_path.unlink(missing_ok=True)
            os.close(self._marker)
            self._marker = None

    @property
    def _marker_path(self) -> Path:
        return self._open_folder / self.path.name

    def _path_of(self, session: str) -> Path:
        return self._recall / f"{self._clock.now().date().isoformat()}-{session}.jsonl"

    def _begin(self) -> None:
        make_private_folder(self._recall)
        if self._marker is None:  # a first record that could not be written is begun again
            self._marker = self._take_marker(self.path)
        self._write({"event": "session_started", "session": self._session, "format": _FORMAT}, sync=False)

    def _write(self, record: dict[str, Any], *, sync: bool) -> None:
        stamped = {"seq": self._sequence, "at": self._clock.now().isoformat(timespec="milliseconds"), **record}
        append_line(self.path, dump_line(stamped), sync=sync)
        self._sequence += 1


_FORMAT = f"{FORMAT_KIND}/{FORMAT_NUMBER}"


def read_transcript(path: Path, report: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The records of a transcript, its head left out. Raises StoreError naming file and line."""
    records = load_lines(read_bounded(path, MAX_BYTES), name=str(path), report=report)
    head = next(records, None)
    if head is None:
        return
    check_format(head.get("format"), kind=FORMAT_KIND, supported=FORMAT_NUMBER, name=str(path))
    yield from records


def first_record(path: Path) -> dict[str, Any] | None:
    """The head of a transcript; None for an empty file. Raises StoreError, CodecError for what is no record."""
    head = read_bounded(path, _MAX_HEAD_BYTES, or_larger=True).partition(b"\n")[0]
    return next(load_lines(head + b"\n", name=str(path), report=lambda _: None), None)


def last_cut_off(recall: Path) -> dict[str, str]:
    """The trace whose replay was the last thing of the last session and was cut off, with how far it had come.

    Empty where the last turn on record ended otherwise, and where that cannot be read: it only ever closes a gate.
    """
    with suppress(OSError, StoreError):
        names = [path.name for path in recall.glob("*.jsonl")]
        day = max((name[:_DATE] for name in names), default="")
        paths = [recall / name for name in names if name.startswith(day)]
        newest = max(paths, key=lambda path: path.stat().st_mtime_ns, default=None)
        if newest is not None and newest.stat().st_size <= _MAX_LAST_BYTES:
            return cut_off_in(read_transcript(newest, lambda _: None))
    return {}


def cut_off_in(records: Iterator[dict[str, Any]]) -> dict[str, str]:
    """The traces whose replays the last turn of these records was cut off in, each with how far it had come.

    Sub-goals are looked at one by one: of one that has no end its process died.
    """
    replays: dict[str, tuple[str, Journal]] = {}
    found: dict[str, str] = {}
    for line in records:
        record, place = unnested(line), str(line["parent"]) if line.get("event") == "nested" else ""
        trace, journal = replays.get(place, ("", Journal()))
        journal = journal.after(record)
        match record.get("event"):
            case "turn_started":
                trace = ""
                if not place:
                    replays, found = {}, {}
            case "plan_made":
                trace = str(record.get("trace_id", "")) if record.get("mode") == "FOLLOWER" else ""
            case "turn_ended" if record.get("outcome") != "interrupted" or record.get("mode") == "LEARNER":
                trace = ""
        replays[place] = trace, journal
        if record.get("event") == "turn_ended" and record.get("outcome") == "interrupted":
            ended = replays if not place else {place: replays[place]}
            found |= {trace: log.closed().summary for trace, log in ended.values() if trace and log.half_done}
    return found


def close_abandoned(recall: Path, open_folder: Path, clock: Clock) -> list[str]:
    """End the transcripts of sessions whose process died; one sentence for each turn that was cut off.

    The record added is true whatever happened: the turn was interrupted, and the effect of a tool that had started
    is unknown. What cannot be closed now (disk full, no permission) is left for the next start.
    """
    sentences = []
    for marker in sorted(open_folder.glob("*.jsonl")):
        with suppress(OSError, StoreError):  # OSError also where the session ends at this moment
            descriptor = take_marker(marker, new=False)
            if descriptor is None:
                continue  # it is alive
            try:
                if sentence := _close_one(recall / marker.name, clock):
                    sentences.append(sentence)
                marker.unlink(missing_ok=True)
            finally:
                os.close(descriptor)
    return sentences


@dataclass(slots=True)
class _OpenTurn:
    """What a transcript says of a turn that has no end."""

    goal: str
    mode: str = "LEARNER"
    tools: dict[str, str] = field(default_factory=dict)
    """The tools that had started and not finished, by whose they are: "" for the turn's own, else a sub-goal's id."""
    cost_usd: float = 0.0
    model_calls: int = 0
    journal: Journal = field(default=Journal())
    """What became of the steps of the replay in it."""


def _close_one(path: Path, clock: Clock) -> str | None:
    """Append the end of the turn that has none; a sentence about it, None when there is nothing to close."""
    turn: _OpenTurn | None = None
    sequence = 0
    try:
        for record in read_transcript(path, lambda _: None):
            sequence += 1
            turn = _after(record, turn)
            if turn is not None:
                turn.journal = turn.journal.after(record)
    except (MissingFileError, CodecError):
        return None
    if turn is None:
        cut_torn_end(path)  # the first record of a turn, or of the session, that never came to be
        return None
    tool = "".join(f"; {name} had started and its effect is unknown" for name in turn.tools.values())
    journal = turn.journal.closed()
    if journal.half_done:
        tool = f"; of the replay: {journal.summary}"
    closing = {
        "seq": sequence + 1,
        "at": clock.now().isoformat(timespec="milliseconds"),
        "event": "turn_ended",
        "outcome": "interrupted",
        "mode": turn.mode,
        "answer": "",
        "reason": f"the process ended in the middle of this turn{tool}",
        "cost_usd": turn.cost_usd,
        "saved_usd": 0.0,
        "model_calls": turn.model_calls,
        "elapsed_s": 0.0,
        "recovered": True,
    }
    append_line(path, dump_line(closing), sync=True)
    return f"an earlier session was cut off while working on {turn.goal!r}{tool}"


def _after(record: dict[str, Any], turn: _OpenTurn | None) -> _OpenTurn | None:
    """The open turn after one more record, None when none is open."""
    match record.get("event"):
        case "turn_started":
            return _OpenTurn(str(record.get("goal", "")))
        case "turn_ended":
            return None
    if turn is None:
        return None
    if record.get("event") == "nested":
        return _after_nested(unnested(record), turn)
    match record.get("event"):
        case "plan_made":
            turn.mode = str(record.get("mode", turn.mode))
        case "tool_started":
            turn.tools[""] = str(record.get("tool", "a tool"))
        case "tool_finished":
            turn.tools.pop("", None)
        case _:
            _count_call(record, turn)
    return turn


def _after_nested(record: Mapping[str, Any], turn: _OpenTurn) -> _OpenTurn:
    """The open turn after an event of one of its sub-goals: what that ran and spent is the turn's."""
    of = f" of sub-goal {record.get('parent')}"
    match record.get("event"):
        case "tool_started":
            turn.tools[str(record.get("parent"))] = f"{record.get('tool', 'a tool')}{of}"
        case "tool_finished":
            turn.tools.pop(str(record.get("parent")), None)
        case _:
            _count_call(record, turn)
    return turn


def _count_call(record: Mapping[str, Any], turn: _OpenTurn) -> None:
    match record.get("event"):
        case "model_call_started":
            turn.model_calls += 1
        case "model_call_finished" | "model_call_failed":
            cost = record.get("cost_usd")
            turn.cost_usd += cost if isinstance(cost, int | float) else 0.0
