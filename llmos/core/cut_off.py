"""A replay that was cut off, as the transcripts of it tell: which steps were done, and which had begun. Pure.

One session leads on to the next where it was gone on with and cut off again; their records are taken in that order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.journal import call_of, listed, replayed_index
from llmos.core.tool import FileChanges
from llmos.core.trace import RunStep, Step

STOPPED = "[stopped before its end]"
"""What stands in place of the output of a call that was stopped."""
_REDACTED = "[redacted:"


@dataclass(slots=True)
class CutOff:
    """What is on record of the replay of one goal."""

    trace: str = ""
    """The id of the trace; empty where no replay is on record, or not one that can be told step by step."""
    calls: tuple[str, ...] = ()
    """The planned steps, in a line each."""
    done: int = 0
    """So many steps, from the first on, did what was recorded."""
    gave: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """The record of the end of a call, by step."""
    begun: dict[int, str] = field(default_factory=dict)
    """Steps that began and whose end is not on record, each with the digest of the folder right before it."""

    def take(self, record: Mapping[str, Any]) -> None:
        """One more event of the goal's sessions, as a transcript gives it. Total."""
        event, step = record.get("event"), replayed_index(record)
        match event:
            case "plan_made":
                calls = tuple(call_of(step) for step in listed(record.get("steps")))
                replays = record.get("mode") == "FOLLOWER" and (not self.calls or self.calls == calls)
                self.trace, self.calls = (str(record.get("trace_id") or "") if replays else ""), calls
            case "tool_started" if step is not None:
                self.gave.pop(step, None)
                self.begun[step] = str(record.get("world") or "")
            case "tool_finished" if step is not None and record.get("output") != STOPPED:
                self.begun.pop(step, None)
                self.gave[step] = record
            case "step_checked":
                self._check(record)
            case "tool_started" | "nested":
                self.trace = ""  # a call of a model or of a sub-goal: not told step by step

    def _check(self, record: Mapping[str, Any]) -> None:
        step = record.get("step")
        if record.get("ok") is not True:
            self.trace = ""  # it did something else: nothing follows from what was planned
        elif step == self.done:
            self.begun.pop(step, None)
            self.done += 1

    def run_of(self, index: int, step: Step, version: str) -> RunStep | None:
        """What a step came to; None for one that had nothing to do."""
        record = self.gave.get(index)
        if record is None:
            return None
        changes = record.get("changes")
        changes = changes if isinstance(changes, Mapping) else {}
        code = record.get("exit_code")
        return RunStep(
            tool=step.tool,
            version=version,
            args=step.args,
            effect=step.effect,
            reads=(),
            ok=record.get("ok") is True,
            exit_code=code if isinstance(code, int) else None,
            stdout=str(record.get("stdout", "")),
            output=str(record.get("output", "")),
            changes=FileChanges(
                created=_texts(changes.get("created")),
                changed=_texts(changes.get("changed")),
                deleted=_texts(changes.get("deleted")),
                complete=changes.get("complete") is True,
            ),
            truncated=record.get("truncated") is not False,
        )

    def is_whole(self, index: int) -> bool:
        """Whether the record holds what the step gave, with nothing taken out of it."""
        record = self.gave.get(index)
        return record is None or _REDACTED not in f"{record.get('stdout')}{record.get('output')}"


def _texts(values: object) -> tuple[str, ...]:
    return tuple(str(value) for value in listed(values))
