"""What two runs of one template prove, and what they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.binding import bind
from llmos.core.gate import Bound, Refusal
from llmos.core.generalise import proven_by
from llmos.core.template import Call, Template, generalise
from llmos.core.wording import analyse


def run(goal: str, command: str) -> Template:
    return generalise(goal, [Call("shell", {"command": command})])


def bound(template: Template | None, goal: str) -> object:
    assert template is not None
    answer = bind(template, goal)
    return answer.calls[0]["command"] if isinstance(answer, Bound) else answer


ONE = run("show the 3 largest files of data.csv", "sort -k3 data.csv | head -3")
TWO = run("show the 5 largest files of data.csv", "sort -k3 data.csv | head -5")
CONSTANT = run("append a.txt to the summary", "cat a.txt >> totals-2024.md")
AGAIN = run("append b.txt to the summary", "cat b.txt >> totals-2024.md")


class TestOneRunIsNotEnough:
    def test_a_value_that_stands_twice_by_coincidence(self) -> None:
        assert isinstance(bind(ONE, "show the 7 largest files of data.csv"), Refusal)

    def test_a_constant_that_the_goal_does_not_name(self) -> None:
        refused = bind(CONSTANT, "append c.txt to the summary")
        assert isinstance(refused, Refusal)
        assert refused.gate == "constant"


class TestTwoRunsProve:
    def test_that_what_stayed_while_the_value_changed_is_none(self) -> None:
        goal = "show the 7 largest files of data.csv"
        opened = proven_by(ONE, TWO, analyse(goal))
        assert opened is not None
        assert [place.written for place in opened.kept] == ["3"]
        assert bound(opened, goal) == "sort -k3 data.csv | head -7"

    def test_that_a_constant_is_one(self) -> None:
        goal = "append c.txt to the summary"
        assert bound(proven_by(CONSTANT, AGAIN, analyse(goal)), goal) == "cat c.txt >> totals-2024.md"


class TestTwoRunsDoNotProve:
    @pytest.mark.parametrize(
        ("first", "second", "goal"),
        [
            pytest.param(ONE, TWO, "show the 3 largest files of other.csv", id="a value that never varied"),
            pytest.param(ONE, TWO, "show the 7 largest files of other.csv", id="one that did and one that did not"),
            pytest.param(ONE, TWO, "show the 7 largest folders of data.csv", id="another wording"),
            pytest.param(ONE, ONE, "show the 7 largest files of data.csv", id="the same run twice"),
            pytest.param(
                ONE,
                run("show the 5 largest files of data.csv", "sort -k2 data.csv | head -5"),
                "show the 7 largest files of data.csv",
                id="runs that differ elsewhere",
            ),
            pytest.param(
                CONSTANT,
                run("append b.txt to the summary", "cat b.txt >> totals-2025.md"),
                "append c.txt to the summary",
                id="a constant that varied",
            ),
            pytest.param(
                CONSTANT,
                generalise("append b.txt to the summary", [Call("write_file", {"command": "cat b.txt"})]),
                "append c.txt to the summary",
                id="another tool",
            ),
        ],
    )
    def test_anything_else(self, first: Template, second: Template, goal: str) -> None:
        assert proven_by(first, second, analyse(goal)) is None

    def test_the_gates_on_what_is_written_stay_closed(self) -> None:
        goal = "show the 7 largest files of data.csv"
        one = run("show the 3 largest files of data.csv", "sort -k3 data.csv | head -3; echo THE3")
        two = run("show the 5 largest files of data.csv", "sort -k3 data.csv | head -5; echo THE5")
        assert isinstance(bound(proven_by(one, two, analyse(goal)), goal), Refusal)


_NAMES = st.sampled_from(["a.txt", "b.txt", "notes.md", "x1.log", "data.csv"])
_NUMBERS = st.integers(2, 9).map(str)
_COMMANDS = st.sampled_from(
    ["head -{n} {f}", "sort -k3 {f} | head -{n}", "tail -n {n} {f} > out-3.txt", "grep -c 5 {f} | head -{n}"]
)


@given(_COMMANDS, *(st.tuples(_NUMBERS, _NAMES) for _ in range(3)))
def test_what_is_opened_gives_both_runs_back(
    command: str, one: tuple[str, str], two: tuple[str, str], three: tuple[str, str]
) -> None:
    def made(values: tuple[str, str]) -> tuple[str, str]:
        number, name = values
        return f"show the top {number} lines of {name}", command.format(n=number, f=name)

    first, second, third = made(one), made(two), made(three)
    opened = proven_by(run(*first), run(*second), analyse(second[0]))
    if opened is not None:
        assert bound(opened, first[0]) == first[1]
        answer = bind(opened, second[0])
        assert isinstance(answer, Refusal) or answer.calls[0]["command"] == second[1]
    for_third = proven_by(run(*first), run(*second), analyse(third[0]))
    if for_third is not None and isinstance(answer := bind(for_third, third[0]), Bound):
        assert answer.calls[0]["command"] == third[1]
