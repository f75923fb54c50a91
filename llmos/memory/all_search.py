"""One search over all tiers: what was made of messages first, then what was said."""

from __future__ import annotations

from datetime import datetime

from llmos.core.dataclass import dataclass
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.fact_search import FactHit, passage_hit, search_items
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.memory_search import Hit
from llmos.memory.recall import Recall


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

    def search(self, question: str, *, now: datetime, project: str, limit: int) -> Found:
        """At most `limit` hits, best first, at most half of them facts: only what is about the question at all."""
        passages = self.archival.search(question, now=now, project=project, limit=limit)
        facts = [*search_items(question, self.memory.blocks()), *(passage_hit(one) for one in passages if one.relevant)]
        best = sorted(facts, key=lambda hit: (-hit.score, hit.id))[: (limit + 1) // 2]
        messages = self.recall.search(question, now=now, project=project, limit=limit)
        return Found(tuple(best), tuple([hit for hit in messages if hit.relevant][: limit - len(best)]))
