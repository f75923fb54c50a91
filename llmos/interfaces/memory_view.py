"""An update of a memory tier in words for a person."""

from __future__ import annotations

from llmos.core.session_events import MemoryTicked
from llmos.interfaces.call_view import money

_TIER_WORDS = {"core": "core memory", "archival": "archival memory"}


def tick_words(event: MemoryTicked, command: str = "/") -> str:
    """What became of the update, in one line: `core memory: 2 lines changed (/memory diff shows them)`."""
    tier = _TIER_WORDS.get(event.tier, event.tier)
    cost = f" · {money(event.cost_usd)}" if event.model_calls else ""
    if not event.done:
        return f"{tier} not updated yet: {event.reason}{cost}"
    if event.tier == "recall":
        return f"recall: message {event.message} recorded{cost}"
    count = len(event.changes)
    if not count:
        return f"{tier}: nothing to change{cost}"
    asked = [change for change in event.changes if change.startswith("which holds?")]
    count -= len(asked)
    return "; ".join([f"{tier}: {count} line{'s' if count != 1 else ''} changed ({command}memory diff){cost}", *asked])
