"""Core blocks and archival passages as Markdown files that a person may edit, and the log of their changes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.core_block import CoreItem
from llmos.core.core_edits import CoreEdit, EditKind
from llmos.core.errors import StoreError, UsageError
from llmos.core.passage import Passage, PassageState, Source
from llmos.memory.codec import load_front_matter
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.passage_files import load_passage

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TICK = Writer(NOW, "core update at message 10", group="g1")
PERSON = Writer(LATER, "llmos memory", "person")
HEAD = "---\nformat: llmos-core-block/2\nlabel: human\n"


def engine(root: Path) -> MemoryEngine:
    return MemoryEngine(root / "core", root / "archival")


def said(text: str, message: str = "s:1") -> CoreEdit:
    return CoreEdit(EditKind.ADD, text, evidence=(message,), explicit=True)


def written(root: Path, text: str, label: str = "human") -> Path:
    path = root / f"core/{label}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_without_blocks_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert engine(tmp_path).core_text() == ""
    assert list(tmp_path.iterdir()) == []


def test_items_go_into_the_prompt_in_the_order_of_the_blocks(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.update_core_memory("system_context", [said("Debian 13")], TICK)
    done = made.update_core_memory("human", [said("prefers tabs")], TICK)
    assert (done.refused, done.left) == ((), ())
    made.update_core_memory("human", [said("lives in Bern", "s:2")], replace(TICK, when=LATER))
    assert made.core_text() == "[human]\n- prefers tabs\n- lives in Bern\n[system_context]\n- Debian 13"
    path = tmp_path / "core/human.md"
    ids = [item.id for item in made.block("human").items]
    assert load_front_matter(path.read_bytes(), name="human") == (
        {
            "format": "llmos-core-block/2",
            "label": "human",
            "description": "who the person is and what they prefer",
            "limit": 4000,
            "read_only": False,
            "updated": "2026-11-23T12:00:00+00:00",
        },
        f"- prefers tabs <!-- id={ids[0]} date=2026-11-22 by=user strength=0.5 evidence=s:1 -->\n"
        f"- lives in Bern <!-- id={ids[1]} date=2026-11-23 by=user strength=0.5 evidence=s:2 -->\n",
    )
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_off_says_nothing_and_writes_nothing(tmp_path: Path) -> None:
    written(tmp_path, HEAD + "---\n- an item\n")
    off = MemoryEngine(tmp_path / "core", tmp_path / "archival", on=False)
    frozen = MemoryEngine(tmp_path / "core", tmp_path / "archival", frozen=True)
    assert (off.core_text(), frozen.core_text()) == ("", "[human]\n- an item")
    for made, why in ((off, "memory is off"), (frozen, "--freeze forbids")):
        with pytest.raises(UsageError, match=why):
            made.update_core_memory("human", [said("x")], TICK)
        with pytest.raises(UsageError, match=why):
            made.add_archival_memory(Passage("", "x"), TICK)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["core", "human.md"]


# --------------------------------------------------------------------------------------------------- a person's edits


def test_an_edit_by_hand_wins_and_is_taken_up_as_the_persons_word(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.update_core_memory("human", [said("prefers tabs")], TICK)
    made.update_core_memory("human", [said("lives in Bern", "s:2")], TICK)
    path = tmp_path / "core/human.md"
    edited = (
        path.read_text().replace("prefers tabs", "prefers spaces").replace("- lives", "Prose.\n- brews tea\n- lives")
    )
    path.write_text(edited)
    made.update_core_memory("human", [said("has a cat", "s:3")], replace(TICK, when=LATER))
    tabs, tea, bern, cat = made.block("human").items
    assert made.block("human").prompt_text == "- prefers spaces\nProse.\n- brews tea\n- lives in Bern\n- has a cat"
    assert (tabs.by, tabs.date, tabs.evidence, tabs.strength) == ("user", "2026-11-23", ("s:1", "edit:2026-11-23"), 1.0)
    assert tea == CoreItem("brews tea", tea.id, "2026-11-23", "user", ("edit:2026-11-23",), 1.0)
    assert (bern.evidence, cat.evidence) == (("s:2",), ("s:3",))
    assert [(change.by, change.sentences) for change in made.log.all()][2:] == [
        ("person", ("changed in human: prefers tabs -> prefers spaces", "added to human: brews tea")),
        ("consolidation", ("added to human: has a cat",)),
    ]


def test_what_a_person_took_out_does_not_come_back_from_the_same_message(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.update_core_memory("human", [said("prefers tabs")], TICK)
    path = tmp_path / "core/human.md"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "tabs" not in line))
    assert [change.sentences for change in made.take_up_edits(LATER)] == [("removed from human: prefers tabs",)]
    assert made.tombstones.bars("likes tabs best", ["s:1"])
    assert not made.tombstones.bars("prefers tabs", ["s:9"])
    assert "prefers" not in made.tombstones.path.read_text()


def test_a_copied_line_gets_an_id_of_its_own(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.update_core_memory("human", [said("prefers tabs")], TICK)
    path = tmp_path / "core/human.md"
    line = path.read_text().splitlines(True)[-1]
    path.write_text(path.read_text() + line.replace("tabs", "vim"))
    made.take_up_edits(LATER)
    assert len({item.id for item in made.block("human").items}) == 2
    assert made.take_up_edits(LATER) == []


def test_settings_and_prose_of_a_person_stay(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "mine: kept\n---\nWords of my own.\n\n- an item <!-- my remark -->\n")
    engine(tmp_path).update_core_memory("human", [said("another")], TICK)
    meta, body = load_front_matter(path.read_bytes(), name="human")
    texts = [line.partition(" <!-- id=")[0] for line in body.splitlines()]
    assert (meta["mine"], texts) == (
        "kept",
        ["Words of my own.", "", "- an item <!-- my remark -->", "- another"],
    )


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=60), max_size=8))
def test_any_body_that_a_person_writes_keeps_every_text(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    root = tmp_path_factory.mktemp("m")
    written(root, HEAD + "---\n" + "".join(line + "\n" for line in lines))
    made = engine(root)
    before = made.block("human")
    made.take_up_edits(NOW)
    after = made.block("human")
    assert after.prompt_text == before.prompt_text
    assert len({item.id for item in after.items}) == len(after.items)
    assert made.take_up_edits(LATER) == []


def test_a_write_that_was_cut_off_is_no_edit_of_a_person(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.update_core_memory("human", [said("prefers tabs")], TICK)
    before = (tmp_path / "core/human.md").read_bytes()
    made.update_core_memory("human", [said("lives in Bern", "s:2")], TICK)
    (tmp_path / "core/human.md").write_bytes(before)  # the log has the change, the file has not
    again = engine(tmp_path)
    assert [(one.by, one.why) for one in again.take_up_edits(LATER)] == [("machine", "the write before it was cut off")]
    assert [item.text for item in again.block("human").items] == ["prefers tabs"]
    assert again.take_up_edits(LATER) == []
    assert not again.tombstones.bars("lives in Bern", ["s:2"])


# -------------------------------------------------------------------------------------------------------- what cannot


def test_an_unknown_block_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        engine(tmp_path).update_core_memory("colour", [said("red")], TICK)
    assert str(caught.value) == "there is no core block 'colour'; there are persona, human, system_context"


def test_a_read_only_block_is_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "read_only: true\n---\n- kind <!-- id=00000001 -->\n")
    made = engine(tmp_path)
    done = made.update_core_memory("human", [said("rude")], TICK)
    assert [why for _, why in done.refused] == ["the block human is read-only"]
    assert made.core_text() == "[human]\n- kind"
    assert "rude" not in path.read_text()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("just words\n", "line 1: there must be settings between two lines of ---"),
        (HEAD + "limit: many\n---\n", ": limit must be a whole number of characters"),
        (HEAD + 'read_only: "yes"\n---\n', ": read_only must be true or false"),
        ("---\nformat: llmos-core-block/9\n---\n", "was written by a newer llmos"),
    ],
)
def test_a_block_that_cannot_be_read_is_named(tmp_path: Path, content: str, sentence: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(StoreError) as caught:
        engine(tmp_path).block("human")
    assert engine(tmp_path).core_text() == ""  # and a turn goes on without it
    assert str(path) in str(caught.value)
    assert sentence in str(caught.value)


# ----------------------------------------------------------------------------------------------------------- archival


def test_a_passage_is_one_file_and_saying_it_again_adds_a_source(tmp_path: Path) -> None:
    made = engine(tmp_path)
    first = made.add_archival_memory(Passage("", "The database moved.", sources=(Source("a:1", "it moved"),)), TICK)
    again = made.add_archival_memory(Passage("", "the database moved", sources=(Source("b:4", "moved"),)), PERSON)
    assert made.add_archival_memory(Passage("", "The database moved.", sources=(Source("b:4"),)), PERSON) == again
    path = made.passage_path(first.id)
    assert load_passage(path.read_bytes(), identifier=first.id, name="p") == Passage(
        first.id,
        "The database moved.",
        sources=(Source("a:1", "it moved"), Source("b:4", "moved")),
        recorded_at="2026-11-22T12:00:00+00:00",
        strength=0.50005,
    )
    assert [one.id for one in made.passages()] == [first.id]


def test_what_a_later_one_supersedes_is_closed_also_where_its_own_file_does_not_say_so(tmp_path: Path) -> None:
    made = engine(tmp_path)
    old = made.add_archival_memory(Passage("", "The port is 5432."), TICK)
    new = made.add_archival_memory(
        Passage("", "The port is 5433.", valid_from="2026-11-20", supersedes=(old.id,)), TICK
    )
    assert {one.id: (one.state, one.valid_to) for one in made.passages()} == {
        old.id: ("superseded", "2026-11-20"),
        new.id: ("current", ""),
    }
    back = made.add_archival_memory(Passage("", "The port is 5432."), PERSON)
    assert (back.id, back.state) == (f"{old.id}-2", PassageState.CURRENT)


def test_the_text_of_a_passage_never_changes(tmp_path: Path) -> None:
    made = engine(tmp_path)
    old = made.add_archival_memory(Passage("", "The port is 5432."), TICK)
    closed = made.change_passage(
        old.id, lambda one: replace(one, id="x", text="another", state=PassageState.RETRACTED), TICK
    )
    assert (closed.id, closed.text, closed.state) == (old.id, "The port is 5432.", "retracted")


def test_a_passage_by_hand_needs_a_format_only_and_a_broken_one_stands_in_nobodys_way(tmp_path: Path) -> None:
    folder = tmp_path / "archival"
    folder.mkdir()
    (folder / "mine.md").write_text("---\nformat: llmos-archival/2\n---\nTea is at four.\n")
    (folder / "broken.md").write_text("---\nformat: llmos-archival/2\nstate: perhaps\n---\nx\n")
    made = engine(tmp_path)
    assert made.passages() == [Passage("mine", "Tea is at four.")]
    assert made.problems == [f"{folder / 'broken.md'}: state must be one of current, superseded, disputed, retracted"]


def test_an_empty_passage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the passage is empty"):
        engine(tmp_path).add_archival_memory(Passage("", " \n"), TICK)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_passage_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    made = engine(tmp_path_factory.mktemp("m"))
    stored = made.add_archival_memory(Passage("", text, subject=text), TICK)
    assert made.passages() == [stored]


def test_half_a_character_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="half a character"):
        engine(tmp_path).add_archival_memory(Passage("", "x\udcff"), TICK)


# ------------------------------------------------------------------------------------------------------------ undoing


def test_an_update_is_taken_back_as_a_whole_and_does_not_come_back(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.update_core_memory("human", [said("prefers tabs")], replace(TICK, group="g0"))
    made.update_core_memory("human", [said("lives in Bern", "s:2")], TICK)
    stored = made.add_archival_memory(Passage("", "Lives in Bern.", sources=(Source("s:2"),)), TICK)
    undone = made.undo("g1", PERSON)
    assert [change.sentences for change in undone] == [
        ("removed from archival: Lives in Bern.",),
        ("removed from human: lives in Bern",),
    ]
    assert (made.core_text(), made.passages()) == ("[human]\n- prefers tabs", [])
    assert made.tombstones.bars("lives in Bern", ["s:2"])
    made.undo(undone[0].id, PERSON)
    assert [one.id for one in made.passages()] == [stored.id]


def test_what_was_changed_since_is_not_taken_back_over_it(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.update_core_memory("human", [said("prefers tabs")], TICK)
    path = tmp_path / "core/human.md"
    path.write_text(path.read_text().replace("tabs", "spaces"))
    with pytest.raises(UsageError, match="was changed after that"):
        made.undo("g1", PERSON)
    assert "spaces" in path.read_text()
    with pytest.raises(UsageError, match="there is no change 'nothing'"):
        made.undo("nothing", PERSON)


def test_a_damaged_line_of_the_log_stands_in_nobodys_way(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.update_core_memory("human", [said("prefers tabs")], TICK)
    with made.log.path.open("a") as file:
        file.write('{"id":7}\nnot json\n')
    made.update_core_memory("human", [said("lives in Bern", "s:2")], TICK)
    assert [change.sentences for change in engine(tmp_path).log.all()] == [
        ("added to human: prefers tabs",),
        ("added to human: lives in Bern",),
    ]
    assert json.loads(made.log.path.read_bytes().splitlines()[0])["group"] == "g1"


def test_two_processes_at_once_both_keep_their_items(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "from llmos.core.core_edits import CoreEdit, EditKind\n"
        "from llmos.memory.memory_engine import MemoryEngine, Writer\n"
        "made = MemoryEngine(Path(sys.argv[1]) / 'core', Path(sys.argv[1]) / 'archival')\n"
        "for n in range(15):\n"
        "    edit = CoreEdit(EditKind.ADD, f'{sys.argv[2]} {n}', evidence=('s:1',), explicit=True)\n"
        "    made.update_core_memory('human', [edit], Writer(datetime.now(UTC), 'test'))\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stderr=subprocess.PIPE)
        for name in ("one", "two")
    ]
    assert [(worker.communicate()[1], worker.returncode) for worker in workers] == [(b"", 0), (b"", 0)]
    lines = engine(tmp_path).core_text().splitlines()[1:]
    assert sorted(lines) == sorted(f"- {name} {number}" for name in ("one", "two") for number in range(15))
