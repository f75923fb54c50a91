"""Budgets form a tree (day, batch, session, call): under any interleaving and any kill no cap is passed, and what the
children spent adds up to what their parent spent.
"""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from llmos.core.errors import BudgetError
from llmos.core.spending import Caps, SharedCap, Spending

DAY = "2026-11-26"
CAPS = Caps(session_usd=1.0, day_usd=4.0)
BATCH = SharedCap("b1", 2.0, "batch", "--cap")
OTHER = SharedCap("b2", 1.5, "batch", "--cap")
AMOUNTS = st.floats(0, 0.8, allow_nan=False)


class Tree(RuleBasedStateMachine):
    """Processes that reserve and settle in one journal. Each reads the journal anew under its lock, as on the disk; a
    killed one settles nothing, and what its call really cost is known to the provider alone.
    """

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.journal: list[dict[str, object]] = []
        self.really: dict[str, float] = {}
        self.sessions: dict[str, SharedCap | None] = {"s0": BATCH, "s1": BATCH, "s2": OTHER, "s3": None}

    def fold(self) -> Spending:
        spending = Spending()
        for record in self.journal:
            spending.take(record)
        return spending

    @rule(target=calls, session=st.sampled_from(["s0", "s1", "s2", "s3"]), amount=AMOUNTS, share=st.floats(0, 1))
    def reserve(self, session: str, amount: float, share: float) -> object:
        """The call begins, and will cost a share of what is reserved for it."""
        cap = self.sessions[session]
        shared = (cap,) if cap else ()
        try:
            self.fold().require(amount, model="m", session=session, day=DAY, caps=CAPS, shared=shared)
        except BudgetError:
            return multiple()
        name = f"c{len(self.really)}"
        record: dict[str, object] = {"id": name, "at": f"{DAY}T10:00:00+00:00", "session": session}
        under = {"under": [cap.id]} if cap else {}
        self.journal.append({**record, "workspace": "w", "reserved_usd": amount, **under})
        self.really[name] = amount * share
        return name

    @rule(call=consumes(calls))
    def settle(self, call: str) -> None:
        self.journal.append({"id": call, "cost_usd": self.really[call], "estimated": False})

    @rule(call=consumes(calls))
    def killed(self, call: str) -> None:
        """Nothing is written; the call counts at the most that it can have cost."""

    @rule(call=calls)
    def damaged(self, call: str) -> None:
        self.journal.append({"id": call, "cost_usd": -1.0})

    @invariant()
    def no_cap_is_passed(self) -> None:
        counted = self.fold()
        for session in self.sessions:
            assert counted.of_session(session) <= CAPS.session_usd + 1e-9
        assert counted.of_shared("b1") <= BATCH.usd + 1e-9 and counted.of_shared("b2") <= OTHER.usd + 1e-9
        assert counted.of_day(DAY) <= CAPS.day_usd + 1e-9
        assert math.fsum(self.really.values()) <= counted.total() + 1e-9

    @invariant()
    def children_add_up(self) -> None:
        counted = self.fold()
        for cap in (BATCH, OTHER):
            children = [session for session, above in self.sessions.items() if above == cap]
            assert counted.of_shared(cap.id) == pytest.approx(sum(map(counted.of_session, children)))
        assert counted.of_day(DAY) == pytest.approx(sum(map(counted.of_session, self.sessions)))
        assert counted.open() == sum("reserved_usd" in one for one in self.journal) - len(
            {str(one["id"]) for one in self.journal if float(str(one.get("cost_usd", -1))) >= 0}
        )


TestTree = Tree.TestCase
TestTree.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_fold_that_forgot_open_calls_would_be_found() -> None:
    """The partner of the machine above: a journal that counts a call only once it is settled passes a cap."""
    spending = Spending()
    for number in range(3):
        at = f"{DAY}T10:00:00+00:00"
        spending.take({"id": str(number), "at": at, "session": "s", "reserved_usd": 0.5, "under": ["b1"]})
    settled = sum(charge.cost_usd or 0.0 for charge in spending.charges.values())
    assert (spending.of_shared("b1"), settled) == (1.5, 0.0)
    with pytest.raises(BudgetError, match="for this batch is spent; raise --cap"):
        spending.require(0.6, model="m", session="t", day=DAY, caps=CAPS, shared=(BATCH,))


def test_what_was_spent_last_month_counts_to_a_session_and_a_batch_that_go_on() -> None:
    before, now = Spending(), Spending()
    before.take({"id": "1", "at": "2026-10-31T23:59:00+00:00", "session": "s", "reserved_usd": 0.9, "under": ["b1"]})
    caps = Caps(10.0, 10.0)
    cap = SharedCap("b1", 1.0, "batch", "--cap")
    with pytest.raises(BudgetError, match="batch"):
        now.require(0.2, model="m", session="t", day="2026-11-01", caps=caps, shared=(cap,), earlier=before)
    with pytest.raises(BudgetError, match="session"):
        now.require(0.2, model="m", session="s", day="2026-11-01", caps=Caps(1.0, 10.0), earlier=before)
    assert now.require(0.2, model="m", session="t", day="2026-11-01", caps=caps, earlier=before) == 0.2
