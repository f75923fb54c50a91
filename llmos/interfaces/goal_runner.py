"""Carries out the goals of a batch in this process: each is what `llmos run` in its folder would be.

What takes time at the start (imports, configuration, index, sandbox) is done once for each workspace; every goal is a
session of its own, with a transcript, a conversation and a /tmp that no other goal sees. Memory is read and not
updated: what becomes due stays due for the next session at the prompt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from llmos.app import App, AppOptions
from llmos.core.batch import EffectFold, Effects, GoalDone, GoalJob
from llmos.core.dataclass import dataclass
from llmos.core.errors import ExitStatus, UsageError
from llmos.core.event_records import event_record
from llmos.core.events import Event, Mode, TurnEnded
from llmos.interfaces.dispatcher import Dispatcher
from llmos.interfaces.failures import failure_of
from llmos.interfaces.session import open_dispatcher
from llmos.interfaces.turn import TurnResult
from llmos.memory.batch_files import CutOffGoal, read_cut_off
from llmos.memory.workspace import find_workspace

_COMMAND_ENDS_S = 0.3
"""How long a command may live on whose llmos was killed."""

if TYPE_CHECKING:
    from llmos.core.ports import AgentChannel
    from llmos.interfaces.remote_agents import AgentSpec


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """What holds for every goal."""

    app: AppOptions
    yes: bool = False
    dry_run: bool = False


class AgentPlace(Protocol):
    """Where agents are begun that are processes of their own."""

    def begin(self, spec: AgentSpec) -> AgentChannel: ...

    def close(self) -> None: ...


class GoalRunner:
    """The Executor port on asyncio, in this process. `check` raises for an app that must not carry out goals.

    `agents` is where agents are begun that goals hand work to; None for objects of this process.
    """

    def __init__(
        self,
        options: RunnerOptions,
        *,
        workers: int,
        environ: Mapping[str, str],
        check: Callable[[App], None] | None = None,
        agents: AgentPlace | None = None,
    ) -> None:
        self.workers = workers
        self._check = check
        self.options = options
        self._environ = environ
        self._agents = agents
        self._apps: dict[Path, App] = {}

    def app_for(self, directory: Path) -> App:
        """The app over the workspace that `llmos run` would use there. Raises LlmosError."""
        root = find_workspace(self.options.app.workspace, self._environ, directory).root
        if root not in self._apps:
            opened = App.open(self.options.app, cwd=directory, environ=self._environ)
            if self._check is not None:
                self._check(opened)
            self._apps[root] = opened
        return self._apps[root]

    def notices(self) -> list[str]:
        """What the person should know of the workspaces before the first goal."""
        said = [notice for app in self._apps.values() for notice in app.config.notices]
        cut_off = [sentence for app in self._apps.values() for sentence in app.close_abandoned()]
        if len(cut_off) > 1:
            cut_off = [f"{len(cut_off)} earlier sessions were cut off; `llmos sessions list` says which"]
        return said + cut_off

    async def run(self, job: GoalJob) -> GoalDone:
        fold, ended = EffectFold(), list[TurnEnded]()

        def emit(event: Event) -> None:
            fold.take(event_record(event))
            if isinstance(event, TurnEnded):
                ended.append(event)

        try:
            result = await self._dispatch(job, emit, fold)
            return result if isinstance(result, GoalDone) else self._done(result, fold)
        except asyncio.CancelledError:
            return _interrupted(ended[0] if ended else None, fold)
        except Exception as error:  # one goal's fault must not end the others
            return _failed(*failure_of(error, self._environ), fold)

    async def _dispatch(self, job: GoalJob, emit: Callable[[Event], None], fold: EffectFold) -> TurnResult | GoalDone:
        directory = Path(job.directory)
        if not directory.is_dir():
            raise UsageError(f"its directory {directory} does not exist; make it, or correct the line")
        shared = self.app_for(directory)
        sync = shared.trace_sync
        if sync is not None:
            sync.pull()
        app = shared.beside(directory, job.session, cap_usd=job.cap_usd)
        try:
            elsewhere = self._agents.begin if self._agents is not None else None
            opened = partial(
                open_dispatcher,
                app,
                ask=None,
                grant_all=self.options.yes,
                one_shot=True,
                in_batch=True,
                agents_elsewhere=elsewhere,
            )
            before = read_cut_off(app.workspace.recall, job.after) if job.after else None
            if before is not None:
                if why_not := await _why_not_gone_on(before, opened(emit=_nowhere, going_on=before.replay), job.goal):
                    return unknown(why_not, before.fold.effects)
                fold.go_on_from(before.fold)
            dispatcher = opened(emit=emit, going_on=before.replay if before is not None else None)
            try:
                return await dispatcher.dispatch(job.goal, dry_run=self.options.dry_run)
            finally:
                await dispatcher.close()
        finally:
            await app.close()
            if sync is not None:
                sync.push()

    def _done(self, result: TurnResult, fold: EffectFold) -> GoalDone:
        return GoalDone(
            status=result.outcome.value if result.outcome else "planned",
            reason=result.reason or (result.reasons[0] if result.outcome is None and result.reasons else ""),
            mode=result.mode.value,
            answer=result.answer,
            confidence=result.confidence,
            trace=result.trace_id,
            kept=result.kept,
            cost_usd=result.cost_usd,
            saved_usd=result.saved_usd,
            model_calls=result.model_calls,
            elapsed_s=result.elapsed_s,
            effects=fold.effects,
            exit_code=int(result.exit_status),
        )

    async def close(self) -> None:
        if self._agents is not None:
            self._agents.close()
        for app in self._apps.values():
            await app.close()
        self._apps.clear()


async def _why_not_gone_on(before: CutOffGoal, dispatcher: Dispatcher, goal: str) -> str:
    """Why a replay that was cut off may not be gone on with; empty where it may. Nothing is done for it yet."""
    if before.replay.begun:
        await asyncio.sleep(_COMMAND_ENDS_S)
    decided = await dispatcher.dispatch(goal, dry_run=True)
    await dispatcher.close()
    if decided.mode is Mode.FOLLOWER:
        return ""
    return f"it was cut off in the middle: {dispatcher.why_not_gone_on or decided.reasons[0]}"


def _nowhere(_: Event) -> None:
    """What is decided before it is known whether anything may be done."""


def unknown(reason: str, effects: Effects = Effects.UNKNOWN) -> GoalDone:
    """Of a goal that was cut off after it had begun to change something."""
    look = "" if "; look at " in reason else "; look"
    return GoalDone("unknown", f"{reason}{look}, then --retry-unknown runs it again", effects=effects, exit_code=1)


def _interrupted(ended: TurnEnded | None, fold: EffectFold) -> GoalDone:
    return GoalDone(
        status="interrupted",
        reason=ended.reason if ended else "stopped before it began",
        mode=ended.mode.value if ended else "",
        cost_usd=ended.cost_usd if ended else 0.0,
        model_calls=ended.model_calls if ended else 0,
        elapsed_s=ended.elapsed_s if ended else 0.0,
        effects=fold.effects,
        exit_code=int(ExitStatus.INTERRUPTED),
    )


def _failed(reason: str, status: ExitStatus, fold: EffectFold) -> GoalDone:
    outcome = "denied" if status is ExitStatus.NO_SANDBOX else "failed"
    return GoalDone(status=outcome, reason=reason, effects=fold.effects, exit_code=int(status))
