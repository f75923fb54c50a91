"""Hostile values for the parameters of saved runs, bound by the product and then read by the real bash.

Each job is a goal with one value and a command that holds it. A hostile value is put in its place, the product binds
the job to the new goal (or refuses), and bash runs what was bound with every program replaced by one that only writes
down its arguments. A value may differ where the old one stood and nowhere else: no other command, word or file, no
option, no place outside, no operator of the program's own language.
"""

from __future__ import annotations

import json
import posixpath
import random
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hostile_jobs import JOBS, KINDS, TOOL_JOBS, Job

from llmos.adapters.bash_parser import parse_bash
from llmos.core.gate import Refusal
from llmos.core.rebind import Rebound, rebind
from llmos.core.shell_syntax import read_shell
from llmos.core.shell_words import parse
from llmos.core.tool import Effect
from llmos.core.trace import Expect, Learned, OutputShape, Require, Step, Trace, TraceHeader, TraceStatus

_PIECES: list[str] = json.loads(Path(__file__).with_name("hostile_pieces.json").read_text("utf-8"))
"""What is put in the place of a value, before, behind or inside it. Where one would run it makes a file, no more."""
_QUOTES = ("{}", "{}", '"{}"', "'{}'", "`{}`", "“{}”", "«{}»", "({})", "{},", "{}.")


_NUMBERS = (
    "007",
    "0",
    "12",
    "+7",
    "-7",
    "65536",
    "4294967296",
    "5.5",
    "1e3",
    "0x1F",
    "08",
    "²",
    "½",
    "1_000",
    "1,000",
    "5k",
)
_DATES = ("2024-02-31", "0000-00-00", "2024-1-5", "31.12.99", "12:61", "2024-01-05T99:99", "1999-12-31_x")


def hostile_values(job: Job, count: int, rng: random.Random, outside: str) -> Iterator[str]:
    """So many texts of which most are no value of the job's kind."""
    good = job.value
    for _ in range(count):
        if job.kind in ("number", "port", "date") and rng.random() < 0.3:
            yield rng.choice(_DATES if job.kind == "date" else _NUMBERS)
            continue
        piece = rng.choice(_PIECES).replace("OUTSIDE", outside)
        if rng.random() < 0.3:
            piece += rng.choice(_PIECES).replace("OUTSIDE", outside)
        cut = rng.randrange(len(good) + 1)
        base = good.replace("1", str(rng.randrange(2, 9))) if rng.random() < 0.7 else good
        yield rng.choice((piece, base + piece, piece + base, base[:cut] + piece + base[cut:], f"{base} {piece}"))


# ------------------------------------------------------------------------------------------------------------ binding


def filled(command: str, value: str) -> str:
    """A command with a value for each `{}`; doubled braces are single ones, as in a format."""
    marked = command.replace("{{", "\x01").replace("}}", "\x02").replace("{}", value)
    return marked.replace("\x01", "{").replace("\x02", "}")


def saved(job: Job, number: int) -> Trace:
    """The run of a job as it is kept."""
    goal, shape = job.goal.replace("{}", job.value), job.commands[number]
    if job in TOOL_JOBS:
        tool, _, argument = shape.partition(" ")
        args: dict[str, Any] = {"path": "x1.txt", "content": ""} if tool == "write_file" else {}
        args[argument] = job.value
        effect = Effect.WRITE if tool == "write_file" else Effect.READ
    else:
        tool, effect = "shell", Effect.EXECUTE
        args = {"command": filled(shape, job.value)}
    learned = Learned("2026-11-26T00:00:00+00:00", "LEARNER", "m", 0.0, 0.0)
    header = TraceHeader("saved-00000000", goal, TraceStatus.VERIFIED, "", {tool: "0" * 12}, learned)
    return Trace(header, (Step(tool, args, effect, Require(), Expect(0, output=OutputShape.LINE), ""),))


Binder = Callable[[Trace, str], Rebound | Refusal]


def naive(trace: Trace, goal: str) -> Rebound | Refusal:
    """A binder that puts the new words where the old ones stood: what the product must not be."""
    old = trace.header.goal
    start = next((at for at, (a, b) in enumerate(zip(old, goal, strict=False)) if a != b), min(len(old), len(goal)))
    end = 0
    while end < min(len(old), len(goal)) - start and old[-1 - end] == goal[-1 - end]:
        end += 1
    while start and old[start - 1].isalnum():
        start -= 1
    a, b = old[start : len(old) - end].strip("\"'"), goal[start : len(goal) - end].strip("\"'")
    args = {key: value.replace(a, b) if a else value for key, value in trace.steps[0].args.items()}
    step = trace.steps[0]
    made = Step(step.tool, args, step.effect, step.require, step.expect, step.saw)
    return Rebound(Trace(trace.header, (made,), trace.answer), ((a, b),))


# --------------------------------------------------------------------------------------------- what bash makes of them

