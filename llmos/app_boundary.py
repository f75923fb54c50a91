"""What the configuration makes of the boundary: where tools may go, what holds commands, and the one gate to both."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from llmos.core.errors import NoSandboxError
from llmos.core.events import Verdict
from llmos.core.permission import PermissionMode, Rule, matches, parse_rule, read_call
from llmos.core.ports import Ask, Emit
from llmos.core.sandbox import Boundary, Sandbox, boundary_of
from llmos.core.shell_tree import Node, no_parser
from llmos.core.tool import Effect, Tool, ToolContext
from llmos.engine.invoke import Invoker
from llmos.engine.remembering import Remembering
from llmos.engine.step_backups import BackupLimits
from llmos.memory.config import Config
from llmos.memory.money_journal import money_folder
from llmos.memory.quarantine import FOLDER as QUARANTINE
from llmos.memory.replay_lock import replays_folder
from llmos.memory.saved_permissions import SavedPermissions
from llmos.memory.signing import key_path, ready_key, signature
from llmos.memory.syncing import Syncs
from llmos.memory.workspace import Workspace

if TYPE_CHECKING:
    from llmos.memory.private_folder import PrivateFolder


class SessionBoundary:
    """What holds the commands of one session, where copies of files go, and the invokers that were made for it.

    `beside` is another session of this process: its sandbox was found already, and this one's is made like it.
    """

    def __init__(
        self,
        config: Config,
        workspace: Workspace,
        *,
        cwd: Path,
        environ: Mapping[str, str],
        session: str,
        freeze: bool,
        beside: SessionBoundary | None = None,
    ) -> None:
        self._config = config
        self._workspace = workspace
        self._cwd = cwd
        self._environ = environ
        self._session = session
        self._freeze = freeze
        self._beside = beside
        self._invokers: list[Invoker] = []
        self._commands_tmp: PrivateFolder | None = None
        self._copies: PrivateFolder | None = None
        self._spare: list[PrivateFolder] = []
        """Of sessions beside this one that are over and left nothing in theirs: the next one has it."""

    @cached_property
    def sandbox(self) -> Sandbox | None:
        """What holds commands, found by trying on first use; None when the person decided against it."""
        if self._config.settings.sandbox.mode == "off":
            return None
        from llmos.adapters.sandbox import find_sandbox, sandbox_beside

        spare = self._beside._spare if self._beside is not None else []
        self._commands_tmp = spare.pop() if spare else _private_folder("llmos-")
        if self._beside is not None and self._beside.sandbox is not None:
            return sandbox_beside(self._beside.sandbox, self._commands_tmp.path)
        return find_sandbox(self._commands_tmp.path)

    @cached_property
    def _paths(self) -> Boundary:
        """What no tool may touch; the same for all sessions of a workspace in this process."""
        return self._beside._paths if self._beside else boundary_paths(self._config, self._workspace, self._environ)

    @cached_property
    def _own_folders(self) -> tuple[Path, ...]:
        """Those that llmos itself writes to while a tool runs."""
        if self._beside is not None:
            return self._beside._own_folders
        space = self._workspace
        beside = [space.root / name for name in ("backups", QUARANTINE)]
        own = (space.traces, space.memories, space.derived, *beside, space.home)
        return tuple(folder.resolve() for folder in own)

    def make_invoker(
        self,
        *,
        tools: Mapping[str, Tool],
        remembering: Remembering | None,
        saved: SavedPermissions | None,
        emit: Emit,
        ask: Ask | None,
        grant_all: bool,
        syncs: Syncs,
    ) -> Invoker:
        """An invoker of this session. Raises NoSandboxError where a sandbox is required and there is none."""
        config = self._config
        limits = config.settings.backups
        context = tool_context(config, self._paths, cwd=self._cwd, sandbox=self.sandbox, remembering=remembering)
        made = Invoker(
            tools=tools,
            rules=config.rules,
            context=context,
            backups=BackupLimits(self._backups_folder, limits.max_files, limits.max_mb * 1_000_000),
            emit=emit,
            ask=ask,
            grant_all=grant_all,
            mode=PermissionMode(config.settings.permissions.mode),
            saved=saved,
            parse_shell=parse_shell,
            own_folders=self._own_folders,
            syncs=None if self._freeze else syncs,
        )
        self._invokers.append(made)
        return made

    def go_on_as(self, session: str) -> None:
        """From now on copies of files are that session's."""
        self._session = session
        for invoker in self._invokers:
            invoker.keep_backups_in(self._backups_folder)

    @property
    def _backups_folder(self) -> Path:
        """Where copies of changed files go: not to the workspace where that is frozen; made only when there is one."""
        if self._freeze:
            return self._frozen_copies / self._session
        return self._workspace.root / "backups" / self._session

    @cached_property
    def _frozen_copies(self) -> Path:
        self._copies = _private_folder("llmos-backups-")
        return self._copies.path

    def close(self) -> None:
        """Drop what no step needed, and what goes with this process."""
        for invoker in self._invokers:
            invoker.close()
        used, self._commands_tmp = self._commands_tmp, None
        if used is not None and self._beside is not None and used.is_as_made:
            self._beside._spare.append(used)
            used = None
        for folder in (used, self._copies, *self._spare):
            if folder is not None:
                folder.remove()
        self._spare.clear()


