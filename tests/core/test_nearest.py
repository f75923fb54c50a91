"""The nearest name, for a sentence about one that is not there."""

from __future__ import annotations

import pytest

from llmos.core.nearest import did_you_mean

IDS = ("count-the-lines-of-notes-txt-618cb7a6", "sort-notes-txt-fb4fefd0", "714f8a61")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("cuont-the", "did you mean count-the-lines-of-notes-txt-618cb7a6?"),
        ("sort-nots-txt-fb4fefd0", "did you mean sort-notes-txt-fb4fefd0?"),
        ("SORT-NOTES", "did you mean sort-notes-txt-fb4fefd0?"),
        ("714g", "did you mean 714f8a61?"),
        ("7", "look there"),
        ("", "look there"),
        ("quite another", "look there"),
    ],
)
def test_what_is_near_is_named_and_nothing_else(wanted: str, said: str) -> None:
    assert did_you_mean(wanted, IDS, "look there") == said


def test_of_nothing_nothing_is_near() -> None:
    assert did_you_mean("anything", (), "there are none") == "there are none"
