"""The prompt: in this process over a pipe, and as a person meets it, in a real pseudo-terminal."""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pyte
import pytest
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from llmos.app import App, AppOptions
from llmos.core.errors import ExitStatus
from llmos.interfaces.repl import Repl
from llmos.interfaces.slash import command_of
from llmos.testing import FakeMessagesServer, delay, reply, text, tool_use

COUNT = "count the lines of notes.txt"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "notes.txt").write_text("a\nb\nc\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LLMOS_MODELS", str(tmp_path / "models"))
    return folder


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMessagesServer]:
    with FakeMessagesServer([]) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


async def session(*typed: str) -> tuple[ExitStatus, str]:
    """A session in which each of `typed` is sent when the one before was acted on; its status and its screen."""
    console = Console(file=io.StringIO(), width=80, color_system=None, force_terminal=False, _environ={})
    app = App.open(AppOptions(), cwd=Path.cwd(), environ=os.environ)
    with create_pipe_input() as pipe:
        pipe.send_text("".join(typed))
        repl = Repl(app, console, environ=os.environ, input=pipe, output=DummyOutput())
        try:
            status = await asyncio.wait_for(repl.run(), 30)
        finally:
            await app.close()
    assert isinstance(console.file, io.StringIO)
    return status, console.file.getvalue()


def without_times(screen: str) -> list[str]:
    lines = [re.sub(r"\d+\.\d+ s\b", "N s", line) for line in screen.splitlines()]
    return [re.sub(r"[0-9a-f]{8}(?=[ .])", "HEX", line) for line in lines]


async def test_messages_are_one_conversation_and_the_totals_are_told(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(text("Hello.")), reply(text("You said hello.")))
    status, screen = await session("say hello\n", "what did I say\n", "\x04")
    assert status is ExitStatus.OK
    assert [message["role"] for message in api.bodies[1]["messages"]] == ["user", "assistant", "user"]
    answers = [line for line in screen.splitlines() if line in ("Hello.", "You said hello.")]
    assert answers == ["Hello.", "You said hello."]
    totals, transcript = screen.splitlines()[-2:]
    assert re.fullmatch(r"2 goals · cost \$0\.\d{4} · saved \$0\.00 · 2 model calls", totals)
    assert Path(transcript.removeprefix("transcript: ")).read_text().count('"turn_ended"') == 2


async def test_a_new_line_is_part_of_the_message_and_control_c_clears_it(work: Path, api: FakeMessagesServer) -> None:
    api.add(lambda body: reply(text(repr(body["messages"][0]["content"]))))
    _, screen = await session("never sent\x03", "first\x1b\rsecond\r", "/quit\r")
    assert "first\\nsecond" in screen and "never sent" not in screen


async def test_a_path_begins_a_goal(work: Path) -> None:
    assert [command_of(text) for text in ("/etc/hosts is what?", "/help", "/", "/traces now", "ls /")] == [
        None,
        "/help",
        "/",
        "/traces",
        None,
    ]


async def test_the_history_is_kept_for_the_owner_only(work: Path) -> None:
    await session("/help\n", "/quit\n")
    history = Path(os.environ["LLMOS_HOME"]) / ".llmos" / "history"
    assert "+/help" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600


async def test_a_goal_that_cannot_begin_costs_only_a_sentence(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(text("Hello.")))
    home = Path(os.environ["LLMOS_HOME"])
    home.mkdir(mode=0o700, parents=True)
    (home / "config.yaml").write_text("format: llmos-config/1\nlimits:\n  goal_bytes: 100\n")
    _, screen = await session("x" * 101 + "\n", "say hello\n", "/quit\n")
    assert "llmos: the goal has 101 bytes" in screen
    assert "\nHello.\n" in screen


# --------------------------------------------------------------------------------------------------- a real terminal


