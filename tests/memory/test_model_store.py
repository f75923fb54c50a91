"""The folder of model files: where it is, what counts as a model, and how one is removed."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from llmos.core.catalogue import CATALOGUE, CatalogueModel, default_model, find_model
from llmos.core.errors import UsageError
from llmos.memory.model_store import ModelStore, models_folder, store_error

CONTENT = b"GGUF and then some weights"
MODEL = CatalogueModel(
    name="tiny",
    file_name="tiny.gguf",
    size_bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    parameters="0",
    licence="Apache-2.0",
    author="the tests",
    source_page="https://example.org/tiny",
    hub_url="",
    kv_bytes_per_token=1,
)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, "/home/ada/.local/share/llmos/models"),
        ({"XDG_DATA_HOME": "/data"}, "/data/llmos/models"),
        ({"XDG_DATA_HOME": "data"}, "/home/ada/.local/share/llmos/models"),
        ({"XDG_DATA_HOME": "/data", "LLMOS_MODELS": "/models"}, "/models"),
        ({"LLMOS_MODELS": "~/weights"}, "/home/ada/weights"),
        ({"LLMOS_MODELS": ""}, "/home/ada/.local/share/llmos/models"),
    ],
)
def test_the_folder_comes_from_the_setting_then_xdg_then_home(environ: dict[str, str], folder: str) -> None:
    assert models_folder(environ, Path("/home/ada")) == Path(folder)


def test_only_a_file_with_the_right_hash_is_a_model(store: ModelStore) -> None:
    assert store.find(MODEL) is None
    store.path(MODEL).write_bytes(CONTENT[:-1])
    assert store.find(MODEL) is None
    store.path(MODEL).write_bytes(CONTENT[:-1] + b"?")
    assert store.find(MODEL) is None
    store.path(MODEL).write_bytes(CONTENT)
    assert store.find(MODEL) == store.path(MODEL)


def test_a_file_changed_after_it_was_verified_is_read_again(store: ModelStore) -> None:
    store.path(MODEL).write_bytes(CONTENT)
    assert store.find(MODEL) is not None
    before = store.path(MODEL).stat()
    store.path(MODEL).write_bytes(CONTENT[:-1] + b"?")
    os.utime(store.path(MODEL), ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert store.find(MODEL) is None


def test_a_part_file_becomes_the_model_only_with_the_right_hash(store: ModelStore) -> None:
    store.part_path(MODEL).write_bytes(CONTENT[:-1] + b"?")
    assert store.commit(MODEL) is None
    assert not store.part_path(MODEL).exists()
    store.part_path(MODEL).write_bytes(CONTENT)
    assert store.commit(MODEL) == store.path(MODEL)
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "tiny.LICENSE.txt",
        "tiny.gguf",
        "tiny.gguf.verified",
    ]


def test_removing_frees_the_model_and_what_a_pull_left(store: ModelStore) -> None:
    store.part_path(MODEL).write_bytes(CONTENT)
    store.commit(MODEL)
    store.part_path(MODEL).write_bytes(b"half")
    store.work_folder(MODEL).mkdir()
    (store.work_folder(MODEL) / "a.whl").write_bytes(b"wheel")
    beside = store.folder / "notes.txt"
    beside.write_text("mine")
    freed = store.remove(MODEL)
    assert freed >= len(CONTENT) + len(b"half") + len(b"wheel")
    assert sorted(path.name for path in store.folder.iterdir()) == [".tiny.lock", "notes.txt"]
    assert store.remove(MODEL) == 0


def test_models_lists_what_is_there(store: ModelStore) -> None:
    assert store.models() == ()
    # A file of the right name but of other content is not listed.
    store.path(default_model()).write_bytes(b"GGUF")
    assert store.models() == ()


def test_the_catalogue_names_models_by_name_or_a_part_of_it_that_is_unique() -> None:
    assert [model.name for model in CATALOGUE if model.default] == ["qwen2.5-coder-1.5b-instruct-q4_k_m"]
    assert find_model("qwen2.5-coder-1.5b-instruct-q4_k_m") == default_model()
    assert find_model("0.5B") == CATALOGUE[1]
    assert find_model(CATALOGUE[1].file_name) == CATALOGUE[1]
    with pytest.raises(UsageError) as unknown:
        find_model("gpt")
    assert str(unknown.value) == (
        "'gpt' is not a local model that llmos knows; choose one of: qwen2.5-coder-1.5b-instruct-q4_k_m, "
        "qwen2.5-coder-0.5b-instruct-q4_k_m, all-minilm-l6-v2-int8"
    )
    with pytest.raises(UsageError, match="fits more than one local model"):
        find_model("qwen")


def test_the_slices_of_each_carrier_cover_its_file() -> None:
    parts = {}
    for model in CATALOGUE:
        assert model.carrier is not None
        parts[model.parameters] = -(-model.size_bytes // model.carrier.part_bytes)
    assert parts == {"1.5B": 22, "0.5B": 6}


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (
            errno.EACCES,
            "llmos may not write to /models (permission denied); change its permissions, "
            "or set LLMOS_MODELS to a folder of your own.",
        ),
        (
            errno.EROFS,
            "llmos may not write to /models (read-only file system); change its permissions, "
            "or set LLMOS_MODELS to a folder of your own.",
        ),
        (errno.ENOSPC, "The disk of /models is full; free some space, or set LLMOS_MODELS to a folder elsewhere."),
        (errno.EIO, "llmos could not write to /models: Input/output error."),
    ],
)
def test_what_the_disk_refuses_is_one_sentence(number: int, sentence: str) -> None:
    assert str(store_error("write to", Path("/models"), OSError(number, os.strerror(number)))) == sentence
