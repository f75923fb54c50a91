"""A Messages API on this machine that says what a test tells it to, and refuses what the real one refuses.

    with FakeMessagesServer([reply(text("hello"))]) as server:
        model = AnthropicModel("claude-sonnet-5-5", payer="test", api_key="k", base_url=server.url)

Invariant: nothing passes unseen. Every request is in `requests`; one that the script does not foresee gets status 500
and is in `unexpected`; one that breaks a rule of the API gets its error, leaves the script as it is, and is in
`refused`. Serves `/v1/messages` (JSON and streamed), `/v1/messages/count_tokens` and `/v1/models`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

from llmos.core.dataclass import dataclass
from llmos.testing.rules import ApiRules
from llmos.testing.script import Answer, Block, Delay, Error, Raw, Reply, Script, events_of, message_of, sse

_MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it came in; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class FakeMessagesServer:
    """See the module. `script` is a list that is used up from its start, or a function of the request body.

    An entry of the list may be a function of the request body too. Safe for requests that run side by side.
    """

    def __init__(self, script: Script = ()) -> None:
        self.requests: list[RecordedRequest] = []
        self.unexpected: list[str] = []
        self.refused: list[str] = []
        self._script = script if callable(script) else list(script)
        self._rules = ApiRules()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._hung_up = threading.Semaphore(0)
        self._stopping = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL, for ANTHROPIC_BASE_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of the Messages calls, in order."""
        return [request.body for request in self.requests if request.path == "/v1/messages"]

    def add(self, *answers: Answer | Callable[[dict[str, Any]], Answer]) -> None:
        """Put more answers at the end of a script that is a list."""
        with self._lock:
            assert isinstance(self._script, list), "a script that is a function cannot be added to"
            self._script.extend(answers)

    def saw_disconnect(self, timeout_s: float = 5.0) -> bool:
        """Wait until a client hung up in the middle of an answer; one call for each."""
        return self._hung_up.acquire(timeout=timeout_s)

    def __enter__(self) -> FakeMessagesServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        stop = threading.Thread(target=self._server.shutdown)
        stop.start()
        # A connection wakes the accept loop, which would otherwise sleep on.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._server.server_address[1])):
            stop.join()
        stop.join()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: RecordedRequest) -> Answer | dict[str, Any]:
        """Record the request and choose what to say: an answer to a Messages call, or the JSON of another call."""
        with self._lock:
            self.requests.append(request)
        route = (request.method, request.path)
        if route == ("GET", "/v1/models"):
            return {"data": [_model(name) for name in _MODELS], "has_more": False}
        if request.method == "GET" and request.path.startswith("/v1/models/"):
            return _model(request.path.rsplit("/", 1)[1])
        if route == ("POST", "/v1/messages/count_tokens"):
            refusal = self._refusal({"max_tokens": 1, **request.body}, request.headers)
            return refusal or {"input_tokens": max(1, len(json.dumps(request.body)) // 4)}
        if route == ("POST", "/v1/messages"):
            return self._refusal(request.body, request.headers) or self._scripted(request.body)
        return self._not_foreseen(f"no such path: {request.method} {request.path}")

    def _refusal(self, body: dict[str, Any], headers: Mapping[str, str]) -> Error | None:
        with self._lock:
            refusal = self._rules.refusal(body, headers)
            if refusal is not None:
                self.refused.append(refusal.message)
        return refusal

    def _scripted(self, body: dict[str, Any]) -> Answer:
        with self._lock:
            if not callable(self._script) and not self._script:
                return self._not_foreseen(f"request {len(self.bodies)} is not in the script: {body['messages'][-1]}")
            entry = self._script if callable(self._script) else self._script.pop(0)
        # Outside the lock: a function of the test may take its time.
        answer = entry(body) if callable(entry) else entry
        if not isinstance(answer, Reply):
            return answer
        with self._lock:
            answer = replace(answer, items=tuple(self._filled_in(item) for item in answer.items))
            self._rules.remember(body, answer.content, answer.stop_reason)
        return answer

    def _filled_in(self, item: Any) -> Any:
        if not isinstance(item, Block):
            return item
        blank = {"tool_use": ("id", "toolu_fake"), "thinking": ("signature", "signed")}
        name, prefix = blank.get(item.content["type"], ("", ""))
        if not name or item.content[name] is not None:
            return item
        return replace(item, content={**item.content, name: f"{prefix}_{next(self._numbers)}"})

    def _not_foreseen(self, what: str) -> Error:
        self.unexpected.append(what)
        return Error(500, "api_error", f"fake Messages server: {what}")

    def message_id(self) -> str:
        return f"msg_fake_{next(self._numbers)}"

    def note_disconnect(self) -> None:
        self._hung_up.release()

    def note_bug(self, error: BaseException) -> None:
        self.unexpected.append(f"the fake server failed: {error!r}")

    def wait(self, seconds: float, connection: socket.socket) -> bool:
        """Stay silent; False when the client hangs up meanwhile or the server stops."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._stopping.is_set():
            readable, _, _ = select.select([connection], [], [], min(left, 0.1))
            if readable and not connection.recv(1, socket.MSG_PEEK):
                return False
        return not self._stopping.is_set()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, fake: FakeMessagesServer) -> None:
        self.fake = fake
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End the connections that clients keep open, so that no thread is left waiting for them."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        import sys

        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if isinstance(error, ConnectionError):
            self.fake.note_disconnect()
        elif error is not None:
            self.fake.note_bug(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._handle({})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        self._handle(cast(dict[str, Any], json.loads(raw or b"{}")))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what came in is in `requests`."""

    def _handle(self, body: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        # The query is left out: older clients add ?beta=true.
        request = RecordedRequest(self.command, urlsplit(self.path).path, headers, body)
        answer = self.server.fake.answer(request)
        if isinstance(answer, dict):
            self._send_json(200, answer)
        elif isinstance(answer, Error):
            self._send_error(answer)
        elif isinstance(answer, Raw):
            self._send_raw(answer)
        elif answer.broken == "drop" and answer.after_events == 0:
            self._drop()
        elif body.get("stream"):
            self._stream(answer, body["model"])
        else:
            self._send_whole(answer, body["model"])

    def _send_json(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "request-id": "req_fake", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _send_error(self, error: Error) -> None:
        retry = {} if error.retry_after is None else {"retry-after": f"{error.retry_after:g}"}
        self._send_json(error.status, error.body, {**retry, **error.headers})

    def _send_whole(self, answer: Reply, model: str) -> None:
        if answer.error is not None:
            self._send_error(answer.error)
        elif answer.broken == "drop":
            self._drop()
        else:
            message = message_of(answer, self.server.fake.message_id(), model)
            self._send_json(200, {**message, "stop_reason": None} if answer.broken else message)

    def _stream(self, answer: Reply, model: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("request-id", "req_fake")
        self.end_headers()
        sent = 0
        for event in events_of(answer, self.server.fake.message_id(), model):
            if answer.broken and sent == answer.after_events:
                break
            if isinstance(event, Delay):
                if not self.server.fake.wait(event.seconds, self.connection):
                    raise ConnectionResetError
                continue
            self._send_event(event)
            sent += 1
        if answer.error is not None:
            self._send_event(answer.error.body)
        if answer.broken == "drop":
            self._drop()
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _send_event(self, event: Mapping[str, Any]) -> None:
        self._send_chunk(sse(event))

    def _send_chunk(self, raw: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))

    def _send_raw(self, answer: Raw) -> None:
        self.send_response(answer.status)
        for name, value in {"request-id": "req_fake", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        if answer.body:
            self._send_chunk(answer.body)
        if answer.ends == "end":
            self.wfile.write(b"0\r\n\r\n")
            return
        if answer.ends == "stall":
            self.wfile.flush()
            self.server.fake.wait(60, self.connection)
        if answer.ends == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def _model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "2026-01-01T00:00:00Z",
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
    }
