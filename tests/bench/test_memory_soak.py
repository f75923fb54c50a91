"""Two sessions in one workspace, killed at random (bench/memory_soak.py): nothing is lost, doubled or broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.memory_soak import Verdict, check, soak


@pytest.mark.slow
@pytest.mark.thorough
def test_what_was_acknowledged_is_there_and_found(tmp_path: Path) -> None:
    verdict = soak(tmp_path, seconds=8, writers=2, seed=7, between=(1.0, 2.0))
    assert verdict.problems == ()
    assert (verdict.acknowledged > 20, verdict.kills >= 3) == (True, True)


def test_the_check_can_fail(tmp_path: Path) -> None:
    said = [{"session": "aaaa", "goal": "our service svc_1 runs on port 99"}]
    assert check(tmp_path, said, 0) == Verdict(
        1,
        0,
        0,
        0,
        ("lost: ('aaaa', 'our service svc_1 runs on port 99')", "not found: our service svc_1 runs on port 99"),
    )
