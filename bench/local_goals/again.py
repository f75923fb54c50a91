"""What is recorded of a model, again and without it: its first commands mended, and its runs judged as they are today.

    python -m bench.local_goals.again bench/results/local_goals_1.5b_fenced.jsonl ...

The first command of each run is carried out as it was and as it is mended, its output standing for the answer. Then
all calls of the run are made again with the answer that was given, to see what the run would be kept as now. Calls run
through the product's own path, in its sandbox. Of held-out goals only counts are said; `--show` prints others.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.local_goals.build import LocalGoal
from bench.local_goals.goals import later_goals, load_goals
from bench.local_goals.run import attempt
from llmos.core.messages import ToolCall, ToolResult
from llmos.core.ports import ModelInfo, ModelReply, ModelRequest
from llmos.core.shell_mend import mended
from llmos.testing.ports import ScriptedModel, model_reply

SMALL = ModelInfo("scripted", "nobody (a record)", small=True)
ANSWERS = 3
"""The answer is sent back twice at most."""
_NOTE = re.compile(r"^\[(?:files: .*|no output)\]$", re.MULTILINE)
_DOUBT = "the model was not sure of its command: "

Row = Mapping[str, Any]


async def does_it(goal: LocalGoal, command: str) -> bool:
    """Whether the command, and its output as the answer, meet the goal."""

    def answer(request: ModelRequest) -> ModelReply:
        part = request.messages[-1].parts[-1]
        said = _NOTE.sub("", part.content).strip() if isinstance(part, ToolResult) else ""
        return model_reply(said or "Done.")

    model = ScriptedModel([model_reply(ToolCall("first", "shell", {"command": command})), answer])
    return (await attempt(goal, model)).passed


async def kept_now(goal: LocalGoal, row: Row) -> str:
    """What the recorded run would be kept as."""
    calls = [next(iter(json.loads(call).items())) for call in row["calls"]]
    doubt = row["reason"].removeprefix(_DOUBT) if row["reason"].startswith(_DOUBT) else ""
    made = [
        replace(model_reply(ToolCall(f"c{n}", tool, args)), doubt=doubt)
        for n, (tool, args) in enumerate(calls, start=1)
    ]
    model = ScriptedModel([*made, *[model_reply(row["answer"] or "Done.")] * ANSWERS], info=SMALL)
    return (await attempt(goal, model)).kept


async def first_commands(goals: Mapping[str, LocalGoal], rows: list[Row], *, show: bool) -> Counter[tuple[str, str]]:
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        first = json.loads(row["calls"][0]) if row["calls"] else {}
        command = first.get("shell", {}).get("command")
        if not isinstance(command, str):
            continue
        goal, right = goals[row["id"]], mended(command)
        seen[goal.split, "commands"] += 1
        if right == command:
            continue
        words = " -> ".join(["right" if await does_it(goal, text) else "wrong" for text in (command, right)])
        seen[goal.split, words] += 1
        if show and goal.split != "held-out":
            print(f"{words}: {command}\n    {right}")
    return seen


async def verdicts(goals: Mapping[str, LocalGoal], rows: list[Row], *, show: bool) -> Counter[tuple[str, str]]:
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        now, right = await kept_now(goals[row["id"]], row), "right" if row["passed"] else "wrong"
        seen[row["split"], f"{right}: {row['kept']} -> {now}"] += 1
        if show and row["split"] != "held-out" and now != row["kept"]:
            print(f"{right}: {row['kept']} -> {now}: {row['goal']}\n    {row['calls']}\n    {row['answer']}")
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    goals = {goal.id: goal for goal in (*load_goals(), *later_goals())}
    for path in given.results:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        known = [row for row in rows if row["id"] in goals]
        for title, look in (("first commands, mended", first_commands), ("runs, kept as", verdicts)):
            print(f"{path}: {title}")
            for (split, what), count in sorted(asyncio.run(look(goals, known, show=given.show)).items()):
                print(f"  {split:10} {what:36} {count:4}")


if __name__ == "__main__":
    main()
