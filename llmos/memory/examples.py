"""The solved goals that ship with llmos, and which of them are near a goal.

Words alone find the right one in half of the cases ("directly inside", "not going deeper"); vectors of the goals find
it in most. Those of the shipped goals ship too, so that only the goal itself must be embedded; without an embedder
words alone decide. Invariant: an example is shown to a model and never replayed.
"""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import mul
from pathlib import Path

from llmos.core.errors import LlmosError
from llmos.core.matching import rank
from llmos.core.ports import Embedder
from llmos.core.trace import Trace, TraceHeader
from llmos.memory.files import MissingFileError, read_bounded
from llmos.memory.trace_files import read_trace

VECTORS_FILE = "vectors.json"
WORDS_WEIGHT = 0.6
"""What the likeness of words counts beside the cosine of the goals."""
_MOST_BYTES = 16_000_000
_SCALE = 127


class Examples:
    """The example traces of some folders. `embedder` gives the embedder, or None where there is none."""

    def __init__(self, folders: Sequence[Path], embedder: Callable[[], Embedder | None]) -> None:
        self._folders = tuple(folders)
        self._embedder = embedder

    @cached_property
    def traces(self) -> Mapping[str, Trace]:
        """Every example by id. Raises StoreError."""
        paths = (path for folder in self._folders for path in sorted(folder.glob("*.yaml")))
        return {path.stem: read_trace(path)[0] for path in paths}

    def nearest(self, goal: str, own: Sequence[TraceHeader]) -> list[TraceHeader]:
        """The examples and `own`, the nearest to the goal first."""
        headers = {header.id: header for header in own}
        headers |= {name: trace.header for name, trace in self.traces.items() if name not in headers}
        words = {header.id: score for header, score in rank(goal, list(headers.values()), len(headers))}
        cosines = self._cosines(goal, own)
        if not cosines:
            return [headers[identifier] for identifier in words]
        scores = {name: cosines.get(name, 0.0) + WORDS_WEIGHT * words.get(name, 0.0) for name in headers}
        return sorted(headers.values(), key=lambda header: (-scores[header.id], header.id))

    def _cosines(self, goal: str, own: Sequence[TraceHeader]) -> dict[str, float]:
        """By id; empty where there is no embedder, or the shipped vectors are of another."""
        embedder = self._ready
        if embedder is None:
            return {}
        known = {
            name: vector
            for folder in self._folders
            for name, vector in read_vectors(folder / VECTORS_FILE, embedder.name).items()
        }
        if not known:
            return {}
        try:
            query, *rest = embedder.embed([goal, *(header.goal for header in own)])
        except LlmosError:
            return {}
        cosines = {name: sum(map(mul, vector, query)) / _SCALE for name, vector in known.items()}
        return cosines | {header.id: sum(map(mul, vector, query)) for header, vector in zip(own, rest, strict=True)}

    @cached_property
    def _ready(self) -> Embedder | None:
        return self._embedder()


def dump_vectors(vectors: Mapping[str, Sequence[float]], embedder: str) -> bytes:
    """The file of the vectors of length 1 of example goals, by id: a byte a dimension, which moves no rank."""
    rows = {
        name: base64.b64encode(array("b", (round(value * _SCALE) for value in vector)).tobytes()).decode("ascii")
        for name, vector in sorted(vectors.items())
    }
    return (json.dumps({"format": "llmos-vectors/1", "embedder": embedder, "vectors": rows}, indent=0) + "\n").encode()


def read_vectors(path: Path, embedder: str) -> dict[str, array[int]]:
    """The vectors in a file of `dump_vectors`, 127 times as long; none where it is missing or of another embedder."""
    try:
        facts = json.loads(read_bounded(path, _MOST_BYTES))
    except MissingFileError:
        return {}
    if facts["embedder"] != embedder:
        return {}
    return {name: array("b", base64.b64decode(row)) for name, row in facts["vectors"].items()}
