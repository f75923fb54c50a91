"""Hand-written pairs of goals in many domains: no wrong replay, and most of the right ones."""

from pathlib import Path

import pytest

from bench.wording_pairs.run import PAIRS, main, pairs
from llmos.core.binding import bind
from llmos.core.gate import Bound
from llmos.core.gates import GATES


def test_no_pair_is_answered_wrongly_and_most_right_ones_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0, capsys.readouterr().out
    found = list(pairs(PAIRS))
    replayed = [pair for pair in found if isinstance(bind(pair.saved, pair.goal), Bound)]
    assert len(found) > 900
    assert len(replayed) >= 0.8 * sum(pair.may for pair in found)


def test_without_its_gates_on_wording_it_would_answer_many_wrongly() -> None:
    """The partner of the test above: these pairs can tell a matcher that errs."""
    names = {"number", "polarity", "negation", "words", "order", "conjunction", "quantifier", "verb", "comparative"}
    others = tuple(gate for gate in GATES if gate.name not in names)
    wrong = [pair for pair in pairs(PAIRS) if not pair.may and isinstance(bind(pair.saved, pair.goal, others), Bound)]
    assert len(wrong) > 30


def test_a_line_that_is_no_pair_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("+ a goal without a job\n")
    with pytest.raises(SystemExit, match=r"pairs\.txt:1 is neither"):
        list(pairs(path))