class Terminal:
    """A person's terminal: a screen that answers where its cursor is, as real ones do."""

    def __init__(self, process: pexpect.spawn[bytes]) -> None:
        self.process = process
        self.screen = pyte.HistoryScreen(100, 40)
        self._stream = pyte.ByteStream(self.screen)

    def _pump(self) -> None:
        try:
            data = self.process.read_nonblocking(65536, timeout=0.05)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        self._stream.feed(data)
        for _ in range(data.count(b"\x1b[6n")):
            cursor = self.screen.cursor
            self.process.send(f"\x1b[{cursor.y + 1};{cursor.x + 1}R")

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def wait(self, condition: Callable[[list[str]], bool], seconds: float = 25.0) -> list[str]:
        end = time.monotonic() + seconds
        while not condition(self.lines):
            assert time.monotonic() < end, "\n".join(self.lines)
            self._pump()
        return self.lines

    def wait_for(self, words: str) -> list[str]:
        return self.wait(lambda lines: any(words in line for line in lines))

    def wait_for_prompt(self) -> list[str]:
        return self.wait(lambda lines: [line for line in lines if line][-1:] == ["llmos>"])

    def wait_for_end(self) -> int | None:
        end = time.monotonic() + 25
        while self.process.isalive():
            assert time.monotonic() < end, "\n".join(self.lines)
            self._pump()
        self.process.close()
        return self.process.exitstatus


@contextmanager
def terminal() -> Iterator[Terminal]:
    env = {**os.environ, "TERM": "xterm-256color"}
    process = pexpect.spawn(sys.executable, ["-m", "llmos"], env=env, dimensions=(40, 100))
    process.delaybeforesend = None
    try:
        yield Terminal(process)
    finally:
        process.close(force=True)


def test_a_session_in_a_terminal(work: Path, api: FakeMessagesServer) -> None:
    """Ask, allow, stop a turn, go on, leave: as a person does it."""
    api.add(
        reply(tool_use("shell", {"command": "wc -l < notes.txt"})),
        reply(text("3")),
        reply(tool_use("shell", {"command": "touch begun; sleep 60"})),
        reply(text("Still here.")),
    )
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.process.send(f"{COUNT}\r")
        screen.wait_for("Allow shell? It runs a command:")
        screen.wait(lambda lines: [line for line in lines if line][-1:] == [">"])
        screen.process.send("y\r")
        screen.wait_for("done and checked (ok)")
        screen.wait_for_prompt()
        screen.process.send("wait for a minute\r")
        screen.wait(lambda lines: [line for line in lines if line][-1:] == [">"])
        screen.process.send("y\r")
        screen.wait(lambda _: (work / "begun").exists())
        screen.process.send("\x03")
        screen.wait_for("stopped (interrupted)")
        screen.wait_for_prompt()
        screen.process.send("are you there\r")
        screen.wait_for("Still here.")
        screen.wait_for_prompt()
        screen.process.send("\x04")
        status = screen.wait_for_end()
        shown = "\n".join(screen.lines)
    assert status == 0
    assert "3 goals · cost $0.0" in shown and " · 4 model calls" in shown and "transcript: " in shown
    assert shown.count("Still here.") == 1 and "Traceback" not in shown


def test_control_c_at_a_question_stops_the_turn_and_keeps_the_session(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(tool_use("shell", {"command": "touch no"})))
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.process.send("touch no\r")
        screen.wait(lambda lines: [line for line in lines if line][-1:] == [">"])
        screen.process.send("\x03")
        screen.wait_for("stopped (interrupted)")
        screen.wait_for_prompt()
        screen.process.send("/quit\r")
        assert screen.wait_for_end() == 0
    assert not (work / "no").exists()


def test_a_terminal_that_goes_away_leaves_a_truthful_transcript(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(delay(30), text("too late")))
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.process.send("say hello\r")
        screen.wait_for("paid by ANTHROPIC_API_KEY")
        screen.process.kill(1)
        assert screen.wait_for_end() == ExitStatus.INTERRUPTED
    (transcript,) = (Path(os.environ["LLMOS_HOME"]) / "memories" / "recall").glob("*.jsonl")
    assert '"outcome":"interrupted"' in transcript.read_text().splitlines()[-1]


def test_without_a_terminal_the_way_to_run_one_goal_is_named(work: Path) -> None:
    import subprocess

    ended = subprocess.run(
        [sys.executable, "-m", "llmos"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    sentence = 'llmos: the prompt needs a terminal; for one goal write `llmos run "what is to be done"`\n'
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", sentence)
