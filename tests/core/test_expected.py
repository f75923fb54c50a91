"""What the structure of a goal lets one expect of a run, and what a right run never lacks."""

from __future__ import annotations

import pytest

from llmos.core.events import Outcome
from llmos.core.expected import lacking, orders_change
from llmos.core.tool import Effect, FileChanges
from llmos.core.trace import RunStep
from llmos.core.verify import judge


def step(command: str, stdout: str = "", **changes: tuple[str, ...]) -> RunStep:
    return RunStep(
        tool="shell",
        version="1",
        args={"command": command},
        effect=Effect.EXECUTE,
        reads=(),
        ok=True,
        exit_code=0,
        stdout=stdout,
        output=stdout,
        changes=FileChanges(**changes),
    )


@pytest.mark.parametrize(
    ("goal", "answer", "run", "why"),
    [
        (
            "how many ducks are in pond.txt",
            "The ducks are counted.",
            step("grep -c duck pond.txt", "4\n"),
            "the goal asks for a number, and the answer gives none",
        ),
        (
            "which boats are in harbour.csv?",
            "Those are the boats.",
            step("cat harbour.csv", "Tern\nGull\n"),
            "the answer says nothing of what the output shows",
        ),
        (
            "move the red lines of a.txt into b.txt",
            "Done.",
            step("grep red a.txt > b.txt", created=("b.txt",)),
            "the goal says move, and nothing was taken out of a.txt",
        ),
        (
            "sort a.txt and save it as b.txt",
            "Done.",
            step("sort -o a.txt a.txt", changed=("a.txt",)),
            "the goal names b.txt, and that file was not written",
        ),
        (
            "how many visits were on 2031-05-06 in log.txt",
            "There were 9 visits.",
            step("grep -c visit log.txt", "9\n"),
            "the goal names '2031-05-06', and the command does not use it",
        ),
        (
            "who has the lowest score in game.csv",
            "Ida 9",
            step("sort -t, -k2 -rn game.csv | head -n 1", "Ida,9\n"),
            "the goal asks for the least, and the command takes the other end",
        ),
        (
            "which team in game.csv has the most points",
            "Reds 1",
            step("sort -t, -k2,2n game.csv | head -n 1 | cut -d, -f1", "Reds\n"),
            "the goal asks for the most, and the command takes the other end",
        ),
    ],
)
def test_what_a_run_lacks(goal: str, answer: str, run: RunStep, why: str) -> None:
    assert lacking(goal, answer, [run]) == why


@pytest.mark.parametrize(
    ("goal", "answer", "run"),
    [
        ("how many ducks are in pond.txt", "four", step("grep -c duck pond.txt", "4\n")),
        ("which boats are in harbour.csv?", "Tern and Gull", step("cat harbour.csv", "Tern\nGull\n")),
        ("move a.txt to b.txt", "Done.", step("mv a.txt b.txt", created=("b.txt",), deleted=("a.txt",))),
        ("copy conf.d/a.txt into x/b.txt", "Done.", step("cp conf.d/a.txt x/b.txt", created=("x/b.txt",))),
        ("make a link from a.txt to b.txt", "Done.", step("ln -s b.txt a.txt", created=("a.txt",))),
        ("how many visits were on 2031-05-06", "9", step("grep -c '2031-05-06.*visit' log.txt", "9\n")),
        ("list the 12 largest files", "a 9", step("ls -S | head -n 12", "a 9\n")),
        ("who has the lowest score in game.csv", "Bo 1", step("sort -t, -k2 -n game.csv | head -n 1", "Bo,1\n")),
        ("which team has the most points in g.csv", "Reds", step("sort -t, -k2 -n g.csv | tail -n 1", "Reds,8\n")),
        ("which name comes first in g.csv at most", "Al", step("sort g.csv | head -n 1", "Al\n")),
        ("is there a licence here?", "Yes.", step("ls", "LICENSE\n")),
    ],
)
def test_a_right_run_lacks_nothing(goal: str, answer: str, run: RunStep) -> None:
    assert lacking(goal, answer, [run]) == ""


def test_an_order_in_a_later_sentence_or_clause_is_an_order() -> None:
    assert orders_change("Which lines are in a.txt? Write them to b.txt.")
    assert orders_change("find the newest log and copy it to c.log")
    assert not orders_change("which files did we remove")
    assert not orders_change("count the lines and tell me the number")


def test_a_question_with_an_order_in_it_may_change_files() -> None:
    goal = "Which lines are in both a.txt and b.txt? Write them to c.txt."
    run = step("grep -Fxf a.txt b.txt > c.txt", created=("c.txt",))
    assert judge(goal, "They are in c.txt.", [run], small=True) == (Outcome.OK, "")
    lost = step("grep -Fxf a.txt b.txt", "kiwi\n")
    assert judge(goal, "kiwi", [lost], small=True)[0] is Outcome.UNVERIFIED
