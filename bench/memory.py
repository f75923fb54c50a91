"""How well memory finds what was said: the product's own search beside its parts and the plain alternatives.

    python -m bench.memory [--locomo FILE] [--generated N] [--json OUT] [--no-embedder] [--ladder] [--relevance]

Without --locomo the generated set is measured. recall@k is the share of a question's evidence messages among the
first k, the mean over questions; of LoCoMo the categories 1 to 4 count. No model is called. Methods: llmos (words,
meaning where the embedder is there, and structure), llmos-keywords (the same without embedder), fts5 (SQLite on the
plain messages), embedding (cosine alone), chroma (the same vectors in Chroma), rrf (equal-weight rank fusion of fts5
and embedding), last-k (the newest messages). --ladder measures the product's search rung by rung instead; --relevance
how often it says that nothing is about a question: for the questions of each conversation (wrong when it says so), and
for those of the others, whose answers it does not hold (right).
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.memory_data import CATEGORIES, Conversation, Question, generated, load_locomo
from llmos.core.memory_ranking import RankWeights
from llmos.core.ports import Embedder
from llmos.memory.memory_search import MemorySearch
from llmos.memory.model_store import ModelStore, models_folder
from llmos.memory.recall_index import RecallIndex, keyword_query
from llmos.memory.vectors import MessageVectors

DEPTHS = (5, 10, 20)
WEIGHTS = RankWeights()
RUNGS = (
    ("words and meaning", ("keyword",)),
    ("+ how many words", ("coverage",)),
    ("+ neighbours", ("neighbour",)),
    ("+ session", ("session",)),
    ("+ who speaks", ("speaker", "user")),
    ("+ time", ("time", "window", "recency")),
    ("+ project, identifiers", ("project", "identifier")),
)
NOWHERE = Path("/nonexistent")
Method = Callable[[str], list[str]]
"""A question to the names of messages, best first."""


class CachedEmbedder:
    """Embeds each text once; the methods that share an embedder share its work."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._known: dict[str, Sequence[float]] = {}

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def dimension(self) -> int:
        return self._inner.dimension

    def embed(self, texts: Sequence[str]) -> list[Sequence[float]]:
        for text in dict.fromkeys(texts):
            if text not in self._known:
                self._known[text] = self._inner.embed([text])[0]
        return [self._known[text] for text in texts]


def embedder() -> CachedEmbedder | None:
    """The product's embedder where its file is on this machine."""
    import os

    from llmos.adapters.embedder import MiniLmEmbedder
    from llmos.core.catalogue import MINILM

    path = ModelStore(models_folder(os.environ, Path.home())).find(MINILM)
    return CachedEmbedder(MiniLmEmbedder(path)) if path else None


def searcher(conversation: Conversation, embeds: Embedder | None, weights: RankWeights) -> MemorySearch:
    index = RecallIndex(NOWHERE, None)
    index.add(conversation.messages)
    vectors = MessageVectors(index, embeds, None) if embeds else None
    if vectors:
        vectors.embed_pending(len(conversation.messages))
    return MemorySearch(index, vectors, weights)


def product(conversation: Conversation, embeds: Embedder | None, weights: RankWeights = WEIGHTS) -> Method:
    search = searcher(conversation, embeds, weights)
    now = conversation.messages[-1].at
    return lambda question: [hit.message.name for hit in search.search(question, now=now, limit=max(DEPTHS))]


def fts5(conversation: Conversation) -> Method:
    connection = sqlite3.connect(":memory:")
    connection.execute("create virtual table turns using fts5(text, tokenize='porter unicode61')")
    rows = [(place, f"{message.speaker}: {message.text}") for place, message in enumerate(conversation.messages)]
    connection.executemany("insert into turns(rowid, text) values (?, ?)", rows)

    def ask(question: str) -> list[str]:
        sql = "select rowid from turns where turns match ? order by bm25(turns) limit 100"
        query = keyword_query(question)
        found = connection.execute(sql, (query,)) if query else ()
        return [conversation.messages[place].name for (place,) in found]

    return ask


def embedding(conversation: Conversation, embeds: Embedder) -> Method:
    import numpy

    matrix = numpy.array(embeds.embed([message.text for message in conversation.messages]), dtype=numpy.float32)

    def ask(question: str) -> list[str]:
        order = numpy.argsort(-(matrix @ numpy.array(embeds.embed([question])[0], dtype=numpy.float32)))[:100]
        return [conversation.messages[place].name for place in order]

    return ask


def chroma(conversation: Conversation, embeds: Embedder) -> Method:
    import chromadb

    client = chromadb.EphemeralClient()
    name = f"bench-{time.monotonic_ns()}"
    collection = client.create_collection(name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}})
    texts = [message.text for message in conversation.messages]
    for start in range(0, len(texts), 500):
        part = texts[start : start + 500]
        ids = [str(place) for place in range(start, start + len(part))]
        collection.add(ids=ids, embeddings=[list(vector) for vector in embeds.embed(part)])

    def ask(question: str) -> list[str]:
        found = collection.query(query_embeddings=[list(embeds.embed([question])[0])], n_results=max(DEPTHS))
        return [conversation.messages[int(identifier)].name for identifier in found["ids"][0]]

    return ask


def rrf(one: Method, other: Method) -> Method:
    def ask(question: str) -> list[str]:
        scores: defaultdict[str, float] = defaultdict(float)
        for method in (one, other):
            for place, name in enumerate(method(question)[:100]):
                scores[name] += 1 / (60 + place + 1)
        return sorted(scores, key=lambda name: -scores[name])

    return ask


