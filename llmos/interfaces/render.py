"""The screen: one reader of a turn's events.

Invariant: it decides nothing and changes nothing; it prints what the events say and nothing else. In a terminal it
draws a panel for the decision and lines for the rest; elsewhere it prints plain lines that are never wrapped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from llmos.core.events import (
    Event,
    MemoryTicked,
    MessageAdded,
    Mode,
    ModelCallFailed,
    ModelCallFinished,
    ModelCallStarted,
    Notice,
    Outcome,
    PermissionDecided,
    PlanMade,
    RetryCountdown,
    StepChecked,
    StepWaiting,
    TextStreamed,
    ToolFinished,
    ToolStarted,
    TraceKept,
    TurnEnded,
    TurnStarted,
    Verdict,
)
from llmos.core.messages import ToolResult
from llmos.interfaces.call_view import EFFECT_WORDS, call_details, call_subject, changes_words, money
from llmos.interfaces.plan_view import detail_lines, explain_lines, plan_line, plan_rows
from llmos.interfaces.printable import printable

OUTCOME_WORDS = {
    Outcome.OK: "done and checked",
    Outcome.UNVERIFIED: "not checked",
    Outcome.FAILED: "failed",
    Outcome.DIVERGED: "the replay stopped",
    Outcome.DENIED: "not allowed",
    Outcome.INTERRUPTED: "stopped",
    Outcome.OVER_BUDGET: "over the budget",
}
_OUTCOME_STYLE = {Outcome.OK: "green", Outcome.UNVERIFIED: "yellow", Outcome.INTERRUPTED: "yellow"}
_MODE_STYLE = {Mode.FOLLOWER: "green", Mode.MIXED: "yellow", Mode.LEARNER: "cyan"}
_STATUS_WORDS = {
    "verified": "the same goal will be replayed",
    "guidance": "shown to a model as guidance, never replayed",
    "draft": "kept to be read, never replayed",
}
SMALL_MODEL_WORDS = "(a small model: it errs, so only what its tools did counts)"
FAILED_LINES = 5
"""How much of a failed call's output is shown."""
VERBOSE_LINES = 40
_HANG = 2


class _Waiting:
    """A spinner with what is waited for and since how many seconds."""

    def __init__(self, label: str, monotonic: Callable[[], float]) -> None:
        self.label = label
        self._monotonic = monotonic
        self._since = monotonic()
        self._spinner = Spinner("dots", style="cyan")

    def __rich__(self) -> RenderableType:
        seconds = int(self._monotonic() - self._since)
        self._spinner.update(text=Text(f"{self.label} · {seconds} s", style="dim", overflow="ellipsis", no_wrap=True))
        return self._spinner


