"""Cleaning and bounding of text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.tools.text import HeadTail, clean


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[38:5:1mx\x1b[2K\x1b[1A", "x"),
        ("\x1b]0;owned title\x07rest", "rest"),
        ("\x1b]8;;http://a.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0;2;0;0;0\x1b\\after", "after"),
        ("\x1b(Bx\x1b7y\x1bc", "xy"),
        ("a\x9b31mb", "ab"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("N\x08NA\x08A", "NA"),
        ("bell\x07 nul\x00 del\x7f", "bell nul del"),
        ("half a title \x1b]0;never ended\nnext line", "half a title ]0;never ended\nnext line"),
        ("\x1b", ""),
        ("umlaut ü, 日本, \U0001f600", "umlaut ü, 日本, \U0001f600"),
        ("lone \ud800 and \udcff", "lone \ufffd and \ufffd"),
    ],
)
def test_clean(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@given(st.text(alphabet=st.sampled_from("\x1b[]()0;m\x07\\P\x9b\r\n\t\x08aé\x00\ud800")))
def test_nothing_that_controls_a_terminal_is_left(raw: str) -> None:
    cleaned = clean(raw)
    assert not any((c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f" for c in cleaned)
    assert clean(cleaned) == cleaned
    cleaned.encode()


@pytest.mark.parametrize(
    "raw", ["\x1b[" * 200_000, "\x1b[" + "1;" * 400_000, "\x1b]" * 200_000, "\x1b]" + "a" * 800_000]
)
def test_cleaning_takes_time_in_proportion(raw: str) -> None:
    start = time.thread_time()
    clean(raw)
    assert time.thread_time() - start < 2


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(min_value=2, max_value=60))
def test_head_and_tail_are_exact(chunks: list[bytes], cap: int) -> None:
    kept = HeadTail(cap)
    for chunk in chunks:
        kept.feed(chunk)
    whole = b"".join(chunks)
    assert kept.total == len(whole)
    if len(whole) <= cap:
        assert kept.text() == whole.decode("utf-8", "replace")
    else:
        assert "bytes left out]" in kept.text()


def test_what_was_left_out_is_counted_and_characters_stay_whole() -> None:
    kept = HeadTail(10)
    kept.feed("ääääääääää".encode())  # 20 bytes: 5 fit in the head, 5 in the tail, so two characters on each side
    assert kept.text() == "ää\n[12 bytes left out]\nää"
    assert kept.text(6) == "ä\n[16 bytes left out]\nä"


def test_kept_bytes_stay_bounded() -> None:
    kept = HeadTail(1000)
    for _ in range(2000):
        kept.feed(b"x" * 700)
    assert kept.total == 1_400_000
    assert len(kept.text()) < 1100
    assert kept.text().startswith("x" * 500 + "\n[1399000 bytes left out]\n")
