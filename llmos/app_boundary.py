"""What the configuration makes of the boundary: where tools may go, what holds commands, and the one gate to both."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from llmos.core.errors import NoSandboxError
from llmos.core.events import Verdict
from llmos.core.permission import PermissionMode, Rule, matches, parse_rule, read_call
from llmos.core.ports import Ask, Emit
from llmos.core.sandbox import Boundary, Sandbox, boundary_of
from llmos.core.shell_syntax import Node, no_parser
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
from llmos.memory.workspace import Workspace


def make_invoker(
    config: Config,
    workspace: Workspace,
    *,
    tools: Mapping[str, Tool],
    cwd: Path,
    environ: Mapping[str, str],
    sandbox: Sandbox | None,
    remembering: Remembering | None,
    saved: SavedPermissions | None,
    backups: Path,
    emit: Emit,
    ask: Ask | None,
    grant_all: bool,
) -> Invoker:
    """The invoker of a session. Raises NoSandboxError where a sandbox is required and there is none."""
    settings = config.settings
    beside = [workspace.root / name for name in ("backups", QUARANTINE)]
    own = (workspace.traces, workspace.memories, workspace.derived, *beside, workspace.home)
    return Invoker(
        tools=tools,
        rules=config.rules,
        context=tool_context(config, workspace, cwd=cwd, sandbox=sandbox, environ=environ, remembering=remembering),
        backups=BackupLimits(
            folder=backups, max_files=settings.backups.max_files, max_bytes=settings.backups.max_mb * 1_000_000
        ),
        emit=emit,
        ask=ask,
        grant_all=grant_all,
        mode=PermissionMode(settings.permissions.mode),
        saved=saved,
        parse_shell=parse_shell,
        own_folders=[folder.resolve() for folder in own],
    )


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
    config: Config,
    workspace: Workspace,
    *,
    cwd: Path,
    sandbox: Sandbox | None,
    environ: Mapping[str, str],
    remembering: Remembering | None = None,
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
        boundary=_boundary(config, workspace, environ),
        sandbox=sandbox,
        network=lambda command: always or _allows(rules, command),
        env_names=frozenset(settings.sandbox.env),
        memory=remembering,
    )


def _boundary(config: Config, workspace: Workspace, environ: Mapping[str, str]) -> Boundary:
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
