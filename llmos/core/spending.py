"""The caps over a session and over a day, on top of the cap of a goal (core/budget). Pure.

Invariant: what counts as spent is never less than what was really spent. A call that was reserved and not settled (its
process died, or it is still running) counts at the most that it can have cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from llmos.core.errors import BudgetError


@dataclass(frozen=True, slots=True)
class Caps:
    """US dollars."""

    session_usd: float
    day_usd: float


@dataclass(frozen=True, slots=True)
class Charge:
    """One call: what was reserved for it, and what it cost once that is known."""

    day: str
    """UTC, ISO 8601."""
    session: str
    workspace: str
    reserved_usd: float
    cost_usd: float | None = None
    estimated: bool = False

    @property
    def counts_usd(self) -> float:
        return self.reserved_usd if self.cost_usd is None else self.cost_usd


@dataclass(slots=True)
class Spending:
    """A fold over the lines of the journal, in order."""

    charges: dict[str, Charge] = field(default_factory=dict)

    def take(self, record: dict[str, object]) -> None:
        """One line. One that is neither a reservation nor the end of one changes nothing."""
        identifier = str(record.get("id", ""))
        reserved, cost = record.get("reserved_usd"), record.get("cost_usd")
        if is_amount(reserved):
            self.charges[identifier] = Charge(
                day=str(record.get("at", ""))[:10],
                session=str(record.get("session", "")),
                workspace=str(record.get("workspace", "")),
                reserved_usd=float(reserved),  # type: ignore[arg-type]
            )
        elif is_amount(cost) and (known := self.charges.get(identifier)) is not None:
            self.charges[identifier] = Charge(
                known.day,
                known.session,
                known.workspace,
                known.reserved_usd,
                float(cost),  # type: ignore[arg-type]
                record.get("estimated") is True,
            )

    def of_session(self, session: str) -> float:
        return math.fsum(one.counts_usd for one in self.charges.values() if one.session == session)

    def of_day(self, day: str) -> float:
        return math.fsum(one.counts_usd for one in self.charges.values() if one.day == day)

    def of_workspace(self, workspace: str) -> float:
        return math.fsum(one.counts_usd for one in self.charges.values() if one.workspace == workspace)

    def total(self) -> float:
        return math.fsum(one.counts_usd for one in self.charges.values())

    def open(self) -> int:
        """Calls that were reserved and not settled."""
        return sum(one.cost_usd is None for one in self.charges.values())

    def require(self, amount: float | None, *, model: str, session: str, day: str, caps: Caps) -> float:
        """The amount, when it fits both caps and is known. Raises BudgetError."""
        if amount is None or not is_amount(amount):
            raise BudgetError(
                f"the price of {model} is not known, so no cap can hold; set prices.{model} in your own config.yaml"
            )
        for what, spent, cap, setting in (
            ("session", self.of_session(session), caps.session_usd, "budget.per_session_usd"),
            ("day", self.of_day(day), caps.day_usd, "budget.per_day_usd"),
        ):
            if spent + amount > cap + 1e-12:
                raise BudgetError(
                    f"the next call to {model} may cost up to ${amount:.4f}, and ${spent:.4f} of the ${cap:.2f} for "
                    f"this {what} is spent; raise {setting} in your own config.yaml"
                )
        return amount


def is_amount(value: object) -> bool:
    """A number of dollars that can be added up: finite, not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
