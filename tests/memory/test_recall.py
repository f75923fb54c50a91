"""What was said is found again: the recall index as a fold over transcripts, and the search over it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llmos.core.events import Event, Mode, Outcome, ToolStarted, TurnEnded, TurnStarted
from llmos.core.memory_text import (
    holds_secret,
    identifiers,
    in_first_person,
    is_near_duplicate,
    named_in,
    time_window,
)
from llmos.core.tool import Effect
from llmos.memory.memory_search import MemorySearch
from llmos.memory.recall_index import RecallIndex, keyword_query
from llmos.memory.recall_reader import RecallMessage
from llmos.memory.transcript import Transcript
from llmos.memory.vectors import MessageVectors
from llmos.testing import FixedClock

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class LetterEmbedder:
    """Vectors of letter counts: enough to be near where the same letters stand."""

    name = "letters"
    dimension = 26

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.embedded += texts
        rows = [[float(text.lower().count(chr(97 + letter))) for letter in range(26)] for text in texts]
        sizes = [sum(value * value for value in row) ** 0.5 or 1.0 for row in rows]
        return [[value / size for value in row] for row, size in zip(rows, sizes, strict=True)]


def ended(answer: str) -> TurnEnded:
    return TurnEnded(
        outcome=Outcome.OK,
        mode=Mode.LEARNER,
        answer=answer,
        reason="",
        cost_usd=0.0,
        saved_usd=0.0,
        model_calls=1,
        elapsed_s=1.0,
    )


def talk(root: Path, session: str, *pairs: tuple[str, str], cwd: str = "/work/atlas", at: datetime = NOW) -> None:
    clock = FixedClock(at)
    made = Transcript(root / "recall", root / "open", session=session, clock=clock)
    for turn, (goal, answer) in enumerate(pairs):
        for event in turn_events(goal, answer, cwd, turn):
            made.record(event)
        clock.advance(60)
    made.close()


def turn_events(goal: str, answer: str, cwd: str, turn: int) -> list[Event]:
    call = ToolStarted(call_id="1", tool="shell", args={"command": "ls"}, effect=Effect.EXECUTE, replayed=False)
    return [TurnStarted(goal=goal, cwd=cwd, workspace="/ws", turn=turn), call, ended(answer)]


def opened(root: Path) -> RecallIndex:
    index = RecallIndex(root / "recall", root / "derived")
    index.refresh()
    return index


def found(index: RecallIndex, question: str, **options: str) -> list[str]:
    hits = MemorySearch(index).search(question, now=NOW, **options)
    return [hit.message.text for hit in hits if hit.relevant]


def test_each_message_is_there_once_with_its_place(tmp_path: Path) -> None:
    talk(tmp_path, "one", ("the port is 5433", "Noted."), ("list the files", "a.txt"))
    index = opened(tmp_path)
    index.refresh()
    assert [(m.name, m.role, m.project, m.text) for m in index.latest(9)] == [
        ("one:1", "user", "/work/atlas", "the port is 5433"),
        ("one:3", "assistant", "/work/atlas", "Noted.\n(ran shell: ls)"),
        ("one:4", "user", "/work/atlas", "list the files"),
        ("one:6", "assistant", "/work/atlas", "a.txt\n(ran shell: ls)"),
    ]
    assert index.named("one:4") == index.latest(2)[0]
    assert (index.named("one:99"), index.named("nonsense")) == (None, None)
    index.close()


def test_it_goes_on_where_it_stopped_and_a_torn_line_waits_until_it_is_whole(tmp_path: Path) -> None:
    talk(tmp_path, "one", ("first", "x"))
    index = opened(tmp_path)
    path = next((tmp_path / "recall").glob("*.jsonl"))
    line = json.dumps({"seq": 9, "at": NOW.isoformat(), "event": "turn_started", "goal": "second", "cwd": "/w"})
    with path.open("a") as file:
        file.write(line[:20])
    index.refresh()
    assert index.count() == 2
    with path.open("a") as file:
        file.write(line[20:] + "\n")
    index.refresh()
    assert [m.text for m in index.latest(1)] == ["second"]
    index.close()


@pytest.mark.parametrize("damage", ["delete", "garbage", "version"])
def test_the_index_comes_back_from_the_transcripts(tmp_path: Path, damage: str) -> None:
    talk(tmp_path, "one", ("the port is 5433", "Noted."))
    opened(tmp_path).close()
    path = tmp_path / "derived/memory.sqlite"
    if damage == "delete":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"no database" * 1000)
    else:
        with closing(sqlite3.connect(path)) as other:
            other.execute("pragma user_version = 99")
    index = opened(tmp_path)
    assert found(index, "which port?") == ["the port is 5433"]
    index.close()


def test_a_transcript_that_is_gone_is_found_no_more(tmp_path: Path) -> None:
    talk(tmp_path, "one", ("the port is 5433", "Noted."))
    talk(tmp_path, "two", ("the colour is green", "Noted."))
    index = opened(tmp_path)
    next((tmp_path / "recall").glob("*one*")).unlink()
    assert (found(index, "port"), found(index, "colour")) == ([], ["the colour is green"])
    index.close()


def test_where_the_derived_folder_cannot_be_written_search_works_from_the_files(tmp_path: Path) -> None:
    talk(tmp_path, "one", ("the port is 5433", "Noted."))
    (tmp_path / "derived").write_text("in the way")
    index = opened(tmp_path)
    assert found(index, "port") == ["the port is 5433"]
    index.close()


def test_two_processes_index_the_same_transcripts_once(tmp_path: Path) -> None:
    for number in range(20):
        talk(tmp_path, f"s{number:02}", (f"fact number {number}", "Noted."))
    code = (
        "import sys; from pathlib import Path; from llmos.memory.recall_index import RecallIndex\n"
        "root = Path(sys.argv[1]); index = RecallIndex(root / 'recall', root / 'derived'); index.refresh()\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE) for _ in range(3)]
    assert [(worker.communicate()[1], worker.returncode) for worker in workers] == [(b"", 0)] * 3
    index = opened(tmp_path)
    assert (index.count(), len({m.name for m in index.latest(99)})) == (40, 40)
    index.close()


def test_identifiers_are_found_to_the_letter(tmp_path: Path) -> None:
    talk(tmp_path, "one", ("error E0502 in src/lib.rs", "Looked."), ("error E0503 in src/main.rs", "Looked."))
    index = opened(tmp_path)
    assert found(index, "what about E0503?")[0] == "error E0503 in src/main.rs"
    assert found(index, "E0599") == []
    index.close()


def test_the_persons_words_and_this_project_come_first(tmp_path: Path) -> None:
    talk(tmp_path, "one", ("say something", "the deploy key is in vault seven"), cwd="/work/atlas")
    talk(tmp_path, "two", ("the deploy key is in vault seven", "Noted."), cwd="/work/drift")
    talk(tmp_path, "six", ("the deploy key is in vault seven", "Noted."), cwd="/work/atlas")
    index = opened(tmp_path)
    hits = MemorySearch(index).search("where is the deploy key", now=NOW, project="/work/atlas")
    assert [hit.message.name for hit in hits[:2]] == ["six:1", "two:1"]
    index.close()


def test_a_time_in_the_question_selects_and_the_rest_stays_reachable(tmp_path: Path) -> None:
    talk(tmp_path, "old", ("deployed release alpha", "ok"), at=datetime(2026, 3, 8, 12, 0, tzinfo=UTC))
    talk(tmp_path, "new", ("deployed release beta", "ok"), at=NOW - timedelta(days=2))
    index = opened(tmp_path)
    assert [found(index, f"what was deployed {when}")[0] for when in ("in March", "recently", "on 8 March 2026")] == [
        "deployed release alpha",
        "deployed release beta",
        "deployed release alpha",
    ]
    assert {"deployed release alpha", "deployed release beta"} <= set(found(index, "what was deployed in March"))
    index.close()


def test_a_name_is_found_also_where_the_question_puts_it_in_the_genitive() -> None:
    index = RecallIndex(Path("/nonexistent"), None)
    said = [("Ann", "my parrot is called Kiwi"), ("Bob", "my parrot is called Coco")]
    index.add(RecallMessage("one", n, NOW, "user", name, "", text) for n, (name, text) in enumerate(said))
    hits = [MemorySearch(index).search(f"{name}'s parrot?", now=NOW)[0] for name in ("Ann", "Bob")]
    assert [hit.message.speaker for hit in hits] == ["Ann", "Bob"]
    assert keyword_query("Ann's parrot") == '"ann" OR "parrot"'
    index.close()


def test_what_nothing_is_about_is_not_found(tmp_path: Path) -> None:
    talk(tmp_path, "one", ("the port of the staging database is 5433", "Noted."))
    index = opened(tmp_path)
    assert found(index, "favourite holiday island of my grandmother") == []
    assert found(index, "") == []
    index.close()


def test_vectors_are_embedded_once_and_again_for_another_embedder(tmp_path: Path) -> None:
    talk(tmp_path, "one", ("aaa", "bbb"), ("ccc", "ddd"))
    index, embedder = opened(tmp_path), LetterEmbedder()
    vectors = MessageVectors(index, embedder, tmp_path / "derived")
    assert (vectors.pending(), vectors.embed_pending(3), vectors.pending(), vectors.embed_pending(99)) == (4, 3, 1, 1)
    again = MessageVectors(index, embedder, tmp_path / "derived")
    assert (again.pending(), again.embed_pending(99), len(embedder.embedded)) == (0, 0, 4)
    top, _ = again.nearest("ccc", 1)
    assert [m.text for m in index.messages(list(top))] == ["ccc"]
    other = LetterEmbedder()
    other.name = "letters-2"
    changed = MessageVectors(index, other, tmp_path / "derived")
    assert (changed.pending(), changed.embed_pending(99)) == (4, 4)
    index.start_over()
    index.refresh()
    assert MessageVectors(index, other, tmp_path / "derived").pending() == 4
    index.close()


def test_meaning_finds_what_no_word_does(tmp_path: Path) -> None:
    talk(tmp_path, "one", ("zzzz zzzz", "Noted."), ("mmmm", "Noted."))
    index = opened(tmp_path)
    search = MemorySearch(index, MessageVectors(index, LetterEmbedder(), tmp_path / "derived"))
    assert search.search("zzz", now=NOW)[0].message.text == "zzzz zzzz"
    index.close()


def test_whoever_is_named_is_asked_in_the_first_person() -> None:
    names = frozenset({"maya", "jo"})
    assert named_in("What is Maya's cat called, Ruben?", names) == {"maya"}
    assert in_first_person("What is Maya's cat called?", frozenset({"maya"})) == "What is my cat called?"
    assert in_first_person("Where did Jo and Maya meet Mayas?", names) == "Where did I and I meet Mayas?"
    assert in_first_person("Where did Jo go?", frozenset()) == "Where did Jo go?"


def test_the_meaning_of_a_question_is_looked_up_without_the_name_it_calls() -> None:
    index, embedder = RecallIndex(Path("/nonexistent"), None), LetterEmbedder()
    index.add([RecallMessage("one", 1, NOW, "user", "Maya", "", "I called her Pickle.")])
    MemorySearch(index, MessageVectors(index, embedder, None)).search("What is Maya's cat called?", now=NOW)
    assert embedder.embedded == ["I called her Pickle.", "What is my cat called?"]
    assert index.speakers() == {"maya"}
    index.close()


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("what broke in March?", "2026-03-01", "2026-04-01"),
        ("in December", "2025-12-01", "2026-01-01"),
        ("on 8 May, 2023", "2023-05-08", "2023-05-09"),
        ("May 8th 2023", "2023-05-08", "2023-05-09"),
        ("2026-02-28?", "2026-02-28", "2026-03-01"),
        ("yesterday", "2026-11-23", "2026-11-24"),
        ("last week", "2026-11-16", "2026-11-23"),
        ("last month", "2026-10-01", "2026-11-01"),
        ("3 days ago", "2026-11-21", "2026-11-22"),
        ("in 2025", "2025-01-01", "2026-01-01"),
    ],
)
def test_times_that_a_question_names(question: str, start: str, end: str) -> None:
    window = time_window(question, NOW)
    assert window is not None
    assert (window.start.date().isoformat(), window.end.date().isoformat()) == (start, end)


@pytest.mark.parametrize("question", ["may I ask?", "the 31 February 2026", "march on", "what is next"])
def test_where_a_question_names_no_time(question: str) -> None:
    assert time_window(question, NOW) is None


def test_identifiers_and_secrets() -> None:
    said = "see src/main.rs:12, E0502 and deploy_key in v1.2.3 at 0xdeadbeef, but not this word"
    assert identifiers(said) == {"src/main.rs:12", "e0502", "deploy_key", "v1.2.3", "0xdeadbeef"}
    secrets = ("password: hunter22", "my api key is abcd1234", "sk-" + "a" * 24, "ghp_" + "a" * 24)
    assert [holds_secret(text) for text in secrets] == [True] * 4
    assert not holds_secret("the staging database listens on port 5433")


def test_near_duplicates_say_the_same() -> None:
    assert is_near_duplicate("I prefer tabs.", "i prefer Tabs")
    assert is_near_duplicate("The port is 5433", "the ports are 5433")
    assert not is_near_duplicate("The port is 5433", "The port is 5434")
    assert not is_near_duplicate("I use tabs", "I never use tabs")
