"""Two sessions write to one workspace for minutes and are killed at random: is anything lost, doubled or broken?

    python -m bench.memory_soak [--seconds 600] [--writers 2] [--seed 1]

Each writer is a process with the product's transcript, index, counter, core blocks and updates; a line on its standard
output acknowledges a message once it is on record. The parent kills one with SIGKILL every few seconds and starts
another. At the end: every acknowledged message is in the index once, every fact that was said in one is found by its
question, every block reads and is what the log of changes says, no passage is unreadable.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.forgetting import _ended, no_vectors
from bench.forgetting_data import distractors
from llmos.core.core_block import BLOCKS
from llmos.core.events import TurnStarted
from llmos.core.memory_change import CORE, lines_after
from llmos.core.messages import Message, StopReason, Text, Usage
from llmos.core.ports import Emit, ModelInfo, ModelReply, ModelRequest
from llmos.engine.consolidate import Consolidator, UpdateLimits
from llmos.memory.abandoned import close_abandoned
from llmos.memory.all_search import AllSearch
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.recall import Recall
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock

_FACT = re.compile(r"our service (svc_\w+) runs on port (\d+)")


class RealClock(FixedClock):
    """The time of day; nobody waits on it."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ScriptedExtractor:
    """A Model that takes what services run on out of what it is shown."""

    info = ModelInfo("scripted", "nobody (a script)")

    def reserve_usd(self, request: ModelRequest) -> float | None:
        return 0.0

    def abandoned_usd(self) -> float:
        return 0.0

    async def reply(self, request: ModelRequest, emit: Emit) -> ModelReply:
        shown = [json.loads(line) for line in request.messages[-1].text.splitlines()]
        answer: dict[str, Any] = {"labels": []}
        if "facts" in dict(request.output_schema or {})["properties"]:
            answer = {"facts": [_fact(one) for one in shown if _FACT.search(one["typed"])][:12]}
        text = Message("assistant", (Text(json.dumps(answer)),))
        return ModelReply(text, StopReason.END_TURN, Usage(1, 1), 0.0, "scripted")

    async def close(self) -> None:
        """Nothing to release."""


def _fact(shown: dict[str, Any]) -> dict[str, Any]:
    found = _FACT.search(shown["typed"])
    assert found is not None
    about = "human" if int(found[2]) % 2 else "fact"
    source = {"message": shown["message"], "quote": found[0]}
    return {"text": found[0], "about": about, "subject": "", "attribute": "", "sources": [source]}


@dataclass
class Place:
    """The parts of memory over one workspace, as a session opens them."""

    root: Path

    def __post_init__(self) -> None:
        memories, derived = self.root / "memories", self.root / ".llmos"
        self.recall = Recall(memories / "recall", derived, lambda: None)
        self.memory = MemoryEngine(memories / "core", memories / "archival")
        self.nested = NestedLearning(memories / "recall", derived)


async def write(root: Path, seed: int) -> None:
    """One session, until it is killed or its standard output is closed."""
    place, clock, draw = Place(root), RealClock(), random.Random(seed)
    model = ScriptedExtractor()
    consolidator = Consolidator(
        memory=place.memory,
        nested=place.nested,
        said_since=place.recall.said_since,
        model=lambda: model,
        clock=clock,
        limits=UpdateLimits(),
        lock=root / ".llmos/consolidate.lock",
        machine=dict,
    )
    close_abandoned(root / "memories/recall", root / ".llmos/open", clock)
    session, noise = secrets.token_hex(4), distractors(seed)
    transcript = Transcript(
        root / "memories/recall", root / ".llmos/open", session=session, clock=clock, said=place.recall.take
    )
    for turn in range(1, 1_000_000):
        goal, answer = next(noise)
        if turn % 5 == 0:
            goal = f"our service svc_{secrets.token_hex(4)} runs on port {draw.randrange(1_024, 65_536)}"
        transcript.record(TurnStarted(goal=goal, cwd="/work", workspace=str(root), turn=turn))
        print(json.dumps({"session": session, "goal": goal}), flush=True)
        transcript.record(_ended(answer))
        consolidator.after_message(transcript.record)
        await consolidator.finish()


