"""Search over what was made of messages: items of core blocks and archival passages, some thousands at most.

What holds now comes before what held once, which stays findable with its dates.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from llmos.core.core_block import CoreBlock, named_items
from llmos.core.memory_text import asks_for_a_time, identifiers, names_a_time, stems, time_window
from llmos.core.passage import Passage, PassageState
from llmos.memory.memory_search import is_relevant

_KEYWORD = 0.6
_STANDING = {
    PassageState.CURRENT: 0.0,
    PassageState.DISPUTED: -0.02,
    PassageState.SUPERSEDED: -0.2,
    PassageState.RETRACTED: -0.6,
}


@dataclass(frozen=True, slots=True)
class FactHit:
    """An item or a passage, and why it stands where it does."""

    place: str
    """The label of its block, or `archival`."""
    id: str
    text: str
    """With its dates and standing."""
    sources: tuple[str, ...]
    score: float
    parts: dict[str, float]
    relevant: bool


@dataclass(frozen=True, slots=True)
class _Known:
    place: str
    id: str
    text: str
    shown: str
    sources: tuple[str, ...]
    since: str
    strength: float
    project: str = ""
    state: PassageState = PassageState.CURRENT


def search_facts(
    question: str,
    blocks: Sequence[CoreBlock],
    passages: Sequence[Passage],
    *,
    now: datetime,
    project: str = "",
    cosines: Mapping[str, float] | None = None,
    limit: int = 10,
) -> list[FactHit]:
    """The best items and passages, best first. `cosines` are those of passages, by id, where there are vectors."""
    known = [*_items(blocks), *_passages(passages)]
    words = [stems(one.text) for one in known]
    spread = Counter(word for held in words for word in held)
    wanted = {word: math.log(1 + len(known) / (1 + spread[word])) for word in stems(question)}
    exact = identifiers(question)
    window = time_window(question, now)
    wants_time = asks_for_a_time(question)
    most = sum(wanted.values()) or 1.0
    found = []
    for one, held in zip(known, words, strict=True):
        cosine = (cosines or {}).get(one.id)
        share = sum(weight for word, weight in wanted.items() if word in held) / most
        parts = {
            "keywords": (_KEYWORD if cosines else 1.0) * share,
            "meaning": (1 - _KEYWORD) * max(0.0, cosine or 0.0),
            "identifier": 0.6 * len(exact & identifiers(one.text)) / max(1, len(exact)),
            "project": 0.1 * bool(project and one.project == project),
            "window": 0.35 * (window.closeness(since) if window and (since := _moment(one.since)) else 0.0),
            "time": 0.1 * (wants_time and names_a_time(one.text)),
            "strength": 0.05 * one.strength,
            "standing": _STANDING[one.state],
        }
        relevant = is_relevant(question, one.text, cosine)
        score = sum(parts.values())
        shown = {name: part for name, part in parts.items() if part}
        found.append(FactHit(one.place, one.id, one.shown, one.sources, score, shown, relevant))
    return sorted(found, key=lambda hit: (not hit.relevant, -hit.score, hit.id))[:limit]


def _items(blocks: Sequence[CoreBlock]) -> list[_Known]:
    return [
        _Known(block.label, item.id, item.text, item.text, item.evidence, item.date, item.strength)
        for block in blocks
        for item in named_items(block)
    ]


def _passages(passages: Sequence[Passage]) -> list[_Known]:
    return [
        _Known(
            "archival",
            one.id,
            one.text,
            one.dated,
            tuple(source.message for source in one.sources),
            one.since,
            one.strength,
            one.project,
            one.state,
        )
        for one in passages
    ]


def _moment(day: str) -> datetime | None:
    try:
        return datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:
        return None