class Renderer:
    """Prints events to `console` as they come.

    `answers` is where answers are written, streamed as they arrive; None leaves them to the caller. `verbose` adds
    every model call, every permission, the output of every tool and a panel for the decision; `explain` adds all that
    the decision looked at.
    """

    def __init__(
        self,
        console: Console,
        *,
        answers: Console | None = None,
        verbose: bool = False,
        explain: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._answers = answers
        self._verbose = verbose
        self._explain = explain
        self._monotonic = monotonic
        self._boxes = console.is_terminal and not console.is_dumb_terminal
        self._live: Live | None = None
        self._waiting: _Waiting | None = None
        self._reset()

    def _reset(self) -> None:
        self._answered_by: set[tuple[str, str]] = set()
        self._accounted: set[str] = set()
        self._told: set[str] = set()
        self._calls: dict[str, Mapping[str, Any]] = {}
        self._kept: TraceKept | None = None
        self._streamed = ""
        self._open: Console | None = None

    def __call__(self, event: Event) -> None:
        handler = getattr(self, f"_on_{type(event).__name__}", None)
        if handler is not None:
            handler(event)

    def close(self) -> None:
        """Leave the terminal as a person expects it, whatever happened."""
        self._settle()

    def say(self, text: str) -> None:
        """Print lines that are no event, such as a question; each keeps its indent when it wraps."""
        for line in text.split("\n"):
            words = line.lstrip(" ")
            self._line(words, "", indent=len(line) - len(words))

    # ------------------------------------------------------------------------------------------------- deciding

    def _on_TurnStarted(self, event: TurnStarted) -> None:
        self._settle()
        self._reset()

    def _on_PlanMade(self, event: PlanMade) -> None:
        style = _MODE_STYLE[event.mode]
        if self._verbose:
            self._panel(f"{event.mode.words} · {event.mode.value}", plan_rows(event), style)
        else:
            self._line(plan_line(event), f"bold {style}")
            for line in detail_lines(event):
                self._line(line, "dim", indent=2)
        if self._explain:
            for line in explain_lines(event):
                words = line.lstrip(" ")
                self._line(words, "", indent=len(line) - len(words))

    # --------------------------------------------------------------------------------------------------- models

    def _on_ModelCallStarted(self, event: ModelCallStarted) -> None:
        who = (event.model, event.payer)
        if who not in self._answered_by:
            self._answered_by.add(who)
            small = f" {SMALL_MODEL_WORDS}" if event.small else ""
            self._line(f"model: {event.model}{small} · paid by {event.payer}", "dim")
        if self._verbose:
            self._line(f"model call {event.call}: up to {money(event.reserved_usd)} reserved", "dim")
        self._wait(f"waiting for {event.model}")

    def _on_TextStreamed(self, event: TextStreamed) -> None:
        if event.thinking:
            if self._console.is_interactive:
                self._stream(self._console, event.text, "dim italic")
            return
        self._streamed += event.text
        if self._answers is not None:
            self._stream(self._answers, event.text, "")

    def _on_ModelCallFinished(self, event: ModelCallFinished) -> None:
        self._settle()
        if self._verbose:
            usage = event.usage
            cached = f" ({usage.cache_read_tokens:,} more from cache)" if usage.cache_read_tokens else ""
            about = "about " if event.estimated else ""
            self._line(
                f"model call {event.call}: {event.stop_reason.value} · {usage.input_tokens:,} tokens in{cached}, "
                f"{usage.output_tokens:,} out · {about}{money(event.cost_usd)}",
                "dim",
            )

    def _on_ModelCallFailed(self, event: ModelCallFailed) -> None:
        self._settle()
        self._streamed = ""
        again = f"; trying again in {event.retry_in_s:.0f} s" if event.retry_in_s is not None else ""
        self._line(f"model call {event.call} failed: {event.reason}{again}", "yellow")

    def _on_RetryCountdown(self, event: RetryCountdown) -> None:
        if self._waiting is None:
            self._wait("")
        if self._waiting is not None:
            self._waiting.label = printable(f"trying again in {event.remaining_s} s: {event.reason}")

    def _on_MessageAdded(self, event: MessageAdded) -> None:
        message = event.message
        if message.role == "assistant" and message.tool_calls:
            for call in message.tool_calls:
                self._calls[call.id] = call.args
            if message.text and self._answers is None:
                self._line(message.text, "dim")
        for part in message.parts:
            if isinstance(part, ToolResult) and part.is_error and part.call_id not in self._accounted:
                self._line(f"a call was not run: {part.content}", "yellow")

    # ---------------------------------------------------------------------------------------------------- tools

    def _on_PermissionDecided(self, event: PermissionDecided) -> None:
        if event.verdict is Verdict.DENY:
            self._accounted.add(event.call_id)
            args = self._calls.get(event.call_id)
            call = f": {call_subject(event.tool, args)}" if args else ""
            who = " by you" if event.by == "person" else ""
            self._line(f"{self._mark('✗', 'x')} {event.tool} not allowed{who}{call}", "red")
            if event.reason not in self._told:
                self._line(event.reason, "dim", indent=2)
            self._told.add(event.reason)
        elif self._verbose:
            self._line(f"{event.tool} allowed: {event.reason} (decided by: {event.by})", "dim")

    def _on_ToolStarted(self, event: ToolStarted) -> None:
        self._accounted.add(event.call_id)
        self._streamed = ""
        label = "replayed" if event.replayed else "live"
        head = f"{self._mark('▶', '>')} {event.tool} ({EFFECT_WORDS[event.effect]}, {label})"
        self._line(f"{head}: {call_subject(event.tool, event.args)}", "bold")
        for line in call_details(event.tool, event.args):
            self._line(line, "dim", indent=4)
        self._wait(f"running {event.tool}")

    def _on_ToolFinished(self, event: ToolFinished) -> None:
        state = "ok" if event.ok else "failed"
        exit_code = "" if event.exit_code is None else f" · exit {event.exit_code}"
        cut = f" · output cut, {event.total_bytes:,} bytes in all" if event.truncated else ""
        self._line(f"{state}{exit_code} · {event.elapsed_s:.2f} s{cut}", "green" if event.ok else "red", indent=2)
        for line in changes_words(event.changes):
            self._line(line, "", indent=2)
        if event.backup:
            self._line(f"copies of what it changed: {event.backup}", "dim", indent=2)
        limit = VERBOSE_LINES if self._verbose else (0 if event.ok else FAILED_LINES)
        self._excerpt(event.output, limit)

    def _on_StepWaiting(self, event: StepWaiting) -> None:
        about = f"step {event.step + 1} waits up to {event.limit_s:.0f} s for {event.path}, as it had to before"
        self._line(about, "dim", indent=2)
        self._wait(f"waiting for {event.path}")

    def _on_StepChecked(self, event: StepChecked) -> None:
        if not event.ok:
            self._line(f"step {event.step + 1} is not as saved: {event.reason}", "yellow", indent=2)

    # ------------------------------------------------------------------------------------------------- the rest

    def _on_TraceKept(self, event: TraceKept) -> None:
        self._kept = event

    def _on_Notice(self, event: Notice) -> None:
        self._line(f"note: {event.text}", "yellow")

    def _on_MemoryTicked(self, event: MemoryTicked) -> None:
        if event.tier == "recall" and not self._verbose:
            return
        cost = f" · {money(event.cost_usd)}" if event.model_calls else ""
        if not event.done:
            self._line(f"memory: {event.tier} stays due at message {event.message}: {event.reason}{cost}", "yellow")
            return
        count = len(event.changes)
        changes = {0: "nothing to change", 1: "1 change"}.get(count, f"{count} changes")
        what = "recorded" if event.tier == "recall" else changes
        self._line(f"memory: {event.tier} at message {event.message}: {what}{cost}", "dim")
        for change in event.changes:
            self._line(change, "dim", indent=2)

    def _on_TurnEnded(self, event: TurnEnded) -> None:
        self._settle()
        self._answer(event.answer)
        style = _OUTCOME_STYLE.get(event.outcome, "red")
        words = OUTCOME_WORDS[event.outcome]
        name = event.outcome.value
        head = words if words == name else f"{words} ({name})"
        calls = {0: "no model call", 1: "1 model call"}.get(event.model_calls, f"{event.model_calls} model calls")
        saved = f" · saved {money(event.saved_usd)}" if event.mode is Mode.FOLLOWER else ""
        numbers = f"cost {money(event.cost_usd)}{saved} · {calls} · {event.elapsed_s:.1f} s"
        if event.reason:
            self._line(head if event.reason in self._told else f"{head}: {event.reason}", style)
            self._line(numbers, "dim")
        else:
            self._line(f"{head} · {numbers}", style)
        if self._kept is not None:
            why = _STATUS_WORDS.get(self._kept.status, self._kept.status)
            reason = f": {self._kept.reason}" if self._kept.reason else ""
            self._line(f"memory: kept as {self._kept.trace_id} ({why}{reason})", "dim")

    # ------------------------------------------------------------------------------------------------- printing

    def _answer(self, answer: str) -> None:
        if self._answers is None or not answer or answer.strip() == self._streamed.strip():
            return
        self._answers.print(Text(printable(answer.rstrip("\n"))), soft_wrap=True, highlight=False)

    def _excerpt(self, output: str, limit: int) -> None:
        """The last `limit` lines of an output: that is where a failing program says why."""
        lines = output.rstrip("\n").split("\n") if limit and output.strip() else []
        if len(lines) > limit:
            self._line(f"… {len(lines) - limit} lines before", "dim", indent=4)
        for line in lines[-limit:]:
            self._line(line, "dim", indent=4)

    def _mark(self, mark: str, ascii_mark: str) -> str:
        return ascii_mark if self._console.options.ascii_only else mark

    def _line(self, text: str, style: str, *, indent: int = 0) -> None:
        """One line: wrapped with a hanging indent in a terminal, never wrapped elsewhere."""
        self._settle()
        shown = Text(printable(text), style=style)
        if self._boxes:
            width = max(8, self._console.width - indent - _HANG)
            lines = [piece for line in shown.split("\n") for piece in _hanging(line, width, self._console)]
        else:
            lines = list(shown.split("\n"))
        margin = Text(" " * indent)
        self._console.print(Text("\n").join(margin + line for line in lines), soft_wrap=True, highlight=False)

    def _panel(self, title: str, rows: Sequence[tuple[str, str]], style: str) -> None:
        self._settle()
        if not self._boxes:
            self._line(title, "")
            for label, value in rows:
                self._line(f"{label}: {value}" if label else value, "", indent=2)
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, style="dim")
        grid.add_column(overflow="fold")
        for label, value in rows:
            grid.add_row(Text(label), Text(printable(value)))
        self._console.print(
            Panel(grid, title=Text(title, style=f"bold {style}"), title_align="left", border_style=style)
        )

    def _stream(self, console: Console, text: str, style: str) -> None:
        if self._live is not None or (self._open is not None and self._open is not console):
            self._settle()
        console.print(Text(printable(text), style=style), end="", soft_wrap=True, highlight=False)
        self._open = None if text.endswith("\n") else console

    def _wait(self, label: str) -> None:
        """Show what is waited for, where the terminal can take it back again."""
        self._settle()
        if not self._console.is_interactive or not self._boxes:
            return
        self._waiting = _Waiting(printable(label), self._monotonic)
        self._live = Live(
            self._waiting,
            console=self._console,
            transient=True,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _settle(self) -> None:
        """Take the spinner away and end a line that streaming left open."""
        if self._live is not None:
            self._live.stop()
            self._live = self._waiting = None
        if self._open is not None:
            self._open.print()
            self._open = None


def _hanging(line: Text, width: int, console: Console) -> list[Text]:
    """The line in pieces of at most `width` columns, all but the first further in."""
    pieces = line.wrap(console, width, overflow="fold")
    for piece in pieces:
        piece.rstrip()
    return [pieces[0], *(Text(" " * _HANG) + piece for piece in pieces[1:])]
