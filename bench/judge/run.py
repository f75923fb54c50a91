"""How often is a judgement of likeness wrong, what does it gain, and what does it cost?

    python -m bench.judge.run --model 0.5b [--goals 300] [--data DIR --scorer score.py [--verdicts MORE.jsonl]]
        [--threads 1] [--json OUT.jsonl] [--seed 1]

Each goal is given to the product's own TraceAnalyzer with the five traces nearest in words, as `matching.judge` does; a
small model is asked about the nearest two of them. Only goals that no template answers are asked about. Without --data
they are the hand-written pairs of bench/wording_pairs, a third of them with a right trace as far as there are so many;
with it goals of a goal-matching folder as they come. For several cuts on the confidence the report says how many goals
would be replayed rightly and wrongly: by the judgement alone, and behind the gates that no judgement opens.

Right is, by the judgement alone, that the trace it holds nearest is one whose run answers the goal (`right_traces` of
the folder: read here to score, never by the matcher), and behind the gates that the bound commands equal an accepted
one or were judged right; what nobody read counts as wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.goal_matching import product, read_traces, rows
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

CUTS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.92, 0.95, 0.98)
LEARNED = Learned("2026-11-26T00:00:00+00:00", "LEARNER", "some model", 0.02, 1.0)


@dataclass(frozen=True, slots=True)
class Question:
    """A goal that no template answers, the traces whose run answers it, and whether given commands do."""

    goal: str
    right: frozenset[str]
    answers: Callable[[str, Sequence[str]], bool]
    """Whether these commands, bound from the trace of this id, do what the goal asks."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A goal with what was judged best for it."""

    goal: str
    chosen: str
    confidence: float
    right: bool
    """The chosen trace is one whose run answers the goal."""
    gate: str
    """The gate that stays closed all the same; empty when the replay would be made."""
    bound_right: bool
    """The replay that would be made does what the goal asks."""
    possible: bool
    """Whether a trace that answers the goal was among those nearest in words."""
    seconds: float
    commands: tuple[str, ...] = ()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Judgements of likeness by an embedded model.")
    parser.add_argument("--model", default="0.5b", help="a model of the catalogue that is pulled here")
    parser.add_argument("--goals", type=int, default=300, help="how many goals are judged")
    parser.add_argument("--data", type=Path, help="a goal-matching folder (traces.jsonl, goals.jsonl)")
    parser.add_argument("--scorer", type=Path, help="score.py of that folder: says which commands are equal")
    parser.add_argument("--verdicts", type=Path, help="judgements of replays, beside the folder's own verdicts.jsonl")
    parser.add_argument("--threads", type=int, help="threads of the model; as many as suit the machine without it")
    parser.add_argument("--seed", type=int, default=1, help="which goals are drawn")
    parser.add_argument("--json", type=Path, help="also write a line for each goal there")
    options = parser.parse_args(argv)
    if options.data is not None and options.scorer is None:
        parser.error("--data needs --scorer, which says which commands are equal")
    entry = find_model(options.model)
    path = ModelStore(models_folder(os.environ, Path.home())).path(entry)
    model = LocalModel(
        path, name=entry.name, kv_bytes_per_token=entry.kv_bytes_per_token, n_ctx=4096, threads=options.threads
    )
    if options.data is None:
        traces, questions = hand_written(options.goals, options.seed)
    else:
        traces, questions = of_folder(options)
    found = asyncio.run(run(TraceAnalyzer(model, longest_s=300), traces, questions, model))
    print(report(entry.name, found))
    if options.json:
        options.json.write_text("".join(json.dumps(asdict(each)) + "\n" for each in found), "utf-8")
    return 0


# ------------------------------------------------------------------------------------------------------------- goals


