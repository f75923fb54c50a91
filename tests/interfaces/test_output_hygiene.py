"""Colour, drawing and noise follow the person: NO_COLOR, FORCE_COLOR, TERM=dumb, --plain, --quiet, no terminal."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pexpect
import pytest
from cli_world import COUNT, COUNTED, Ended, Llmos

from llmos.core.errors import ExitStatus
from llmos.testing import FakeMessagesServer, reply, text, tool_use

DRAWN = re.compile("[\u2500-\u257f\u2800-\u28ff]")
"""Lines of boxes, and the dots of a spinner."""
COLOUR = re.compile(r"\x1b\[(?:\d+;)*[349][0-7]")
CODES = re.compile(r"\x1b\[[0-9;]*m")


def terminal_output(*words: str, columns: int = 80, **environ: str) -> str:
    """Everything that a command writes to a terminal of so many columns."""
    env = {**os.environ, "TERM": "xterm-256color", **environ}
    child = pexpect.spawn(
        sys.executable, ["-m", "llmos", *words], env=env, encoding="utf-8", timeout=90, dimensions=(40, columns)
    )
    child.expect(pexpect.EOF)
    child.close()
    return str(child.before)


@pytest.mark.slow
def test_a_terminal_gets_boxes_and_colour_and_plain_takes_them_away(kept: str, work: Path) -> None:
    drawn = terminal_output("run", "-y", COUNT)
    assert DRAWN.search(drawn) and CODES.search(drawn)
    for words in (("--plain", "run", "-y", COUNT), ("run", "--plain", "-y", COUNT)):
        shown = terminal_output(*words)
        assert not DRAWN.search(shown) and "\x1b" not in shown
        assert "replaying a saved run · FOLLOWER" in shown and "done and checked" in shown
    dumb = terminal_output("run", "-y", COUNT, TERM="dumb")
    assert not DRAWN.search(dumb) and "\x1b" not in dumb
    assert COLOUR.search(drawn)
    assert not COLOUR.search(terminal_output("run", "-y", COUNT, NO_COLOR="1"))


@pytest.mark.slow
def test_no_line_is_wider_than_forty_columns(kept: str, work: Path) -> None:
    for words in (("traces", "list"), ("traces", "inspect", kept), ("sessions", "list"), ("stats",), ("doctor",)):
        shown = CODES.sub("", terminal_output(*words, columns=40))
        lines = shown.replace("\r", "").split("\n")
        long = [line for line in lines if len(line) > 40]
        assert len(lines) >= 3 and long == [], words


def test_colour_is_forced_on_no_terminal_without_drawing(
    kept: str, llmos: Llmos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b" not in llmos("run", "-y", COUNT).err
    monkeypatch.setenv("FORCE_COLOR", "1")
    forced = llmos("run", "-y", COUNT)
    assert CODES.search(forced.err) and not DRAWN.search(forced.err)
    assert forced.out == "3\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search(llmos("run", "-y", COUNT).err)


def test_quiet_says_the_answer_and_nothing_else(kept: str, llmos: Llmos) -> None:
    assert llmos("run", "-q", "-y", COUNT) == Ended(0, "3\n", "")
    assert llmos("run", "-q", "-v", COUNT).err == (
        "llmos: --quiet and --verbose contradict one another; give one of them\n"
    )


def test_quiet_is_never_quiet_about_what_did_not_go_well(llmos: Llmos, api: FakeMessagesServer) -> None:
    api.add(reply(tool_use("shell", {"command": "rm notes.txt"})), reply(text("I may not.")))
    ended = llmos("run", "-q", "delete notes.txt")
    assert ended.code == ExitStatus.DENIED
    assert "shell not allowed" in ended.err and "not allowed ·" in ended.err
    assert "working it out" not in ended.err


def test_max_steps_bounds_the_model_calls(llmos: Llmos, api: FakeMessagesServer) -> None:
    api.add(COUNTED[0])
    ended = llmos("run", "-y", "--max-steps", "1", COUNT)
    assert ended.code == ExitStatus.FAILED and "stopped after 1 steps without an end" in ended.err
    assert llmos("run", "--max-steps", "0", COUNT).code == ExitStatus.BAD_USAGE
