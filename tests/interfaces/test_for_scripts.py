"""What a script needs: values that it can read, and an exit code that says when the output did not arrive."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_world import Llmos


@pytest.mark.parametrize("words", [("version",), ("config", "show")])
def test_an_output_that_cannot_be_written_is_no_success(words: tuple[str, ...], llmos: Llmos) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "llmos", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ended.returncode, ended.stderr) == (
        8,
        "llmos: the output cannot be written where it goes: no space left on device\n",
    )


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("permissions.mode", "ask\n"),
        ("budget.per_goal_usd", "1.0\n"),
        ("permissions.deny", "[]\n"),
        ("effort", "null\n"),
    ],
)
def test_one_setting_by_its_name(key: str, shown: str, llmos: Llmos) -> None:
    ended = llmos("config", "get", key)
    assert (ended.code, ended.out) == (0, shown)


def test_a_setting_that_is_not_there_names_the_nearest(llmos: Llmos) -> None:
    ended = llmos("config", "get", "budget.per_gol")
    assert (ended.code, ended.out, ended.err) == (
        7,
        "",
        "llmos: unknown setting budget.per_gol; did you mean budget.per_goal_usd?\n",
    )


def test_lists_as_json(llmos: Llmos, kept: str) -> None:
    assert json.loads(llmos("traces", "search", "lines", "--json").out) == [
        {"id": kept, "goal": "count the lines of notes.txt", "line": ""}
    ]
    models = json.loads(llmos("models", "--json").out)
    assert [model["name"] for model in models if model["default"]] == ["qwen2.5-coder-1.5b-instruct-q4_k_m"]
    assert all(set(model) == {"name", "bytes", "licence", "default", "path"} for model in models)


def test_a_name_that_a_person_gave_is_near_too(llmos: Llmos, kept: str) -> None:
    assert llmos("traces", "rename", kept, "my-count").code == 0
    assert (
        llmos("traces", "inspect", "my-cuont").err
        == "llmos: there is no saved run 'my-cuont'; did you mean my-count?\n"
    )
