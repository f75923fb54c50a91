"""Which traces `prune` would delete, and why. Pure: the caller shows the list first and deletes only after a yes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from llmos.core.dataclass import dataclass
from llmos.core.evidence import Outcomes
from llmos.core.trace import TraceHeader, TraceStatus


@dataclass(frozen=True, slots=True)
class PruneRule:
    """A trace goes when any rule that is set applies; a pinned one never does."""

    older_than: timedelta | None = None
    """Learned longer ago than this and not used since."""
    failures: int | None = None
    """At least so many wrong replays, and more wrong than right."""
    unused: bool = False
    """Never replayed."""
    drafts: bool = False
    """Kept only to be read: runs that failed or were not verified."""

    @property
    def empty(self) -> bool:
        return self == PruneRule()


@dataclass(frozen=True, slots=True)
class Pruned:
    header: TraceHeader
    reason: str


def to_prune(traces: Iterable[tuple[TraceHeader, Outcomes]], rule: PruneRule, now: datetime) -> list[Pruned]:
    """What the rule deletes, with the first reason that applies."""
    found = []
    for header, outcomes in traces:
        if reason := _reason(header, outcomes, rule, now):
            found.append(Pruned(header, reason))
    return found


def _reason(header: TraceHeader, outcomes: Outcomes, rule: PruneRule, now: datetime) -> str | None:
    if outcomes.pinned:
        return None
    if rule.drafts and header.status is TraceStatus.DRAFT:
        return "draft"
    if rule.failures is not None and outcomes.failures >= rule.failures and outcomes.failures > outcomes.successes:
        return f"{outcomes.failures} wrong replays, {outcomes.successes} right"
    if rule.unused and outcomes.successes + outcomes.failures == 0:
        return "never replayed"
    if rule.older_than is not None:
        last = max(header.learned.when, outcomes.last_used)
        age = now - parse_time(last)
        if age > rule.older_than:
            return f"last used {age.days} days ago"
    return None


def parse_time(text: str) -> datetime:
    """An ISO 8601 time as this program writes it, with its zone. Raises ValueError."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
