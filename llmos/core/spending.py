"""The caps over a session, a day and whatever holds several sessions, on top of the cap of a goal (core/budget). Pure.

Invariant: what counts as spent is never less than what was really spent. A call that was reserved and not settled (its
process died, or it is still running) counts at the most that it can have cost.
"""

from __future__ import annotations

import math
from dataclasses import field, replace

from llmos.core.dataclass import dataclass
from llmos.core.errors import BudgetError


@dataclass(frozen=True, slots=True)
class Caps:
    """US dollars."""

    session_usd: float
    day_usd: float


@dataclass(frozen=True, slots=True)
class SharedCap:
    """One cap over several sessions, such as the goals of a batch. `id` is never used again for anything else."""

    id: str
    usd: float
    what: str
    """As a sentence names it: "batch"."""
    raise_it: str
    """What raises it: "--cap"."""


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
    under: tuple[str, ...] = ()
    """The shared caps that it counts to."""

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
                under=_texts(record.get("under")),
            )
        elif is_amount(cost) and (known := self.charges.get(identifier)) is not None:
            estimated = record.get("estimated") is True
            self.charges[identifier] = replace(known, cost_usd=float(cost), estimated=estimated)  # type: ignore[arg-type]

    def of_session(self, session: str) -> float:
        return math.fsum(one.counts_usd for one in self.charges.values() if one.session == session)

    def of_shared(self, identifier: str) -> float:
        return math.fsum(one.counts_usd for one in self.charges.values() if identifier in one.under)

    def of_day(self, day: str) -> float:
        return math.fsum(one.counts_usd for one in self.charges.values() if one.day == day)

    def of_workspace(self, workspace: str) -> float:
        return math.fsum(one.counts_usd for one in self.charges.values() if one.workspace == workspace)

    def total(self) -> float:
        return math.fsum(one.counts_usd for one in self.charges.values())

    def open(self) -> int:
        """Calls that were reserved and not settled."""
        return sum(one.cost_usd is None for one in self.charges.values())

    def require(
        self,
        amount: float | None,
        *,
        model: str,
        session: str,
        day: str,
        caps: Caps,
        shared: tuple[SharedCap, ...] = (),
        earlier: Spending | None = None,
    ) -> float:
        """The amount, when it fits every cap and is known. Raises BudgetError.

        `earlier` is the journal of the month before: midnight ends no session and no batch.
        """
        before = earlier or Spending()
        if amount is None or not is_amount(amount):
            raise BudgetError(
                f"the price of {model} is not known, so its cost cannot be limited; if the name is right, set "
                f"prices.{model} in your own config.yaml"
            )
        in_config = "{} in your own config.yaml".format
        for what, spent, cap, raise_it in (
            (
                "session",
                self.of_session(session) + before.of_session(session),
                caps.session_usd,
                in_config("budget.per_session_usd"),
            ),
            ("day", self.of_day(day), caps.day_usd, in_config("budget.per_day_usd")),
            *((one.what, self.of_shared(one.id) + before.of_shared(one.id), one.usd, one.raise_it) for one in shared),
        ):
            if spent + amount > cap + 1e-12:
                raise BudgetError(
                    f"the next call to {model} may cost up to ${amount:.4f}, and ${spent:.4f} of the ${cap:.2f} for "
                    f"this {what} is spent; raise {raise_it}"
                )
        return amount


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def is_amount(value: object) -> bool:
    """A number of dollars that can be added up: finite, not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
