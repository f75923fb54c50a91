"""`llmos sessions cost|context|compact|export`, `llmos init --agents`: what the slash commands do, from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_world import COUNT, Llmos

from llmos.core.errors import ExitStatus
from llmos.testing import FakeMessagesServer, reply, text


def session_of(llmos: Llmos) -> str:
    return str(json.loads(llmos("sessions", "list", "--json").out)[-1]["id"])


def test_what_a_session_cost_and_holds(llmos: Llmos, kept: str) -> None:
    session = session_of(llmos)
    assert llmos("sessions", "cost").out.splitlines() == [
        f"session  {session}, 1 turn (1 LEARNER)",
        "cost     $0.0001 for 2 model calls",
        "saved    $0.00 by 0 replays",
        "tokens   20 in (cached ones among them), 10 out",
    ]
    assert llmos("sessions", "context", session[:4]).out.splitlines()[1:4] == [
        "context       15 tokens of 1,000,000 (0 %) at the last model call",
        "compacted at  80 % by itself, or by /compact",
        "messages      4, with 1 outputs of tools",
    ]


def test_a_session_is_compacted_from_a_shell(llmos: Llmos, api: FakeMessagesServer, kept: str) -> None:
    before = session_of(llmos)
    api.add(reply(text("notes.txt has 3 lines.")), reply(text("Three.")))
    ended = llmos("sessions", "compact", "--keep", "numbers")
    assert ended.code == 0 and ended.out.startswith("compacted: 4 messages, 15 tokens became a summary by claude-")
    after = session_of(llmos)
    assert after != before and ended.err == f"llmos: go on with: llmos --resume {after}\n"
    llmos("run", "--resume", after, "how many was it")
    assert "notes.txt has 3 lines." in json.dumps(api.bodies[-1]["messages"][0])


def test_a_session_is_written_as_markdown(llmos: Llmos, kept: str, work: Path) -> None:
    out = llmos("sessions", "export").out
    assert llmos("sessions", "export", "-o", "s.md").err == "llmos: wrote s.md\n"
    assert (work / "s.md").read_text().rstrip("\n") == out.rstrip("\n")
    lines = [line for line in out.splitlines() if line]
    assert lines[2:] == [
        f"## {COUNT}",
        "*LEARNER*: no saved run is like it",
        "Ran `shell`:",
        "```text",
        "wc -l < notes.txt",
        "```",
        "It gave, exit code 0:",
        "```text",
        "3",
        "```",
        "3",
        lines[-1],
    ]
    assert lines[-1].startswith("**ok** · LEARNER · cost ")
    again = llmos("sessions", "export", "-o", "s.md")
    assert (again.code, again.err) == (ExitStatus.BAD_USAGE, f"llmos: {work}/s.md exists already; give another name\n")


def test_the_last_decision_is_explained_as_it_was(llmos: Llmos, kept: str, work: Path) -> None:
    shown = llmos("run", "-y", "--explain", COUNT).err.splitlines()
    lines = llmos("sessions", "explain").out.splitlines()
    at = next(number for number, line in enumerate(shown) if line.startswith("decision    FOLLOWER"))
    assert lines[1:] == shown[at : at + len(lines) - 1]
    assert lines[0].startswith("replaying a saved run · FOLLOWER, 96 % sure")
    assert any(line.startswith(f"candidate 1 {kept}: ") for line in lines)


def test_a_starter_agents_file(llmos: Llmos, work: Path) -> None:
    first, second = llmos("init", "--agents"), llmos("init", "--agents")
    assert (first.code, second.code) == (0, ExitStatus.BAD_USAGE)
    assert second.err == f"llmos: {work}/AGENTS.md is there already; edit it, nothing was written\n"
    assert (work / "AGENTS.md").read_text().startswith("# work\n")


@pytest.mark.parametrize("command", ["cost", "context", "explain", "compact", "export"])
def test_without_a_session_it_is_a_sentence(command: str, llmos: Llmos) -> None:
    ended = llmos("sessions", command)
    assert (ended.code, ended.out) == (ExitStatus.BAD_USAGE, "")
    assert ended.err == "llmos: there is no session in this workspace yet\n"
