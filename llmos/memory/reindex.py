"""`llmos reindex`: everything derived is made again from the files, and goes on where it was cut off."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.files import make_private_folder, read_bounded, write_atomic
from llmos.memory.locks import StoreLock
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.recall import Recall
from llmos.memory.recall_index import Report
from llmos.memory.traces_sdk import TraceManager

_BATCH = 32
_MAX_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Stage:
    """One derived thing. `start_over` forgets it, `go_on` makes what is missing of it and says how much there is."""

    name: str
    noun: str
    start_over: Callable[[], None]
    go_on: Callable[[Report], int]


def trace_stage(traces: TraceManager) -> Stage:
    def go_on(report: Report) -> int:
        return len(traces.headers())

    return Stage("traces", "traces", traces.start_over, go_on)


def message_stage(recall: Recall) -> Stage:
    def go_on(report: Report) -> int:
        return recall.refresh(report).count()

    return Stage("messages", "messages", recall.index.start_over, go_on)


def vector_stage(recall: Recall) -> Stage | None:
    """The vectors of the messages; None without an embedder."""
    vectors = recall.vectors()
    if vectors is None:
        return None

    def go_on(report: Report) -> int:
        waiting, made = vectors.pending(), 0
        while step := vectors.embed_pending(_BATCH):
            made += step
            report(min(made, waiting), waiting)
        return recall.index.count()

    return Stage("vectors", "vectors of messages", vectors.start_over, go_on)


def passage_stage(memory: MemoryEngine, archival: ArchivalSearch, folder: Path) -> Stage:
    """The vectors of the archival passages; `folder` is where those that are not on a server are kept."""

    def start_over() -> None:
        archival.start_over()
        shutil.rmtree(folder, ignore_errors=True)

    def go_on(report: Report) -> int:
        archival.synchronise()
        return len(memory.passages())

    return Stage("passages", "vectors of passages", start_over, go_on)


def reindex(
    derived: Path, stages: Sequence[Stage], report: Callable[[Stage, int, int], None]
) -> Iterator[tuple[Stage, int, bool]]:
    """Carry out the stages; after each: how much there is, and whether it went on with what was there.

    One at a time over a workspace. Raises StoreError.
    """
    make_private_folder(derived)
    with StoreLock(derived / "reindex.lock"):
        mark = derived / "reindex.json"
        begun, done = _read(mark)
        for stage in stages:
            if stage.name in done:
                continue
            goes_on = stage.name == begun
            if not goes_on:
                write_atomic(mark, json.dumps({"begun": stage.name, "done": done}).encode())
                stage.start_over()
            count = stage.go_on(lambda at, of, stage=stage: report(stage, at, of))  # type: ignore[misc]
            done.append(stage.name)
            yield stage, count, goes_on
        mark.unlink(missing_ok=True)


def _read(mark: Path) -> tuple[str, list[str]]:
    """The stage that was cut off and those before it."""
    with suppress(StoreError, ValueError, KeyError, TypeError, RecursionError):
        record = json.loads(read_bounded(mark, _MAX_BYTES))
        return str(record["begun"]), [str(name) for name in record["done"]]
    return "", []
