"""Where the record is kept: which folder is the workspace, what lies where in it, and how a new one is made.

Invariant: looking up a workspace creates nothing, and no folder that another user may write is taken for the person's
own.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import ConfigError, StoreError
from llmos.memory.files import make_private_folder, os_cause, read_bounded, show_path, write_once

CONFIG_NAME = "config.yaml"
CONFIG_KIND = "llmos-config"
_MARK = re.compile(rb"""^format:[ \t]*["']?llmos-config/""", re.MULTILINE)
_MARK_BYTES = 4_096
_IGNORED = ("memories/recall/", "backups/", ".llmos/")


class WorkspaceOrigin(StrEnum):
    """How the workspace was found; the words of `config show`."""

    FLAG = "--workspace"
    ENVIRONMENT = "LLMOS_WORKSPACE"
    PARENT = "parent folder"
    HOME = "home"


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of the record. `root` and `home` are absolute; `home` is the person's own workspace."""

    root: Path
    origin: WorkspaceOrigin
    home: Path

    @property
    def is_home(self) -> bool:
        """Whether this is the person's own workspace; any other is a project, whose settings may only tighten."""
        return os.path.realpath(self.root) == os.path.realpath(self.home)

    @property
    def config_file(self) -> Path:
        return self.root / CONFIG_NAME

    @property
    def traces(self) -> Path:
        return self.root / "traces"

    @property
    def memories(self) -> Path:
        return self.root / "memories"

    @property
    def core_blocks(self) -> Path:
        return self.memories / "core"

    @property
    def recall(self) -> Path:
        return self.memories / "recall"

    @property
    def archival(self) -> Path:
        return self.memories / "archival"

    @property
    def agents(self) -> Path:
        return self.root / "agents"

    @property
    def skills(self) -> Path:
        return self.memories / "skills"

    @property
    def derived(self) -> Path:
        """Rebuildable: safe to delete at any time."""
        return self.root / ".llmos"

    @property
    def workers(self) -> Path:
        """The folders of the workers of a batch."""
        return self.derived / "workers"


def find_workspace(flag: Path | None, env: Mapping[str, str], cwd: Path) -> Workspace:
    """`--workspace`, else LLMOS_WORKSPACE, else the nearest parent of `cwd` with an llmos config.yaml, else home.

    Raises ConfigError for a named folder that is no workspace, and for one that another user controls.
    """
    home = home_folder(env)
    workspace = (
        _named(flag, env, cwd, home) or _nearest_parent(cwd, home) or Workspace(home, WorkspaceOrigin.HOME, home)
    )
    check_home(home)
    return workspace


def home_folder(env: Mapping[str, str]) -> Path:
    """LLMOS_HOME, else ~/.llmos; it need not exist. Raises ConfigError for a path that is not absolute."""
    named = env.get("LLMOS_HOME", "")
    if not named:
        user_home = env.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises without a user entry
        if not Path(user_home).is_absolute():
            raise ConfigError("HOME is not set to an absolute path; set LLMOS_HOME to the folder for your llmos files")
        return Path(user_home) / ".llmos"
    path = Path(expand_user(named, env))
    if not path.is_absolute():
        raise ConfigError(f"LLMOS_HOME must be an absolute path, not {show_path(named)}")
    return path


def check_home(home: Path) -> None:
    """Refuse a home workspace, or a config.yaml in it, that somebody else could have written. Raises ConfigError."""
    for path in (home, home / CONFIG_NAME):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(f"cannot look at {show_path(path)}: {os_cause(error)}") from error
        if found.st_uid != os.geteuid():
            raise ConfigError(
                f"{show_path(path)} belongs to another user (uid {found.st_uid}), so its settings are not trusted; "
                "set LLMOS_HOME to a folder of your own"
            )
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(
                f"{show_path(path)} can be written by other users, so its settings are not trusted; "
                f"run `chmod go-w {show_path(path)}`"
            )


