"""The forgetting test (bench/forgetting.py) at small sizes: memory passes it, and three broken memories fail it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.forgetting import VARIANTS, Point, lines, passes, run
from bench.forgetting_data import distractors, planted


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    return run(tmp_path_factory.mktemp("life"), [200])


def test_what_was_said_is_found_after_everything_that_came_later(points: list[Point]) -> None:
    assert passes(points, "llmos"), "\n".join(lines(points))
    assert points[-1].recall["llmos"] >= 0.85


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_memory_that_forgets_fails_the_same_test(points: list[Point], variant: str) -> None:
    assert not passes(points, variant), "\n".join(lines(points))


@pytest.mark.slow
def test_after_a_thousand_other_messages(tmp_path: Path) -> None:
    points = run(tmp_path, [1_000])
    assert {name: passes(points, name) for name in points[0].recall} == {
        "llmos": True,
        "recency only": False,
        "facts only": False,
        "multiplicative decay": False,
    }, "\n".join(lines(points))


def test_sixty_statements_are_planted_and_no_distractor_says_one() -> None:
    said = [statement for fact in planted() for statement in fact.statements]
    assert len(set(said)) == 60
    assert len({fact.question for fact in planted()}) == 52
    noise = distractors(5)
    buried = {text for _ in range(2_000) for text in next(noise)}
    assert not buried & set(said)
    assert len(buried) > 2_500
