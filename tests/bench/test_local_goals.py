"""The judges of the local goals: right solutions pass, wrong ones fail, and so does doing nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from bench.local_goals.answers import gives_day, names_in, numbers_in
from bench.local_goals.build import Attempt, LocalGoal, tree
from bench.local_goals.check import Verdict, judge, number, snapshot
from bench.local_goals.goals import later_goals, load_goals
from bench.local_goals.make_starters import starter_files
from bench.local_goals.starters_data import STARTERS
from llmos.core.trace import TraceStatus
from llmos.memory.trace_files import decode_trace, file_name

GOALS = load_goals()
TRACES = Path(__file__).parents[2] / "traces"
STOP_WORDS = frozenset(
    "a an the of in to and is are how many what which file files all with that from for it on".split()
)


def attempt(goal: LocalGoal, made: Path, place: Path, what: Attempt) -> Verdict:
    shutil.copytree(made, place, symlinks=True)
    before = snapshot(place)
    if what.script == ":" and what.answer is not None:
        return goal.check(place, what.answer, before)
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent"}
    done = subprocess.run(["bash", "-c", what.script], cwd=place, env=env, capture_output=True, text=True, timeout=20)
    return goal.check(place, done.stdout if what.answer is None else what.answer, before)


@pytest.mark.parametrize("goal", [*GOALS, *later_goals()], ids=lambda goal: goal.id)
def test_judge_passes_the_solution_and_nothing_else(goal: LocalGoal, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    goal.setup(made)
    assert attempt(goal, made, tmp_path / "right", Attempt(goal.solution)) == Verdict(True, "")
    assert 1 <= len(goal.wrong) <= 3
    wrong = (*goal.wrong, Attempt(answer=""))
    passed = [w for n, w in enumerate(wrong) if attempt(goal, made, tmp_path / f"wrong{n}", w).ok]
    assert passed == []


def test_the_set_is_balanced() -> None:
    assert len(GOALS) >= 72
    assert len({goal.id for goal in GOALS}) == len(GOALS)
    assert len({goal.goal for goal in GOALS}) == len(GOALS)
    halves = Counter(goal.split for goal in GOALS)
    assert halves["dev"] == halves["held-out"]
    for split in halves:
        steps = [goal.steps for goal in GOALS if goal.split == split]
        assert sum(n >= 2 for n in steps) * 3 >= len(steps)


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w.*/-]*\w", text.lower())) - STOP_WORDS


def starter_goals() -> list[str]:
    return [example.goal for example in STARTERS]


def test_no_starter_is_a_near_copy_of_a_goal() -> None:
    def overlap(a: str, b: str) -> float:
        return len(words(a) & words(b)) / len(words(a) | words(b))

    pairs = [(a, goal.goal) for a in starter_goals() for goal in GOALS]
    assert [pair for pair in pairs if overlap(*pair) >= 0.45] == []
    assert overlap("set DEBUG to false in .env", "set DEBUG to true in .env") >= 0.45

    def named(text: str) -> set[str]:
        return {word for word in words(text) if re.search(r"\w\.\w", word)}

    assert set().union(*map(named, starter_goals())) & set().union(*(named(goal.goal) for goal in GOALS)) == set()


def test_the_starter_traces_are_what_running_them_gives() -> None:
    shipped = {path.name: path.read_text() for path in TRACES.glob("*.yaml")}
    made = starter_files()
    assert {name: shipped.get(name) for name in made} == made
    traces = [decode_trace(text.encode(), name=name) for name, text in made.items()]
    assert [trace.header.goal for trace in traces] == starter_goals()
    assert [file_name(trace.header.id) for trace in traces] == list(made)
    assert {trace.header.status for trace in traces} == {TraceStatus.GUIDANCE}


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("There are 3 files.", [3.0]),
        ("**1,204** lines in chapter2.txt", [1204.0]),
        ("I found three of them", [3.0]),
        ("No such lines", [0.0]),
        ("1. a.py\n2. b.py\nso 2", [2.0]),
        ("on 2024-03-02 at 10:15 it was 7", [7.0]),
        ("line3 of v2b", []),
        ("it is -4.5 now", [-4.5]),
        ("5616 bytes (5.5 KB)", [5616.0]),
    ],
)
def test_numbers_of_an_answer(answer: str, numbers: list[float]) -> None:
    assert numbers_in(answer, ["docs/chapter2.txt"]) == numbers


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("2022-07-14", True),
        ("It was July 14th, 2022.", True),
        ("on 14 Jul 2022", True),
        ("Thu Jul 14 12:00:00 UTC 2022", True),
        ("-rw-r--r-- 1 me me 1 Jul 14  2022 shot.raw", True),
        ("2022-07-15", False),
        ("Jul 14", False),
        ("4 July 2022", False),
    ],
)
def test_day_of_an_answer(answer: str, right: bool) -> None:
    assert gives_day(answer, "2022-07-14") is right


@pytest.mark.parametrize("ident", ["merge-topic", "logs-before-2024"])
def test_a_directory_is_the_same_each_time(ident: str, tmp_path: Path) -> None:
    goal = next(goal for goal in GOALS if goal.id == ident)
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        goal.setup(tmp_path / name)
        dated = sorted((tmp_path / name).glob("history/*"))
        made.append((snapshot(tmp_path / name), [path.stat().st_mtime for path in dated]))
    assert made[0] == made[1]


def test_names_are_whole() -> None:
    said = "It is ./src/a.py (not xa.py or a.py.bak); `b.py`."
    assert names_in(said, ["a.py", "b.py", "py", "src/a.py", "c.py", "y"]) == {"a.py", "b.py", "src/a.py"}


def test_a_check_names_what_is_wrong(tmp_path: Path) -> None:
    tree({"a.txt": "a", "b.txt": "b"})(tmp_path)
    before = snapshot(tmp_path)
    check = judge("how many files", [number(2)], ["b.txt"])
    (tmp_path / "b.txt").unlink()
    (tmp_path / "new.txt").touch()
    assert check(tmp_path, "2 files", before) == Verdict(True, "")
    assert check(tmp_path, "2 or 3 files", before) == Verdict(False, "the answer also gives 3")
    assert check(tmp_path, "many", before) == Verdict(False, "the answer does not give 2")
    (tmp_path / "a.txt").write_text("A")
    assert check(tmp_path, "2", before) == Verdict(False, "a.txt had to stay as it was and was changed")
    (tmp_path / "a.txt").unlink()
    assert check(tmp_path, "2", before) == Verdict(False, "a.txt had to stay and is gone")
