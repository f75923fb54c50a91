"""`llmos batch`: many goals, each as `llmos run` would carry it out, several at once, and resumed after a stop.

Invariant: before anything of a goal runs, the journal says so on the disk; and a goal whose end is not known is not
begun again over its effects.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from llmos.app import AppOptions
from llmos.core.batch import BadLine, BatchGoal, Effects, GoalDone, GoalJob, Known, Todo, row_of
from llmos.core.batch_queue import FolderQueue
from llmos.core.dataclass import dataclass
from llmos.core.errors import ExitStatus, LlmosError, UsageError, WorkerLostError
from llmos.core.events import Outcome
from llmos.core.ports import Executor
from llmos.core.spending import SharedCap
from llmos.interfaces.batch_screen import BatchScreen, Summary
from llmos.interfaces.batch_worker import WorkerSpec, environment_for_workers, make_worker, rights_of
from llmos.interfaces.goal_runner import GoalRunner, RunnerOptions, unknown
from llmos.interfaces.output import OutputFormat
from llmos.interfaces.session import run_to_exit_status
from llmos.interfaces.startup import collect_again
from llmos.interfaces.turn import EXIT_OF_OUTCOME
from llmos.memory.batch_files import (
    BatchFiles,
    ended_session,
    read_cut_off,
    read_input,
    read_source,
    results_path,
)
from llmos.memory.files import show_path
from llmos.memory.locks import BusyError, StoreLock
from llmos.memory.trace_sync import hand_over, hand_over_all
from llmos.memory.workspace import Workspace, make_derived_folder

MOST_ATTEMPTS = 3
"""How often a goal is begun whose worker was lost each time before it had changed anything."""
_MOST_STDIN = 1 << 29
_WORKER_ENDS_S = 3.0
"""How long a worker may live on whose batch was killed, or whose machine is said to be lost."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What `llmos batch` was told."""

    app: AppOptions
    source: Path | None
    """None: standard input."""
    out: Path | None = None
    yes: bool = False
    dry_run: bool = False
    workers: int | None = None
    cap_usd: float | None = None
    retry_failed: bool = False
    retry_unknown: bool = False
    form: OutputFormat = OutputFormat.TEXT
    quiet: bool = False
    plain: bool = False
    executor: str = "asyncio"
    address: str | None = None
    """Of a Ray cluster; None: one of this machine alone."""


def run_batch(options: BatchOptions, *, cwd: Path, environ: Mapping[str, str]) -> ExitStatus:
    """Carry out the goals with the process's own streams and signals; every failure becomes a sentence and a code."""
    screen = BatchScreen(form=options.form, quiet=options.quiet, plain=options.plain)
    try:
        return run_to_exit_status(
            lambda: _run(options, screen, cwd=cwd, environ=environ),
            failed=screen.error,
            interrupted=lambda: None,  # its summary says so already
            environ=environ,
        )
    finally:
        screen.close()


async def _run(options: BatchOptions, screen: BatchScreen, *, cwd: Path, environ: Mapping[str, str]) -> ExitStatus:
    with ExitStack() as held:
        batch = _open(options, screen, held, cwd=cwd, environ=environ)
        try:
            collect_again()
            return await batch.run()
        finally:
            await batch.executor.close()
            await batch.runner.close()


def _open(
    options: BatchOptions, screen: BatchScreen, held: ExitStack, *, cwd: Path, environ: Mapping[str, str]
) -> Batch:
    """Everything up to the first goal: the input read, the results open, the workspaces held. Raises LlmosError."""
    settings = GoalRunner(RunnerOptions(options.app), workers=1, environ=environ).app_for(cwd).config.settings
    goals, bad = _goals(options.source, cwd, goal_bytes=settings.limits.goal_bytes)
    name = "standard input" if options.source is None else show_path(options.source)
    for line in bad:
        screen.bad_line(name, line)
    if not goals and not bad:
        raise UsageError(f"{name} holds no goal; write one a line")
    files = None
    app = options.app
    if not options.dry_run:
        files = BatchFiles(_results(options, cwd), datetime.now(UTC), screen.notice)
        held.callback(files.close)
        if options.cap_usd is not None:
            app = replace(app, shared_cap=SharedCap(files.batch, options.cap_usd, "batch", "--cap"))
    runner = GoalRunner(
        RunnerOptions(app, yes=options.yes, dry_run=options.dry_run),
        workers=options.workers or settings.batch.workers,
        environ=environ,
    )
    spaces = {space.root: space for space in (runner.app_for(Path(folder)).workspace for folder in _folders(goals))}
    if files is not None and not app.freeze:
        for space in spaces.values():
            held.enter_context(_alone_on(space))
            hand_over_all(space.traces, space.workers)
            held.callback(hand_over_all, space.traces, space.workers)
    for notice in runner.notices():
        screen.notice(notice)
    executor = _executor(options, runner, list(spaces.values()), environ) if goals else runner
    return Batch(options, goals, len(bad), runner, executor, files, screen)


