"""The goal matching bench: it reads goals and traces alone, and writes a decision for every goal."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.goal_matching import BASELINES, Trace, main, muscle_mem_tag, padded, product

TRACES = [
    {"trace_id": "t1", "goal": "count lines in a.txt", "commands": ["wc -l a.txt"]},
    {"trace_id": "t2", "goal": 'make "old1" and enter it', "commands": ["mkdir 'old1'", "cd old1"]},
]
GOALS = [
    {"goal_id": "g1", "goal": "Count the lines in b.txt"},
    {"goal_id": "g2", "goal": "count words in b.txt"},
    {"goal_id": "g3", "goal": 'make "new2" and enter it'},
]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in TRACES), "utf-8")
    (tmp_path / "goals.jsonl").write_text("".join(json.dumps(row) + "\n" for row in GOALS), "utf-8")
    return tmp_path


def test_a_decision_for_every_goal_and_every_baseline(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(data), "--decisions", str(data / "out.jsonl"), "--timing", "5"]) == 0
    assert lines(data / "out.jsonl") == [
        {"goal_id": "g1", "mode": "FOLLOWER", "trace_id": "t1", "commands": ["wc -l b.txt"]},
        {"goal_id": "g2", "mode": "LEARNER", "trace_id": None, "commands": []},
        {"goal_id": "g3", "mode": "LEARNER", "trace_id": None, "commands": []},
    ]
    assert all(len(lines(data / f"out.{name}.jsonl")) == 3 for name in BASELINES)
    assert "p95" in capsys.readouterr().out


def test_the_limit_counts_goals(data: Path) -> None:
    main(["--data", str(data), "--decisions", str(data / "out.jsonl"), "--limit", "2"])
    assert [row["goal_id"] for row in lines(data / "out.jsonl")] == ["g1", "g2"]


def test_a_broken_line_is_named(data: Path) -> None:
    (data / "goals.jsonl").write_text("{\n", "utf-8")
    with pytest.raises(SystemExit, match=r"goals\.jsonl:1 is not JSON"):
        main(["--data", str(data), "--decisions", str(data / "out.jsonl")])


def test_muscle_mem_rebinds_whole_arguments_only() -> None:
    decide = muscle_mem_tag([Trace("t1", 'make "old1"', ("mkdir 'old1' old1/x",))])
    assert decide('make "new2"') == ("t1", ["mkdir 'new2' old1/x"])
    assert decide('drop "new2"') is None


def test_padding_adds_other_jobs() -> None:
    traces = padded([Trace("t1", "count lines in a.txt", ("wc -l a.txt",))], 3)
    assert [trace.goal for trace in traces] == [
        "count lines in a.txt", "count lines in a.txt in round 1", "count lines in a.txt in round 2",
    ]  # fmt: skip
    assert product(traces)("count lines in c.txt") == ("t1", ["wc -l c.txt"])
