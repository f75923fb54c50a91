"""Which traces are near a goal, and how sure a replay would be.

Similarity ranks what is shown to a model; it never authorises a replay (DESIGN.md section 4).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llmos.core.goal import FUNCTION_WORDS, stem, words_of
from llmos.core.trace import TraceHeader

PRIOR_RIGHT = 24.0
PRIOR_WRONG = 1.0
"""Beta prior of "a verified run of the identical goal replays rightly": worth 25 observations, 0.96 on average."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of a trace's replays."""

    successes: int = 0
    failures: int = 0
    last_used: str = ""
    """UTC, ISO 8601; empty when it was never used."""


PRIOR_REBOUND = 19.0
"""The same prior where values were rebound: 0.95, until a replay of this trace has shown more."""


def replay_confidence(outcomes: Outcomes, *, rebound: bool = False) -> float:
    """Posterior mean of a Beta-binomial over this trace's own verified outcomes: P(the replay is right)."""
    right = (PRIOR_REBOUND if rebound else PRIOR_RIGHT) + outcomes.successes
    return right / (right + PRIOR_WRONG + outcomes.failures)


_CONCEPTS = {
    word: concept
    for concept, words in {
        "count": "many count number amount",
        "sum": "total sum add altogether together",
        "folder": "folder folders directory directories subfolder subfolders subdirectory subdirectories",
        "delete": "delete remove erase drop rid",
        "large": "large larger largest big bigger biggest most longest highest greatest size space",
        "small": "small smaller smallest tiny",
        "show": "show print display list tell say see",
        "create": "create make new write generate touch",
        "append": "append end bottom",
        "change": "change replace edit set update substitute swap",
        "search": "find search contain contains containing mention mentions occur occurs appear appears where",
        "different": "different distinct unique duplicate duplicates same identical equal",
        "sort": "sort sorted order alphabetical alphabetically",
        "rename": "rename renamed name names named",
        "copy": "copy copies backup",
        "archive": "archive tar pack compress zip gz unpack extract",
        "recent": "last latest newest recent recently modified touched",
        "run": "run execute prints output",
    }.items()
    for word in words.split()
}
"""Words that shell goals use for one thing. For ranking alone: what is near may still be the opposite."""

_FILE_NAME = re.compile(r"[\w*?./~-]*\.(\w{1,6})\b|\S*/\S*")


def ranking_terms(goal: str) -> frozenset[str]:
    """What a goal is about, for ranking: concepts and stems, with a file name reduced to its extension."""
    extensions = {f".{match.group(1).lower()}" for match in _FILE_NAME.finditer(goal) if match.group(1)}
    words = words_of(_FILE_NAME.sub(" ", goal))
    concepts = {_CONCEPTS[word] for word in words if word in _CONCEPTS}
    rest = {stem(word) for word in words if word not in FUNCTION_WORDS and word not in _CONCEPTS}
    return frozenset(extensions | concepts | rest)


def rank(goal: str, headers: Sequence[TraceHeader], limit: int) -> list[tuple[TraceHeader, float]]:
    """The traces whose goals share the rarest terms with `goal`, best first, with a similarity of 0 to 1.

    Cosine over terms weighted by their inverse document frequency among `headers`; ties go to the smaller id, so that
    the order is total.
    """
    wanted = ranking_terms(goal)
    terms = [ranking_terms(header.goal) for header in headers]
    frequency = Counter(term for one in terms for term in one)
    total = len(headers)

    def norm(of: Iterable[str]) -> float:
        return math.sqrt(sum(math.log(1 + total / (0.5 + frequency[term])) ** 2 for term in of))

    length = norm(wanted)
    scored = [
        (norm(wanted & one) ** 2 / (length * norm(one)), header)
        for header, one in zip(headers, terms, strict=True)
        if wanted & one
    ]
    scored.sort(key=lambda pair: (-pair[0], pair[1].id))
    return [(header, score) for score, header in scored[:limit]]
