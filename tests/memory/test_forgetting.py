"""Forgetting: a thing that was forgotten is in no file, table or vector, and does not come back after reindexing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmos.core.core_edits import CoreEdit, EditKind
from llmos.core.errors import UsageError
from llmos.core.events import Event, MessageAdded, Notice, TurnStarted
from llmos.core.messages import Message, Text, user_text
from llmos.core.passage import Passage, PassageState, Source
from llmos.core.session_events import MemoryTicked
from llmos.memory.forgetting import Forgetting
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.recall import Recall
from llmos.memory.sessions import Sessions
from llmos.memory.transcript import Transcript
from llmos.memory.workspace import Workspace, WorkspaceOrigin
from llmos.testing import FixedClock
from tests.memory.test_recall import LetterEmbedder, ended

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BY_TICK = Writer(NOW, "core update at message 10")


class World:
    def __init__(self, root: Path) -> None:
        self.space = Workspace(root, WorkspaceOrigin.FLAG, root / "home")
        self.memory = MemoryEngine(self.space.core_blocks, self.space.archival)
        self.recall = Recall(self.space.recall, self.space.derived, LetterEmbedder)
        self.forgetting = Forgetting(self.space, self.memory, self.recall, self.space.derived / "prefix")
        self.clock = FixedClock(NOW)
        self.space.derived.mkdir(parents=True)

    def session(self, name: str, *events: Event) -> None:
        transcript = Transcript(
            self.space.recall, self.space.derived / "open", session=name, clock=self.clock, said=self.recall.take
        )
        for event in events:
            transcript.record(event)
            self.clock.advance(1)
        transcript.close()

    def turn(self, goal: str, answer: str) -> list[Event]:
        started = TurnStarted(goal=goal, cwd="/work", workspace="/ws", turn=1)
        said = Message("assistant", (Text(answer),), wire=({"type": "text", "text": answer},))
        return [started, MessageAdded(message=user_text(goal)), MessageAdded(message=said), ended(answer)]

    def holding(self, text: str) -> list[str]:
        """The files below the workspace that hold a text."""
        found = []
        for path in sorted(self.space.root.rglob("*")):
            if path.is_file() and text.lower().encode() in path.read_bytes().lower():
                found.append(str(path.relative_to(self.space.root)))
            if text.lower().split()[-1] in path.name.lower():
                found.append(path.name)
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A statement that became an item and a passage, was echoed, told by a tick, and said again in other places."""
    made = World(tmp_path)
    made.session(
        "aaaa1111",
        *made.turn("I always deploy from the Xanadu branch.", "Noted: you deploy from the xanadu branch."),
        *made.turn("How many files are here?", "Three."),
    )
    made.session(
        "bbbb2222",
        MemoryTicked(tier="core", message=10, done=True, changes=("added to human: Deploys from the Xanadu branch.",)),
        Notice(text="remembered: deploys from the  XANADU branch"),
        *made.turn("The staging port is 5433.", "Noted."),
    )
    evidence = ("aaaa1111:1",)
    add = CoreEdit(EditKind.ADD, "Deploys from the Xanadu branch.", evidence=evidence, explicit=True)
    made.memory.update_core_memory("human", [add], BY_TICK)
    source = Source("aaaa1111:1", "I always deploy from the Xanadu branch")
    made.memory.add_archival_memory(Passage("", "The deploy branch is Xanadu.", sources=(source,)), BY_TICK)
    later = Passage("", "The staging port is 5433.", sources=(Source("bbbb2222:3"),), supersedes=())
    made.memory.add_archival_memory(later, BY_TICK)
    (made.space.derived / "history").write_text("# 1\n+I always deploy from the Xanadu branch.\n+other\n")
    (made.space.derived / "prefix").mkdir()
    (made.space.derived / "prefix/1.kv").write_text("xanadu")
    vectors = made.recall.vectors()
    assert vectors is not None
    vectors.embed_pending(99)
    return made


def item_of(world: World) -> str:
    return world.memory.block("human").items[0].id


def found(world: World, question: str) -> list[str]:
    recall = Recall(world.space.recall, world.space.derived, lambda: None)
    texts = [hit.message.text for hit in recall.search(question, now=NOW) if hit.relevant]
    recall.close()
    return texts