_STUBS = """
cd {work} || exit 9
exec 9>>{log}
_r() {{ local IFS=$'\\x1f'; builtin printf '%s\\x1e' "$*" >&9; }}
command_not_found_handle() {{ _r NOTFOUND "$@"; }}
for _p in {programs}; do builtin eval "function $_p {{ _r $_p \\"\\$@\\"; }}"; done
unset _p
"""
_PROGRAMS = (
    "wc sort uniq cat head tail sed grep awk mkdir mv cp git curl wget ping pip npm find ls lsof fuser ss echo printf "
    "tee make ssh paste bc sleep timeout bash sh touch rm test"
)


def recorded(commands: Sequence[str], root: Path, *, globs: bool) -> list[list[tuple[str, ...]]]:
    """What each command calls, as bash reads it. Nothing of it runs but redirections and what no stub stands for."""
    work = root / "work"
    log = root / "log"
    log.write_bytes(b"")
    setup = _STUBS.format(work=work, log=log, programs=_PROGRAMS)
    script = [setup, "set -f" if globs else ""]
    for command in commands:
        quoted = "'" + command.replace("'", "'\\''") + "'"
        script.append(f"( builtin eval {quoted} ) </dev/null >/dev/null 2>&1\nbuiltin printf '\\x1d' >&9")
    environ = {"PATH": "/nonexistent", "HOME": str(root / "home"), "LC_ALL": "C.UTF-8", "EDITOR": "ed"}
    text = "\n".join(script).encode("utf-8", "replace")
    path = root / "script"
    path.write_bytes(text)
    subprocess.run(
        ["/bin/bash", "--norc", "--noprofile", path], env=environ, check=False, timeout=120, capture_output=True
    )
    groups = log.read_bytes().decode("utf-8", "replace").split("\x1d")[:-1]
    return [[tuple(one.split("\x1f")) for one in group.split("\x1e") if one] for group in groups]


