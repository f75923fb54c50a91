"""How sure a replay would be, from what became of earlier ones; docs/decisions/0006 has the formula and its sources.

    confidence = structure * posterior
    posterior  = (K * m + s) / (K + s + f)               s, f: this trace's own replays, right and wrong
    m          = (K * M + w * S) / (K + w * (S + F))     S, F: the other traces of its family; M = 24/25, K = 25

The family's mean m is the base rate M moved by the family's outcomes, and the posterior is m moved by the trace's own:
a Beta-binomial in two levels, so that the number means something before a trace was ever replayed.
"""

from __future__ import annotations

from dataclasses import field, replace

from llmos.core.dataclass import dataclass

PRIOR_RIGHT = 24.0
PRIOR_WRONG = 1.0
"""Beta prior of "a verified run of the identical goal replays rightly": worth 25 observations, 0.96 on average.

It is fixed, and not estimated from the store: an unrelated trace must never change a plan.
"""
FAMILY_WEIGHT = 0.5
"""What the outcome of another trace of the same wording counts beside one's own (a power prior)."""

RETIRE_AFTER = 3
"""So many wrong replays without a right one between them, and a trace is never replayed again by itself."""
RAISED_BY_FAILURE = 0.01
LOWERED_BY_SUCCESS = 0.005
"""What one outcome moves the probability by that a trace must show: two right replays pay for a wrong one."""
RAISED_BY_PERSON = 0.02
"""The same for a replay that a person called wrong: no check had seen it."""
HIGHEST_REQUIRED = 0.99


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of a trace's replays, and what a person said of it."""

    successes: int = 0
    failures: int = 0
    """Since a person last enabled it."""
    last_used: str = ""
    """UTC, ISO 8601; empty when it was never used."""
    in_a_row: int = 0
    """Failures since the last success; once they retired the trace, only a person ends the count."""
    raised: float = 0.0
    """By how much the probability is raised that it must show."""
    disabled: str = ""
    """Why a person switched it off; empty when nobody did."""
    pinned: bool = False
    """A person prefers it to other runs of the same goal, and it is not pruned."""

    @property
    def retired(self) -> str:
        """Why it is not replayed any more; empty while it is."""
        if self.disabled:
            return self.disabled
        if self.in_a_row >= RETIRE_AFTER:
            return f"its last {self.in_a_row} replays went wrong"
        return ""

    def succeeded(self, when: str) -> Outcomes:
        return replace(
            self,
            successes=self.successes + 1,
            last_used=max(self.last_used, when),
            in_a_row=self.in_a_row if self.in_a_row >= RETIRE_AFTER else 0,
            raised=round(max(0.0, self.raised - LOWERED_BY_SUCCESS), 6),
        )

    def failed(self, when: str, *, by_person: bool = False) -> Outcomes:
        more = RAISED_BY_PERSON if by_person else RAISED_BY_FAILURE
        return replace(
            self,
            failures=self.failures + 1,
            last_used=max(self.last_used, when),
            in_a_row=self.in_a_row + 1,
            raised=round(self.raised + more, 6),
        )

    def enabled(self) -> Outcomes:
        """A person's word ends what its failures led to; they stay in the record and count no more."""
        return replace(self, failures=0, in_a_row=0, raised=0.0, disabled="")


@dataclass(frozen=True, slots=True)
class Family:
    """What became of the replays of the other traces of the same wording."""

    successes: int = 0
    failures: int = 0


NO_FAMILY = Family()
SAME_GOAL = 1.0
OTHER_VALUES = 0.99
"""The recorded calls with other values: what the gates are held to is at most one wrong in a hundred."""
OTHER_WORDS = 0.98
"""The same for a goal in other words: at most two."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the probability of a right replay rests on."""

    outcomes: Outcomes = field(default_factory=Outcomes)
    family: Family = field(default_factory=Family)
    structure: float = SAME_GOAL
    """Probability that the calls are the right ones for this goal, given that they were for the saved one."""

    @property
    def family_mean(self) -> float:
        """P(right) of a trace of this family that was never replayed."""
        right = PRIOR_RIGHT + FAMILY_WEIGHT * self.family.successes
        return right / (right + PRIOR_WRONG + FAMILY_WEIGHT * self.family.failures)

    @property
    def posterior(self) -> float:
        """P(right) of this trace for its own goal."""
        weight = PRIOR_RIGHT + PRIOR_WRONG
        own = self.outcomes
        return (weight * self.family_mean + own.successes) / (weight + own.successes + own.failures)

    @property
    def confidence(self) -> float:
        return self.structure * self.posterior

    def required(self, floor: float) -> float:
        """What the confidence must reach for a replay: the configured floor, raised by this trace's failures."""
        return max(floor, min(HIGHEST_REQUIRED, floor + self.outcomes.raised))
