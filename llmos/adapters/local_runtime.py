"""Runs a GGUF file with xllamacpp in a process of its own and talks to it over a loopback port with a random key.

A process of its own, because loading holds Python's lock for seconds (measured: 2.3 to 6 s for the 1.5B model, in
which no key press or Ctrl-C is seen) and because a failed assertion in the C++ library ends the process it runs in.
Invariant: the child ends with this process, and `close` leaves none behind.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, cast

from llmos.core.dataclass import dataclass
from llmos.core.errors import ModelError, ModelErrorKind, NoModelError

MIN_CONTEXT = 2_048
BATCH_TOKENS = 128
CACHE_MIB = 256
_OVERHEAD_BYTES = 350 << 20
_STOP_WAIT_S = 5.0


def available() -> bool:
    """Whether the runtime is installed; does not import it."""
    return importlib.util.find_spec("xllamacpp") is not None


def require_runtime() -> None:
    """Raises NoModelError, with the way out, when the runtime is not installed."""
    if not available():
        raise NoModelError('The runtime of the local model is not installed: pip install "llmos[local]".')


def thread_counts(wanted: int | None) -> tuple[int, int]:
    """Threads for generating and for reading the prompt: `wanted` for both, or all cores but one and all cores.

    Generation waits for its slowest thread at every token, so one busy program beside it slows it down; reading does
    not wait as often, and it is what a person waits for.
    """
    if wanted is not None:
        return wanted, wanted
    cores = len(os.sched_getaffinity(0))
    return max(1, cores - 1), cores


def free_memory_bytes() -> int | None:
    """Memory that a new program may take, within this control group; None when the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text("ascii"))
        used = int((group / "memory.current").read_text("ascii"))
    except (OSError, ValueError):
        return free
    return min(free, limit - used)


def fitting_context(wanted: int, size_bytes: int, kv_bytes_per_token: int, free_bytes: int | None) -> int:
    """The tokens of context that memory allows, at most `wanted`; 0 when the model does not fit at all.

    The weights count 1.3 times: a part of them is repacked for the processor beside the mapped file.
    """
    if free_bytes is None:
        return wanted
    context = wanted
    while context >= min(wanted, MIN_CONTEXT):
        if size_bytes * 13 // 10 + _OVERHEAD_BYTES + context * kv_bytes_per_token <= free_bytes:
            return context
        context //= 2
    return 0


@dataclass(frozen=True, slots=True)
class LoadSettings:
    path: Path
    name: str
    n_ctx: int
    threads: int
    """For generation, a token at a time."""
    batch_threads: int
    """For reading the prompt."""
    beside: int
    """Slots in which further answers of one request are generated side by side."""
    slots: int = 1
    """Slots for conversations, after those, each with `n_ctx` tokens."""
    state_folder: Path | None = None
    """Where `keep_state` and `take_state` have their files."""