def tree(root: Path) -> dict[str, bytes]:
    """Everything below, but what the recorder itself writes."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        for path in sorted(root.rglob("*"))
        if path.relative_to(root).parts[0] not in ("log", "script")
    }


def lay_out(root: Path) -> None:
    """A working directory, a home and a folder outside."""
    for folder in ("work/docs", "work/out", "outside", "home"):
        (root / folder).mkdir(parents=True)
    for name in (
        "work/notes.txt",
        "work/docs/a.txt",
        "work/docs/a1.txt",
        "work/log-1.txt",
        "outside/target",
        "home/.profile",
    ):
        (root / name).write_text("one\ntwo\n")


# ------------------------------------------------------------------------------------------------------------- judging

_OPERATORS = {
    "find": re.compile(r"[(!),;+]|-.+|\{\}", re.DOTALL),
    "test": re.compile(r"[!=()<>]|[!=]=|=~|-.+|\]\]?", re.DOTALL),
}
_OPERATORS["["] = _OPERATORS["test"]
"""What programs such as find and test read as a part of their own language."""


def wrong_words(job: Job, goal: str, before: Sequence[tuple[str, ...]], after: Sequence[tuple[str, ...]]) -> str:
    """Why what bash would run is more than the same with another value; empty where it is that."""
    unmatched = list(before)
    for argv in after:
        same = next((old for old in unmatched if not _word_problem(job, goal, old, argv)), None)
        if same is None:
            why = [_word_problem(job, goal, old, argv) for old in unmatched]
            return f"{argv!r}: {why[0] if why else 'another command'}"
        unmatched.remove(same)
    return ""


def _word_problem(job: Job, goal: str, old: tuple[str, ...], new: tuple[str, ...]) -> str:
    if len(old) != len(new) or old[0] != new[0]:
        return f"not as {old!r}"
    for at, (a, b) in enumerate(zip(old, new, strict=True)):
        if a == b:
            continue
        value = "ed" if job.kind == "variable" else job.value.rstrip("/")
        if job.value.endswith("/"):
            a, b = a.rstrip("/"), b.rstrip("/")
        if value not in a:
            bare = job.value.lstrip("*.")
            value = bare if bare and bare in a else value
        before, found, behind = a.partition(value)
        if not found or not (b.startswith(before) and b.endswith(behind)):
            return f"{b!r} stands where {a!r} did"
        middle = b[len(before) : len(b) - len(behind)] if behind else b[len(before) :]
        if middle not in goal and middle.lstrip("*.") not in goal:
            return f"{middle!r} is nothing that the goal says"
        if problem := _own_language(job, old, at, a, b, is_start=not before):
            return problem
    return ""


def _own_language(job: Job, old: Sequence[str], at: int, a: str, b: str, *, is_start: bool) -> str:
    """What else than a value a word is to the program that gets it."""
    if is_start and b.startswith("-"):
        return f"{b!r} is an option"
    if old[0] in _OPERATORS and _OPERATORS[old[0]].fullmatch(b) and at and not old[at - 1].startswith("-"):
        return f"{b!r} is an operator of {old[0]}"
    if old[0] in ("make", "awk", "env") and "=" in b:
        return f"{b!r} sets a variable of {old[0]}"
    if old[0] in ("curl", "wget", "git") and job.kind == "url" and not re.match(r"https?://", b):
        return f"{b!r} is no place like {a!r}"
    if job.kind == "branch" and (b in (".", "..", "/") or b.startswith((":", "+", "./"))):
        return f"{b!r} is no branch"
    if job.confined and (problem := outside(b)):
        return problem
    return ""


def outside(path: str) -> str:
    """Why a path may lie outside the working directory."""
    normal = posixpath.normpath(path)
    if normal.startswith(("/", "../")) or normal == "..":
        return f"{path!r} lies outside"
    return ""


def wrong_parse(command: str) -> str:
    """Why the readers of commands disagree about what was bound."""
    ours = [tuple(word.value for word in one.words) for one in parse(command).commands]
    plain = read_shell(command, parse_bash).plain
    if plain is not None:
        theirs = [one.words for one in plain]
        if sorted(map(tuple, theirs)) != sorted(ours):
            return f"read as {ours!r} and as {theirs!r}"
    return ""


@dataclass
class Figures:
    tried: Counter[str] = field(default_factory=Counter)
    bound: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        tried, bound = sum(self.tried.values()), sum(self.bound.values())
        return (
            f"{tried:,} hostile values of {len(self.tried)} kinds, {bound:,} bound and read by bash: "
            f"{len(self.problems)} changed the command, became an option, left the directory, or were read in two ways"
        )


def run(count: int, *, seed: int = 5, binder: Binder = rebind, kinds: Sequence[str] = KINDS) -> Figures:
    """So many hostile values of each kind."""
    figures, rng = Figures(), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="llmos-values-") as folder:
        root = Path(folder).resolve()
        lay_out(root)
        for kind in kinds:
            jobs = [(job, at) for job in (*JOBS, *TOOL_JOBS) if job.kind == kind for at in range(len(job.commands))]
            for place, (job, at) in enumerate(jobs):
                share = count // len(jobs) + (place < count % len(jobs))
                _run_job(job, saved(job, at), share, rng, root, binder, figures)
    return figures


def _run_job(
    job: Job, trace: Trace, count: int, rng: random.Random, root: Path, binder: Binder, figures: Figures
) -> None:
    work: list[tuple[str, Mapping[str, Any]]] = []
    for value in hostile_values(job, count, rng, str(root / "outside")):
        figures.tried[job.kind] += 1
        written = rng.choice(_QUOTES).replace("{}", value) if '"{}"' not in job.goal else value
        goal = job.goal.replace("{}", written)
        answer = binder(trace, goal)
        if isinstance(answer, Refusal):
            figures.refused[answer.gate] += 1
        elif answer.values:
            figures.bound[job.kind] += 1
            work.append((goal, answer.trace.steps[0].args))
    if job in TOOL_JOBS:
        for goal, args in work:
            if job.confined and (problem := outside(str(args["path"]))):
                figures.problems.append(f"{goal!r}: {problem}")
            if not job.confined and str(args["content"]) not in goal:
                figures.problems.append(f"{goal!r}: {args!r}")
        return
    _read_by_bash(job, trace, work, root, figures)


def _read_by_bash(
    job: Job, trace: Trace, work: Sequence[tuple[str, Mapping[str, Any]]], root: Path, figures: Figures
) -> None:
    if not work:
        return
    original = str(trace.steps[0].args["command"])
    commands = [str(args["command"]) for _, args in work]
    before = tree(root)
    learned, *seen = recorded([original, *commands], root, globs=job.globs)
    if len(seen) != len(commands):
        figures.problems.append(f"{original!r}: bash read {len(seen)} of {len(commands)} commands")
    for (goal, _), command, argvs in zip(work, commands, seen, strict=False):
        try:
            problem = wrong_words(job, goal, learned, argvs) or wrong_parse(command)
        except ValueError as error:
            problem = f"not parsed: {error}"
        if problem:
            figures.problems.append(f"{goal!r} -> {command!r}: {problem}")
    made = {name for name, data in tree(root).items() if before.get(name) != data}
    said = {posixpath.normpath(f"work/{word}") for goal, _ in work for word in _words(goal)}
    allowed = {"work/notes.txt"} | said
    for name in sorted(made - allowed):
        figures.problems.append(f"{original!r}: {name!r} was written, which no goal names")
    for name in made:
        path = root / name
        if name in before:
            path.write_bytes(before[name])
        elif path.is_file():
            path.unlink()


def _words(goal: str) -> Iterator[str]:
    """Every piece of a goal that may be a name in it."""
    yield from (goal[a:b] for a in range(len(goal)) for b in range(a + 1, len(goal) + 1) if b - a < 80)
