"""How long it takes to decide what to do with a goal, with 100 to 100,000 traces stored.

    python -m bench.decision_latency [--traces 100 1000 10000 100000] [--goals 200] [--json OUT.json]

A decision is what the product does before anything runs: `TraceManager.candidates`, then `TraceManager.plan`, on trace
files in a real folder, with every file approved. Each number of traces is measured in a process of its own, which also
says how much memory it holds. Half of the traces belong to few families of one wording (a person's daily jobs), half to
wordings that occur once or twice. The goals are of six kinds, each timed apart:

- identical    the very goal of a stored trace
- other values a stored wording with values that no trace has
- other words  a stored goal said otherwise
- related      a stored wording with one word more, which a gate must refuse
- unknown      words that no trace has
- hostile      long, empty of words, or full of values

`cpu p95` is the processor time of the same decisions, which other programs on the machine do not lengthen as they do
the duration; `build` is the first look at the folder with no index, `open` the first decision of a new process that
finds one.
`llmos run` whole, in fresh processes beside the bare commands, is measured by bench/follower_latency.py.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from llmos.core.goal import slug
from llmos.core.tool import Effect
from llmos.core.trace import (
    AnswerTemplate,
    AnswerValue,
    Expect,
    Learned,
    OutputShape,
    Require,
    Step,
    Trace,
    TraceHeader,
    TraceStatus,
)
from llmos.memory.approvals import approval_line
from llmos.memory.signing import key_path
from llmos.memory.trace_files import encode_trace, file_name
from llmos.memory.traces_sdk import TraceManager
from llmos.tools import builtin_tools

REQUIRED_TRACES, REQUIRED_MS = 10_000, 5.0
SIZES = (100, 1_000, 10_000, 100_000)
LEARNED = Learned("2026-11-24T00:00:00+00:00", "LEARNER", "some model", 0.02, 1.0)

# A goal and its command; {f}, {g} are files, {d} a folder, {n} a number, {t} a topic of a person's own.
PATTERNS: tuple[tuple[str, str], ...] = (
    ("count the lines of {f}", "wc -l {f}"),
    ("count the {t} lines of {f}", "grep -c {t} {f}"),
    ("show the first {n} lines of {f}", "head -n {n} {f}"),
    ("show the last {n} lines of the {t} log {f}", "tail -n {n} {f}"),
    ("copy {f} to {g}", "cp {f} {g}"),
    ("back up the {t} notes {f} as {g}", "cp -p {f} {g}"),
    ("rename {f} to {g}", "mv {f} {g}"),
    ("move the {t} report {f} into {d}", "mv {f} {d}"),
    ("list the files in {d} that are larger than {n} MB", "find {d} -size +{n}M"),
    ("list the {t} files in {d}", "ls {d} | grep {t}"),
    ("delete the {t} files in {d} older than {n} days", "find {d} -name '*{t}*' -mtime +{n} -delete"),
    ("sort {f} by its second column", "sort -k2 {f}"),
    ("sort the {t} table {f} in reverse", "sort -r {f}"),
    ("make the {t} script {f} executable", "chmod +x {f}"),
    ("compress the {t} folder {d}", "tar -czf {d}.tar.gz {d}"),
    ("how many {t} entries are in {f}?", "grep -c {t} {f}"),
    ("which files in {d} mention {t}?", "grep -rl {t} {d}"),
    ("compare the {t} lists {f} and {g}", "diff {f} {g}"),
    ("create the folder {d} for the {t} project", "mkdir {d}"),
    ("join {f} and {g} for the {t} summary", "cat {f} {g}"),
    ("print the unique {t} lines of {f}", "grep {t} {f} | sort -u"),
    ("how big is the {t} folder {d}?", "du -sh {d}"),
    ("split the {t} data {f} every {n} lines", "split -l {n} {f}"),
    ("show the {t} settings in {f}", "grep {t} {f}"),
)
_STARTS = "al bor cen dar fen gal hol jun kel lum mar nor pel quin ros sel tam vor wes zan".split()
_ENDS = "da fin go lek mi nor pa rin sto tu vex wick yard zel".split()
_HEAVY_TOPICS = 4


@dataclass(frozen=True, slots=True)
class Made:
    goal: str
    command: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Times in milliseconds, memory in megabytes, for one number of traces."""

    traces: int
    written_s: float
    build_s: float
    open_ms: float
    p50: float
    p95: float
    worst: float
    cpu_p95: float
    resident_mb: float
    index_mb: float
    kinds: dict[str, tuple[float, float]]
    """p50 and p95 of each kind of goal."""
    modes: dict[str, dict[str, int]]
    """How many goals of each kind came to which mode."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="The time that a decision takes with many traces.")
    parser.add_argument("--traces", type=int, nargs="+", default=list(SIZES), help="numbers of traces")
    parser.add_argument("--goals", type=int, default=200, help="goals that are decided, of six kinds")
    parser.add_argument("--json", type=Path, help="also write every figure there")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.here:
        print(json.dumps(asdict(asyncio.run(measure(options.here, options.traces[0], options.goals)))))
        return 0
    found = [in_own_process(size, options.goals) for size in options.traces]
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n", "utf-8")
    return 0 if all(each.p95 <= REQUIRED_MS for each in found if each.traces <= REQUIRED_TRACES) else 1


def in_own_process(size: int, goals: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="llmos-decision-") as folder:
        command = [sys.executable, "-m", "bench.decision_latency", "--here", folder]
        command += ["--traces", str(size), "--goals", str(goals)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Measured(**json.loads(done.stdout))


async def measure(root: Path, size: int, goals: int) -> Measured:
    made = list(jobs(size))
    started = time.perf_counter()
    fill(root, made)
    written = time.perf_counter() - started
    started = time.perf_counter()
    manager = opened(root)
    manager.headers()
    build = time.perf_counter() - started
    manager.close()
    asked = questions(made, goals)
    started = time.perf_counter()
    manager = opened(root)
    await decision(manager, asked[0][1])
    first = 1000 * (time.perf_counter() - started)
    times, cpu, modes = await timed(manager, asked)
    manager.close()
    whole = [each for kind in times.values() for each in kind]
    index = sum(path.stat().st_size for path in (root / "workspace" / ".llmos").iterdir())
    return Measured(
        traces=size,
        written_s=written,
        build_s=build,
        open_ms=first,
        p50=at(whole, 0.5),
        p95=at(whole, 0.95),
        worst=max(whole),
        cpu_p95=at(cpu, 0.95),
        resident_mb=resident_mb(),
        index_mb=index / 1e6,
        kinds={kind: (at(each, 0.5), at(each, 0.95)) for kind, each in times.items()},
        modes=modes,
    )


def opened(root: Path) -> TraceManager:
    workspace = root / "workspace"
    return TraceManager(
        workspace / "memories", workspace, enable_llm_matching=False, home=root / "home", tool_versions=versions()
    )


def versions() -> dict[str, str]:
    return {name: tool.spec.version for name, tool in builtin_tools().items()}


async def decision(manager: TraceManager, goal: str) -> str:
    plan = await manager.plan(goal, manager.candidates(goal))
    return plan.mode.value


async def timed(
    manager: TraceManager, asked: Sequence[tuple[str, str]]
) -> tuple[dict[str, list[float]], list[float], dict[str, dict[str, int]]]:
    times: dict[str, list[float]] = {}
    modes: dict[str, dict[str, int]] = {}
    cpu: list[float] = []
    for kind, goal in asked:
        started, used = time.perf_counter(), time.thread_time()
        mode = await decision(manager, goal)
        cpu.append(1000 * (time.thread_time() - used))
        times.setdefault(kind, []).append(1000 * (time.perf_counter() - started))
        counts = modes.setdefault(kind, {})
        counts[mode] = counts.get(mode, 0) + 1
    return times, cpu, modes


# ------------------------------------------------------------------------------------------------- jobs and questions


def jobs(count: int) -> Iterator[Made]:
    """Different goals with their commands; the same ones each time."""
    draw = random.Random(20261124)
    topics = [start + end for start in _STARTS for end in _ENDS]
    draw.shuffle(topics)
    rare = [f"{topic}{end}" for topic in topics for end in _ENDS]
    seen: set[str] = set()
    while len(seen) < count:
        goal, command = draw.choice(PATTERNS)
        often = draw.random() < 0.5
        topic = draw.choice(topics[:_HEAVY_TOPICS]) if often else draw.choice(rare)
        values = values_of(draw, topics)
        made = Made(goal.format(t=topic, **values), command.format(t=topic, **values))
        if made.goal not in seen:
            seen.add(made.goal)
            yield made


def values_of(draw: random.Random, names: Sequence[str]) -> dict[str, str]:
    ending = draw.choice(("txt", "csv", "log", "md"))
    first, second, folder = (f"{draw.choice(names)}-{draw.randrange(1000)}" for _ in range(3))
    return {"f": f"{first}.{ending}", "g": f"{second}.{ending}", "d": f"{folder}/", "n": str(draw.randrange(2, 500))}


def questions(made: Sequence[Made], count: int) -> list[tuple[str, str]]:
    """Goals of every kind in turn."""
    draw = random.Random(7)
    found: list[tuple[str, str]] = []
    for number in range(count):
        goal = draw.choice(made).goal
        kind = KINDS[number % len(KINDS)]
        found.append((kind, asked(kind, goal, draw)))
    return found


KINDS = ("identical", "other values", "other words", "related", "unknown", "hostile")
_HOSTILE = ("?" * 200, "a.py, " * 100, "word " * 1000, "'" * 50 + '"x', "файл " * 20, "-rf / ; :(){ :|:&")
_OTHERWISE = {
    "count": "tell me the number of",
    "show": "display",
    "list": "give me",
    "copy": "duplicate",
    "delete": "get rid of",
    "how": "exactly how",
}


def asked(kind: str, goal: str, draw: random.Random) -> str:
    if kind == "other values":
        return " ".join(f"new-{word}" if "-" in word else word for word in goal.split(" "))
    if kind == "other words":
        first, _, rest = goal.partition(" ")
        return f"{_OTHERWISE.get(first, f'please quickly {first}')} {rest}"
    if kind == "related":
        return f"{goal} without the header"
    if kind == "unknown":
        return " ".join(draw.sample("draw a picture of seven green parrots on old rusty bicycles".split(), 6))
    if kind == "hostile":
        return draw.choice(_HOSTILE)
    return goal


# ------------------------------------------------------------------------------------------------------------ the disk


def fill(root: Path, made: Sequence[Made]) -> None:
    """Write a trace file for each job, approved as if it had been learned here."""
    folder = root / "workspace" / "traces"
    folder.mkdir(parents=True, mode=0o700)
    (root / "home").mkdir(mode=0o700)
    pattern = encode_trace(trace("ID-OF-TRACE", "GOAL-OF-TRACE", "COMMAND-OF-TRACE")).decode()
    key_path(root / "home").write_bytes(key := bytes(32))
    key_path(root / "home").chmod(0o600)
    with (root / "home" / "approvals.jsonl").open("wb") as approvals:
        for number, job in enumerate(made):
            identifier = f"{slug(job.goal)}-{number:08x}"
            parts = {"ID": identifier, "GOAL": quoted(job.goal), "COMMAND": quoted(job.command)}
            text = pattern
            for name, value in parts.items():
                text = text.replace(f"{name}-OF-TRACE", value)
            data = text.encode()
            (folder / file_name(identifier)).write_bytes(data)
            approvals.write(approval_line(key, hashlib.sha256(data).hexdigest(), identifier, LEARNED.when))


def trace(identifier: str, goal: str, command: str) -> Trace:
    header = TraceHeader(identifier, goal, TraceStatus.VERIFIED, "", {"shell": versions()["shell"]}, LEARNED)
    expect = Expect(0, output=OutputShape.LINES)
    step = Step("shell", {"command": command}, Effect.EXECUTE, Require(), expect, "saw")
    return Trace(header, (step,), AnswerTemplate("${1}", (AnswerValue(0),)))


def quoted(text: str) -> str:
    """A text as one line of YAML."""
    return "'" + text.replace("'", "''") + "'"


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


# ------------------------------------------------------------------------------------------------------------- figures


def at(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(found: Sequence[Measured]) -> str:
    lines = [
        f"{'traces':>7} {'p50 ms':>8} {'p95 ms':>8} {'worst':>8} {'cpu p95':>8} {'open ms':>8} {'build s':>8} "
        f"{'process MB':>10} {'index MB':>8}"
    ]
    lines += [
        f"{each.traces:>7} {each.p50:>8.2f} {each.p95:>8.2f} {each.worst:>8.2f} "
        f"{each.cpu_p95:>8.2f} {each.open_ms:>8.1f} {each.build_s:>8.2f} "
        f"{each.resident_mb:>10.0f} {each.index_mb:>8.1f}"
        for each in found
    ]
    lines.append("p50 / p95 ms by kind of goal, and the modes decided:")
    for each in found:
        for kind, (p50, p95) in each.kinds.items():
            lines.append(f"{each.traces:>7} {kind:13} {p50:>8.2f} / {p95:>8.2f}   {said(each.modes[kind])}")
    lines.append(f"Required: p95 of at most {REQUIRED_MS:g} ms with {REQUIRED_TRACES:,} traces.")
    return "\n".join(lines)


def said(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {mode}" for mode, count in sorted(counts.items()))


if __name__ == "__main__":
    raise SystemExit(main())
