"""`llmos doctor --repair` does what `llmos doctor` says, says each thing, deletes nothing that anybody wrote, and then
finds nothing more to do."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli_world import COUNT, COUNTED, Ended, Llmos

from llmos.core.core_edits import CoreEdit, EditKind
from llmos.core.events import Notice
from llmos.core.passage import Passage
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.memory_log import ChangeLog
from llmos.memory.private_folder import PrivateFolder, left_behind
from llmos.memory.transcript import Transcript
from llmos.testing import FakeMessagesServer, FixedClock

WRITER = Writer(datetime(2026, 11, 26, tzinfo=UTC), "test")


@pytest.fixture
def home() -> Path:
    return Path(os.environ["LLMOS_HOME"])


@pytest.fixture(autouse=True)
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What other processes of this machine left below /tmp is not this test's to delete."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder


def memory(home: Path) -> MemoryEngine:
    return MemoryEngine(home / "memories/core", home / "memories/archival")


def repaired(llmos: Llmos) -> tuple[Ended, list[dict[str, Any]]]:
    ended = llmos("doctor", "--repair", "--json")
    return ended, json.loads(ended.out)


def told(llmos: Llmos) -> list[str]:
    return [
        f"{check['name']}: {check['found']}"
        for check in json.loads(llmos("doctor", "--json").out)
        if "`llmos doctor --repair`" in check["fix"]
    ]


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_healthy_store_is_left_alone(kept: str, llmos: Llmos, home: Path) -> None:
    llmos("doctor")
    before = tree(home)
    ended = llmos("doctor", "--repair")
    assert (ended.code, ended.out) == (0, "nothing had to be repaired\n")
    assert tree(home) == before and told(llmos) == []


def test_everything_that_is_wrong_is_named_mended_and_kept(
    kept: str, llmos: Llmos, api: FakeMessagesServer, home: Path, own_temporary: Path
) -> None:
    api.add(*COUNTED)
    llmos("run", "-y", COUNT)
    memory(home).update_core_memory(
        "human", [CoreEdit(EditKind.ADD, "Likes tea", evidence=("s1:1",), explicit=True)], WRITER
    )
    block, log = home / "memories/core/human.md", home / "traces/outcomes.jsonl"
    damaged = {
        home / "traces/broken.yaml": b"format: llmos-trace/1\nid: [\n",
        block: block.read_bytes().replace(b"limit: ", b"limit: ["),
        log: b"no record\n" + log.read_bytes() + b'{"when":"2026',
        home / "memories/recall/2026-01-01-dead.jsonl": b"\xff\xfe no transcript\n",
    }
    newer = home / "memories/archival/of-later-00000000.md"
    newer.parent.mkdir(parents=True, exist_ok=True)
    newer.write_bytes(b"---\nformat: llmos-archival/9\n---\nhello\n")
    good = log.read_bytes()
    for path, data in damaged.items():
        path.write_bytes(data)
    (home / ".llmos/traces.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    home.chmod(0o755), (home / "approvals.jsonl").chmod(0o644)
    stale = home / "traces/.llmos-0011.tmp"
    dead = own_temporary / "llmos-backups-abcd1234"
    stale.touch(), dead.mkdir(), (dead / "copy").write_text("x")
    for path in (stale, dead):
        os.utime(path, (0, 0))
    (home / ".llmos/open/2026-01-01-dead.jsonl").touch()

    wanted = told(llmos)
    assert all(path.read_bytes() == data for path, data in damaged.items()) and dead.exists()  # only looked at
    ended, made = repaired(llmos)
    assert ended.code == 0 and all(one["ok"] for one in made)
    kinds = [one["what"] for one in made]
    assert kinds == [
        "damaged trace", "damaged core block", "damaged lines", "damaged transcript", "broken index",
        "half-written file", "stale lock", "temporary folders", *["open to others"] * (len(kinds) - 8),
    ]  # fmt: skip
    assert len(wanted) == 9  # the modes are told together

    stored = tree(home / "quarantine")
    for path, data in damaged.items():
        assert any(name.endswith(str(path.relative_to(home))) and kept == data for name, kept in stored.items()), path
    assert log.read_bytes() == good and b"Likes tea" in block.read_bytes()
    assert newer.read_bytes().endswith(b"hello\n") and not stale.exists() and not dead.exists()
    assert [path.stat().st_mode & 0o777 for path in (home, home / "approvals.jsonl")] == [0o700, 0o600]
    assert repaired(llmos)[1] == [] and told(llmos) == []
    hints = [one["found"] for one in json.loads(llmos("doctor", "--json").out) if one["name"] == "quarantine"]
    assert len(hints) == 4 and sum("mend it, then `mv " in hint for hint in hints) == 2
    assert json.loads(llmos("run", "-y", "-o", "json", COUNT).out)["mode"] == "FOLLOWER"


def test_what_cannot_be_repaired_is_said_and_fails(kept: str, llmos: Llmos, home: Path) -> None:
    (home / "traces/broken.yaml").write_text("[")
    (home / "quarantine").touch(0o600)  # a file in its place
    ended, made = repaired(llmos)
    assert ended.code == 1
    assert [(one["what"], one["ok"]) for one in made] == [("damaged trace", False)]
    assert (home / "traces/broken.yaml").exists()


def test_a_write_that_was_cut_off_after_its_log_is_made(llmos: Llmos, home: Path) -> None:
    memory(home).add_archival_memory(Passage("", "The staging database is on port 5433"), WRITER)
    (passage,) = (home / "memories/archival").glob("*.md")
    written = passage.read_bytes()
    passage.unlink()  # as if the process had died between the log and the file
    (change,) = ChangeLog(home / "memories/changes.jsonl").all()
    _, made = repaired(llmos)
    assert [(one["what"], one["why"]) for one in made] == [
        ("unfinished change", f"change {change.id} is in the log and was not made")
    ]
    assert passage.read_bytes() == written and repaired(llmos)[1] == []


def test_the_folder_of_a_living_session_is_not_left_behind(own_temporary: Path) -> None:
    living = PrivateFolder("llmos-backups-")
    os.utime(living.path, (0, 0))
    assert left_behind(own_temporary, time.time()) == []
    os.close(living._held)  # its process died
    assert left_behind(own_temporary, time.time()) == [living.path]
    living._held = os.open(living.path, os.O_RDONLY)
    living.remove()


def test_a_living_session_is_not_repaired(kept: str, llmos: Llmos, home: Path) -> None:
    living = Transcript(home / "memories/recall", home / ".llmos/open", session="living", clock=FixedClock())
    living.record(Notice(text="here"))
    assert repaired(llmos)[1] == []
    living.record(Notice(text="still here"))
    living.close()


def test_a_frozen_session_leaves_nothing_below_tmp(kept: str, llmos: Llmos, own_temporary: Path) -> None:
    assert json.loads(llmos("run", "--freeze", "-y", "-o", "json", COUNT).out)["outcome"] == "ok"
    assert [path.name for path in own_temporary.iterdir() if path.name.startswith("llmos")] == []


def test_zeros_that_a_power_cut_left_are_taken_out_and_the_records_beside_them_stay(
    kept: str, llmos: Llmos, home: Path
) -> None:
    (transcript,) = (home / "memories/recall").glob("*.jsonl")
    first, *rest = transcript.read_bytes().splitlines(keepends=True)
    transcript.write_bytes(first + b"\0" * 40 + b"".join(rest))
    (home / "traces/labels.jsonl").write_bytes(b"")
    assert [one["what"] for one in repaired(llmos)[1]] == ["damaged lines"]
    assert transcript.read_bytes() == first + b"".join(rest)
