"""Which solved goals stand near a goal: by vectors and words together, by words alone where there is no embedder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from llmos.core.catalogue import MINILM
from llmos.core.errors import StoreError
from llmos.core.ports import Embedder
from llmos.core.trace import TraceHeader
from llmos.memory.examples import VECTORS_FILE, Examples, dump_vectors, read_vectors
from llmos.memory.model_store import ModelStore, models_folder

ROOT = Path(__file__).parents[2]
WORDED = "how many folders are directly inside projects"
MEANT = "how many directories does vendor contain, not going deeper"


class Pointing:
    """An embedder that points every text but one the same way."""

    name, dimension = "pointing@1", 2

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [[1.0, 0.0] if "deep" in text else [0.0, 1.0] for text in texts]


class Broken(Pointing):
    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        raise StoreError("the embedder cannot be loaded")


def examples(folder: Path, embedder: Callable[[], Embedder | None]) -> Examples:
    """Three of the shipped examples, with the vectors that `Pointing` gives them."""
    vectors = {}
    for name in ("how-many-directories", "how-many-hidden", "how-long-is-poem"):
        (path,) = (ROOT / "traces").glob(f"{name}*.yaml")
        (folder / path.name).write_bytes(path.read_bytes())
        vectors[path.stem] = Pointing().embed(["deeper" if "directories" in name else name])[0]
    (folder / VECTORS_FILE).write_bytes(dump_vectors(vectors, Pointing.name))
    return Examples([folder], embedder)


def goals(headers: Sequence[TraceHeader]) -> list[str]:
    return [header.goal for header in headers]


def test_what_means_the_same_comes_before_what_shares_a_word(tmp_path: Path) -> None:
    goal = "deep: how long is poem.txt in lines"
    assert goals(examples(tmp_path, lambda: None).nearest(goal, []))[0] == "how long is poem.txt in lines"
    assert goals(examples(tmp_path, Pointing).nearest(goal, []))[0] == MEANT


@pytest.mark.parametrize("embedder", [lambda: None, Broken])
def test_without_an_embedder_words_decide(tmp_path: Path, embedder: Callable[[], Embedder | None]) -> None:
    near = examples(tmp_path, embedder).nearest("how long is essay.txt in lines", [])
    assert goals(near)[0] == "how long is poem.txt in lines"


def test_ones_own_runs_are_ranked_among_them(tmp_path: Path) -> None:
    made = examples(tmp_path, Pointing)
    own = [replace(next(iter(made.traces.values())).header, id="mine", goal="go deep")]
    assert goals(made.nearest("deep", own))[:2] == ["go deep", MEANT]


def test_vectors_of_another_embedder_are_not_compared(tmp_path: Path) -> None:
    examples(tmp_path, Pointing)
    assert len(read_vectors(tmp_path / VECTORS_FILE, Pointing.name)) == 3
    assert read_vectors(tmp_path / VECTORS_FILE, "other@1") == {}
    assert read_vectors(tmp_path / "absent.json", Pointing.name) == {}


def test_the_shipped_vectors_are_those_of_the_shipped_goals() -> None:
    path = ModelStore(models_folder(os.environ, Path.home())).find(MINILM)
    if path is None:
        pytest.skip("`llmos models pull minilm` fetches the embedder")
    from llmos.adapters.embedder import MiniLmEmbedder

    embedder = MiniLmEmbedder(path)
    shipped = Examples([ROOT / "traces"], lambda: embedder)
    vectors = read_vectors(ROOT / "traces" / VECTORS_FILE, embedder.name)
    assert sorted(vectors) == sorted(shipped.traces)
    some = sorted(vectors)[::20]
    for name, vector in zip(some, embedder.embed([shipped.traces[n].header.goal for n in some]), strict=True):
        assert max(abs(a / 127 - b) for a, b in zip(vectors[name], vector, strict=True)) < 0.01
    assert MEANT in goals(shipped.nearest(WORDED, []))[:3]
    assert MEANT not in goals(Examples([ROOT / "traces"], lambda: None).nearest(WORDED, []))[:5]
