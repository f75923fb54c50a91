"""The screen: one reader of a turn's events.

Invariant: it decides nothing and changes nothing; it prints what the events say and nothing else. In a terminal it
draws a panel for the decision and lines for the rest; elsewhere it prints plain lines that are never wrapped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from llmos.core.conversation import TYPED, TYPED_ALONE
from llmos.core.events import (
    Event,
    MessageAdded,
    Mode,
    ModelCallFailed,
    ModelCallFinished,
    ModelCallStarted,
    Nested,
    Notice,
    Outcome,
    PermissionDecided,
    PlanMade,
    RetryCountdown,
    StepChecked,
    StepWaiting,
    SubGoalEnded,
    TextStreamed,
    ToolFinished,
    ToolStarted,
    TraceKept,
    TurnEnded,
    TurnStarted,
    Verdict,
)
from llmos.core.messages import ToolResult
from llmos.core.session_events import MemoryTicked
from llmos.core.tool import Effect
from llmos.interfaces.call_view import call_details, call_subject, changes_words, model_words, money
from llmos.interfaces.memory_view import tick_words
from llmos.interfaces.plan_view import detail_lines, explain_lines, plan_line, plan_rows
from llmos.interfaces.screen import Screen
from llmos.interfaces.sub_goal_tree import MARKS, SubGoalTree, ended_line

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
_MODE_STYLE = {Mode.FOLLOWER: "green", Mode.MIXED: "yellow", Mode.LEARNER: "cyan", Mode.ORCHESTRATOR: "magenta"}
_KEPT_WORDS = {
    "verified": "learned: {id}; next time it is replayed at $0.00",
    "guidance": "noted: {id}; it may guide a model, and is never replayed: {why}",
    "draft": "kept to look at: {id}; it is never replayed",
}
_PLAN_KEPT_WORDS = "learned: {id}; next time the same plan is run, with a model for {those}"
_NEEDS_YES_WORDS = "learned: {id}; it is replayed only after your yes: {why}"
SHOWN_LINES = 3
"""How much of a call's output is shown: its first lines, or its last ones where it failed."""
FAILED_LINES = 5
VERBOSE_LINES = 40
_DIFF_STYLE = {"- ": "red", "+ ": "green"}


