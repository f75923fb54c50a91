"""The slash commands: the table itself, and each command through a real prompt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_world import COUNT, COUNTED, Llmos
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from repl_world import talk
from terminal_world import terminal

from llmos.app import App, AppOptions
from llmos.core.errors import ExitStatus, UsageError
from llmos.interfaces.slash import SlashCommand, SlashContext, command_of, find_command
from llmos.interfaces.slash_complete import SlashCompleter
from llmos.interfaces.slash_table import COMMANDS
from llmos.testing import FakeMessagesServer

pytestmark = pytest.mark.slow


def names() -> list[str]:
    return [name for command in COMMANDS for name in (command.name, *command.aliases)]


def test_every_name_stands_once_and_can_be_typed() -> None:
    assert len(set(names())) == len(names())
    assert [name for name in names() if command_of(name) != name] == []
    assert [command.name for command in COMMANDS if not command.help or command.help[0].isupper()] == []


@pytest.mark.parametrize(
    ("typed", "near"), [("/hlep", "did you mean /help?"), ("/xyzzy", "/help shows the commands"), ("/", "/help shows")]
)
def test_a_name_that_is_none_gets_the_nearest_one(typed: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"there is no command {typed}; ") as raised:
        find_command(typed, COMMANDS)
    assert near in str(raised.value)


def offered(app: App, text: str) -> list[str]:
    completer = SlashCompleter(app, COMMANDS)
    return [found.text for found in completer.get_completions(Document(text), CompleteEvent())]


def opened() -> App:
    return App.open(AppOptions(), cwd=Path.cwd(), environ=os.environ)


def test_completion_offers_names_verbs_and_ids(llmos: Llmos, kept: str) -> None:
    app = opened()
    assert offered(app, "/") == [command.name for command in COMMANDS]
    assert offered(app, "/tr") == ["/traces"]
    assert offered(app, "/exp") == ["/explain", "/export"]
    assert offered(app, "/traces ins") == ["inspect"]
    assert offered(app, "/traces inspect count") == [kept]
    assert offered(app, "no command") == offered(app, "/nothing x") == offered(app, "/traces\n") == []
    app.traces.close()


async def test_adding_a_command_is_one_entry(work: Path) -> None:
    said: list[str] = []

    async def greet(context: SlashContext) -> None:
        said.append(f"{context.arguments}|{context.words()}")

    command = SlashCommand("/greet", "NAME", "say hello", greet)
    assert find_command("/greet", (*COMMANDS, command)) is command
    app = opened()
    completer = SlashCompleter(app, (*COMMANDS, command))
    assert [found.text for found in completer.get_completions(Document("/gre"), CompleteEvent())] == ["/greet"]


async def test_help_lists_the_whole_table(work: Path) -> None:
    status, screen = await talk("/help", "/help quit", "/help xyzzy")
    assert status is ExitStatus.OK
    assert [line.split()[0] for line in screen[: len(COMMANDS)]] == [command.name for command in COMMANDS]
    assert screen[-2:] == [
        "/quit: leave (also Ctrl+D) (also /exit)",
        "llmos: there is no command /xyzzy; /help shows the commands",
    ]


async def test_without_a_model_commands_still_answer(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, screen = await talk("/traces", "/model", "/explain", "/wrong", '/traces inspect "', "/dry-run")
    assert screen == [
        "llmos: no model can answer: set ANTHROPIC_API_KEY, or get the embedded model with "
        "`pip install 'llmos[local]'` and `llmos models pull`",
        "llmos: nothing was decided in this session yet; `/dry-run GOAL` decides and does nothing",
        "llmos: no replay is on record here; `llmos traces wrong ID --goal TEXT` says which one was wrong",
        "llmos: the words after the command cannot be told apart: no closing quotation",
        "llmos: say for what: /dry-run GOAL",
    ]
    assert "no trace" in capsys.readouterr().err


async def test_a_command_of_the_command_line_prints_the_same_at_the_prompt(
    llmos: Llmos, kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = llmos("traces", "inspect", kept)
    await talk(f"/traces inspect {kept}")
    assert capsys.readouterr().out == outside.out


async def test_a_dry_run_and_its_explanation(llmos: Llmos, kept: str) -> None:
    _, screen = await talk(f"/dry-run {COUNT}", "/explain")
    assert screen[0].startswith("replaying a saved run · FOLLOWER, 96 % sure")
    assert "dry run: nothing was run and nothing was kept" in screen
    assert any("gate" in line for line in screen)


def test_wrong_in_a_terminal(llmos: Llmos, kept: str, api: FakeMessagesServer) -> None:
    """A replay is called wrong; the same goal is then not replayed, and the verdict is on record."""
    api.add(*COUNTED)
    with terminal(width=120, height=60) as screen:
        screen.wait_for_prompt()
        screen.send("/mode trusted\r")
        screen.wait_for_prompt()
        screen.send(f"{COUNT}\r")
        screen.wait_for("replaying a saved run")
        screen.wait_for_prompt()
        screen.send("/wrong it counted the wrong file\r")
        screen.wait_for(f"{kept} is never replayed again for")
        screen.wait_for_prompt()
        screen.send(f"{COUNT}\r")
        screen.wait_for("paid by ANTHROPIC_API_KEY")
        screen.wait_for_prompt()
        screen.send("/quit\r")
        assert screen.wait_for_end() == 0
    (verdict,) = llmos("traces", "wrong", "--list").out.splitlines()
    assert verdict.split("\t")[1:] == [kept, COUNT, "it counted the wrong file"]
