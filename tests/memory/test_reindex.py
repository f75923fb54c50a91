"""`llmos reindex`: what is derived comes back from the files, and goes on where it was cut off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from cli_world import COUNT, Llmos

from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.reindex import Stage, message_stage, passage_stage, reindex, vector_stage
from tests.memory.test_archival_search import NOW, Embeds, in_folder, memory_of
from tests.memory.test_recall import LetterEmbedder
from tests.memory.test_recall_wired import recall_of, say


class StoppedEmbedder(LetterEmbedder):
    """One that the person stops after so many texts."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if len(self.embedded) >= self.after:
            raise KeyboardInterrupt
        return super().embed(texts)


def run(root: Path, embedder: LetterEmbedder) -> list[tuple[str, int, bool]]:
    recall = recall_of(root, embedder=embedder)
    try:
        stages = [message_stage(recall), vector_stage(recall)]
        told = reindex(root / "derived", [stage for stage in stages if stage], lambda *_: None)
        return [(stage.name, count, went_on) for stage, count, went_on in told]
    finally:
        recall.close()


def test_it_goes_on_where_it_was_cut_off_and_starts_over_the_next_time(tmp_path: Path) -> None:
    say(tmp_path, recall_of(tmp_path), "one", *(f"message {number}" for number in range(40)))
    stopped = StoppedEmbedder(after=33)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stopped)
    assert json.loads((tmp_path / "derived/reindex.json").read_bytes()) == {"begun": "vectors", "done": ["messages"]}
    again = LetterEmbedder()
    assert run(tmp_path, again) == [("vectors", 80, True)]
    assert (len(stopped.embedded), len(again.embedded)) == (64, 16)
    assert not (tmp_path / "derived/reindex.json").exists()
    third = LetterEmbedder()
    assert run(tmp_path, third) == [("messages", 80, False), ("vectors", 80, False)]
    assert len(third.embedded) == 80


KILLED = """
import os, signal, sys
from pathlib import Path
from llmos.memory.reindex import passage_stage, reindex
from tests.memory.test_archival_search import ArchivalSearch, Embeds, in_folder, memory_of

class Killed(Embeds):
    def embed(self, texts):
        if len(self.seen) >= 32:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed(texts)

root = Path(sys.argv[1])
memory = memory_of(root)
stage = passage_stage(memory, ArchivalSearch(memory, Killed, in_folder(root)), root / "derived/chroma")
list(reindex(root / "derived", [stage], lambda *_: None))
"""


def test_vectors_of_passages_go_on_after_a_kill(tmp_path: Path) -> None:
    memory = memory_of(tmp_path, *(f"Fact number {number} about trucks" for number in range(50)))
    old = ArchivalSearch(memory, lambda: Embeds("another@0", 8), in_folder(tmp_path))
    assert old.synchronise() == 50
    old.close()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parent.parent.parent)
    assert killed.returncode == -signal.SIGKILL
    embeds = Embeds()
    search = ArchivalSearch(memory, lambda: embeds, in_folder(tmp_path))
    stage = passage_stage(memory, search, tmp_path / "derived/chroma")
    told = [(stage.name, count, went_on) for stage, count, went_on in reindex(tmp_path / "derived", [stage], nobody)]
    assert (told, len(embeds.seen)) == ([("passages", 50, True)], 18), "the 32 of before the kill are kept"
    assert len(search.search("lorry", now=NOW)) == 10
    told = [(stage.name, count, went_on) for stage, count, went_on in reindex(tmp_path / "derived", [stage], nobody)]
    assert (told, len(embeds.seen)) == ([("passages", 50, False)], 18 + 1 + 50), "a store that is open starts over too"
    search.close()


def nobody(stage: Stage, at: int, of: int) -> None:
    """Hears of the progress."""


def test_progress_is_told_stage_by_stage(tmp_path: Path) -> None:
    for session in ("one", "two"):
        say(tmp_path, recall_of(tmp_path), session, "hello")
    recall, told = recall_of(tmp_path, embedder=LetterEmbedder()), []

    def report(stage: Stage, done: int, of: int) -> None:
        told.append((stage.name, done, of))

    stages = [message_stage(recall), vector_stage(recall)]
    list(reindex(tmp_path / "derived", [stage for stage in stages if stage], report))
    assert told == [("messages", 1, 2), ("messages", 2, 2), ("vectors", 4, 4)]
    recall.close()


@pytest.mark.usefixtures("kept")
def test_the_command_makes_everything_again_from_the_files(llmos: Llmos) -> None:
    home = Path(os.environ["LLMOS_HOME"])
    before = llmos("run", "--dry-run", "-o", "json", COUNT)
    for path in (home / ".llmos").glob("*.sqlite*"):
        path.write_bytes(b"broken")
    ended = llmos("reindex")
    assert (ended.code, ended.out) == (0, "traces: 1\nmessages: 2\n")
    assert ended.err == "llmos: no vectors were made: `llmos models pull minilm` gets the model that finds by meaning\n"
    assert json.loads(llmos("run", "--dry-run", "-o", "json", COUNT).out)["mode"] == json.loads(before.out)["mode"]
    assert llmos("reindex").out == "traces: 1\nmessages: 2\n"
