"""Answers computed again from this run's outputs."""

import pytest

from llmos.core.answer import compute, derive, describe_changes
from llmos.core.tool import Effect, FileChanges
from llmos.core.trace import AnswerTemplate, AnswerValue, RunStep


def step(stdout: str = "", *, changes: FileChanges = FileChanges(), effect: Effect = Effect.EXECUTE) -> RunStep:
    return RunStep("shell", "v", {"command": "x"}, effect, (), True, 0, stdout, stdout, changes)


@pytest.mark.parametrize(
    ("goal", "stdout", "answer", "again", "expected"),
    [
        (
            "how many python files are here?",
            "3\n",
            "There are 3 Python files here.",
            "5\n",
            "There are 5 Python files here.",
        ),
        ("how many python files are here?", "3\n", "3", "12\n", "12"),
        ("count the lines of a.txt", "3 a.txt\n", "3", "9 a.txt\n", "9"),
        ("list the python files", "./a.py\n./b.py\n", "- a.py\n- b.py", "./c.py\n", "./c.py"),
        ("show a.txt", "one\ntwo\n", "one\ntwo", "three\n", "three"),
        (
            "which file is the largest?",
            "big.log\n",
            "The largest file is big.log.",
            "x.bin\n",
            "The largest file is x.bin.",
        ),
        # The words around the value claim more than the goal: only the value is kept.
        ("which file is the largest?", "big.log\n", "big.log, a log of the web server", "x.bin\n", "x.bin"),
    ],
)
def test_an_answer_follows_the_output(goal: str, stdout: str, answer: str, again: str, expected: str) -> None:
    template = derive(answer, goal, [step(stdout)])
    assert template is not None
    assert compute(template, [again], [FileChanges()]) == expected


@pytest.mark.parametrize(
    ("goal", "stdout", "answer"),
    [
        ("is the log clean?", "ok\nok\n", "Yes, the log is clean."),
        ("how many python files are here?", "a.py\nb.py\nc.py\n", "3"),
        ("how many python files are here?", "", "There are none."),
        ("list the python files", "a.py\nb.py\n", "a.py, b.py and 2 more in lib/x"),
        # The number stands in the goal too, so which of the two it was cannot be known.
        ("are there 3 files?", "3\n", "There are 3 files."),
        ("what does main.py do?", "import os\nprint(os.name)\n", "It prints the name of the system."),
    ],
)
def test_an_answer_that_is_not_in_the_output_is_not_derived(goal: str, stdout: str, answer: str) -> None:
    assert derive(answer, goal, [step(stdout)]) is None


def test_what_a_file_tool_says_of_its_writing_is_no_fact() -> None:
    said = step("Created a.txt (5 bytes).", effect=Effect.WRITE)
    assert derive("Created a.txt (5 bytes).", "create a.txt", [said]) is None


def test_a_change_is_reported_from_what_changed() -> None:
    created = step(changes=FileChanges(created=("notes.txt",)))
    words = derive("Created notes.txt with lovely new ideas.", "create notes.txt", [created])
    assert words == AnswerTemplate("", ())
    assert compute(words, [""], [FileChanges(created=("notes.txt",))]) == "Created notes.txt."


def test_words_that_only_repeat_the_goal_stay() -> None:
    created = step(changes=FileChanges(created=("notes.txt",)))
    words = derive("Created notes.txt containing hello.", "create notes.txt containing hello", [created])
    assert words == AnswerTemplate("Created notes.txt containing hello.", ())


def test_a_field_that_is_gone_gives_no_answer() -> None:
    template = AnswerTemplate("${1}", (AnswerValue(0, 1),))
    assert compute(template, ["one\n"], [FileChanges()]) is None
    assert compute(template, ["one two\nthree four\n"], [FileChanges()]) is None
    assert compute(template, ["one two\n"], [FileChanges()]) == "two"


def test_a_dollar_in_an_answer_is_no_placeholder() -> None:
    template = derive("${1} is in x", "print x", [step("x\n")])
    assert template is None or "${2}" not in template.text


def test_changes_add_up_over_steps() -> None:
    steps = [
        FileChanges(created=("tmp", "a"), deleted=("old",)),
        FileChanges(changed=("a", "b"), deleted=("tmp",), created=("old",)),
    ]
    assert describe_changes(steps) == "Created a. Changed b, old."
