"""No tool runs from an incomplete call, whatever becomes of the answer, and the session can go on after it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import pytest
from stream_faults import Fault, all_faults, believing_whatever_came, refused_connections, run

pytestmark = pytest.mark.slow


def one_of_each() -> list[Fault]:
    return list({fault.kind: fault for fault in all_faults()}.values())


@pytest.mark.parametrize("stride", [7, pytest.param(2, marks=pytest.mark.slow)])
async def test_a_fault_of_each_kind_runs_nothing_and_stops_no_session(tmp_path: Path, stride: int) -> None:
    faults = one_of_each()
    assert len(faults) >= 40 and len(all_faults()) >= 600
    figures = await run(tmp_path, faults[::stride])
    assert (figures.problems, figures.faults) == ([], len(faults[::stride]))


async def test_a_client_that_runs_what_came_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    believing_whatever_came(monkeypatch)
    cut = [fault for fault in all_faults() if fault.kind in ("cut between events (end)", "malformed input")]
    figures = await run(tmp_path, cut[4:7] + cut[-20:-17])
    assert len(figures.partial) > 1


async def test_nobody_listening_is_one_sentence_and_no_cost() -> None:
    assert await refused_connections() == ["No connection to the model server at 127.0.0.1.", "0"]


def main() -> None:
    """The figures of `make safety`: every so-many-th fault of the list."""
    faults = all_faults()[:: int(sys.argv[1]) if len(sys.argv) > 1 else 1]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        figures = asyncio.run(run(Path(folder), faults))
    for problem in figures.problems:
        print(problem)
    print(figures)
    sys.exit(1 if figures.problems else 0)


if __name__ == "__main__":
    main()
