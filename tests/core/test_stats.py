"""What turns add up to: the parts are the whole, whatever the period."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from llmos.core.stats import Period, Sums, stats_of, sums
from llmos.core.turns import TurnFacts, turn_facts

COSTS = st.floats(0, 10, allow_nan=False)
TURNS = st.lists(
    st.builds(
        TurnFacts,
        at=st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1)).map(lambda t: t.replace(tzinfo=UTC).isoformat()),
        goal=st.just("g"),
        mode=st.sampled_from(["", "FOLLOWER", "MIXED", "LEARNER"]),
        outcome=st.sampled_from(["", "ok", "failed"]),
        cost_usd=COSTS,
        saved_usd=COSTS,
        model_calls=st.integers(0, 9),
        elapsed_s=COSTS,
    ),
    max_size=30,
)


@given(TURNS, st.sampled_from([None, *Period]))
def test_periods_add_up_to_the_total(turns: list[TurnFacts], by: Period | None) -> None:
    found = stats_of(turns, by)
    parts = [one for _, one in found.periods]
    assert found.total == sums(turns)
    assert found.total.cost_usd == math.fsum(turn.cost_usd for turn in turns)
    for name in ("turns", "replayed", "model_calls"):
        assert getattr(found.total, name) == sum(getattr(one, name) for one in parts)
    assert math.isclose(found.total.saved_usd, math.fsum(one.saved_usd for one in parts), abs_tol=1e-9)
    starts = [start for start, _ in found.periods]
    assert starts == sorted(set(starts))
    if turns and by is not Period.DAY:
        assert by is not None or len(starts) <= 64


def test_a_period_without_turns_is_there_and_empty() -> None:
    first = datetime(2026, 11, 1, tzinfo=UTC)
    turns = [TurnFacts(at=(first + timedelta(days=day)).isoformat(), goal="g", cost_usd=1.0) for day in (0, 2)]
    found = stats_of(turns)
    assert [(start, one.turns) for start, one in found.periods] == [
        ("2026-11-01", 1),
        ("2026-11-02", 0),
        ("2026-11-03", 1),
    ]
    assert found.periods[1][1] == Sums()


def test_only_a_replay_that_went_right_counts_as_replayed() -> None:
    ends = [("FOLLOWER", "ok"), ("FOLLOWER", "denied"), ("MIXED", "ok"), ("LEARNER", "ok")]
    turns = [TurnFacts(at="2026-11-01T00:00:00+00:00", goal="g", mode=mode, outcome=outcome) for mode, outcome in ends]
    assert (sums(turns).replayed, sums(turns).hit_rate) == (1, 0.25)


def test_tokens_and_open_turns_come_from_the_model_calls() -> None:
    usage = {"input_tokens": 10, "output_tokens": 3, "cache_read_tokens": 5, "cache_write_tokens": 2}
    records = [
        {"event": "turn_started", "at": "2026-11-01T00:00:00+00:00", "goal": "g", "cwd": "/"},
        {"event": "plan_made", "mode": "MIXED"},
        {"event": "model_call_started"},
        {"event": "model_call_failed", "cost_usd": 0.25},
        {"event": "model_call_started"},
        {"event": "model_call_finished", "cost_usd": 0.5, "usage": usage},
    ]
    (turn,) = turn_facts(records)
    assert turn == TurnFacts(
        at="2026-11-01T00:00:00+00:00",
        goal="g",
        cwd="/",
        planned="MIXED",
        mode="MIXED",
        cost_usd=0.75,
        model_calls=2,
        tokens_in=17,
        tokens_out=3,
    )
