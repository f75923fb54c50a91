"""The transcript: the stamped events of one session, one JSON object a line, only ever appended.

Invariant: a `tool_started` line is on the disk before the tool runs, so a log that ends there means "effect unknown".
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmos.core.errors import StoreError
from llmos.core.events import EPHEMERAL, Event, ToolStarted, TurnEnded, TurnStarted, event_record
from llmos.core.ports import Clock
from llmos.memory.codec import check_format, dump_line, load_lines
from llmos.memory.files import append_line, make_private_folder, read_bounded

FORMAT_KIND = "llmos-transcript"
FORMAT_NUMBER = 1
MAX_BYTES = 512 * 1024 * 1024
_DURABLE = (TurnStarted, ToolStarted, TurnEnded)


class Transcript:
    """Writes the events of one session to `<recall>/<date>-<session>.jsonl`, created with the first event.

    While the process lives it holds a lock on a marker in `open_folder`; a marker without a lock belongs to a process
    that died, and `close_abandoned` then says so in that session's transcript.
    """

    def __init__(self, recall: Path, open_folder: Path, *, session: str, clock: Clock) -> None:
        self._recall = recall
        self._open_folder = open_folder
        self._clock = clock
        self._session = session
        self._sequence = 0
        self._marker: int | None = None
        date = clock.now().date().isoformat()
        self.path = recall / f"{date}-{session}.jsonl"

    def record(self, event: Event) -> None:
        """Append one event. Raises StoreError; nothing that needs the record may then go on."""
        if isinstance(event, EPHEMERAL):
            return
        if self._sequence == 0:
            self._begin()
        self._write(event_record(event), sync=isinstance(event, _DURABLE))

    def close(self) -> None:
        """Release the session's marker. Safe to call twice."""
        if self._marker is not None:
            self._marker_path.unlink(missing_ok=True)
            os.close(self._marker)
            self._marker = None

    @property
    def _marker_path(self) -> Path:
        return self._open_folder / self.path.name

    def _begin(self) -> None:
        make_private_folder(self._recall)
        with suppress(StoreError, OSError):  # without the marker only the repair after a crash is lost
            make_private_folder(self._open_folder)
            self._marker = os.open(self._marker_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def close_abandoned(recall: Path, open_folder: Path, clock: Clock) -> list[str]:
    """End the transcripts of sessions whose process died; one sentence for each turn that was cut off.

    The record added is true whatever happened: the turn was interrupted, and the effect of a tool that had started
    is unknown.
    """
    sentences = []
    for marker in sorted(open_folder.glob("*.jsonl")) if open_folder.is_dir() else []:
        descriptor = os.open(marker, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if sentence := _close_one(recall / marker.name, clock):
                sentences.append(sentence)
            marker.unlink(missing_ok=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
    return sentences


def _close_one(path: Path, clock: Clock) -> str | None:
    open_turn: dict[str, Any] | None = None
    open_tool: dict[str, Any] | None = None
    sequence = 0
    try:
        for record in read_transcript(path, lambda _: None):
            sequence = max(sequence, int(record.get("seq", 0)))
            match record.get("event"):
                case "turn_started":
                    open_turn = record
                case "turn_ended":
                    open_turn = open_tool = None
                case "tool_started":
                    open_tool = record
                case "tool_finished":
                    open_tool = None
    except StoreError:
        return None
    if open_turn is None:
        return None
    tool = f"; {open_tool['tool']} had started and its effect is unknown" if open_tool else ""
    text = f"the process ended in the middle of this turn{tool}"
    closing = {
        "event": "turn_ended",
        "outcome": "interrupted",
        "mode": open_turn.get("mode", "LEARNER"),
        "answer": "",
        "reason": text,
        "cost_usd": 0.0,
        "saved_usd": 0.0,
        "model_calls": 0,
        "elapsed_s": 0.0,
        "recovered": True,
    }
    stamp = {"seq": sequence + 1, "at": clock.now().isoformat(timespec="milliseconds")}
    append_line(path, dump_line({**stamp, **closing}), sync=True)
    return f"an earlier session was cut off while working on {open_turn.get('goal', '')!r}{tool}"
