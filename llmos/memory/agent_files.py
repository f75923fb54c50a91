"""The agents of a workspace: `agents/NAME.md`, Markdown with front matter (docs/formats.md).

Invariant: a file that cannot be read or asks for more than there is is left out, with a sentence; the others hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmos.core.agent_roles import AGENT_NAME, INHERIT, LONGEST_ROLE, AgentRole
from llmos.core.errors import StoreError
from llmos.core.permission import PermissionMode
from llmos.core.spending import is_amount
from llmos.memory.codec import CodecError, check_format, load_front_matter
from llmos.memory.files import read_bounded, show_path

KIND = "llmos-agent"
NUMBER = 1
MOST_AGENTS = 50
_KNOWN = {"format", "name", "description", "tools", "mode", "model", "max_usd"}


class AgentFiles:
    """Reads a folder of agents. `tools` are those that there are, `models` those that an agent may name; None: any."""

    def __init__(self, folder: Path, tools: Sequence[str], models: frozenset[str] | None) -> None:
        self._folder = folder
        self._tools = frozenset(tools)
        self._models = models

    def read(self) -> tuple[dict[str, AgentRole], list[str]]:
        """The agents by name, and a sentence for each file that is left out."""
        roles: dict[str, AgentRole] = {}
        problems: list[str] = []
        paths = sorted(self._folder.glob("*.md")) if self._folder.is_dir() else []
        if len(paths) > MOST_AGENTS:
            problems.append(f"{show_path(self._folder)} has {len(paths)} agents; the first {MOST_AGENTS} are used")
        for path in paths[:MOST_AGENTS]:
            try:
                role = self._role(path)
                roles[role.name] = role
            except StoreError as error:
                problems.append(f"agent left out: {error}")
        return roles, problems

    def _role(self, path: Path) -> AgentRole:
        shown = show_path(path)
        meta, body = load_front_matter(read_bounded(path, 4 * LONGEST_ROLE), name=str(path))
        check_format(meta.get("format"), kind=KIND, supported=NUMBER, name=str(path))
        if unknown := sorted(meta.keys() - _KNOWN):
            raise CodecError(f"{shown}: {unknown[0]} is no key of an agent; there are {', '.join(sorted(_KNOWN))}")
        name = _text(meta, "name", path.stem, shown)
        if name != path.stem or not AGENT_NAME.fullmatch(name):
            raise CodecError(f"{shown}: name must be the file's, of small letters, digits and -, and it is {name!r}")
        if not body.strip():
            raise CodecError(f"{shown}: there is no text that says how the agent works")
        return AgentRole(
            name=name,
            description=_text(meta, "description", "", shown),
            instructions=body,
            tools=self._named_tools(meta, shown),
            mode=_mode(meta, shown),
            model=self._model(meta, shown),
            max_usd=_amount(meta, shown),
        )

    def _named_tools(self, meta: Mapping[str, Any], shown: str) -> frozenset[str] | None:
        tools = meta.get("tools")
        if tools is None:
            return None
        if not isinstance(tools, list) or not all(isinstance(tool, str) for tool in tools):
            raise CodecError(f"{shown}: tools must be a list of names")
        if strange := sorted(set(tools) - self._tools):
            raise CodecError(f"{shown}: there is no tool {strange[0]!r}; there are {', '.join(sorted(self._tools))}")
        return frozenset(tools)

    def _model(self, meta: Mapping[str, Any], shown: str) -> str:
        model = _text(meta, "model", INHERIT, shown)
        if model == INHERIT or self._models is None or model in self._models:
            return model
        raise CodecError(
            f"{shown}: a project cannot choose the model {model!r}; it may name {INHERIT} or one of your own "
            f"configuration: {', '.join(sorted(self._models))}"
        )


def _text(meta: Mapping[str, Any], key: str, default: str, shown: str) -> str:
    value = meta.get(key, default)
    if not isinstance(value, str):
        raise CodecError(f"{shown}: {key} must be text")
    return value


def _amount(meta: Mapping[str, Any], shown: str) -> float | None:
    amount = meta.get("max_usd")
    if amount is not None and not is_amount(amount):
        raise CodecError(f"{shown}: max_usd must be a number of dollars, 0 or more")
    return None if amount is None else float(amount)


def _mode(meta: Mapping[str, Any], shown: str) -> PermissionMode | None:
    mode = meta.get("mode")
    if mode is None:
        return None
    try:
        return PermissionMode(mode)
    except ValueError:
        raise CodecError(f"{shown}: mode must be one of {', '.join(PermissionMode)}") from None
