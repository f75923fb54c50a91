"""One search over all tiers: what was made of messages first, then what was said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from llmos.memory.fact_search import FactHit, search_facts
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.memory_search import Hit
from llmos.memory.recall import Recall


@dataclass(frozen=True, slots=True)
class Found:
    """What is about a question."""

    facts: tuple[FactHit, ...]
    messages: tuple[Hit, ...]


def search_all(
    memory: MemoryEngine, recall: Recall, question: str, *, now: datetime, project: str, limit: int
) -> Found:
    """At most `limit` hits, best first, half of them facts: only what is about the question at all."""
    facts = search_facts(question, memory.blocks(), memory.passages(), now=now, project=project, limit=limit)
    about = [hit for hit in facts if hit.relevant][: (limit + 1) // 2]
    messages = recall.search(question, now=now, project=project, limit=limit)
    said = [hit for hit in messages if hit.relevant][: limit - len(about)]
    return Found(tuple(about), tuple(said))
