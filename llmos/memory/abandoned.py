"""Transcripts of processes that died: each gets the end that it has not, with what is known of it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError
from llmos.core.event_records import unnested
from llmos.core.journal import Journal, call_line
from llmos.core.ports import Clock
from llmos.core.trace import shorten
from llmos.memory.agent_logs import agent_markers, is_agent_marker, marker_of, transcript_of
from llmos.memory.codec import CodecError, dump_line
from llmos.memory.files import MissingFileError, append_line, cut_torn_end
from llmos.memory.locks import is_held, take_marker
from llmos.memory.transcript import read_session, read_transcript

_CALL = 200
"""Characters of a call as a sentence shows it."""


def close_abandoned(recall: Path, open_folder: Path, clock: Clock) -> list[str]:
    """End the transcripts of sessions whose process died; one sentence for each turn that was cut off.

    The record added is true whatever happened: the turn was interrupted, and the effect of a tool that had started
    is unknown. What cannot be closed now (disk full, no permission) is left for the next start.
    """
    sentences = []
    for marker in sorted(open_folder.glob("*.jsonl"), key=lambda path: (not is_agent_marker(path), path.name)):
        with suppress(OSError, StoreError):  # OSError also where the session ends at this moment
            if any(map(is_held, agent_markers(open_folder, marker.stem))):
                continue  # an agent of it works on in another process
            descriptor = take_marker(marker, new=False)
            if descriptor is None:
                continue  # it is alive
            try:
                sentence = _close_one(transcript_of(recall, marker), clock)
                if sentence and not is_agent_marker(marker):  # what an agent had begun is told of its caller's turn
                    sentences.append(sentence)
                marker.unlink(missing_ok=True)
            finally:
                os.close(descriptor)
    return sentences


def end_lost_agent(path: Path, open_folder: Path, clock: Clock, *, wait_s: float) -> str:
    """End the transcript of an agent whose process is gone, and say in one clause how far it had come.

    The process is given so many seconds to be gone indeed; what it writes after that is not in the clause.
    """
    marker, until = marker_of(open_folder, path), time.monotonic() + wait_s
    while is_held(marker) and time.monotonic() < until:
        time.sleep(0.05)
    done, open_calls, ended = list[str](), dict[tuple[str, str], str](), True
    with suppress(StoreError):
        for record in map(unnested, read_session(path)):
            call = str(record.get("parent", "")), str(record.get("call_id", ""))
            match record.get("event"):
                case "turn_started" if not call[0]:
                    done, open_calls, ended = [], {}, False
                case "turn_ended" if not call[0]:
                    ended = True
                case "tool_started":
                    open_calls[call] = shorten(call_line(str(record.get("tool")), record.get("args", {})), _CALL)
                case "tool_finished" if call in open_calls:
                    done.append(open_calls.pop(call))
        if not is_held(marker):
            _close_one(path, clock)
            marker.unlink(missing_ok=True)
    if ended:
        return "what it was asked last had not begun, or was over"
    steps = f"it had done {len(done)} step{'s' if len(done) != 1 else ''}" + (f" ({'; '.join(done)})" if done else "")
    unknown = "; ".join(open_calls.values())
    return steps + (f", and the effect of one that it had begun is not known ({unknown})" if unknown else "")


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
    try:
        sequence = sum(1 for _ in read_transcript(path, lambda _: None))
        for record in read_session(path):
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
    place = str(record.get("parent"))
    of = f" of {'sub-goal' if place.rpartition('/')[2].isdecimal() else 'the agent'} {place}"
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
