"""Undoing a turn: files come back, what cannot is said beforehand, nothing is lost, the model is told."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from cli_world import Llmos
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from repl_world import talk
from terminal_world import terminal

from llmos.app import AppOptions
from llmos.core.errors import ExitStatus, StoreError
from llmos.engine.backups import start_backup
from llmos.engine.changes import compare, snapshot
from llmos.engine.undo import DoneStep, DoneTurn, plan_undo, undo
from llmos.testing import FakeMessagesServer, reply, text, tool_use

pytestmark = pytest.mark.slow

TIDY = (
    reply(tool_use("write_file", {"path": "new/plan.txt", "content": "plan"})),
    reply(tool_use("shell", {"command": "rm notes.txt; echo more >> new/plan.txt"})),
    reply(text("done")),
)


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else "/" for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def tidied(llmos: Llmos, api: FakeMessagesServer, work: Path) -> str:
    """The session of a turn that made a file and deleted another one."""
    api.add(*TIDY)
    llmos("run", "-y", "tidy up")
    assert tree(work) == {"new": "/", "new/plan.txt": "planmore\n"}
    (session,) = json.loads(llmos("sessions", "list", "--json").out)
    return str(session["id"])


def plan_lines(work: Path) -> list[str]:
    return [
        f"undo 'tidy up', 2 steps in {work}",
        "  brings back: notes.txt",
        "  removes: new/, new/plan.txt (kept beside the copies)",
        f"  cannot undo: what this did outside {work}: shell: rm notes.txt; echo more >> new/plan.txt",
    ]


def test_a_turn_is_undone_once(llmos: Llmos, tidied: str, work: Path) -> None:
    shown = llmos("undo", "--dry-run")
    assert (shown.out.splitlines(), shown.err) == (plan_lines(work), "llmos: dry run: nothing was changed\n")
    refused = llmos("undo")
    assert refused.code == ExitStatus.DENIED and tree(work) == {"new": "/", "new/plan.txt": "planmore\n"}
    done = llmos("undo", "--yes")
    assert (done.code, done.err) == (0, "llmos: undone: 1 brought back, 2 removed; not undone: 1, named above\n")
    assert tree(work) == {"notes.txt": "a\nb\nc\n"}
    again = llmos("undo", "--yes")
    assert (again.code, again.err) == (
        ExitStatus.BAD_USAGE,
        f"llmos: no turn of session {tidied} changed files or ran commands, or all of them are undone\n",
    )
    kept = Path(os.environ["LLMOS_HOME"]) / "backups" / tidied
    assert [path.read_text() for path in kept.glob("undone-*/new/plan.txt")] == ["planmore\n"]


def test_the_model_is_told_of_it(llmos: Llmos, api: FakeMessagesServer, tidied: str, work: Path) -> None:
    llmos("undo", "--yes")
    api.add(reply(text("I see.")))
    llmos("run", "-c", "what now")
    said = [message["content"][0]["text"] for message in api.bodies[-1]["messages"][-3:]]
    assert said == [
        "[I took back what you did to files for 'tidy up'; brought back: notes.txt; removed: new/, new/plan.txt]",
        "Noted.",
        "what now",
    ]


def test_what_changed_again_is_left_alone_unless_forced(llmos: Llmos, tidied: str, work: Path) -> None:
    (work / "new/plan.txt").write_text("my own")
    ended = llmos("undo", "--yes")
    assert (
        ended.code == ExitStatus.STORE and "new/plan.txt changed again after that turn; nothing was undone" in ended.err
    )
    assert tree(work) == {"new": "/", "new/plan.txt": "my own"}
    assert llmos("undo", "--yes", "--force").code == 0
    assert tree(work) == {"notes.txt": "a\nb\nc\n"}


def test_what_has_no_copy_is_said_and_nothing_else_is_touched(
    llmos: Llmos, api: FakeMessagesServer, work: Path
) -> None:
    home = Path(os.environ["LLMOS_HOME"])
    home.mkdir(mode=0o700, parents=True)
    (home / "config.yaml").write_text("format: llmos-config/1\nbackups:\n  max_files: 0\n")
    api.add(reply(tool_use("shell", {"command": "rm notes.txt"})), reply(text("done")))
    llmos("run", "-y", "remove the notes")
    ended = llmos("undo", "--yes")
    assert ended.code == ExitStatus.FAILED
    assert ended.out.splitlines()[1:] == [
        "  cannot undo: notes.txt changed, and no copy of it was kept",
        f"  cannot undo: what this did outside {work}: shell: rm notes.txt",
        "  nothing of it can be undone",
    ]


def test_a_damaged_copy_stops_it_before_anything_is_written(llmos: Llmos, tidied: str, work: Path) -> None:
    (copy,) = (Path(os.environ["LLMOS_HOME"]) / "backups" / tidied).glob("*/files/notes.txt")
    copy.write_text("something else")
    before = tree(work)
    ended = llmos("undo", "--yes")
    assert ended.code == ExitStatus.STORE and "is damaged; nothing was restored" in ended.err
    assert tree(work) == before


def test_the_last_change_is_undone_also_after_turns_that_only_looked(
    llmos: Llmos, api: FakeMessagesServer, tidied: str, work: Path
) -> None:
    api.add(reply(tool_use("shell", {"command": "ls"})), reply(text("new")))
    llmos("run", "-y", "-c", "what is here")
    assert llmos("undo", "--dry-run").out.splitlines() == plan_lines(work)


def test_a_typed_command_is_undone_by_itself(llmos: Llmos, tidied: str, work: Path) -> None:
    asyncio.run(talk("!rm new/plan.txt", options=AppOptions(), resume=tidied))
    shown = llmos("undo", "--yes").out.splitlines()
    assert shown[:2] == [f"undo 'shell: rm new/plan.txt', 1 step in {work}", "  brings back: new/plan.txt"]
    assert tree(work) == {"new": "/", "new/plan.txt": "planmore\n"}
    assert llmos("undo", "--yes").code == 0
    assert tree(work) == {"notes.txt": "a\nb\nc\n"}


def test_undo_at_the_prompt(llmos: Llmos, api: FakeMessagesServer, work: Path) -> None:
    api.add(*TIDY, reply(text("I see.")))
    with terminal(height=60, width=120) as screen:
        screen.wait_for_prompt()
        screen.send("/undo\r")
        screen.wait_for("llmos: nothing was done in this session yet; `llmos undo ID` undoes a turn of another one")
        screen.wait_for_prompt()
        screen.send("/mode trusted\r")
        screen.wait_for_prompt()
        screen.send("tidy up\r")
        screen.wait_for("done and checked")
        screen.wait_for_prompt()
        screen.send("/undo\r")
        screen.wait_for_question()
        screen.wait_for("cannot undo: what this did outside")
        screen.send("n\r")
        screen.wait_for("nothing was changed")
        assert not (work / "notes.txt").exists()
        screen.wait_for_prompt()
        screen.send("/rewind\r")
        screen.wait_for_question()
        screen.send("y\r")
        screen.wait_for("undone: 1 brought back, 2 removed; not undone: 1, named above")
        assert tree(work) == {"notes.txt": "a\nb\nc\n"}
        screen.wait_for_prompt()
        screen.send("what now\r")
        screen.wait_for("I see.")
        screen.wait_for_prompt()
        screen.send("/quit\r")
        assert screen.wait_for_end() == 0
    assert "I took back what you did" in json.dumps(api.bodies[-1]["messages"])


NAMES = st.sampled_from(["a", "b", "d/c", "d/e"])
ACTS = st.lists(st.tuples(NAMES, st.sampled_from(["", "one", "two"])), min_size=1, max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(before=st.dictionaries(NAMES, st.sampled_from(["old", "older"])), steps=st.lists(ACTS, min_size=1, max_size=3))
def test_whatever_a_turn_did_its_undo_leaves_what_was_there(
    before: dict[str, str], steps: list[list[tuple[str, str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Files written ("" deletes) in several steps; files alone are compared, since an empty folder may stay."""
    root = tmp_path_factory.mktemp("undo")
    work, backups = root / "work", root / "backups"
    work.mkdir()

    def put(name: str, content: str) -> None:
        place = work / name
        if content:
            place.parent.mkdir(exist_ok=True)
            place.write_text(content)
        else:
            place.unlink(missing_ok=True)

    def files() -> dict[str, str]:
        return {name: content for name, content in tree(work).items() if content != "/"}

    for name, content in before.items():
        put(name, content)
    was, done = files(), []
    for number, acts in enumerate(steps):
        look = snapshot(work)
        backup = start_backup(work, backups / str(number), before=look)
        for name, content in acts:
            put(name, content)
        changes = compare(look, snapshot(work))
        kept = backup.finish(changes)
        ended = "2100-01-01T00:00:00+00:00"
        done.append(DoneStep("x", True, ended, changes.created, (*changes.changed, *changes.deleted), True, kept))
    plan = plan_undo(DoneTurn(1, "x", work, tuple(done)))
    assert plan.changed_since == ()
    undo(plan, backups / "undone")
    assert files() == was


def test_the_check_for_later_changes_can_fail(tmp_path: Path) -> None:
    """The partner of the property: a change after the turn is seen."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "a").write_text("old")
    look = snapshot(work)
    backup = start_backup(work, tmp_path / "b", before=look)
    (work / "a").write_text("new")
    changes = compare(look, snapshot(work))
    step = DoneStep("x", True, "2100-01-01T00:00:00+00:00", (), changes.changed, True, backup.finish(changes))
    (work / "a").write_text("mine")
    plan = plan_undo(DoneTurn(1, "x", work, (step,)))
    assert plan.changed_since == ("a",)
    with pytest.raises(StoreError, match="a changed again after that turn"):
        undo(plan, tmp_path / "undone")
