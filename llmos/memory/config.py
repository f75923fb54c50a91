"""The settings of a run: built-in < the person's config.yaml < the project's < environment < command line.

Invariant: a project's file can only tighten (safety rule 10): what would loosen is ignored and told. Every final
value knows where it came from. Anything that is not understood is a ConfigError that names file, line and setting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import ConfigError, StoreError
from llmos.core.events import Verdict
from llmos.core.permission import Rule, parse_rule
from llmos.memory.codec import MAX_YAML_BYTES, KeyPath, check_format, load_with_lines
from llmos.memory.config_schema import ProjectMay, Setting, Settings, all_settings, make_settings, section_names
from llmos.memory.files import MissingFileError, read_bounded, show_path
from llmos.memory.setting_kinds import RuleWithExamples
from llmos.memory.workspace import CONFIG_KIND, CONFIG_NAME, Workspace, check_home, expand_user

CONFIG_FORMAT = 1
BUILT_IN = "built-in"
ENVIRONMENT = {
    "LLMOS_MODEL": "model",
    "LLMOS_MAX_COST": "budget.per_goal_usd",
    "ANTHROPIC_BASE_URL": "api.base_url",
}
FLAGS = {
    "model": "--model",
    "budget.per_goal_usd": "--max-cost",
    "permissions.mode": "--mode",
    "limits.max_steps": "--max-steps",
    "limits.small_model_steps": "--max-steps",
    "sandbox.mode": "--unsafe-no-sandbox",
}
_DECIMAL = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_RULES = {"permissions.allow": Verdict.ALLOW, "permissions.ask": Verdict.ASK, "permissions.deny": Verdict.DENY}
_PATHS = frozenset({"permissions.paths", "sandbox.hide"})
_LISTS = frozenset({*_RULES, *_PATHS, "sandbox.network_for", "sandbox.env"})


@dataclass(frozen=True, slots=True)
class Config:
    """The settings, the origin of each by dotted key, what a project asked for in vain, and the permission rules."""

    settings: Settings
    origins: dict[str, str]
    notices: tuple[str, ...]
    rules: tuple[Rule, ...]

    def rows(self) -> list[ConfigRow]:
        """One row a setting, for `config show`."""
        values = asdict(self.settings)
        return [
            ConfigRow(key, _get(values, key), self.origins[key], setting.about, setting.allowed)
            for key, setting in all_settings().items()
        ]


@dataclass(frozen=True, slots=True)
class ConfigRow:
    key: str
    value: Any
    origin: str
    about: str
    allowed: str


@dataclass(frozen=True, slots=True)
class _Given:
    """A value that one layer gives to one setting."""

    setting: Setting
    value: Any
    origin: str
    project: bool
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a layer's value stands: a variable, a flag, or a file with the lines of the value and its parts."""

    name: str
    origin: str
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    project: bool = False

    def place(self, part: KeyPath = ()) -> str:
        """For a sentence; the nearest line known for `part` of the value."""
        if not self.lines:
            return self.name
        while part not in self.lines:
            part = part[:-1]
        return f"{self.name} line {self.lines[part]}"


