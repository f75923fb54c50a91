"""A trace: the tool calls of a turn worth keeping, with what each step needs and must leave behind.

docs/formats.md is the contract of the file; these are its values. A trace is written once and never edited: counters
and verdicts about it live in traces/outcomes.jsonl.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.shell_roles import Role, roles
from llmos.core.shell_words import NotParsed, parse
from llmos.core.tool import Effect, FileChanges, is_cache, is_folded

SUB_GOAL = "sub_goal"
"""What stands for the tool in a step that is a sub-goal. There is no tool of that name."""
GRAPH_TOOLS = {SUB_GOAL: "000000000001"}
"""Its version: a graph that is read in another way is another one."""


class TraceStatus(StrEnum):
    """VERIFIED may be replayed; GUIDANCE only shown to a model; DRAFT is neither, kept for a person to read."""

    VERIFIED = "verified"
    GUIDANCE = "guidance"
    DRAFT = "draft"


class OutputShape(StrEnum):
    """The form of a step's standard output; coarse on purpose, since its content may rightly differ next time."""

    EMPTY = "empty"
    INTEGER = "integer"
    LINE = "line"
    LINES = "lines"


def output_shape(stdout: str) -> OutputShape:
    text = stdout.strip()
    if not text:
        return OutputShape.EMPTY
    if re.fullmatch(r"[+-]?\d+", text):
        return OutputShape.INTEGER
    return OutputShape.LINES if "\n" in text else OutputShape.LINE


@dataclass(frozen=True, slots=True)
class Require:
    """What must hold before a step runs: paths relative to the working directory."""

    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    heads: tuple[tuple[str, str], ...] = ()
    """Files whose first line must be as it was, with its digest: a column that was picked by its place rests on it."""
    bounded: tuple[tuple[str, str], ...] = ()
    """Files and a text that may stand in them only as whole words. Never on disk: rebinding asks for it."""
    wait_s: float = 0.0
    """Seconds after the step before until what must be present had come; 0.0 where it was there at once."""
    world: str = ""
    """Digest of the working directory's content before the step; empty where it was not taken in whole."""


@dataclass(frozen=True, slots=True)
class Expect:
    """What a step must give; compared after every replayed step."""

    exit_code: int | None = None
    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    output: OutputShape = OutputShape.EMPTY
    ok: bool = True
    """False for a step that failed and thereby told the model something: it must fail again."""
    same_output: str = ""
    """Digest of the whole output when the step after it was chosen by reading it; else empty."""
    warning: str = ""
    """Digest of what it wrote to standard error; empty when that was nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    tool: str
    args: Mapping[str, Any]
    effect: Effect
    require: Require
    expect: Expect
    saw: str
    """The beginning of what the step gave when it was learned; for people and for guidance, never an answer."""


@dataclass(frozen=True, slots=True)
class AnswerValue:
    """A piece of this run's outputs: the whole standard output of a step, or one field of its only line."""

    step: int
    """Index into the steps, from 0."""
    field: int | None = None
    """Index of a white-space separated field, from 0; None for the whole output."""
    line: str = ""
    """The line of the field: words, `0` for a whole number, `*` for another value. Any other line is no answer."""


