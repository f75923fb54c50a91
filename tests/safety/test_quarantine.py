"""A damaged file is moved away whole and told; a person's edit that does not parse stays; everything else goes on."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from crash_points import Store, told_by_the_person, trace

from llmos.core.errors import StoreError
from llmos.core.passage import Passage
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.quarantine import Quarantine
from llmos.memory.traces_sdk import TraceManager

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
WRITER = Writer(NOW, "test")
HOUR_AGO = time.time() - 3600


class Opened:
    """A store with three traces, two passages and a core block, as a process opens it with a quarantine."""

    def __init__(self, root: Path, *, frozen: bool = False) -> None:
        self.root = root
        self.said: list[str] = []
        self.quarantine = Quarantine(root, frozen=frozen, tell=self.said.append)
        memories = root / "memories"
        self.traces = TraceManager(memories, root, False, home=root / "home", frozen=frozen, quarantine=self.quarantine)
        self.memory = MemoryEngine(memories / "core", memories / "archival", frozen=frozen, quarantine=self.quarantine)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = Store(tmp_path)
    for number in range(3):
        made.traces.keep(trace(number), NOW)
    for number in range(2):
        made.memory.add_archival_memory(Passage("", f"fact number {number}"), WRITER)
    for said in ("likes tea", "has a cat"):
        made.memory.update_core_memory("human", [told_by_the_person(said)], WRITER)
    made.close()
    return tmp_path


def damage(path: Path, data: bytes, *, at: float = HOUR_AGO) -> bytes:
    path.write_bytes(data)
    os.utime(path, (at, at))
    return data


def test_a_damaged_trace_goes_to_the_quarantine_whole_and_the_others_are_served(root: Path) -> None:
    victim = sorted((root / "traces").glob("*.yaml"))[1]
    data = damage(victim, b"\0" * 20 + victim.read_bytes()[20:])
    opened = Opened(root)
    assert [header.goal for header in opened.traces.headers()] == [trace(n).header.goal for n in (0, 2)]
    (kept,) = opened.quarantine.all()
    assert (kept.was, kept.path.read_bytes(), victim.exists()) == (victim, data, False)
    why = f"{victim} line 1: the character U+0000 is not allowed in a text file"
    assert kept.why == why
    assert opened.said == [f"{why}; it was moved to {kept.path}, whole: mend it and move it back, or leave it there"]
    assert kept.path.stat().st_mode & 0o777 == 0o600 and opened.quarantine.folder.stat().st_mode & 0o777 == 0o700
    assert opened.traces.problems() == [] and Opened(root).said == []


def test_a_damaged_body_is_found_when_the_trace_is_read(root: Path) -> None:
    victim = sorted((root / "traces").glob("*.yaml"))[0]
    damage(victim, victim.read_bytes().replace(b"steps:", b"steps: ["))
    opened = Opened(root)
    assert len(opened.traces.headers()) == 3
    with pytest.raises(StoreError, match="is not valid YAML"):
        opened.traces.load(victim.stem)
    assert len(opened.traces.headers()) == 2
    assert [kept.was for kept in opened.quarantine.all()] == [victim]


def test_what_changed_a_moment_ago_stays_and_is_named(root: Path) -> None:
    victim = sorted((root / "traces").glob("*.yaml"))[0]
    damage(victim, b"format: [", at=time.time())
    opened = Opened(root)
    assert len(opened.traces.headers()) == 2
    assert [str(victim) in problem for problem in opened.traces.problems()] == [True]
    assert victim.exists() and opened.said == []
    os.utime(victim, (HOUR_AGO, HOUR_AGO))
    assert len(opened.traces.headers()) == 2
    assert not victim.exists() and len(opened.said) == 1


@pytest.mark.parametrize("name", ["traces", "memories/core/human.md", "memories/archival"])
def test_what_a_newer_llmos_wrote_is_refused_in_words_and_stays(root: Path, name: str) -> None:
    path = root / name
    victim = path if path.is_file() else sorted(path.glob("*-*"))[0]
    text = victim.read_bytes().replace(b"/1\n", b"/7\n", 1).replace(b"/2\n", b"/7\n", 1)
    damage(victim, text + b"& *what: [this version, cannot: parse\n")
    opened = Opened(root)
    opened.traces.headers(), opened.memory.core_text(), opened.memory.passages()
    told = [*opened.traces.problems(), *opened.memory.problems, *opened.said]
    assert any(f"{victim} was written by a newer llmos (format 7, this version reads up to" in one for one in told)
    assert victim.read_bytes() == text + b"& *what: [this version, cannot: parse\n"
    assert opened.quarantine.all() == []


def test_keys_of_a_later_version_are_no_damage(root: Path) -> None:
    victim = sorted((root / "traces").glob("*.yaml"))[0]
    damage(victim, victim.read_bytes().replace(b"status:", b"colour: blue\nstatus:", 1))
    opened = Opened(root)
    assert len(opened.traces.headers()) == 2 and victim.exists()
    assert "its header holds keys or values unknown to this version" in opened.traces.problems()[0]


def test_an_edit_of_a_block_that_does_not_parse_stays_and_is_told_once(root: Path) -> None:
    path = root / "memories/core/human.md"
    edited = damage(path, path.read_bytes().replace(b"limit: 4000", b"limit: [4000"))
    opened = Opened(root)
    assert opened.memory.core_text() == opened.memory.core_text() == ""
    assert path.read_bytes() == edited and opened.quarantine.all() == []
    assert len(opened.said) == 1 and opened.said[0].endswith("; it is left out until it is mended")
    with pytest.raises(StoreError, match="is not valid YAML"):
        opened.memory.update_core_memory("human", [told_by_the_person("new")], WRITER)
    assert path.read_bytes() == edited


@pytest.mark.parametrize("what", ["bytes", "folder", "pipe", "dangling link"])
def test_a_block_that_is_no_text_is_moved_and_what_was_written_last_comes_back(root: Path, what: str) -> None:
    path = root / "memories/core/human.md"
    match what:
        case "bytes":
            damage(path, path.read_bytes()[:150] + b"\xff\0\xff" * 30)
        case "folder":
            path.unlink(), path.mkdir()
        case "pipe":
            path.unlink(), os.mkfifo(path)
        case "dangling link":
            path.unlink(), path.symlink_to("/nowhere")
    os.utime(path, (HOUR_AGO, HOUR_AGO), follow_symlinks=False)
    opened = Opened(root)
    assert [item.text for item in opened.memory.blocks()[1].items] == ["likes tea", "has a cat"]
    assert [kept.was for kept in opened.quarantine.all()] == [path]
    assert opened.said[1:] == [f"what llmos wrote last was put back to {path}"]
    assert len(opened.memory.log.all()) == 4  # two passages and two items: nothing is taken for an edit
    opened.memory.update_core_memory("human", [told_by_the_person("new")], WRITER)
    assert [item.text for item in Opened(root).memory.block("human").items] == ["likes tea", "has a cat", "new"]


def test_a_passage_that_is_no_text_comes_back_from_the_log(root: Path) -> None:
    victim = sorted((root / "memories/archival").glob("*.md"))[0]
    before, _ = victim.read_bytes(), damage(victim, b"\xff\xfe" + b"\0x" * 40)
    opened = Opened(root)
    assert [one.text for one in opened.memory.passages()] == ["fact number 0", "fact number 1"]
    assert victim.read_bytes() == before
    assert [kept.was for kept in opened.quarantine.all()] == [victim]


def test_frozen_nothing_is_moved(root: Path) -> None:
    victims = [sorted((root / "traces").glob("*.yaml"))[0], root / "memories/core/human.md"]
    for victim in victims:
        damage(victim, b"\0\0\xff")
    opened = Opened(root, frozen=True)
    assert len(opened.traces.headers()) == 2 and opened.memory.core_text() == ""
    assert all(victim.exists() for victim in victims) and not (root / "quarantine").exists()


def test_two_that_find_it_at_once_move_it_once(root: Path) -> None:
    victim = sorted((root / "traces").glob("*.yaml"))[0]
    damage(victim, b"\0")
    first, second = Quarantine(root), Quarantine(root)
    assert (first.take(victim, "why"), second.take(victim, "why")) == (True, False)
    assert len(second.all()) == 1
    log = (root / "quarantine/log.jsonl").read_text().splitlines()
    assert {*json.loads(log[0])} == {"when", "path", "kept", "why"}
