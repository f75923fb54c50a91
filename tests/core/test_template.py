"""Templates: where the values of a goal stand in a run, and that binding gives back exactly what was recorded."""

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.core.binding import bind
from llmos.core.gate import Bound, Refusal
from llmos.core.template import Call, Template, generalise
from llmos.core.template_facts import texts
from llmos.core.template_index import TemplateIndex, match


@dataclass(frozen=True, slots=True)
class Recorded:
    """A step with more fields than a template needs, as a stored trace has."""

    tool: str
    args: Mapping[str, Any]
    saw: str = ""


def shell(command: str) -> Call:
    return Call("shell", {"command": command})


def placed(goal: str, *steps: Call) -> list[tuple[str, str, str]]:
    """Form, role and text of each place, sorted by where it stands."""
    places = sorted(generalise(goal, steps).places, key=lambda p: (p.step, str(p.path), p.start))
    return [(place.form, place.role.value, place.written) for place in places]


def calls(template: Template, goal: str) -> list[dict[str, Any]]:
    answer = bind(template, goal)
    assert isinstance(answer, Bound), answer
    return [dict(call) for call in answer.calls]


@pytest.mark.parametrize(
    ("goal", "step", "expected"),
    [
        ("count lines in a.txt", shell("wc -l a.txt"), [("text", "argument", "a.txt")]),
        ("list files in src/core", shell("ls src/core/x"), [("folder", "argument", "src/core")]),
        ("list files in /x/", shell("ls /x"), [("folder", "argument", "/x")]),
        ("list files in /x", shell("ls /x/"), [("folder", "argument", "/x")]),
        ("find *.txt files", shell("find . -name '*.txt'"), [("glob", "pattern", "*.txt")]),
        ("find TXT files", shell("find . -name '*.txt'"), [("glob", "pattern", "*.txt")]),
        ("rename *.txt files", shell("mv {} `basename {} .txt`"), [("dotted", "argument", ".txt")]),
        ("find names with pro", shell("find . -name 'pro*'"), []),
        ("find files named 'pro'", shell("find . -name 'pro*'"), [("text", "pattern", "pro")]),
        ("find files older than 7 days", shell("find . -mtime +7"), [("text", "argument", "7")]),
        ("find files larger than 20MB", shell("find . -size +20M"), [("text", "argument", "20")]),
        ("show the first 10 lines of a.txt", shell("head -n10 a.txt"),
         [("text", "argument", "10"), ("text", "argument", "a.txt")]),
        ("show ten lines of b2", shell("head -10 b2"), [("text", "argument", "10"), ("text", "argument", "b2")]),
        ("replace 'foo' in b2", shell("sed -i s/foo/b/ b2"), [("text", "regex", "foo"), ("text", "argument", "b2")]),
        ("show program 'date'", shell("which date; date"), [("text", "argument", "date"), ("text", "name", "date")]),
        ("search '$HOME' for a.txt", shell('find "$HOME" -name a.txt'),
         [("text", "argument", "$HOME"), ("text", "pattern", "a.txt")]),
        ("show 1 line of b10", shell("head -n 10 b10"), [("text", "argument", "b10")]),
        ("show 'a' in data", shell("cat data a"), [("text", "argument", "a")]),
        ("copy /x/b2 here", shell("cp /x/b2 b2"), [("text", "argument", "/x/b2"), ("base", "argument", "b2")]),
        ("create notes.md", Call("write_file", {"path": "notes.md", "content": "# notes\n"}),
         [("stem", "argument", "notes"), ("text", "argument", "notes.md")]),
        ("create a module util1", Call("write_file", {"path": "pkg/util1.py", "content": "x = 1\n"}),
         [("text", "argument", "util1")]),
        ("show line 3 of a.txt", Call("read_file", {"path": "a.txt", "start_line": 3}),
         [("text", "argument", "a.txt"), ("text", "argument", "3")]),
    ],
)  # fmt: skip
def test_places_are_data(goal: str, step: Call, expected: list[tuple[str, str, str]]) -> None:
    assert placed(goal, step) == expected


