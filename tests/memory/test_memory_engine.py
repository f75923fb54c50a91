"""Core blocks and archival passages as Markdown files."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.errors import StoreError, UsageError
from llmos.memory.codec import load_front_matter
from llmos.memory.memory_engine import MemoryEngine

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def engine(root: Path) -> MemoryEngine:
    return MemoryEngine(root / "core", root / "archival")


def test_without_blocks_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert engine(tmp_path).core_text() == ""
    assert list(tmp_path.iterdir()) == []


def test_items_go_into_the_prompt_in_the_order_of_the_blocks(tmp_path: Path) -> None:
    made = engine(tmp_path)
    made.update_core_memory("system_context", "Debian 13", NOW)
    made.update_core_memory("human", "prefers\n  tabs", NOW)
    path = made.update_core_memory("human", "lives in Bern", LATER)
    assert made.core_text() == "[human]\n- prefers tabs\n- lives in Bern\n[system_context]\n- Debian 13"
    assert load_front_matter(path.read_bytes(), name="human") == (
        {
            "format": "llmos-core-block/1",
            "label": "human",
            "read_only": False,
            "updated": "2026-11-23T12:00:00+00:00",
        },
        "- prefers tabs\n- lives in Bern\n",
    )
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_an_item_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    made = engine(tmp_path)
    path = made.update_core_memory("human", "prefers tabs", NOW)
    before = path.read_bytes()
    assert made.update_core_memory("human", "prefers  tabs", LATER) == path
    assert path.read_bytes() == before


def test_what_a_person_wrote_stays(tmp_path: Path) -> None:
    made = engine(tmp_path)
    path = tmp_path / "core/human.md"
    path.parent.mkdir()
    path.write_text("---\nformat: llmos-core-block/1\nlabel: human\nmine: kept\n---\nWords of my own.\n\n- an item\n")
    made.update_core_memory("human", "another", NOW)
    meta, body = load_front_matter(path.read_bytes(), name="human")
    assert (meta["mine"], body) == ("kept", "Words of my own.\n\n- an item\n- another\n")


@pytest.mark.parametrize(
    ("label", "item", "sentence"),
    [
        ("colour", "red", "there is no core block 'colour'; there are persona, human, system_context"),
        ("human", " \n ", "there is nothing to add to the core block 'human': the item is empty"),
    ],
)
def test_what_cannot_be_added(tmp_path: Path, label: str, item: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        engine(tmp_path).update_core_memory(label, item, NOW)
    assert str(caught.value) == sentence


def test_a_read_only_block_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "core/persona.md"
    path.parent.mkdir()
    path.write_text("---\nformat: llmos-core-block/1\nlabel: persona\nread_only: true\n---\n- kind\n")
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        engine(tmp_path).update_core_memory("persona", "rude", NOW)
    assert str(caught.value) == f"{path} is read-only (its front matter says so)"
    assert path.read_bytes() == before


def test_a_block_without_front_matter_is_named(tmp_path: Path) -> None:
    path = tmp_path / "core/human.md"
    path.parent.mkdir()
    path.write_text("just words\n")
    with pytest.raises(StoreError) as caught:
        engine(tmp_path).core_text()
    assert str(caught.value) == f"{path} line 1: there must be settings between two lines of ---"


def test_a_passage_is_one_file_whoever_says_it_again(tmp_path: Path) -> None:
    made = engine(tmp_path)
    path = made.add_archival_memory("The database moved to port 5433.", "session 1", NOW)
    assert made.add_archival_memory("The database moved to port 5433.\n", "session 2", LATER) == path
    assert path.name.startswith("the-database-moved-to-port-5433-")
    assert load_front_matter(path.read_bytes(), name="p") == (
        {"format": "llmos-archival/1", "recorded": "2026-11-22T12:00:00+00:00", "source": "session 1"},
        "The database moved to port 5433.\n",
    )
    assert len(list((tmp_path / "archival").iterdir())) == 1


def test_an_empty_passage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the passage is empty"):
        engine(tmp_path).add_archival_memory(" \n", "s", NOW)


@given(st.text(min_size=1).filter(str.strip))
def test_any_passage_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.mktemp("m")
    path = engine(root).add_archival_memory(text, "s", NOW)
    assert load_front_matter(path.read_bytes(), name="p")[1] == text.strip() + "\n"


def test_half_a_character_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="half a character"):
        engine(tmp_path).add_archival_memory("x\udcff", "s", NOW)


def test_two_processes_at_once_both_keep_their_items(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "from llmos.memory.memory_engine import MemoryEngine\n"
        "made = MemoryEngine(Path(sys.argv[1]) / 'core', Path(sys.argv[1]) / 'archival')\n"
        "[made.update_core_memory('human', f'{sys.argv[2]} {n}', datetime.now(UTC)) for n in range(15)]\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stderr=subprocess.PIPE)
        for name in ("one", "two")
    ]
    assert [(worker.communicate()[1], worker.returncode) for worker in workers] == [(b"", 0), (b"", 0)]
    lines = engine(tmp_path).core_text().splitlines()[1:]
    assert sorted(lines) == sorted(f"- {name} {number}" for name in ("one", "two") for number in range(15))
