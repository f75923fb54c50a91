"""Events inside events, and accounts below accounts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.budget import Account
from llmos.core.errors import BudgetError
from llmos.core.event_records import event_record, unnested
from llmos.core.events import Nested, Notice, innermost, nested
from llmos.core.turns import turn_facts
from llmos.engine.undo import last_turn
from llmos.memory.codec import dump_line
from llmos.memory.transcript import cut_off_in
from llmos.memory.transcript_words import blank

SAID = Notice(text="hello")


def test_what_is_nested_twice_keeps_one_place() -> None:
    twice = nested("2", nested("reviewer", SAID))
    assert twice == Nested(parent="2/reviewer", event=SAID)
    assert innermost(twice) == innermost(SAID) == SAID


def test_a_record_is_wrapped_and_comes_back() -> None:
    record = event_record(nested("2", SAID))
    assert record == {"event": "nested", "parent": "2", "kind": "notice", "of": {"text": "hello"}}
    assert unnested({"seq": 7, **record}) == {
        "seq": 7,
        "event": "notice",
        "kind": "notice",
        "parent": "2",
        "text": "hello",
    }
    assert unnested(event_record(SAID)) == event_record(SAID)


def _within(parent: str, event: str, **of: object) -> dict[str, object]:
    return {"seq": 1, "at": "2026-11-26T10:00:00+00:00", "event": "nested", "parent": parent, "kind": event, "of": of}


def test_a_sub_goal_is_no_turn_and_its_calls_are_the_turn_s() -> None:
    usage = {"input_tokens": 3, "output_tokens": 4, "cache_read_tokens": 0, "cache_write_tokens": 0}
    at = "2026-11-26T10:00:00+00:00"
    records = [
        {"event": "turn_started", "at": at, "goal": "both", "cwd": "/w"},
        _within("1", "turn_started", goal="one"),
        _within("1", "model_call_started"),
        _within("1", "model_call_finished", cost_usd=0.25, usage=usage),
        _within("1", "turn_ended", outcome="ok"),
    ]
    (facts,) = turn_facts(records)
    assert (facts.goal, facts.cost_usd, facts.model_calls, facts.tokens_out) == ("both", 0.25, 1, 4)
    assert facts.outcome == ""


def test_what_sub_goals_did_to_files_is_undone_with_the_turn(tmp_path: object) -> None:
    changes = {"created": ["a.txt"], "changed": [], "deleted": [], "complete": True}
    started = {"tool": "shell", "args": {"command": "touch a.txt"}, "effect": "execute", "call_id": "c1"}
    records = [
        {"event": "turn_started", "seq": 1, "goal": "both", "cwd": "/w"},
        _within("1", "turn_started", goal="one", cwd="/w"),
        _within("1", "tool_started", **started),
        _within("2", "tool_started", **{**started, "args": {"command": "touch b.txt"}}),
        _within(
            "2", "tool_finished", call_id="c1", tool="shell", backup=None, changes={**changes, "created": ["b.txt"]}
        ),
        _within("1", "tool_finished", call_id="c1", tool="shell", backup=None, changes=changes),
        {"event": "turn_ended", "seq": 9},
    ]
    turn = last_turn(records, tmp_path)  # type: ignore[arg-type]
    assert turn is not None and turn.goal == "both"
    assert [(step.call, step.created) for step in turn.steps] == [
        ("shell: touch b.txt", ("b.txt",)),
        ("shell: touch a.txt", ("a.txt",)),
    ]


@given(
    st.floats(0, 2),
    st.lists(st.floats(0, 2), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1), st.floats(0, 1)), max_size=30),
)
def test_a_tree_of_accounts_never_spends_beyond_any_cap(
    cap: float, caps: list[float], calls: list[tuple[int, float, float]]
) -> None:
    """What a call costs is at most what was reserved; calls of different children overlap."""
    top = Account(cap)
    children = [Account(below, top) for below in caps]
    running: list[tuple[Account, float, float]] = []
    for number, amount, share in calls:
        child = children[number % len(children)]
        try:
            running.append((child, child.reserve(amount, model="m"), amount * share))
        except BudgetError:
            if running:
                one, reserved, cost = running.pop(0)
                one.settle(reserved, cost)
        for account, most in ((top, cap), *zip(children, caps, strict=True)):
            assert account.ledger.spent + account.ledger.reserved <= most + 1e-9
    for one, reserved, cost in running:
        one.settle(reserved, cost)
    assert top.ledger.spent == pytest.approx(sum(child.ledger.spent for child in children))
    assert top.calls == sum(child.calls for child in children)
    assert top.ledger.reserved == pytest.approx(0.0, abs=1e-9)


STEP = {"tool": "shell", "args": {"command": "make"}}


@pytest.mark.parametrize("killed", [True, False])
def test_a_replay_of_a_sub_goal_that_was_cut_off_is_known(killed: bool) -> None:
    """Killed, the sub-goal has no end of its own; stopped, it has."""
    started = {"call_id": "replay-1", **STEP, "effect": "execute"}
    records = [
        {"event": "turn_started", "goal": "both"},
        {"event": "plan_made", "mode": "ORCHESTRATOR"},
        _within("1", "turn_started", goal="one"),
        _within("1", "plan_made", mode="FOLLOWER", trace_id="done-1", steps=[STEP]),
        _within("2", "plan_made", mode="FOLLOWER", trace_id="half-2", steps=[STEP, STEP]),
        _within("1", "tool_started", **started),
        _within("2", "tool_started", **started),
        _within("1", "step_checked", step=0, ok=True, reason="as recorded"),
        _within("1", "turn_ended", outcome="ok", mode="FOLLOWER"),
        *([] if killed else [_within("2", "turn_ended", outcome="interrupted", mode="FOLLOWER")]),
        {"event": "turn_ended", "outcome": "interrupted", "mode": "ORCHESTRATOR"},
    ]
    assert cut_off_in(iter(records)) == {
        "half-2": "0 of 2 steps done, step 1 unknown (shell: make), 1 not begun",
    }
    assert cut_off_in(iter([*records, {"event": "turn_started", "goal": "next"}])) == {}


def test_what_sub_goals_said_is_forgotten_with_the_turn_and_their_places_stay(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    changes = {"created": ["secret.txt"], "changed": [], "deleted": [], "complete": True}
    nested_one = _within("2/reviewer-1", "tool_finished", tool="shell", output="my secret word", changes=changes)
    records = [{"event": "turn_started", "seq": 1, "goal": "both"}, {**nested_one, "seq": 2}]
    path.write_bytes(b"".join(dump_line(record) for record in records))
    assert blank(path, [1], []) == 2
    after = json.loads(path.read_bytes().splitlines()[1])
    assert (after["parent"], after["kind"], after["of"]["tool"]) == ("2/reviewer-1", "tool_finished", "shell")
    assert b"secret" not in path.read_bytes()