def last_k(conversation: Conversation) -> Method:
    newest = [message.name for message in conversation.messages[::-1][: max(DEPTHS)]]
    return lambda _: newest


def methods(conversation: Conversation, embeds: CachedEmbedder | None) -> dict[str, Method]:
    found: dict[str, Method] = {"llmos": product(conversation, embeds)}
    if embeds:
        found["llmos-keywords"] = product(conversation, None)
    found["fts5"] = fts5(conversation)
    if embeds:
        found["embedding"] = embedding(conversation, embeds)
        found["chroma"] = chroma(conversation, embeds)
        found["rrf"] = rrf(found["fts5"], found["embedding"])
    found["last-k"] = last_k(conversation)
    return found


def ladder(conversation: Conversation, embeds: CachedEmbedder | None) -> dict[str, Method]:
    """The product's search with one part more at each rung; the keyword text has date and previous turn throughout."""
    bare = RankWeights(**{field: 0.0 for _, parts in RUNGS for field in parts})
    found: dict[str, Method] = {"words": product(conversation, None, bare)}
    for name, parts in RUNGS:
        bare = replace(bare, **{part: getattr(WEIGHTS, part) for part in parts})
        found[name] = product(conversation, embeds, bare)
    return found


def relevance(conversations: Sequence[Conversation], embeds: CachedEmbedder | None) -> dict[str, float]:
    """Shares of questions: found nothing for one that is answered there, found something for one that is not."""
    missed, wrong = list[bool](), list[bool]()
    for conversation in conversations:
        search, now = searcher(conversation, embeds, WEIGHTS), conversation.messages[-1].at
        for other in conversations:
            for question in other.questions:
                if question.category == 5:
                    continue
                hits = search.search(question.text, now=now, limit=10)
                some = any(hit.relevant for hit in hits)
                if other is conversation:
                    missed.append(not some)
                else:
                    wrong.append(some)
    shares = {"nothing for what is there": missed, "something for what is not": wrong}
    return {name: round(statistics.fmean(part), 3) for name, part in shares.items() if part}


def measure(
    conversations: Sequence[Conversation],
    embeds: CachedEmbedder | None,
    made: Callable[[Conversation, CachedEmbedder | None], dict[str, Method]] | None = None,
) -> dict[str, dict[str, object]]:
    """By method: recall@5/10/20 over categories 1 to 4, the same by category, latency in milliseconds."""
    shares: defaultdict[str, list[tuple[Question, list[float]]]] = defaultdict(list)
    took: defaultdict[str, list[float]] = defaultdict(list)
    for conversation in conversations:
        for name, method in (made or methods)(conversation, embeds).items():
            for question in conversation.questions:
                if embeds:
                    method(question.text)  # embeds the question, which is the same work for all: timed for none
                started = time.thread_time()
                found = method(question.text)
                took[name].append((time.thread_time() - started) * 1000)
                hits = [len(question.evidence & set(found[:depth])) / len(question.evidence) for depth in DEPTHS]
                shares[name].append((question, hits))
    return {name: _summary(rows, took[name]) for name, rows in shares.items()}


def _summary(rows: Sequence[tuple[Question, list[float]]], took: Sequence[float]) -> dict[str, object]:
    counted = [hits for question, hits in rows if question.category in (1, 2, 3, 4)]
    summary: dict[str, object] = _means(counted)
    summary["questions"] = len(counted)
    summary["categories"] = {
        label: {**_means(part), "questions": len(part)}
        for number, label in CATEGORIES.items()
        if (part := [hits for question, hits in rows if question.category == number])
    }
    ordered = sorted(took)
    summary["latency_ms"] = {
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 2),
    }
    return summary


def _means(rows: Sequence[Sequence[float]]) -> dict[str, object]:
    return {
        f"recall@{depth}": round(statistics.fmean(row[place] for row in rows), 4) if rows else None
        for place, depth in enumerate(DEPTHS)
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--locomo", type=Path, metavar="FILE", help="a file in LoCoMo's format (not shipped)")
    parser.add_argument("--generated", type=int, default=5_000, metavar="N", help="messages of the generated set")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the numbers here")
    parser.add_argument("--no-embedder", action="store_true", help="measure without the embedder")
    parser.add_argument("--ladder", action="store_true", help="measure the product's search rung by rung")
    parser.add_argument("--relevance", action="store_true", help='measure "nothing is about that"')
    chosen = parser.parse_args(arguments)
    if chosen.locomo is not None:
        conversations = load_locomo(chosen.locomo)
    else:
        conversations = [generated(7, chosen.generated)]
    embeds = None if chosen.no_embedder else embedder()
    if embeds is None:
        print("without the embedder: `llmos models pull minilm` fetches it")
    if chosen.relevance:
        print(json.dumps(relevance(conversations, embeds), indent=2))
        return
    results = measure(conversations, embeds, ladder if chosen.ladder else None)
    messages = sum(len(conversation.messages) for conversation in conversations)
    print(f"{messages} messages, {next(iter(results.values()))['questions']} questions (categories 1 to 4)")
    for name, summary in results.items():
        figures = " ".join(f"{summary[f'recall@{depth}'] or 0:>9.3f}" for depth in DEPTHS)
        print(f"{name:<24}{figures}   {summary['latency_ms']}")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(results, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
