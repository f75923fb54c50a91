"""What recall costs when much was said: adding a message, searching, starting a session, memory of the process.

    python -m bench.memory_scale [--messages 50000] [--json OUT]

The messages are those of the forgetting test, in transcripts of forty. The vectors have the product's dimension and
come from a digest, since embedding 50,000 messages takes minutes; the time of embedding one question with the product's
embedder is told beside. Processor time of one thread, since other programs may run; start-up is measured against an
empty workspace in turns.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.forgetting import _ended
from bench.forgetting_data import distractors, planted, project_of
from llmos.core.events import TurnStarted
from llmos.memory.recall import Recall
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock

START = datetime(2024, 1, 1, 9, 0, tzinfo=UTC)
TURNS = 20
DIMENSION = 384


class DigestEmbedder:
    """Vectors of the product's dimension out of a digest: no meaning, the same work to search."""

    name = "digest"
    dimension = DIMENSION

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        rows = []
        for text in texts:
            data = hashlib.shake_128(text.encode("utf-8", "replace")).digest(DIMENSION)
            row = [byte - 127.5 for byte in data]
            size = sum(value * value for value in row) ** 0.5
            rows.append([value / size for value in row])
        return rows


def fill(root: Path, recall: Recall, turns: int) -> list[float]:
    """Say so many turns; milliseconds of each of the last thousand `take`s."""
    clock, noise, took = FixedClock(START), distractors(11), list[float]()

    def said(path: Path) -> None:
        began = time.thread_time()
        recall.take(path)
        took.append((time.thread_time() - began) * 1000)

    transcript: Transcript | None = None
    for turn in range(turns):
        if turn % TURNS == 0:
            if transcript is not None:
                transcript.close()
            session = f"{turn // TURNS:08x}"
            transcript = Transcript(
                root / "memories/recall", root / ".llmos/open", session=session, clock=clock, said=said
            )
        goal, answer = next(noise)
        assert transcript is not None
        started = TurnStarted(goal=goal, cwd=f"/work/{project_of(turn)}", workspace=str(root), turn=turn % TURNS + 1)
        transcript.record(started)
        transcript.record(_ended(answer))
        clock.advance(180)
    if transcript is not None:
        transcript.close()
    return took[-1000:]


def search_ms(recall: Recall) -> tuple[float, float]:
    """Median and 95th percentile of the searches for the planted questions."""
    took = []
    for fact in planted():
        began = time.thread_time()
        recall.search(fact.question, now=START, project="/work/atlas", limit=10)
        took.append((time.thread_time() - began) * 1000)
    took.sort()
    return round(statistics.median(took), 1), round(took[int(0.95 * (len(took) - 1))], 1)


def start_ms(home: Path) -> float:
    """Milliseconds of processor time that a process needs to open the workspace and say one thing."""
    code = (
        "import os, time; from pathlib import Path; from llmos.app import App, AppOptions\n"
        "from llmos.core.events import TurnStarted\n"
        "app = App.open(AppOptions(), cwd=Path.cwd(), environ=os.environ)\n"
        "began = time.process_time(); app.close_abandoned(); app.cut_off()\n"
        "app.transcript.record(TurnStarted(goal='x', cwd='/', workspace='/', turn=1))\n"
        "print((time.process_time() - began) * 1000)\n"
    )
    environ = {**os.environ, "LLMOS_HOME": str(home)}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ, cwd="/"
    )
    return float(ended.stdout)


def peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def measure(root: Path, messages: int) -> dict[str, float]:
    found: dict[str, float] = {"messages": messages}
    recall = Recall(root / "memories/recall", root / ".llmos", DigestEmbedder)
    took = sorted(fill(root, recall, messages // 2))
    found["add_ms_p50"] = round(statistics.median(took), 2)
    found["add_ms_p95"] = round(took[int(0.95 * (len(took) - 1))], 2)
    found["memory_after_writing_mb"] = peak_mb()
    keywords = Recall(root / "memories/recall", root / ".llmos", lambda: None)
    found["search_keywords_ms_p50"], found["search_keywords_ms_p95"] = search_ms(keywords)
    found["memory_after_keyword_search_mb"] = peak_mb()
    keywords.close()
    vectors = recall.vectors()
    assert vectors is not None
    while vectors.embed_pending(2_000):
        pass
    found["search_ms_p50"], found["search_ms_p95"] = search_ms(recall)
    found["memory_after_search_mb"] = peak_mb()
    index = root / ".llmos/memory.sqlite"
    found["index_mb"] = round(index.stat().st_size / 1e6, 1)
    found["vectors_mb"] = round((root / ".llmos/message_vectors.f32").stat().st_size / 1e6, 1)
    began = time.thread_time()
    recall.index.start_over()
    recall.refresh()
    found["rebuild_s"] = round(time.thread_time() - began, 1)
    recall.close()
    return found


def starts(root: Path) -> dict[str, float]:
    """Starting a session here and in an empty workspace, in turns."""
    with tempfile.TemporaryDirectory() as empty:
        home = Path(empty) / "home"
        home.mkdir(mode=0o700)
        times = [(start_ms(home), start_ms(root)) for _ in range(8)][1:]
    return {
        "start_empty_ms": round(statistics.median(one for one, _ in times), 1),
        "start_ms": round(statistics.median(other for _, other in times), 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--json", type=Path, metavar="OUT")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="llmos-scale-") as folder:
        root = Path(folder)
        root.chmod(0o700)
        found = measure(root, chosen.messages) | starts(root)
    from bench.memory import embedder

    if (embeds := embedder()) is not None:
        embeds.embed(["warm up"])
        began = time.thread_time()
        embeds.embed([fact.question for fact in planted()])
        found["embed_question_ms"] = round((time.thread_time() - began) * 1000 / len(planted()), 1)
    for name, value in found.items():
        print(f"{name:<34}{value:>12,}")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