def _results(options: BatchOptions, cwd: Path) -> Path:
    """Where the results go. Raises UsageError."""
    found = cwd / (options.out or results_path(options.source, cwd))
    if not found.parent.is_dir():
        folder = show_path(found.parent)
        raise UsageError(f"the folder {folder} for the results does not exist; make it, or choose another with --out")
    return found


def _executor(
    options: BatchOptions, runner: GoalRunner, spaces: Sequence[Workspace], environ: Mapping[str, str]
) -> Executor:
    """What carries the goals out. Raises UsageError."""
    if options.executor == "asyncio":
        if options.address is not None:
            raise UsageError("--address is of a Ray cluster; give --executor ray with it")
        return runner
    from llmos.adapters.ray_executor import RayExecutor

    rights = {str(space.root): rights_of(runner.app_for(space.root)) for space in spaces}
    return RayExecutor(
        partial(make_worker, WorkerSpec(runner.options, rights)),
        workers=options.workers,
        address=options.address,
        environ=environment_for_workers(environ),
    )


def _goals(source: Path | None, cwd: Path, *, goal_bytes: int) -> tuple[list[BatchGoal], list[BadLine]]:
    """Raises UsageError."""
    if source is None:
        if sys.stdin.isatty():
            raise UsageError("no goals were given; name a file with one goal a line, or pipe them in")
        data, name = sys.stdin.buffer.read(_MOST_STDIN), "-"
    else:
        data, name = read_source(cwd / source), str(source)
    found = list(read_input(data, name, cwd, goal_bytes=goal_bytes))
    return [one for one in found if isinstance(one, BatchGoal)], [one for one in found if isinstance(one, BadLine)]


def _folders(goals: Iterable[BatchGoal]) -> dict[str, None]:
    return dict.fromkeys(goal.directory for goal in goals)


def _alone_on(space: Workspace) -> StoreLock:
    make_derived_folder(space)
    lock = _WorkspaceLock(space.derived / "batch.lock", timeout_s=0.0)
    lock.workspace = space.root
    return lock


class _WorkspaceLock(StoreLock):
    """Held by the one batch that works on a workspace."""

    workspace: Path

    def __enter__(self) -> StoreLock:
        try:
            return super().__enter__()
        except BusyError:
            raise UsageError(
                f"another batch works on the workspace {show_path(self.workspace)} now; let it finish, or give this "
                "one a workspace of its own with --workspace"
            ) from None


