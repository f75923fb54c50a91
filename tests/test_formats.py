"""docs/formats.md is a contract: every sample on it is read by the reader of its kind."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmos.adapters.bash_parser import parse_bash
from llmos.core.batch import BatchGoal
from llmos.core.core_block import CoreItem
from llmos.core.event_records import event_record
from llmos.core.permission import check_examples
from llmos.core.spending import Caps
from llmos.memory.agent_files import AgentFiles
from llmos.memory.agent_logs import agent_path
from llmos.memory.approvals import Approvals
from llmos.memory.batch_files import BatchFiles, read_input
from llmos.memory.block_files import dump_block
from llmos.memory.config import load_config
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.memory_exchange import read_import
from llmos.memory.money_journal import MoneyJournal
from llmos.memory.passage_files import dump_passage
from llmos.memory.quarantine import Quarantine
from llmos.memory.saved_permissions import SavedPermissions
from llmos.memory.setting_kinds import RuleWithExamples
from llmos.memory.signing import key_path
from llmos.memory.trace_files import decode_trace, encode_trace
from llmos.memory.trace_index import TraceIndex
from llmos.memory.trace_labels import TraceLabels
from llmos.memory.transcript import read_session, read_transcript
from llmos.memory.workspace import find_workspace
from llmos.testing import FixedClock

PAGE = Path(__file__).parents[1] / "docs/formats.md"
SAMPLES = dict(re.findall(r"^```\w+ ([\w-]+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def test_every_kind_has_a_sample() -> None:
    assert sorted(SAMPLES) == [
        "agent",
        "agent-transcript",
        "approvals",
        "archival",
        "batch",
        "batch-journal",
        "batch-results",
        "changes",
        "config",
        "core-block",
        "labels",
        "memory",
        "money",
        "outcomes",
        "permissions",
        "quarantine",
        "tombstones",
        "trace",
        "trace-foreign",
        "trace-graph",
        "transcript",
    ]


def test_config(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(SAMPLES["config"])
    environ = {"LLMOS_HOME": str(tmp_path / "home")}
    config = load_config(find_workspace(tmp_path, environ, tmp_path), environ, {})
    assert config.notices == ()
    rule = RuleWithExamples(rule="shell(rm *)", match=("sudo rm -r x",), no_match=("echo rm",))
    assert config.settings.budget.per_goal_usd == 0.5
    assert config.settings.permissions.deny == ("shell(git push*)", rule)
    check_examples(config.rules, parse_bash)


@pytest.mark.parametrize("name", ["trace", "trace-foreign", "trace-graph"])
def test_trace_is_read_and_written_back_to_the_letter(name: str) -> None:
    sample = SAMPLES[name].encode()
    assert encode_trace(decode_trace(sample, name="docs/formats.md")) == sample


def test_outcomes(tmp_path: Path) -> None:
    (tmp_path / "outcomes.jsonl").write_text(SAMPLES["outcomes"])
    index = TraceIndex(tmp_path, tmp_path / ".llmos")
    index.refresh()
    found = index.outcomes("create-a-file-notes-txt-containing-hello-7ee73448")
    wrong = index.wrong("create a file .env containing hello")
    aliases = index.aliases(trace="create-a-file-notes-txt-containing-hello-7ee73448")
    assert (index.problems(), found.successes, found.failures) == ([], 1, 1)
    index.close()
    assert [one.reason for one in wrong] == ["it was ignored by git"]
    assert [(one.goal, one.values) for one in aliases] == [
        ("make a file b.txt that says hello", (("notes.txt", "b.txt"),))
    ]


def test_exported_memory(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    path.write_text(SAMPLES["memory"])
    (passage,) = read_import(path, MemoryEngine(tmp_path / "core", tmp_path / "archival")).passages
    assert (passage.text, passage.by, passage.valid_from) == ("Prefers tabs in Makefiles.", "model", "2026-11-23")


def test_names(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text(SAMPLES["labels"])
    assert TraceLabels(tmp_path).all() == {"create-a-file-notes-txt-containing-hello-7ee73448": "hello-file"}


def test_approvals(tmp_path: Path) -> None:
    home = tmp_path / ".llmos"
    home.mkdir()
    (home / "approvals.jsonl").write_text(SAMPLES["approvals"])
    key_path(home).write_bytes(bytes(range(32)))
    key_path(home).chmod(0o600)
    assert "5993470f9623fa03ced2745e552210cbcacdc1f38f6dac18153823da3bc221d9" in Approvals(home)


def test_money(tmp_path: Path) -> None:
    (tmp_path / ".llmos.money").mkdir()
    (tmp_path / ".llmos.money" / "2026-11.jsonl").write_text(SAMPLES["money"])
    journal = MoneyJournal(tmp_path / ".llmos", clock=FixedClock(), session="x", workspace=tmp_path, caps=Caps(1, 1))
    spending = journal.spending(datetime(2026, 11, 30, tzinfo=UTC))
    assert (spending.of_session("a1b2c3d4"), spending.of_day("2026-11-26"), spending.open()) == (0.5125, 0.5125, 1)


def test_quarantine(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    kept = quarantine.folder / "20261126-140847-9020/traces/sort-names-txt-4a6b8e04.yaml"
    kept.parent.mkdir(parents=True)
    kept.touch()
    (quarantine.folder / "log.jsonl").write_text(SAMPLES["quarantine"])
    (one,) = quarantine.all()
    assert (one.path, one.was) == (kept, tmp_path / "traces/sort-names-txt-4a6b8e04.yaml")


def test_saved_permissions(tmp_path: Path) -> None:
    home = tmp_path / ".llmos"
    home.mkdir()
    (home / "permissions.jsonl").write_text(SAMPLES["permissions"])
    key_path(home).write_bytes(bytes(range(32)))
    key_path(home).chmod(0o600)
    saved = SavedPermissions(home, lambda: datetime.now(UTC))
    assert saved.unconfirmed() == ()
    (kept,) = saved.all()
    assert kept.run is not None
    assert (kept.id, kept.folder, kept.run.trace) == ("c2d4e6f8", "/home/ada/site", "sort-names-txt-4a6b8e04")


def test_agent(tmp_path: Path) -> None:
    (tmp_path / "reviewer.md").write_text(SAMPLES["agent"])
    roles, problems = AgentFiles(tmp_path, ("read_file", "search_files", "list_files", "shell"), frozenset()).read()
    assert problems == []
    assert (roles["reviewer"].tools, roles["reviewer"].model) == (
        frozenset({"read_file", "search_files", "list_files"}),
        "inherit",
    )


def test_transcript(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-23-1be8c2db.jsonl"
    path.write_text(SAMPLES["transcript"])
    events = [record["event"] for record in read_transcript(path, pytest.fail)]
    assert events == ["turn_started", "permission_decided", "nested", "agent_asked"]


def test_the_transcript_of_an_agent_is_read_where_it_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-23-1be8c2db.jsonl"
    path.write_text(SAMPLES["transcript"])
    of_agent = agent_path(path, "reviewer-1")
    of_agent.parent.mkdir(parents=True)
    of_agent.write_text(SAMPLES["agent-transcript"])
    last = list(read_session(path, pytest.fail))[-1]
    assert (last["parent"], last["kind"], last["of"]["goal"]) == (
        "reviewer-1",
        "turn_started",
        "read app.py and name its defects",
    )


def test_a_core_block_is_read_and_written_back_to_the_letter(tmp_path: Path) -> None:
    sample = SAMPLES["core-block"]
    (tmp_path / "human.md").write_text(sample)
    memory = MemoryEngine(tmp_path, tmp_path / "archival")
    block = memory.block("human")
    assert dump_block(block).decode() == sample
    assert block.items[1] == CoreItem(
        "Prefers tabs in Makefiles and nowhere else.",
        id="3f2a9c1e",
        date="2026-11-23",
        by="user",
        evidence=("1be8c2db:4", "1be8c2db:9"),
        strength=0.5025,
        pinned=True,
    )
    assert memory.core_text() == (
        "[human]\n- Signs commits with GPG.\n- Prefers tabs in Makefiles and nowhere else.\nA line of my own."
    )


def test_an_archival_passage_is_read_and_written_back_to_the_letter(tmp_path: Path) -> None:
    name = "the-staging-database-moved-to-port-5433-9d2f6c1a"
    (tmp_path / f"{name}.md").write_text(SAMPLES["archival"])
    memory = MemoryEngine(tmp_path / "core", tmp_path)
    passage = memory.passage(name)
    assert dump_passage(passage).decode() == SAMPLES["archival"]
    assert (passage.subject, passage.state, passage.sources[0].message) == (
        "staging database",
        "superseded",
        "1be8c2db:1",
    )


def test_changes_and_tombstones(tmp_path: Path) -> None:
    (tmp_path / "changes.jsonl").write_text(SAMPLES["changes"])
    (tmp_path / "tombstones.jsonl").write_text(SAMPLES["tombstones"])
    memory = MemoryEngine(tmp_path / "core", tmp_path / "archival")
    assert [change.sentences for change in memory.log.all()] == [
        ("added to human: Prefers tabs in Makefiles and nowhere else.",)
    ]
    assert memory.tombstones.bars("I live in Bern", ["1be8c2db:2"])
    assert not memory.tombstones.bars("I live in Bern", ["1be8c2db:2", "1be8c2db:40"])


def test_the_names_of_events_are_those_of_the_code() -> None:
    from llmos.core.events import Notice

    assert event_record(Notice(text="x")) == {"event": "notice", "text": "x"}


def test_batch_input(tmp_path: Path) -> None:
    found = list(read_input(SAMPLES["batch"].encode(), "goals.txt", tmp_path, goal_bytes=1_000))
    assert [(one.id, one.goal, one.directory, one.cap_usd) for one in found if isinstance(one, BatchGoal)] == [
        ("1", "count the lines of notes.txt", str(tmp_path), None),
        ("site", "sort names.txt", f"{tmp_path}/sites/a", 0.25),
        ("3", "list the biggest files", str(tmp_path), None),
    ]


def test_batch_results_and_journal(tmp_path: Path) -> None:
    (tmp_path / "x.results.jsonl").write_text(SAMPLES["batch-results"])
    (tmp_path / "x.results.jsonl.journal").write_text(SAMPLES["batch-journal"])
    files = BatchFiles(tmp_path / "x.results.jsonl", FixedClock().now(), print)
    files.close()
    known = files.progress.known
    assert files.batch == "057bb7e255f3b7b5"
    assert [(key, one.begun, one.row is not None and one.todo.value) for key, one in known.items()] == [
        ("5e3c17b417049d99", "", "done"),
        ("c695c327ccaea048", "", "unknown"),
        ("0d6f0e5a11bb2c3d", "e5f6a7b8", False),
    ]
    assert (tmp_path / "x.results.jsonl").read_text() == SAMPLES["batch-results"]
