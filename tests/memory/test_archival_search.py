"""Archival passages found by words and by meaning, with and without vectors, in real Chroma stores."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmos.adapters.chroma import ChromaVectors
from llmos.core.errors import StoreError
from llmos.core.memory_text import stems
from llmos.core.passage import Passage, PassageState, Source
from llmos.core.ports import Embedder, PassageVectors
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.memory_engine import MemoryEngine, Writer

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WRITER = Writer(NOW, "archival update at message 100")
ALIKE = {"lorry": "truck", "trucks": "truck", "sup": "eat", "dinner": "eat"}


@dataclass
class Embeds:
    """An embedder that knows a few synonyms. What it was given is in `seen`."""

    name: str = "synonyms@1"
    dimension: int = 16
    stops_after: int = 10_000

    def __post_init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.seen += texts
        if len(self.seen) > self.stops_after:
            raise StoreError("the embedder stopped")
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> list[float]:
        vector = [0.0] * self.dimension
        for word in stems(text):
            vector[sum(ALIKE.get(word, word).encode()) % self.dimension] += 1.0
        length = sum(value * value for value in vector) ** 0.5 or 1.0
        return [value / length for value in vector]


def memory_of(root: Path, *texts: str) -> MemoryEngine:
    made = MemoryEngine(root / "core", root / "archival")
    for text in texts:
        made.add_archival_memory(Passage("", text, sources=(Source("s:1"),), valid_from="2026-11-01"), WRITER)
    return made


def none(_: Embedder) -> PassageVectors:
    raise StoreError("another llmos has held the store")


def in_folder(root: Path) -> Callable[[Embedder], PassageVectors]:
    return lambda embedder: ChromaVectors.in_folder(
        root / "derived/chroma", workspace=str(root), embedder=embedder.name, dimension=embedder.dimension
    )


def texts(search: ArchivalSearch, question: str, *, by_meaning: bool = True) -> list[str]:
    return [one.passage.text for one in search.search(question, now=NOW, by_meaning=by_meaning) if one.relevant]


# ------------------------------------------------------------------------------------------------- without vectors


def test_without_vectors_passages_are_found_by_their_words(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, "The staging database runs on port 5433", "Ann owns the deploy scripts")
    search = ArchivalSearch(memory, lambda: None, none)
    assert texts(search, "which port has the staging database?") == ["The staging database runs on port 5433"]
    assert texts(search, "what is the weather like?") == []
    held = ArchivalSearch(memory, Embeds, none)
    assert texts(held, "which port has the staging database?") == ["The staging database runs on port 5433"]
    assert held.problem == "another llmos has held the store"


def test_what_holds_comes_first_and_what_held_when_it_is_asked_for(tmp_path: Path) -> None:
    memory = memory_of(tmp_path)
    old = memory.add_archival_memory(Passage("", "The API port is 5432", valid_from="2026-01-10"), WRITER)
    memory.add_archival_memory(
        Passage("", "The API port is 6000", valid_from="2026-06-01", supersedes=(old.id,)), WRITER
    )
    search = ArchivalSearch(memory, lambda: None, none)
    assert texts(search, "what is the API port?") == ["The API port is 6000", "The API port is 5432"]
    assert texts(search, "what was the API port in March 2026?")[0] == "The API port is 5432"


def test_both_sides_of_a_dispute_are_shown(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, "The API port is 5432")
    (old,) = memory.passages()
    memory.change_passage(old.id, lambda one: replace(one, state=PassageState.DISPUTED), WRITER)
    memory.add_archival_memory(
        Passage("", "The API port is 6000", state=PassageState.DISPUTED, disputes=(old.id,)), WRITER
    )
    found = ArchivalSearch(memory, lambda: None, none).search("which API port?", now=NOW)
    assert sorted(one.passage.dated for one in found) == [
        "The API port is 5432 (said 2026-11-01; disputed)",
        "The API port is 6000 (said 2026-11-24; disputed)",
    ]


# ------------------------------------------------------------------------------------------------ a store of its own


def test_by_meaning_in_a_folder_with_our_own_embedder(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, "Our truck is red", "Ann owns the deploy scripts")
    search = ArchivalSearch(memory, Embeds, in_folder(tmp_path))
    assert texts(search, "lorry") == ["Our truck is red"]
    assert texts(search, "lorry", by_meaning=False) == []
    with pytest.raises(StoreError, match="another llmos has held"):
        in_folder(tmp_path)(Embeds())
    search.close()
    again = Embeds()
    search = ArchivalSearch(memory, lambda: again, in_folder(tmp_path))
    assert texts(search, "lorry") == ["Our truck is red"]
    assert again.seen == ["lorry"], "what has a vector is not embedded again"
    memory.remove_passage(memory.passages()[1].id, WRITER)
    assert texts(search, "lorry") == []
    search.close()


def test_another_embedder_embeds_again_and_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, *(f"Fact number {number} about trucks" for number in range(70)))
    first = ArchivalSearch(memory, Embeds, in_folder(tmp_path))
    assert first.synchronise() == 70
    first.close()
    cut = ArchivalSearch(memory, lambda: Embeds("other@2", 8, stops_after=40), in_folder(tmp_path))
    assert cut.synchronise() == 32
    cut.close()
    other = Embeds("other@2", 8)
    search = ArchivalSearch(memory, lambda: other, in_folder(tmp_path))
    assert (search.synchronise(), len(other.seen)) == (38, 38)
    assert len(texts(search, "lorry")) == 10
    search.close()


def test_a_store_that_is_broken_or_deleted_is_made_anew(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, "Our truck is red")
    search = ArchivalSearch(memory, Embeds, in_folder(tmp_path))
    search.synchronise()
    search.close()
    code = (
        "import sys; from pathlib import Path\n"
        "from llmos.adapters.chroma import ChromaVectors\n"
        "made = ChromaVectors.in_folder(Path(sys.argv[1]) / 'derived/chroma', workspace=sys.argv[1],"
        " embedder='synonyms@1', dimension=16)\n"
        "print(len(made.known()))\n"
    )
    (tmp_path / "derived/chroma/chroma.sqlite3").write_bytes(b"not a database")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr


# ---------------------------------------------------------------------------------------------------------- a server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real `chroma run`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = "import sys; from chromadb.cli.cli import app; sys.exit(app())"
    command = [sys.executable, "-c", start, "run", "--path", str(tmp_path / "served")]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


_CLIENT = """
import sys
sys.path.insert(0, sys.argv[3])
from test_archival_search import *
server, root = sys.argv[1], Path(sys.argv[2])
memory = memory_of(root, "Our truck is red", "Ann owns the deploy scripts")