def load_config(workspace: Workspace, env: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """Read and merge all layers. `flags` maps dotted keys to values; None means not given. Raises ConfigError."""
    check_home(workspace.home)
    values = {key: setting.default for key, setting in all_settings().items()}
    origins = dict.fromkeys(values, BUILT_IN)
    rules: list[Rule] = []
    notices: list[str] = []
    for given in _layers(workspace, env, flags):
        key, value = given.setting.key, given.value
        refusal = _refusal(given, values[key], origins[key])
        if refusal:
            own = show_path(workspace.home / CONFIG_NAME)
            notices.append(f"{given.origin}: {key} is ignored: {refusal}; decide it in {own}")
            continue
        if key in _LISTS and values[key]:
            values[key] = (*values[key], *(item for item in value if item not in values[key]))
            origins[key] = f"{origins[key]} and {given.origin}"
        else:
            values[key], origins[key] = value, given.origin
        rules += given.rules
    return Config(_build(values, origins), origins, tuple(notices), tuple(rules))


def config_template() -> str:
    """The text of a new config.yaml: every setting with its default and meaning, commented out."""
    lines = [
        "# Settings of this llmos workspace. Each setting stands here with its default: to change one, remove the #",
        "# before it and before the name of its group. `llmos config show` prints what holds and where it comes from.",
        f"format: {CONFIG_KIND}/{CONFIG_FORMAT}",
    ]
    group = ""
    for key, setting in all_settings().items():
        section, _, name = key.rpartition(".")
        if section != group or not section:
            lines.append("")
        if section != group:
            group = section
            if section:
                lines.append(f"#{section}:")
        default = json.dumps(setting.default if setting.default != () else [])
        indent = "#  " if section else ""
        about = f"{indent}# {setting.about}: {setting.allowed}"
        lines += [about] if len(about) <= 110 else [f"{indent}# {setting.about}:", f"{indent}# {setting.allowed}"]
        lines.append(f"{indent or '#'}{name}: {default}")
    return "\n".join(lines) + "\n"


def check_value(key: str, value: Any, env: Mapping[str, str], *, above: Config | None) -> None:
    """Raises ConfigError for an unknown setting, a value that it cannot have, or one that a project may not decide.

    `above` is the person's own configuration when the value is for a project's file, else None.
    """
    setting = all_settings().get(key)
    if setting is None:
        raise ConfigError(f"unknown setting {_word(key)}{_suggestion(tuple(key.split('.')))}")
    given = _accept(setting, value, _Source("the value", "the value", project=above is not None), env)
    if above is None:
        return
    if refusal := _refusal(given, _get(asdict(above.settings), key), above.origins[key]):
        raise ConfigError(f"{key} would be ignored in a project's file: {refusal}; --own decides it in your own")


def parse_config(path: Path, text: bytes) -> dict[str, Any]:
    """The settings of the text of a config file, as they stand in it. Raises ConfigError, naming file and line."""
    try:
        return _parse(path, text)[0]
    except StoreError as error:
        raise ConfigError(str(error)) from error


# ------------------------------------------------------------------------------------------------------------ layers


def _layers(workspace: Workspace, env: Mapping[str, str], flags: Mapping[str, Any]) -> Iterator[_Given]:
    """What each layer gives, the weakest first."""
    yield from _file_layer(workspace.home / CONFIG_NAME, env, project=False)
    if not workspace.is_home:
        yield from _file_layer(workspace.config_file, env, project=True)
    settings = all_settings()
    for variable, key in ENVIRONMENT.items():
        if text := env.get(variable):
            value = float(text) if key == "budget.per_goal_usd" and _DECIMAL.fullmatch(text) else text
            yield _accept(settings[key], value, _Source(variable, f"environment {variable}"), env)
    for key, value in flags.items():
        if value is not None:
            flag = FLAGS.get(key, key)
            if key not in settings:
                raise ConfigError(f"unknown setting {key} on the command line{_suggestion((key,))}")
            yield _accept(settings[key], value, _Source(f"{flag} on the command line", f"command line {flag}"), env)


def _file_layer(path: Path, env: Mapping[str, str], *, project: bool) -> Iterator[_Given]:
    try:
        text = read_bounded(path, MAX_YAML_BYTES)
        document, lines = _parse(path, text)
    except MissingFileError:
        return
    except StoreError as error:
        raise ConfigError(str(error)) from error
    shown = show_path(path)
    for key_path, value, setting in _leaves(document, (), shown, lines):
        size = len(key_path)
        own_lines = {key[size:]: line for key, line in lines.items() if key[:size] == key_path}
        yield _accept(setting, value, _Source(shown, f"{shown}:{own_lines[()]}", own_lines, project), env)


def _parse(path: Path, text: bytes) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The settings of a config file, its format checked, and the line of each value. Raises StoreError."""
    shown = show_path(path)
    must = f"it must begin with `format: {CONFIG_KIND}/{CONFIG_FORMAT}`"
    if all(not line.strip() or line.lstrip().startswith(b"#") for line in text.splitlines()):
        raise ConfigError(f"{shown} holds no settings; {must}")
    document, lines = load_with_lines(text, name=str(path))
    if not isinstance(document, dict):
        raise ConfigError(f"{shown} line {lines[()]}: there must be settings of the form `key: value`; {must}")
    check_format(document.pop("format", None), kind=CONFIG_KIND, supported=CONFIG_FORMAT, name=str(path))
    return document, lines


def _leaves(
    group: Mapping[str, Any], above: tuple[str, ...], shown: str, lines: Mapping[KeyPath, int]
) -> Iterator[tuple[KeyPath, Any, Setting]]:
    """Each value with its setting. Raises ConfigError for an unknown name and for a group that is not one."""
    for name, value in group.items():
        path = (*above, name)
        key = ".".join(path)
        place = f"{shown} line {lines[path]}"
        if not above and name in section_names():
            if isinstance(value, dict):
                yield from _leaves(value, path, shown, lines)
            elif value is not None:  # null: every setting of the group is commented out
                raise ConfigError(f"{place}: {name} must be a group of settings, not {_shown(value)}")
        elif "." not in name and key in all_settings():
            yield path, value, all_settings()[key]
        else:
            grouped = f"; write it as `{name.replace('.', ': {', 1)}: …}}`" if name in all_settings() else ""
            raise ConfigError(f"unknown setting {_word(key)} in {place}{grouped or _suggestion(path)}")


def _accept(setting: Setting, value: Any, source: _Source, env: Mapping[str, str]) -> _Given:
    typed, problem = setting.accept(value)
    if problem is not None:
        wrong = f"not {_shown(value)}" if not problem else _wrong_part(value, problem)
        raise ConfigError(f"{source.place(problem)}: {setting.key} must be {setting.allowed}, {wrong}")
    rules: tuple[Rule, ...] = ()
    if setting.key in _RULES:
        verdict = _RULES[setting.key]
        rules = tuple(_rule(entry, verdict, source.place((at,))) for at, entry in enumerate(typed))
    if setting.key == "sandbox.network_for":
        for at, text in enumerate(typed):
            parse_rule(text, Verdict.ALLOW, source.place((at,)))
    if setting.key in _PATHS:
        typed = tuple(expand_user(path, env) for path in typed)
    return _Given(setting, typed, source.origin, source.project, rules)


def _rule(entry: str | RuleWithExamples, verdict: Verdict, place: str) -> Rule:
    if isinstance(entry, str):
        return parse_rule(entry, verdict, place)
    return parse_rule(entry.rule, verdict, place, match=entry.match, no_match=entry.no_match)


def _wrong_part(value: Any, path: KeyPath) -> str:
    """What is wrong inside a list or mapping: `but item 3 is true`, `but m.input is missing`."""
    name = ".".join(f"item {step + 1}" if isinstance(step, int) else _word(step) for step in path)
    for step in path:
        if isinstance(value, dict) and step not in value:
            return f"but {name} is missing"
        value = value[step]
    return f"but {name} is {_shown(value)}"


# ----------------------------------------------------------------------------------------------------------- merging


def _refusal(given: _Given, current: Any, origin: str) -> str:
    """Why a project's value does not hold; empty when it does."""
    may = given.setting.project
    if not given.project or may in (ProjectMay.SET, ProjectMay.ADD):
        return ""
    if may is ProjectMay.NOTHING:
        return "a project cannot decide it"
    if may is ProjectMay.SET_IF_UNSET:
        return "" if origin == BUILT_IN else f"{origin} decides it"
    if may is ProjectMay.TIGHTEN:
        looser = given.setting.rank(given.value) > given.setting.rank(current)
        return f"a project can only choose a stricter one, and it is {_shown(current)}" if looser else ""
    if may is ProjectMay.LOWER:
        return "" if given.value <= current else f"a project can only lower it, and it is {_shown(current)}"
    return "" if given.value >= current else f"a project can only raise it, and it is {_shown(current)}"


def _build(values: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    settings = make_settings(values)
    matching = settings.matching
    if matching.mixed > matching.follower:
        raise ConfigError(
            f"matching.mixed ({matching.mixed:g}, {origins['matching.mixed']}) is above matching.follower "
            f"({matching.follower:g}, {origins['matching.follower']}); it must be the lower of the two"
        )
    return settings


def _suggestion(path: tuple[str, ...]) -> str:
    """The end of a sentence on an unknown setting: the nearest one, or where all are listed."""
    import difflib

    key = ".".join(path)
    if key in section_names():
        inside = [name for name in all_settings() if name.startswith(f"{key}.")]
        return f"; it is a group, name one of {', '.join(inside)}"
    names = [*all_settings(), *section_names(), "format"]
    siblings = [name for name in names if name.split(".")[:-1] == list(path[:-1])]
    near = difflib.get_close_matches(key, siblings, 1, 0.7) or difflib.get_close_matches(key, names, 1, 0.7)
    near = near or [name for name in names if name.rpartition(".")[2] == path[-1]][:1]
    return f"; did you mean {near[0]}?" if near else "; `llmos config show` lists the settings"


def _shown(value: Any) -> str:
    """A value for a sentence: as JSON, short."""
    text = re.sub(r"//[^/@]*@", "//…@", json.dumps(value, default=str))  # no password in an address is printed
    return text if len(text) <= 60 else text[:59] + "…"


def _word(key: str) -> str:
    return key if key.isprintable() and len(key) <= 80 else _shown(key)


def _get(values: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.rpartition(".")
    return values[section][name] if section else values[name]
