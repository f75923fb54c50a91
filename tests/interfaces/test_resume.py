"""Going on with a session: in scripts, at the prompt, after a crash; and beginning a new one."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from cli_world import COUNT, COUNTED, Llmos
from repl_world import talk
from terminal_world import terminal

from llmos.core.conversation import UNKNOWN_EFFECT
from llmos.core.errors import ExitStatus
from llmos.testing import FakeMessagesServer, reply, text, tool_use

pytestmark = pytest.mark.slow


def said(api: FakeMessagesServer, request: int = -1) -> list[str]:
    """The words of each message of a request, its first line."""
    messages = api.bodies[request]["messages"]
    return [
        content if isinstance(content := message["content"], str) else str(content[-1].get("text", content[-1]))
        for message in messages
    ]


def ids(llmos: Llmos) -> list[str]:
    return [row["id"] for row in json.loads(llmos("sessions", "list", "--json").out)]


@pytest.fixture
def hello(llmos: Llmos, api: FakeMessagesServer) -> str:
    """The id of a session with one turn of words."""
    api.add(reply(text("Hello.")))
    assert llmos("run", "say hello").code == ExitStatus.UNVERIFIED
    return ids(llmos)[0]


def test_a_script_goes_on_with_the_session_of_its_folder(llmos: Llmos, api: FakeMessagesServer, hello: str) -> None:
    api.add(reply(text("You said hello.")), reply(text("Twice.")))
    ended = llmos("run", "-c", "what did I say")
    assert ended.out == "You said hello.\n"
    assert f"llmos: going on with session {hello}: 1 turn, the last one 'say hello'\n" in ended.err
    assert said(api) == ["say hello", "Hello.", "what did I say"]
    llmos("run", "--resume", hello[:5], "how often")
    assert said(api) == ["say hello", "Hello.", "what did I say", "You said hello.", "how often"]
    assert ids(llmos) == [hello]
    (transcript,) = (Path(os.environ["LLMOS_HOME"]) / "memories/recall").glob("*.jsonl")
    records = [json.loads(line) for line in transcript.read_text().splitlines()]
    assert [record["seq"] for record in records] == list(range(len(records)))
    assert [record["turn"] for record in records if record["event"] == "turn_started"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "-c", "x"), "no session has worked in .* yet; `llmos sessions list` shows all sessions"),
        (("run", "--resume", "nosuch", "x"), "there is no session 'nosuch'; `llmos sessions list` shows them"),
        (("run", "x", "--resume"), 'say which session: `llmos run --resume ID "goal"`.*'),
        (("run", "-c", "--resume", "a", "x"), "-c and --resume both choose a session; give one of them"),
        (("-c", "traces", "list"), "-c and --resume stand after `run`, or alone; .*"),
    ],
)
def test_what_cannot_be_gone_on_with_is_a_sentence(words: tuple[str, ...], sentence: str, llmos: Llmos) -> None:
    ended = llmos(*words)
    assert (ended.code, ended.out) == (ExitStatus.BAD_USAGE, "")
    assert re.fullmatch(f"llmos: {sentence}\n", ended.err)


def test_a_frozen_run_goes_on_and_leaves_the_session_as_it_was(
    llmos: Llmos, api: FakeMessagesServer, hello: str
) -> None:
    api.add(reply(text("You said hello.")))
    (transcript,) = (Path(os.environ["LLMOS_HOME"]) / "memories/recall").glob("*.jsonl")
    before = transcript.read_bytes()
    assert llmos("run", "--freeze", "-c", "what did I say").out == "You said hello.\n"
    assert said(api)[:2] == ["say hello", "Hello."]
    assert transcript.read_bytes() == before


async def test_clear_begins_anew_and_resume_comes_back(llmos: Llmos, api: FakeMessagesServer, hello: str) -> None:
    api.add(reply(text("One.")), reply(text("Two.")))
    _, screen = await talk("/clear", "first", f"/resume {hello[:4]}", "second", "/resume nosuch", "/clear")
    assert said(api, 1) == ["first"]
    assert said(api, 2) == ["say hello", "Hello.", "second"]
    fresh = next(identifier for identifier in ids(llmos) if identifier != hello)
    assert [line for line in screen if line.startswith(("a new", "the one", "going", "llmos:", "go on"))] == [
        "a new conversation",
        f"going on with session {hello}: 1 turn, the last one 'say hello'",
        "llmos: there is no session 'nosuch'; `llmos sessions list` shows them",
        "a new conversation",
        f"the one before: llmos --resume {hello}",
    ]
    records = json.loads(llmos("sessions", "show", fresh, "--json").out)["records"]
    assert [record["goal"] for record in records if record["event"] == "turn_started"] == ["first"]


def test_the_picker_takes_a_number_and_nothing_for_none(llmos: Llmos, hello: str) -> None:
    """What is typed before the list is shown is no answer to it."""
    with terminal() as screen:
        for answer, said in (
            ("", "nothing was changed"),
            ("7", "there is no session number 7"),
            ("1", "going on with"),
        ):
            screen.wait_for_prompt()
            screen.send("/resume\r")
            screen.wait_for_question()
            screen.send(f"{answer}\r")
            screen.wait_for(said)
        screen.wait_for_prompt()
        screen.send("/quit\r")
        assert screen.wait_for_end() == 0
        lines = [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "WHEN", line) for line in screen.written]
    asked = [f"1  {hello} · WHEN · 1 turn · say hello", "which one? A number or an id; Enter: none"]
    answers = [
        "nothing was changed",
        "llmos: there is no session number 7 in the list",
        f"going on with session {hello}: 1 turn, the last one 'say hello'",
    ]
    begun = next(at for at, line in enumerate(lines) if line.startswith("1  "))
    shown = [line for line in lines[begun:] if line and not line.startswith((">", "llmos>", "mode:"))]
    assert shown == [line for answer in answers for line in (*asked, answer)]


def test_copies_of_a_resumed_session_stand_beside_the_earlier_ones(
    llmos: Llmos, api: FakeMessagesServer, work: Path
) -> None:
    def write(content: str) -> tuple[object, ...]:
        return (reply(tool_use("write_file", {"path": "notes.txt", "content": content})), reply(text("done")))

    api.add(*write("one"), *write("two"))  # type: ignore[arg-type]
    llmos("run", "-y", "write one into notes.txt")
    llmos("run", "-y", "-c", "now two, please")
    (session,) = ids(llmos)
    folder = Path(os.environ["LLMOS_HOME"]) / "backups" / session
    assert {path.name: (path / "files/notes.txt").read_text() for path in folder.iterdir()} == {
        "1": "a\nb\nc\n",
        "2": "one",
    }


def test_an_open_session_is_not_taken_from_its_process(llmos: Llmos, api: FakeMessagesServer, work: Path) -> None:
    api.add(reply(text("Hello.")))
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.send("say hello\r")
        screen.wait_for("Hello.")
        screen.wait_for_prompt()
        (session,) = ids(llmos)
        ended = llmos("run", "--resume", session, "what did I say")
        assert (ended.code, ended.out) == (ExitStatus.BAD_USAGE, "")
        assert "is open in another process; leave it there" in ended.err
        screen.wait_for_prompt()
        screen.send("/quit\r")
        assert screen.wait_for_end() == 0
        assert f"go on with: llmos --resume {session}" in "\n".join(screen.written)


@pytest.mark.slow
def test_a_killed_turn_goes_on_with_its_call_marked_unknown(llmos: Llmos, api: FakeMessagesServer, work: Path) -> None:
    api.add(reply(tool_use("shell", {"command": "touch begun; sleep 5"})), reply(text("I looked first.")), *COUNTED)
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.send("begin a long job\r")
        screen.wait_for_question()
        screen.send("y\r")
        screen.wait(lambda _: (work / "begun").exists())
        screen.process.kill(signal.SIGKILL)
        screen.wait_for_end()
    with terminal(["-c"]) as screen:
        screen.wait_for("shell had started and")
        screen.wait_for("going on with session")
        screen.wait_for_prompt()
        screen.send("go on\r")
        screen.wait_for("I looked first.")
        screen.wait_for_prompt()
        screen.send("/quit\r")
        assert screen.wait_for_end() == 0
        assert "Traceback" not in "\n".join(screen.written)
    results = [part for message in api.bodies[1]["messages"] for part in message["content"] if "tool_use_id" in part]
    assert [result["content"] for result in results] == [UNKNOWN_EFFECT]
    assert said(api, 1)[-2].endswith("shell had started; its effect is unknown]")
    # and without an id, the person picks
    with terminal(["--resume"]) as screen:
        screen.wait_for_question()
        screen.send("1\r")
        screen.wait_for("going on with session")
        screen.wait_for_prompt()
        screen.send("/quit\r")
        assert screen.wait_for_end() == 0


def test_what_is_counted_is_asked_for(llmos: Llmos, kept: str) -> None:
    """A replay needs no model, in a resumed session neither."""
    ended = llmos("run", "-y", "-c", "--offline", COUNT)
    assert (ended.code, ended.out) == (ExitStatus.OK, "3\n")
