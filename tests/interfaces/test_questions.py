"""Permission questions: what they show, what may be answered, what a wider yes saves, how it is taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_world import Llmos
from repl_world import talk
from terminal_world import terminal

from llmos.core.errors import ExitStatus
from llmos.core.messages import ToolCall
from llmos.core.permission import GrantScope
from llmos.core.ports import PermissionQuestion
from llmos.interfaces.call_diff import LINES, call_diff
from llmos.interfaces.questions import question_text
from llmos.testing import FakeMessagesServer, reply, text, tool_use

pytestmark = pytest.mark.slow

EVERY = (GrantScope.ONCE, GrantScope.SESSION, GrantScope.ALWAYS)


def asked(tool: str, args: dict[str, Any], effect: str, **more: Any) -> PermissionQuestion:
    return PermissionQuestion(
        ToolCall("c", tool, args), effect, "no rule allows it", **{"replayed": False, "scopes": EVERY, **more}
    )


def test_a_question_about_a_file_shows_the_difference(work: Path) -> None:
    question = asked("edit_file", {"path": "notes.txt", "old": "b", "new": "B"}, "write", rule="edit_file(notes.txt)")
    assert question_text(question, "session", work).split("\n") == [
        "Allow edit_file? It writes files:",
        "    notes.txt",
        "    --- notes.txt",
        "    +++ notes.txt",
        "    @@ -1,3 +1,3 @@",
        "     a",
        "    -b",
        "    +B",
        "     c",
        "  asked because no rule allows it",
        "  y yes, once · s yes, this session · a yes, always in this folder · n no",
        "  s and a allow from now on: edit_file(notes.txt)",
        "  any other words: no, and the model is told them",
    ]


def test_a_question_of_a_replay_offers_the_whole_run(work: Path) -> None:
    question = asked(
        "shell",
        {"command": "rm a\nrm b"},
        "execute",
        rule="shell(rm a)",
        replayed=True,
        run="tidy-1234",
        scopes=EVERY[:2],
    )
    assert question_text(question, "run", work).split("\n") == [
        "Allow shell again, as in the saved run? It runs a command:",
        "    rm a",
        "    rm b",
        "  asked because no rule allows it",
        "  y yes, once · s yes, this run · n no",
        "  s allows from now on: shell(rm a)",
        "  r yes to every step of tidy-1234",
        "  rs also when it is replayed again this run",
        "  any other words: no, and the model is told them",
    ]
    only = asked("shell", {"command": "x"}, "execute", scopes=EVERY[:1])
    assert question_text(only, "run", work).split("\n")[-2:] == [
        "  y yes, once · n no",
        "  any other words: no, and the model is told them",
    ]


def test_a_difference_is_of_what_is_there_and_bounded(work: Path) -> None:
    new = call_diff("write_file", {"path": "new.txt", "content": "one\n"}, work)
    assert new == ["--- new.txt (not there yet)", "+++ new.txt", "@@ -0,0 +1 @@", "+one"]
    assert call_diff("write_file", {"path": "notes.txt", "content": "a\nb\nc\n"}, work) == [
        "(the content stays as it is)"
    ]
    (work / "data.bin").write_bytes(b"\xff\xfe\x00")
    assert call_diff("write_file", {"path": "data.bin", "content": "x"}, work) == [
        "data.bin is there and is replaced whole; it is no text that could be shown",
        "+x",
    ]
    long = call_diff("write_file", {"path": "long.txt", "content": "x\n" * 1000}, work)
    assert long is not None and (len(long), long[-1]) == (LINES + 1, "… 803 more lines")
    assert call_diff("write_file", {"path": "/etc/passwd", "content": "x\n"}, work) == [
        "/etc/passwd is there and is replaced whole; it is no text that could be shown",
        "+x",
    ]
    strange: list[dict[str, Any]] = [
        {},
        {"path": 3},
        {"path": "a\0b", "content": 1},
        {"path": "notes.txt", "old": "zz"},
    ]
    assert [call_diff(tool, args, work) for tool in ("write_file", "edit_file", "shell") for args in strange] == [
        None
    ] * 12


def test_a_yes_for_the_session_and_for_always_and_taking_them_back(
    llmos: Llmos, api: FakeMessagesServer, work: Path
) -> None:
    def job(*commands: str) -> None:
        api.add(*(reply(tool_use("shell", {"command": command})) for command in commands), reply(text("done")))

    job("touch one", "touch one", "touch two", "touch three")
    with terminal(height=60) as screen:
        screen.wait_for_prompt()
        screen.send("touch the files\r")
        screen.wait_for_question()
        screen.wait_for("s and a allow from now on: shell(touch one)")
        screen.send("s\r")
        screen.wait_for("shell(touch two)")
        screen.wait_for_question()
        screen.send("a\r")
        screen.wait_for("shell(touch three)")
        screen.wait_for_question()
        screen.send("not that one, please\r")
        screen.wait_for_prompt()
        screen.send("/permissions\r")
        screen.wait_for("mode ask: asks before it changes anything")
        screen.wait_for_prompt()
        listed = "\n".join(screen.lines).partition("mode ask")[2]
        assert "allow · saved " in listed and "shell(touch two)" in listed
        assert "allow · this session" in listed and "shell(touch one)" in listed
        screen.wait_for_prompt()
        screen.send("/permissions revoke shell(touch one)\r")
        screen.wait_for("no longer allowed in this session: shell(touch one)")
        screen.wait_for_prompt()
        screen.send("/quit\r")
        assert screen.wait_for_end() == 0
    results = [
        part["content"]
        for message in api.bodies[-1]["messages"]
        for part in message["content"]
        if "tool_use_id" in part
    ]
    assert results[-1] == "not allowed: not that one, please"
    assert sorted(path.name for path in work.iterdir()) == ["notes.txt", "one", "two"]
    (saved,) = json.loads(llmos("permissions", "list", "--json").out)
    assert (saved["verdict"], saved["what"], saved["folder"]) == ("allow", "shell(touch two)", str(work))
    ended = llmos("permissions", "revoke", saved["id"][:4])
    assert (ended.code, ended.err) == (0, f"llmos: revoked: shell(touch two) in {work}\n")
    assert json.loads(llmos("permissions", "list", "--json").out) == []


@pytest.mark.parametrize("words", [("revoke", "nosuch"), ("revoke", "")])
def test_what_is_not_saved_cannot_be_revoked(words: tuple[str, ...], llmos: Llmos, work: Path) -> None:
    ended = llmos("permissions", *words)
    assert ended.code == ExitStatus.BAD_USAGE
    assert ended.err == f"llmos: no saved permission is named {words[1]!r}; `llmos permissions list` shows them\n"


async def test_the_mode_is_shown_and_changed(work: Path) -> None:
    _, screen = await talk("/mode", "/mode trusted", "/mode", "/mode reckless", "/permissions", "/permissions x")
    assert screen == [
        "  read-only     only looks, changes nothing",
        "* ask           asks before it changes anything",
        "  accept-edits  edits files here, asks before commands",
        "  trusted       runs commands and edits without asking",
        "mode trusted: runs commands and edits without asking",
        "  read-only     only looks, changes nothing",
        "  ask           asks before it changes anything",
        "  accept-edits  edits files here, asks before commands",
        "* trusted       runs commands and edits without asking",
        "llmos: there is no mode 'reckless'; there are read-only, ask, accept-edits, trusted",
        "mode trusted: runs commands and edits without asking",
        "llmos: write /permissions, /permissions revoke ID, or /permissions test COMMAND",
    ]


def test_what_would_happen_to_a_command(llmos: Llmos) -> None:
    ended = llmos("permissions", "test", "ls && sudo rm -rf ~ > /dev/sda")
    assert ended.out.splitlines() == [
        "deny: never: it destroys a home folder or the system",
        "it runs: ls",
        "it runs: sudo rm -rf ~",
        "it runs: rm -rf ~",
        "it writes: /dev/sda",
    ]
    assert llmos("permissions", "test", "ls | wc -l").out.splitlines()[0] == "allow: it only looks"
    assert llmos("permissions", "test", "--tool", "nothing", "x").code == 2
