"""What a turn looks like: whole screens, compared with recorded ones. `UPDATE_GOLDEN=1` records them again."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from llmos.core.events import (
    Event,
    MessageAdded,
    Mode,
    ModelCallFailed,
    ModelCallFinished,
    ModelCallStarted,
    Notice,
    Outcome,
    PermissionDecided,
    PlanMade,
    PlannedStep,
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
from llmos.core.explain import Considered, GateCheck
from llmos.core.messages import Message, StopReason, Text, ToolCall, ToolResult, Usage, user_text
from llmos.core.tool import Effect, FileChanges
from llmos.interfaces.call_view import call_details, call_subject, money
from llmos.interfaces.printable import one_line, printable
from llmos.interfaces.render import Renderer

GOLDEN = Path(__file__).parent.parent / "golden" / "screens"
SONNET = "claude-sonnet-5-5"


def started(goal: str) -> TurnStarted:
    return TurnStarted(goal=goal, cwd="/home/ada/work", workspace="/home/ada/.llmos", turn=1)


def ended(outcome: Outcome, mode: Mode, **values: object) -> TurnEnded:
    facts: dict[str, object] = {
        "answer": "",
        "reason": "",
        "cost_usd": 0.0,
        "saved_usd": 0.0,
        "model_calls": 0,
        "elapsed_s": 0.4,
    }
    return TurnEnded(outcome=outcome, mode=mode, **(facts | values))  # type: ignore[arg-type]


def finished(call_id: str, tool: str, **values: object) -> ToolFinished:
    facts: dict[str, object] = {
        "ok": True,
        "output": "",
        "stdout": "",
        "exit_code": 0,
        "truncated": False,
        "total_bytes": 0,
        "changes": FileChanges(),
        "backup": None,
        "elapsed_s": 0.02,
    }
    return ToolFinished(call_id=call_id, tool=tool, **(facts | values))  # type: ignore[arg-type]


def planned(command: str, recorded: str = "") -> PlannedStep:
    return PlannedStep(
        tool="shell", args={"command": command}, recorded={"command": recorded or command}, effect=Effect.EXECUTE
    )


def considered(trace_id: str, role: str, gates: tuple[bool, bool]) -> Considered:
    """A trace that was replayed three times, with these two gates."""
    return Considered(
        trace_id,
        "sort names.txt and drop the doubles, then count them",
        role,
        0.9643,
        successes=3,
        last_used="2026-11-20T08:00:00+00:00",
        cost_usd=0.0123,
        gates=(
            GateCheck("goal", gates[0], "names.txt → guests.txt"),
            GateCheck("precondition", gates[1], "as it needs it" if gates[1] else "guests.sorted exists already"),
        ),
    )


def follower() -> list[Event]:
    sort = "sort -u guests.txt > guests.sorted && mv guests.sorted guests.txt"
    return [
        started("sort guests.txt and drop the doubles, then count them"),
        PlanMade(
            mode=Mode.FOLLOWER,
            confidence=0.9643,
            trace_id="sort-guests-txt-and-drop-the-doubles-8d40060b",
            reasons=("claude-sonnet-5-5 did this goal before, and it was checked; replays so far: 3 right, 0 wrong",),
            steps=(planned(sort, sort.replace("guests", "names")), planned("wc -l < guests.txt", "wc -l < names.txt")),
            values=(("names.txt", "guests.txt"),),
            saving_usd=0.0123,
            expected_cost_usd=0.0,
            considered=(
                considered("sort-guests-txt-and-drop-the-doubles-8d40060b", "replay", (True, True)),
                considered("sort-the-guests-77aa88bb", "refused", (True, False)),
            ),
        ),
        PermissionDecided(call_id="r1", tool="shell", verdict=Verdict.ALLOW, by="--yes", reason="granted for this run"),
        ToolStarted(call_id="r1", tool="shell", args={"command": sort}, effect=Effect.EXECUTE, replayed=True),
        finished("r1", "shell", changes=FileChanges(changed=("guests.txt",)), backup="backups/5ad0c2f1/1"),
        StepChecked(step=0, ok=True, reason=""),
        PermissionDecided(call_id="r2", tool="shell", verdict=Verdict.ALLOW, by="--yes", reason="granted for this run"),
        ToolStarted(
            call_id="r2", tool="shell", args={"command": "wc -l < guests.txt"}, effect=Effect.EXECUTE, replayed=True
        ),
        finished("r2", "shell", output="12\n", stdout="12\n", total_bytes=3),
        StepChecked(step=1, ok=True, reason=""),
        ended(Outcome.OK, Mode.FOLLOWER, answer="12", saved_usd=0.0123),
    ]


def learner_with_a_failed_tool() -> list[Event]:
    bad = ToolCall("t1", "shell", {"command": "pyton3 report.py --month 2026-10 --out report.html"})
    good = ToolCall("t2", "shell", {"command": "python3 report.py --month 2026-10 --out report.html"})
    error = "bash: line 1: pyton3: command not found"
    first = Message("assistant", (Text("I run the report script."), bad))
    return [
        started("make the report of October"),
        PlanMade(mode=Mode.LEARNER, confidence=0.0, trace_id=None, reasons=("no saved run is like it",)),
        MessageAdded(message=user_text("make the report of October")),
        ModelCallStarted(call=1, model=SONNET, payer="ANTHROPIC_API_KEY", small=False, reserved_usd=0.17),
        TextStreamed(text="I run the report script."),
        ModelCallFinished(call=1, model=SONNET, stop_reason=StopReason.TOOL_USE, usage=Usage(900, 60), cost_usd=0.0024),
        MessageAdded(message=first),
        PermissionDecided(call_id="t1", tool="shell", verdict=Verdict.ALLOW, by="person", reason="allowed"),
        ToolStarted(call_id="t1", tool="shell", args=bad.args, effect=Effect.EXECUTE, replayed=False),
        finished("t1", "shell", ok=False, exit_code=127, output=error, total_bytes=len(error)),
        MessageAdded(message=Message("user", (ToolResult("t1", error, True),))),
        ModelCallStarted(call=2, model=SONNET, payer="ANTHROPIC_API_KEY", small=False, reserved_usd=0.17),
        ModelCallFinished(
            call=2, model=SONNET, stop_reason=StopReason.TOOL_USE, usage=Usage(80, 50, 900), cost_usd=0.0009
        ),
        MessageAdded(message=Message("assistant", (good,))),
        PermissionDecided(call_id="t2", tool="shell", verdict=Verdict.ALLOW, by="person", reason="allowed"),
        ToolStarted(call_id="t2", tool="shell", args=good.args, effect=Effect.EXECUTE, replayed=False),
        finished("t2", "shell", changes=FileChanges(created=("report.html",)), elapsed_s=1.31),
        MessageAdded(message=Message("user", (ToolResult("t2", "[no output]"),))),
        ModelCallStarted(call=3, model=SONNET, payer="ANTHROPIC_API_KEY", small=False, reserved_usd=0.17),
        TextStreamed(text="Created "),
        TextStreamed(text="report.html."),
        ModelCallFinished(
            call=3, model=SONNET, stop_reason=StopReason.END_TURN, usage=Usage(60, 20, 980), cost_usd=0.0004
        ),
        MessageAdded(message=Message("assistant", (Text("Created report.html."),))),
        TraceKept(
            trace_id="make-the-report-of-october-1a2b3c4d",
            path="/home/ada/.llmos/traces/make-the-report-of-october-1a2b3c4d.yaml",
            status="verified",
            reason="",
        ),
        ended(Outcome.OK, Mode.LEARNER, answer="Created report.html.", cost_usd=0.0037, model_calls=3, elapsed_s=6.2),
    ]


def denied() -> list[Event]:
    call = ToolCall("t1", "shell", {"command": "rm -rf build && rm -rf dist"})
    why = "shell runs a command, and no rule allows it; there is nobody to ask, and --yes was not given"
    return [
        started("delete the build folders"),
        PlanMade(
            mode=Mode.MIXED,
            confidence=0.78,
            trace_id=None,
            reasons=("no saved run of this goal; the nearest in words (0.78): delete the cache folders",),
            guidance=("delete-the-cache-folders-002c7c09",),
            differs=("only this goal says: build", "only the earlier goal said: cache"),
            expected_cost_usd=0.0021,
            considered=(
                Considered(
                    "delete-the-cache-folders-002c7c09", "delete the cache folders", "guidance", None, likeness=0.78
                ),
            ),
        ),
        ModelCallStarted(
            call=1, model="qwen2.5-coder-1.5b", payer="nobody (local model)", small=True, reserved_usd=0.0
        ),
        ModelCallFinished(
            call=1, model="qwen2.5-coder-1.5b", stop_reason=StopReason.TOOL_USE, usage=Usage(700, 30), cost_usd=0.0
        ),
        MessageAdded(message=Message("assistant", (call,))),
        PermissionDecided(call_id="t1", tool="shell", verdict=Verdict.DENY, by="nobody to ask", reason=why),
        MessageAdded(message=Message("user", (ToolResult("t1", f"not allowed: {why}", True),))),
        ended(Outcome.DENIED, Mode.MIXED, reason=why, model_calls=1, elapsed_s=2.9),
    ]


def over_budget() -> list[Event]:
    call = ToolCall("t1", "write_file", {"path": "notes/plan.md", "content": "# Plan\n\nfirst\nsecond\n"})
    why = f"the next call to {SONNET} may cost up to $0.1712, and $0.0310 of the $0.20 for this goal is spent; " + (
        "raise it with --max-cost"
    )
    return [
        started("write a plan"),
        PlanMade(mode=Mode.LEARNER, confidence=0.0, trace_id=None, reasons=("no saved run is like it",)),
        ModelCallStarted(call=1, model=SONNET, payer="ANTHROPIC_API_KEY", small=False, reserved_usd=0.17),
        ModelCallFailed(call=1, kind="rate_limit", reason="the API limits the rate", cost_usd=0.0, retry_in_s=2.0),
        RetryCountdown(remaining_s=2, reason="the API limits the rate"),
        RetryCountdown(remaining_s=1, reason="the API limits the rate"),
        ModelCallStarted(call=2, model=SONNET, payer="ANTHROPIC_API_KEY", small=False, reserved_usd=0.17),
        ModelCallFinished(
            call=2, model=SONNET, stop_reason=StopReason.TOOL_USE, usage=Usage(9000, 900), cost_usd=0.031
        ),
        MessageAdded(message=Message("assistant", (call,))),
        ToolStarted(call_id="t1", tool="write_file", args=call.args, effect=Effect.WRITE, replayed=False),
        finished(
            "t1",
            "write_file",
            exit_code=None,
            truncated=True,
            total_bytes=98765,
            changes=FileChanges(created=("notes/plan.md",)),
        ),
        MessageAdded(message=Message("user", (ToolResult("t1", "wrote 4 lines"),))),
        TraceKept(trace_id="write-a-plan-77aa88bb", path="/t", status="draft", reason="the run ended over_budget"),
        ended(Outcome.OVER_BUDGET, Mode.LEARNER, reason=why, cost_usd=0.031, model_calls=2, elapsed_s=9.0),
    ]


TURNS = {
    "follower": follower,
    "learner": learner_with_a_failed_tool,
    "denied": denied,
    "over_budget": over_budget,
}


def terminal(width: int) -> Console:
    """A terminal without colours and without animation."""
    return Console(
        file=io.StringIO(), width=width, color_system=None, force_terminal=True, force_interactive=False, _environ={}
    )


def pipe() -> Console:
    return Console(file=io.StringIO(), width=80, color_system=None, force_terminal=False, _environ={})


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def render(
    events: Sequence[Event], console: Console, *, answers: bool = True, verbose: bool = False, explain: bool = False
) -> str:
    renderer = Renderer(console, answers=console if answers else None, verbose=verbose, explain=explain)
    for event in events:
        renderer(event)
    renderer.close()
    return shown(console)


def check_golden(name: str, screen: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(screen, "utf-8")
    assert screen == path.read_text("utf-8")


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_in_a_terminal_is_the_recorded_screen(turn: str, width: int) -> None:
    screen = render(TURNS[turn](), terminal(width))
    assert max(len(line) for line in screen.splitlines()) <= width
    check_golden(f"{turn}-{width}", screen)


@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_outside_a_terminal_is_plain_lines_without_the_answer(turn: str) -> None:
    screen = render(TURNS[turn](), pipe(), answers=False)
    assert not set("╭╮╰╯│─\x1b") & set(screen)
    check_golden(f"{turn}-plain", screen)


def test_verbose_adds_model_calls_permissions_and_outputs() -> None:
    check_golden("follower-verbose-80", render(follower(), terminal(80), verbose=True))
    check_golden("learner-verbose-80", render(learner_with_a_failed_tool(), terminal(80), verbose=True))


def test_explain_shows_everything_that_was_looked_at() -> None:
    for name, events in (("follower", follower()), ("denied", denied())):
        for width in (40, 80, 120):
            check_golden(f"{name}-explain-{width}", render(events[:2], terminal(width), verbose=True, explain=True))


def test_an_answer_that_was_streamed_is_shown_once() -> None:
    assert render(learner_with_a_failed_tool(), terminal(80)).count("Created report.html.") == 1


def test_an_answer_whose_stream_broke_is_shown_whole() -> None:
    events: list[Event] = [
        started("g"),
        TextStreamed(text="Hal"),
        ModelCallFailed(call=1, kind="incomplete_stream", reason="the stream broke", cost_usd=0.0, retry_in_s=1.0),
        TextStreamed(text="Half"),
        TextStreamed(text=" of it"),
        ended(Outcome.OK, Mode.LEARNER, answer="Half of it", model_calls=2),
    ]
    assert render(events, terminal(80)) == (
        "Hal\n"
        "the stream broke; trying again in 1 s\n"
        "Half of it\n"
        "done and checked · cost $0.00 · 2 model calls · 0.4 s\n"
    )


def test_a_call_that_never_ran_is_told() -> None:
    events: list[Event] = [
        started("g"),
        MessageAdded(message=Message("user", (ToolResult("t9", "there is no tool 'fly'; there are shell", True),))),
    ]
    assert render(events, pipe()) == "a call was not run: there is no tool 'fly'; there are shell\n"


def test_a_step_that_is_not_as_saved_is_told_with_its_number() -> None:
    events: list[Event] = [started("g"), StepChecked(step=1, ok=False, reason="expected exit code 0, got exit code 1")]
    assert render(events, pipe()) == "  step 2 is not as saved: expected exit code 0, got exit code 1\n"


def test_a_wait_is_told_with_its_end() -> None:
    events: list[Event] = [started("g"), StepWaiting(step=1, path="result.txt", limit_s=12.3)]
    assert render(events, pipe()) == "  step 2 waits up to 12 s for result.txt, as it had to before\n"


def test_only_the_end_of_a_failed_output_is_shown() -> None:
    output = "\n".join(f"line {n}" for n in range(1, 9))
    events: list[Event] = [started("g"), finished("t1", "shell", ok=False, exit_code=1, output=output)]
    assert render(events, pipe()) == (
        "  failed · exit 1 · 0.02 s\n    … 3 lines before\n    line 4\n    line 5\n    line 6\n    line 7\n    line 8\n"
    )


def test_the_values_of_a_replay_are_shown_before_it_runs() -> None:
    plan = PlanMade(
        mode=Mode.FOLLOWER,
        confidence=0.95,
        trace_id="create-a-python-file-called-utils-py-1a2b3c4d",
        reasons=("why",),
        values=(("utils.py", "helpers.py"), ("a", "b")),
        steps=(planned("touch helpers.py", "touch utils.py"),),
        saving_usd=0.02,
    )
    assert render([plan], pipe()) == (
        "replaying a saved run · FOLLOWER, 95 % sure · 1 step, runs a command · $0.00, saves $0.0200\n"
        "  saved run: create-a-python-file-called-utils-py-1a2b3c4d\n"
        "  with: utils.py → helpers.py, a → b\n"
    )
    assert render([plan], pipe(), verbose=True).splitlines()[4:6] == ["  with: utils.py → helpers.py", "  a → b"]


def test_nothing_from_outside_reaches_the_terminal_as_a_code_or_as_markup() -> None:
    evil = "\x1b[2J\x1b]0;title\x07[red]markup[/red] :smile: \u202etxt.exe\r\x9b31m"
    events: list[Event] = [
        started(evil),
        PlanMade(
            mode=Mode.FOLLOWER,
            confidence=1,
            trace_id=evil,
            reasons=(evil,),
            guidance=(evil,),
            differs=(evil,),
            considered=(Considered(evil, evil, evil, 0.5, gates=(GateCheck(evil, False, evil),)),),
            steps=(PlannedStep(tool=evil, args={evil: evil}, recorded={"command": evil}, effect=Effect.READ),),
            values=((evil, evil),),
        ),
        StepWaiting(step=0, path=evil, limit_s=1.0),
        ModelCallStarted(call=1, model=evil, payer=evil, small=True, reserved_usd=0.0),
        TextStreamed(text=evil, thinking=True),
        TextStreamed(text=evil),
        ModelCallFailed(call=1, kind=evil, reason=evil, cost_usd=0.0, retry_in_s=None),
        PermissionDecided(call_id="a", tool=evil, verdict=Verdict.DENY, by=evil, reason=evil),
        ToolStarted(call_id="t", tool=evil, args={"command": evil, "x": evil}, effect=Effect.READ, replayed=False),
        finished("t", evil, ok=False, output=evil, changes=FileChanges(created=(evil,)), backup=evil),
        MessageAdded(message=Message("user", (ToolResult("z", evil, True),))),
        Notice(text=evil),
        TraceKept(trace_id=evil, path=evil, status=evil, reason=evil),
        ended(Outcome.FAILED, Mode.LEARNER, answer=evil, reason=evil),
    ]
    for console in (terminal(80), pipe()):
        screen = render(events, console, verbose=True, explain=True)
        assert {char for char in screen if not char.isprintable()} == {"\n"}
        assert "[red]markup[/red] :smile:" in screen


@given(st.text(alphabet=st.characters(blacklist_categories=())))
def test_printable_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    import unicodedata

    shown_text = printable(text)
    kept = {"\n", "\t", "\u200c", "\u200d"}
    assert all(char in kept or char.isprintable() or unicodedata.category(char) == "Zs" for char in shown_text)
    assert "\n" not in one_line(text)


@given(st.text(alphabet=st.characters(whitelist_categories=("L", "N", "P", "S", "Zs"))))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("usd", "words"),
    [(0.0, "$0.00"), (0.00001, "under $0.0001"), (0.0123, "$0.0123"), (0.5, "$0.5000"), (12.345, "$12.35")],
)
def test_money_that_was_spent_never_looks_like_nothing(usd: float, words: str) -> None:
    assert money(usd) == words


def test_a_call_is_shown_by_its_subject_and_its_long_arguments_in_part() -> None:
    args = {"path": "a.py", "old": "x = 1", "new": "x = 2\ny = 3", "all": False}
    assert (call_subject("edit_file", args), call_details("edit_file", args)) == (
        "a.py (all=False)",
        ["- x = 1", "+ x = 2", "+ y = 3"],
    )
    long = {"path": "a.txt", "content": "\n".join(str(n) for n in range(20))}
    assert call_subject("write_file", long) == "a.txt"
    assert call_details("write_file", long, limit=2) == [
        "content: 20 lines, 49 characters",
        "| 0",
        "| 1",
        "… 18 more lines",
    ]
    assert call_subject("shell", {"command": "a\nb", "timeout_s": 5}) == "a\nb (timeout_s=5)"


def test_colour_is_never_the_only_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = Console(
        file=io.StringIO(),
        width=80,
        force_terminal=True,
        force_interactive=False,
        _environ={"TERM": "xterm-256color", "NO_COLOR": "1"},
    )
    screen = render(follower(), coloured)
    assert "\x1b[3" not in screen and "\x1b[9" not in screen
    assert "done and checked" in screen