@dataclass(slots=True)
class Batch:
    """One run over the goals of an input. `files` None: a dry run, of which nothing is kept."""

    options: BatchOptions
    goals: Sequence[BatchGoal]
    bad_lines: int
    runner: GoalRunner
    executor: Executor
    files: BatchFiles | None
    screen: BatchScreen
    _freed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _folders: dict[str, str] = field(default_factory=dict)
    _going_on: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The sessions of goals whose replay was cut off and may be gone on with, by key."""

    async def run(self) -> ExitStatus:
        """Work on what is left to do; the exit code of the whole batch, of what was done before too."""
        started = time.monotonic()
        left = [goal for goal in self.goals if await self._is_left(goal)]
        left.sort(key=lambda goal: goal.key not in self._going_on)  # before anything else changes their folders
        summary = Summary(
            results=None if self.files is None else self.files.results,
            goals=len(self.goals),
            bad_lines=self.bad_lines,
            before=len(self.goals) - len(left),
        )
        if self.files is not None:
            keys = {goal.key for goal in left}
            summary.take_up(self.files.progress.of(goal).row for goal in self.goals if goal.key not in keys)
        self.screen.begin(summary, len(left))
        # A dry run changes nothing, so its goals come in their order.
        queue = FolderQueue([_Waiting(goal, self._place(goal.directory) if self.files else "/") for goal in left])
        interrupted = False
        try:
            await self._work_all(queue, summary)
        except asyncio.CancelledError:
            interrupted = True
            raise
        finally:
            summary.elapsed_s = time.monotonic() - started
            self.screen.end(summary, interrupted=interrupted)
        return summary.exit_status

    def _place(self, directory: str) -> str:
        """The folder without links: two names of it are one place."""
        if directory not in self._folders:
            self._folders[directory] = os.path.realpath(directory)
        return self._folders[directory]

    # ------------------------------------------------------------------------------------------- what is left to do

    async def _is_left(self, goal: BatchGoal) -> bool:
        if self.files is None:
            return True
        known = self.files.progress.of(goal)
        if known.begun:
            done = self._found(goal, (*known.after, known.begun), recorded=known.recorded)
            if done is None:
                return True
            await self.files.end(row_of(goal, known.begun, done, _now()))
            known = self.files.progress.of(goal)
        match known.todo:
            case Todo.FAILED:
                return self.options.retry_failed
            case Todo.UNKNOWN:
                return self.options.retry_unknown or self._may_go_on(goal, known)
        return known.todo is Todo.RUN

    def _may_go_on(self, goal: BatchGoal, known: Known) -> bool:
        """Whether a goal was stopped in the middle of a replay, which may then be gone on with."""
        if known.row is None or known.row.get("status") != "interrupted":
            return False
        sessions = (*known.after, str(known.row.get("session")))
        space = self.runner.app_for(Path(goal.directory)).workspace
        if read_cut_off(space.recall, sessions).replay.trace:
            self._going_on[goal.key] = sessions
        return goal.key in self._going_on

    def _found(
        self, goal: BatchGoal, sessions: tuple[str, ...], *, recorded: bool, why: str = "the batch"
    ) -> GoalDone | None:
        """What became of a goal that was begun, in the last of these sessions, and has no row.

        None where it is left to do: nothing of it can have had an effect, or it was a replay that may be gone on with.
        """
        if not recorded:
            return unknown(f"{why} was cut off in the middle of it, and with --freeze nothing says how far it came")
        space = self.runner.app_for(Path(goal.directory)).workspace
        session = sessions[-1]
        if not ended_session(space.derived / "open", session, wait_s=_WORKER_ENDS_S):
            raise UsageError(
                f"a process of an earlier run still works on goal {goal.id!r} (session {session}); let it finish, or "
                "end it, and give the same command again"
            )
        found = read_cut_off(space.recall, sessions)
        effects = found.fold.effects
        if found.fold.ended is not None:
            return _as_ended(found.fold.ended, effects)
        if effects is Effects.NONE:
            return None
        if found.replay.trace:
            self._going_on[goal.key] = sessions
            return None
        how_far = found.journal.summary or f"a command had begun, and its effect is {effects.value}"
        return unknown(f"{why} was cut off in the middle of it: {how_far}", effects)

    # ----------------------------------------------------------------------------------------------------- working

    async def _work_all(self, queue: FolderQueue[_Waiting], summary: Summary) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(min(self.executor.workers, len(queue))):
                    group.create_task(self._work(number, queue, summary))
        except* LlmosError as errors:
            raise _first(errors) from None

    async def _work(self, number: int, queue: FolderQueue[_Waiting], summary: Summary) -> None:
        """One of the workers: takes goals until none is left, or until it is stopped."""
        while True:
            async with self._freed:
                while (waiting := queue.take()) is None:
                    if not len(queue):
                        return
                    await self._freed.wait()
            self.screen.started(number, waiting.goal)
            try:
                done = await self._carry_out(waiting)
            finally:
                queue.done(waiting)
            summary.take(done)
            self.screen.ended(number, waiting.goal, done, summary)
            if done.status == "interrupted":
                return
            async with self._freed:
                self._freed.notify_all()

    async def _carry_out(self, waiting: _Waiting) -> GoalDone:
        goal, files, recorded = waiting.goal, self.files, not self.options.app.freeze
        for attempt in range(1, MOST_ATTEMPTS + 1):
            session, after = secrets.token_hex(4), self._going_on.pop(goal.key, ())
            if files is not None:
                await files.begin(goal, session, datetime.now(UTC), recorded=recorded, after=after)
            job = GoalJob(goal.key, goal.id, goal.goal, self._place(goal.directory), goal.cap_usd, session, after)
            try:
                done: GoalDone | None = await self.executor.run(job)
            except WorkerLostError as error:
                space = self.runner.app_for(Path(goal.directory)).workspace
                hand_over(space.traces, space.workers / error.worker)
                done = self._found(goal, (*after, session), recorded=recorded, why=str(error))
                if done is None and attempt == MOST_ATTEMPTS:
                    said = f"{error}, {attempt} times"
                    half_done = self._going_on.pop(goal.key, ())
                    done = unknown(said) if half_done else GoalDone("failed", said, exit_code=int(ExitStatus.FAILED))
            if done is not None:
                break
        assert done is not None
        if files is not None:
            row = row_of(goal, session, done, _now())
            await files.end(row)
            self.screen.row(row)
        return done


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A goal, and the folder that it has to itself."""

    goal: BatchGoal
    directory: str


def _first(errors: BaseExceptionGroup[LlmosError]) -> LlmosError:
    found = errors.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _as_ended(record: Mapping[str, object], effects: Effects) -> GoalDone:
    """What the end of a turn says in a transcript."""
    cost, saved, calls, elapsed = (record.get(name) for name in ("cost_usd", "saved_usd", "model_calls", "elapsed_s"))
    status = str(record.get("outcome"))
    return GoalDone(
        status=status,
        reason=str(record.get("reason", "")),
        mode=str(record.get("mode", "")),
        answer=str(record.get("answer", "")),
        cost_usd=float(cost) if isinstance(cost, int | float) else 0.0,
        saved_usd=float(saved) if isinstance(saved, int | float) else 0.0,
        model_calls=calls if isinstance(calls, int) else 0,
        elapsed_s=float(elapsed) if isinstance(elapsed, int | float) else 0.0,
        effects=effects,
        exit_code=int(EXIT_OF_OUTCOME[Outcome(status)]),
    )
