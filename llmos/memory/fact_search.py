"""Search over the items of the core blocks: a few dozen, so by their words alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from llmos.core.core_block import CoreBlock, named_items
from llmos.core.dataclass import dataclass
from llmos.core.memory_text import identifiers, stems
from llmos.memory.archival_search import Found as FoundPassage
from llmos.memory.memory_search import is_relevant


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


def search_items(question: str, blocks: Sequence[CoreBlock]) -> list[FactHit]:
    """The items that are about the question, best first."""
    items = [(block.label, item, stems(item.text)) for block in blocks for item in named_items(block)]
    spread = Counter(word for _, _, held in items for word in held)
    wanted = {word: math.log(1 + len(items) / (1 + spread[word])) for word in stems(question)}
    exact, most = identifiers(question), sum(wanted.values()) or 1.0
    found = []
    for label, item, held in items:
        parts = {
            "keywords": sum(weight for word, weight in wanted.items() if word in held) / most,
            "identifier": 0.6 * len(exact & identifiers(item.text)) / max(1, len(exact)),
            "strength": 0.05 * item.strength,
        }
        if is_relevant(question, item.text, None):
            shown = {name: part for name, part in parts.items() if part}
            found.append(FactHit(label, item.id, item.text, item.evidence, sum(parts.values()), shown, True))
    return sorted(found, key=lambda hit: (-hit.score, hit.id))


def passage_hit(found: FoundPassage) -> FactHit:
    """A passage that was found, as a fact."""
    passage = found.passage
    sources = tuple(source.message for source in passage.sources)
    parts = dict(found.parts)
    return FactHit("archival", passage.id, passage.dated, sources, found.score, parts, found.relevant)
