"""Text laid out for a width: nothing is lost, nothing is wider than the screen."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from llmos.interfaces.layout import cards, cut, pairs, screen_width, table, wants_colour, wrapped

TEXTS = st.text(st.sampled_from("ab c日本é-/"), max_size=120)


@given(TEXTS, st.integers(4, 60), st.integers(0, 4))
def test_wrapping_loses_no_letter_and_keeps_to_the_width(text: str, width: int, hang: int) -> None:
    lines = wrapped(text, width, hang)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(cell_len(line) <= width for line in lines)


@given(TEXTS, st.integers(1, 60))
def test_a_cut_fits_and_says_so(text: str, width: int) -> None:
    shown = cut(text, width)
    assert cell_len(shown) <= width
    assert shown == text or shown.endswith("…")


def test_without_a_width_nothing_is_wrapped() -> None:
    assert wrapped("a " * 200, 0) == ["a " * 200]
    assert pairs([("k", "v " * 100)], 0) == [("k  " + "v " * 100).rstrip()]


def test_lines_go_on_under_their_own_indent() -> None:
    assert wrapped("    one two three four", 16, hang=2) == ["    one two", "      three four"[:16]]


def test_a_table_cuts_its_last_column_and_gives_up_when_little_is_left() -> None:
    rows = [("a", "10", "x" * 60)]
    assert table(("N", "COUNT", "TEXT"), rows, 40, right=(1,)) == [
        "N  COUNT  TEXT",
        "a     10  " + "x" * 29 + "…",
    ]
    assert table(("N", "COUNT", "TEXT"), rows, 30) is None
    assert table(("N", "COUNT", "TEXT"), rows, 0) == ["N  COUNT  TEXT", "a  10     " + "x" * 60]


def test_cards_and_narrow_pairs_put_the_text_below() -> None:
    assert cards([("head", "some words here")], 10) == ["head", "  some", "  words", "  here"]
    assert pairs([("confidence", "some words here")], 30) == ["confidence", "  some words here"]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("env", "terminal", "colour"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colour_follows_the_common_variables(
    env: dict[str, str], terminal: bool, colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(_Terminal() if terminal else io.StringIO()) is colour


def test_a_width_is_asked_of_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert (screen_width(io.StringIO()), screen_width(_Terminal())) == (0, 40)
