"""How far what a tool runs is held back by the system, beyond the permission gate: values and the port.

The sandbox is the boundary; the gate only decides whether a person is asked. Nothing here can be reached by the
parameters of a tool: a model cannot weaken it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from llmos.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class SandboxTier:
    """`name` is one word; `holds` says in a sentence what it keeps commands from; `isolates` whether it does at all."""

    name: str
    holds: str
    isolates: bool


BUBBLEWRAP = SandboxTier(
    "bubblewrap",
    "commands write the working directory and a private /tmp only, and reach no key, no store of llmos and no network",
    isolates=True,
)
LANDLOCK = SandboxTier(
    "landlock",
    "as with bubblewrap, but commands see other processes and the names of hidden files, and what they do to "
    "git hooks and the like is put back when they end",
    isolates=True,
)
SEATBELT = SandboxTier(
    "seatbelt", "commands write the working directory and a private folder only (macOS; untested)", isolates=True
)
NO_SANDBOX = SandboxTier(
    "none", "nothing here can hold commands back; they run only when a person allows each one", isolates=False
)
SANDBOX_OFF = SandboxTier("off", "commands run with your own rights, as you decided", isolates=False)


_STRENGTH = {"": 0, LANDLOCK.name: 1, SEATBELT.name: 1, BUBBLEWRAP.name: 2}


def weaker(now: str, recorded: str) -> bool:
    """Whether the tier of this name holds less than the other; one that this version does not know is stronger."""
    return _STRENGTH.get(now, 0) < _STRENGTH.get(recorded, 3)


_STRONGEST_FIRST = (BUBBLEWRAP, LANDLOCK, SEATBELT, NO_SANDBOX, SANDBOX_OFF)


def is_weaker(tier: SandboxTier, than: SandboxTier) -> bool:
    """Whether `tier` holds commands back less than another one."""
    return _STRONGEST_FIRST.index(tier) > _STRONGEST_FIRST.index(than)


DERIVED = ".llmos"
"""The folder of a workspace that llmos can make anew from its files."""

PROTECTED = (
    ".git/hooks",
    ".git/config",
    ".git/config.worktree",
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".config/fish/config.fish",
    ".gitconfig",
    ".config/git/config",
    ".envrc",
    DERIVED,
)
"""What another program runs or obeys unasked, relative to a folder that may be written: never changed by a tool."""

CREDENTIALS = (
    ".ssh",
    ".aws",
    ".azure",
    ".gnupg",
    ".kube",
    ".docker",
    ".netrc",
    ".pgpass",
    ".my.cnf",
    ".npmrc",
    ".yarnrc.yml",
    ".pypirc",
    ".git-credentials",
    ".password-store",
    ".vault-token",
    ".terraform.d",
    ".terraformrc",
    ".boto",
    ".s3cfg",
    ".oci",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".m2/settings.xml",
    ".gradle/gradle.properties",
    ".config/gcloud",
    ".config/gh",
    ".config/hub",
    ".config/glab-cli",
    ".config/op",
    ".config/rclone",
    ".config/doctl",
    ".config/git/credentials",
    ".config/containers/auth.json",
    ".config/sops",
    ".config/age",
    ".config/anthropic",
    ".config/google-chrome",
    ".config/chromium",
    ".config/BraveSoftware",
    ".config/microsoft-edge",
    ".mozilla",
    ".thunderbird",
    ".local/share/keyrings",
    ".local/share/kwalletd",
    ".anthropic",
    ".claude",
    ".claude.json",
    ".codex",
    ".gemini",
    ".cache/huggingface/token",
    ".bash_history",
    ".zsh_history",
    ".python_history",
    ".psql_history",
    ".mysql_history",
    ".node_repl_history",
    "Library/Keychains",
    "Library/Application Support/Google/Chrome",
    "Library/Application Support/Firefox",
)
"""Keys, tokens, browser profiles and histories, relative to a home folder: neither read nor written."""

SYSTEM_SECRETS = ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-", "/etc/sudoers.d", "/etc/ssl/private")
"""What root could read and no command needs."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """What no tool may touch, whichever way it works. Paths are absolute; they need not exist."""

    hidden: tuple[Path, ...] = ()
    """Neither read nor written: our own home, keys, browser profiles."""
    derived: tuple[Path, ...] = ()
    """What llmos keeps for itself in a workspace (transcripts, copies, indexes): hidden as well where it can be."""
    read_only: tuple[Path, ...] = ()
    """Read but not written, also inside the working directory: the record of a project's workspace."""

    def hidden_below(self, folder: Path) -> frozenset[str]:
        """What is hidden in `folder`, relative to it."""
        kept = (*self.hidden, *self.derived)
        return frozenset(path.relative_to(folder).as_posix() for path in kept if path.is_relative_to(folder))

    def refusal(self, real: Path, root: Path, *, write: bool) -> str:
        """Why a tool may not use the path `real` below `root`, links resolved; empty when it may."""
        for path in (*self.hidden, *self.derived):
            if real.is_relative_to(path):
                return "holds keys, or is llmos's own, and no tool may look into it"
        if not write:
            return ""
        for path in self.read_only:
            if real.is_relative_to(path):
                return "belongs to the record of llmos, which no tool may change"
        if is_protected(real.relative_to(root)):
            return "is run or obeyed by other programs unasked, so no tool may change it"
        return ""


