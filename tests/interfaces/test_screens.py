"""Whole sessions in a real terminal, at three widths, compared with recorded ones. `UPDATE_GOLDEN=1` records again.

What is compared is all that the terminal holds, scrollback included, so a line drawn twice or left behind is seen.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal_world import GOLDEN, Terminal, running, terminal

from llmos.testing import FakeMessagesServer, delay, reply, text, tool_use

pytestmark = pytest.mark.slow

WIDTHS = (40, 80, 120)
AT_WIDTHS = [pytest.param(40, marks=pytest.mark.slow), 80, pytest.param(120, marks=pytest.mark.slow)]
"""For what takes seconds."""
HEIGHT = 30


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose path is always as long, because it is wrapped; the current folder is `work` in it."""
    with tempfile.TemporaryDirectory(prefix="llmos-") as name:
        folder = Path(name)
        (folder / "work").mkdir()
        (folder / "work" / "notes.txt").write_text("a\nb\nc\n")
        (folder / "work" / "other.txt").write_text("a\nb\n")
        monkeypatch.chdir(folder / "work")
        monkeypatch.setenv("HOME", name)
        monkeypatch.setenv("LLMOS_HOME", str(folder / ".llmos"))
        monkeypatch.setenv("LLMOS_MODELS", str(folder / "models"))
        (folder / ".llmos").mkdir(mode=0o700)
        # What holds commands differs from machine to machine.
        (folder / ".llmos" / "config.yaml").write_text('format: llmos-config/1\nsandbox:\n  mode: "off"\n')
        yield folder


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMessagesServer]:
    with FakeMessagesServer([]) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


def check(name: str, width: int, lines: list[str]) -> None:
    """Whether the screen is the recorded one."""
    text = re.sub(r"\d+\.\d+ s\b", "N s", "\n".join(lines)) + "\n"
    text = re.sub(r"(?<=-)[0-9a-f]{7}(\n *)?[0-9a-f]\b", r"HASHHAS\1H", text)
    text = re.sub(r"\b20\d\d-\d\d-\d\d\b", "YYYY-MM-DD", text)
    text = re.sub(r"(?<=session )[0-9a-f]{8}\b", "SESSION8", text)
    # Both of a fixed length, but at 40 columns they may be broken anywhere.
    text = re.sub(r"llmos-[a-z0-9_]{8}(?=/)", "llmos-FOLDER88", text)
    text = re.sub(r"(?<=backups/)[0-9a-f\n ]{8,}(?=/\d)", lambda found: re.sub("[0-9a-f]", "S", found[0]), text)
    path = GOLDEN / f"{name}-{width}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def settled(screen: Terminal, typed: str = "") -> list[str]:
    """All that is on the terminal once the prompt waits and the bar stands."""
    screen.wait_for_prompt(typed)
    screen.wait(lambda lines: lines[-1].startswith("mode: "))
    return screen.written


def ask(screen: Terminal, goal: str, answer: str) -> None:
    """Send a goal and answer its question."""
    screen.wait_for_prompt()
    screen.send(f"{goal}\r")
    screen.wait_for_question()
    screen.send(f"{answer}\r")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_run_says_what_is_ready_and_asks_nothing(home: Path, width: int) -> None:
    with terminal(width=width, height=HEIGHT) as screen:
        check("session-first-without-a-model", width, settled(screen))
        screen.send("\x04")
        assert screen.wait_for_end() == 0


@pytest.mark.parametrize("width", AT_WIDTHS)
def test_a_session_from_learning_to_refusing(home: Path, api: FakeMessagesServer, width: int) -> None:
    """LEARNER, FOLLOWER with another value, a refused gate, a question answered by text, a key in mid-tool."""
    nap = f"sleep 300.0{width}"
    api.add(
        reply(tool_use("shell", {"command": "wc -l < notes.txt"})),
        reply(text("3")),
        reply(delay(0.2), text("There is no `gone.txt` here:\n\n- notes.txt\n", "- other.txt\n")),
        reply(tool_use("shell", {"command": "rm other.txt"})),
        reply(text("I left it.")),
        reply(tool_use("shell", {"command": nap})),
    )
    with terminal(width=width, height=HEIGHT) as screen:
        for name in ("notes.txt", "other.txt", "gone.txt"):
            screen.wait_for_prompt()
            screen.send(f"count the lines of {name}\r")
        ask(screen, "delete the file that is shorter", "keep it, I need it")
        ask(screen, "wait for a while", "y")
        screen.wait(lambda _: bool(running(nap)))
        screen.send("\x1b")
        check("session", width, settled(screen))
        screen.send("\x04")
        assert screen.wait_for_end() == 0
    assert not running(nap)
    assert api.unexpected == []


@pytest.mark.parametrize("width", AT_WIDTHS)
def test_a_session_that_is_gone_on_with_and_a_replay_called_wrong(
    home: Path, api: FakeMessagesServer, width: int
) -> None:
    api.add(
        reply(tool_use("shell", {"command": "wc -l < notes.txt"})),
        reply(text("3")),
        reply(text("2 of them.")),
    )
    with terminal(width=width, height=HEIGHT) as screen:
        for typed in ("count the lines of notes.txt", "count the lines of other.txt"):
            screen.wait_for_prompt()
            screen.send(f"{typed}\r")
        screen.wait_for_prompt()
        screen.send("\x04")
        assert screen.wait_for_end() == 0
    with terminal(["-c"], width=width, height=HEIGHT) as screen:
        for typed in ("count the lines of other.txt", "/wrong only whole lines count", "count the lines of other.txt"):
            screen.wait_for_prompt()
            screen.send(f"{typed}\r")
        screen.wait_for("not checked")
        check("session-resumed", width, settled(screen))
        screen.send("\x04")
        assert screen.wait_for_end() == 0
    assert api.unexpected == []


@pytest.mark.parametrize("width", AT_WIDTHS)
def test_what_a_turn_changed_is_undone(home: Path, api: FakeMessagesServer, width: int) -> None:
    api.add(
        reply(tool_use("edit_file", {"path": "notes.txt", "old": "b", "new": "B"})),
        reply(text("Done.")),
    )
    with terminal(width=width, height=HEIGHT) as screen:
        ask(screen, "write the second line of notes.txt in capitals", "y")
        screen.wait_for_prompt()
        assert Path("notes.txt").read_text() == "a\nB\nc\n"
        ask(screen, "/undo", "y")
        screen.wait(lambda _: Path("notes.txt").read_text() == "a\nb\nc\n")
        check("session-undo", width, settled(screen))
        screen.send("\x04")
        assert screen.wait_for_end() == 0
    assert api.unexpected == []