def on_server(embedder):
    return ChromaVectors.on_server(server, workspace="w", embedder=embedder.name, dimension=embedder.dimension)

one, two = (ArchivalSearch(memory, Embeds, on_server) for _ in range(2))
assert (texts(one, "lorry"), one.problem) == (["Our truck is red"], ""), one.problem
assert (texts(two, "lorry"), two.problem) == (["Our truck is red"], ""), two.problem
memory.add_archival_memory(Passage("", "The second truck is blue"), WRITER)
assert sorted(texts(two, "lorry")) == ["Our truck is red", "The second truck is blue"]
other = ArchivalSearch(memory, lambda: Embeds("other@2", 8), on_server)
assert len(texts(other, "lorry")) == 2
assert sorted(texts(one, "lorry")) == ["Our truck is red", "The second truck is blue"]
print("done")
"""


@pytest.mark.slow
def test_a_shared_server(tmp_path: Path, server: str) -> None:
    """In a process of its own: Chroma's HTTP client leaves its connections open."""
    words = [sys.executable, "-c", _CLIENT, server, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_that_does_not_answer_leaves_the_words(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, "Our truck is red")

    def on_server(embedder: Embedder) -> PassageVectors:
        return ChromaVectors.on_server("http://127.0.0.1:9", workspace="w", embedder=embedder.name, dimension=16)

    search = ArchivalSearch(memory, Embeds, on_server)
    assert texts(search, "which truck?") == ["Our truck is red"]
    assert search.problem.startswith("the Chroma server http://127.0.0.1:9 does not answer: ")
