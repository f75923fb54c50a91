"""Recorded spending is never less than real spending (invariant I4), and caps hold over all sessions at once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_world import COUNT, COUNTED, Llmos
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.core.errors import BudgetError
from llmos.core.spending import Caps, Spending
from llmos.memory.money_journal import MoneyJournal, money_folder
from llmos.testing import FakeMessagesServer, FixedClock

DAY = "2026-11-26"
amounts = st.floats(0, 5) | st.sampled_from([float("nan"), float("inf"), -1.0, None])
steps = st.lists(
    st.tuples(st.sampled_from("abc"), amounts, amounts, st.sampled_from(["settled", "killed"])), max_size=40
)


@settings(max_examples=300, deadline=None)
@given(steps, st.floats(0, 20), st.floats(0, 20))
def test_no_order_of_calls_and_kills_spends_more_than_a_cap_or_counts_less_than_was_spent(
    made: list[tuple[str, float | None, float | None, str]], session_cap: float, day_cap: float
) -> None:
    spending, real = Spending(), 0.0
    for number, (session, reserve, cost, end) in enumerate(made):
        try:
            usd = spending.require(reserve, model="m", session=session, day=DAY, caps=Caps(session_cap, day_cap))
        except BudgetError:
            continue
        spending.take({"id": str(number), "at": DAY, "session": session, "workspace": "w", "reserved_usd": usd})
        spent = min(cost, usd) if cost is not None and cost >= 0 else usd
        real += spent
        if end == "settled":
            spending.take({"id": str(number), "cost_usd": cost if cost != spent else spent})
            if cost is not None and cost > usd:  # dearer than reserved: charged whatever it was
                real += spending.charges[str(number)].counts_usd - usd
    assert spending.total() >= real - 1e-9
    dearer = sum(max(0.0, one.counts_usd - one.reserved_usd) for one in spending.charges.values())
    assert spending.of_day(DAY) <= day_cap + dearer + 1e-9
    assert all(spending.of_session(one) <= session_cap + dearer + 1e-9 for one in "abc")
    assert abs(sum(spending.of_session(one) for one in "abc") - spending.total()) < 1e-9


@pytest.mark.parametrize("amount", [None, float("nan"), float("inf"), -0.01])
def test_what_is_no_amount_is_not_called_for(amount: float | None) -> None:
    with pytest.raises(BudgetError, match=r"^the price of claude-x is not known"):
        Spending().require(amount, model="claude-x", session="a", day=DAY, caps=Caps(1, 1))


def journal(home: Path, session: str = "s", *, session_usd: float = 9.0, day_usd: float = 9.0) -> MoneyJournal:
    return MoneyJournal(
        home, clock=FixedClock(), session=session, workspace=home, caps=Caps(session_usd=session_usd, day_usd=day_usd)
    )


def test_a_call_that_was_never_settled_counts_whole_in_every_other_process(tmp_path: Path) -> None:
    first = journal(tmp_path / "home")
    settled = first.reserve(0.5, model="m")
    first.settle(settled, 0.125)
    first.reserve(0.25, model="m")
    other = journal(tmp_path / "home", "t", day_usd=1.0)
    spending = other.spending(FixedClock().now())
    assert (spending.total(), spending.open(), spending.of_session("s"), spending.of_session("t")) == (
        0.375,
        1,
        0.375,
        0,
    )
    with pytest.raises(BudgetError) as refused:
        other.reserve(0.75, model="claude-x")
    assert str(refused.value) == (
        "the next call to claude-x may cost up to $0.7500, and $0.3750 of the $1.00 for this day is spent; "
        "raise budget.per_day_usd in your own config.yaml"
    )
    other.reserve(0.625, model="claude-x")


def test_a_damaged_line_costs_nothing_but_its_settlement(tmp_path: Path) -> None:
    first = journal(tmp_path / "home")
    reservation = first.reserve(0.5, model="m")
    path = next(money_folder(tmp_path / "home").glob("*.jsonl"))
    path.write_bytes(path.read_bytes() + b'\xff{"id": \n[1]\nnull\n{"id": "x", "cost_usd": NaN}\n{"cost_usd": -1}\n')
    first.settle(reservation, float("nan"))
    assert journal(tmp_path / "home").spending(FixedClock().now()).total() == 0.5


WORKER = """
import random, sys, time
from pathlib import Path
from llmos.adapters.system_clock import SystemClock
from llmos.core.errors import BudgetError
from llmos.core.spending import Caps, SharedCap
from llmos.memory.money_journal import MoneyJournal, money_folder
home, name, count, cap = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
rng = random.Random(name)
batch = SharedCap(sys.argv[5], cap / 2, "batch", "--cap")
caps = Caps(1e6, cap)
journal = MoneyJournal(home, clock=SystemClock(), session=name, workspace=home, caps=caps, shared=(batch,))
real = (home / f"real-{name}").open("a")
for _ in range(count):
    amount = rng.choice([0.25, 0.5, 1.0])
    try:
        reservation = journal.reserve(amount, model="m")
    except BudgetError:
        time.sleep(0.001)
        continue
    spent = amount * rng.choice([0.25, 0.5, 1.0])
    real.write(f"{spent}\\n")  # what the provider bills, as soon as the call is sent
    real.flush()
    if rng.random() < 0.8:
        journal.settle(reservation, spent)
