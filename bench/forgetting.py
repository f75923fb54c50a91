"""Does memory forget? Sixty statements, then thousands of other messages, through the real cadence of the tiers.

    python -m bench.forgetting [--distractors 1000 5000 20000] [--a-day 10] [--no-embedder] [--json OUT] [--folder DIR]

Every message goes through the transcript, the index, the counter and the updates of core (10) and archival (100) as in
a session; a session is a day of ten messages (`--a-day`). The updates ask a scripted model that takes out exactly what
was planted, and labels an update and a conflict as such. A statement is found when it stands in a core block, which is
always in the prompt, or among the ten that the search gives for its question: facts first, then messages. Each is asked
for right after it was said, and again at the end. Passed: at the end at most two points less, over all sixty.

Beside it three memories that must fail: recency (the newest ten messages), facts only (a window of twenty messages,
then only what an extractor kept that keeps 40 % of the turns, as measured for one), and decay (the product's own search
with its scores multiplied by 0.5 ^ (age / 30 days)).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.forgetting_data import Planted, distractors, planted, project_of
from llmos.core.errors import LlmosError, StoreError
from llmos.core.events import Event, Mode, Outcome, TurnEnded, TurnStarted
from llmos.core.messages import Message, StopReason, Text, Usage
from llmos.core.ports import Embedder, Emit, ModelInfo, ModelReply, ModelRequest, PassageVectors
from llmos.engine.consolidate import Consolidator, UpdateLimits
from llmos.memory.all_search import AllSearch
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.recall import Recall
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
A_DAY = 10
"""Messages of a session."""
TOP = 10
MOST_LOST = 0.02
HALF_LIFE_DAYS = 30
WINDOW = 20
KEPT_PER_CENT = 40
VARIANTS = ("recency only", "facts only", "multiplicative decay")


class ScriptedExtractor:
    """A Model that takes the planted statements out of what it is shown, and nothing else."""

    info = ModelInfo("scripted", "nobody (a script)")

    def __init__(self, facts: Sequence[Planted]) -> None:
        about = {"instruction": "persona", "preference": "human"}
        self._about = {said: about.get(fact.kind, "fact") for fact in facts for said in fact.statements}
        self._labels = {
            frozenset(said.rstrip(".") for said in fact.statements): label
            for fact in facts
            if (label := {"update": "update", "conflict": "contradict"}.get(fact.kind))
        }

    def reserve_usd(self, request: ModelRequest) -> float | None:
        return 0.0

    def abandoned_usd(self) -> float:
        return 0.0

    async def reply(self, request: ModelRequest, emit: Emit) -> ModelReply:
        shown = [json.loads(line) for line in request.messages[-1].text.splitlines()]
        if "labels" in dict(request.output_schema or {})["properties"]:
            answer: dict[str, Any] = {"labels": [{"pair": one["pair"], "label": self._label(one)} for one in shown]}
        else:
            answer = {"facts": [self._fact(one) for one in shown if one["typed"] in self._about]}
        text = Message("assistant", (Text(json.dumps(answer)),))
        return ModelReply(text, StopReason.END_TURN, Usage(1, 1), 0.0, "scripted")

    def _fact(self, shown: dict[str, Any]) -> dict[str, Any]:
        said = shown["typed"]
        source = {"message": shown["message"], "quote": said}
        return {"text": said, "about": self._about[said], "subject": "", "attribute": "", "sources": [source]}

    def _label(self, pair: dict[str, Any]) -> str:
        return self._labels.get(frozenset(pair[key].rstrip(".") for key in ("new", "known")), "unrelated")

    async def close(self) -> None:
        """Nothing to release."""


@dataclass
class Life:
    """A workspace that lives through messages."""

    root: Path
    facts: Sequence[Planted]
    embedder: Embedder | None = None
    a_day: int = A_DAY
    clock: FixedClock = field(default_factory=lambda: FixedClock(START))
    said: int = 0
    names: dict[str, str] = field(default_factory=dict)
    """Of each planted statement, the name of the message."""

    def __post_init__(self) -> None:
        derived, memories = self.root / ".llmos", self.root / "memories"
        self.recall = Recall(memories / "recall", derived, lambda: self.embedder)
        self.memory = MemoryEngine(memories / "core", memories / "archival")
        archival = ArchivalSearch(self.memory, lambda: None, no_vectors)
        self.search = AllSearch(self.memory, archival, self.recall)
        model = ScriptedExtractor(self.facts)
        self.consolidator = Consolidator(
            memory=self.memory,
            nested=NestedLearning(memories / "recall", derived),
            said_since=self.recall.said_since,
            said_like=self.recall.said_like,
            model=lambda: model,
            clock=self.clock,
            limits=UpdateLimits(),
            lock=derived / "consolidate.lock",
            machine=dict,
        )
        self.transcript: Transcript | None = None

    async def say(self, goal: str, answer: str) -> str:
        """One turn; the name of its message."""
        if self.said % self.a_day == 0:
            self._new_day()
        transcript = self.transcript
        assert transcript is not None
        turn, cwd = self.said % self.a_day + 1, f"/work/{project_of(self.said)}"
        self.said += 1
        transcript.record(TurnStarted(goal=goal, cwd=cwd, workspace=str(self.root), turn=turn))
        newest = self.recall.refresh().latest(1)[0]
        transcript.record(_ended(answer))
        self.consolidator.after_message(transcript.record)
        await self.consolidator.finish()
        self.clock.advance(240)
        return newest.name

    def _new_day(self) -> None:
        if self.transcript is not None:
            self.transcript.close()
        day = START + timedelta(days=self.said // self.a_day)
        self.clock.advance(max(0.0, (day - self.clock.now()).total_seconds()))
        memories = self.root / "memories"
        self.transcript = Transcript(
            memories / "recall",
            self.root / ".llmos/open",
            session=f"{self.said // self.a_day:08x}",
            clock=self.clock,
            said=self.recall.take,
        )

    def close(self) -> None:
        if self.transcript is not None:
            self.transcript.close()
        self.recall.close()

    # ------------------------------------------------------------------------------------------------- what is found

    def share(self, fact: Planted, found: Callable[[str, str], bool]) -> float:
        """Of what the question asks for, the share that is found: of an update its latest statement."""
        wanted = fact.statements if fact.kind == "conflict" else fact.statements[:1]
        there = [said for said in wanted if said in self.names]
        return sum(found(said, fact.question) for said in there) / len(there)

    def product(self, said: str, question: str) -> bool:
        """Whether the product finds a statement: in the prompt, or among the first ten of its search."""
        if said.rstrip(".") in self.memory.core_text():
            return True
        found = self.search.search(question, now=self.clock.now(), project="", limit=TOP)
        names = [name for hit in found.facts for name in hit.sources] + [hit.message.name for hit in found.messages]
        return self.names[said] in names

    def recency_only(self, said: str, question: str) -> bool:
        return self.names[said] in [message.name for message in self.recall.refresh().latest(TOP)]

    def facts_only(self, said: str, question: str) -> bool:
        if self.names[said] in [message.name for message in self.recall.refresh().latest(WINDOW)]:
            return True
        return int(hashlib.sha256(said.encode()).hexdigest(), 16) % 100 < KEPT_PER_CENT

    def multiplicative_decay(self, said: str, question: str) -> bool:
        now = self.clock.now()
        hits = self.recall.search(question, now=now, limit=400)
        aged = sorted(hits, key=lambda hit: -hit.score * 0.5 ** ((now - hit.message.at).days / HALF_LIFE_DAYS))
        return self.names[said] in [hit.message.name for hit in aged[:TOP]]

    @property
    def finders(self) -> dict[str, Callable[[str, str], bool]]:
        return {
            "llmos": self.product,
            **dict(zip(VARIANTS, (self.recency_only, self.facts_only, self.multiplicative_decay), strict=True)),
        }


def no_vectors(embedder: Embedder) -> PassageVectors:
    """Passages are found by their words here: there are few, and their vectors belong to another test."""
    raise StoreError("no vectors of passages")


def _ended(answer: str) -> Event:
    return TurnEnded(
        outcome=Outcome.OK,
        mode=Mode.LEARNER,
        answer=answer,
        reason="",
        cost_usd=0.0,
        saved_usd=0.0,
        model_calls=0,
        elapsed_s=1.0,
    )


@dataclass(frozen=True)
class Point:
    """Recall of the planted statements after so many distractors, by memory; `None`: right after each was said."""

    distractors: int | None
    recall: dict[str, float]
    search_ms: float = 0.0

    def lost(self, planting: Point, name: str) -> float:
        return planting.recall[name] - self.recall[name]


async def live(life: Life, sizes: Sequence[int]) -> list[Point]:
    """Plant, bury, ask: the points of the curve, the first one at planting."""
    at_once: dict[str, list[float]] = {name: [] for name in life.finders}
    noise = distractors(5)
    for fact in life.facts:
        for said in reversed(fact.statements):
            life.names[said] = await life.say(said, "Noted.")
            await life.say(*next(noise))
        for name, finder in life.finders.items():
            at_once[name].append(life.share(fact, finder))
    points = [Point(None, {name: _mean(shares) for name, shares in at_once.items()})]
    buried = 0
    for size in sizes:
        while buried < size:
            await life.say(*next(noise))
            buried += 1
        vectors = life.recall.vectors()
        while vectors is not None and vectors.embed_pending(512):
            pass
        began = time.thread_time()
        found = {"llmos": _mean([life.share(fact, life.product) for fact in life.facts])}
        took = (time.thread_time() - began) * 1000 / len(life.facts)
        for name, finder in life.finders.items():
            found.setdefault(name, _mean([life.share(fact, finder) for fact in life.facts]))
        points.append(Point(size, found, round(took, 1)))
    return points


def _mean(shares: Sequence[float]) -> float:
    return round(sum(shares) / len(shares), 4)


def passes(points: Sequence[Point], name: str) -> bool:
    """The forgetting test: at no point more than two points less than at planting."""
    return all(point.lost(points[0], name) <= MOST_LOST + 1e-9 for point in points[1:])


def run(root: Path, sizes: Sequence[int], embedder: Embedder | None = None, a_day: int = A_DAY) -> list[Point]:
    life = Life(root, planted(), embedder, a_day)
    try:
        return asyncio.run(live(life, sizes))
    finally:
        life.close()


def lines(points: Sequence[Point]) -> Iterator[str]:
    yield f"{'recall@10 of what was planted':<30}" + "".join(f"{name:>22}" for name in points[0].recall) + "  search"
    for point in points:
        head = "right after it was said" if point.distractors is None else f"after {point.distractors:,} other messages"
        took = "" if point.distractors is None else f"{point.search_ms:>6.1f} ms"
        yield f"{head:<30}" + "".join(f"{share:>22.3f}" for share in point.recall.values()) + f"  {took}"
    verdicts = [("passed" if passes(points, name) else "failed") for name in points[0].recall]
    yield f"{'at most 2 points lost':<30}" + "".join(f"{verdict:>22}" for verdict in verdicts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--distractors", type=int, nargs="+", default=[1_000, 5_000, 20_000], metavar="N")
    parser.add_argument("--a-day", type=int, default=A_DAY, metavar="N", help="messages of a session")
    parser.add_argument("--no-embedder", action="store_true", help="measure without the embedder")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the numbers here")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep the workspace here")
    chosen = parser.parse_args(arguments)
    from bench.memory import embedder

    embeds = None
    if not chosen.no_embedder:
        try:
            embeds = embedder()
        except LlmosError as error:
            print(error)
        if embeds is None:
            print("without the embedder: `llmos models pull minilm` fetches it")
    with tempfile.TemporaryDirectory(prefix="llmos-forgetting-") as folder:
        points = run(chosen.folder or Path(folder), sorted(chosen.distractors), embeds, chosen.a_day)
    print("\n".join(lines(points)))
    if chosen.json is not None:
        rows = [{"distractors": p.distractors, "recall@10": p.recall, "search_ms": p.search_ms} for p in points]
        verdicts = {name: passes(points, name) for name in points[0].recall}
        chosen.json.write_text(json.dumps({"points": rows, "passed": verdicts}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
