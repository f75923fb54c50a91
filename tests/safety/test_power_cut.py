"""After a power cut every acknowledged save is readable, whatever of the rest reached the disk (invariant I3)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from crash_points import fast_folder
from power_cut import run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("count", [120, pytest.param(500, marks=pytest.mark.slow)])
def test_no_disk_has_lost_an_acknowledged_save(count: int) -> None:
    with fast_folder() as folder:
        figures = run(Path(folder), count)
    assert (figures.states, figures.lost, figures.torn) == (count, [], [])


@pytest.mark.parametrize("sync", ["sync", "syncdir"])
def test_a_build_that_does_not_sync_is_caught(sync: str) -> None:
    with fast_folder() as folder:
        figures = run(Path(folder), 250, spoil=lambda op: op.kind == sync)
    assert figures.lost or figures.torn


def main() -> None:
    """The figures of `make safety`."""
    with fast_folder() as folder:
        figures = run(Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
    for problem in (*figures.lost, *figures.torn):
        print(problem)
    print(figures)
    sys.exit(1 if figures.lost or figures.torn else 0)


if __name__ == "__main__":
    main()
