"""The cap of a goal. A call is reserved at the most it can cost and settled at what it did cost.

Where a goal has sub-goals, the accounts form a tree: what a call of one of them costs counts in its own account and in
each one above.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmos.core.dataclass import dataclass
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
                f"the price of {model} is not known, so its cost cannot be limited; if the name is right, set "
                f"prices.{model} in your own config.yaml"
            )
        if self.spent + self.reserved + amount > self.cap + 1e-12:
            raise BudgetError(
                f"the next call to {model} may cost up to ${amount:.4f}, and ${self.spent:.4f} of the "
                f"{_dollars(self.cap)} for this goal is spent; raise it with --max-cost"
            )
        return replace(self, reserved=self.reserved + amount)

    def settle(self, reserved: float, cost: float) -> Ledger:
        """Give back what was reserved for a call and charge what it cost, even above the cap."""
        return replace(self, reserved=max(0.0, self.reserved - reserved), spent=self.spent + cost)


def _dollars(cap: float) -> str:
    """A cap as it was given: one below a cent is not shown as nothing."""
    return f"${cap:.2f}" if cap >= 0.01 or cap <= 0 else f"${cap:.10f}".rstrip("0")


class Account:
    """One node of the tree: its own cap within those above it.

    Invariant: `spent + reserved <= cap` holds in every node after every `reserve`, and a node has spent at least what
    its children have.
    """

    def __init__(self, cap: float, above: Account | None = None) -> None:
        self.ledger = Ledger(cap)
        self.calls = 0
        """Model calls that were begun, those of the accounts below among them."""
        self._above = above

    def reserve(self, amount: float | None, *, model: str) -> float:
        """Set `amount` aside here and in all accounts above, or nowhere. Raises BudgetError."""
        changed = [(node, node.ledger.reserve(amount, model=model)) for node in self._chain()]
        for node, ledger in changed:
            node.ledger = ledger
            node.calls += 1
        return amount or 0.0

    def settle(self, reserved: float, cost: float) -> None:
        """Give back what was reserved for a call and charge what it cost, here and in all accounts above."""
        for node in self._chain():
            node.ledger = node.ledger.settle(reserved, cost)

    def charge(self, calls: int, cost: float) -> None:
        """Count calls that were made elsewhere."""
        for node in self._chain():
            node.calls += calls
        self.settle(0.0, cost)

    def count_in(self, above: Account) -> None:
        """What is spent here from now on counts there as well; what was spent before counted where it was then."""
        self._above = above

    def _chain(self) -> Iterator[Account]:
        node: Account | None = self
        while node is not None:
            yield node
            node = node._above