def boundary_of(
    *, user_home: Path, own: Sequence[Path], record: Sequence[Path], derived: Sequence[Path], hide: Sequence[Path]
) -> Boundary:
    """The boundary of a person with this home folder: `own` is llmos's, `record` and `derived` a workspace's."""
    return Boundary(hidden=(*keys_in(user_home), *own, *hide), read_only=tuple(record), derived=tuple(derived))


@lru_cache(maxsize=64)
def keys_in(home: Path) -> tuple[Path, ...]:
    """Where a home folder may hold keys; what is there is for others to see."""
    return tuple(home / name for name in CREDENTIALS)


def within(path: Path, root: Path) -> bool:
    """As `is_relative_to`, for absolute paths, in a tenth of the time: it is asked hundreds of times for a command."""
    one, top = str(path), str(root)
    return one == top or one.startswith(top if top.endswith("/") else f"{top}/")


def is_protected(path: Path) -> bool:
    """Whether the path, relative to a folder that may be written, is protected. Git's files are so at any depth."""
    parts = tuple(part.casefold() for part in path.parts)
    for at in range(len(parts)):
        if parts[at] == ".git" and (at == len(parts) - 1 or parts[at + 1] in ("hooks", "config", "config.worktree")):
            return True
    if parts and fnmatchcase(parts[0], ".llmos*"):
        return True
    return any(parts[: len(name)] == name for name in _PROTECTED_PARTS)


_PROTECTED_PARTS = tuple(tuple(name.casefold().split("/")) for name in PROTECTED)


@dataclass(frozen=True, slots=True)
class Confinement:
    """One command's share of the boundary: where it runs, what it may write, whether it may use the network."""

    cwd: Path
    writable: tuple[Path, ...]
    boundary: Boundary
    network: bool = False
    env_names: frozenset[str] = frozenset()
    """Variables that a person lets through besides the ordinary ones."""


@dataclass(slots=True)
class Launch:
    """How to start a command inside the boundary. `undone` names what was put back, once it has ended."""

    argv: Sequence[str]
    env: dict[str, str]
    pass_fds: tuple[int, ...] = ()
    wrapped: bool = False
    """Whether the first process is the boundary's own and not the command."""
    undone: list[str] = field(default_factory=list)


class Sandbox(Protocol):
    """The boundary of a machine, as a tool uses it."""

    @property
    def tier(self) -> SandboxTier: ...

    def launch(self, argv: Sequence[str], confinement: Confinement) -> AbstractContextManager[Launch]:
        """What to start for `argv`; held open while it runs. Raises ToolError when it cannot be confined."""
