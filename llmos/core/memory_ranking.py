"""How messages found by words and by meaning are ranked as one list; docs/benchmarks.md measures it.

score = w * keyword + (1 - w) * cosine, both scaled to 0..1 for the question, then what surrounds a message adds to it:
its neighbours, its session, who spoke, the project, the exact identifiers, a time where the question asks for one. Both
lists are united, neither gates the other, and age only ever adds a little: it never multiplies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from llmos.core.dataclass import dataclass
from llmos.core.memory_text import TimeWindow


@dataclass(frozen=True, slots=True)
class RankWeights:
    keyword: float = 0.4
    coverage: float = 0.4
    """Of the keyword score: for how many of the question's words there are, however rare each is."""
    neighbour: float = 0.1
    session: float = 0.4
    speaker: float = 0.25
    user: float = 0.2
    """For the person's own words, where a store holds others' too."""
    project: float = 0.1
    identifier: float = 0.6
    window: float = 0.35
    time: float = 0.2
    """For a message that says when, where the question asks when."""
    recency: float = 0.02
    half_life_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that one of the lists found, or that stands beside one."""

    number: int
    """Rises with time within a session; neighbours differ by one."""
    session: str
    at: datetime
    role: str
    speaker: str
    project: str
    keyword: float
    """Raw keyword score, higher is better; 0.0 when that list did not find it."""
    coverage: float
    """Share of the question's words that the message and the one before it hold."""
    cosine: float | None
    """None without an embedder."""
    exact: float = 0.0
    """Share of the question's identifiers that the message holds to the letter."""
    names_time: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What the question says besides its words."""

    now: datetime
    project: str = ""
    speakers: frozenset[str] = frozenset()
    window: TimeWindow | None = None
    wants_time: bool = False


@dataclass(frozen=True, slots=True)
class Ranked:
    candidate: Candidate
    score: float
    parts: Mapping[str, float]


def rank(candidates: Sequence[Candidate], asked: Asked, weights: RankWeights = RankWeights()) -> list[Ranked]:  # noqa: B008 (frozen)
    """The candidates, best first, each with the parts of its score."""
    base = _base(candidates, weights)
    around = _neighbours(candidates, base)
    of_session = _sessions(candidates, base)
    mixed_roles = len({candidate.role for candidate in candidates}) > 1
    ranked = []
    for place, candidate in enumerate(candidates):
        parts = {
            **base[place],
            "neighbours": weights.neighbour * around[place],
            "session": weights.session * of_session[candidate.session],
            "speaker": weights.speaker * (candidate.speaker.lower() in asked.speakers),
            "user": weights.user * (mixed_roles and candidate.role == "user"),
            "project": weights.project * bool(asked.project and candidate.project == asked.project),
            "identifier": weights.identifier * candidate.exact,
            "window": weights.window * (asked.window.closeness(candidate.at) if asked.window else 0.0),
            "time": weights.time * (asked.wants_time and candidate.names_time),
            "recency": weights.recency * _recency(candidate, asked, weights),
        }
        ranked.append(Ranked(candidate, sum(parts.values()), {name: part for name, part in parts.items() if part}))
    return sorted(ranked, key=lambda item: (-item.score, -item.candidate.number))


def _base(candidates: Sequence[Candidate], weights: RankWeights) -> list[dict[str, float]]:
    best = max((candidate.keyword for candidate in candidates), default=0.0)
    cosines = [candidate.cosine for candidate in candidates if candidate.cosine is not None]
    low, high = min(cosines, default=0.0), max(cosines, default=0.0)
    w = weights.keyword if cosines else 1.0
    found = []
    for candidate in candidates:
        keyword = candidate.keyword / best if best > 0 else 0.0
        keyword += weights.coverage * (candidate.coverage - keyword)
        cosine = 0.0
        if candidate.cosine is not None and high > low:
            cosine = (candidate.cosine - low) / (high - low)
        found.append({"keywords": w * keyword, "meaning": (1 - w) * cosine})
    return found


def _neighbours(candidates: Sequence[Candidate], base: Sequence[Mapping[str, float]]) -> list[float]:
    """For each message the scores of the ones beside it in its session."""
    at = {(c.session, c.number): sum(base[place].values()) for place, c in enumerate(candidates)}
    return [at.get((c.session, c.number - 1), 0.0) + at.get((c.session, c.number + 1), 0.0) for c in candidates]


def _sessions(candidates: Sequence[Candidate], base: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """For each session the mean of its three best messages."""
    scores: defaultdict[str, list[float]] = defaultdict(list)
    for place, candidate in enumerate(candidates):
        scores[candidate.session].append(sum(base[place].values()))
    return {session: sum(sorted(values, reverse=True)[:3]) / 3 for session, values in scores.items()}


def _recency(candidate: Candidate, asked: Asked, weights: RankWeights) -> float:
    days = max(0.0, (asked.now - candidate.at).total_seconds() / 86_400)
    return float(0.5 ** (days / weights.half_life_days))
