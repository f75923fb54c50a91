"""The bench of replays judged by the final file system: a part of its pairs, and that its judge sees what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.replay_truth.baselines import likeness
from bench.replay_truth.cases import JOBS
from bench.replay_truth.judging import Verdict, answers, select, wilson
from bench.replay_truth.pairs import KINDS
from bench.replay_truth.places import carry_out, difference, environment, lay_out, state
from bench.replay_truth.run import baseline, run

pytestmark = pytest.mark.slow

PART = (
    "copy a.txt to b2.txt",
    "create the folders alpha1, beta1 and gamma1",
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


async def test_no_replay_of_a_part_of_the_pairs_is_wrong_and_those_that_may_be_right_are(root: Path) -> None:
    found, unsaved = await run([job for job in JOBS if job.goal in PART], root)
    assert len(found) >= 30
    assert unsaved == {}
    assert [(each.asked.goal, each.why) for each in select(found, Verdict.WRONG, Verdict.CRASHED)] == []
    assert [each.asked.goal for each in found if each.is_unsafe] == []
    assert len(select(found, Verdict.RIGHT, may=True)) >= 6


def test_the_same_pairs_show_a_matcher_without_gates_to_be_wrong(root: Path) -> None:
    """The partner of the test above: the pairs are traps, and the judge sees what falls into them."""
    found = baseline("cosine-0.75+", [job for job in JOBS if job.goal in PART], root)
    assert len(select(found, Verdict.WRONG)) >= 10
    assert sum(each.is_unsafe for each in found) >= 10


def test_there_are_enough_pairs_of_every_kind_and_half_of_them_are_traps() -> None:
    pairs = [asked for job in JOBS for asked in job.asked]
    assert len(pairs) >= 300
    assert sum(not asked.may for asked in pairs) >= len(pairs) / 2
    assert {asked.kind for asked in pairs} == set(KINDS)
    assert len({(job.goal, asked.goal, str(asked.files)) for job in JOBS for asked in job.asked}) == len(pairs)


@pytest.mark.parametrize(
    "other",
    [
        {"a.txt": "one\n"},
        {"a.txt": None},
        {"new.txt": ""},
        {"folder/": ""},
        "chmod +x a.txt",
        "rm a.txt && ln -s b.txt a.txt",
        "tar -cf x.tar a.txt",
    ],
)
def test_any_difference_between_two_directories_is_seen(tmp_path: Path, other: str | dict[str, str | None]) -> None:
    files = {"a.txt": "two\n", "b.txt": "two\n", "folder2/": ""}
    for name in ("left", "right"):
        lay_out(tmp_path / name, files)
    assert difference(state(tmp_path / "left"), state(tmp_path / "right")) == ""
    carry_out(tmp_path / "right", other)
    assert difference(state(tmp_path / "left"), state(tmp_path / "right")) != ""


def test_archives_and_repositories_count_by_what_they_hold(root: Path) -> None:
    for name, order in (("left", "a b"), ("right", "b a")):
        lay_out(root / name, {"a": "1", "b": "2"})
        carry_out(
            root / name, f"tar -cf x.tar {order}; gzip -c a > a.gz; git init -q -b main; git add a; git commit -qm x"
        )
    assert difference(state(root / "left"), state(root / "right")) == ""
    carry_out(root / "right", "git tag v1")
    assert "v1" in difference(state(root / "left"), state(root / "right"))


@pytest.mark.parametrize(
    ("answer", "right", "goal", "good"),
    [
        ("3", "3", "how many?", True),
        ("There are 3 files.", "3", "how many?", True),
        ("There are 13 files.", "3", "how many?", False),
        ("3 of 4", "3", "how many?", False),
        ("3 in 4.txt", "3", "how many in 4.txt?", True),
        ("b\na", "a\nb", "list them", True),
        ("b\na", "a\nb", "list them sorted", False),
        ("a", "a\nb", "list them", False),
        ("", "3", "how many?", False),
    ],
)
def test_an_answer_is_right_or_wrong(answer: str, right: str, goal: str, good: bool) -> None:
    assert answers(answer, right, goal) is good


def test_the_interval_is_wilsons() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(0, 300)
    assert low == 0.0
    assert 0.0126 < high < 0.0127
    assert all(abs(found - known) < 1e-4 for found, known in zip(wilson(5, 10), (0.2366, 0.7634), strict=True))


def test_likeness_is_of_words_and_not_of_their_order() -> None:
    assert likeness("copy a to b", "copy b to a") == pytest.approx(1)
    assert likeness("copy a", "remove b") == 0
