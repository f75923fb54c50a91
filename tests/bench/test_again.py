"""Recorded commands and runs, made again without a model."""

import json

from bench.local_goals.again import first_commands, kept_now
from bench.local_goals.goals import load_goals

GOALS = {goal.id: goal for goal in load_goals()}


def row(ident: str, command: str, answer: str) -> dict[str, object]:
    call = json.dumps({"shell": {"command": command}})
    return {"id": ident, "calls": [call], "answer": answer, "reason": "", "passed": True, "kept": "verified"}


async def test_the_number_of_a_column_is_no_value_that_was_read_somewhere() -> None:
    """What a small model is shown of a table must not keep its run from being replayed."""
    sums = row("money-spent", "awk -F, 'NR>1 {s+=$3} END {print s}' expenses.csv", "The total amount spent is 900.")
    assert await kept_now(GOALS["money-spent"], sums) == "verified"


async def test_a_value_of_the_goal_that_the_command_leaves_out_makes_a_draft() -> None:
    short = row("errors-of-a-day", "grep -c ERROR worker.log", "There are 5.")
    assert await kept_now(GOALS["errors-of-a-day"], short) == "draft"


async def test_a_first_command_is_tried_as_it_was_and_mended() -> None:
    rows = [
        row("count-project-folders", "find projects -maxdepth 1 -type d | wc -l", ""),
        row("line-seven", "sed -n '7p' saga.txt", ""),
    ]
    assert dict(await first_commands(GOALS, rows, show=False)) == {("dev", "commands"): 2, ("dev", "wrong -> right"): 1}