"""


def spend(home: Path, *, sessions: int, calls: int, kills: int, cap: float) -> tuple[float, float, int]:
    """Sessions of two batches that spend at once, some of them killed: recorded, real, calls that were really made.

    Each batch may spend half of the cap.
    """
    home.mkdir(parents=True, exist_ok=True)
    rng = random.Random(3)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(home), f"s{number}", str(calls), str(cap), f"b{number % 2}"]
        )
        for number in range(sessions)
    ]
    for process in rng.sample(running, kills):
        time.sleep(rng.random() * 0.4)
        process.send_signal(signal.SIGKILL)
    for process in running:
        assert process.wait(timeout=100) in (0, -signal.SIGKILL)
    billed = [float(line) for path in home.glob("real-*") for line in path.read_text().splitlines() if line]
    recorded = journal(home).spending(datetime.now(UTC)).total()
    return recorded, sum(billed), len(billed)


@pytest.mark.slow
def test_eight_sessions_with_kills_never_record_less_than_they_spend(tmp_path: Path) -> None:
    recorded, real, made = spend(tmp_path / "home", sessions=8, calls=40, kills=3, cap=60.0)
    assert made > 60
    assert real <= recorded <= 60.0
    spending = journal(tmp_path / "home").spending(datetime.now(UTC))
    for batch in (0, 1):
        children = [spending.of_session(f"s{number}") for number in range(batch, 8, 2)]
        assert spending.of_shared(f"b{batch}") == pytest.approx(sum(children))
        assert spending.of_shared(f"b{batch}") <= 30.0
    assert spending.of_shared("b0") + spending.of_shared("b1") == pytest.approx(recorded)


def test_the_caps_of_session_and_day_stop_a_run_before_it_calls(llmos: Llmos, api: FakeMessagesServer) -> None:
    assert llmos("config", "set", "budget.per_session_usd", "0.0001").code == 0
    ended = llmos("run", "-y", "-o", "json", COUNT)
    said = json.loads(ended.out)
    assert (ended.code, said["outcome"], said["model_calls"], said["cost_usd"]) == (5, "over_budget", 0, 0.0)
    assert "for this session is spent; raise budget.per_session_usd in your own config.yaml" in said["reason"]
    assert api.requests == []


def test_stats_add_up_to_the_journal(llmos: Llmos, api: FakeMessagesServer) -> None:
    api.add(*COUNTED)
    assert llmos("run", "-y", COUNT).code == 0
    found = json.loads(llmos("stats", "--json").out)
    assert found["total"]["cost_usd"] > 0
    assert found["journal"] == {
        "month_usd": pytest.approx(found["total"]["cost_usd"]),
        "workspace_usd": pytest.approx(found["total"]["cost_usd"]),
        "unsettled_calls": 0,
    }
    assert any(line.startswith("journal of this month: $0.0") for line in llmos("stats").out.splitlines())


def main() -> None:
    """The figures of `make safety`."""
    import tempfile

    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 125
    with tempfile.TemporaryDirectory() as folder:
        recorded, real, made = spend(Path(folder) / "home", sessions=8, calls=calls, kills=4, cap=100.0)
    print(f"8 sessions, 4 killed, {made} calls: ${recorded:.2f} recorded, ${real:.2f} spent, cap $100.00")
    if not real <= recorded <= 100.0:
        sys.exit(1)


if __name__ == "__main__":
    main()