@dataclass
class Watched:
    """A writer, and what it acknowledged."""

    process: subprocess.Popen[str]
    acknowledged: list[dict[str, str]] = field(default_factory=list)
    reader: threading.Thread | None = None

    def end(self) -> list[dict[str, str]]:
        """Kill it; all that it acknowledged."""
        self.process.kill()
        self.process.wait()
        assert self.reader is not None and self.process.stdout is not None
        self.reader.join()
        self.process.stdout.close()
        return self.acknowledged

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.acknowledged.append(json.loads(line))


def start(root: Path, seed: int) -> Watched:
    command = [sys.executable, "-m", "bench.memory_soak", "--write", str(root), "--seed", str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    watched = Watched(process)
    watched.reader = threading.Thread(target=watched.read, daemon=True)
    watched.reader.start()
    return watched


@dataclass(frozen=True)
class Verdict:
    acknowledged: int
    kills: int
    updates: int
    passages: int
    problems: tuple[str, ...]


def soak(root: Path, *, seconds: float, writers: int, seed: int, between: tuple[float, float] = (2.0, 9.0)) -> Verdict:
    """Let them write and be killed; what was found wrong afterwards."""
    draw, number = random.Random(seed), seed * 1_000 + writers
    alive = [start(root, number - place) for place in range(writers)]
    said: list[dict[str, str]] = []
    kills, until = 0, time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            time.sleep(min(draw.uniform(*between), max(0.1, until - time.monotonic())))
            place = draw.randrange(writers)
            said += alive[place].end()
            kills, number = kills + 1, number + 1
            alive[place] = start(root, number)
    finally:
        for one in alive:
            said += one.end()
    return check(root, said, kills)


def check(root: Path, said: Sequence[dict[str, str]], kills: int) -> Verdict:
    """Hold what is on record against what was acknowledged."""
    place = Place(root)
    problems: list[str] = []
    place.recall.refresh()
    with closing(sqlite3.connect(root / ".llmos/memory.sqlite")) as index:
        rows = list(index.execute("select session, text from messages where role = 'user'"))
    there, wanted = Counter((row[0], row[1]) for row in rows), Counter((one["session"], one["goal"]) for one in said)
    problems += [f"lost: {name}" for name, times in wanted.items() if there[name] < times]
    if place.nested.track_message() != len(rows):
        problems.append(f"counted {place.nested.count} messages where there are {len(rows)}")
    for line in said:
        if (fact := _FACT.search(line["goal"])) and not _found(place, fact):
            problems.append(f"not found: {fact[0]}")
    for label in BLOCKS:
        items = {item.id: item.line for item in place.memory.block(label).items}
        if items != lines_after(place.memory.log.all(), CORE + label):
            problems.append(f"the block {label} is not what the log says")
    passages = place.memory.passages()
    problems += place.memory.problems
    updates = len({change.group for change in place.memory.log.all() if change.group})
    place.recall.close()
    return Verdict(len(said), kills, updates, len(passages), tuple(problems))


def _found(place: Place, fact: re.Match[str]) -> bool:
    question = f"which port does {fact[1]} use?"
    whole = AllSearch(place.memory, ArchivalSearch(place.memory, lambda: None, no_vectors), place.recall)
    found = whole.search(question, now=datetime.now(UTC), project="/work", limit=10)
    texts = [hit.text for hit in found.facts] + [hit.message.text for hit in found.messages]
    return any(fact[2] in text and fact[1] in text for text in texts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, metavar="DIR", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.write is not None:
        asyncio.run(write(chosen.write, chosen.seed))
        return
    with tempfile.TemporaryDirectory(prefix="llmos-soak-") as folder:
        verdict = soak(Path(folder), seconds=chosen.seconds, writers=chosen.writers, seed=chosen.seed)
    print(
        f"{verdict.acknowledged:,} messages acknowledged, {verdict.kills} kills, {verdict.updates} updates of memory, "
        f"{verdict.passages:,} passages; {len(verdict.problems)} problems"
    )
    for problem in verdict.problems[:20]:
        print(f"  {problem}")
    sys.exit(bool(verdict.problems))


if __name__ == "__main__":
    main()
