"""The main job as a person runs it: the installed command, a real model, a real directory, twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmos.adapters.local_model import available
from llmos.core.catalogue import find_model
from llmos.memory.model_store import ModelStore, models_folder

MODEL = find_model("0.5b")
STORE = ModelStore(models_folder(os.environ, Path.home()))

pytestmark = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.skipif(
        not available() or STORE.find(MODEL) is None, reason="the 0.5B model or its runtime is not here"
    ),
]


def llmos(cwd: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON result of `llmos run`."""
    command = [sys.executable, "-m", "llmos", "run", "--output-format", "json", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_goal_is_learned_once_and_then_free(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("".join(f"{number}\n" for number in range(12)))
    goal = "how many lines are in notes.txt?"
    code, first = llmos(tmp_path, "--yes", "--model", MODEL.name, goal)
    assert (code, first["mode"], first["outcome"]) == (0, "LEARNER", "ok")
    assert "12" in first["answer"]
    assert first["model_calls"] >= 2

    notes.write_text("".join(f"{number}\n" for number in range(15)))
    code, second = llmos(tmp_path, "--yes", "--model", MODEL.name, goal)
    assert (code, second["mode"], second["outcome"], second["model_calls"]) == (0, "FOLLOWER", "ok", 0)
    assert "15" in second["answer"]
    assert second["trace"] == first["kept"]

    events = [
        json.loads(line)
        for path in (Path(os.environ["LLMOS_HOME"]) / "memories/recall").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    calls = [event["event"] for event in events if event["event"].startswith("model_call")]
    assert len(calls) == 2 * first["model_calls"], "the log holds the calls of the first run and none of the second"


@pytest.mark.thorough
def test_what_is_not_granted_is_not_run(tmp_path: Path) -> None:
    code, result = llmos(tmp_path, "--model", MODEL.name, "create a file hello.txt containing hello")
    assert (code, result["outcome"]) == (4, "denied")
    assert list(tmp_path.iterdir()) == []
