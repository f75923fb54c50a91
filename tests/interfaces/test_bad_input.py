"""What a terminal can do to a session: no traceback, no process left, the prompt back, the transcript closed."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.key_binding import KeyPress
from terminal_world import Terminal, running, terminal

from llmos.core.errors import ExitStatus
from llmos.testing import Answer, FakeMessagesServer, delay, reply, text, tool_use

pytestmark = pytest.mark.slow

BACK_S = 2.0
"""Seconds within which the prompt is back."""


def transcripts() -> list[list[dict[str, Any]]]:
    folder = Path(os.environ["LLMOS_HOME"]) / "memories" / "recall"
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in sorted(folder.glob("*.jsonl"))]


def said(server: FakeMessagesServer, number: int) -> str:
    """The text of the last message of a request."""
    content = server.bodies[number]["messages"][-1]["content"]
    return str(content if isinstance(content, str) else content[-1]["text"])


def test_a_resize_while_text_streams_leaves_the_text_once(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(text("The beginning of it"), delay(0.6), text(" and the end of it, which is long enough to wrap.")))
    with terminal(width=100, height=30) as screen:
        screen.wait_for_prompt()
        screen.send("tell me\r")
        screen.wait_for("The beginning of it")
        for width in (50, 120, 70):
            screen.resize(width, 30)
            screen.pump(0.1)
        screen.wait_for("not checked")
        screen.wait_for_prompt()
        shown = " ".join(" ".join(screen.written).split())
        screen.send("\x04")
        assert screen.wait_for_end() == 0
    assert "which is long enough to wrap. not checked" in shown
    assert shown.count("and the end of it") == 1 and "Traceback" not in shown


def test_what_is_typed_before_the_first_prompt_is_sent_as_typed(work: Path, api: FakeMessagesServer) -> None:
    """Enter, a line that is not finished, and Ctrl-D, all pressed while the program still starts."""
    api.add(reply(text("Here.")))
    with terminal() as screen:
        screen.send("are you there\rand then")
        screen.wait_for("Here.")
        screen.wait_for_prompt("and then")
        screen.send("\x03")
        screen.wait_for_prompt()
        screen.send("\x04")
        assert screen.wait_for_end() == 0
    assert said(api, 0).endswith("are you there")
    with terminal() as screen:
        screen.send("\x04")
        assert screen.wait_for_end() == 0
        assert "llmos>" in "\n".join(screen.written)


@pytest.mark.slow
def test_ten_megabytes_pasted_are_refused_in_a_sentence(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(text("Here.")))
    paste = b"\x1b[200~" + b"0123456789 abcdefgh\n" * 500_000 + b"\x1b[201~"
    with terminal() as screen:
        screen.wait_for_prompt()
        sender = threading.Thread(target=screen.send, args=(paste,))
        sender.start()
        while sender.is_alive():
            screen.pump()
        screen.wait_for("llmos: what was pasted has 10,000,000 characters and a message may have 100,000; put it in a")
        sent = time.monotonic()
        screen.send("are you there\r")
        screen.wait_for("Here.")
        assert time.monotonic() - sent < BACK_S * 5  # the SDK is imported here
        screen.wait_for_prompt()
        screen.send("\x04")
        assert screen.wait_for_end() == 0
    assert said(api, 0).endswith("are you there")


def test_bytes_that_are_no_text_become_signs_and_are_told(work: Path, api: FakeMessagesServer) -> None:
    """Also half a character, and a lone surrogate as some programs write it."""
    api.add(reply(text("Read.")))
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.send(b"say \xff\xfe \xed\xa0\x80 hello \xe2\x82\r")
        screen.wait_for("note: what was typed held bytes that are not UTF-8")
        screen.wait_for("Read.")
        screen.wait_for_prompt()
        screen.send("\x1b[A")  # the history took it as well
        screen.wait(lambda lines: any(line.startswith("llmos> say ") for line in lines[screen.screen.cursor.y :]))
        screen.send("\x03")
        screen.wait_for_prompt()
        screen.send("\x04")
        assert screen.wait_for_end() == 0
        assert "Traceback" not in "\n".join(screen.written)
    assert said(api, 0).endswith("say \ufffd\ufffd \ufffd\ufffd\ufffd hello \ufffd\ufffd")


@pytest.mark.slow
def test_control_sequences_in_what_tools_and_models_say_are_shown_and_not_obeyed(
    work: Path, api: FakeMessagesServer
) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x1b[31mred \u202egnp.exe"
    (work / "evil.txt").write_text(evil)
    api.add(
        reply(tool_use("shell", {"command": "cat evil.txt; ls nothing-there"})),
        reply(text(f"It says {evil}"), delay(0.2), text(" and no more.")),
    )
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.send("show evil.txt\r")
        screen.wait_for("and no more.")
        screen.wait_for_prompt()
        screen.send("\x04")
        assert screen.wait_for_end() == 0
    assert b"\x1b]0;" not in screen.raw and b"\x1b[2J" not in screen.raw and "\u202e".encode() not in screen.raw
    assert "\\x1b]0;owned\\x07\\x1b[2J" in "\n".join(screen.written)


@pytest.mark.slow
def test_a_tool_that_prints_a_gigabyte_and_one_that_prints_nothing(work: Path, api: FakeMessagesServer) -> None:
    nap = f"sleep 300.1{os.getpid()}"
    api.add(
        reply(tool_use("shell", {"command": "head -c 1000000000 /dev/zero | tr '\\0' x"})),
        reply(text("Much.")),
        reply(tool_use("shell", {"command": nap})),
    )
    with terminal() as screen:
        for goal, ended in (("print much", "Much."), ("wait", "running shell · 1 s")):
            screen.wait_for_prompt()
            screen.send(f"{goal}\r")
            screen.wait_for_question()
            screen.send("y\r")
            screen.wait_for(ended)
        pressed = time.monotonic()
        screen.send("\x03")
        screen.wait_for_prompt()
        assert time.monotonic() - pressed < BACK_S
        screen.send("\x04")
        assert screen.wait_for_end() == 0
    assert "output cut, 1,000,000,000 bytes in all" in "\n".join(screen.written)
    assert not running(nap)


def test_a_terminal_that_is_closed_in_mid_tool_leaves_no_process(work: Path, api: FakeMessagesServer) -> None:
    nap = f"sleep 300.2{os.getpid()}"
    api.add(reply(tool_use("shell", {"command": f"touch begun; {nap}"})))
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.send("wait\r")
        screen.wait_for_question()
        screen.send("y\r")
        screen.wait(lambda _: (work / "begun").exists() and bool(running(nap)))
        screen.process.kill(1)
        assert screen.wait_for_end() == ExitStatus.INTERRUPTED
    assert not running(nap)
    assert [event["outcome"] for event in transcripts()[0] if event["event"] == "turn_ended"] == ["interrupted"]


@pytest.mark.slow
def test_control_z_suspends_and_fg_goes_on_at_the_prompt_and_in_mid_turn(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(text("First"), delay(1.5), text(" and last.")))
    with terminal(shell=True) as screen:
        _shell_prompt(screen)
        screen.send(f"{sys.executable} -m llmos\r")
        screen.wait_for_prompt()
        screen.send("tell me")
        screen.wait_for_prompt("tell me")
        screen.send("\x1a")
        _shell_prompt(screen)
        screen.send("fg\r")
        screen.wait_for_prompt("tell me")
        screen.send("\r")
        screen.wait_for("First")
        screen.send("\x1a")
        _shell_prompt(screen)
        screen.send("echo from-the-shell\r")
        screen.wait_for("from-the-shell")
        _shell_prompt(screen)
        screen.send("fg\r")
        screen.wait_for("and last.")
        screen.wait_for_prompt()
        screen.send("\x04")
        _shell_prompt(screen)
        shown = "\n".join(screen.written)
        screen.send("exit\r")
    assert shown.count("First") == 1 and shown.count("and last.") == 1 and "Traceback" not in shown


def _shell_prompt(screen: Terminal) -> None:
    screen.wait(lambda lines: lines[screen.screen.cursor.y] == "shell$")


@pytest.mark.slow
def test_two_sessions_in_one_workspace_do_not_meet(work: Path, api: FakeMessagesServer) -> None:
    def answer(body: dict[str, Any]) -> Answer:
        """Which session asks first is chance, so the answer is to what was asked."""
        ran = any(part["type"] == "tool_result" for part in body["messages"][-1]["content"])
        return reply(text("3")) if ran else reply(tool_use("shell", {"command": "wc -l < notes.txt"}))

    api.add(*[answer] * 4)
    with terminal() as one, terminal() as two:
        for screen in (one, two):
            screen.wait_for_prompt()
            screen.send("how many lines has notes.txt\r")
        for screen in (one, two):
            screen.wait_for("done and checked")
            screen.wait_for_prompt()
            screen.send("\x04")
            assert screen.wait_for_end() == 0
            assert "Traceback" not in "\n".join(screen.written)
    assert [[event["outcome"] for event in events if event["event"] == "turn_ended"] for events in transcripts()] == [
        ["ok"],
        ["ok"],
    ]


def test_a_paste_is_one_key_however_it_is_cut() -> None:
    from llmos.interfaces.keyboard import PasteParser

    data = "a\x1b[200~one\x1b[2two\r\n\x1b[201~b\x1b[200~\x1b[201~\x1b[200~12345678901\x1b[201~c"
    for size in (1, 2, 5, 1000):
        presses: list[KeyPress] = []
        dropped: list[int] = []
        parser = PasteParser(presses.append, limit=10, dropped=dropped.append)
        for at in range(0, len(data), size):
            parser.feed(data[at : at + size])
        assert [(press.key, press.data) for press in presses] == [
            ("a", "a"),
            ("b", "b"),
            ("<bracketed-paste>", ""),
            ("c", "c"),
        ], size
        assert dropped == [11, 11]
