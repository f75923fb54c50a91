"""What a decision looked at, as values: each trace that came into question, its gates, and what its number rests on."""

from __future__ import annotations

from collections.abc import Sequence

from llmos.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One gate of one trace. `reason` says why it is closed, or what it saw when it is open."""

    name: str
    open: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Considered:
    """A trace that a decision looked at. All texts are as the trace has them."""

    trace_id: str
    goal: str
    role: str
    """What became of it: "replay", "guidance", "refused", "near", or "spare": it could have been replayed as well."""
    confidence: float | None
    """Probability from 0 to 1 that a replay is right; None for a trace that is only near in words."""
    likeness: float | None = None
    """Similarity of the goals from 0 to 1, which ranks and authorises nothing; None where it was not asked for."""
    successes: int = 0
    failures: int = 0
    last_used: str = ""
    """UTC, ISO 8601; empty when it was never replayed."""
    cost_usd: float = 0.0
    """What learning it cost, in US dollars."""
    gates: tuple[GateCheck, ...] = ()
    """Every gate between it and a replay, in the order in which they are asked; empty when none was asked."""

    @property
    def closed(self) -> tuple[GateCheck, ...]:
        return tuple(gate for gate in self.gates if not gate.open)

    @property
    def evidence(self) -> str:
        """What the confidence rests on, in words."""
        if not self.successes and not self.failures:
            return "never replayed so far"
        return f"replays so far: {self.successes} right, {self.failures} wrong"


def first_closed(gates: Sequence[GateCheck]) -> str | None:
    """Name and reason of the first closed gate; None when all are open."""
    return next((f"{gate.name}: {gate.reason}" for gate in gates if not gate.open), None)
