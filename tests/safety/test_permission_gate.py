"""The gate on hostile and on ordinary commands, on sizes, and against what bash really runs.

Each count that must be zero has a partner: the same corpus through a gate that is known to be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.safety.differential import make_stage, violations
from bench.safety.permissions import Gate, make_place, measure, our_gate, prefix_gate, sizes, splitting_gate


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return our_gate(make_place(tmp_path_factory.mktemp("gate")))


def test_no_hostile_command_is_allowed_and_most_ordinary_ones_are(gate: Gate) -> None:
    found = measure(gate)
    assert found.hostile >= 300
    assert found.hostile_allowed == ()
    assert found.ordinary >= 200
    assert len(found.ordinary_asked) <= found.ordinary // 10


@pytest.mark.parametrize("wrong", [prefix_gate, splitting_gate])
def test_the_corpus_finds_a_gate_that_looks_at_words_only(wrong: Gate) -> None:
    assert len(measure(wrong).hostile_allowed) > 100


def test_what_is_too_large_is_judged_quickly_and_never_allowed() -> None:
    found = list(sizes())
    assert {name: took for name, took, _ in found if took > 1.0} == {}
    assert {verdict for name, _, verdict in found if "is read" not in name} == {"deny"}


@pytest.fixture
def listed(tmp_path: Path) -> Iterator[Gate]:
    yield our_gate(make_stage(tmp_path / "judged"))


@pytest.mark.slow
def test_bash_runs_nothing_but_what_the_gate_read(tmp_path: Path, listed: Gate) -> None:
    (tmp_path / "run").mkdir()
    ran, found = violations(listed, 1_500, 1, tmp_path / "run")
    assert ran > 100
    assert found == []


@pytest.mark.slow
def test_the_same_commands_find_a_gate_by_prefix(tmp_path: Path) -> None:
    ran, found = violations(prefix_gate, 120, 1, tmp_path)
    assert ran > 50
    assert len(found) > 10