def hand_written(count: int, seed: int) -> tuple[list[Trace], list[Question]]:
    """The jobs of bench/wording_pairs, and goals beside them that no template answers."""
    found: dict[str, Question] = {}
    jobs: dict[str, Trace] = {}
    for pair in pairs(PAIRS):
        job = pair.saved.analysis.goal
        jobs.setdefault(job, trace(job, job, [pair.saved.steps[0].args["command"]]))
        if isinstance(bind(pair.saved, pair.goal), Refusal):
            right = frozenset([job]) if pair.may else frozenset()
            found[pair.goal] = Question(pair.goal, right, lambda chosen, _, right=right: chosen in right)
    chosen = random.Random(seed)
    right = [one for one in found.values() if one.right]
    wrong = [one for one in found.values() if not one.right]
    share = min(len(right), count // 3)
    drawn = chosen.sample(right, share) + chosen.sample(wrong, min(len(wrong), count - share))
    return list(jobs.values()), drawn


def of_folder(options: argparse.Namespace) -> tuple[list[Trace], list[Question]]:
    """Traces of a goal-matching folder, and goals of it that no template answers."""
    read = read_traces(options.data)
    decide = product(read)
    same = scorer_of(options.scorer).normalise_command
    judged = {
        (row["goal_id"], same(row["command"]))
        for path in (options.data / "verdicts.jsonl", options.verdicts)
        if path is not None and path.exists()
        for row in rows(path)
        if row["verdict"] in ("right", "inherited")
    }

    def question(row: dict[str, Any]) -> Question:
        accepted = {same(command) for command in row["accepted"]}

        def answers(_: str, commands: Sequence[str]) -> bool:
            command = same("\n".join(commands))
            return command in accepted or (row["goal_id"], command) in judged

        return Question(row["goal"], frozenset(right["trace_id"] for right in row["right_traces"]), answers)

    goals = list(rows(options.data / "goals.jsonl"))
    random.Random(options.seed).shuffle(goals)
    questions: list[Question] = []
    for row in goals:
        if len(questions) == options.goals:
            break
        if decide(row["goal"]) is None:
            questions.append(question(row))
    return [trace(each.id, each.goal, each.commands) for each in read], questions


def scorer_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("goal_matching_score", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file; give the folder's score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trace(identifier: str, goal: str, commands: Sequence[str]) -> Trace:
    steps = tuple(Step("shell", {"command": each}, Effect.EXECUTE, Require(), Expect(0), "") for each in commands)
    return Trace(TraceHeader(identifier, goal, TraceStatus.VERIFIED, "", {"shell": "v"}, LEARNED), steps)


# -------------------------------------------------------------------------------------------------------- judgements


async def run(
    analyzer: TraceAnalyzer, traces: Sequence[Trace], questions: Sequence[Question], model: LocalModel
) -> list[Asked]:
    by_id = {each.header.id: each for each in traces}
    headers = [each.header for each in traces]
    found: list[Asked] = []
    try:
        await model.warm()
        for question in questions:
            near = [header for header, _ in rank(question.goal, headers, 5)]
            if not near:
                continue
            started = time.perf_counter()
            best, judgement = (await analyzer.verdicts(question.goal, near))[0]
            seconds = round(time.perf_counter() - started, 2)
            answer = bind_judged(by_id[best.id], question.goal, judgement)
            bound: tuple[str, ...] = ()
            if isinstance(answer, JudgedRun):
                bound = tuple(str(step.args["command"]) for step in answer.rebound.trace.steps)
            found.append(
                Asked(
                    question.goal,
                    best.goal,
                    judgement.confidence,
                    best.id in question.right,
                    "" if isinstance(answer, JudgedRun) else answer.gate,
                    bool(bound) and question.answers(best.id, bound),
                    bool(question.right & {header.id for header in near}),
                    seconds,
                    bound,
                )
            )
            print(f"{len(found):4} {seconds:6.1f} s {judgement.confidence:.2f} {question.goal!r}", file=sys.stderr)
    finally:
        await model.close()
    return found


# ------------------------------------------------------------------------------------------------------------ report


def report(name: str, found: Sequence[Asked]) -> str:
    seconds = sorted(each.seconds for each in found)
    possible = sum(each.possible for each in found)
    at = [seconds[min(len(seconds) - 1, int(len(seconds) * share))] for share in (0.5, 0.95)]
    lines = [
        f"{name}: {len(found)} goals that no template answers, {possible} of them with a right trace among five",
        f"seconds a goal: median {at[0]:.1f}, p95 {at[1]:.1f}, all {sum(seconds):.0f}; cost $0.00",
        f"right traces told from others by the confidence (AUC): {auc(found)}",
        f"{'confidence from':>16} {'alone: right':>14} {'wrong':>26}   {'behind the gates: right':>24} {'wrong':>26}",
    ]
    for cut in CUTS:
        over = [each for each in found if each.confidence >= cut]
        gated = [each for each in over if not each.gate]
        alone, behind = sum(each.right for each in over), sum(each.bound_right for each in gated)
        lines.append(
            f"{cut:>16} {alone:>14} {rate(len(over) - alone, len(over)):>26}   "
            f"{behind:>24} {rate(len(gated) - behind, len(gated)):>26}"
        )
    return "\n".join(lines)


def auc(found: Sequence[Asked]) -> str:
    """How often a right choice has a higher confidence than a wrong one; ties count half."""
    right = [each.confidence for each in found if each.right]
    wrong = [each.confidence for each in found if not each.right]
    if not right or not wrong:
        return "-"
    return f"{sum(wins(right, wrong)) / (len(right) * len(wrong)):.2f}"


def wins(right: Sequence[float], wrong: Sequence[float]) -> Iterator[float]:
    for one in right:
        for other in wrong:
            yield 1.0 if one > other else 0.5 if one == other else 0.0


if __name__ == "__main__":
    raise SystemExit(main())