def test_what_the_goal_does_not_account_for_is_constant() -> None:
    template = generalise("list files of bob1", [shell("ls /srv/bob1 /srv/common 2>/dev/null | head -n 3")])
    assert template.constants == ("/srv/bob1", "/srv/common")
    assert generalise("list files of bob1 in srv and common", list(template.steps)).constants == ()


def test_a_run_of_several_steps_is_bound_whole_and_keeps_other_arguments() -> None:
    steps = [
        Recorded("write_file", {"path": "site/about.html", "content": "<h1>about</h1>\n"}, "Wrote 1 file"),
        Recorded("shell", {"command": "grep -c h1 'site/about.html' && cp site/about.html /tmp/out", "timeout_s": 5.0}),
        Recorded("read_file", {"path": "site/about.html", "start_line": 1}),
    ]
    template = generalise("create the page site/about.html and copy it to /tmp/out with h1", steps, "t1")
    assert calls(template, "create the page site/team.html and copy it to '/tmp/my out' with h1") == [
        {"path": "site/team.html", "content": "<h1>team</h1>\n"},
        {"command": "grep -c h1 'site/team.html' && cp site/team.html '/tmp/my out'", "timeout_s": 5.0},
        {"path": "site/team.html", "start_line": 1},
    ]


def test_the_pair_of_the_mission() -> None:
    saved = generalise(
        "Create a Python file called utils.py",
        [Call("write_file", {"path": "utils.py", "content": '"""utils"""\n'})],
        "t1",
    )
    expected = [{"path": "helpers.py", "content": '"""helpers"""\n'}]
    assert calls(saved, "Create a Python file called helpers.py") == expected
    assert calls(saved, "create a Python file named helpers.py") == expected


def test_numbers_stay_numbers() -> None:
    saved = generalise("show line 3 of a.txt", [Call("read_file", {"path": "a.txt", "start_line": 3})])
    assert calls(saved, "show line 7 of b.txt") == [{"path": "b.txt", "start_line": 7}]


NAME = st.from_regex(r"[a-z]{4,9}[0-9]{1,3}", fullmatch=True)
FILE = st.from_regex(r"[b-y]{4,9}[0-9]\.(txt|csv|log)", fullmatch=True)
FOLDER = st.from_regex(r"/[a-z]{3,8}/[a-z]{3,8}[0-9]", fullmatch=True)
NUMBER = st.integers(min_value=12, max_value=9999).map(str)
TEXT = st.text(string.ascii_letters + string.digits + " _-:,@%äß", min_size=3, max_size=20).filter(
    lambda text: text.strip() == text and not text.startswith("-")
)

SHAPES: tuple[tuple[str, tuple[str, ...], tuple[st.SearchStrategy[str], ...]], ...] = (
    ("copy {0} to {1}", ("cp {0} {1}",), (FILE, FOLDER)),
    ("find files named '{0}' in {1}", ("find {1} -type f -name '{0}'",), (NAME, FOLDER)),
    ("delete files older than {0} days in {1}", ("find {1} -type f -mtime +{0} -delete",), (NUMBER, FOLDER)),
    ("show the last {0} lines of {1}", ('tail -n{0} "{1}"',), (NUMBER, FILE)),
    ("create the folder {0} and move {1} into it", ("mkdir -p {0}", "mv '{1}' {0}/"), (FOLDER, FILE)),
    ("append '{0}' to {1}", ('echo "{0}" >> {1}',), (TEXT, FILE)),
)


@settings(max_examples=60)
@given(data=st.data(), shape=st.sampled_from(SHAPES))
def test_binding_to_the_recorded_goal_gives_back_the_recorded_calls(data: st.DataObject, shape: Any) -> None:
    goal, commands, kinds = shape
    values = [data.draw(kind) for kind in kinds]
    steps = [shell(command.format(*values)) for command in commands]
    saved = goal.format(*values)
    assert calls(generalise(saved, steps), saved) == [dict(step.args) for step in steps]


