"""Wiring: only this module and the app_ modules beside it name concrete adapters.

What costs time to import is imported when it is first used.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from llmos.adapters.system_clock import SystemClock
from llmos.app_boundary import SessionBoundary, parse_shell
from llmos.app_memory import find_embedder, make_consolidator, open_vectors, tier_rules
from llmos.app_models import Models, turn_limits
from llmos.app_options import AppOptions as AppOptions
from llmos.app_traces import open_traces
from llmos.core.agent_roles import AgentRole
from llmos.core.permission import check_examples
from llmos.core.policy import TurnLimits
from llmos.core.ports import Ask, Embedder, Emit, Model
from llmos.core.sandbox import SANDBOX_OFF, SandboxTier
from llmos.core.spending import Caps
from llmos.core.tool import Tool
from llmos.engine.consolidate import Consolidator
from llmos.engine.invoke import Invoker
from llmos.engine.remembering import Remembering
from llmos.memory.abandoned import close_abandoned
from llmos.memory.agent_files import AgentFiles
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.config import Config, load_config
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.model_store import ModelStore, models_folder
from llmos.memory.money_journal import MoneyJournal
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.quarantine import Quarantine
from llmos.memory.recall import Recall
from llmos.memory.record import Record
from llmos.memory.saved_permissions import SavedPermissions
from llmos.memory.sessions import Sessions, SessionSummary
from llmos.memory.syncing import Syncs
from llmos.memory.trace_sync import TraceSync
from llmos.memory.traces_sdk import TraceManager
from llmos.memory.transcript import Transcript, last_cut_off
from llmos.memory.workspace import Workspace, find_workspace

_SHARED = ("traces", "tools", "model_store", "saved_permissions", "recall", "archival")
"""What is costly to make, and the same for all sessions of a process."""


class App:
    """One process of llmos over one workspace."""

    def __init__(
        self,
        workspace: Workspace,
        config: Config,
        options: AppOptions,
        *,
        cwd: Path,
        environ: Mapping[str, str],
        model: Model | None = None,
    ) -> None:
        self.workspace = workspace
        self.config = config
        self.offline = options.offline
        self.freeze = options.freeze
        self.session = secrets.token_hex(4)
        self.clock = SystemClock()
        self.cwd = cwd
        self._options = options
        self._environ = environ
        self._given_model = model
        self._cap_usd = config.settings.budget.per_goal_usd
        self._borrowed: tuple[str, ...] = ()
        self._beside: App | None = None

    @classmethod
    def open(cls, options: AppOptions, *, cwd: Path, environ: Mapping[str, str], model: Model | None = None) -> App:
        """Find the workspace and read the configuration. Raises LlmosError.

        `model` is used in place of the one that the configuration names, and stays its giver's to close.
        """
        workspace = find_workspace(options.workspace, environ, cwd)
        flags = {
            "model": options.model,
            "budget.per_goal_usd": options.max_cost,
            "permissions.mode": options.mode,
            "limits.max_steps": options.max_steps,
            "limits.small_model_steps": options.max_steps,
            "sandbox.mode": "off" if options.unsafe_no_sandbox else None,
        }
        given = {key: value for key, value in flags.items() if value is not None}
        config = load_config(workspace, environ, given)
        check_examples(config.rules, parse_shell)
        return cls(workspace, config, options, cwd=cwd.resolve(), environ=environ, model=model)

    def beside(self, cwd: Path, session: str, *, cap_usd: float | None = None) -> App:
        """Another session of this process, in another folder: what is costly to make stays this one's to close.

        `cap_usd` may lower what its goals cost at most, and never raise it.
        """
        options = replace(self._options, worker="")
        model = self.models.shared()
        made = App(self.workspace, self.config, options, cwd=cwd.resolve(), environ=self._environ, model=model)
        made.session, made._borrowed, made._beside = session, _SHARED, self
        made._cap_usd = self._cap_usd if cap_usd is None else min(cap_usd, self._cap_usd)
        made.__dict__.update((name, getattr(self, name)) for name in _SHARED)
        return made

    # ------------------------------------------------------------------------------------------------ the record

    @cached_property
    def traces(self) -> TraceManager:
        return open_traces(
            self.config.settings.matching,
            self.workspace,
            judging=None if self.offline else self.models.judging,
            embedder=self.embedder,
            tools=self.tools,
            frozen=self.freeze,
            quarantine=self.quarantine,
            folder=self.worker_folder or self.workspace.root,
        )

    @property
    def worker_folder(self) -> Path | None:
        """Where a worker keeps its own traces; None where this process is none."""
        worker = "" if self.freeze else self._options.worker
        return self.workspace.workers / worker if worker else None

    @cached_property
    def trace_sync(self) -> TraceSync | None:
        """Brings a worker's traces and the shared ones together; None where this process is no worker."""
        return TraceSync(self.workspace.traces, self.worker_folder) if self.worker_folder else None

    @cached_property
    def quarantine(self) -> Quarantine:
        """Where files of the workspace go that cannot be read; frozen, none does."""
        return Quarantine(self.workspace.root, frozen=self.freeze)

    @cached_property
    def transcript(self) -> Transcript:
        space = self.workspace
        return Transcript(
            space.recall,
            self._open_folder,
            session=self.session,
            clock=self.clock,
            said=self.recall.take,
            syncs=self.syncs,
        )

    @cached_property
    def syncs(self) -> Syncs:
        """Puts on the disk what must be there before something goes on. Beside others, those go on meanwhile."""
        return Syncs(aside=self._beside is not None)

    @cached_property
    def recall(self) -> Recall:
        still = self.freeze or self.config.settings.memory == "off"
        return Recall(self.workspace.recall, self.workspace.derived, self.embedder, frozen=still)

    def embedder(self) -> Embedder | None:
        """What finds by meaning; None as long as its file is not on this machine."""
        return find_embedder(self.model_store)

    @cached_property
    def saved_permissions(self) -> SavedPermissions:
        return SavedPermissions(self.workspace.home, self.clock.now)

    @cached_property
    def model_store(self) -> ModelStore:
        return ModelStore(models_folder(self._environ, Path.home()))

    @property
    def prefix_folder(self) -> Path:
        """Where embedded models keep what they have read: 30 MB a prompt, too much to be guarded in a workspace."""
        return self.model_store.folder / "prefix"

    @cached_property
    def money(self) -> MoneyJournal:
        """What calls cost, over all sessions of this person. Kept with --freeze too: what was spent was spent."""
        budget = self.config.settings.budget
        return MoneyJournal(
            self.workspace.home,
            clock=self.clock,
            session=self.session,
            workspace=self.workspace.root,
            caps=Caps(budget.per_session_usd, budget.per_day_usd),
            shared=() if self._options.shared_cap is None else (self._options.shared_cap,),
        )

    def begin_session(self) -> None:
        """Go on under a new id: its transcript and copies of files are new ones."""
        self.transcript.begin_anew(session := secrets.token_hex(4))
        self._go_on_as(session)

    def resume_session(self, session: SessionSummary) -> None:
        """Go on at the end of that session's record. Raises UsageError when another process does. Frozen: beside it."""
        if self.freeze:
            return
        self.transcript.go_on_in(session.path, session.id)
        self._go_on_as(session.id)

    def _go_on_as(self, session: str) -> None:
        """What is kept from now on bears this id: copies of files, changes of memory, money."""
        self.session = self.memory.session = self.money.session = session
        if self.remembering is not None:
            self.remembering.session = session
        self.boundary.go_on_as(session)

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.workspace.recall, self._open_folder, self.workspace.root / "backups")

    @property
    def _open_folder(self) -> Path:
        return self.workspace.derived / "open"

    @property
    def sandbox_tier(self) -> SandboxTier:
        """How far commands are held back, for `llmos doctor` and the screen."""
        sandbox = self.boundary.sandbox
        return sandbox.tier if sandbox is not None else SANDBOX_OFF

    @cached_property
    def boundary(self) -> SessionBoundary:
        """What holds this session's commands, and the gate to its tools."""
        return SessionBoundary(
            self.config,
            self.workspace,
            cwd=self.cwd,
            environ=self._environ,
            session=self.session,
            freeze=self.freeze,
            beside=self._beside.boundary if self._beside is not None else None,
        )

    def cut_off(self) -> dict[str, str]:
        """The trace whose replay the last session was cut off in, with how far it had come; mostly empty."""
        return last_cut_off(self.workspace.recall)

    def close_abandoned(self) -> list[str]:
        """End the transcripts of sessions that died; a sentence for each turn that was cut off. Frozen: not now."""
        if self.freeze:
            return []
        return close_abandoned(self.workspace.recall, self._open_folder, self.clock)

    # --------------------------------------------------------------------------------------------------- acting

    @cached_property
    def models(self) -> Models:
        return Models(
            self.config.settings,
            self._environ,
            store=self.model_store,
            money=self.money,
            prefix_cache=None if self.freeze else self.prefix_folder,
            offline=self.offline,
            given=self._given_model,
        )

    def model(self) -> Model:
        """The model that answers, made on first use. Raises NoModelError, OfflineError."""
        return self.models.answering()

    @cached_property
    def tools(self) -> Mapping[str, Tool]:
        from llmos.tools import builtin_tools

        return builtin_tools()

    @cached_property
    def record(self) -> Record:
        space = self.workspace
        return Record(
            traces=self.traces,
            transcript=self.transcript,
            memory=self.memory,
            nested=NestedLearning(space.recall, space.derived, tier_rules(self.config.settings.tiers)),
        )

    def read_agents(self) -> tuple[dict[str, AgentRole], list[str]]:
        """The agents of the workspace by name, and a sentence for each file that is left out.

        A project's agents may name the models of the person's configuration, and no other.
        """
        settings = self.config.settings
        own = frozenset((settings.model, settings.anthropic_model, settings.judge_model))
        models = None if self.workspace.is_home else own
        return AgentFiles(self.workspace.agents, sorted(self.tools), models).read()

    def agent_model(self, name: str) -> Model:
        """The model that an agent names. Raises NoModelError, OfflineError."""
        return self.models.named(name)

    @cached_property
    def memory(self) -> MemoryEngine:
        """Core blocks and archival passages."""
        return MemoryEngine(
            self.workspace.core_blocks,
            self.workspace.archival,
            rules=tier_rules(self.config.settings.tiers),
            session=self.session,
            on=self.config.settings.memory == "on",
            frozen=self.freeze,
            quarantine=self.quarantine,
        )

    @cached_property
    def archival(self) -> ArchivalSearch:
        """Archival passages found by words and by meaning."""
        url = self.config.settings.archival.url
        return ArchivalSearch(self.memory, self.embedder, lambda embedder: open_vectors(self.workspace, url, embedder))

    @cached_property
    def remembering(self) -> Remembering | None:
        """Memory as the turns of this session use it; None where it is off."""
        if not self.memory.on:
            return None
        return Remembering(
            memory=self.memory,
            archival=self.archival,
            recall=self.recall,
            clock=self.clock,
            session=self.session,
            project=str(self.cwd),
        )

    @cached_property
    def consolidator(self) -> Consolidator | None:
        """Keeps the tiers up to date; None where nothing is to be remembered."""
        if self.freeze or not self.memory.on:
            return None
        return make_consolidator(
            self.config.settings.tiers,
            self.workspace,
            memory=self.memory,
            nested=self.record.nested,
            recall=self.recall,
            archival=self.archival,
            model=self.models.updating,
            clock=self.clock,
            environ=self._environ,
        )

    @property
    def turn_limits(self) -> TurnLimits:
        return replace(turn_limits(self.config.settings), cap_usd=self._cap_usd)

    def invoker_factory(self, *, ask: Ask | None, grant_all: bool) -> Callable[[Emit], Invoker]:
        """Makes the invoker of a session around its event sink."""

        def make(sink: Emit) -> Invoker:
            return self.boundary.make_invoker(
                tools=self.tools,
                remembering=self.remembering,
                saved=None if self.freeze else self.saved_permissions,
                emit=sink,
                ask=ask,
                grant_all=grant_all,
                syncs=self.syncs,
            )

        return make

    async def close(self) -> None:
        """Release the model, the index and the transcript; also after an error."""
        if "boundary" in self.__dict__:
            self.boundary.close()
        if "models" in self.__dict__:
            await self.models.close()
        for name in ("traces", "transcript", "archival", "recall", "trace_sync"):
            made = None if name in self._borrowed else self.__dict__.get(name)
            if made is not None:  # a cached property that was used
                made.close()
