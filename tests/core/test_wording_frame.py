"""Courtesy is told from the request, and a pronoun that a goal itself explains from one that it does not."""

import pytest

from llmos.core.goal import context_reference
from llmos.core.wording import analyse


@pytest.mark.parametrize(
    ("goal", "asked", "polite"),
    [
        ("please list the files", ("list", "the", "files"), ("please",)),
        ("could you please list the files for me", ("list", "the", "files"), ("could", "you", "please", "for", "me")),
        ("I'd like to list the files, please", ("list", "the", "files"), ("i'd", "like", "to", ",", "please")),
        ("now run the tests", ("run", "the", "tests"), ("now",)),
        ("help me to find a.txt", ("find", "§"), ("help", "me", "to")),
        ("list what you want to keep", ("list", "what", "you", "want", "to", "keep"), ()),
        ("append the line please to a.txt", ("append", "the", "line", "please", "to", "§"), ()),
        ("please", ("please",), ()),
        ("please help", ("please", "help"), ()),
        ("", (), ()),
    ],
)
def test_courtesy_is_no_part_of_the_request(goal: str, asked: tuple[str, ...], polite: tuple[str, ...]) -> None:
    analysis = analyse(goal)
    assert (analysis.surface, analysis.polite) == (asked, polite)


@pytest.mark.parametrize(
    ("goal", "outward"),
    [
        ("make the folder x and copy a.txt into it", None),
        ("create a branch called feature and switch to it", None),
        ("write a.py and run it", None),
        ("find all txt files and delete them", None),
        ("download https://example.org/a.zip, then unpack it", None),
        ("find all txt files and delete it", "it"),
        ("commit it and push it", "it"),
        ("run the tests and fix it", "it"),
        ("open the folder and delete it", "it"),
        ("delete it", "it"),
        ("copy a.txt into it", "it"),
        ("undo the last commit of a.py and push it", "undo"),
        ("make the folder x and copy a.txt into the other folder", "the other folder"),
    ],
)
def test_a_pronoun_points_outside_unless_the_part_before_names_its_thing(goal: str, outward: str | None) -> None:
    assert context_reference(goal) == outward
