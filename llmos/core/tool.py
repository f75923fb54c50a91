"""What a tool is: five facts and a callable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from llmos.core.dataclass import dataclass
from llmos.core.sandbox import Boundary, Sandbox


class Effect(StrEnum):
    """The most a tool can do to the world. Ordered: READ < WRITE < EXECUTE."""

    READ = "read"
    WRITE = "write"
    EXECUTE = "execute"


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model, the permission gate and a trace know of a tool."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    """JSON Schema of the arguments; an object with `additionalProperties: false`."""
    effect: Effect
    version: str
    """Twelve hex digits over the tool's source and schema: a changed tool is another tool to a trace."""


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What one run of a tool gave."""

    text: str
    """What the model and the person see, capped."""
    ok: bool = True
    exit_code: int | None = None
    """Of a shell command; None for other tools and for a killed command."""
    truncated: bool = False
    total_bytes: int = 0
    """Bytes of output before the cap."""
    stdout: str = ""
    """What an answer may be computed from: standard output alone, or the text of a tool that has no streams."""


_OPEN = Boundary()


def _no_network(command: str) -> bool:
    return False


class MemoryAccess(Protocol):
    """What tools may do with memory, within its rules. Each raises ToolError, which says why not."""

    async def context(self, goal: str) -> str: ...

    async def search(self, question: str) -> str: ...

    def edit_core(self, block: str, action: str, text: str, quote: str, item: str) -> str: ...

    def add_archival(self, text: str, quote: str) -> str: ...


class DelegationAccess(Protocol):
    """How a part of a goal is handed to another agent."""

    @property
    def offered(self) -> bool:
        """Whether a model is told of it."""

    async def delegate(self, goal: str, agent: str, call_id: str) -> ToolOutput:
        """What the agent gives back to this call. Raises ToolError, which says why none could be called."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Where a tool runs and within which limits."""

    cwd: Path
    allowed_roots: tuple[Path, ...] = ()
    """Folders outside `cwd` that a permission rule opened to the file tools."""
    timeout_s: float = 120.0
    output_bytes: int = 30_000
    boundary: Boundary = _OPEN
    """What no tool may touch."""
    sandbox: Sandbox | None = None
    """What holds commands; None where a person decided that nothing does."""
    network: Callable[[str], bool] = _no_network
    """Whether a command may use the network; no parameter of a tool decides it."""
    memory: MemoryAccess | None = None
    """None: nothing is remembered."""
    delegation: DelegationAccess | None = None
    """None: no agent can be called from here."""
    env_names: frozenset[str] = frozenset()
    """Variables that a person lets through to commands besides the ordinary ones."""
    call_id: str = ""
    """The call that runs."""

    @property
    def unheld(self) -> bool:
        """Whether commands should be held and nothing here can: then nothing runs unattended."""
        return self.sandbox is not None and not self.sandbox.tier.isolates

    @property
    def tier_name(self) -> str:
        """The tier that holds commands; empty where none does."""
        return self.sandbox.tier.name if self.sandbox is not None and self.sandbox.tier.isolates else ""


ToolRun: TypeAlias = Callable[[Mapping[str, Any], ToolContext], Awaitable[ToolOutput]]


@dataclass(frozen=True, slots=True)
class Tool:
    """A declared tool. `run` raises ToolError for what the model may mend, including invalid arguments."""

    spec: ToolSpec
    run: ToolRun
    paths: Callable[[Mapping[str, Any]], tuple[str, ...]]
    """The paths that a call with these arguments names, as written; empty where they cannot be known (shell)."""
    satisfied: Callable[[Mapping[str, Any], ToolContext], bool] | None = None
    """Whether the world already is as this call would leave it; None for a tool that cannot tell."""


CACHE_NAMES = frozenset(["__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"])
"""Folders that programs make and fill as they please; whether they are there says nothing of a job."""

FOLDED_NAMES = CACHE_NAMES | {".git", ".hg", ".svn", "node_modules", ".venv", "venv", ".llmos"}
"""Folders whose changes are reported as one, by the folder's path with a final slash."""


def is_cache(path: str) -> bool:
    """Whether the path is, or lies in, a cache of some program."""
    return any(part in CACHE_NAMES for part in path.split("/")[:-1])


def is_folded(path: str) -> bool:
    """Whether the path is, or lies in, a folder that changes are reported of as a whole."""
    return any(part in FOLDED_NAMES for part in path.split("/")[:-1])


@dataclass(frozen=True, slots=True)
class FileChanges:
    """Files that one step left created, changed or deleted, relative to the working directory, sorted."""

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    complete: bool = True
    """False when the directory was too large to be compared whole; then nothing may be concluded from absence."""

    def __bool__(self) -> bool:
        return bool(self.created or self.changed or self.deleted)

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted({*self.created, *self.changed, *self.deleted}))
