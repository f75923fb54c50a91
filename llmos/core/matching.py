"""Which traces are near a goal, and how sure a replay would be.

Similarity ranks what is shown to a model; it never authorises a replay (DESIGN.md section 4).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llmos.core.goal import content_stems
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


def replay_confidence(outcomes: Outcomes) -> float:
    """Posterior mean of a Beta-binomial over this trace's own verified outcomes: P(the replay is right)."""
    right = PRIOR_RIGHT + outcomes.successes
    return right / (right + PRIOR_WRONG + outcomes.failures)


def rank(goal: str, headers: Sequence[TraceHeader], limit: int) -> list[tuple[TraceHeader, float]]:
    """The traces whose goals share the rarest words with `goal`, best first, with a similarity of 0 to 1.

    Weighted Jaccard over word stems, each weighted by its inverse document frequency among `headers`; ties go to the
    smaller id, so that the order is total.
    """
    wanted = content_stems(goal)
    stems = [content_stems(header.goal) for header in headers]
    frequency = Counter(word for words in stems for word in words)
    total = len(headers)

    def weight(word: str) -> float:
        return math.log(1 + total / (0.5 + frequency[word]))

    scored = []
    for header, words in zip(headers, stems, strict=True):
        shared = sum(weight(word) for word in wanted & words)
        if shared:
            scored.append((shared / sum(weight(word) for word in wanted | words), header))
    scored.sort(key=lambda pair: (-pair[0], pair[1].id))
    return [(header, score) for score, header in scored[:limit]]
