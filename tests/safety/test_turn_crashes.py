"""After a kill at any point of a turn the session goes on, nothing runs twice, and what is unknown is called so."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from turn_crashes import IN_TOOL, KINDS, run, starting_again

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("crashes", [3, pytest.param(len(KINDS), marks=pytest.mark.slow)])
def test_a_session_goes_on_after_a_kill(tmp_path: Path, crashes: int) -> None:
    figures = run(tmp_path, crashes)
    assert (figures.problems, figures.crashes) == ([], crashes)


def test_a_build_that_calls_what_had_started_not_run_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starting_again(monkeypatch)
    assert run(tmp_path, 2, kinds=(IN_TOOL,)).untrue


def main() -> None:
    """The figures of `make safety`."""
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    for problem in figures.problems:
        print(problem)
    print(", ".join(f"{count} {kind}" for kind, count in figures.kinds.items()))
    print(figures)
    sys.exit(1 if figures.problems or figures.kinds.total() < 0.9 * figures.crashes else 0)


if __name__ == "__main__":
    main()
