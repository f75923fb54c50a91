"""What `llmos run` writes to standard output: the answer, one JSON object, or one JSON line per event.

Invariant: standard output carries nothing else, and a screen or a reader that goes away never stops a turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TextIO

from llmos.core.errors import ExitStatus
from llmos.core.event_records import event_record
from llmos.core.events import Event, PlanMade, TraceKept, TurnEnded, TurnStarted
from llmos.core.ports import Emit
from llmos.interfaces.plan_view import plan_diff
from llmos.interfaces.printable import printable
from llmos.interfaces.turn import TurnResult
from llmos.memory.codec import dump_line

_NOT_FOR_TERMINALS = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class OutputFormat(StrEnum):
    """The values of --output-format."""

    TEXT = "text"
    JSON = "json"
    STREAM_JSON = "stream-json"


def json_line(record: Mapping[str, Any]) -> str:
    """One JSON object on one line, without its line feed; what a terminal might obey is written as `\\u....`."""
    line = dump_line(record).decode("utf-8").rstrip("\n")
    return _NOT_FOR_TERMINALS.sub(lambda match: f"\\u{ord(match.group()):04x}", line)


def result_record(result: TurnResult) -> dict[str, Any]:
    """The object of `--output-format json`. `outcome` is null after a dry run."""
    return {
        "goal": result.goal,
        "mode": result.mode.value,
        "confidence": result.confidence,
        "trace": result.trace_id,
        "answer": result.answer,
        "outcome": result.outcome.value if result.outcome else None,
        "reason": result.reason,
        "reasons": list(result.reasons),
        "cost_usd": result.cost_usd,
        "saved_usd": result.saved_usd,
        "model_calls": result.model_calls,
        "elapsed_s": result.elapsed_s,
        "kept": result.kept,
        "plan": plan_record(result.plan),
        "exit_code": int(result.exit_status),
    }


def plan_record(plan: PlanMade | None) -> dict[str, Any] | None:
    """The decision with its candidates, gates, bindings and bound calls; what stands in the object itself is left out.

    `steps[].recorded` are the arguments as learned, `considered[].gates[]` every gate with its reason.
    """
    if plan is None:
        return None
    left_out = ("event", "mode", "confidence", "trace_id", "reasons")
    return {key: value for key, value in event_record(plan).items() if key not in left_out}


class Output:
    """The event sink of one `llmos run`: standard output in `form`, everything else to `screen`.

    `answer_on_screen` says that `screen` shows the answer itself, so that it is not written twice.
    """

    def __init__(
        self,
        form: OutputFormat,
        stdout: TextIO,
        screen: Emit,
        *,
        say: Callable[[str], None],
        answer_on_screen: bool = False,
    ) -> None:
        self._form = form
        self._stdout = stdout
        self._screen = screen
        self._say = say
        self._answer_on_screen = answer_on_screen
        self._reader_gone = False
        self._started: TurnStarted | None = None
        self._plan: PlanMade | None = None
        self._kept: TraceKept | None = None
        self._ended: TurnEnded | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case TurnStarted():
                self._started = event
            case PlanMade():
                self._plan = event
            case TraceKept():
                self._kept = event
            case TurnEnded():
                self._ended = event
        if self._form is OutputFormat.STREAM_JSON:
            self._write(json_line(event_record(event)))
        try:
            self._screen(event)
        except OSError:
            # A terminal that was closed (SIGHUP) must not keep the turn from being recorded.
            self._screen = _nowhere

    def result(self, result: TurnResult) -> None:
        """Write the end of a turn, or of a dry run."""
        if self._form is not OutputFormat.TEXT:
            self._write_object(result_record(result))
        elif result.outcome is None and result.plan is not None:
            shown = result.plan.sub_goals and self._answer_on_screen
            for line in () if shown else plan_diff(result.plan):
                self._write(printable(line) if self._stdout.isatty() else line)
        elif result.answer and not self._answer_on_screen:
            answer = result.answer.rstrip("\n")
            self._write(printable(answer) if self._stdout.isatty() else answer)
        if result.outcome is None:
            self.notice("dry run: nothing was run and nothing was kept")

    def interrupted(self) -> None:
        """Write the end of a turn that was cancelled."""
        if self._form is OutputFormat.TEXT:
            return
        started, plan, ended = self._started, self._plan, self._ended
        if started is None or plan is None or ended is None:
            self._write_object({"error": "interrupted before a turn began", "exit_code": int(ExitStatus.INTERRUPTED)})
            return
        self._write_object(
            {
                "goal": started.goal,
                "mode": ended.mode.value,
                "confidence": plan.confidence,
                "trace": plan.trace_id,
                "answer": ended.answer,
                "outcome": ended.outcome.value,
                "reason": ended.reason,
                "reasons": list(plan.reasons),
                "cost_usd": ended.cost_usd,
                "saved_usd": ended.saved_usd,
                "model_calls": ended.model_calls,
                "elapsed_s": ended.elapsed_s,
                "kept": self._kept.trace_id if self._kept else None,
                "plan": plan_record(plan),
                "exit_code": int(ExitStatus.INTERRUPTED),
            }
        )

    def error(self, sentence: str, status: ExitStatus) -> None:
        """Say in one sentence why there is no result."""
        self.notice(sentence)
        if self._form is not OutputFormat.TEXT:
            self._write_object({"error": sentence, "exit_code": int(status)})

    def notice(self, sentence: str) -> None:
        try:
            self._say(sentence)
        except OSError:
            self._say = _nowhere

    def _write_object(self, record: Mapping[str, Any]) -> None:
        named = {"event": "result", **record} if self._form is OutputFormat.STREAM_JSON else record
        self._write(json_line(named))

    def _write(self, line: str) -> None:
        if self._reader_gone:
            return
        try:
            self._stdout.write(line + "\n")
            self._stdout.flush()
        except BrokenPipeError:
            self._reader_gone = True


def _nowhere(_: object) -> None:
    return