@pytest.mark.parametrize("by", ["item", "passage", "message"])
def test_it_is_in_no_file_and_does_not_come_back(world: World, by: str) -> None:
    passage = next(one for one in world.memory.passages() if "deploy" in one.text)
    chosen = {"item": item_of(world), "passage": passage.id, "message": "aaaa1111:1"}[by]
    what = world.forgetting.look([chosen])
    assert [item.text for _, item in what.items] == ["Deploys from the Xanadu branch."]
    assert [one.text for one in what.passages] == ["The deploy branch is Xanadu."]
    assert [message.name for message in what.messages] == ["aaaa1111:1"]
    done = world.forgetting.forget(what, NOW)
    assert (done.records > 3, done.transcripts, done.changes, done.still) == (True, 2, 4, ())
    assert world.holding("xanadu") == []
    assert world.holding("5433") != []
    world.recall.index.start_over()
    assert found(world, "Which branch do we deploy from?") == []
    assert found(world, "staging port?") == ["The staging port is 5433."]
    world.recall.close()
    assert world.holding("xanadu") == []
    bars = world.memory.tombstones.bars
    assert bars("Deploys from the Xanadu branch.", ["aaaa1111:1"])
    assert not bars("Deploys from the Xanadu branch.", ["cccc3333:1"])


def test_what_is_left_still_reads_and_goes_on(world: World) -> None:
    world.forgetting.forget(world.forgetting.look([item_of(world)]), NOW)
    store = Sessions(world.space.recall, world.space.derived / "open", world.space.root / "backups")
    assert [session.turns for session in store.all()] == [2, 1]
    conversation = store.load_conversation("aaaa1111")
    assert [message.text for message in conversation if message.role == "user"] == [
        "[forgotten]",
        "How many files are here?",
    ]
    added = [record["message"] for record in store.records("aaaa1111") if record["event"] == "message_added"]
    assert [(one["parts"][0]["text"], one["wire"]) for one in added if one["role"] == "assistant"] == [
        ("[forgotten]", []),
        ("Three.", [{"type": "text", "text": "Three."}]),
    ]
    assert not world.memory.block("human").items
    assert [(passage.text, passage.state) for passage in world.memory.passages()] == [
        ("The staging port is 5433.", PassageState.CURRENT)
    ]
    add = CoreEdit(EditKind.ADD, "Likes tea.", evidence=("bbbb2222:3",), explicit=True)
    world.memory.update_core_memory("human", [add], BY_TICK)
    assert [change.by for change in world.memory.log.all()].count("person") == 2, "no edit by hand was seen"
    world.recall.close()


def test_what_rests_on_the_same_message_and_says_something_else_stays_and_is_named(world: World) -> None:
    add = CoreEdit(EditKind.ADD, "Works at night.", evidence=("aaaa1111:1",), explicit=True)
    world.memory.update_core_memory("human", [add], BY_TICK)
    what = world.forgetting.look([item_of(world)])
    assert [line.split(" ", 1)[1] for line in what.beside] == ["Works at night."]
    world.forgetting.forget(what, NOW)
    assert [item.text for item in world.memory.block("human").items] == ["Works at night."]
    world.recall.close()


def test_a_saved_run_with_the_words_is_named(world: World) -> None:
    world.space.traces.mkdir()
    (world.space.traces / "deploy-1.yaml").write_text("goal: I always deploy from the Xanadu branch.\n")
    assert world.forgetting.forget(world.forgetting.look([item_of(world)]), NOW).still == ("deploy-1",)
    world.recall.close()


def test_while_the_session_goes_on_its_transcript_stays_whole(world: World) -> None:
    transcript = Transcript(
        world.space.recall, world.space.derived / "open", session="cccc3333", clock=world.clock, said=world.recall.take
    )
    for event in world.turn("My cat is called Zerberus.", "ok"):
        transcript.record(event)
    size = transcript.path.stat().st_size
    world.forgetting.forget(world.forgetting.look(["cccc3333:1"]), NOW)
    assert transcript.path.stat().st_size == size
    for event in world.turn("And my dog is Argos.", "ok"):
        transcript.record(event)
    transcript.close()
    assert found(world, "what is my dog called?") == ["And my dog is Argos."]
    assert world.holding("zerberus") == []
    world.recall.close()


def test_what_there_is_not_cannot_be_forgotten(world: World) -> None:
    with pytest.raises(UsageError, match="'nothing' is no archival passage"):
        world.forgetting.look(["nothing"])
    world.recall.close()
