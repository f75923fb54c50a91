"""Which traces are near a goal.

Similarity ranks what is shown to a model; it never authorises a replay.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from llmos.core.goal import FUNCTION_WORDS, stem, words_of
from llmos.core.trace import TraceHeader

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


_USUAL_STORE = 1000
"""Traces of the store that weights of terms are reckoned for; fixed, so that an unrelated trace changes no weight."""


def similarity(wanted: frozenset[str], terms: frozenset[str], frequencies: Mapping[str, int]) -> float:
    """0 to 1: cosine over the terms, those of `wanted` weighted by their inverse document frequency.

    `frequencies` says in how many stored traces each term of `wanted` stands; the other terms of a trace weigh as those
    of the goal do on average, so that nothing but what the goal names is asked of the store.
    """
    if not wanted:
        return 0.0
    weights = {term: math.log(1 + _USUAL_STORE / (0.5 + frequencies.get(term, 0))) ** 2 for term in wanted}
    total = sum(weights.values())
    shared = sum(weights[term] for term in wanted & terms)
    norm = math.sqrt(total * (shared + len(terms - wanted) * total / len(wanted)))
    return min(1.0, shared / norm) if norm else 0.0


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
