"""How often will the next replay be wrong in a way that no rule has met yet? An estimate by leaving rules out.

    python -m bench.unseen_errors --data DIR --scorer score.py [--verdicts MORE.jsonl] [--show]

The rules were written from the errors of this very folder, so that counting its errors again says nothing of other
goals. What can be counted is by how much evidence each rule is held: a rule that keeps off the wrong replays of one
goal alone would not exist without that goal, so that goal, left out, would have been answered wrongly. By Good and
Turing (Good 1953, Biometrika 40) the share of such goals among all replays estimates how often a goal that was never
seen needs a rule that was never written.

A rule is a reason of a gate, without the values in it. It keeps off a goal when it is the only reason that is closed
between the goal and a trace of the same words, and the goal has no other replay. Whether what would be replayed is
wrong is said by the accepted commands and the verdicts; what nobody read counts as wrong.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.goal_matching import read_traces, rows, template_of
from bench.judge.run import scorer_of
from bench.replay_truth.judging import rate
from llmos.core.binding import make_case, render
from llmos.core.gate import Bound, Case
from llmos.core.gates import AFTER, GATES
from llmos.core.template import Template
from llmos.core.template_index import TemplateIndex, match
from llmos.core.wording import Analysis, analyse


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="How often the next replay is wrong in a way that no rule has met.")
    parser.add_argument("--data", type=Path, required=True, help="a goal-matching folder (traces.jsonl, goals.jsonl)")
    parser.add_argument("--scorer", type=Path, required=True, help="score.py of that folder")
    parser.add_argument("--verdicts", type=Path, help="judgements of replays, beside the folder's own verdicts.jsonl")
    parser.add_argument("--show", action="store_true", help="also print the goals that one rule alone keeps off")
    options = parser.parse_args(argv)
    index = TemplateIndex(template_of(each) for each in read_traces(options.data))
    is_right = judge_of(options)
    goals = list(rows(options.data / "goals.jsonl"))
    kept_off: dict[str, dict[str, tuple[str, bool]]] = defaultdict(dict)
    replays = 0
    for row in goals:
        if isinstance(next(iter(match(row["goal"], index)), None), Bound):
            replays += 1
            continue
        for rule, commands in alone(index, analyse(row["goal"])):
            kept_off[rule].setdefault(row["goal"], (commands, is_right(row, commands)))
    wrong = {rule: [goal for goal, (_, right) in found.items() if not right] for rule, found in kept_off.items()}
    single = {rule: found for rule, found in wrong.items() if len(found) == 1}
    print(f"{replays} replays; {len(kept_off)} rules are the only one between some goal and a trace")
    print(f"{'wrong':>6} {'right':>6}  rule")
    for rule, found in sorted(kept_off.items(), key=lambda item: -len(wrong[item[0]])):
        print(f"{len(wrong[rule]):6} {len(found) - len(wrong[rule]):6}  {rule}")
    print(f"rules held by one goal alone: {len(single)}; estimate for unseen goals {rate(len(single), replays)}")
    if options.show:
        for rule, found in single.items():
            print(f"{rule}\n    {found[0]!r}: {kept_off[rule][found[0]][0]}")
    return 0


def alone(index: TemplateIndex, goal: Analysis) -> Iterator[tuple[str, str]]:
    """Each rule that alone stands between the goal and a trace, with what would be run without it."""
    for template in index.candidates(goal):
        case = make_case(template, goal)
        if len(rules := list(closed(case))) == 1 and (commands := bound(template, case)):
            yield rules[0], commands


def closed(case: Case) -> Iterator[str]:
    """Every closed gate's rule, but for the gates that look at what was bound; two are enough to know."""
    found = 0
    for gate in GATES:
        if gate.name not in AFTER and (reason := gate.check(case)):
            yield f"{gate.name}: {without_values(reason)}"
            found += 1
            if found == 2:
                return


def bound(template: Template, case: Case) -> str:
    calls = render(template, case.landings) if case.changed else tuple(step.args for step in template.steps)
    if calls is None:
        return ""
    case = case.with_calls(calls)
    if any(gate.check(case) for gate in GATES if gate.name in AFTER):
        return ""
    return "\n".join(str(call["command"]) for call in calls)


def without_values(reason: str) -> str:
    """A reason without what it quotes, numbers, and the program that it names in brackets."""
    reason = re.sub(r"\s*\([^)]*\)$", "", reason)
    reason = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\d+", "_", reason)
    return re.sub(r"^\w+(?= may not (?:read|run))", "_", reason)


def judge_of(options: argparse.Namespace) -> Any:
    same = scorer_of(options.scorer).normalise_command
    judged = {
        (row["goal_id"], same(row["command"]))
        for path in (options.data / "verdicts.jsonl", options.verdicts)
        if path is not None and path.exists()
        for row in rows(path)
        if row["verdict"] in ("right", "inherited")
    }

    def is_right(row: dict[str, Any], commands: str) -> bool:
        command = same(commands)
        return command in {same(each) for each in row["accepted"]} or (row["goal_id"], command) in judged

    return is_right


if __name__ == "__main__":
    raise SystemExit(main())
