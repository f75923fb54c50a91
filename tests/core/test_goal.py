"""Goals as text: which are one goal, and which only look alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.goal import asks_for_change, context_reference, goal_key, normalise_goal, slug


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("List the files", "list the files"),
        ("list the \n  files ", "list the files"),
        ("list the files.", "list the files"),
        ("How many files are here.", "how many files are here"),
        (" Create a.txt ", "create a.txt"),
    ],
)
def test_one_goal_in_two_spellings(left: str, right: str) -> None:
    assert goal_key(left) == goal_key(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("count lines in README.md", "count lines in readme.md"),
        ("README.md: count its lines", "readme.md: count its lines"),
        ("list files in .", "list files in"),
        ("go up to ..", "go up to ."),
        ("delete a", "delete b"),
        ("copy a to b", "copy b to a"),
        ("show the last 10 lines", "show the last 100 lines"),
        ("find files", "do not find files"),
        ("is a there?", "is a there"),
        ("delete “a b”", 'delete "a b"'),
        ("\u0441ount a", "count a"),
        # On Linux two ways to write a letter are two file names.
        ("count caf\u00e9.txt", "count cafe\u0301.txt"),
        ("Makefile lines", "makefile lines"),
        # A goal that hands over text is taken to the letter.
        ("write hello! to a.txt", "write hello to a.txt"),
        ("create a.txt containing hello!", "create a.txt containing hello"),
        ("create a.txt containing The end.", "create a.txt containing The end"),
        ("create a file named foo.", "create a file named foo"),
        ("append one\ntwo to a.txt", "append one two to a.txt"),
        ('show where "a  b" stands', 'show where "a b" stands'),
        ("show where 'a\tb' stands", "show where 'a b' stands"),
        ("echo hello.", "echo hello"),
        ("find lines that end with a stop.", "find lines that end with a stop"),
    ],
)
def test_two_goals_that_look_alike(left: str, right: str) -> None:
    assert goal_key(left) != goal_key(right)


@given(st.text())
def test_the_normal_form_is_stable(text: str) -> None:
    once = normalise_goal(text)
    assert normalise_goal(once) == once


@given(st.text(st.characters(codec=None)))
def test_every_text_has_a_key(text: str) -> None:
    assert len(goal_key(text)) == 32


@given(st.text())
def test_a_slug_is_a_file_name(text: str) -> None:
    made = slug(text)
    assert made
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not made.startswith("-")


@pytest.mark.parametrize(
    "goal",
    [
        "now delete it",
        "do that again",
        "rename them to .bak",
        "show those",
        "open the same file",
        "undo the last one",
        "yes",
        "go on",
        "and for b.txt",
        "what about b.txt?",
        "delete the others",
        "take the second one",
        "use option 2",
        "do the same as before",
        "delete the files you listed",
        "put the port I told you into a.cfg",
        "use a.txt instead",
        "add a.txt to it",
        "copy a.txt and put it there again",
        "make a folder and open it",
        "do the above",
    ],
)
def test_a_goal_that_points_outside_itself(goal: str) -> None:
    assert context_reference(goal)


@pytest.mark.parametrize(
    "goal",
    [
        "list the files that are empty",
        "count these words in a.txt",
        "show the last 3 lines of a.txt",
        "which files did I change since the last commit",
        "show the first line of a.txt",
        "next.js: which version is in package.json",
        "write square.py and run it",
        "sort src/a.txt, then print it",
        "delete cache.tmp when usage is above 80%",
        "list the files that are earlier than 2020",
    ],
)
def test_a_goal_that_stands_alone(goal: str) -> None:
    assert context_reference(goal) is None


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("create notes.txt", True),
        ("please rename a to b", True),
        ("which files were deleted yesterday?", False),
        ("how many files", False),
        ("show what to delete", False),
    ],
)
def test_whether_a_goal_orders_a_change(goal: str, expected: bool) -> None:
    assert asks_for_change(goal) is expected
