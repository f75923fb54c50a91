"""The settings: their types, bounds, defaults and descriptions, and what a project may do with each.

Invariant: everything said about a setting (in `config show`, the template, an error) comes from its one line here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


class ProjectMay(StrEnum):
    """What the config.yaml of a project may do with a setting. It never loosens what the person decided."""

    SET = "set"
    SET_IF_UNSET = "set unless the person did"
    LOWER = "lower"
    RAISE = "raise"
    TIGHTEN = "choose a stricter one"
    ADD = "add"
    NOTHING = "nothing"


def _setting(default: Any, about: str, allowed: str, project: ProjectMay, **bounds: Any) -> Any:
    extra: dict[str, Any] = {"allowed": allowed, "project": project.value}
    return Field(default, description=about, json_schema_extra=extra, **bounds)


def _number(default: float, low: float, high: float, about: str, project: ProjectMay) -> Any:
    return _setting(default, about, f"a number from {low:g} to {high:g}", project, ge=low, le=high)


def _whole(default: int | None, low: int, high: int, about: str, project: ProjectMay) -> Any:
    either = "null or " if default is None else ""
    return _setting(default, about, f"{either}a whole number from {low} to {high}", project, ge=low, le=high)


def _model(default: str, about: str, allowed: str, project: ProjectMay) -> Any:
    return _setting(default, about, allowed, project, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}$")


def _texts(about: str, allowed: str, project: ProjectMay) -> Any:
    return _setting((), about, allowed, project, strict=False)  # a YAML list becomes a tuple; its items stay strict


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Api(Section):
    base_url: str | None = _setting(
        None,
        "address of the Messages API; null is Anthropic's own",
        "null or an address like https://host/path, with no password in it",
        ProjectMay.NOTHING,
        pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$",
    )


class Matching(Section):
    follower: float = _number(0.92, 0, 1, "replay a saved run from this confidence on", ProjectMay.RAISE)
    mixed: float = _number(0.75, 0, 1, "adapt a saved run from this confidence on", ProjectMay.RAISE)
    mixed_k: int = _whole(1, 1, 5, "earlier runs that guide a model, for each part of a goal", ProjectMay.LOWER)
    judge: bool = _setting(
        False, "let a small model propose matches for paraphrases", "true or false", ProjectMay.LOWER
    )
    judged_replay: bool = _setting(
        False, "replay what a large model judges the same, when every gate is open", "true or false", ProjectMay.LOWER
    )


class Budget(Section):
    per_goal_usd: float = _number(1.0, 0, 10_000, "the most that one goal may cost, in US dollars", ProjectMay.LOWER)
    per_session_usd: float = _number(
        10.0, 0, 100_000, "the most that one session may cost, in US dollars", ProjectMay.LOWER
    )
    per_day_usd: float = _number(
        50.0, 0, 100_000, "the most that all sessions of a day may cost, in US dollars", ProjectMay.LOWER
    )


class Limits(Section):
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


class RuleWithExamples(Section):
    """A rule that says what it speaks of and what not; checked when it is loaded."""

    rule: str
    match: tuple[str, ...] = _setting((), "", "", ProjectMay.NOTHING, strict=False)
    no_match: tuple[str, ...] = _setting((), "", "", ProjectMay.NOTHING, strict=False)


RuleEntry = Annotated[
    Annotated[str, Tag("text")] | Annotated[RuleWithExamples, Tag("examples")],
    Discriminator(lambda value: "examples" if isinstance(value, dict | RuleWithExamples) else "text"),
]


class Context(Section):
    compact_at: float = _number(
        0.8, 0.1, 1, "share of a model's context from which a conversation goes on from a summary", ProjectMay.LOWER
    )


class Permissions(Section):
    mode: Literal["read-only", "ask", "accept-edits", "trusted"] = _setting(
        "ask",
        "what happens to calls that no rule speaks of",
        "one of read-only, ask, accept-edits, trusted",
        ProjectMay.TIGHTEN,
    )
    allow: tuple[RuleEntry, ...] = _texts(
        "calls that run without asking",
        "a list of rules",
        ProjectMay.NOTHING,
    )
    ask: tuple[RuleEntry, ...] = _texts(
        "calls that are always asked about",
        "a list of rules",
        ProjectMay.ADD,
    )
    deny: tuple[RuleEntry, ...] = _texts(
        "calls that never run",
        "a list of rules",
        ProjectMay.ADD,
    )
    paths: tuple[Annotated[str, Field(pattern=r"^(/|~/|~$)")], ...] = _texts(
        "folders outside the working directory that the file tools may use",
        "a list of folders that begin with / or ~/",
        ProjectMay.NOTHING,
    )


class Sandbox(Section):
    mode: Literal["required", "auto", "off"] = _setting(
        "auto",
        "whether commands are held inside the sandbox; auto is the best that works here, required is that or nothing",
        "one of required, auto, off",
        ProjectMay.TIGHTEN,
    )
    network: Literal["off", "on"] = _setting(
        "off", "whether commands inside the sandbox may use the network", "on or off", ProjectMay.LOWER
    )
    network_for: tuple[str, ...] = _texts(
        "commands that may use the network all the same",
        "a list of rules like shell(pip install *)",
        ProjectMay.NOTHING,
    )
    env: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], ...] = _texts(
        "variables that commands see besides the ordinary ones", "a list of names of variables", ProjectMay.NOTHING
    )
    hide: tuple[Annotated[str, Field(pattern=r"^(/|~/)")], ...] = _texts(
        "files and folders that no tool may look into, besides keys and the store of llmos",
        "a list of paths that begin with / or ~/",
        ProjectMay.ADD,
    )


class Backups(Section):
    max_mb: int = _whole(64, 0, 100_000, "megabytes copied before a step changes them; 0 is off", ProjectMay.RAISE)
    max_files: int = _whole(2_000, 0, 1_000_000, "files copied before a step changes them; 0 is off", ProjectMay.RAISE)


class Local(Section):
    threads: int | None = _whole(None, 1, 1_024, "processor threads of a local model", ProjectMay.NOTHING)
    context: int = _whole(8_192, 512, 1_000_000, "tokens of context of a local model", ProjectMay.LOWER)


class Tiers(Section):
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


class Archival(Section):
    url: str | None = _setting(
        None,
        "address of a shared Chroma server; null keeps the vectors in this workspace",
        "null or an address like http://host:port",
        ProjectMay.NOTHING,
        pattern=r"^https?://[^\s/@?#]+/?$",
    )


class Screen(Section):
    verbose: bool = _setting(
        False, "show decisions, calls and outputs whole at the prompt", "true or false", ProjectMay.NOTHING
    )


class Price(Section):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_read: float = Field(ge=0)
    cache_write: float = Field(ge=0)


class Settings(Section):
    """Every setting with its final value."""

    model: str = _model(
        "auto",
        "which model answers; auto is Anthropic with a key, else a local one",
        "auto or the id of a model",
        ProjectMay.SET_IF_UNSET,
    )
    anthropic_model: str = _model(
        "claude-sonnet-5-5", "the model of Anthropic that auto means", "the id of a model", ProjectMay.SET
    )
    judge_model: str = _model(
        "claude-haiku-5-5", "the model that proposes matches", "the id of a model", ProjectMay.SET
    )
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = _setting(
        None,
        "how much a model thinks; null is its own default",
        "one of null, low, medium, high, xhigh, max",
        ProjectMay.SET,
    )
    api: Api = Api()
    matching: Matching = Matching()
    budget: Budget = Budget()
    limits: Limits = Limits()
    context: Context = Context()
    permissions: Permissions = Permissions()
    sandbox: Sandbox = Sandbox()
    backups: Backups = Backups()
    local: Local = Local()
    memory: Literal["on", "off"] = _setting(
        "on", "whether anything is remembered and recalled; off is off", "on or off", ProjectMay.LOWER
    )
    tiers: Tiers = Tiers()
    archival: Archival = Archival()
    screen: Screen = Screen()
    prices: dict[str, Price] = _setting(
        {},
        "prices of models, in US dollars per million tokens",
        "{MODEL: {input: …, output: …, cache_read: …, cache_write: …}} with numbers of 0 or more",
        ProjectMay.NOTHING,
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting by its dotted key."""

    key: str
    default: Any
    about: str
    allowed: str
    project: ProjectMay
    field: FieldInfo

    def accept(self, value: Any) -> tuple[Any, tuple[str | int, ...] | None]:
        """The typed value and None; or None and where inside it the first problem is (() for the whole)."""
        kind: Any = Annotated[self.field.annotation, self.field]
        adapter: TypeAdapter[Any] = TypeAdapter(kind, config=_STRICT)
        try:
            return adapter.validate_python(value), None
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            return None, tuple(step for step in first["loc"] if step not in ("text", "examples"))

    def rank(self, value: Any) -> int:
        """The place of a word among those that the setting takes; the strictest stands first."""
        return get_args(self.field.annotation).index(value)


@cache
def all_settings() -> dict[str, Setting]:
    """Every setting by its dotted key, in the order of the template."""
    return {setting.key: setting for setting in _walk(Settings, "")}


def section_names() -> tuple[str, ...]:
    """The keys at the top that hold further settings."""
    return tuple(name for name, field in Settings.model_fields.items() if _section(field) is not None)


def _section(field: FieldInfo) -> type[Section] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _walk(section: type[Section], prefix: str) -> Iterator[Setting]:
    for name, field in section.model_fields.items():
        inner = _section(field)
        if inner is not None:
            yield from _walk(inner, f"{prefix}{name}.")
        else:
            extra: Any = field.json_schema_extra
            about = field.description or ""
            yield Setting(prefix + name, field.default, about, extra["allowed"], ProjectMay(extra["project"]), field)