class Cancel:
    """Lets another thread end a request: closing its connection is what the server listens for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.asked = False

    def watch(self, connection: socket.socket) -> None:
        with self._lock:
            self._socket = connection
            if self.asked:
                _hang_up(connection)

    def __call__(self) -> None:
        with self._lock:
            self.asked = True
            if self._socket is not None:
                _hang_up(self._socket)


class LocalServer:
    """A loaded model. `url` and `api_key` also serve `/v1/messages` to any client on this computer."""

    def __init__(self, process: subprocess.Popen[str], log: IO[bytes], url: str, api_key: str) -> None:
        self._process = process
        self._log = log
        self.url = url
        self.api_key = api_key

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def chat(self, body: Mapping[str, Any], on_chunk: Callable[[dict[str, Any]], None], cancel: Cancel) -> None:
        """One streamed chat completion, blocking. Raises ModelError; returns early when cancelled."""
        connection = self._connection()
        try:
            connection.connect()
            cancel.watch(connection.sock)
            connection.request("POST", "/v1/chat/completions", json.dumps({**body, "stream": True}), self._headers())
            response = connection.getresponse()
            if response.status != 200:
                raise error_of(response.read())
            _read_events(response, on_chunk)
        except (OSError, http.client.HTTPException) as error:
            if not cancel.asked:
                raise ModelError(ModelErrorKind.RUNTIME, f"The local model {self._ending()}.") from error
        finally:
            connection.close()

    def keep_state(self, slot: int, file_name: str) -> bool:
        """Write what was read in a slot to a file of the state folder; whether that worked."""
        return self._state(slot, "save", file_name)

    def take_state(self, slot: int, file_name: str) -> bool:
        """Put a slot back to a kept state; whether that worked."""
        return self._state(slot, "restore", file_name)

    def clear(self, slots: Iterable[int]) -> None:
        """Forget what was read in these slots: it takes room that a conversation may need."""
        for slot in slots:
            self._state(slot, "erase", "")

    def _state(self, slot: int, action: str, file_name: str) -> bool:
        connection = self._connection()
        try:
            body = json.dumps({"filename": file_name})
            connection.request("POST", f"/slots/{slot}?action={action}", body, self._headers())
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self.url.removeprefix("http://").split(":")
        return http.client.HTTPConnection(host, int(port))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}

    def _ending(self) -> str:
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "broke off its answer"
        why = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"{why} ({last_error(self._log) or 'it left no message'}); it is started again by the next call"

    def close(self) -> None:
        """End the process and free its memory. May be called twice."""
        end(self._process)
        self._log.close()


def end(process: subprocess.Popen[str]) -> None:
    """End the child by closing its standard input, by force where that does not help."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def start_child() -> tuple[subprocess.Popen[str], IO[bytes]]:
    """Start the process that will hold the model, still empty, and the file that takes its messages."""
    log = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115 (closed with the server)
    # -P: a file named like a package in the person's folder must not be imported. A session of its own: Ctrl-C is
    # for this process, which then decides.
    command = [sys.executable, "-P", "-m", "llmos.adapters.local_child"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    )
    return process, log


def load(process: subprocess.Popen[str], log: IO[bytes], settings: LoadSettings) -> LocalServer:
    """Have the child load the model, blocking for seconds. Raises ModelError and ends the child."""
    key = secrets.token_urlsafe(24)
    record = {
        "path": str(settings.path),
        "name": settings.name,
        "n_ctx": settings.n_ctx,
        "threads": settings.threads,
        "batch_threads": settings.batch_threads,
        "n_batch": BATCH_TOKENS,
        "beside": settings.beside,
        "slots": settings.slots,
        "state_folder": str(settings.state_folder or ""),
        "cache_mib": CACHE_MIB,
        "api_key": key,
    }
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(record) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline() or "{}")
    except (OSError, ValueError):
        answer = {}
    if url := answer.get("url"):
        return LocalServer(process, log, url, key)
    # The library writes its messages from a thread of its own: all of them are there once the process has ended.
    end(process)
    why = last_error(log) or answer.get("error") or "its process ended"
    log.close()
    raise ModelError(ModelErrorKind.RUNTIME, f"The local model {settings.name} could not be loaded: {why}.")


def last_error(log: IO[bytes]) -> str:
    """The first error that the library wrote, without its time stamp: the later ones only follow from it.

    Lines that are not marked as an error (a warning of Python's, say) count only where there is no other.
    """
    try:
        log.seek(0)
        lines = log.read(20_000).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        return ""
    told = sorted((line for line in lines if line.strip()), key=lambda line: " E " not in line)
    return told[0].split(" E ", 1)[-1].strip().rstrip(".") if told else ""


def error_of(body: bytes) -> ModelError:
    """The runtime's error answer as a ModelError."""
    try:
        facts = json.loads(body)["error"]
        kind, message = str(facts.get("type", "")), str(facts.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        kind, message = "", body.decode("utf-8", "replace")[:200]
    if kind == "exceed_context_size_error":
        return ModelError(
            ModelErrorKind.CONTEXT_OVERFLOW, f"The conversation is too long for the local model: {message}."
        )
    return ModelError(
        ModelErrorKind.RUNTIME, f"The local model refused the request: {message.strip() or 'no reason given'}."
    )


def _read_events(response: http.client.HTTPResponse, on_chunk: Callable[[dict[str, Any]], None]) -> None:
    """Server-sent events until `[DONE]`. Raises IncompleteRead when the stream ends before that."""
    for line in response:
        if not line.startswith(b"data: "):
            continue
        data = line[len(b"data: ") :].strip()
        if data == b"[DONE]":
            return
        chunk = json.loads(data)
        if "error" in chunk:
            raise error_of(data)
        on_chunk(chunk)
    raise http.client.IncompleteRead(b"")


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