def init_workspace(root: Path) -> list[Path]:
    """Make `root` a workspace; what exists already is left alone. Returns what was created. Raises StoreError."""
    from llmos.memory.config import config_template

    workspace = Workspace(root.absolute(), WorkspaceOrigin.FLAG, root.absolute())
    folders = [workspace.traces, workspace.core_blocks, workspace.recall, workspace.archival, workspace.skills]
    created: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            make_private_folder(folder)
            created.append(folder)
    created += [path for path in (*_write_ignores(workspace),) if path]
    # Last, because it is what makes the folder a workspace: a crash before it leaves nothing half-made in use.
    if _write_new(workspace.config_file, config_template()):
        created.append(workspace.config_file)
    elif not _is_marked(workspace.config_file):
        raise StoreError(
            f"{show_path(workspace.config_file)} exists already and is not an llmos config file; choose another folder"
        )
    return created


def make_derived_folder(workspace: Workspace) -> Path:
    """`.llmos/`, created when missing with a .gitignore of its own. Raises StoreError."""
    if not workspace.derived.is_dir():
        make_private_folder(workspace.derived)
        _write_new(workspace.derived / ".gitignore", "*\n")
    return workspace.derived


def _named(flag: Path | None, env: Mapping[str, str], cwd: Path, home: Path) -> Workspace | None:
    if flag is not None:
        named, origin = str(flag), WorkspaceOrigin.FLAG
    elif env.get("LLMOS_WORKSPACE"):
        named, origin = env["LLMOS_WORKSPACE"], WorkspaceOrigin.ENVIRONMENT
    else:
        return None
    workspace = Workspace(Path(os.path.normpath(cwd / expand_user(named, env))), origin, home)
    if workspace.is_home or _is_marked(workspace.config_file):
        return workspace
    shown = show_path(workspace.root)
    if not workspace.root.exists():
        raise ConfigError(f"there is no workspace at {shown} (from {origin}); create it with `llmos init {shown}`")
    if not workspace.root.is_dir():
        raise ConfigError(f"{shown} (from {origin}) is not a folder; name the folder of the workspace")
    if workspace.config_file.exists():
        raise ConfigError(
            f"{show_path(workspace.config_file)} (from {origin}) does not begin with `format: {CONFIG_KIND}/1`, "
            "so it is not a workspace of llmos"
        )
    raise ConfigError(f"{shown} (from {origin}) is not a workspace yet; make it one with `llmos init {shown}`")


def _nearest_parent(cwd: Path, home: Path) -> Workspace | None:
    for folder in (cwd, *cwd.parents):
        config_file = folder / CONFIG_NAME
        if not _is_marked(config_file):
            continue
        for path in (folder, config_file):
            owner = path.stat().st_uid
            if owner != os.geteuid():
                raise ConfigError(
                    f"the workspace {show_path(folder)} belongs to another user (uid {owner}); if you trust it, name "
                    f"it: `--workspace {show_path(folder)}`"
                )
        return Workspace(folder, WorkspaceOrigin.PARENT, home)
    return None


def _is_marked(config_file: Path) -> bool:
    """Whether it is one of ours: other programs have a config.yaml too."""
    try:
        return _MARK.search(read_bounded(config_file, _MARK_BYTES, or_larger=True)) is not None
    except StoreError:
        return False


def expand_user(path: str, env: Mapping[str, str]) -> str:
    """`~` is the HOME of `env`: a shell does not expand it inside an assignment in a service file."""
    if path == "~" or path.startswith("~/"):
        return (env.get("HOME") or os.path.expanduser("~")) + path[1:]  # noqa: PTH111
    return path


def _write_ignores(workspace: Workspace) -> list[Path]:
    """Keep the transcript and the derived files out of version control, without editing a .gitignore that is there."""
    ignore = workspace.root / ".gitignore"
    if _write_new(ignore, "".join(line + "\n" for line in _IGNORED)):
        return [ignore]
    try:
        present = read_bounded(ignore, 1_000_000).decode("utf-8", "replace").split()
    except StoreError:
        present = []
    if all(line in present for line in _IGNORED):
        return []
    make_private_folder(workspace.derived)
    inner = [workspace.recall / ".gitignore", workspace.derived / ".gitignore"]
    return [path for path in inner if _write_new(path, "*\n")]


def _write_new(path: Path, text: str) -> bool:
    """Create the file; False when anything is there already."""
    return not os.path.lexists(path) and write_once(path, text.encode("utf-8"))
