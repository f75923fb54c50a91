"""The transcript: the stamped events of one session, one JSON object a line, only ever appended.

Invariant: a `tool_started` line is on the disk before the tool runs, so a log that ends there means "effect unknown".
A line that must be on the disk is so when `record` returns; where `syncs` are given, when those have settled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmos.core.errors import StoreError, UsageError
from llmos.core.event_records import event_record, unnested
from llmos.core.events import (
    EPHEMERAL,
    AgentAsked,
    Event,
    Nested,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    innermost,
)
from llmos.core.journal import Journal
from llmos.core.ports import Clock
from llmos.memory.agent_logs import agent_number, agent_path, agent_transcripts, marker_of, with_agents
from llmos.memory.codec import check_format, dump_line, load_lines
from llmos.memory.files import (
    append_line,
    make_private_folder,
    open_regular,
    os_cause,
    read_bounded,
    show_path,
)
from llmos.memory.locks import take_marker
from llmos.memory.syncing import Syncs

FORMAT_KIND = "llmos-transcript"
FORMAT_NUMBER = 1
MAX_BYTES = 512 * 1024 * 1024
_MAX_LAST_BYTES = 4_000_000
"""A longer last session is not looked through before a turn."""
_MAX_HEAD_BYTES = 10_000
_DATE = len("2026-11-24")
_DURABLE = (TurnStarted, ToolStarted, TurnEnded, AgentAsked)
_MESSAGES = (TurnStarted, TurnEnded)


class EventLog:
    """Stamped events in one file, which is made with the first of them, after a head that says what it is.

    While the process lives it holds a lock on a marker in `open_folder`; a marker without a lock belongs to a process
    that died, and `close_abandoned` then says so in that transcript.
    """

    def __init__(
        self,
        path: Path,
        open_folder: Path,
        *,
        head: Mapping[str, Any],
        clock: Clock,
        said: Callable[[Path], None] | None = None,
        syncs: Syncs | None = None,
    ) -> None:
        """`said` is called after each goal and each answer, with the path; it must not raise."""
        self.path = path
        self.open_folder = open_folder
        self._head = head
        self._clock = clock
        self._said = said
        self._syncs = syncs
        self._sequence = 0
        self._marker: int | None = None

    def record(self, event: Event) -> None:
        """Append one event. Raises StoreError; nothing that needs the record may then go on."""
        if isinstance(innermost(event), EPHEMERAL) or (isinstance(event, Nested) and event.elsewhere):
            return
        if self._sequence == 0:
            self._begin()
        self._write(event_record(event), sync=isinstance(innermost(event), _DURABLE))
        if self._said is not None and isinstance(event, _MESSAGES):
            self._said(self.path)

    def close(self) -> None:
        """Release the marker. Safe to call twice."""
        if self._marker is not None:
            marker_of(self.open_folder, self.path).unlink(missing_ok=True)
            os.close(self._marker)
            self._marker = None

    def _take_marker(self, path: Path) -> int | None:
        """The locked marker of a transcript; None where none can be made, which costs the repair after a crash only."""
        with suppress(StoreError, OSError):
            make_private_folder(self.open_folder)
            marker = take_marker(marker_of(self.open_folder, path), new=True)
            if marker is None:
                raise UsageError(f"the session in {show_path(path)} is open in another process; leave it there")
            return marker
        return None

    def _begin(self) -> None:
        make_private_folder(self.path.parent)
        if self._marker is None:  # a first record that could not be written is begun again
            self._marker = self._take_marker(self.path)
        self._write({"event": "session_started", **self._head, "format": _FORMAT}, sync=False)
        if self._syncs is not None:
            self._syncs.later(self.path.parent)

    def _write(self, record: dict[str, Any], *, sync: bool) -> None:
        stamped = {"seq": self._sequence, "at": self._clock.now().isoformat(timespec="milliseconds"), **record}
        append_line(self.path, dump_line(stamped), sync=sync and self._syncs is None)
        if sync and self._syncs is not None:
            self._syncs.later(self.path)
        self._sequence += 1

    async def settled(self) -> None:
        """Wait until every line that must be on the disk is. Raises StoreError."""
        if self._syncs is not None:
            await self._syncs.settled()


class Transcript(EventLog):
    """The events of one session, in `<recall>/<date>-<session>.jsonl`; those of its agents in files of their own."""

    def __init__(
        self,
        recall: Path,
        open_folder: Path,
        *,
        session: str,
        clock: Clock,
        said: Callable[[Path], None] | None = None,
        syncs: Syncs | None = None,
    ) -> None:
        """`said` is called after each message, a goal or an answer, with the path; it must not raise."""
        self._recall = recall
        self._agents: list[EventLog] = []
        self.session = session
        path = recall / f"{clock.now().date().isoformat()}-{session}.jsonl"
        super().__init__(path, open_folder, head={"session": session}, clock=clock, said=said, syncs=syncs)

    def begin_anew(self, session: str) -> None:
        """Go on in a new file, made with its first event."""
        path = self._recall / f"{self._clock.now().date().isoformat()}-{session}.jsonl"
        self._go_to(path, session, count=0, marker=None)

    def go_on_in(self, path: Path, session: str) -> None:
        """Go on at the end of an earlier session's file.

        Raises UsageError when another process writes to it, StoreError when it cannot be read; nothing is changed then.
        """
        try:
            with open_regular(path) as lines:
                count = sum(line.endswith(b"\n") for line in lines)
        except OSError as error:
            raise StoreError(f"cannot read {show_path(path)}: {os_cause(error)}") from None
        if path != self.path:
            self._go_to(path, session, count=count, marker=self._take_marker(path))

    def _go_to(self, path: Path, session: str, *, count: int, marker: int | None) -> None:
        self.close()
        self.session, self._head = session, {"session": session}
        self._sequence, self.path, self._marker = count, path, marker

    def stand_for(self, path: Path, session: str) -> None:
        """Be the session that another process writes: only transcripts of its agents are made here."""
        self._go_to(path, session, count=0, marker=None)

    def close(self) -> None:
        """Release the markers of the session and of its agents. Safe to call twice."""
        while self._agents:
            self._agents.pop().close()
        super().close()

    def last_agent(self) -> int:
        """The highest number of an agent that this session has a transcript of; 0 without any."""
        return max((agent_number(path) for path in agent_transcripts(self.path)), default=0)

    def of_agent(self, agent: str, call_id: str, place: str) -> EventLog:
        """The transcript of an agent of this session; `place` is whose call made it, empty for the session's own."""
        called_by = {"session": self.session, "call_id": call_id, "parent": place}
        log = EventLog(
            agent_path(self.path, agent),
            self.open_folder,
            head={"session": f"{self.session}/{agent}", "agent": agent, "called_by": called_by},
            clock=self._clock,
            said=self._said,
            syncs=self._syncs,
        )
        self._agents.append(log)
        return log


_FORMAT = f"{FORMAT_KIND}/{FORMAT_NUMBER}"


def read_transcript(path: Path, report: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The records of a transcript, its head left out. Raises StoreError naming file and line."""
    records = load_lines(read_bounded(path, MAX_BYTES), name=str(path), report=report)
    head = next(records, None)
    if head is None:
        return
    check_format(head.get("format"), kind=FORMAT_KIND, supported=FORMAT_NUMBER, name=str(path))
    yield from records


def read_session(path: Path, lost: Callable[[str], None] = lambda _: None) -> Iterator[dict[str, Any]]:
    """The records of a transcript, and where an agent was asked what it did then, as nested in its caller.

    `lost` hears a sentence for each agent whose transcript cannot be read. Raises StoreError as `read_transcript`.
    """
    return with_agents(read_transcript(path, lambda _: None), path, _read_agent, lost)


def _read_agent(path: Path) -> Iterator[dict[str, Any]]:
    return read_transcript(path, lambda _: None)


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
            return cut_off_in(read_session(newest))
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
