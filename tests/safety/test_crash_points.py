"""After any single crash or failing operation every acknowledged save is readable (invariant I3)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from crash_points import fast_folder, run, without_order

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("points", "stride"), [(40, 9), pytest.param(120, 2, marks=[pytest.mark.slow, pytest.mark.thorough])]
)
def test_no_acknowledged_save_is_lost_at_any_crash_point(points: int, stride: int) -> None:
    with fast_folder() as folder:
        figures = run(Path(folder), points, stride=stride)
    assert (figures.points, figures.lost, figures.torn) == (points, [], [])


def test_a_store_that_writes_in_place_is_caught() -> None:
    with fast_folder() as folder:
        figures = run(Path(folder), 30, kinds=("kill",), first=30, prepare=without_order)
    assert figures.lost or figures.torn


def main() -> None:
    """The figures of `make safety`."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with fast_folder() as folder:
        figures = run(Path(folder), points)
    print(figures)
    if figures.lost or figures.torn:
        sys.exit("\n".join([*figures.lost[:10], *figures.torn[:10], str(figures)]))


if __name__ == "__main__":
    main()
