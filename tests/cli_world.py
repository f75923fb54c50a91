"""Commands run in this process, in a folder of their own, against the fake Messages server."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llmos.interfaces.cli import main
from llmos.testing import Answer, FakeMessagesServer, reply, text, tool_use

COUNT = "count the lines of notes.txt"
COUNTED: tuple[Answer, ...] = (
    reply(tool_use("shell", {"command": "wc -l < notes.txt"})),
    reply(text("3")),
)


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Llmos = Callable[..., Ended]


class _NoTerminal(io.TextIOWrapper):
    """Standard input with these bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "notes.txt").write_text("a\nb\nc\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LLMOS_MODELS", str(tmp_path / "models"))
    return folder


@pytest.fixture
def llmos(work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Llmos:
    """Runs the command in this process, with bytes for its standard input."""

    def run(*words: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "stdin", _NoTerminal(stdin))
        code = main(words)
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return run


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMessagesServer]:
    with FakeMessagesServer([]) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


@pytest.fixture
def kept(llmos: Llmos, api: FakeMessagesServer) -> str:
    """The id of a trace that was learned here."""
    api.add(*COUNTED)
    return str(json.loads(llmos("run", "-y", "-o", "json", COUNT).out)["kept"])
