"""How often is a judgement of likeness wrong, what does it gain, and what does it cost?

    python -m bench.judge.run --model 0.5b [--goals 40] [--data DIR] [--json OUT.jsonl] [--seed 1]

Each goal is given to the product's own TraceAnalyzer with the five traces nearest in words, one call a goal, as
`matching.judge` does. Without --data the goals are the hand-written pairs of bench/wording_pairs that no template
answers; with it those of a goal-matching folder (traces.jsonl, goals.jsonl with accepted commands). For several cuts
on its confidence the report says how many goals it would have replayed rightly and wrongly: alone, and behind the gates
that no judgement opens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.replay_truth.judging import rate
from bench.wording_pairs.run import PAIRS, pairs
from llmos.adapters.local_model import LocalModel
from llmos.core.binding import bind
from llmos.core.catalogue import find_model
from llmos.core.gate import Refusal
from llmos.core.judged import JudgedRun, bind_judged
from llmos.core.matching import rank
from llmos.core.tool import Effect
from llmos.core.trace import Expect, Learned, Require, Step, Trace, TraceHeader, TraceStatus
from llmos.memory.model_store import ModelStore, models_folder
from llmos.memory.trace_analyzer import TraceAnalyzer

CUTS = (0.5, 0.7, 0.85, 0.92, 0.95, 0.98)
LEARNED = Learned("2026-11-26T00:00:00+00:00", "LEARNER", "some model", 0.02, 1.0)


@dataclass(frozen=True, slots=True)
class Asked:
    """A goal with what was judged best for it."""

    goal: str
    chosen: str
    confidence: float
    right: bool
    """The chosen trace is one whose replay answers the goal."""
    gate: str
    """The gate that stays closed all the same; empty when the replay would be made."""
    possible: bool
    """Whether a trace that answers the goal was among those shown."""
    seconds: float


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Judgements of likeness by an embedded model.")
    parser.add_argument("--model", default="0.5b", help="a model of the catalogue that is pulled here")
    parser.add_argument("--goals", type=int, default=40, help="how many goals are judged")
    parser.add_argument("--seed", type=int, default=1, help="which goals are drawn")
    parser.add_argument("--json", type=Path, help="also write a line for each goal there")
    options = parser.parse_args(argv)
    entry = find_model(options.model)
    path = ModelStore(models_folder(os.environ, Path.home())).path(entry)
    model = LocalModel(path, name=entry.name, kv_bytes_per_token=entry.kv_bytes_per_token, n_ctx=4096)
    found = asyncio.run(run(TraceAnalyzer(model, longest_s=300), drawn(options.goals, options.seed), model))
    print(report(entry.name, found))
    if options.json:
        options.json.write_text("".join(json.dumps(asdict(each)) + "\n" for each in found), "utf-8")
    return 0


def drawn(count: int, seed: int) -> list[tuple[str, str, bool]]:
    """Goals that no template answers, with the goal of their job, and whether its replay is right for them."""
    found = []
    for pair in pairs(PAIRS):
        if isinstance(bind(pair.saved, pair.goal), Refusal):
            found.append((pair.goal, pair.saved.analysis.goal, pair.may))
    right = [one for one in found if one[2]]
    wrong = [one for one in found if not one[2]]
    chosen = random.Random(seed)
    share = min(len(right), count // 3)
    return chosen.sample(right, share) + chosen.sample(wrong, min(len(wrong), count - share))


async def run(analyzer: TraceAnalyzer, goals: Sequence[tuple[str, str, bool]], model: LocalModel) -> list[Asked]:
    traces = {
        pair.saved.analysis.goal: trace(pair.saved.analysis.goal, pair.saved.steps[0].args) for pair in pairs(PAIRS)
    }
    headers = [one.header for one in traces.values()]
    found = []
    try:
        for goal, of, may in goals:
            near = [header for header, _ in rank(goal, headers, 5)]
            started = time.perf_counter()
            best, judgement = (await analyzer.verdicts(goal, near))[0]
            seconds = time.perf_counter() - started
            answer = bind_judged(traces[best.goal], goal, judgement)
            gate = "" if isinstance(answer, JudgedRun) else answer.gate
            shown = any(header.goal == of for header in near)
            right = may and best.goal == of
            found.append(Asked(goal, best.goal, judgement.confidence, right, gate, may and shown, round(seconds, 2)))
            print(f"{len(found):4} {seconds:6.1f} s {judgement.confidence:.2f} {goal!r}", file=sys.stderr, flush=True)
    finally:
        await model.close()
    return found


def trace(goal: str, args: object) -> Trace:
    step = Step("shell", dict(args), Effect.EXECUTE, Require(), Expect(0), "")  # type: ignore[call-overload]
    return Trace(TraceHeader(goal, goal, TraceStatus.VERIFIED, "", {"shell": "v"}, LEARNED), (step,))


def report(name: str, found: Sequence[Asked]) -> str:
    seconds = sorted(each.seconds for each in found)
    possible = sum(each.possible for each in found)
    lines = [
        f"{name}: {len(found)} goals that no template answers, {possible} of them with a right trace among five",
        f"seconds a judgement: median {seconds[len(seconds) // 2]:.1f}, most {seconds[-1]:.1f}; cost $0.00",
        f"{'confidence from':>16} {'alone: right':>14} {'wrong':>26}   {'behind the gates: right':>24} {'wrong':>26}",
    ]
    for cut in CUTS:
        over = [each for each in found if each.confidence >= cut]
        gated = [each for each in over if not each.gate]
        cells = [(sum(each.right for each in part), len(part)) for part in (over, gated)]
        (r1, n1), (r2, n2) = cells
        lines.append(f"{cut:>16} {r1:>14} {rate(n1 - r1, n1):>26}   {r2:>24} {rate(n2 - r2, n2):>26}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
