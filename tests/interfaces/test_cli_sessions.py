"""`llmos sessions`: what is on record, readable and deletable."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from cli_world import COUNT, Ended, Llmos

from llmos.core.errors import ExitStatus


@pytest.fixture
def two(kept: str, llmos: Llmos) -> list[str]:
    """Ids of two sessions: one that learned, one that replayed."""
    llmos("run", "-y", COUNT)
    return [row["id"] for row in json.loads(llmos("sessions", "list", "--json").out)]


def test_sessions_are_listed_with_what_they_cost(two: list[str], llmos: Llmos) -> None:
    head, first, second = llmos("sessions", "list").out.splitlines()
    assert head.split() == ["ID", "LAST", "STATE", "TURNS", "COST", "SAVED", "SIZE", "FIRST", "GOAL"]
    assert first.split()[:1] + first.split()[3:7] == [two[0], "ended", "1", "$0.0001", "$0.00"]
    assert second.split()[:1] + second.split()[3:7] == [two[1], "ended", "1", "$0.00", "$0.0001"]
    learned, replayed = json.loads(llmos("sessions", "list", "--json").out)
    assert learned["cost_usd"] == replayed["saved_usd"] > 0
    assert llmos("sessions", "list", "-n", "1").err == "llmos: 1 earlier sessions are not shown; --limit shows more\n"


def test_a_session_is_shown_as_a_person_reads_it(two: list[str], kept: str, llmos: Llmos) -> None:
    def shown(identifier: str) -> list[str]:
        lines = llmos("sessions", "show", identifier).out.splitlines()
        return [re.sub(r"[\d.]+ s$", "N s", line) for line in lines[1:]]

    assert shown(two[0]) == [
        "",
        f"> {COUNT}",
        "  LEARNER: no saved run is like it",
        "  ran shell: wc -l < notes.txt",
        "    3",
        "3",
        "  ok · LEARNER · cost $0.0001 · 2 model calls · N s",
    ]
    assert shown(two[1][:6])[2:] == [
        f"  FOLLOWER · {kept}: claude-sonnet-5-5 did this goal before, and it was checked; "
        "replays so far: 0 right, 0 wrong",
        "  replayed shell: wc -l < notes.txt",
        "    3",
        "3",
        "  ok · FOLLOWER · cost $0.00 · 0 model calls · N s",
    ]
    record = json.loads(llmos("sessions", "show", "--json").out)
    assert (record["id"], record["records"][-1]["event"]) == (two[1], "memory_ticked")


def test_deleting_shows_first_and_asks(two: list[str], llmos: Llmos) -> None:
    recall = Path(os.environ["LLMOS_HOME"]) / "memories/recall"
    refused = llmos("sessions", "delete", *two)
    assert refused.code == ExitStatus.DENIED and len(refused.out.splitlines()) == 2
    assert refused.err.splitlines() == [
        "llmos: nobody to ask: delete these 2 for good? --yes answers it",
        "llmos: nothing was deleted",
    ]
    assert len(list(recall.glob("*.jsonl"))) == 2
    assert llmos("sessions", "delete", two[0], "-y").err == "llmos: deleted 1 session\n"
    assert [path.stem[11:] for path in recall.glob("*.jsonl")] == [two[1]]
    assert llmos("sessions", "show", two[0]) == Ended(
        2, "", f"llmos: there is no session {two[0]!r}; `llmos sessions list` shows them\n"
    )


def test_a_strange_transcript_is_one_sentence(two: list[str], llmos: Llmos) -> None:
    (path,) = (Path(os.environ["LLMOS_HOME"]) / "memories/recall").glob(f"*{two[1]}.jsonl")
    path.write_text(path.read_text().replace('"reasons":', '"why":'))
    ended = llmos("sessions", "show", two[1])
    assert (ended.code, ended.out) == (ExitStatus.STORE, "")
    assert ended.err == f"llmos: {path} is not a readable transcript: KeyError('reasons')\n"
