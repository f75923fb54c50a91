"""May a saved command be replayed for a new goal, with which values, and how long does it take to say so?

    python -m bench.goal_matching --data DIR --decisions OUT.jsonl [--limit N] [--scorer score.py]
        [--verdicts MORE.jsonl] [--timing 100,10000]

DIR holds traces.jsonl (trace_id, goal, commands) and goals.jsonl (goal_id, goal); nothing else of a goal is read. The
matcher is the product's own (llmos.core.template_index). Its decisions go to OUT.jsonl, those of each baseline to
OUT.<baseline>.jsonl; `--scorer` prints one line for each, judged by the folder's verdicts and those of `--verdicts`
(bench/goal_matching_verdicts.jsonl holds ours for the DEV half: one reader, not blind). Baselines:

- exact-hash     the product's key of the normalised goal (llmos.core.goal.goal_key)
- muscle-mem     key by tags only; untagged, the newest trajectory answers every goal
- muscle-mem-tag the same with the first word of the goal as its tag, and its quoted values as params, of which only
                 whole arguments are rebound
- gptcache-exact GPTCache with its exact-match evaluation: the raw text
- minilm-0.92    the nearest trace by the product's own embedder (MiniLM), from cosine 0.92 on, verbatim
- minilm-0.92-re the same, with the values of the goals (quoted text, names with a dot or slash, numbers) exchanged
- gptcache-0.60  GPTCache's default: squared distance up to 0.8, which is cosine 0.60, verbatim

The last three need `llmos models pull all-minilm`; without the file they are left out, and a line says so. Every wrong
or unjudged command counts as wrong, so for a baseline whose replays nobody read the error is an upper bound.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from llmos.adapters.embedder import MiniLmEmbedder
from llmos.core.catalogue import MINILM
from llmos.core.gate import Bound
from llmos.core.goal import goal_key
from llmos.core.template import Call, Template, generalise
from llmos.core.template_index import TemplateIndex, match
from llmos.memory.model_store import ModelStore, models_folder

Decision = dict[str, Any]
Matcher = Callable[[str], tuple[str, list[str]] | None]
"""Goal -> (trace id, commands to replay), or None."""


@dataclass(frozen=True, slots=True)
class Trace:
    id: str
    goal: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Goal:
    id: str
    text: str


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Replay decisions of the product's matcher over a benchmark folder.")
    parser.add_argument("--data", type=Path, required=True, help="folder with traces.jsonl and goals.jsonl")
    parser.add_argument("--decisions", type=Path, required=True, help="where the decisions go")
    parser.add_argument("--limit", type=int, default=0, help="only the first N goals")
    parser.add_argument("--scorer", type=Path, help="score.py of the benchmark: print a line for each matcher")
    parser.add_argument("--verdicts", type=Path, help="judgements of replays, beside the folder's own verdicts.jsonl")
    parser.add_argument("--timing", default="", help="also time decisions with these numbers of traces, e.g. 100,10000")
    options = parser.parse_args(argv)
    traces, goals = read_traces(options.data), read_goals(options.data, options.limit)
    started = time.perf_counter()
    matcher = product(traces)
    built = time.perf_counter() - started
    print(f"{len(traces)} traces (index built in {built:.2f} s), {len(goals)} goals")
    others = {**BASELINES, **(EMBEDDED if _embedder() is not None else {})}
    if others.keys() == BASELINES.keys():
        print("no embedder here, so no baseline by cosine: `llmos models pull all-minilm` brings it")
    for name, decide in {"llmos": matcher, **{name: make(traces) for name, make in others.items()}}.items():
        target = options.decisions if name == "llmos" else options.decisions.with_suffix(f".{name}.jsonl")
        decisions, times = run(decide, goals)
        write(target, decisions)
        followers = sum(decision["mode"] == "FOLLOWER" for decision in decisions)
        print(
            f"{name:15} {followers:5} replays   p50 {at(times, 0.5):.3f} ms   p95 {at(times, 0.95):.3f} ms   {target}"
        )
        if options.scorer:
            print(f"{'':15} {scored(options.scorer, options.data, target, options.verdicts)}")
    for size in (int(size) for size in options.timing.split(",") if size):
        _, times = run(product(padded(traces, size)), goals)
        print(f"llmos, {size:6} traces: p50 {at(times, 0.5):.3f} ms   p95 {at(times, 0.95):.3f} ms")
    return 0


# ---------------------------------------------------------------------------------------------------------- matchers


def product(traces: Iterable[Trace]) -> Matcher:
    """What llmos itself would replay: the first binding that every gate lets through."""
    index = TemplateIndex(template_of(trace) for trace in traces)

    def decide(goal: str) -> tuple[str, list[str]] | None:
        best = next(iter(match(goal, index)), None)
        if not isinstance(best, Bound):
            return None
        return best.template.ref, [call["command"] for call in best.calls]

    return decide


def template_of(trace: Trace) -> Template:
    return generalise(trace.goal, [Call("shell", {"command": command}) for command in trace.commands], trace.id)


def exact_hash(traces: Sequence[Trace]) -> Matcher:
    return _by_key(traces, goal_key)


def gptcache_exact(traces: Sequence[Trace]) -> Matcher:
    return _by_key(traces, lambda goal: goal)


def _by_key(traces: Sequence[Trace], key: Callable[[str], str]) -> Matcher:
    found = {key(trace.goal): trace for trace in reversed(traces)}

    def decide(goal: str) -> tuple[str, list[str]] | None:
        trace = found.get(key(goal))
        return (trace.id, list(trace.commands)) if trace else None

    return decide


def muscle_mem(traces: Sequence[Trace]) -> Matcher:
    newest = traces[-1]
    return lambda goal: (newest.id, list(newest.commands))


def muscle_mem_tag(traces: Sequence[Trace]) -> Matcher:
    """Newest trajectory with the same tag and as many params; an argument is rebound where it equals a param whole."""
    found = {(_tag(trace.goal), len(_params(trace.goal))): trace for trace in traces}

    def decide(goal: str) -> tuple[str, list[str]] | None:
        values = _params(goal)
        trace = found.get((_tag(goal), len(values)))
        if trace is None:
            return None
        new = dict(zip(_params(trace.goal), values, strict=True))
        return trace.id, [" ".join(_rebound(word, new) for word in command.split(" ")) for command in trace.commands]

    return decide


def _tag(goal: str) -> str:
    return goal.split(" ", 1)[0].lower()


def _params(goal: str) -> list[str]:
    return re.findall(r"[\"'`“‘]([^\"'`”’]+)[\"'`”’](?=\W|$)", goal)


def _rebound(word: str, values: dict[str, str]) -> str:
    bare = word.strip("\"'")
    return word.replace(bare, values[bare]) if bare in values else word


def nearest(cut: float, *, rebinds: bool) -> Callable[[Sequence[Trace]], Matcher]:
    """The trace nearest by the embedder, from this cosine on."""

    def make(traces: Sequence[Trace]) -> Matcher:
        import numpy

        matrix = numpy.array(_vectors(tuple(trace.goal for trace in traces)))

        def decide(goal: str) -> tuple[str, list[str]] | None:
            scores = matrix @ numpy.array(_vectors((goal,))[0])
            best = int(scores.argmax())
            trace = traces[best]
            if scores[best] < cut:
                return None
            commands = exchanged(trace.goal, goal, trace.commands) if rebinds else list(trace.commands)
            return trace.id, commands

        return decide

    return make


@cache
def _embedder() -> MiniLmEmbedder | None:
    path = ModelStore(models_folder(os.environ, Path.home())).find(MINILM)
    return MiniLmEmbedder(path) if path is not None else None


@cache
def _vectors(texts: tuple[str, ...]) -> list[list[float]]:
    embedder = _embedder()
    assert embedder is not None
    return embedder.embed(texts)


def exchanged(old: str, new: str, commands: Sequence[str]) -> list[str]:
    """The commands with the values of one goal in the place of the other's, where they have as many."""
    before, after = (values_of(goal) for goal in (old, new))
    if len(before) != len(after) or not before:
        return list(commands)
    pairs = dict(zip(before, after, strict=True))
    pattern = "|".join(re.escape(value) for value in sorted(pairs, key=len, reverse=True))
    return [re.sub(pattern, lambda match: pairs[match.group()], command) for command in commands]


