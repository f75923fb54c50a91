"""What `llmos batch` shows: a bar and the goals under way on a terminal, a line a goal elsewhere, a summary at the end.

Invariant: standard output carries the summary, or JSON, and nothing else; a screen that goes away stops no goal.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any

from rich.text import Text

from llmos.core.batch import BadLine, BatchGoal, GoalDone
from llmos.core.dataclass import dataclass
from llmos.core.errors import ExitStatus
from llmos.interfaces.call_view import money
from llmos.interfaces.live_area import LiveArea
from llmos.interfaces.output import OutputFormat, json_line
from llmos.interfaces.printable import one_line
from llmos.interfaces.terminal import make_console

MOST_BAD_LINES = 20
"""Bad lines that are told one by one."""
_MOST_BUSY = 8
_BAR = 24
_FINE = frozenset(["ok", "unverified", "planned"])
_AGAIN = (
    (("failed", "diverged", "denied", "over_budget"), "did not go well", "--retry-failed"),
    (("unknown", "interrupted"), "cut off after changes had begun", "--retry-unknown"),
)
"""What earlier runs left that a second run leaves alone, and what has it run again."""


@dataclass(slots=True)
class Summary:
    """How a batch stands."""

    results: Path | None
    goals: int
    bad_lines: int = 0
    before: int = 0
    """Goals that earlier runs had dealt with."""
    statuses: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    cost_usd: float = 0.0
    saved_usd: float = 0.0
    """Cost and saved of this run, as are the modes."""
    elapsed_s: float = 0.0
    ran: int = 0

    def take_up(self, rows: Iterable[Mapping[str, Any] | None]) -> None:
        """Rows of earlier runs that stay as they are."""
        self.statuses.update(str(row.get("status")) for row in rows if row is not None)

    def take(self, done: GoalDone) -> None:
        """A goal of this run."""
        self.ran += 1
        self.statuses[done.status] += 1
        if done.mode:
            self.modes[done.mode] += 1
        self.cost_usd += done.cost_usd
        self.saved_usd += done.saved_usd

    @property
    def left(self) -> int:
        return self.goals - sum(self.statuses.values())

    @property
    def exit_status(self) -> ExitStatus:
        """OK when all goals are done and checked; UNVERIFIED when the only thing amiss is that some are not checked."""
        counts = self.statuses
        if self.bad_lines or self.left or any(status not in _FINE for status in counts if counts[status]):
            return ExitStatus.FAILED
        return ExitStatus.UNVERIFIED if counts["unverified"] else ExitStatus.OK

    def record(self, *, interrupted: bool) -> dict[str, Any]:
        """The object of `--output-format json`."""
        return {
            "goals": self.goals,
            "bad_lines": self.bad_lines,
            "done_before": self.before,
            "statuses": dict(sorted(self.statuses.items())),
            "left": self.left,
            "modes": dict(sorted(self.modes.items())),
            "cost_usd": self.cost_usd,
            "saved_usd": self.saved_usd,
            "elapsed_s": round(self.elapsed_s, 3),
            "results": str(self.results) if self.results is not None else None,
            "exit_code": int(ExitStatus.INTERRUPTED if interrupted else self.exit_status),
        }

    def lines(self) -> list[str]:
        """For a person."""
        counts = " · ".join(f"{count:,} {status}" for status, count in sorted(self.statuses.items()) if count)
        before = f" · {self.before:,} of them before" if self.before else ""
        left = f" · {self.left:,} left" if self.left else ""
        bad = f" · {_counted(self.bad_lines, 'bad line')}" if self.bad_lines else ""
        rate = f" · {self.ran / self.elapsed_s:.1f} goals a second" if self.ran and self.elapsed_s else ""
        modes = " · ".join(f"{count:,} {mode}" for mode, count in sorted(self.modes.items()))
        found = [f"{_counted(self.goals, 'goal')}: {counts or 'none begun'}{before}{left}{bad}"]
        if self.ran:
            cost = f"cost {money(self.cost_usd)} · saved {money(self.saved_usd)} · {self.elapsed_s:.1f} s{rate}"
            found.append(f"{modes} · {cost}" if modes else cost)
        if self.results is not None:
            found.append(f"results: {self.results}")
        return found


class BatchScreen:
    """Everything that one `llmos batch` writes to its streams."""

    def __init__(self, *, form: OutputFormat, quiet: bool, plain: bool) -> None:
        self._form = form
        self._quiet = quiet
        self._stdout = sys.stdout
        self._console = make_console(stderr=True, plain=plain)
        self._area = LiveArea(self._console, self._lines)
        self._draws = self._console.is_terminal and not self._console.is_dumb_terminal and not quiet
        self._summary: Summary | None = None
        self._todo = 0
        self._busy: dict[int, tuple[str, float]] = {}
        self._started = time.monotonic()
        self._bad_lines = 0
        self._stopped = 0

    # ------------------------------------------------------------------------------------------------- sentences

    def notice(self, sentence: str) -> None:
        self._say(f"llmos: {one_line(sentence)}")

    def bad_line(self, name: str, bad: BadLine) -> None:
        self._bad_lines += 1
        if self._bad_lines <= MOST_BAD_LINES:
            self.notice(f"{name} line {bad.line}: {bad.problem}; the line was left out")
        elif self._bad_lines == MOST_BAD_LINES + 1:
            self.notice(f"{name}: further bad lines are counted and not told")

    def error(self, sentence: str, status: ExitStatus) -> None:
        self.notice(sentence)
        if self._form is not OutputFormat.TEXT:
            self._write(json_line({"error": sentence, "exit_code": int(status)}))

    # -------------------------------------------------------------------------------------------------- progress

    def begin(self, summary: Summary, todo: int) -> None:
        self._summary, self._todo, self._started = summary, todo, time.monotonic()
        if summary.before and not self._quiet:
            self.notice(f"{summary.before:,} of {summary.goals:,} goals were dealt with before; {todo:,} to do")
        for statuses, what, flag in _AGAIN:
            count = sum(summary.statuses[status] for status in statuses)
            if count and not self._quiet:
                self.notice(f"{count:,} of them {what}; {flag} runs {'it' if count == 1 else 'those'} again")
        self._draw()

    def started(self, worker: int, goal: BatchGoal) -> None:
        self._busy[worker] = (f"{goal.id}: {one_line(goal.goal)}", time.monotonic())
        self._draw()

    def ended(self, worker: int, goal: BatchGoal, done: GoalDone, summary: Summary) -> None:
        self._busy.pop(worker, None)
        reason = f": {one_line(done.reason)}" if done.reason else ""
        mode = f" {done.mode}" if done.mode else ""
        line = f"{done.status}{mode} · line {goal.line} · {one_line(goal.id)}: {one_line(goal.goal, 120)}{reason}"
        if done.status == "planned" and self._form is OutputFormat.TEXT:
            self._write(f"{done.confidence:.2f} {line}")
        elif done.status not in _FINE:
            self._say(line, style="yellow" if done.status == "interrupted" else "red")
        elif not self._draws and not self._quiet:
            cost = f" · {money(done.cost_usd)}" if done.cost_usd else ""
            self._say(f"[{summary.ran}/{self._todo}] {line} · {done.elapsed_s:.2f} s{cost}")
        self._draw()

    def row(self, row: Mapping[str, Any]) -> None:
        if self._form is OutputFormat.STREAM_JSON:
            self._write(json_line({"event": "goal_ended", **row}))

    def end(self, summary: Summary, *, interrupted: bool) -> None:
        self.close()
        if self._form is not OutputFormat.TEXT:
            record = summary.record(interrupted=interrupted)
            self._write(
                json_line({"event": "batch_ended", **record} if self._form is OutputFormat.STREAM_JSON else record)
            )
        elif not self._quiet:
            for line in summary.lines():
                self._write(line)
        if interrupted:
            self.notice(f"stopped; {_counted(summary.left, 'goal')} not begun; the same command goes on")
        elif summary.results is None:
            self.notice("dry run: nothing was run and nothing was kept")

    def close(self) -> None:
        """Take the bar away, for good."""
        with suppress(OSError):
            self._area.erase()
        self._draws = False

    # -------------------------------------------------------------------------------------------------- drawing

    def _draw(self) -> None:
        if self._draws:
            try:
                self._area.soon()
            except OSError:
                self._draws = False

    def _lines(self) -> list[Text]:
        summary = self._summary
        if summary is None or not self._draws:
            return []
        now, total = time.monotonic(), max(1, self._todo)
        full = round(_BAR * summary.ran / total)
        bar = Text("━" * full, "green").append("━" * (_BAR - full), "dim")
        failed = sum(count for status, count in summary.statuses.items() if status not in _FINE)
        facts = [f"{summary.ran:,}/{self._todo:,}", money(summary.cost_usd)]
        facts += [f"{count:,} {mode}" for mode, count in sorted(summary.modes.items())]
        facts += [f"{failed:,} failed"] if failed else []
        spent = now - self._started
        if summary.ran and spent > 1:
            facts.append(f"{_duration((total - summary.ran) * spent / summary.ran)} left")
        found = [bar.append(f" {' · '.join(facts)}", "default")]
        busy = sorted(self._busy.items())
        found += [Text(f"  {now - since:5.1f} s  {said}", "dim") for _, (said, since) in busy[:_MOST_BUSY]]
        return found + ([Text(f"  and {len(busy) - _MOST_BUSY} more", "dim")] if len(busy) > _MOST_BUSY else [])

    def _say(self, line: str, style: str = "") -> None:
        try:
            with self._area.above(self._console):
                self._console.print(Text(line, style), soft_wrap=True)
        except OSError:
            self._draws = False

    def _write(self, line: str) -> None:
        try:
            with self._area.above(self._console):
                self._stdout.write(line + "\n")
                self._stdout.flush()
        except BrokenPipeError:
            self._form, self._quiet = OutputFormat.TEXT, True


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
