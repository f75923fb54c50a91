"""What stays below while a turn works: drawn in a real screen, and gone without a trace."""

from __future__ import annotations

import io

import pyte
from rich.console import Console
from rich.text import Text

from llmos.interfaces.live_area import LiveArea
from llmos.interfaces.screen import Screen
from llmos.testing import FixedClock


class Seen:
    """A console whose output a screen of 30 columns and 10 lines obeys."""

    def __init__(self) -> None:
        self._file = io.StringIO()
        self.console = Console(
            file=self._file, width=30, height=10, color_system=None, force_terminal=True, _environ={"TERM": "xterm"}
        )
        self._screen = pyte.Screen(30, 10)
        self._stream = pyte.Stream(self._screen)
        self.writes: list[str] = []

    def lines(self) -> list[str]:
        written = self._file.getvalue().replace("\n", "\r\n")
        self._file.seek(0)
        self._file.truncate()
        self._stream.feed(written)
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines


def test_what_is_printed_stands_above_and_the_area_leaves_nothing_behind() -> None:
    seen = Seen()
    now = ["waiting", "bar"]
    area = LiveArea(seen.console, lambda: [Text(line) for line in now])
    area.draw()
    assert seen.lines() == ["waiting", "bar"]
    with area.above(seen.console):
        seen.console.print("printed")
    assert seen.lines() == ["printed", "waiting", "bar"]
    now[:] = ["x" * 80]
    area.draw()
    assert seen.lines() == ["printed", "x" * 28 + "…"]
    area.erase()
    assert seen.lines() == ["printed"]


def test_text_grows_in_its_place_and_is_rendered_once_it_is_whole() -> None:
    seen, clock = Seen(), FixedClock()
    screen = Screen(seen.console, stop="Esc stops", foot=lambda _: ["bar"], monotonic=clock.monotonic)
    screen.begin()
    screen.wait("waiting for a model")
    assert seen.lines() == ["⠋ waiting for a model · 0 s …", "bar"]
    for piece in ("**Two** words", " and more than fit", " a line.\n\n", "- one\n- t"):
        clock.advance(0.03)
        screen.stream(seen.console, piece, "")
    assert seen.lines() == [
        "Two words and more than fit a",
        "line.",
        "",
        "- one",
        "- t",
        "⠋ writing · 0 s · Esc stops",
        "bar",
    ]
    screen.idle()
    screen.close()
    assert seen.lines() == ["Two words and more than fit a", "line.", "", " • one", " • t"]


def test_a_question_is_asked_with_nothing_below_it() -> None:
    seen, clock = Seen(), FixedClock()
    screen = Screen(seen.console, stop="Esc stops", foot=lambda _: ["bar"], monotonic=clock.monotonic)
    screen.begin()
    screen.line("decided", "")
    assert seen.lines() == ["decided", "bar"]
    screen.say("Allow it?", pause=True)
    screen.refresh()
    assert seen.lines() == ["decided", "Allow it?"]
    screen.line("running", "")
    assert seen.lines() == ["decided", "Allow it?", "running", "bar"]


def test_text_larger_than_the_screen_never_takes_back_what_it_cannot_reach() -> None:
    seen, clock = Seen(), FixedClock()
    screen = Screen(seen.console, stop="Esc stops", foot=lambda _: ["bar"], monotonic=clock.monotonic)
    screen.begin()
    lines = [f"line {number}" for number in range(40)]
    for line in lines:
        clock.advance(0.03)
        screen.stream(seen.console, f"{line}\n", "")
    screen.close()
    assert seen.lines() == [*lines[-9:]]
