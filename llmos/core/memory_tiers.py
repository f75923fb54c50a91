"""The three memory tiers as rules: how often each updates, how much one update may change, when it is due.

rate = base rate x (1 - stability), as in nested learning. What the numbers mean for text,
where there is no gradient, is in docs/decisions/0012: an edit budget, the evidence needed to supersede, and how fast a
fact's strength follows what is observed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum

from llmos.core.dataclass import dataclass


class Tier(StrEnum):
    """Ordered from the fastest to the slowest."""

    RECALL = "recall"
    CORE = "core"
    ARCHIVAL = "archival"


@dataclass(frozen=True, slots=True)
class TierRule:
    """How one tier learns. `every` is in messages of the person."""

    tier: Tier
    every: int
    stability: float
    base_rate: float

    @property
    def rate(self) -> float:
        return self.base_rate * (1 - self.stability)

    def edit_budget(self, items: int) -> int:
        """How many of a block's `items` one update may change, add or take away."""
        if self.tier is not Tier.CORE:
            return 0
        return max(1, math.ceil(round((1 - self.stability) * items / 5, 9)))

    def strength_after(self, strength: float, observed: float) -> float:
        """A fact's strength, moved toward what is observed (0.0 to 1.0) by the tier's rate."""
        return strength + self.rate * (observed - strength)

    def borne_out(self, strength: float, times: int) -> float:
        """The strength after it was borne out so many times."""
        return 1 - (1 - strength) * (1 - self.rate) ** times

    def is_strong(self, strength: float) -> bool:
        """Whether a fact is proposed to the next tier: from recall to core, from core to archival, and an archival one
        that keeps being asked for to core.

        Recall: observed as often as core wants evidence. Core: said outright, or a conclusion that was borne out since.
        Archival: said outright and borne out or asked for thrice since.
        """
        start, times = {Tier.RECALL: (0.0, 2), Tier.CORE: (0.25, 1), Tier.ARCHIVAL: (0.5, 3)}[self.tier]
        if self.rate <= 0:  # nothing moves: only what was said outright goes on
            return self.tier is Tier.CORE and strength >= 0.5
        return strength >= self.borne_out(start, times) - 1e-6


@dataclass(frozen=True, slots=True)
class TierRules:
    """The rules of a workspace."""

    recall: TierRule = TierRule(Tier.RECALL, 1, 0.1, 0.1)
    core: TierRule = TierRule(Tier.CORE, 10, 0.5, 0.01)
    archival: TierRule = TierRule(Tier.ARCHIVAL, 100, 0.9, 0.001)

    def of(self, tier: Tier) -> TierRule:
        return {Tier.RECALL: self.recall, Tier.CORE: self.core, Tier.ARCHIVAL: self.archival}[tier]


@dataclass(frozen=True, slots=True)
class TickNote:
    """One update of a tier, as a transcript keeps it."""

    tier: str
    message: int
    """The count of all messages when it ran."""
    done: bool
    at: str
    through: str = ""
    """Time of the newest message that it took in; messages after it are for the next one."""


_KEPT_FAILURES = 40


def last_done(notes: Iterable[TickNote], tier: Tier) -> TickNote | None:
    """The latest completed update of a tier."""
    done = [note for note in notes if note.tier == tier and note.done]
    return max(done, key=_order, default=None)


def that_count(notes: Iterable[TickNote]) -> tuple[TickNote, ...]:
    """Of each tier the latest completed update and the last failed ones since: no rule looks at others."""
    kept: list[TickNote] = []
    notes = list(notes)
    for tier in (Tier.CORE, Tier.ARCHIVAL):
        done = last_done(notes, tier)
        since = _order(done) if done is not None else ("", -1)
        failed = [note for note in notes if note.tier == tier and not note.done and _order(note) > since]
        kept += [done] if done is not None else []
        kept += sorted(failed, key=_order)[-_KEPT_FAILURES:]
    return tuple(kept)


def is_due(rule: TierRule, count: int, notes: Iterable[TickNote]) -> bool:
    """Whether a multiple of the tier's cadence was passed since its last completed update."""
    notes = list(notes)
    done = last_done(notes, rule.tier)
    # More messages at the last update than there are now: transcripts were deleted, and counting starts over.
    covered = done.message if done is not None and done.message <= count else 0
    return count // rule.every > covered // rule.every


def may_try(rule: TierRule, count: int, notes: Iterable[TickNote]) -> bool:
    """Whether an update that is due should be tried at this message.

    After the k-th failure in a row 2^(k-1) messages pass before the next attempt, at most one cadence.
    """
    notes = list(notes)
    if not is_due(rule, count, notes):
        return False
    done = last_done(notes, rule.tier)
    since = _order(done) if done is not None else ("", -1)
    failed = [note for note in notes if note.tier == rule.tier and not note.done and _order(note) > since]
    if not failed:
        return True
    latest = max(failed, key=_order)
    pause = min(rule.every, 2 ** min(len(failed) - 1, 20))
    return count >= latest.message + pause or count < latest.message


def _order(note: TickNote) -> tuple[str, int]:
    return note.at, note.message
