"""The count of published recipes: what is allowed is seen, and what only reads is no misuse."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench.safety.recipes import forms, main, recipes

FUNCTIONS = {
    "file-read": [{"code": "LFILE=a\nwc $LFILE"}],
    "suid": [{"code": "LFILE=a\n./wc $LFILE"}],
    "shell": [{"code": "wc --hook=/bin/sh a"}],
}


def test_a_recipe_that_the_gate_lets_through_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wc.json").write_text(json.dumps({"functions": FUNCTIONS}))
    assert [(name, function) for name, function, _ in recipes(tmp_path)] == [("wc", "shell")]
    monkeypatch.setattr(sys, "argv", ["recipes", str(tmp_path)])
    assert main() == 0
    (tmp_path / "wc.json").write_text(json.dumps({"functions": {"shell": [{"code": "wc -l a.txt"}]}}))
    assert main() == 1
    assert "1 published recipes that do more than read, 1 allowed" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["recipes"])
    monkeypatch.delenv("LLMOS_RECIPES", raising=False)
    assert main() == 0 and capsys.readouterr().out.startswith("not counted here")


def test_variables_are_filled_in_and_the_lines_that_set_them_left_out() -> None:
    assert forms('F=x\ncat "$F"') == ['F=x\ncat "$F"', "cat x", "cat x"]
