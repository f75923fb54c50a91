"""Paths and the folders that they lie in."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from llmos.core.sandbox import within

names = st.lists(st.sampled_from(["a", "ab", "a b", ".", "..", ".x"]), max_size=4)


@given(names, names)
def test_within_is_what_the_standard_library_says(one: list[str], other: list[str]) -> None:
    path, root = Path("/", *one), Path("/", *other)
    assert within(path, root) == path.is_relative_to(root)
