"""Each message is indexed as soon as it is written; what hinders that never hinders a turn."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmos.core.errors import NoModelError
from llmos.memory.recall import Recall
from llmos.memory.recall_index import RecallIndex
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock
from tests.memory.test_recall import LetterEmbedder, turn_events

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def recall_of(root: Path, *, frozen: bool = False, embedder: LetterEmbedder | None = None) -> Recall:
    return Recall(root / "recall", root / "derived", lambda: embedder, frozen=frozen)


def say(root: Path, recall: Recall, session: str, *goals: str) -> None:
    clock = FixedClock(NOW)
    made = Transcript(root / "recall", root / "open", session=session, clock=clock, said=recall.take)
    for turn, goal in enumerate(goals):
        for event in turn_events(goal, "Noted.", "/work/atlas", turn):
            made.record(event)
        clock.advance(60)
    made.close()


def stored(root: Path) -> list[str]:
    """The messages in the file of the index, without taking anything in."""
    connection = sqlite3.connect(root / "derived/memory.sqlite")
    try:
        return [row[0] for row in connection.execute("select text from messages where role = 'user' order by id")]
    finally:
        connection.close()


def found(recall: Recall, question: str) -> list[str]:
    return [hit.message.text for hit in recall.search(question, now=NOW) if hit.relevant]


def test_a_message_is_in_the_index_when_it_is_written(tmp_path: Path) -> None:
    recall = recall_of(tmp_path)
    say(tmp_path, recall, "one", "the port is 5433", "the colour is green")
    assert stored(tmp_path) == ["the port is 5433", "the colour is green"]
    recall.close()


def test_while_another_process_writes_the_turn_goes_on_and_the_next_search_takes_it_in(tmp_path: Path) -> None:
    recall = recall_of(tmp_path)
    say(tmp_path, recall, "one", "the port is 5433")
    other = sqlite3.connect(tmp_path / "derived/memory.sqlite", isolation_level=None)
    other.execute("begin immediate")
    say(tmp_path, recall, "two", "the colour is green")
    other.execute("rollback")
    other.close()
    assert stored(tmp_path) == ["the port is 5433"]
    assert found(recall, "which colour?") == ["the colour is green"]
    recall.close()


@pytest.mark.parametrize("damage", ["garbage before", "garbage within", "deleted within", "no folder"])
def test_a_broken_index_fails_no_turn_and_comes_back(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "derived/memory.sqlite"
    recall = recall_of(tmp_path)
    if damage == "garbage before":
        path.parent.mkdir()
        path.write_bytes(b"no database" * 999)
    elif damage == "no folder":
        path.parent.write_text("in the way")
    else:
        say(tmp_path, recall, "one", "the port is 5433")
        if damage == "deleted within":
            path.unlink()
        else:
            with closing(sqlite3.connect(path)) as other:
                other.execute("pragma wal_checkpoint(truncate)").fetchall()
            path.write_bytes(b"\0" * path.stat().st_size)
    say(tmp_path, recall, "two", "the colour is green")
    assert found(recall, "which colour?") == ["the colour is green"]
    recall.close()
    again = recall_of(tmp_path)
    assert found(again, "which colour?") == ["the colour is green"]
    again.close()


def test_frozen_writes_nothing_and_finds_all_the_same(tmp_path: Path) -> None:
    say(tmp_path, recall_of(tmp_path, frozen=True), "one", "the port is 5433")
    frozen = recall_of(tmp_path, frozen=True)
    assert found(frozen, "which port?") == ["the port is 5433"]
    assert not (tmp_path / "derived").exists()
    frozen.close()


def test_no_vector_and_no_word_outlives_its_message(tmp_path: Path) -> None:
    recall = recall_of(tmp_path, embedder=LetterEmbedder())
    say(tmp_path, recall, "one", "zzzzzz")
    say(tmp_path, recall, "two", "the colour is green")
    vectors = recall.vectors()
    assert vectors is not None
    assert vectors.embed_pending(99) == 4
    next((tmp_path / "recall").glob("*one*")).unlink()
    recall.refresh()
    rows = (tmp_path / "derived/message_vectors.f32").read_bytes()
    width = 26 * 4
    assert [any(rows[start : start + width]) for start in range(0, len(rows), width)] == [False, False, True, True]
    assert (recall.index.gone(), vectors.pending(), found(recall, "zzzzzz")) == ([], 0, [])
    recall.close()
    left = b"".join(path.read_bytes() for path in (tmp_path / "derived").iterdir())
    assert b"zzz" not in left
    assert b"colour" in left


def test_the_next_message_of_a_file_that_was_taken_out_is_not_given_an_old_number(tmp_path: Path) -> None:
    recall = recall_of(tmp_path)
    say(tmp_path, recall, "one", "first")
    recall.index.drop(next((tmp_path / "recall").iterdir()).name)
    index = RecallIndex(tmp_path / "recall", tmp_path / "derived")
    index.refresh()
    assert [message.number for message in index.latest(9)] == [3, 4]
    index.close()
    recall.close()


def test_vectors_are_made_beside_with_a_connection_of_their_own(tmp_path: Path) -> None:
    embedder = LetterEmbedder()
    recall = recall_of(tmp_path, embedder=embedder)
    say(tmp_path, recall, "one", "the port is 5433")
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(recall.embed_waiting).result() == 2
    assert found(recall, "which port?")[0] == "the port is 5433"
    assert embedder.embedded[:2] == ["the port is 5433", "Noted.\n(ran shell: ls)"]
    assert len(embedder.embedded) == 3
    recall.close()


class BrokenEmbedder(LetterEmbedder):
    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        raise NoModelError("the embedder needs onnxruntime")


def test_an_embedder_that_fails_costs_meaning_and_not_the_search(tmp_path: Path) -> None:
    recall = recall_of(tmp_path, embedder=BrokenEmbedder())
    say(tmp_path, recall, "one", "the port is 5433")
    assert recall.embed_waiting() == 0
    assert found(recall, "which port?") == ["the port is 5433"]
    recall.close()
