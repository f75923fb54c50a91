"""The settings: their types, bounds, defaults and descriptions, and what a project may do with each.

Invariant: everything said about a setting (in `config show`, the template, an error) comes from its one line here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from enum import StrEnum
from functools import cache
from typing import Any, Literal, TypeAlias

from llmos.core.dataclass import dataclass
from llmos.core.prices import ModelPrice
from llmos.memory.setting_kinds import (
    Choice,
    Flag,
    Kind,
    MisfitError,
    Number,
    Prices,
    Rules,
    RuleWithExamples,
    Text,
    Texts,
    Whole,
)

_MODEL = r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}"
_MODEL_ID = Text("the id of a model", _MODEL)

RuleEntry: TypeAlias = str | RuleWithExamples


class ProjectMay(StrEnum):
    """What the config.yaml of a project may do with a setting. It never loosens what the person decided."""

    SET = "set"
    SET_IF_UNSET = "set unless the person did"
    LOWER = "lower"
    RAISE = "raise"
    TIGHTEN = "choose a stricter one"
    ADD = "add"
    NOTHING = "nothing"


def _setting(default: Any, about: str, kind: Kind, project: ProjectMay) -> Any:
    return field(default=default, metadata=_told(about, kind, project))


def _told(about: str, kind: Kind, project: ProjectMay) -> dict[str, Any]:
    return {"about": about, "kind": kind, "project": project}


def _number(default: float, low: float, high: float, about: str, project: ProjectMay) -> Any:
    return _setting(default, about, Number(low, high), project)


def _whole(default: int | None, low: int, high: int, about: str, project: ProjectMay) -> Any:
    return _setting(default, about, Whole(low, high, default is None), project)


def _flag(default: bool, about: str, project: ProjectMay) -> Any:
    return _setting(default, about, Flag(), project)


@dataclass(frozen=True, slots=True)
class Api:
    base_url: str | None = _setting(
        None,
        "address of the Messages API; null is Anthropic's own",
        Text(
            "null or an address like https://host/path, with no password in it",
            r"https?://[^\s/@?#]+(/[^\s@?#]*)?",
            null=True,
        ),
        ProjectMay.NOTHING,
    )


@dataclass(frozen=True, slots=True)
class Matching:
    follower: float = _number(0.92, 0, 1, "replay a saved run from this confidence on", ProjectMay.RAISE)
    mixed: float = _number(0.75, 0, 1, "adapt a saved run from this confidence on", ProjectMay.RAISE)
    mixed_k: int = _whole(1, 1, 5, "earlier runs that guide a model, for each part of a goal", ProjectMay.LOWER)
    judge: bool = _flag(False, "let a small model propose matches for paraphrases", ProjectMay.LOWER)
    judged_replay: bool = _flag(
        False, "replay what a large model judges the same, when every gate is open", ProjectMay.LOWER
    )


@dataclass(frozen=True, slots=True)
class Budget:
    per_goal_usd: float = _number(1.0, 0, 10_000, "the most that one goal may cost, in US dollars", ProjectMay.LOWER)
    per_session_usd: float = _number(
        10.0, 0, 100_000, "the most that one session may cost, in US dollars", ProjectMay.LOWER
    )
    per_day_usd: float = _number(
        50.0, 0, 100_000, "the most that all sessions of a day may cost, in US dollars", ProjectMay.LOWER
    )


@dataclass(frozen=True, slots=True)
class Limits:
    max_steps: int = _whole(30, 1, 1_000, "model calls in one goal", ProjectMay.LOWER)
    small_model_steps: int = _whole(8, 1, 1_000, "model calls in one goal of a small local model", ProjectMay.LOWER)
    tool_timeout_s: float = _number(120, 1, 86_400, "seconds after which a tool is stopped", ProjectMay.LOWER)
    output_bytes: int = _whole(30_000, 1_000, 10_000_000, "bytes of a tool's output that are kept", ProjectMay.LOWER)
    max_tokens: int = _whole(16_000, 256, 1_000_000, "tokens that a model may write in one call", ProjectMay.LOWER)
    retry_total_s: float = _number(300, 0, 86_400, "seconds spent on trying a model call again", ProjectMay.LOWER)
    replay_wait_s: float = _number(
        30, 0, 3_600, "seconds that a replay waits for a file that had to be waited for before", ProjectMay.LOWER
    )
    goal_bytes: int = _whole(100_000, 100, 1_000_000, "bytes that a goal may have", ProjectMay.LOWER)


@dataclass(frozen=True, slots=True)
class Context:
    compact_at: float = _number(
        0.8, 0.1, 1, "share of a model's context from which a conversation goes on from a summary", ProjectMay.LOWER
    )


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """Goals of several tasks."""

    split: Literal["off", "list", "auto"] = _setting(
        "auto",
        "which goals are split: list is lists only, auto also what a model plans, off none",
        Choice(("off", "list", "auto")),
        ProjectMay.TIGHTEN,
    )
    parallel: int = _whole(3, 1, 64, "sub-goals at work at once", ProjectMay.LOWER)
    max_sub_goals: int = _whole(50, 2, 500, "sub-goals that a plan may have", ProjectMay.LOWER)
    depth: int = _whole(2, 0, 5, "levels of sub-goals and sub-agents below a goal", ProjectMay.LOWER)
    max_agents: int = _whole(8, 0, 100, "sub-agents that one turn may call", ProjectMay.LOWER)
    alive_agents: int = _whole(8, 1, 100, "sub-agents of a session that can be asked again", ProjectMay.LOWER)
    confirm: Literal["always", "planned", "never"] = _setting(
        "planned",
        "whether a person is asked before a plan runs: planned is where a model made it; always with nobody runs none",
        Choice(("always", "planned", "never")),
        ProjectMay.TIGHTEN,
    )


@dataclass(frozen=True, slots=True)
class Permissions:
    mode: Literal["read-only", "ask", "accept-edits", "trusted"] = _setting(
        "ask",
        "what happens to calls that no rule speaks of",
        Choice(("read-only", "ask", "accept-edits", "trusted")),
        ProjectMay.TIGHTEN,
    )
    allow: tuple[RuleEntry, ...] = _setting((), "calls that run without asking", Rules(), ProjectMay.NOTHING)
    ask: tuple[RuleEntry, ...] = _setting((), "calls that are always asked about", Rules(), ProjectMay.ADD)
    deny: tuple[RuleEntry, ...] = _setting((), "calls that never run", Rules(), ProjectMay.ADD)
    paths: tuple[str, ...] = _setting(
        (),
        "folders outside the working directory that the file tools may use",
        Texts("a list of folders that begin with / or ~/", r"(?s:(/|~/).*|~)"),
        ProjectMay.NOTHING,
    )


@dataclass(frozen=True, slots=True)
class Sandbox:
    mode: Literal["required", "auto", "off"] = _setting(
        "auto",
        "whether commands are held inside the sandbox; auto is the best that works here, required is that or nothing",
        Choice(("required", "auto", "off")),
        ProjectMay.TIGHTEN,
    )
    network: Literal["off", "on"] = _setting(
        "off", "whether commands inside the sandbox may use the network", Choice(("on", "off")), ProjectMay.LOWER
    )
    network_for: tuple[str, ...] = _setting(
        (),
        "commands that may use the network all the same",
        Texts("a list of rules like shell(pip install *)"),
        ProjectMay.NOTHING,
    )
    env: tuple[str, ...] = _setting(
        (),
        "variables that commands see besides the ordinary ones",
        Texts("a list of names of variables", r"[A-Za-z_][A-Za-z0-9_]*"),
        ProjectMay.NOTHING,
    )
    hide: tuple[str, ...] = _setting(
        (),
        "files and folders that no tool may look into, besides keys and the store of llmos",
        Texts("a list of paths that begin with / or ~/", r"(?s:(/|~/).*)"),
        ProjectMay.ADD,
    )


@dataclass(frozen=True, slots=True)
class Backups:
    max_mb: int = _whole(64, 0, 100_000, "megabytes copied before a step changes them; 0 is off", ProjectMay.RAISE)
    max_files: int = _whole(2_000, 0, 1_000_000, "files copied before a step changes them; 0 is off", ProjectMay.RAISE)


@dataclass(frozen=True, slots=True)
class Local:
    threads: int | None = _whole(None, 1, 1_024, "processor threads of a local model", ProjectMay.NOTHING)
    context: int = _whole(8_192, 512, 1_000_000, "tokens of context of a local model", ProjectMay.LOWER)
    slots: int = _whole(
        2, 1, 16, "sub-goals that a local model works on at once, each with a context", ProjectMay.LOWER
    )


@dataclass(frozen=True, slots=True)
class Tiers:
    """The three memory tiers: rate = base rate x (1 - stability)."""

    core_every: int = _whole(10, 1, 100_000, "messages between two updates of the core blocks", ProjectMay.NOTHING)
    archival_every: int = _whole(100, 1, 100_000, "messages between two archival updates", ProjectMay.NOTHING)
    recall_stability: float = _number(0.1, 0, 1, "how much the recall tier resists change", ProjectMay.NOTHING)
    core_stability: float = _number(0.5, 0, 1, "how much the core blocks resist change", ProjectMay.NOTHING)
    archival_stability: float = _number(0.9, 0, 1, "how much archival memory resists change", ProjectMay.NOTHING)
    recall_base_rate: float = _number(0.1, 0, 1, "base learning rate of the recall tier", ProjectMay.NOTHING)
    core_base_rate: float = _number(0.01, 0, 1, "base learning rate of the core blocks", ProjectMay.NOTHING)
    archival_base_rate: float = _number(0.001, 0, 1, "base learning rate of archival memory", ProjectMay.NOTHING)
    update_usd: float = _number(
        0.05, 0, 1_000, "the most that one memory update may cost, in US dollars", ProjectMay.LOWER
    )
    update_s: float = _number(120, 1, 3_600, "seconds after which a memory update is given up", ProjectMay.LOWER)


@dataclass(frozen=True, slots=True)
class Archival:
    url: str | None = _setting(
        None,
        "address of a shared Chroma server; null keeps the vectors in this workspace",
        Text("null or an address like http://host:port", r"https?://[^\s/@?#]+/?", null=True),
        ProjectMay.NOTHING,
    )


@dataclass(frozen=True, slots=True)
class Batch:
    workers: int = _whole(4, 1, 256, "goals of a batch that are worked on at once", ProjectMay.LOWER)


@dataclass(frozen=True, slots=True)
class Screen:
    verbose: bool = _flag(False, "show decisions, calls and outputs whole at the prompt", ProjectMay.NOTHING)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its final value."""

    model: str = _setting(
        "auto",
        "which model answers; auto is Anthropic with a key, else a local one",
        Text("auto or the id of a model", _MODEL),
        ProjectMay.SET_IF_UNSET,
    )
    anthropic_model: str = _setting(
        "claude-sonnet-5-5", "the model of Anthropic that auto means", _MODEL_ID, ProjectMay.SET
    )
    judge_model: str = _setting("claude-haiku-5-5", "the model that proposes matches", _MODEL_ID, ProjectMay.SET)
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = _setting(
        None,
        "how much a model thinks; null is its own default",
        Choice((None, "low", "medium", "high", "xhigh", "max")),
        ProjectMay.SET,
    )
    api: Api = Api()
    matching: Matching = Matching()
    budget: Budget = Budget()
    limits: Limits = Limits()
    context: Context = Context()
    orchestrator: Orchestrator = Orchestrator()
    permissions: Permissions = Permissions()
    sandbox: Sandbox = Sandbox()
    backups: Backups = Backups()
    local: Local = Local()
    memory: Literal["on", "off"] = _setting(
        "on", "whether anything is remembered and recalled; off is off", Choice(("on", "off")), ProjectMay.LOWER
    )
    tiers: Tiers = Tiers()
    archival: Archival = Archival()
    batch: Batch = Batch()
    screen: Screen = Screen()
    prices: dict[str, ModelPrice] = field(
        default_factory=dict,
        metadata=_told("prices of models, in US dollars per million tokens", Prices(), ProjectMay.NOTHING),
    )


_DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting by its dotted key."""

    key: str
    default: Any
    about: str
    kind: Kind
    project: ProjectMay

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        return self.kind.allowed

    def accept(self, value: Any) -> tuple[Any, tuple[str | int, ...] | None]:
        """The typed value and None; or None and where inside it the first problem is (() for the whole)."""
        try:
            return self.kind.take(value), None
        except MisfitError as misfit:
            return None, misfit.path

    def rank(self, value: Any) -> int:
        """The place of a word among those that the setting takes; the strictest stands first."""
        return self.kind.words.index(value) if isinstance(self.kind, Choice) else 0


@cache
def all_settings() -> dict[str, Setting]:
    """Every setting by its dotted key, in the order of the template."""
    return {setting.key: setting for setting in _walk(_DEFAULTS, "")}


def section_names() -> tuple[str, ...]:
    """The keys at the top that hold further settings."""
    return tuple(each.name for each in fields(Settings) if "kind" not in each.metadata)


def make_settings(values: Mapping[str, Any]) -> Settings:
    """The settings of which all have these values, by dotted key."""
    sections: dict[str, dict[str, Any]] = {name: {} for name in section_names()}
    top: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (sections[section] if section else top)[name] = value
    made = {name: type(getattr(_DEFAULTS, name))(**given) for name, given in sections.items()}
    return Settings(**top, **made)


def _walk(section: Any, prefix: str) -> Iterator[Setting]:
    """The settings of a section that has its defaults."""
    for each in fields(section):
        value = getattr(section, each.name)
        if "kind" not in each.metadata:
            yield from _walk(value, f"{each.name}.")
        else:
            yield Setting(prefix + each.name, value, **each.metadata)
