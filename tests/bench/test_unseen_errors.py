"""The estimate of errors that no rule has met: a rule that one goal alone holds is counted, another is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.unseen_errors import main, without_values

SCORER = "def normalise_command(command):\n    return command.strip()\n"


def write(path: Path, *found: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")


def test_a_rule_that_one_wrong_replay_alone_holds_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        tmp_path / "traces.jsonl",
        {"trace_id": "t1", "goal": "show the option 'foo'", "commands": ["cat foo"]},
        {"trace_id": "t2", "goal": "count the lines of a.txt", "commands": ["wc -l a.txt"]},
    )
    goals = ("show the option 'f{a,b}'", "count the lines of b.txt", "count the lines of b.txt.gz")
    goals += ("count the lines of c.txt.gz",)
    rows = [{"goal_id": f"g{n}", "goal": goal, "accepted": ["other"]} for n, goal in enumerate(goals)]
    write(tmp_path / "goals.jsonl", *rows)
    (tmp_path / "score.py").write_text(SCORER, "utf-8")
    assert main(["--data", str(tmp_path), "--scorer", str(tmp_path / "score.py"), "--show"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "1 replays; 2 rules are the only one between some goal and a trace"
    assert printed[2:] == [
        "     2      0  format: _ may not read _ as it does _",
        "     1      0  glob: _ would be read as a pattern",
        "rules held by one goal alone: 1; estimate for unseen goals 1/1 = 100.0 % [20.7, 100.0]",
        "glob: _ would be read as a pattern",
        "    \"show the option 'f{a,b}'\": cat 'f{a,b}'",
    ]


@pytest.mark.parametrize(
    ("reason", "rule"),
    [
        ("'/bin/bash' would become part of a program (awk)", "_ would become part of a program"),
        ("the goal names 3 values, the saved run was for 2", "the goal names _ values, the saved run was for _"),
        ("tail may not read '.gz' as it does '.log'", "_ may not read _ as it does _"),
    ],
)
def test_a_rule_is_a_reason_without_the_values_in_it(reason: str, rule: str) -> None:
    assert without_values(reason) == rule