@dataclass(frozen=True, slots=True)
class AnswerTemplate:
    """How the answer is computed. `${1}` stands for the first value; an empty text reports the file changes."""

    text: str = ""
    values: tuple[AnswerValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Learned:
    """Where a trace comes from."""

    when: str
    """UTC, ISO 8601."""
    mode: str
    model: str
    cost_usd: float
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """The first document of a trace file: all that listing and matching read."""

    id: str
    goal: str
    status: TraceStatus
    reason: str
    """Why the trace is not replayable; empty when it is."""
    tools: Mapping[str, str]
    """Version of each tool that the steps use."""
    learned: Learned
    supersedes: str = ""
    """Id of the trace that this one takes the place of: that one is listed still, and used no more."""
    sandbox: str = ""
    """The tier that held its commands when it was learned; empty where it ran none, and in files of before that."""
    provenance: tuple[str, ...] = ()
    """Why a person must say yes before it is replayed (core/provenance); empty where nobody need be asked."""

    @property
    def is_graph(self) -> bool:
        """Whether its steps are sub-goals, which an orchestrator runs (core/graph_trace)."""
        return SUB_GOAL in self.tools


@dataclass(frozen=True, slots=True)
class Trace:
    header: TraceHeader
    steps: tuple[Step, ...]
    answer: AnswerTemplate = field(default_factory=AnswerTemplate)


@dataclass(frozen=True, slots=True)
class RunStep:
    """One tool call of a live run and what came of it."""

    tool: str
    version: str
    args: Mapping[str, Any]
    effect: Effect
    reads: tuple[str, ...]
    """Paths inside the working directory that the call named and that existed before it."""
    ok: bool
    exit_code: int | None
    stdout: str
    output: str
    changes: FileChanges
    truncated: bool = False
    heads: tuple[tuple[str, str], ...] = ()
    """The files among `reads`, with a digest of the first line of each before the call."""
    waited_s: float = 0.0
    """Seconds since the step before, where something that the call reads came only after that step; else 0.0."""
    world: str = ""
    """Digest of the working directory's content before the call; empty where it was not taken in whole."""
    looks: bool = False
    """The call was known to only look, whoever allowed it."""
    reached: tuple[str, ...] = ()
    """What it reached beyond the working directory, each as words that follow "step 2"."""

    @property
    def warning(self) -> str:
        """What it wrote to standard error, or an empty text."""
        found = _STDERR.search(self.output)
        return self.output[found.end() :].strip() if found else ""

    @property
    def has_effects(self) -> bool:
        return bool(self.changes) or not self.changes.complete


_STDERR = re.compile(r"^\[stderr\]$", re.MULTILINE)


def digest(text: str, cwd: str) -> str:
    """16 hex digits for a text; the same text in another working directory has the same."""
    plain = text.replace(cwd, ".").strip()
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def steps_from_runs(runs: Sequence[RunStep], cwd: str, *, heads: bool = False) -> tuple[Step, ...]:
    """The steps of a trace. Each but the last is held to its very output: the next was chosen after reading it.

    What a file tool says of its own writing is left out of that, because the files themselves are compared. With
    `heads` the steps also need the first lines of the files that they read.
    """
    last = len(runs) - 1
    return tuple(
        step_from_run(run, cwd, exact=index < last and not (run.ok and run.effect is Effect.WRITE), heads=heads)
        for index, run in enumerate(runs)
    )


def step_from_run(run: RunStep, cwd: str, *, exact: bool = False, heads: bool = False) -> Step:
    changes = run.changes
    needed = {path for path in (*run.reads, *changes.changed, *changes.deleted) if not is_cache(path)}
    made = tuple(path for path in changes.created if not is_cache(path))
    passing = tuple(sorted(_passing(run))) if changes else ()
    return Step(
        tool=run.tool,
        args=dict(run.args),
        effect=run.effect,
        require=Require(
            tuple(sorted(needed - set(made))),
            (*made, *passing),
            run.heads if heads else (),
            wait_s=run.waited_s,
            world=run.world,
        ),
        expect=Expect(
            run.exit_code,
            made,
            changes.changed,
            changes.deleted,
            output_shape(run.stdout),
            ok=run.ok,
            same_output=digest(run.output, cwd) if exact else "",
            warning=digest(run.warning, cwd) if run.warning else "",
        ),
        saw=shorten(run.output.strip(), 240),
    )


_FILE_LIKE = re.compile(r"(?!-)[\w@+.-]*\w(?:/[\w@+.-]+)+/?|[\w@+-][\w@+.-]*\.\w+")


def _passing(run: RunStep) -> set[str]:
    """Names in a command that stood for nothing before it and stand for nothing after it.

    What is there the next time ("swap.tmp") would be overwritten or lost, and nothing would tell.
    """
    command = run.args.get("command")
    try:
        script = parse(command) if isinstance(command, str) else None
    except NotParsed:
        script = None
    words = {roled.word.value for roled in roles(script) if roled.role is Role.ARGUMENT} if script else set()
    known = {path.rstrip("/") for path in (*run.reads, *run.changes.paths)}
    names = {posixpath.normpath(word) for word in words if _FILE_LIKE.fullmatch(word)}
    return {name for name in names - known if not name.startswith(("/", ".."))}


def shorten(text: str, limit: int) -> str:
    """The text, or its beginning and the number of characters that were left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} … [{len(text) - limit} more characters]"


def mismatch(step: Step, run: RunStep, cwd: str) -> str | None:
    """Why a replayed step did not do what was recorded, or None when it did."""
    expect, changes = step.expect, run.changes
    if run.ok != expect.ok or run.exit_code != expect.exit_code:
        return f"expected {_ending(expect.ok, expect.exit_code)}, got {_ending(run.ok, run.exit_code)}"
    if problem := changes_mismatch(step, run):
        return problem
    if not changes.complete:
        return "the directory is too large to check what the step changed"
    if run.warning and digest(run.warning, cwd) != expect.warning:
        return f"it warned: {shorten(' '.join(run.warning.split()), 120)}"
    if expect.same_output and digest(run.output, cwd) != expect.same_output:
        return "its output is another than the one that the next step was chosen by"
    shape = output_shape(run.stdout)
    if not _shape_fits(expect.output, shape):
        return f"expected output of the form {expect.output.value!r}, got {shape.value!r}"
    return None


def changes_mismatch(step: Step, run: RunStep) -> str | None:
    """How the files that a step touched differ from those it touched when it was learned; None when they do not."""
    expect, changes = step.expect, run.changes
    for word, recorded, seen in (
        ("created", expect.created, changes.created),
        ("changed", expect.changed, changes.changed),
        ("deleted", expect.deleted, changes.deleted),
    ):
        if problem := _path_difference(word, set(recorded), set(seen)):
            return problem
    return None


def _ending(ok: bool, exit_code: int | None) -> str:
    return f"exit code {exit_code}" if exit_code is not None else ("success" if ok else "a failure")


def _path_difference(word: str, recorded: set[str], seen: set[str]) -> str | None:
    recorded, seen = ({path for path in paths if not is_cache(path)} for paths in (recorded, seen))
    if word == "changed":
        # Programs write to their own folders when they please: `git status` renews .git/index, or does not.
        recorded, seen = ({path for path in paths if not is_folded(path)} for paths in (recorded, seen))
    if missing := sorted(recorded - seen):
        return f"{missing[0]} was {word} when this was learned, and was not now"
    if extra := sorted(seen - recorded):
        return f"{extra[0]} was {word} now, and was not when this was learned"
    return None


def _shape_fits(recorded: OutputShape, seen: OutputShape) -> bool:
    if recorded in (OutputShape.LINES, OutputShape.LINE):
        return seen is not OutputShape.EMPTY
    return seen is recorded
