"""The cap of a goal. A call is reserved at the most it can cost and settled at what it did cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llmos.core.errors import BudgetError


@dataclass(frozen=True, slots=True)
class Ledger:
    """US dollars of one goal. Invariant: `spent + reserved <= cap` after every `reserve`."""

    cap: float
    spent: float = 0.0
    reserved: float = 0.0

    def reserve(self, amount: float | None, *, model: str) -> Ledger:
        """Set `amount` aside. Raises BudgetError when it does not fit or is not known."""
        if amount is None:
            raise BudgetError(
                f"the price of {model} is not known, so no cap can hold; set prices.{model} in your own config.yaml"
            )
        if self.spent + self.reserved + amount > self.cap + 1e-12:
            raise BudgetError(
                f"the next call to {model} may cost up to ${amount:.4f}, and ${self.spent:.4f} of the "
                f"${self.cap:.2f} for this goal is spent; raise it with --max-cost"
            )
        return replace(self, reserved=self.reserved + amount)

    def settle(self, reserved: float, cost: float) -> Ledger:
        """Give back what was reserved for a call and charge what it cost, even above the cap."""
        return replace(self, reserved=max(0.0, self.reserved - reserved), spent=self.spent + cost)
