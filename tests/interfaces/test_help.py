"""`--help` of every command: it says what the command does, with an example that the command really takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from cli_world import Llmos

from llmos.interfaces.commands import app

ROOT: Any = typer.main.get_command(app)


def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    yield path, command
    for name, below in (inner or {}).items():
        yield from walk(below, (*path, name))


ALL = dict(walk(ROOT, ("llmos",)))
LEAVES = {path: command for path, command in ALL.items() if not getattr(command, "commands", None)}


def examples(command: Any) -> list[str]:
    text = f"{command.help or ''}\n{command.epilog or ''}"
    lines = [line.strip().split("  ")[0] for line in text.split("\n")]
    return [line for line in lines if "llmos" in line.split() and not line.endswith(".")]


def unknown_words(example: str) -> list[str]:
    """What an example says that no command takes."""
    words = shlex.split(example.split("|")[-1] if "| llmos" in example else example.split(" | ")[0])
    words = words[words.index("llmos") :]
    path: tuple[str, ...] = ("llmos",)
    wrong = []
    for word in words[1:]:
        if (*path, word) in ALL and getattr(ALL[path], "commands", None):
            path = (*path, word)
        elif word.startswith("-") and len(word) > 1:
            taken = {option for part in ALL[path].params for option in part.opts} | {"--help", "-h"}
            wrong += [] if word in taken else [word]
        elif getattr(ALL[path], "commands", None) and path != ("llmos",):
            wrong.append(word)
    return wrong


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_a_sentence_and_a_true_example(path: tuple[str, ...], llmos: Llmos) -> None:
    command = LEAVES[path]
    ended = llmos(*path[1:], "--help")
    assert ended.code == 0 and "Example" in ended.out
    found = examples(command)
    assert found and all(" ".join(path) in example for example in found)
    assert [word for example in found for word in unknown_words(example)] == []
    assert all(part.help for part in command.params if part.name != "help")


def test_the_check_of_examples_can_fail() -> None:
    assert unknown_words("llmos traces inspect --no-such x") == ["--no-such"]
    assert unknown_words("llmos traces inspekt x") == ["inspekt", "x"]
    assert unknown_words('echo "a b" | llmos run -y') == []


def test_every_group_names_its_commands(llmos: Llmos) -> None:
    shown = llmos("--help").out
    for path in ALL:
        if len(path) == 2:
            assert f"  {path[1]} " in shown
    for group in ("traces", "sessions", "config", "models"):
        assert llmos(group, "--help").code == 0


@pytest.mark.parametrize("path", [path for path in ALL if path not in LEAVES], ids=" ".join)
def test_no_command_is_listed_with_half_a_sentence(path: tuple[str, ...], llmos: Llmos) -> None:
    assert [line for line in llmos(*path[1:], "--help").out.splitlines()[1:] if line.endswith("...")] == []
