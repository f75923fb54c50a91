"""Which of many hand-written goals does the product's matcher answer by a replay, and is that right?

    python -m bench.wording_pairs.run [--missed]

The pairs (pairs.txt) are about git, archives, hosts, services, containers, text, users, dates, networks and media:
what the goal-matching benchmark, of which most is `find`, hardly has. Whoever wrote them wrote down what is right
before looking at what the matcher says; nothing is executed. Exit code 1 where a wrong replay would be made.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.replay_truth.judging import rate
from llmos.core.binding import bind
from llmos.core.gate import Bound, Refusal
from llmos.core.template import Call, Template, generalise

PAIRS = Path(__file__).with_name("pairs.txt")


@dataclass(frozen=True, slots=True)
class Pair:
    """A done job, another goal, and whether a replay of the job is right for it."""

    saved: Template
    goal: str
    may: bool


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Replay decisions over hand-written pairs of goals.")
    parser.add_argument("--missed", action="store_true", help="also print what could have been replayed and was not")
    options = parser.parse_args(argv)
    answers = [(pair, bind(pair.saved, pair.goal)) for pair in pairs(PAIRS)]
    wrong = [(pair, answer) for pair, answer in answers if isinstance(answer, Bound) and not pair.may]
    right = [pair for pair, answer in answers if isinstance(answer, Bound) and pair.may]
    may = [pair for pair, _ in answers if pair.may]
    print(f"{len(answers)} pairs; replays that are wrong {rate(len(wrong), len(wrong) + len(right))}")
    traps = len(answers) - len(may)
    print(f"of {traps} goals that ask for something else: {rate(len(wrong), traps)}")
    print(f"replayed of those that may be: {rate(len(right), len(may))}")
    for pair, answer in wrong:
        print(f"WRONG {pair.saved.analysis.goal!r} -> {pair.goal!r}: {answer.calls[0]['command']}")
    if options.missed:
        for pair, answer in answers:
            if pair.may and isinstance(answer, Refusal):
                print(f"missed {pair.saved.analysis.goal!r} -> {pair.goal!r}: {answer.gate}: {answer.reason}")
    return 1 if wrong else 0


def pairs(path: Path) -> Iterator[Pair]:
    """Every pair of a file. Raises SystemExit for a line that is none."""
    saved: Template | None = None
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        mark, _, text = line.partition(" ")
        if not line or mark == "#":
            continue
        if mark == "=" and " :: " in text:
            goal, command = text.split(" :: ", 1)
            saved = generalise(goal, [Call("shell", {"command": command})], "saved")
        elif mark in ("+", "-") and saved is not None:
            yield Pair(saved, text, mark == "+")
        else:
            raise SystemExit(f"{path}:{number} is neither a job nor a goal; see its first lines")


if __name__ == "__main__":
    raise SystemExit(main())
