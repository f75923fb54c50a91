"""A whole trace for other values: calls, checks and answer together, or a refusal with its gate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmos.core.gate import Refusal
from llmos.core.rebind import Rebound, rebind
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

LEARNED = Learned("2026-11-22T00:00:00+00:00", "LEARNER", "some model", 0.02, 1.0)


def trace(goal: str, *steps: Step, answer: AnswerTemplate = AnswerTemplate()) -> Trace:
    return Trace(TraceHeader("saved", goal, TraceStatus.VERIFIED, "", {}, LEARNED), steps, answer)


def shell(command: str, require: Require = Require(), expect: Expect = Expect(0)) -> Step:
    return Step("shell", {"command": command}, Effect.EXECUTE, require, expect, "")


WRITE = trace(
    "Create a Python file called utils.py",
    Step(
        "write_file",
        {"path": "utils.py", "content": ""},
        Effect.WRITE,
        Require(absent=("utils.py",)),
        Expect(created=("utils.py",), output=OutputShape.LINE),
        "Created utils.py (0 bytes).",
    ),
    answer=AnswerTemplate("Created utils.py.", ()),
)
TEXT = trace(
    "create a.txt containing hello",
    Step(
        "write_file", {"path": "a.txt", "content": "hello\n"}, Effect.WRITE, Require(), Expect(created=("a.txt",)), ""
    ),
)
COUNT = trace(
    "how many lines are in README.md?",
    shell("wc -l README.md", Require(present=("README.md",)), Expect(0, output=OutputShape.LINE)),
    answer=AnswerTemplate("README.md has ${1} lines.", (AnswerValue(0, 0, "0 README.md"),)),
)
COPY = trace(
    "copy a.txt to b.txt",
    shell("cp a.txt b.txt", Require(present=("a.txt",), absent=("b.txt",)), Expect(0, created=("b.txt",))),
)


def test_calls_checks_and_answer_take_the_new_value() -> None:
    (step,) = WRITE.steps
    assert rebind(WRITE, "Create a Python file called helpers.py") == Rebound(
        trace(
            "Create a Python file called utils.py",
            replace(
                step,
                args={"path": "helpers.py", "content": ""},
                require=Require(absent=("helpers.py",)),
                expect=replace(step.expect, created=("helpers.py",)),
            ),
            answer=AnswerTemplate("Created helpers.py.", ()),
        ),
        (("utils.py", "helpers.py"),),
    )


def test_the_form_of_the_line_that_holds_the_answer_is_rebound_too() -> None:
    found = rebind(COUNT, "how many lines are in notes.txt?")
    assert isinstance(found, Rebound)
    assert found.trace.answer == AnswerTemplate("notes.txt has ${1} lines.", (AnswerValue(0, 0, "0 notes.txt"),))


def test_values_go_where_their_role_in_the_sentence_puts_them() -> None:
    found = rebind(COPY, "copy b.txt to c.txt")
    assert isinstance(found, Rebound)
    assert found.trace.steps == (
        shell("cp b.txt c.txt", Require(present=("b.txt",), absent=("c.txt",)), Expect(0, created=("c.txt",))),
    )


@pytest.mark.parametrize("saved", [WRITE, COUNT, COPY], ids=["write", "count", "copy"])
def test_the_goal_itself_is_bound_to_the_saved_run(saved: Trace) -> None:
    assert rebind(saved, saved.header.goal) == Rebound(saved, ())


@pytest.mark.parametrize(
    ("saved", "goal", "gate"),
    [
        (WRITE, "Delete a Python file called helpers.py", "verb"),
        (WRITE, "Create a Python file called ../helpers.py", "outside"),
        (TEXT, "create b.txt containing hello!", "signs"),
        (TEXT, "create a.txt containing Hello", "signs"),
        (COUNT, "how many words are in notes.txt?", "words"),
        (COUNT, "how many lines are in a.md and b.md?", "conjunction"),
        (COUNT, "how many lines are in /etc/passwd?", "outside"),
        (COPY, "copy to c.txt b.txt", "order"),
        (COPY, "move b.txt to c.txt", "verb"),
        (COPY, "do not copy b.txt to c.txt", "negation"),
    ],
)
def test_a_goal_that_only_looks_alike_is_refused(saved: Trace, goal: str, gate: str) -> None:
    found = rebind(saved, goal)
    assert isinstance(found, Refusal)
    assert (found.ref, found.gate) == ("saved", gate)


def test_paths_that_hold_a_value_as_a_piece_are_rebound() -> None:
    saved = trace(
        "make a folder trip with an empty file notes.md",
        shell("mkdir trip && touch trip/notes.md", expect=Expect(0, created=("trip/", "trip/notes.md", "trip.log"))),
    )
    found = rebind(saved, "make a folder tour with an empty file notes.md")
    assert isinstance(found, Rebound)
    assert found.trace.steps == (
        shell("mkdir tour && touch tour/notes.md", expect=Expect(0, created=("tour/", "tour/notes.md", "tour.log"))),
    )


def test_a_value_that_would_become_code_is_refused() -> None:
    saved = trace(
        "set the port to 9090 in app.conf",
        shell(
            "sed -i 's/^port=.*/port=9090/' app.conf", Require(present=("app.conf",)), Expect(0, changed=("app.conf",))
        ),
    )
    found = rebind(saved, "set the port to 8081 in app.conf")
    assert found == Refusal("saved", "code", "'8081' would become part of a program (sed)")


def test_the_marks_of_an_answer_are_out_of_reach_of_the_numbers_of_a_goal() -> None:
    saved = trace(
        "show files larger than 1 kB in src/ 0 levels down",
        shell("find src/ -maxdepth 0 -size +1k", Require(present=("src/",)), Expect(0, output=OutputShape.LINE)),
        answer=AnswerTemplate("1 kB: ${1}", (AnswerValue(0, 0, "0 src/"),)),
    )
    found = rebind(saved, "show files larger than 2 kB in lib/ 5 levels down")
    assert isinstance(found, Rebound)
    assert found.trace.answer == AnswerTemplate("2 kB: ${1}", (AnswerValue(0, 0, "0 lib/"),))


@pytest.mark.parametrize(
    ("saved", "goal", "gate"),
    [
        (trace("rename x1 to x1", shell("mv x1 x1")), "rename y1 to z1", "pairing"),
        (trace("rename x1 to y1", shell("mv x1 x1 y1 y1")), "rename a1 to a1", "pairing"),
        (trace("make the folder x1", shell("mkdir y1")), "make the folder z1", "unused"),
        (trace("make the folder x1", shell("mkdir x1 y1")), "make the folder z1", "constant"),
        (trace("make the folder x1", shell("mkdir x1 X1")), "make the folder z1", "constant"),
    ],
)
def test_a_trace_whose_values_contradict_one_another_is_a_miss_with_a_reason(
    saved: Trace, goal: str, gate: str
) -> None:
    found = rebind(saved, goal)
    assert isinstance(found, Refusal)
    assert (found.gate, len(found.reason) > 10) == (gate, True), found.reason


def test_paths_are_expected_as_effects_name_them() -> None:
    found = rebind(COPY, "copy ./c.txt to ./d.txt")
    assert isinstance(found, Rebound)
    (step,) = found.trace.steps
    assert (step.args, step.require.present, step.require.absent, step.expect.created) == (
        {"command": "cp ./c.txt ./d.txt"},
        ("c.txt",),
        ("d.txt",),
        ("d.txt",),
    )


def test_spaces_that_no_argument_holds_are_free() -> None:
    assert rebind(COUNT, "how many  lines are  in README.md?") == Rebound(COUNT, ())
    spaced = trace("show 'my  a.txt' and b  c", shell("cat 'my  a.txt' 'b  c'"))
    found = rebind(spaced, "show 'my  a.txt' and b c")
    assert isinstance(found, Refusal)
    assert found.gate == "signs"
