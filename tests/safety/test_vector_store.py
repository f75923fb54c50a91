"""D-9: what happens to the folder of archival vectors happens to nothing else.

Eight sessions begin at once over a cold store and write and search in it; sessions are killed while they fill it; it is
deleted and damaged under sessions that use it. No session fails, the files of memory stay as they are, and a session
that comes after finds every passage by its own words again.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from llmos.adapters.chroma import ChromaVectors
from llmos.core.passage import Passage, Source
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.testing import FixedClock

NOW = FixedClock().now()
WRITER = Writer(NOW, "a test")
DIMENSION = 64
_SPAWN = multiprocessing.get_context("spawn")
"""A fork of a process in which Chroma has run can wait for ever: its threads hold locks that nobody gives back."""


class Digests:
    """Vectors out of a digest: near to themselves and to nothing else."""

    name = "digests@1"
    dimension = DIMENSION

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        rows = []
        for text in texts:
            row = [byte - 127.5 for byte in hashlib.shake_128(text.encode()).digest(DIMENSION)]
            size = sum(value * value for value in row) ** 0.5
            rows.append([value / size for value in row])
        return rows


def chroma(root: Path) -> Path:
    return root / ".llmos" / "chroma"


def opened(root: Path) -> ArchivalSearch:
    memory = MemoryEngine(root / "core", root / "archival")
    return ArchivalSearch(
        memory,
        Digests,
        lambda embedder: ChromaVectors.in_folder(
            chroma(root), workspace=str(root), embedder=embedder.name, dimension=embedder.dimension
        ),
    )


def said(session: int, number: int) -> str:
    plan = hashlib.sha256(f"{session} {number}".encode()).hexdigest()[:32]
    return f"in week {number} the client {session}-{number} asked for plan {plan}"


def session(root: Path, number: int, records: int, ended: Any) -> None:
    """One session: it writes its passages, finds some of them, and says how that went."""
    problems = []
    try:
        search = opened(root)
        search.warm()
        memory = MemoryEngine(root / "core", root / "archival")
        for record in range(records):
            text = said(number, record)
            memory.add_archival_memory(Passage("", text, sources=(Source("s:1"),), valid_from="2026-11-01"), WRITER)
            if record % max(1, records // 6) == 0:
                found = search.search(text, now=NOW, limit=3)
                if not found or found[0].passage.text != text:
                    problems.append(f"{text!r} was not found")
        search.synchronise()
        search.close()
    except BaseException as error:  # whatever it is, the session failed
        problems.append(f"{type(error).__name__}: {error}")
    ended.put((number, problems))


def filling(root: Path, begun: Any) -> None:
    """Opens the store and fills it anew, until it is killed."""
    search = opened(root)
    begun.set()
    while True:
        search.synchronise()
        vectors = search._vectors
        if vectors is not None:
            vectors.remove(list(vectors.known())[::2])
        else:
            search.start_over()


@dataclass
class Figures:
    sessions: int = 0
    passages: int = 0
    kills: int = 0
    damages: int = 0
    asked: int = 0
    missed: int = 0
    failed: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return [*self.failed, *self.touched, *([f"{self.missed} passages not found"] if self.missed else [])]

    def __str__(self) -> str:
        found = 100 * (self.asked - self.missed) / self.asked if self.asked else 0.0
        return (
            f"{self.sessions} sessions began at once and wrote {self.passages:,} passages, {self.kills} were killed, "
            f"{self.damages} times the store was deleted or damaged in use: {len(self.failed)} sessions failed; "
            f"after that {found:.1f} % of {self.asked:,} exact questions found theirs; {len(self.touched)} memory "
            "files touched"
        )


def files(root: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (root / "archival").glob("*.md")}


def check(root: Path, before: dict[str, str], figures: Figures, what: str) -> None:
    """A new session finds everything by its own words, by vectors alone, and the files are as they were."""
    try:
        search = opened(root)
        search.synchronise()
        vectors = search._vectors
        if vectors is None:
            figures.failed.append(f"{what}: {search.problem}")
            return
        passages = {one.id: one.text for one in MemoryEngine(root / "core", root / "archival").passages()}
        for identifier, text in passages.items():
            near = vectors.nearest(Digests().embed([text])[0], 1)
            figures.asked += 1
            figures.missed += list(near) != [identifier]
        search.close()
    except Exception as error:
        figures.failed.append(f"{what}: {type(error).__name__}: {error}")
    after = files(root)
    figures.touched += [
        f"{what}: {name}" for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    ]


def cold(root: Path, sessions: int, records: int, figures: Figures) -> None:
    ended = _SPAWN.Queue()
    processes = [_SPAWN.Process(target=session, args=(root, number, records, ended)) for number in range(sessions)]
    for process in processes:
        process.start()
    answers = [ended.get(timeout=900) for _ in processes]
    for process in processes:
        process.join(60)
    figures.sessions += sessions
    figures.failed += [f"session {number}: {problem}" for number, problems in answers for problem in problems]
    figures.passages = len(files(root))
    if figures.passages != sessions * records:
        figures.touched.append(f"{figures.passages} of {sessions * records} passages are there")


def killed(root: Path, kills: int, figures: Figures, rng: random.Random) -> None:
    for _ in range(kills):
        begun = _SPAWN.Event()
        process = _SPAWN.Process(target=filling, args=(root, begun))
        process.start()
        begun.wait(60)
        time.sleep(rng.uniform(0.0, 0.4))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(60)
        figures.kills += 1


def _each_file(root: Path, change: Callable[[Path], object]) -> None:
    for path in chroma(root).rglob("*"):
        if path.is_file():
            change(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "deleted": lambda root: shutil.rmtree(chroma(root)),
    "emptied": lambda root: _each_file(root, lambda path: path.write_bytes(b"")),
    "cut": lambda root: _each_file(root, lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])),
    "noise": lambda root: _each_file(root, lambda path: path.write_bytes(os.urandom(max(1, path.stat().st_size)))),
    "first page": lambda root: _each_file(
        root, lambda path: path.write_bytes(os.urandom(100) + path.read_bytes()[100:])
    ),
    "a file in its place": lambda root: (shutil.rmtree(chroma(root)), chroma(root).write_text("x")),
    "a link in its place": lambda root: (shutil.rmtree(chroma(root)), chroma(root).symlink_to("/nonexistent")),
    "without the database": lambda root: (chroma(root) / "chroma.sqlite3").unlink(),
}


def in_use(root: Path, how: str, damaged: Any, go_on: Any, ended: Any) -> None:
    """A session that uses the store before and after it is damaged."""
    problems = []
    try:
        search = opened(root)
        search.synchronise()
        text = next(iter(MemoryEngine(root / "core", root / "archival").passages())).text
        search.search(text, now=NOW, limit=3)
        damaged.set()
        go_on.wait(60)
        for _ in range(3):
            found = search.search(text, now=NOW, limit=3)
            if not found or found[0].passage.text != text:
                problems.append(f"{how}: {text!r} was not found")
            search.synchronise()
        search.close()
    except BaseException as error:  # whatever it is, the session failed
        problems.append(f"{how}: {type(error).__name__}: {error}")
    ended.put(problems)


def damaged_in_use(root: Path, figures: Figures, names: Sequence[str]) -> None:
    before = files(root)
    for how in names:
        damaged, go_on, ended = _SPAWN.Event(), _SPAWN.Event(), _SPAWN.Queue()
        process = _SPAWN.Process(target=in_use, args=(root, how, damaged, go_on, ended))
        process.start()
        if not damaged.wait(120):
            figures.failed.append(f"{how}: the session did not come so far")
        else:
            DAMAGES[how](root)
        go_on.set()
        try:
            figures.failed += ended.get(timeout=120)
        except Exception:
            figures.failed.append(f"{how}: the session died")
        process.join(60)
        figures.damages += 1
        checked = _SPAWN.Queue()
        checker = _SPAWN.Process(target=_check_apart, args=(root, before, how, checked))
        checker.start()
        try:
            asked, missed, failed, touched = checked.get(timeout=300)
        except Exception:
            asked, missed, failed, touched = 0, 0, [f"{how}: the session after it died"], []
        checker.join(60)
        figures.asked += asked
        figures.missed += missed
        figures.failed += failed
        figures.touched += touched


def _check_apart(root: Path, before: dict[str, str], what: str, checked: Any) -> None:
    figures = Figures()
    check(root, before, figures, what)
    checked.put((figures.asked, figures.missed, figures.failed, figures.touched))


def run(root: Path, sessions: int, records: int, kills: int, damages: Sequence[str] = tuple(DAMAGES)) -> Figures:
    import chromadb  # noqa: F401 - once, for all the processes that are forked

    figures, rng = Figures(), random.Random(9)
    (root / ".llmos").mkdir(parents=True)
    cold(root, sessions, records, figures)
    before = files(root)
    killed(root, kills, figures, rng)
    checked = _SPAWN.Queue()
    checker = _SPAWN.Process(target=_check_apart, args=(root, before, "kills", checked))
    checker.start()
    figures.asked, figures.missed, failed, touched = checked.get(timeout=600)
    checker.join(60)
    figures.failed += failed
    figures.touched += touched
    damaged_in_use(root, figures, damages)
    return figures


@pytest.mark.slow
def test_the_store_of_vectors_may_be_lost_and_nothing_else_is(tmp_path: Path) -> None:
    figures = run(tmp_path / "place", 2, 12, 2, ("deleted", "noise"))
    assert figures.problems == []


@pytest.mark.slow
def test_a_link_in_the_place_of_the_store_is_not_followed(tmp_path: Path) -> None:
    theirs, folder = tmp_path / "somebody-s", chroma(tmp_path)
    theirs.mkdir()
    folder.parent.mkdir()
    folder.symlink_to(theirs)
    ChromaVectors.in_folder(folder, workspace="w", embedder="digests@1", dimension=DIMENSION).close()
    assert (list(theirs.iterdir()), folder.is_symlink(), folder.is_dir()) == ([], False, True)


def test_a_passage_that_is_not_found_and_a_file_that_changed_are_seen(tmp_path: Path) -> None:
    """The partner."""
    figures = Figures(asked=2, missed=1, touched=["x"])
    assert len(figures.problems) == 2 and "50.0 % of 2" in str(figures)


def main() -> None:
    """The figures of `make safety`."""
    sessions, records, kills = (int(word) for word in (sys.argv[1:4] or ("8", "300", "100")))
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder).resolve() / "place", sessions, records, kills)
    for problem in figures.problems[:20]:
        print(json.dumps(problem)[:600])
    print(figures)
    sys.exit(1 if figures.problems else 0)


if __name__ == "__main__":
    main()
