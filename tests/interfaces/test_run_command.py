"""The short way around typer: what it reads, typer would read the same; what it leaves alone goes to typer."""

from __future__ import annotations

from typing import Any

import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st

from llmos.interfaces.commands import app
from llmos.interfaces.run_command import read_plainly

COMMAND = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
NONE_GIVEN = COMMAND.make_context("run", ["x"]).params | {"goal": None}
WORDS = [
    *("count", "the lines", "", "-", "--", "a.txt", "été", "=", "-1", "json", "text", "ask", "yaml", "haiku"),
    *(name for parameter in COMMAND.params for name in (*parameter.opts, *parameter.secondary_opts)),
    *("-ojson", "--output-format=json", "-yq", "--help", "-h", "--model=haiku", "--verb", "--no-yes", "--max-cost"),
]


@given(st.lists(st.sampled_from(WORDS), max_size=6))
def test_what_is_read_plainly_is_read_by_typer_the_same(words: list[str]) -> None:
    found = read_plainly(words)
    if found is not None:
        assert NONE_GIVEN | found == COMMAND.make_context("run", words).params


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["count", "a.txt"], {"goal": ["count", "a.txt"]}),
        (["-y", "-o", "json", "count"], {"yes": True, "output_format": "json", "goal": ["count"]}),
        (
            ["count", "--dry-run", "--explain", "-c"],
            {"dry_run": True, "explain": True, "go_on": True, "goal": ["count"]},
        ),
        (["--help"], None),
        ([], None),
        (["-"], None),
        (["-o", "yaml", "count"], None),
        (["count", "-o"], None),
        (["--max-steps", "3", "count"], None),
        (["--", "--count"], None),
    ],
)
def test_plain_words(words: list[str], found: dict[str, Any] | None) -> None:
    assert read_plainly(words) == found
