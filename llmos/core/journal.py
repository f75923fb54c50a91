"""The effect journal of a replay: what became of each planned step. A fold over the records of a turn's events.

The same fold serves the model that goes on, the person, and whoever reads a transcript after a crash, so that none of
them can be told something else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.trace import shorten

REPLAY_CALL = "replay-"
"""Call ids of replayed steps: this, and the number of the step, from 1."""
_DETAIL = 200
_NUMBERED = re.compile(r"\Astep \d+(?: \(\w+\))?: ")


class StepState(StrEnum):
    """PLANNED: not begun. STARTED: it runs, or ran and was not checked. UNKNOWN: the record ends while it was STARTED.

    FAILED: it was not allowed, or did something else than was recorded; `detail` says what.
    """

    PLANNED = "planned"
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A step and its state. `gave` is the beginning of its output, `why` the reason of the check."""

    call: str
    state: StepState = StepState.PLANNED
    gave: str = ""
    why: str = ""

    @property
    def line(self) -> str:
        said = "; ".join(part for part in (self.why, f"it gave: {self.gave}" if self.gave else "") if part)
        return f"{self.state.value}: {self.call}" + (f" ({said})" if said else "")


@dataclass(frozen=True, slots=True)
class Journal:
    """The steps of the latest replay in a log of events; empty when the turn replays nothing."""

    entries: tuple[JournalEntry, ...] = ()

    def after(self, record: Mapping[str, Any]) -> Journal:
        """The journal after one more event, as `event_record` or a transcript gives it. Total."""
        match record.get("event"):
            case "turn_started":
                return Journal()
            case "plan_made":
                return Journal(tuple(JournalEntry(call_of(step)) for step in listed(record.get("steps"))))
            case "tool_started":
                return self._with(replayed_index(record), state=StepState.STARTED)
            case "tool_finished":
                gave = shorten(" ".join(str(record.get("output", "")).split()), _DETAIL)
                return self._with(replayed_index(record), gave=gave)
            case "step_checked":
                state = StepState.DONE if record.get("ok") is True else StepState.FAILED
                why = _NUMBERED.sub("", str(record.get("reason", "")))
                return self._with(record.get("step"), state=state, why="" if why == AS_RECORDED else why)
            case "turn_ended":
                return self.closed()
        return self

    def closed(self) -> Journal:
        """The journal where nothing more will come: a step that was running has an unknown effect."""
        return Journal(
            tuple(
                replace(entry, state=StepState.UNKNOWN) if entry.state is StepState.STARTED else entry
                for entry in self.entries
            )
        )

    def count(self, state: StepState) -> int:
        return sum(entry.state is state for entry in self.entries)

    @property
    def half_done(self) -> bool:
        """Whether a step was done, or may have been, and another was not."""
        begun = (StepState.DONE, StepState.STARTED, StepState.UNKNOWN)
        return any(entry.state in begun for entry in self.entries) and self.count(StepState.DONE) < len(self.entries)

    @property
    def summary(self) -> str:
        """One clause: "1 of 3 steps done, step 2 unknown (shell: make), 1 not begun"; empty without a replay."""
        if not self.entries:
            return ""
        parts = [f"{self.count(StepState.DONE)} of {len(self.entries)} steps done"]
        parts += [
            f"step {number} {entry.state.value} ({entry.call})"
            for number, entry in enumerate(self.entries, start=1)
            if entry.state in (StepState.STARTED, StepState.FAILED, StepState.UNKNOWN)
        ]
        if waiting := self.count(StepState.PLANNED):
            parts.append(f"{waiting} not begun")
        return ", ".join(parts)

    def _with(self, index: object, **changes: Any) -> Journal:
        if not isinstance(index, int) or not 0 <= index < len(self.entries):
            return self
        entry = replace(self.entries[index], **changes)
        return Journal((*self.entries[:index], entry, *self.entries[index + 1 :]))


AS_RECORDED = "as recorded"
"""What a check says of a step that did what was recorded."""


def call_line(tool: str, args: Mapping[str, Any]) -> str:
    """One call in one line: the whole command of a shell step, else tool and arguments."""
    command = args.get("command")
    if isinstance(command, str) and len(args) == 1:
        return f"{tool}: {command}"
    return f"{tool} {dict(args)}"


def call_of(step: object) -> str:
    """A planned step in one line; transcripts of an earlier version hold the line itself."""
    if isinstance(step, Mapping):
        args = step.get("args")
        return call_line(str(step.get("tool", "")), args if isinstance(args, Mapping) else {})
    return str(step)


def listed(steps: object) -> list[object]:
    return list(steps) if isinstance(steps, list | tuple) else []


def replayed_index(record: Mapping[str, Any]) -> int | None:
    """Index of the replayed step that a tool event is about; None for a live call."""
    call_id = record.get("call_id")
    if isinstance(call_id, str) and call_id.startswith(REPLAY_CALL) and call_id[len(REPLAY_CALL) :].isdecimal():
        return int(call_id[len(REPLAY_CALL) :]) - 1
    return None
