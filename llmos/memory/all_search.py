"""One search over all tiers: what was made of messages first, then what was said."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from llmos.core.core_block import CoreBlock
from llmos.core.dataclass import dataclass
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.as_of import blocks_as_of, passages_as_of
from llmos.memory.fact_search import FactHit, passage_hit, search_items
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.memory_search import Hit
from llmos.memory.recall import Recall

_DEEP = 200
"""Messages that are looked at where later ones do not count."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is about a question."""

    facts: tuple[FactHit, ...]
    messages: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class AllSearch:
    """The tiers of one workspace, searched as one."""

    memory: MemoryEngine
    archival: ArchivalSearch
    recall: Recall

    def search(
        self, question: str, *, now: datetime, project: str, limit: int, as_of: str = "", recorded_by: str = ""
    ) -> Found:
        """At most `limit` hits, best first, at most half of them facts: only what is about the question at all.

        With a day (ISO 8601) only what held on it, or was said and on record by it.
        """
        day = min(filter(None, (as_of, recorded_by)), default="")
        among = passages_as_of(self.memory, as_of, recorded_by) if day else None
        passages = self.archival.search(question, now=now, project=project, limit=limit, among=among)
        blocks = blocks_as_of(self.memory, recorded_by)
        items = search_items(question, [_since(block, as_of) for block in blocks])
        facts = [*items, *(passage_hit(one) for one in passages if one.relevant)]
        best = sorted(facts, key=lambda hit: (-hit.score, hit.id))[: (limit + 1) // 2]
        messages = self.recall.search(question, now=now, project=project, limit=_DEEP if day else limit)
        messages = [hit for hit in messages if not day or hit.message.at.date().isoformat() <= day]
        return Found(tuple(best), tuple([hit for hit in messages if hit.relevant][: limit - len(best)]))


def _since(block: CoreBlock, day: str) -> CoreBlock:
    """The block with the items that were there on a day, as far as their dates say."""
    return replace(block, lines=tuple(one for one in block.items if not day or one.date <= day))
