"""The product's memory search: what was said, found by words, by meaning and by what surrounds it.

Works with words alone where no embedder is there. What it finds is data with a source and a date, never an authority.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError
from llmos.core.memory_ranking import Asked, Candidate, Ranked, RankWeights, rank
from llmos.core.memory_text import (
    asks_for_a_time,
    identifiers,
    in_first_person,
    named_in,
    names_a_time,
    spoken_date,
    stems,
    time_window,
)
from llmos.memory.recall_index import RecallIndex
from llmos.memory.recall_reader import RecallMessage
from llmos.memory.vectors import MessageVectors

DEPTH = 100
"""How many messages each list brings in."""
SCORED = 1_000
"""How many messages the words give a score to, whichever list brings them in."""
_JUDGED = 10
"""The best hits, one of which must be about the question for any to be shown."""
EMBED_AT_SEARCH = 8
"""Messages without a vector that a search may embed before it answers."""
LEAST_WORDS = 0.3
LEAST_COSINE = 0.38
"""Below both a message is not worth showing for a question, whatever else is."""
LEAST_BEST = 0.42
WORDS_BESIDE_COSINE = 0.3
"""Where no hit has this much of cosine and, weighing less, of the question's words, nothing is about the question at
all. Calibrated with `bench/memory.py --relevance`; docs/benchmarks.md says how often it is wrong."""


THE_TWO = frozenset({"user", "llmos"})
"""Whoever else speaks has a name that a question may call."""

Place = tuple[str, int]
"""Session and place in it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found, and why it stands where it does."""

    message: RecallMessage
    score: float
    parts: dict[str, float]
    relevant: bool


class MemorySearch:
    """Searches the messages of one workspace."""

    def __init__(
        self,
        index: RecallIndex,
        vectors: MessageVectors | None = None,
        weights: RankWeights = RankWeights(),  # noqa: B008 (frozen)
    ) -> None:
        self.index = index
        self.vectors = vectors
        self._weights = weights

    def search(self, question: str, *, now: datetime, project: str = "", limit: int = 10) -> list[Hit]:
        """The best messages for a question, best first; `relevant` says whether one is about it at all."""
        self.index.refresh()
        exact = self.index.by_identifiers(question, DEPTH)
        keyword = self.index.by_keywords(question, SCORED)
        spoken = named_in(question, self.index.speakers() - THE_TWO)
        told = in_first_person(question, spoken)
        near, cosines = self._near(told)
        messages = self._candidates({*list(keyword)[:DEPTH], *near, *exact})
        by_place = {(message.session, message.ordinal): message for message in messages}
        coverage = _coverage(question, by_place)
        wants_time = asks_for_a_time(question)
        candidates = [
            Candidate(
                number=message.ordinal,
                session=message.session,
                at=message.at,
                role=message.role,
                speaker=message.speaker,
                project=message.project,
                keyword=keyword.get(message.number, 0.0),
                coverage=coverage[place],
                cosine=_cosine(cosines, message.number),
                exact=exact.get(message.number, 0.0),
                names_time=wants_time and names_a_time(message.text),
            )
            for place, message in by_place.items()
        ]
        asked = Asked(now, project, spoken, time_window(question, now), wants_time)
        ranked = rank(candidates, asked, self._weights)[: max(limit, _JUDGED)]
        hits = [self._hit(question, item, by_place[item.candidate.session, item.candidate.number]) for item in ranked]
        if not any(
            is_about(told, _dated(hit.message), item.candidate.cosine) for hit, item in zip(hits, ranked, strict=True)
        ):
            hits = [replace(hit, relevant=False) for hit in hits]
        return hits[:limit]

    def _near(self, question: str) -> tuple[dict[int, float], Any]:
        if self.vectors is None:
            return {}, None
        try:
            self.vectors.embed_pending(EMBED_AT_SEARCH)
            return self.vectors.nearest(question, DEPTH)
        except (LlmosError, OSError):
            return {}, None  # an embedder that fails costs meaning, not the search

    def _candidates(self, numbers: set[int]) -> list[RecallMessage]:
        """The messages found and the ones beside them."""
        found = {message.number: message for message in self.index.messages(sorted(numbers))}
        for message in self.index.beside(list(found.values())):
            found.setdefault(message.number, message)
        return list(found.values())

    def _hit(self, question: str, item: Ranked, message: RecallMessage) -> Hit:
        said = f"{message.speaker} {_dated(message)}"
        return Hit(message, item.score, dict(item.parts), is_relevant(question, said, item.candidate.cosine))


def is_relevant(question: str, text: str, cosine: float | None) -> bool:
    """Whether a text is about a question at all: enough of its words, its identifiers, or its meaning."""
    if cosine is not None and cosine >= LEAST_COSINE:
        return True
    if identifiers(question) & identifiers(text):
        return True
    wanted = stems(question)
    return bool(wanted) and len(wanted & stems(text)) / len(wanted) >= LEAST_WORDS


def is_about(question: str, text: str, cosine: float | None) -> bool:
    """Whether a text is enough to say that something is known about a question."""
    if identifiers(question) & identifiers(text):
        return True
    wanted = stems(question)
    share = len(wanted & stems(text)) / len(wanted) if wanted else 0.0
    return share >= LEAST_WORDS if cosine is None else cosine + WORDS_BESIDE_COSINE * share >= LEAST_BEST


def _dated(message: RecallMessage) -> str:
    return f"{spoken_date(message.at)} {message.text}"


def _coverage(question: str, by_place: Mapping[Place, RecallMessage]) -> dict[Place, float]:
    """For each message the share of the question's words that it and the one before it hold."""
    wanted = stems(question)
    held = {place: stems(f"{message.speaker} {message.text}") & wanted for place, message in by_place.items()}
    none: frozenset[str] = frozenset()
    return {
        (session, number): len(words | held.get((session, number - 1), none)) / max(1, len(wanted))
        for (session, number), words in held.items()
    }


def _cosine(cosines: Any, number: int) -> float | None:
    if cosines is None or number > len(cosines):
        return None
    return float(cosines[number - 1])