def values_of(goal: str) -> list[str]:
    found = re.findall(r"'[^']+'|\"[^\"]+\"|[\w*~-]*[./][\w./*-]*\w|(?<!\w)\d+(?!\w)", goal)
    return [value.strip("'\"") for value in found]


BASELINES: dict[str, Callable[[Sequence[Trace]], Matcher]] = {
    "exact-hash": exact_hash,
    "muscle-mem": muscle_mem,
    "muscle-mem-tag": muscle_mem_tag,
    "gptcache-exact": gptcache_exact,
}
EMBEDDED: dict[str, Callable[[Sequence[Trace]], Matcher]] = {
    "minilm-0.92": nearest(0.92, rebinds=False),
    "minilm-0.92-re": nearest(0.92, rebinds=True),
    "gptcache-0.60": nearest(0.60, rebinds=False),
}
"""Baselines that need the embedder's file."""


# -------------------------------------------------------------------------------------------------------------- runs


def run(decide: Matcher, goals: Sequence[Goal]) -> tuple[list[Decision], list[float]]:
    """One decision per goal, and the milliseconds that each took."""
    decisions: list[Decision] = []
    times: list[float] = []
    for goal in goals:
        started = time.perf_counter()
        found = decide(goal.text)
        times.append((time.perf_counter() - started) * 1000)
        ref, commands = found if found else (None, [])
        mode = "FOLLOWER" if found else "LEARNER"
        decisions.append({"goal_id": goal.id, "mode": mode, "trace_id": ref, "commands": commands})
    return decisions, times


