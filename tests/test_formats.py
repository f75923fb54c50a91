"""docs/formats.md is a contract: every sample on it is read by the reader of its kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmos.core.events import event_record
from llmos.memory.approvals import Approvals
from llmos.memory.codec import dump_front_matter, load_front_matter
from llmos.memory.config import load_config
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.trace_files import decode_trace, encode_trace
from llmos.memory.trace_index import TraceIndex
from llmos.memory.trace_labels import TraceLabels
from llmos.memory.transcript import read_transcript
from llmos.memory.workspace import find_workspace

PAGE = Path(__file__).parents[1] / "docs/formats.md"
SAMPLES = dict(re.findall(r"^```\w+ ([\w-]+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def test_every_kind_has_a_sample() -> None:
    assert sorted(SAMPLES) == [
        "approvals",
        "archival",
        "config",
        "core-block",
        "labels",
        "outcomes",
        "trace",
        "transcript",
    ]


def test_config(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(SAMPLES["config"])
    environ = {"LLMOS_HOME": str(tmp_path / "home")}
    config = load_config(find_workspace(tmp_path, environ, tmp_path), environ, {})
    assert config.notices == ()
    assert (config.settings.budget.per_goal_usd, list(config.settings.permissions.deny)) == (0.5, ["shell(git push*)"])


def test_trace_is_read_and_written_back_to_the_letter() -> None:
    sample = SAMPLES["trace"].encode()
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


def test_names(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text(SAMPLES["labels"])
    assert TraceLabels(tmp_path).all() == {"create-a-file-notes-txt-containing-hello-7ee73448": "hello-file"}


def test_approvals(tmp_path: Path) -> None:
    (tmp_path / "approvals.jsonl").write_text(SAMPLES["approvals"])
    assert "5993470f9623fa03ced2745e552210cbcacdc1f38f6dac18153823da3bc221d9" in Approvals(tmp_path)


def test_transcript(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-23-1be8c2db.jsonl"
    path.write_text(SAMPLES["transcript"])
    assert [record["event"] for record in read_transcript(path, pytest.fail)] == ["turn_started", "permission_decided"]


@pytest.mark.parametrize("kind", ["core-block", "archival"])
def test_markdown_is_read_and_written_back_equal(kind: str) -> None:
    meta, body = load_front_matter(SAMPLES[kind].encode(), name=kind)
    assert load_front_matter(dump_front_matter(meta, body), name=kind) == (meta, body)


def test_a_core_block_goes_into_the_prompt(tmp_path: Path) -> None:
    (tmp_path / "human.md").write_text(SAMPLES["core-block"])
    text = MemoryEngine(tmp_path, tmp_path / "archival").core_text()
    assert text == "[human]\n- Prefers tabs in Makefiles and nowhere else."


def test_the_names_of_events_are_those_of_the_code() -> None:
    from llmos.core.events import Notice

    assert event_record(Notice(text="x")) == {"event": "notice", "text": "x"}