class Renderer:
    """Prints events to `console` as they come.

    `answers` is where answers are written, streamed as they arrive; None leaves them to the caller. `verbose` adds
    every model call, every permission, the output of every tool and a panel for the decision; `explain` adds all that
    the decision looked at. `more` is what shows the decision whole, `stop` what stops a turn, both in words; `foot`
    gives the lines that stay below while a turn works. `command` is what stands before a command's name where it is
    typed, empty where there is none to type.
    """

    def __init__(
        self,
        console: Console,
        *,
        answers: Console | None = None,
        verbose: bool = False,
        explain: bool = False,
        more: str = "--explain",
        stop: str = "Ctrl+C stops",
        command: str = "llmos ",
        foot: Callable[[int], Sequence[str]] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answers = answers
        self.verbose = verbose
        self._explain = explain
        self._more = more
        self._command = command
        self._screen = Screen(console, stop=stop, foot=foot, monotonic=monotonic)
        self._tree = SubGoalTree(monotonic)
        self._screen.branches = self._tree.lines
        self._answered_by: set[tuple[str, str]] = set()
        """Models that were named, each with who pays."""
        self._held: list[Event] = []
        """What sub-goals told while a question was open."""
        self._reset()

    def _reset(self) -> None:
        self._changed_files = self._said_elsewhere = False
        self._accounted: set[str] = set()
        self._told: set[str] = set()
        self._calls: dict[str, Mapping[str, Any]] = {}
        self._kept: TraceKept | None = None
        self._saved: set[str] = set()
        """The sub-goals whose runs were kept as ones to be replayed."""
        self._not_saved: list[str] = []
        """The sub-goals that a model will work on again."""
        self._ticks: list[str] = []
        self._streamed = ""
        self._tree.clear()

    def __call__(self, event: Event) -> None:
        handler = getattr(self, f"_on_{type(event).__name__}", None)
        if handler is not None:
            handler(event)

    def answered(self) -> None:
        """A question is closed: show what sub-goals told meanwhile."""
        self._screen.paused = False
        held, self._held = self._held, []
        for event in held:
            self(event)
        self._screen.refresh()

    def close(self) -> None:
        """Leave the terminal as a person expects it, whatever happened."""
        self._screen.close()

    def refresh(self) -> None:
        """Draw what stays below anew: something on it changed."""
        self._screen.refresh()

    def say(self, text: str, *, pause: bool = True) -> None:
        """Print lines that are no event; with `pause`, as for a question, nothing is drawn below until the next."""
        self._screen.say(text, pause=pause)

    def panel(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Labels and values in a box, where boxes are drawn."""
        self._screen.panel(title, rows, "cyan")

    # ------------------------------------------------------------------------------------------------- deciding

    def _on_TurnStarted(self, event: TurnStarted) -> None:
        self._reset()
        self._screen.begin()

    def _on_PlanMade(self, event: PlanMade) -> None:
        style = _MODE_STYLE[event.mode]
        self._tree.plan(event)
        if self.verbose:
            self._screen.panel(f"{event.mode.words} · {event.mode.value}", plan_rows(event), style)
        else:
            self._screen.line(plan_line(event), f"bold {style}")
            for line in detail_lines(event, self._more):
                self._screen.line(line, "dim", indent=2)
        if self._explain:
            for line in explain_lines(event):
                words = line.lstrip(" ")
                self._screen.line(words, "", indent=len(line) - len(words))

    # --------------------------------------------------------------------------------------------------- models

    def _on_ModelCallStarted(self, event: ModelCallStarted) -> None:
        self._say_who_answers(event)
        if self.verbose:
            self._screen.line(f"model call {event.call}: up to {money(event.reserved_usd)} reserved", "dim")
        self._screen.wait(f"waiting for {event.model}")

    def _say_who_answers(self, event: ModelCallStarted) -> None:
        who = (event.model, event.payer)
        if who not in self._answered_by:
            self._answered_by.add(who)
            self._screen.line(f"model: {model_words(event.model, event.payer, small=event.small)}", "dim")

    def _on_TextStreamed(self, event: TextStreamed) -> None:
        if event.thinking:
            if self._screen.console.is_interactive:
                self._screen.stream(self._screen.console, event.text, "dim italic")
            return
        self._streamed += event.text
        if self._answers is not None:
            self._screen.stream(self._answers, event.text, "")

    def _on_ModelCallFinished(self, event: ModelCallFinished) -> None:
        self._screen.idle()
        if self.verbose:
            usage = event.usage
            cached = f" ({usage.cache_read_tokens:,} more from cache)" if usage.cache_read_tokens else ""
            about = "about " if event.estimated else ""
            self._screen.line(
                f"model call {event.call}: {event.stop_reason.value} · {usage.input_tokens:,} tokens in{cached}, "
                f"{usage.output_tokens:,} out · {about}{money(event.cost_usd)}",
                "dim",
            )

    def _on_ModelCallFailed(self, event: ModelCallFailed) -> None:
        self._screen.settle()
        self._streamed = ""
        if event.retry_in_s is None:
            return  # the end of the turn says it
        self._screen.line(f"{event.reason.rstrip('.')}; trying again in {event.retry_in_s:.0f} s", "yellow")

    def _on_RetryCountdown(self, event: RetryCountdown) -> None:
        self._screen.relabel(f"trying again in {event.remaining_s} s: {event.reason}")

    def _on_MessageAdded(self, event: MessageAdded) -> None:
        message = event.message
        if message.role == "assistant" and message.tool_calls:
            for call in message.tool_calls:
                self._calls[call.id] = call.args
            if message.text and self._answers is None:
                self._screen.line(message.text, "dim")
        for part in message.parts:
            if isinstance(part, ToolResult) and part.is_error and part.call_id not in self._accounted:
                self._screen.line(f"a call was not run: {part.content}", "yellow")

    # ---------------------------------------------------------------------------------------------------- tools

    def _on_PermissionDecided(self, event: PermissionDecided) -> None:
        if event.verdict is Verdict.DENY:
            self._accounted.add(event.call_id)
            args = self._calls.get(event.call_id)
            call = f": {call_subject(event.tool, args)}" if args else ""
            who = " by you" if event.by == "person" else ""
            self._screen.line(f"{self._screen.mark('✗', 'x')} {event.tool} not allowed{who}{call}", "red")
            if event.reason not in self._told:
                self._screen.line(event.reason, "dim", indent=2)
            self._told.add(event.reason)
        elif self.verbose:
            self._screen.line(f"{event.tool} allowed: {event.reason} (decided by: {event.by})", "dim")

    def _on_ToolStarted(self, event: ToolStarted) -> None:
        self._accounted.add(event.call_id)
        self._said_elsewhere = event.replayed or event.effect is Effect.WRITE
        self._streamed = ""
        self._screen.line(self._call_head(event), "bold")
        for line in call_details(event.tool, event.args):
            self._screen.line(line, _DIFF_STYLE.get(line[:2], "dim") if event.tool == "edit_file" else "dim", indent=4)
        self._screen.wait(f"running {event.tool}")

    def _call_head(self, event: ToolStarted) -> str:
        replayed = " (replayed)" if event.replayed else ""
        return f"{self._screen.mark('▶', '>')} {event.tool}{replayed}: {call_subject(event.tool, event.args)}"

    def _on_ToolFinished(self, event: ToolFinished) -> None:
        self._screen.idle()
        state = "ok" if event.ok else "failed"
        exit_code = "" if event.exit_code is None else f" · exit {event.exit_code}"
        cut = f" · output cut, {event.total_bytes:,} bytes in all" if event.truncated else ""
        self._screen.line(
            f"{state}{exit_code} · {event.elapsed_s:.2f} s{cut}", "green" if event.ok else "red", indent=2
        )
        for line in changes_words(event.changes):
            self._screen.line(line, "", indent=2)
        if event.backup and self.verbose:
            self._screen.line(f"copies of what it changed: {event.backup}", "dim", indent=2)
        self._changed_files |= bool(event.changes.created or event.changes.changed or event.changes.deleted)
        if self.verbose or not event.ok:
            self._screen.excerpt(event.output, VERBOSE_LINES if self.verbose else FAILED_LINES)
        elif not (self._said_elsewhere or event.call_id.startswith((TYPED, TYPED_ALONE))):
            # The answer of a replay is made of its outputs, a write has named its file, and whoever typed a command is
            # shown all of its output.
            self._screen.beginning(event.stdout, SHOWN_LINES)

    def _on_StepWaiting(self, event: StepWaiting) -> None:
        about = f"step {event.step + 1} waits up to {event.limit_s:.0f} s for {event.path}, as it had to before"
        self._screen.line(about, "dim", indent=2)
        self._screen.wait(f"waiting for {event.path}")

    def _on_StepChecked(self, event: StepChecked) -> None:
        if not event.ok:
            self._screen.line(f"step {event.step + 1} is not as saved: {event.reason}", "yellow", indent=2)

    # ------------------------------------------------------------------------------------------------ sub-goals

    def _on_Nested(self, event: Nested) -> None:
        if self._screen.paused:
            self._held.append(event)
            return
        self._tree.take(event)
        inner, who = event.event, f"[{event.parent}]"
        match inner:
            case ModelCallStarted():
                self._say_who_answers(inner)
            case PermissionDecided() if inner.verdict is Verdict.DENY:
                self._screen.line(f"{who} {inner.tool} not allowed: {inner.reason}", "red")
            case TraceKept() if inner.status == "verified":
                self._saved.add(event.parent)
            case Notice() if inner.text not in self._told:
                self._told.add(inner.text)
                self._screen.line(f"{who} note: {inner.text}", "yellow")
            case ToolStarted() if self.verbose or not self._screen.console.is_interactive:
                self._screen.line(f"{who} {self._call_head(inner)}", "dim")
        self._screen.refresh()

    def _on_SubGoalEnded(self, event: SubGoalEnded) -> None:
        if self._screen.paused:
            self._held.append(event)
            return
        self._tree.ended(event)
        if event.mode != Mode.FOLLOWER.value and event.id not in self._saved:
            self._not_saved.append(event.id)
        style = {"done": "green", "failed": "red"}.get(event.state, "yellow")
        mark = self._screen.mark(*MARKS.get(event.state, ("?", "?")))
        width = self._screen.console.width - 4 if self._screen.boxes else 0  # its indent, and that of a line that wraps
        self._screen.line(ended_line(event, mark, width), style, indent=2)
        self._screen.refresh()

    # ------------------------------------------------------------------------------------------------- the rest

    def _on_TraceKept(self, event: TraceKept) -> None:
        self._kept = event

    def _on_Notice(self, event: Notice) -> None:
        self._screen.line(f"note: {event.text}", "yellow")

    def _on_MemoryTicked(self, event: MemoryTicked) -> None:
        words = tick_words(event, self._command)
        if event.tier == "recall" and not self.verbose:
            return
        if self._screen.working and event.done and not self.verbose:
            self._ticks.append(words)
            return
        self._screen.line(f"memory: {words}", "dim" if event.done else "yellow")
        for change in event.changes if self.verbose else ():
            self._screen.line(change, "dim", indent=2)

    def _on_TurnEnded(self, event: TurnEnded) -> None:
        self._screen.idle()
        self._tree.clear()
        self._answer(event)
        style = _OUTCOME_STYLE.get(event.outcome, "red")
        head = OUTCOME_WORDS[event.outcome]
        calls = {0: "no model call", 1: "1 model call"}.get(event.model_calls, f"{event.model_calls} model calls")
        saved = f", saved {money(event.saved_usd)}" if event.saved_usd > 0 else ""
        numbers = f"cost {money(event.cost_usd)}{saved} · {calls} · {event.elapsed_s:.1f} s"
        if event.reason and event.outcome is not Outcome.INTERRUPTED and event.reason not in self._told:
            self._screen.line(f"{head}: {event.reason}", style)
            self._screen.line(numbers, "dim", indent=2)
        else:
            self._screen.line(f"{head} · {numbers}", style)
        for line in self._left_behind():
            self._screen.line(line, "dim", indent=2)
        self._screen.close()

    def _left_behind(self) -> list[str]:
        """What the turn left: the run that it kept, the tiers of memory that were updated, files that it changed."""
        lines = []
        if (kept := self._kept) is not None:
            needs_yes = kept.provenance and kept.status == "verified"
            words = _NEEDS_YES_WORDS if needs_yes else _KEPT_WORDS.get(kept.status, f"{{id}}: {kept.status}")
            if self._not_saved and kept.status == "verified" and not needs_yes:
                words = _PLAN_KEPT_WORDS
            why = kept.provenance[0] if needs_yes else kept.reason
            lines.append(words.format(id=kept.trace_id, why=why, those=", ".join(self._not_saved)))
        lines += [f"memory: {words}" for words in self._ticks]
        if self._changed_files and self._command:
            lines.append(f"{self._command}undo takes the changes to files back")
        return lines

    # ------------------------------------------------------------------------------------------------- printing

    def _answer(self, event: TurnEnded) -> None:
        """The answer, where it was not streamed. A replay's is made of outputs, so it is shown as it is."""
        answer, target = event.answer.rstrip("\n"), self._answers
        # Between two pieces of an answer the stream has no white space, and the answer has.
        if target is None or not answer or "".join(answer.split()) == "".join(self._streamed.split()):
            return
        if event.mode is Mode.FOLLOWER or (event.mode is Mode.ORCHESTRATOR and not event.model_calls):
            self._screen.plain(target, answer)
        else:
            self._screen.stream(target, answer, "")
            self._screen.settle()