def padded(traces: Sequence[Trace], size: int) -> list[Trace]:
    """As many traces as asked for: copies carry a word of their own, as other jobs would."""
    found = list(traces[:size])
    while len(found) < size:
        source = traces[len(found) % len(traces)]
        copy = len(found) // len(traces)
        found.append(Trace(f"{source.id}-{copy}", f"{source.goal} in round {copy}", source.commands))
    return found


def scored(scorer: Path, data: Path, decisions: Path, verdicts: Path | None) -> str:
    """Rates as the benchmark's own scorer gives them, in one line."""
    with tempfile.TemporaryDirectory(prefix="goal-matching-") as place:
        folder = Path(place)
        (folder / "goals.jsonl").symlink_to((data / "goals.jsonl").resolve())
        judged = [path for path in (data / "verdicts.jsonl", verdicts) if path is not None and path.exists()]
        (folder / "verdicts.jsonl").write_text("".join(path.read_text("utf-8") for path in judged), "utf-8")
        command = [sys.executable, str(scorer), place, str(decisions), "--json"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{scorer} could not score {decisions}: {done.stderr.strip().splitlines()[-1]}")
    figures = json.loads(done.stdout)
    new = figures["new_wording"]
    state = figures["not_equal_replays"]["wrong_or_unjudged_state_changing"]
    return (
        f"hits {percent(figures['hit_rate_adjudicated'])}  error {percent(figures['error_rate_adjudicated'])}  "
        f"new wording: hits {percent(new['hit_rate_adjudicated'])} error {percent(new['error_rate_adjudicated'])}  "
        f"wrong and state-changing {state}"
    )


def percent(rate: dict[str, Any]) -> str:
    if rate["rate"] is None:
        return "-"
    return f"{100 * rate['rate']:.1f} % [{100 * rate['low']:.1f}, {100 * rate['high']:.1f}]"


def at(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def read_traces(data: Path) -> list[Trace]:
    return [Trace(row["trace_id"], row["goal"], tuple(row["commands"])) for row in rows(data / "traces.jsonl")]


def read_goals(data: Path, limit: int) -> list[Goal]:
    goals = [Goal(row["goal_id"], row["goal"]) for row in rows(data / "goals.jsonl")]
    return goals[:limit] if limit else goals


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise SystemExit(f"{path}:{number} is not JSON ({error}); each line must be one object") from None


def write(path: Path, decisions: Iterable[Decision]) -> None:
    path.write_text("".join(json.dumps(decision, ensure_ascii=False) + "\n" for decision in decisions), "utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
