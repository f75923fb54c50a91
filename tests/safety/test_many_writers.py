"""Nothing that was acknowledged is lost: not among processes that write at once, and not by kills at any moment."""

from __future__ import annotations

import random
import sys

import pytest
from many_writers import a_store, all_kills, at_once, with_kills, without_haste, without_locks

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("processes", "operations"), [(4, 25), pytest.param(8, 100, marks=pytest.mark.slow)])
def test_processes_that_write_at_once_lose_no_update(processes: int, operations: int) -> None:
    with a_store() as root:
        figures = at_once(root, processes, operations)
    assert (figures.lost, figures.failed, figures.operations) == ([], [], processes * operations)


def test_a_store_without_locks_is_caught() -> None:
    with a_store() as root:
        figures = at_once(root, 6, 40, kinds=("item", "call"), prepare=without_locks)
    assert figures.lost or figures.failed


@pytest.mark.parametrize(("kills", "writers"), [(12, 4), pytest.param(60, 8, marks=pytest.mark.slow)])
def test_no_kill_loses_what_was_acknowledged(kills: int, writers: int) -> None:
    figures = all_kills(kills, writers=writers)
    assert (figures.lost, figures.failed, figures.kills) == ([], [], kills)
    assert figures.operations > kills


def test_a_store_that_acknowledges_before_it_writes_is_caught() -> None:
    with a_store() as root:
        figures = with_kills(root, 8, writers=4, rng=random.Random(1), prepare=without_haste)
    assert figures.lost


def main() -> None:
    """The figures of `make safety`: `at-once` or `kills`, and how much of it."""
    what, share = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    if what == "at-once":
        done = []
        for processes, operations in ((8, 500), (32, 50)):
            with a_store() as root:
                done.append(at_once(root, processes, max(1, int(operations * share))))
        lost = [line for one in done for line in one.lost]
        failed = [line for one in done for line in one.failed]
        told = [
            f"{one.processes} processes, {one.operations:,} operations at once, 99 % of them within {one.p99_s:.2f} s"
            for one in done
        ]
        bad = lost or failed  # who waits ten seconds for a lock has failed; how long the others take is the machine's
    else:
        alone, together = all_kills(int(200 * share), writers=1), all_kills(int(800 * share), writers=8)
        lost, failed = alone.lost + together.lost, alone.failed + together.failed
        told = [
            f"{alone.kills + together.kills:,} kills of 1 and of 8 writers, "
            f"{alone.operations + together.operations:,} acknowledged writes"
        ]
        bad = lost or failed
    for line in [*lost, *failed][:20]:
        print(line)
    print(f"{'; '.join(told)}: {len(lost)} lost, {len(failed)} failed")
    if bad:
        sys.exit(1)


if __name__ == "__main__":
    main()
