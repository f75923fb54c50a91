"""Archival passages found by words and by meaning: the words from the files, the meaning from vectors where there are.

Invariant: the files are the truth. A passage that has no vector, or one of other words, is found by its words and gets
a vector at the next chance; a vector without a passage finds nothing.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError
from llmos.core.memory_ranking import RankWeights
from llmos.core.memory_text import identifiers, stems, time_window
from llmos.core.passage import HOLDING, Passage
from llmos.core.ports import Embedder, PassageVectors
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.memory_search import is_relevant

DEPTH = 100
_EMBED_BATCH = 32
_CLOSED = -0.3
"""For what no longer holds: the current value comes first, the old one after it."""
_PAST = re.compile(r"\b(?:was|were|used to|before|formerly|previous(?:ly)?|back then|old|until)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found, and why it stands where it does."""

    passage: Passage
    score: float
    parts: Mapping[str, float]
    relevant: bool


class ArchivalSearch:
    """Searches the passages of one workspace. `open_vectors` is given an embedder and opens its vectors, or raises.

    It is asked once, at the first search by meaning; what it says when it cannot is in `problem`.
    """

    def __init__(
        self,
        memory: MemoryEngine,
        embedder: Callable[[], Embedder | None],
        open_vectors: Callable[[Embedder], PassageVectors],
        weights: RankWeights = RankWeights(),  # noqa: B008 (frozen)
    ) -> None:
        self._memory = memory
        self._make_embedder = embedder
        self._open_vectors = open_vectors
        self._weights = weights
        self._embedder: Embedder | None = None
        self._vectors: PassageVectors | None = None
        self._asked = False
        self.problem = ""

    def search(
        self,
        question: str,
        *,
        now: datetime,
        project: str = "",
        limit: int = 10,
        by_meaning: bool = True,
        among: Sequence[Passage] | None = None,
    ) -> list[Found]:
        """The best passages for a question, best first; without `by_meaning` by their words alone, at once.

        `among` are the passages to search where it is not all of them as they are now.
        """
        passages = {one.id: one for one in (self._memory.passages() if among is None else among)}
        if not passages:
            return []
        keyword = _by_words(question, passages.values())
        cosines = self._by_meaning(question, passages) if by_meaning else {}
        best = max(keyword.values(), default=0.0)
        window = time_window(question, now)
        past = _PAST.search(question) is not None
        wanted = identifiers(question)
        w = self._weights.keyword if cosines else 1.0
        found = []
        for identifier in {*keyword, *cosines}:
            passage, cosine = passages[identifier], cosines.get(identifier)
            parts = {
                "keywords": w * keyword.get(identifier, 0.0) / best if best else 0.0,
                "meaning": (1 - w) * max(0.0, cosine or 0.0),
                "identifier": self._weights.identifier * _share(wanted, identifiers(passage.text)),
                "user": self._weights.user * (passage.by == "user") / 4,
                "project": self._weights.project * bool(project and passage.project == project),
                "window": self._weights.window * (window is not None and _falls_in(passage, window.start, window.end)),
                "closed": _CLOSED * (passage.state not in HOLDING and not past),
            }
            relevant = is_relevant(question, f"{passage.subject} {passage.attribute} {passage.text}", cosine)
            found.append(Found(passage, sum(parts.values()), {k: v for k, v in parts.items() if v}, relevant))
        return sorted(found, key=lambda one: (-one.score, one.passage.id))[:limit]

    def warm(self) -> None:
        """Load what a search by meaning needs, if there is something to search; in a thread, it takes a second."""
        if not self._asked and next(iter(self._memory.passage_files()), None) is not None:
            self._opened()

    def synchronise(self, limit: int = 10_000) -> int:
        """Bring the vectors to what the files say, at most so many at once; how many were embedded.

        What is done stays done when it is cut off: each batch is kept before the next is embedded.
        """
        vectors, embedder = self._opened()
        if vectors is None or embedder is None:
            return 0
        made = 0
        with suppress(LlmosError):
            texts = {one.id: one.text for one in self._memory.passages()}
            digests = {identifier: _digest(text) for identifier, text in texts.items()}
            known = vectors.known()
            if gone := [identifier for identifier in known if identifier not in texts]:
                vectors.remove(gone)
            missing = [one for one in sorted(texts) if known.get(one) != digests[one]][:limit]
            for start in range(0, len(missing), _EMBED_BATCH):
                part = missing[start : start + _EMBED_BATCH]
                embedded = embedder.embed([texts[one] for one in part])
                vectors.put({one: digests[one] for one in part}, dict(zip(part, embedded, strict=True)))
                made += len(part)
        return made

    def start_over(self) -> None:
        """Let go of the vectors; what asks for them next opens them anew."""
        self.close()
        self._asked, self.problem = False, ""

    def close(self) -> None:
        if self._vectors is not None:
            self._vectors.close()
            self._vectors = None

    def _by_meaning(self, question: str, passages: Mapping[str, Passage]) -> dict[str, float]:
        vectors, embedder = self._opened()
        if vectors is None or embedder is None:
            return {}
        try:
            self.synchronise(_EMBED_BATCH)
            near = vectors.nearest(embedder.embed([question])[0], DEPTH)
        except LlmosError as error:
            self.problem = str(error)
            self.close()
            return {}
        return {identifier: cosine for identifier, cosine in near.items() if identifier in passages}

    def _opened(self) -> tuple[PassageVectors | None, Embedder | None]:
        if not self._asked:
            self._asked = True
            try:
                self._embedder = self._make_embedder()
                if self._embedder is not None:
                    self._vectors = self._open_vectors(self._embedder)
            except LlmosError as error:
                self.problem = str(error)
        return self._vectors, self._embedder


def _by_words(question: str, passages: Iterable[Passage]) -> dict[str, float]:
    """How much of the question each passage holds, rare words weighing more; those that hold nothing left out."""
    words = {one.id: stems(f"{one.subject} {one.attribute} {one.text}") for one in passages}
    wanted = stems(question)
    seen = Counter(word for held in words.values() for word in held & wanted)
    weight = {word: math.log(1 + len(words) / (0.5 + seen[word])) for word in wanted}
    whole = sum(weight.values())
    scores = {
        identifier: sum(weight[word] for word in held & wanted) / whole
        for identifier, held in words.items()
        if held & wanted
    }
    return dict(sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:DEPTH])


def _share(wanted: frozenset[str], held: frozenset[str]) -> float:
    return len(wanted & held) / len(wanted) if wanted else 0.0


def _falls_in(passage: Passage, start: datetime, end: datetime) -> bool:
    """Whether it held at some time between."""
    first = passage.since or "0000"
    last = passage.valid_to[:10] or "9999"
    return first < end.date().isoformat() and last >= start.date().isoformat()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
