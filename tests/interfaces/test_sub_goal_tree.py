"""The live tree of sub-goals: what is drawn while they work, and the line of one that ended, at three widths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.cells import cell_len
from terminal_world import terminal
from test_screens import AT_WIDTHS, HEIGHT, api, check, home, settled  # noqa: F401 - fixtures

from llmos.core.events import (
    Mode,
    ModelCallFinished,
    ModelCallStarted,
    Outcome,
    PlanMade,
    PlannedSubGoal,
    SubGoalEnded,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    nested,
)
from llmos.core.messages import StopReason, Usage
from llmos.core.tool import Effect
from llmos.interfaces.sub_goal_tree import SubGoalTree, ended_line
from llmos.testing import Answer, FakeMessagesServer, reply, text, tool_use

pytestmark = pytest.mark.slow


def planned(identifier: str, goal: str, *after: str) -> PlannedSubGoal:
    return PlannedSubGoal(
        id=identifier, goal=goal, depends_on=after, inputs=(), leaves=(), role="", mode="", trace_id=""
    )


def plan(mode: Mode = Mode.LEARNER, *subs: PlannedSubGoal) -> PlanMade:
    return PlanMade(mode=mode, confidence=0.0, trace_id=None, reasons=(), sub_goals=subs)


@pytest.fixture
def tree() -> SubGoalTree:
    now = [0.0]
    made = SubGoalTree(lambda: now[0])
    subs = (
        planned("1", "create a.txt containing hello"),
        planned("2", "count the lines of the long list in c.txt"),
        planned("3", "write a summary of all of it", "1", "2"),
    )
    made.plan(plan(Mode.ORCHESTRATOR, *subs))
    usage = Usage(10, 5)
    for who, mode in (("1", Mode.FOLLOWER), ("2", Mode.LEARNER)):
        made.take(nested(who, TurnStarted(goal="x", cwd="/w", workspace="/w", turn=1)))
        made.take(nested(who, plan(mode)))
    now[0] = 3.4
    made.take(nested("2", ModelCallStarted(call=1, model="sonnet", payer="KEY", small=False, reserved_usd=0.1)))
    made.take(nested("2", ModelCallFinished(
        call=1, model="sonnet", stop_reason=StopReason.TOOL_USE, usage=usage, cost_usd=0.0125
    )))  # fmt: skip
    made.take(nested("2", ToolStarted(
        call_id="c", tool="shell", args={"command": "wc -l < c.txt"}, effect=Effect.EXECUTE, replayed=False
    )))  # fmt: skip
    made.take(nested("2/reviewer-1", TurnStarted(goal="look at c.txt", cwd="/w", workspace="/w", turn=1)))
    return made


DRAWN = {
    40: [
        "~ 1 create a.txt conta…  FOLLOWER · 3 s",
        "~ 2 count the lines of…   LEARNER · 3 s",
        "  ~ reviewer-1 look at c.txt        0 s",
        "· 3 write a summary of…  waits for 1, 2",
    ],
    80: [
        "~ 1 create a.txt containing hello                        FOLLOWER · $0.00 · 3 s",
        "~ 2 count the lines of the long list in c.txt           LEARNER · $0.0125 · 3 s",
        "  ~ reviewer-1 look at c.txt                                        $0.00 · 0 s",
        "· 3 write a summary of all of it                                 waits for 1, 2",
    ],
    120: [
        "~ 1 create a.txt containing hello" + " " * 64 + "FOLLOWER · $0.00 · 3 s",
        "~ 2 count the lines of the long list in c.txt · shell: wc -l < c.txt" + " " * 28 + "LEARNER · $0.0125 · 3 s",
        "  ~ reviewer-1 look at c.txt" + " " * 80 + "$0.00 · 0 s",
        "· 3 write a summary of all of it" + " " * 73 + "waits for 1, 2",
    ],
}


def test_an_agent_that_answered_is_drawn_no_more(tree: SubGoalTree) -> None:
    """It lives on, and is drawn again when it is asked again; what it did is in its answer."""
    ended = TurnEnded(
        outcome=Outcome.OK, mode=Mode.LEARNER, answer="", reason="", cost_usd=0, saved_usd=0, model_calls=1, elapsed_s=1
    )
    tree.take(nested("2/reviewer-1/any-2", TurnStarted(goal="deeper", cwd="/w", workspace="/w", turn=1)))
    tree.take(nested("2/reviewer-1", ended))
    assert [line.split()[1] for line in tree.lines(80, "~")] == ["1", "2", "3"]
    tree.take(nested("2", ended))  # its own end is told with what became of it
    tree.take(nested("2/reviewer-1", TurnStarted(goal="look again", cwd="/w", workspace="/w", turn=2)))
    assert [line.split()[1:4] for line in tree.lines(80, "~")][2] == ["reviewer-1", "look", "again"]


@pytest.mark.parametrize("width", DRAWN)
def test_the_tree_while_it_works(tree: SubGoalTree, width: int) -> None:
    lines = tree.lines(width - 1, "~")
    assert all(cell_len(line) <= width - 1 for line in lines)
    assert lines == DRAWN[width]


def ended(identifier: str, state: str = "done", reason: str = "") -> SubGoalEnded:
    return SubGoalEnded(
        id=identifier, goal="create a.txt containing hello", state=state, outcome="ok", mode="FOLLOWER", answer="",
        reason=reason, cost_usd=0.0, saved_usd=0.0, model_calls=0, elapsed_s=0.4,
    )  # fmt: skip


def test_nothing_is_drawn_before_one_has_begun_and_then_in_the_order_of_the_plan() -> None:
    made = SubGoalTree(lambda: 0.0)
    made.plan(plan(Mode.ORCHESTRATOR, *(planned(one, f"do {one}") for one in ("data", "cover", "2"))))
    assert made.lines(79, "~") == []
    made.take(nested("cover", ToolStarted(call_id="c", tool="shell", args={}, effect=Effect.READ, replayed=False)))
    assert [line.split()[1] for line in made.lines(79, "~")] == ["data", "cover", "2"]


def test_one_that_ended_is_drawn_no_more(tree: SubGoalTree) -> None:
    tree.ended(ended("2"))
    assert [line[:5] for line in tree.lines(79, "~")] == ["~ 1 c", "· 3 w"]
    assert "waits for 1" in tree.lines(79, "~")[1]


def test_the_line_of_one_that_ended() -> None:
    assert ended_line(ended("2"), "+") == "+ 2 create a.txt containing hello · FOLLOWER · $0.00 · 0.4 s"
    assert ended_line(ended("2"), "+", 56) == "+ 2 create a.txt containing… · FOLLOWER · $0.00 · 0.4 s"
    assert ended_line(ended("2"), "+", 45) == ended_line(ended("2"), "+")
    assert ended_line(ended("2", "failed", "no such file"), "x", 45) == (
        "x 2 create a.txt containing hello · failed · FOLLOWER · $0.00 · 0.4 s: no such file"
    )


def by_goal(body: dict[str, object]) -> Answer:
    """The fake model: a call for each goal, and then what it gave."""
    messages = body["messages"]
    assert isinstance(messages, list)
    first = messages[0]["content"]
    goal = (first if isinstance(first, str) else first[0]["text"]).splitlines()[-1]
    commands = {"lines": ("wc -l < notes.txt", "3"), "words": ("wc -w < other.txt", "2"), "show": ("rm gone.txt", "no")}
    command, said = next(value for word, value in commands.items() if word in goal)
    return reply(text(said)) if len(messages) > 1 else reply(tool_use("shell", {"command": command}))


@pytest.mark.parametrize("width", AT_WIDTHS)
def test_a_session_with_several_tasks(home: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:  # noqa: F811
    goal = "count the lines of notes.txt; then count the words of other.txt"
    with FakeMessagesServer(by_goal) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        with terminal(width=width, height=HEIGHT) as screen:
            for turns in (1, 2):
                screen.wait_for_prompt()
                screen.send(f"{goal}\r")
                screen.wait(lambda _, turns=turns: "".join(screen.written).count("done and checked") == turns)  # type: ignore[misc]
            check("session-several-tasks", width, settled(screen))
            screen.send("\x04")
            assert screen.wait_for_end() == 0
        assert server.unexpected == []


def planning(body: dict[str, object]) -> Answer:
    """The fake model: a plan of two, then a call for each, then the answer of the whole."""
    messages = body["messages"]
    assert isinstance(messages, list)
    first = messages[0]["content"]
    goal = first if isinstance(first, str) else first[0]["text"]
    if body.get("tools"):
        return by_goal(body)
    if "The results of its parts" in goal:
        return reply(text("All is counted."))
    subs = [
        {"id": name, "goal": task, "depends_on": [], "inputs": [], "leaves": [], "role": ""}
        for name, task in (("one", "count the lines of notes.txt"), ("two", "count the words of other.txt"))
    ]
    return reply(text(json.dumps({"several": True, "why": "two files", "sub_goals": subs})))


PLANNED = "count the lines of notes.txt, count the words of other.txt and show what is in both"
QUESTION = "Run this plan?"


@pytest.mark.parametrize(
    ("words", "answer", "said"),
    [
        (("--dry-run",), "", "dry run: nothing was run"),
        (("-y",), "", "All is counted."),
        ((), "n", "the person did not let the plan run"),
    ],
)
def test_a_plan_stands_once_on_the_screen_and_is_asked_about_where_nothing_was_granted(
    home: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    answer: str,
    said: str,
) -> None:
    with FakeMessagesServer(planning) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        with terminal(("run", *words, PLANNED), width=100, height=HEIGHT) as screen:
            if answer:
                screen.wait(lambda _: any(QUESTION in line for line in screen.written))
                screen.send(f"{answer}\r")
            screen.wait_for_end()
            shown = "\n".join(screen.written)
            assert said in shown
            assert (QUESTION in shown) is bool(answer)
            assert shown.count("one. count the lines of notes.txt") == 1
