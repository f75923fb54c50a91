"""Hand-written pairs of goals in many domains: no wrong replay, and most of the right ones."""

import re
from pathlib import Path

import pytest

from bench.wording_pairs.run import PAIRS, main, pairs
from llmos.core.binding import bind
from llmos.core.gate import Bound
from llmos.core.gates import GATES


def test_no_pair_is_answered_wrongly_and_most_right_ones_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    code = main([])
    printed = capsys.readouterr().out
    assert code == 0, printed
    asked = re.match(r"(\d+) pairs", printed)
    replayed = re.search(r"replayed of those that may be: (\d+)/(\d+)", printed)
    assert asked is not None and int(asked[1]) > 3_500
    assert replayed is not None and int(replayed[1]) >= 0.77 * int(replayed[2])


def test_without_its_gates_on_wording_it_would_answer_many_wrongly() -> None:
    """The partner of the test above: these pairs can tell a matcher that errs."""
    names = {"number", "polarity", "negation", "words", "order", "conjunction", "quantifier", "verb", "comparative"}
    others = tuple(gate for gate in GATES if gate.name not in names)
    traps = [pair for pair in pairs(PAIRS) if not pair.may][::5]
    assert sum(isinstance(bind(pair.saved, pair.goal, others), Bound) for pair in traps) > 20


def test_a_line_that_is_no_pair_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("+ a goal without a job\n")
    with pytest.raises(SystemExit, match=r"pairs\.txt:1 is neither"):
        list(pairs(path))