def _private_folder(prefix: str) -> PrivateFolder:
    """A folder that goes with this process."""
    from llmos.memory.private_folder import PrivateFolder

    return PrivateFolder(prefix)


def same_rights(config: Config, workspace: Workspace) -> str:
    """A digest of what decides about permission: settings, rules and the key of approvals. Raises StoreError.

    A worker that has another one on its machine would carry out goals with other rights than the person has given.
    """
    said = [line for part in (config.settings, config.rules) for line in repr(part).splitlines()]
    return signature(ready_key(workspace.home), "llmos-worker/1", said)


def parse_shell(source: bytes) -> Node:
    """The ParseShell port; the parser is loaded by the first command that needs it."""
    try:
        from llmos.adapters.bash_parser import parse_bash
    except ImportError:  # a machine without its wheel: everything that needs it is asked about
        return no_parser(source)
    return parse_bash(source)


def tool_context(
    config: Config, boundary: Boundary, *, cwd: Path, sandbox: Sandbox | None, remembering: Remembering | None = None
) -> ToolContext:
    """Where the tools of a session run. Raises NoSandboxError."""
    settings = config.settings
    if settings.sandbox.mode == "required" and (sandbox is None or not sandbox.tier.isolates):
        raise NoSandboxError(
            f"sandbox.mode is required ({config.origins['sandbox.mode']}), and nothing on this machine can hold "
            "commands back; install bubblewrap, or see what `llmos doctor` says"
        )
    always = settings.sandbox.network == "on"
    rules = [parse_rule(text, Verdict.ALLOW, "sandbox.network_for") for text in settings.sandbox.network_for]
    return ToolContext(
        cwd=cwd,
        allowed_roots=tuple(Path(path).expanduser() for path in settings.permissions.paths),
        timeout_s=settings.limits.tool_timeout_s,
        output_bytes=settings.limits.output_bytes,
        boundary=boundary,
        sandbox=sandbox,
        network=lambda command: always or _allows(rules, command),
        env_names=frozenset(settings.sandbox.env),
        memory=remembering,
    )


def boundary_paths(config: Config, workspace: Workspace, environ: Mapping[str, str]) -> Boundary:
    """What no tool may touch, as a person and a workspace have it."""
    kept, home = Path(os.path.realpath(workspace.root)), Path(os.path.realpath(workspace.home))
    user_home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - Path.home() may raise
    return boundary_of(
        user_home=Path(os.path.realpath(user_home)),
        own=[home, key_path(home), key_path(workspace.home), money_folder(home), replays_folder(home)],
        record=[kept / path.name for path in (workspace.config_file, workspace.traces, workspace.memories)],
        derived=[kept / "memories" / "recall", kept / "backups", kept / QUARANTINE, kept / ".llmos"],
        hide=[Path(path) for path in config.settings.sandbox.hide],
    )


def _allows(rules: Sequence[Rule], command: str) -> bool:
    """Whether one of the allow rules takes in the command: as everywhere, each plain command in it."""
    if not rules:
        return False
    call = read_call("shell", Effect.EXECUTE, (command,), parse_shell)
    return any(matches(rule, call) for rule in rules)