@settings(max_examples=100)
@given(data=st.data(), shape=st.sampled_from(SHAPES))
def test_there_and_back_again_and_no_old_value_survives(data: st.DataObject, shape: Any) -> None:
    goal, commands, kinds = shape
    old = [data.draw(kind) for kind in kinds]
    new = [data.draw(kind) for kind in kinds]
    if any(a in b or b in a for a in old for b in new) or len({*old, *new}) < 2 * len(old):
        return
    saved, other = goal.format(*old), goal.format(*new)
    steps = [shell(command.format(*old)) for command in commands]
    answer = bind(generalise(saved, steps), other)
    if isinstance(answer, Refusal):
        return
    for call in answer.calls:
        for _, text in texts(call):
            assert not any(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) for value in old)
    back = bind(generalise(other, [Call("shell", call) for call in answer.calls]), saved)
    assert isinstance(back, Bound), back
    assert [dict(call) for call in back.calls] == [dict(step.args) for step in steps]


@settings(max_examples=80)
@given(old=st.text(max_size=60), new=st.text(max_size=60), command=st.text(max_size=60), content=st.text(max_size=40))
def test_generalising_and_binding_are_total(old: str, new: str, command: str, content: str) -> None:
    steps = [shell(command), Call("write_file", {"path": "a", "content": content, "more": [1, None, {"x": True}]})]
    template = generalise(old, steps)
    assert isinstance(bind(template, new), Bound | Refusal)
    assert calls(template, old) == [dict(step.args) for step in steps]


@pytest.mark.parametrize(
    "goal",
    [
        "a.txt b.txt /c 'd' 7",
        " ".join(f"f{i}.txt" for i in range(100)),
        "find " + "very " * 10_000 + "long.txt",
        "\u05de\u05d7\u05e7 \u05d0\u05ea a.txt",
        "",
    ],
    ids=["only values", "100 values", "10000 words", "right to left", "empty"],
)
def test_hostile_goals_are_bound_to_themselves_or_refused(goal: str) -> None:
    template = generalise(goal, [shell("wc -l a.txt")])
    assert isinstance(bind(template, goal), Bound | Refusal)
    assert isinstance(bind(template, goal.replace("a.txt", "b.txt")), Bound | Refusal)


# ---------------------------------------------------------------------------------------------------------- the index


def index_of(*runs: tuple[str, str]) -> TemplateIndex:
    return TemplateIndex(generalise(goal, [shell(command)], f"t{i}") for i, (goal, command) in enumerate(runs))


def test_the_nearest_wording_comes_first_then_what_most_agree_on() -> None:
    index = index_of(
        ("list files in /x", "find /x -type f"),
        ("find files in /y", "find /y"),
        ("find files in /z", "find /z -type f"),
        ("find files in /w", "find /w -type f"),
    )
    found = [
        (answer.template.ref, answer.distance)
        for answer in match("find files in /q", index)
        if isinstance(answer, Bound)
    ]
    assert found == [("t2", 1), ("t3", 1), ("t1", 1), ("t0", 2)]


def test_a_refusal_is_told_beside_what_is_bound() -> None:
    index = index_of(("count lines in a.txt", "wc -l a.txt"), ("count lines in b.txt", "wc -l b.txt c.txt"))
    answers = match("count lines in d.txt", index)
    assert [type(answer).__name__ for answer in answers] == ["Bound", "Refusal"]
    assert answers[1].gate == "constant"  # type: ignore[union-attr]


def test_an_unrelated_template_changes_nothing() -> None:
    index = index_of(("count lines in a.txt", "wc -l a.txt"))
    before = match("count lines in d.txt", index)
    index.add(generalise("delete a.txt", [shell("rm a.txt")], "other"))
    assert match("count lines in d.txt", index) == before


def test_what_the_index_leaves_out_a_gate_would_refuse() -> None:
    runs = (("count lines in a.txt", "wc -l a.txt"), ("delete a.txt", "rm a.txt"), ("list files in /x", "ls /x"))
    index = index_of(*runs)
    left_out = 0
    for goal, _ in runs:
        kept = {template.ref for template in index.candidates(generalise(goal, []).analysis)}
        for number, (other, command) in enumerate(runs):
            if f"t{number}" not in kept:
                left_out += 1
                assert isinstance(bind(generalise(other, [shell(command)]), goal), Refusal)
    assert left_out > 0
