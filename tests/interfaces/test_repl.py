"""The prompt: in this process over a pipe, and as a person meets it, in a real pseudo-terminal."""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from repl_world import after_greeting
from rich.console import Console
from terminal_world import running, terminal

from llmos.app import App, AppOptions
from llmos.core.errors import ExitStatus
from llmos.interfaces.prompt_keys import KEYS
from llmos.interfaces.repl import Repl
from llmos.interfaces.slash import command_of
from llmos.testing import Answer, FakeMessagesServer, delay, reply, text, tool_use

pytestmark = pytest.mark.slow

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
    status, screen = await session("say hello\r", "what did I say\r", "\x04")
    assert status is ExitStatus.OK
    assert [message["role"] for message in api.bodies[1]["messages"]] == ["user", "assistant", "user"]
    answers = [line for line in screen.splitlines() if line in ("Hello.", "You said hello.")]
    assert answers == ["Hello.", "You said hello."]
    totals, transcript, again = screen.splitlines()[-3:]
    assert re.fullmatch(r"2 goals · cost \$0\.\d{4} · saved \$0\.00 · 2 model calls", totals)
    assert Path(transcript.removeprefix("transcript: ")).read_text().count('"turn_ended"') == 2
    assert transcript.endswith(again.removeprefix("go on with: llmos --resume ") + ".jsonl")


async def test_a_new_line_is_part_of_the_message_and_control_c_clears_it(work: Path, api: FakeMessagesServer) -> None:
    api.add(lambda body: reply(text(repr(body["messages"][0]["content"]))))
    _, screen = await session("never sent\x03", "first\x1b\rsecond\r", "/quit\r")
    assert "first\\nsecond" in screen and "never sent" not in screen


async def test_three_keys_make_a_line_and_a_paste_never_sends(work: Path, api: FakeMessagesServer) -> None:
    seen: list[str] = []

    def answer(body: dict[str, Any]) -> Answer:
        seen.append(body["messages"][-1]["content"][-1]["text"])
        return reply(text("Read."))

    api.add(answer, answer)
    pasted = "\x1b[200~one\ntwo\r\nthree\n\x1b[201~"
    await session("a\x1b\rb\nc\\\rd\r", pasted, "\r", "/quit\r")
    assert [message.rpartition("\n\n")[2] for message in seen] == ["a\nb\nc\nd", "one\ntwo\nthree"]


async def test_control_c_twice_leaves_and_a_question_mark_lists_the_keys(work: Path) -> None:
    status, screen = await session("what?\x03", "?", "\x03\x03")
    assert (status, after_greeting(screen.splitlines())) == (
        ExitStatus.OK,
        [f"{key:<26}  {about}" for key, about in KEYS],
    )


async def test_a_path_begins_a_goal(work: Path) -> None:
    assert [command_of(text) for text in ("/etc/hosts is what?", "/help", "/", "/traces now", "ls /")] == [
        None,
        "/help",
        "/",
        "/traces",
        None,
    ]


async def test_the_history_is_kept_for_the_owner_only(work: Path) -> None:
    await session("/help\r", "/quit\r")
    history = Path(os.environ["LLMOS_HOME"]) / ".llmos" / "history"
    assert "+/help" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600


async def test_a_goal_that_cannot_begin_costs_only_a_sentence(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(text("Hello.")))
    home = Path(os.environ["LLMOS_HOME"])
    home.mkdir(mode=0o700, parents=True)
    (home / "config.yaml").write_text("format: llmos-config/1\nlimits:\n  goal_bytes: 100\n")
    _, screen = await session("x" * 101 + "\r", "say hello\r", "/quit\r")
    assert "llmos: the goal has 101 bytes" in screen
    assert "\nHello.\n" in screen


# --------------------------------------------------------------------------------------------------- a real terminal


def test_a_session_in_a_terminal(work: Path, api: FakeMessagesServer) -> None:
    """Ask, allow, stop a turn, go on, leave: as a person does it."""
    api.add(
        reply(tool_use("shell", {"command": "wc -l < notes.txt | tee count.txt"})),
        reply(text("3")),
        reply(tool_use("shell", {"command": "touch begun; sleep 60"})),
        reply(text("Still here.")),
    )
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.send(f"{COUNT}\r")
        screen.wait_for("Allow shell? It runs a command:")
        screen.wait_for_question()
        screen.send("/help\r")  # no answer, and no reason to refuse
        screen.wait_for("answer the question first")
        screen.wait_for_question()
        screen.send("y\r")
        screen.wait_for("done and checked")
        screen.wait_for_prompt()
        screen.send("wait for a minute\r")
        screen.wait_for_question()
        screen.send("y\r")
        screen.wait(lambda _: (work / "begun").exists())
        screen.send("\x03")
        screen.wait_for("stopped ·")
        screen.wait_for_prompt()
        screen.send("are you there\r")
        screen.wait_for("Still here.")
        screen.wait_for_prompt()
        screen.send("\x04")
        status = screen.wait_for_end()
        shown = "\n".join(screen.lines)
    assert status == 0
    assert "3 goals · cost $0.0" in shown and " · 4 model calls" in shown and "transcript: " in shown
    assert shown.count("Still here.") == 1 and "Traceback" not in shown


def test_control_c_at_a_question_stops_the_turn_and_keeps_the_session(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(tool_use("shell", {"command": "touch no"})))
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.send("touch no\r")
        screen.wait_for_question()
        screen.send("\x03")
        screen.wait_for("stopped ·")
        screen.wait_for_prompt()
        screen.send("/quit\r")
        assert screen.wait_for_end() == 0
    assert not (work / "no").exists()


@pytest.mark.parametrize("key", ["\x1b", "\x03"])
def test_a_key_stops_a_turn_that_works_and_what_was_typed_ahead_waits(
    work: Path, api: FakeMessagesServer, key: str
) -> None:
    """The command in flight dies with all that it started, and the prompt is back at once."""
    nap = f"sleep 300.0{os.getpid()}"
    api.add(reply(tool_use("shell", {"command": f"{nap} & touch begun; {nap}"})))
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.send("sleep\r")
        screen.wait_for_question()
        screen.send("y\r")
        screen.wait(lambda _: (work / "begun").exists())
        assert running(nap)
        screen.send("next\x7f")
        screen.pump()
        screen.send(key)
        screen.wait_for_prompt("nex")  # the command alone would take five minutes
        shown = screen.written
    assert "stopped ·" in "\n".join(shown)
    assert not running(nap)


def test_a_terminal_that_goes_away_leaves_a_truthful_transcript(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(delay(30), text("too late")))
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.send("say hello\r")
        screen.wait_for("why: no saved run is like it")
        screen.process.kill(1)
        assert screen.wait_for_end() == ExitStatus.INTERRUPTED
    (transcript,) = (Path(os.environ["LLMOS_HOME"]) / "memories" / "recall").glob("*.jsonl")
    assert '"outcome":"interrupted"' in transcript.read_text()


def test_without_a_terminal_the_way_to_run_one_goal_is_named(work: Path) -> None:
    import subprocess

    ended = subprocess.run(
        [sys.executable, "-m", "llmos"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    sentence = (
        'llmos: the prompt needs a terminal; for one goal write `llmos run "what to do"`, or pipe it into `llmos run`\n'
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", sentence)
