"""Wiring: the only module that names concrete adapters. What costs time to import is imported when it is first used."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from llmos.app_boundary import tool_context
from llmos.app_memory import make_consolidator, open_vectors, tier_rules
from llmos.core.catalogue import CATALOGUE, LOCAL_PAYER, MINILM, CatalogueModel
from llmos.core.errors import NoModelError, OfflineError
from llmos.core.permission import PermissionMode, check_examples
from llmos.core.policy import Thresholds, TurnLimits
from llmos.core.ports import Ask, Embedder, Emit, Model
from llmos.core.prices import ModelPrice
from llmos.core.sandbox import SANDBOX_OFF, Sandbox, SandboxTier
from llmos.core.shell_syntax import Node, no_parser
from llmos.core.spending import Caps
from llmos.core.tool import Tool
from llmos.engine.consolidate import Consolidator
from llmos.engine.invoke import BackupLimits, Invoker
from llmos.engine.metered import MeteredModel
from llmos.engine.remembering import Remembering
from llmos.memory.archival_search import ArchivalSearch
from llmos.memory.config import Config, load_config
from llmos.memory.examples import Examples
from llmos.memory.judgements import Judgements
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.model_store import ModelStore, models_folder
from llmos.memory.money_journal import MoneyJournal
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.recall import Recall
from llmos.memory.record import Record
from llmos.memory.saved_permissions import SavedPermissions
from llmos.memory.sessions import Sessions, SessionSummary
from llmos.memory.trace_analyzer import TraceAnalyzer
from llmos.memory.traces_sdk import TraceManager
from llmos.memory.transcript import Transcript, close_abandoned, last_cut_off
from llmos.memory.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from llmos.adapters.sandbox import PrivateFolder

CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE")
"""What may pay for the API, in the order in which the SDK looks."""


@dataclass(frozen=True, slots=True)
class AppOptions:
    """What a command line may override."""

    workspace: Path | None = None
    model: str | None = None
    max_cost: float | None = None
    max_steps: int | None = None
    mode: str | None = None
    """The permission mode."""
    unsafe_no_sandbox: bool = False
    """The person names the risk: commands run with their own rights."""
    offline: bool = False
    """No model is asked for anything: not to answer, not to judge."""
    freeze: bool = False
    """Nothing is written to the workspace: no trace, outcome, transcript, index, cache or copy of a file."""


class SystemClock:
    """The Clock port on the real clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class App:
    """One process of llmos over one workspace."""

    def __init__(
        self,
        workspace: Workspace,
        config: Config,
        *,
        cwd: Path,
        environ: Mapping[str, str],
        model: Model | None = None,
        offline: bool = False,
        freeze: bool = False,
    ) -> None:
        self.workspace = workspace
        self.offline = offline
        self.freeze = freeze
        self.config = config
        self.session = secrets.token_hex(4)
        self.clock = SystemClock()
        self.cwd = cwd
        self._environ = environ
        self._given_model = model
        self._model: Model | None = None
        self._memory_model: Model | None = None
        self._judging_model: Model | None = None
        self._invokers: list[Invoker] = []
        self._private: PrivateFolder | None = None

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
        modes = {"offline": options.offline, "freeze": options.freeze}
        return cls(workspace, config, cwd=cwd.resolve(), environ=environ, model=model, **modes)

    # ------------------------------------------------------------------------------------------------ the record

    @cached_property
    def traces(self) -> TraceManager:
        settings = self.config.settings
        matching = settings.matching
        judge = matching.judge and not self.offline
        return TraceManager(
            self.workspace.memories,
            self.workspace.root,
            judge,
            home=self.workspace.home,
            analyzer=TraceAnalyzer(make=self._judge, known=Judgements(None if self.freeze else self.workspace.derived))
            if judge
            else None,
            examples=Examples(starter_folders(), self.embedder),
            tool_versions={name: tool.spec.version for name, tool in self.tools.items()},
            thresholds=Thresholds(matching.follower, matching.mixed),
            frozen=self.freeze,
            judged_replay=matching.judged_replay,
        )

    @cached_property
    def transcript(self) -> Transcript:
        space = self.workspace
        return Transcript(
            space.recall, self._open_folder, session=self.session, clock=self.clock, said=self.recall.take
        )

    @cached_property
    def recall(self) -> Recall:
        still = self.freeze or self.config.settings.memory == "off"
        return Recall(self.workspace.recall, self.workspace.derived, self.embedder, frozen=still)

    def embedder(self) -> Embedder | None:
        """What finds by meaning; None as long as its file is not on this machine."""
        path = self.models.find(MINILM)
        if path is None:
            return None
        from llmos.adapters.embedder import MiniLmEmbedder

        return MiniLmEmbedder(path)

    @cached_property
    def saved_permissions(self) -> SavedPermissions:
        return SavedPermissions(self.workspace.home, self.clock.now)

    @cached_property
    def models(self) -> ModelStore:
        return ModelStore(models_folder(self._environ, Path.home()))

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
        for invoker in self._invokers:
            invoker.keep_backups_in(self._backups_folder)

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.workspace.recall, self._open_folder, self.workspace.root / "backups")

    @property
    def _open_folder(self) -> Path:
        return self.workspace.derived / "open"

    @property
    def sandbox_tier(self) -> SandboxTier:
        """How far commands are held back, for `llmos doctor` and the screen."""
        return self.sandbox.tier if self.sandbox is not None else SANDBOX_OFF

    @cached_property
    def sandbox(self) -> Sandbox | None:
        """What holds commands, found by trying on first use; None when the person decided against it."""
        if self.config.settings.sandbox.mode == "off":
            return None
        from llmos.adapters.sandbox import PrivateFolder, find_sandbox

        self._private = PrivateFolder()
        return find_sandbox(self._private.path)

    def cut_off(self) -> dict[str, str]:
        """The trace whose replay the last session was cut off in, with how far it had come; mostly empty."""
        return last_cut_off(self.workspace.recall)

    def close_abandoned(self) -> list[str]:
        """End the transcripts of sessions that died; a sentence for each turn that was cut off. Frozen: not now."""
        if self.freeze:
            return []
        return close_abandoned(self.workspace.recall, self._open_folder, self.clock)

    # ------------------------------------------------------------------------------------------------- the model

    def model(self) -> Model:
        """The model that the configuration names, made on first use. Raises NoModelError, OfflineError."""
        if self.offline:
            raise OfflineError("--offline forbids to ask a model")
        if self._given_model is not None:
            return self._given_model
        if self._model is None:
            self._model = self._make_model(self.config.settings.model)
        return self._model

    @property
    def model_choice(self) -> tuple[str, str]:
        """Name and payer of the model that would be asked, without making it; two empty texts where there is none."""
        made = self._given_model or self._model
        if made is not None:
            return made.info.name, made.info.payer
        try:
            chosen = self._chosen(self.config.settings.model)
        except NoModelError:
            return "", ""
        if isinstance(chosen, str):
            return chosen, self._credential() or ""
        return chosen.name, LOCAL_PAYER

    @property
    def context_limit(self) -> int:
        """Tokens of context of the model that would be asked, without making it; 0 for a small one and for none."""
        made = self._given_model or self._model
        if made is not None:
            return 0 if made.info.small else made.info.context_tokens
        try:
            chosen = self._chosen(self.config.settings.model)
        except NoModelError:
            return 0
        if not isinstance(chosen, str):
            return 0
        from llmos.adapters.anthropic_request import capabilities_of

        return capabilities_of(chosen).context_tokens

    async def use_model(self, name: str) -> Model:
        """Have this model answer from now on. Raises NoModelError, OfflineError; the one before then stays."""
        if self.offline:
            raise OfflineError("--offline forbids to ask a model")
        made = self._make_model(name)
        before, self._model, self._given_model = self._model, made, None
        if before is not None:
            await before.close()
        return made

    def _make_model(self, name: str) -> Model:
        chosen = self._chosen(name)
        return self._anthropic(chosen) if isinstance(chosen, str) else self._local(chosen)

    def _chosen(self, name: str) -> str | CatalogueModel:
        """What a setting means: a model of Anthropic by its name, or one of the catalogue. Raises NoModelError."""
        if name == "auto":
            if self._credential() is not None:
                return self.config.settings.anthropic_model
            for entry in sorted(CATALOGUE, key=lambda entry: not entry.default):
                if self.models.find(entry) is not None:
                    return entry
            raise NoModelError(
                "no model can answer: set ANTHROPIC_API_KEY, or get the embedded model with "
                "`pip install 'llmos[local]'` and `llmos models pull`"
            )
        exact = [entry for entry in CATALOGUE if entry.name == name]
        found = exact or [entry for entry in CATALOGUE if name in entry.name]
        return found[0] if len(found) == 1 else name

    def _credential(self) -> str | None:
        return next((name for name in CREDENTIALS if self._environ.get(name)), None)

    def _anthropic(self, name: str) -> Model:
        payer = self._credential()
        if payer is None:
            raise NoModelError(f"the model {name} needs a credential: set ANTHROPIC_API_KEY, or choose another --model")
        from llmos.adapters.anthropic_model import AnthropicModel

        settings = self.config.settings
        prices = {model: ModelPrice(**price.model_dump()) for model, price in settings.prices.items()}
        made = AnthropicModel(name, payer=payer, base_url=settings.api.base_url, effort=settings.effort, prices=prices)
        return MeteredModel(made, self.money)

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
        )

    @property
    def prefix_folder(self) -> Path:
        """Where embedded models keep what they have read: 30 MB a prompt, too much to be guarded in a workspace."""
        return self.models.folder / "prefix"

    def _local(self, entry: CatalogueModel) -> Model:
        from llmos.adapters.local_model import LocalModel
        from llmos.adapters.local_runtime import require_runtime

        require_runtime()
        path = self.models.find(entry)
        if path is None:
            raise NoModelError(f"the model {entry.name} is not on this machine: `llmos models pull {entry.name}`")
        local = self.config.settings.local
        return LocalModel(
            path,
            name=entry.name,
            kv_bytes_per_token=entry.kv_bytes_per_token,
            n_ctx=local.context,
            threads=local.threads,
            prefix_cache=None if self.freeze else self.prefix_folder,
        )

    def _judge(self) -> Model:
        """The model that judges how alike goals are, made when it is first asked. Raises NoModelError."""
        name = self.config.settings.judge_model
        local = any(name in entry.name for entry in CATALOGUE)
        if self._given_model is not None or not (local or self._credential()):
            return self.model()  # without a key the embedded model judges, if there is one
        if self._judging_model is None:
            self._judging_model = self._make_model(name)
        return self._judging_model

    def warm_up(self) -> None:
        """Import the SDK if the API will be used; meant for a thread while a person types."""
        if self.config.settings.model == "auto" and self._credential() is not None and not self.offline:
            from llmos.adapters.anthropic_model import warm_up

            warm_up()

    # --------------------------------------------------------------------------------------------------- acting

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
            model=self.memory_model,
            clock=self.clock,
            environ=self._environ,
        )

    def memory_model(self) -> Model:
        """The model that updates memory: the cheap one of Anthropic where that is paid for, else the one that answers.

        Raises NoModelError, OfflineError.
        """
        if not self.offline and self._given_model is None:
            chosen = self._chosen(self.config.settings.model)
            if isinstance(chosen, str):
                if self._memory_model is None:
                    self._memory_model = self._anthropic(self.config.settings.judge_model)
                return self._memory_model
        return self.model()

    @property
    def turn_limits(self) -> TurnLimits:
        settings = self.config.settings
        return TurnLimits(
            cap_usd=settings.budget.per_goal_usd,
            max_steps=settings.limits.max_steps,
            small_model_steps=settings.limits.small_model_steps,
            max_tokens=settings.limits.max_tokens,
            retry_total_s=settings.limits.retry_total_s,
            goal_bytes=settings.limits.goal_bytes,
            mixed_k=settings.matching.mixed_k,
            replay_wait_s=settings.limits.replay_wait_s,
        )

    def invoker_factory(self, *, ask: Ask | None, grant_all: bool) -> Callable[[Emit], Invoker]:
        """Makes the invoker of a session around its event sink."""

        def make(sink: Emit) -> Invoker:
            invoker = self._invoker(sink, ask, grant_all)
            self._invokers.append(invoker)
            return invoker

        return make

    def _invoker(self, sink: Emit, ask: Ask | None, grant_all: bool) -> Invoker:
        settings, space = self.config.settings, self.workspace
        backups = space.root / "backups"
        return Invoker(
            tools=self.tools,
            rules=self.config.rules,
            context=replace(
                tool_context(
                    self.config, space, cwd=self.cwd, sandbox=self.sandbox, environ=self._environ, parse=parse_shell
                ),
                memory=self.remembering,
            ),
            backups=BackupLimits(
                folder=self._backups_folder,
                max_files=settings.backups.max_files,
                max_bytes=settings.backups.max_mb * 1_000_000,
            ),
            emit=sink,
            ask=ask,
            grant_all=grant_all,
            mode=PermissionMode(settings.permissions.mode),
            saved=None if self.freeze else self.saved_permissions,
            parse_shell=parse_shell,
            own_folders=[
                folder.resolve() for folder in (space.traces, space.memories, space.derived, backups, space.home)
            ],
        )

    @property
    def _backups_folder(self) -> Path:
        """Where copies of changed files go: not to the workspace where that is frozen; made only when there is one."""
        if self.freeze:
            return Path(tempfile.gettempdir()) / f"llmos-backups-{self.session}"
        return self.workspace.root / "backups" / self.session

    async def close(self) -> None:
        """Release the model, the index and the transcript; also after an error."""
        for invoker in self._invokers:
            invoker.close()
        for model in (self._model, self._memory_model, self._judging_model):
            if model is not None:
                await model.close()
        if "traces" in self.__dict__:
            self.traces.close()
        if "transcript" in self.__dict__:
            self.transcript.close()
        if "archival" in self.__dict__:
            self.archival.close()
        if "recall" in self.__dict__:
            self.recall.close()
        if self._private is not None:
            self._private.remove()


def parse_shell(source: bytes) -> Node:
    """The ParseShell port; the parser is loaded by the first command that needs it."""
    try:
        from llmos.adapters.bash_parser import parse_bash
    except ImportError:  # a machine without its wheel: everything that needs it is asked about
        return no_parser(source)
    return parse_bash(source)


def starter_folders() -> list[Path]:
    """Folders of the examples that ship with llmos: in the wheel, or at the top of a source checkout."""
    packaged = Path(str(resources.files("llmos"))) / "starter" / "traces"
    if packaged.is_dir():
        return [packaged]
    checkout = Path(str(resources.files("llmos"))).parent
    return [checkout / "traces"] if (checkout / "pyproject.toml").is_file() else []
