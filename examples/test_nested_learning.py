"""The modes of llmos on a few goals, as a test that anyone can read.

    python -m pytest examples/test_nested_learning.py        or        python examples/test_nested_learning.py

A saved run is found for the identical goal (FOLLOWER), guides a goal that is like it (MIXED), and does not get in the
way of a new one (LEARNER). The same job with another name is replayed with that name, and an opposite never is. No
model is called: finding and deciding are free.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from llmos.core.core_edits import CoreEdit, EditKind
from llmos.core.events import Mode
from llmos.core.passage import Passage
from llmos.core.tool import Effect
from llmos.core.trace import (
    AnswerTemplate,
    AnswerValue,
    Expect,
    Learned,
    OutputShape,
    Require,
    Step,
    Trace,
    TraceHeader,
    TraceStatus,
)
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.traces_sdk import TraceManager

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def saved_run(goal: str, command: str) -> Trace:
    """A verified run of one shell command whose output is the answer."""
    header = TraceHeader(
        id="",
        goal=goal,
        status=TraceStatus.VERIFIED,
        reason="",
        tools={"shell": "0123456789ab"},
        learned=Learned(NOW.isoformat(), "LEARNER", "some model", 0.50, 12.0),
    )
    step = Step("shell", {"command": command}, Effect.EXECUTE, Require(), Expect(0, output=OutputShape.LINES), "a.py")
    return Trace(header, (step,), AnswerTemplate("${1}", (AnswerValue(0),)))


def decide(goal: str) -> tuple[str | None, float, Mode]:
    """What is found for a goal in a workspace that has seen one goal before."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        traces = TraceManager(
            memories_dir=workspace / "memories",
            workspace=workspace,
            enable_llm_matching=False,
            tool_versions={"shell": "0123456789ab"},
        )
        traces.keep(saved_run("List all Python files in the project", "find . -name '*.py'"), NOW)
        trace, confidence, mode = asyncio.run(traces.find_trace_smart(goal))
        traces.close()
        return (trace.header.goal if trace else None), confidence, mode


def test_the_same_goal_is_replayed() -> None:
    goal, confidence, mode = decide("list all Python files in the project")
    assert mode is Mode.FOLLOWER
    assert goal == "List all Python files in the project"
    assert confidence >= 0.92


def test_a_goal_like_it_is_guided() -> None:
    goal, confidence, mode = decide("List all Markdown files in the project")
    assert mode is Mode.MIXED
    assert goal == "List all Python files in the project"
    assert 0.75 <= confidence < 0.92


def test_a_new_goal_is_worked_out() -> None:
    goal, confidence, mode = decide("Analyze the performance metrics of the API")
    assert (goal, mode) == (None, Mode.LEARNER)
    assert confidence < 0.75


def test_the_same_job_with_another_name_is_replayed_with_that_name() -> None:
    made = Expect(created=("utils.py",), output=OutputShape.LINE)
    arguments = {"path": "utils.py", "content": ""}
    step = Step("write_file", arguments, Effect.WRITE, Require(absent=("utils.py",)), made, "Created utils.py.")
    header = replace(saved_run("Create a Python file called utils.py", "").header, tools={"write_file": "0123456789ab"})
    with tempfile.TemporaryDirectory() as folder:
        traces = TraceManager(Path(folder), Path(folder), False, tool_versions={"write_file": "0123456789ab"})
        traces.keep(Trace(header, (step,)), NOW)
        trace, confidence, mode = asyncio.run(traces.find_trace_smart("Create a Python file named helpers.py"))
        assert mode is Mode.FOLLOWER and trace is not None and confidence >= 0.92
        assert trace.steps[0].args == {"path": "helpers.py", "content": ""}
        assert trace.steps[0].expect.created == ("helpers.py",)
        for other in ("Delete a Python file called utils.py", "Create no Python file called helpers.py"):
            assert asyncio.run(traces.find_trace_smart(other))[2] is not Mode.FOLLOWER
        traces.close()


def test_memory_tiers_are_due_at_their_own_pace() -> None:
    with tempfile.TemporaryDirectory() as folder:
        recall = Path(folder, "recall")
        recall.mkdir()
        nested = NestedLearning(recall, Path(folder, ".llmos"))
        due: list[tuple[int, str]] = []
        with (recall / "2026-11-22-example.jsonl").open("a") as transcript:
            for message in range(1, 101):
                transcript.write(f'{{"seq":{message},"event":"turn_started","goal":"hello"}}\n')
                transcript.flush()
                assert nested.track_message() == message
                updates = [("core", nested.should_update_core()), ("archival", nested.should_update_archival())]
                for tier in (tier for tier, wanted in updates if wanted):
                    due.append((message, tier))
                    done = {
                        "event": "memory_ticked",
                        "at": f"{message:03}",
                        "tier": tier,
                        "message": message,
                        "done": True,
                    }
                    transcript.write(json.dumps(done, separators=(",", ":")) + "\n")
    assert due == [*((message, "core") for message in range(10, 101, 10)), (100, "archival")]


def test_what_the_tiers_hold_changes_within_their_rules() -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory_engine = MemoryEngine(Path(folder, "core"), Path(folder, "archival"))
        tick = Writer(NOW, "core update at message 10")

        # Core: one explicit statement of the person is enough, and one update changes one item of a small block.
        said = [
            CoreEdit(EditKind.ADD, text, evidence=("s:1",), explicit=True) for text in ("likes tea", "lives in Bern")
        ]
        done = memory_engine.update_core_memory("human", said, tick)
        assert memory_engine.core_text() == "[human]\n- likes tea"
        assert [why for _, why in done.refused] == ["this update may change no more items of the block"]

        # A conclusion from one message does not change it; two that are independent do.
        (item,) = memory_engine.block("human").items
        seen_once = CoreEdit(EditKind.REPLACE, "likes coffee", item.id, evidence=("s:8",))
        seen_twice = CoreEdit(EditKind.REPLACE, "likes coffee", item.id, evidence=("s:8", "s:9"))
        assert memory_engine.update_core_memory("human", [seen_once], tick).done == ()
        assert memory_engine.update_core_memory("human", [seen_twice], tick).left == (item,)

        # Archival: nothing is overwritten; what took its place closes the old one with a date.
        old = memory_engine.add_archival_memory(Passage("", "The port is 5432."), tick)
        new = Passage("", "The port is 5433.", valid_from="2026-11-20", supersedes=(old.id,))
        memory_engine.add_archival_memory(new, tick)
        assert [(one.text, one.state.value, one.valid_to) for one in memory_engine.passages()] == [
            ("The port is 5432.", "superseded", "2026-11-20"),
            ("The port is 5433.", "current", ""),
        ]


if __name__ == "__main__":
    for example in (
        "List all Python files in the project",
        "List all Markdown files in the project",
        "Analyze the performance metrics of the API",
    ):
        found, sure, chosen = decide(example)
        print(f"{chosen.value:9} {sure:.2f}  {example!r}" + (f"  from {found!r}" if found else ""))
