"""What turns add up to: spent, saved, modes, outcomes, and the share that was replayed, over time. Pure.

Every number is a sum over the turns of the transcripts, so that it can be checked against them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import date, datetime, timedelta
from enum import StrEnum

from llmos.core.dataclass import dataclass
from llmos.core.turns import TurnFacts

MOST_PERIODS = 60
"""From here on a longer period is chosen, so that a chart stays readable."""


class Period(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Sums:
    """Turns added up. Costs are US dollars, `elapsed_s` seconds."""

    turns: int = 0
    replayed: int = 0
    """Turns that a replay alone did rightly."""
    cost_usd: float = 0.0
    saved_usd: float = 0.0
    model_calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    elapsed_s: float = 0.0
    modes: Mapping[str, int] = field(default_factory=dict)
    """By the mode that a turn ended in; "" for a turn that ended before its decision."""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """By outcome; "" for a turn without an end."""

    @property
    def hit_rate(self) -> float:
        """Share of the turns that a replay alone did, 0 to 1."""
        return self.replayed / self.turns if self.turns else 0.0


@dataclass(frozen=True, slots=True)
class Stats:
    total: Sums
    by: Period
    periods: tuple[tuple[str, Sums], ...]
    """First day of each period (ISO 8601, UTC) and its sums; periods without a turn among them."""


def sums(turns: Sequence[TurnFacts]) -> Sums:
    """The turns added up, exactly rounded (math.fsum)."""
    return Sums(
        turns=len(turns),
        replayed=sum(turn.replayed for turn in turns),
        cost_usd=math.fsum(turn.cost_usd for turn in turns),
        saved_usd=math.fsum(turn.saved_usd for turn in turns),
        model_calls=sum(turn.model_calls for turn in turns),
        tokens_in=sum(turn.tokens_in for turn in turns),
        tokens_out=sum(turn.tokens_out for turn in turns),
        elapsed_s=math.fsum(turn.elapsed_s for turn in turns),
        modes=dict(sorted(Counter(turn.mode for turn in turns).items())),
        outcomes=dict(sorted(Counter(turn.outcome for turn in turns).items())),
    )


def stats_of(turns: Iterable[TurnFacts], by: Period | None = None) -> Stats:
    """Totals and sums by period; without `by` the shortest period that makes a readable chart.

    Raises ValueError for a turn whose time is none.
    """
    found = list(turns)
    days = [_day(turn) for turn in found]
    if not days:
        return Stats(Sums(), by or Period.DAY, ())
    first, last = min(days), max(days)
    chosen = by or _readable((last - first).days)
    grouped: dict[date, list[TurnFacts]] = {}
    for day, turn in zip(days, found, strict=True):
        grouped.setdefault(_start(day, chosen), []).append(turn)
    periods = []
    start, end = _start(first, chosen), _start(last, chosen)
    while start <= end:
        periods.append((start.isoformat(), sums(grouped.get(start, []))))
        start = _next(start, chosen)
    return Stats(sums(found), chosen, tuple(periods))


def _day(turn: TurnFacts) -> date:
    return datetime.fromisoformat(turn.at.replace("Z", "+00:00")).date()


def _readable(days: int) -> Period:
    if days < MOST_PERIODS:
        return Period.DAY
    return Period.WEEK if days < MOST_PERIODS * 7 else Period.MONTH


def _start(day: date, by: Period) -> date:
    if by is Period.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if by is Period.MONTH else day


def _next(start: date, by: Period) -> date:
    if by is Period.MONTH:
        return (start + timedelta(days=31)).replace(day=1)
    return start + timedelta(days=7 if by is Period.WEEK else 1)
