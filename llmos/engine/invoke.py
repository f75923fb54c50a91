"""The one place where a tool runs: permission on the bound call, a copy of what may be lost, the run, its effects.

Every caller, live or replaying, comes through `Invoker.invoke`. The `ToolStarted` event is emitted before the tool
runs and after every check, so a log without `ToolFinished` means "effect unknown".
"""

from __future__ import annotations

import copy
import itertools
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError, ToolError
from llmos.core.events import Notice, ToolFinished, ToolStarted, Verdict
from llmos.core.messages import ToolCall, ToolResult
from llmos.core.permission import PermissionMode, Rule, SavedRun
from llmos.core.ports import Ask, Emit
from llmos.core.replayable import DELEGATE
from llmos.core.shell_syntax import ParseShell, no_parser
from llmos.core.tool import Effect, FileChanges, Tool, ToolContext, ToolOutput
from llmos.core.trace import RunStep
from llmos.engine.backups import Backup, CopyPool, start_backup
from llmos.engine.changes import Snapshot, compare, snapshot, world_digest
from llmos.engine.claims import Claims, Held
from llmos.engine.contents import heads_of
from llmos.engine.permits import NO_SANDBOX_HERE, Permits
from llmos.engine.reach import reached
from llmos.engine.shell_world import FileWorld
from llmos.memory.saved_permissions import SavedPermissions


@dataclass(frozen=True, slots=True)
class BackupLimits:
    """What is copied before a step that may change files. Each step gets a folder of its own in `folder`."""

    folder: Path
    max_files: int = 2000
    max_bytes: int = 64_000_000


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came of a call. `step` is None when nothing ran."""

    result: ToolResult
    step: RunStep | None
    denied: str = ""
    """Why the call was denied; empty when it was not."""


class Invoker:
    """Runs the tools of one session.

    `grant_all` is `--yes`: what would be asked is allowed. `saved` keeps what a person allows for always; None offers
    it to nobody. `own_folders` are those that llmos itself writes to while
    a tool runs; what changes in them is no effect of the tool.
    """

    def __init__(
        self,
        *,
        tools: Mapping[str, Tool],
        rules: Sequence[Rule],
        context: ToolContext,
        backups: BackupLimits,
        emit: Emit,
        ask: Ask | None,
        grant_all: bool,
        mode: PermissionMode = PermissionMode.ASK,
        saved: SavedPermissions | None = None,
        parse_shell: ParseShell = no_parser,
        own_folders: Sequence[Path] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tools = tools
        self.context = context
        self.permits = Permits(
            rules,
            ask=ask,
            grant_all=grant_all,
            mode=mode,
            saved=saved,
            parse=parse_shell,
            world=FileWorld(context.cwd, context.allowed_roots),
            cwd=context.cwd,
            unheld=context.unheld,
        )
        self._backups = backups
        self._emit = emit
        self._monotonic = monotonic
        self._own = tuple(_prefix(folder, context.cwd) for folder in own_folders if folder.is_relative_to(context.cwd))
        self._pool = CopyPool(backups.folder / ".pool")
        self._last: Snapshot | None = None
        self._looked_at: float | None = None
        self._steps = itertools.count(1)
        self._claims = Claims()
        self._who, self._after = "", frozenset[str]()
        self._told: set[str] = set()
        self.denied_unheld = False
        """Whether a command of this turn was denied because nothing here can hold it back."""

    @property
    def mode(self) -> PermissionMode:
        """How calls are judged that no rule speaks of; may be set at any time, and holds from the next call on."""
        return self.permits.mode

    @mode.setter
    def mode(self, mode: PermissionMode) -> None:
        self.permits.mode = mode

    @property
    def _delegates(self) -> bool:
        return self.context.delegation is not None and self.context.delegation.offered

    def begin_turn(self) -> None:
        """What happened before now is nothing that a step of this turn waited for, and no yes for a run is left."""
        self._looked_at = None
        if not self._who:
            self._claims.begin_turn()
        self.permits.begin_turn()
        self.denied_unheld = False

    def child(
        self,
        who: str,
        emit: Emit,
        *,
        after: frozenset[str] = frozenset(),
        tools: Mapping[str, Tool] | None = None,
        strictest: PermissionMode | None = None,
    ) -> Invoker:
        """An invoker for a sub-goal or sub-agent of the turn, named `who`, that waits for the sub-goals `after`.

        It works in the same place, inside the same sandbox and under the same permissions; `tools` and `strictest` may
        make it stricter, and nothing makes it looser. What a person grants for the session holds for all of them.
        """
        made = copy.copy(self)  # backups, claims and what was told are shared
        made._emit, made._who, made._after = emit, who, after | self._after
        made._last = made._looked_at = None
        made.permits = self.permits.child(who, strictest)
        made.denied_unheld = False
        if tools is not None:
            made.tools = {name: tool for name, tool in tools.items() if name in self.tools}
        return made

    async def invoke(
        self, call: ToolCall, *, saved_run: SavedRun | None = None, touches: Sequence[str] | None = None
    ) -> Invocation:
        """Run one call, or say why not. Never raises for what a model or a tool did wrong.

        `saved_run` is what the call is replayed from; None for a live call. `touches` are the files that it changes,
        where that is on record.
        """
        problem = call.problem or _unwritable(call.args)
        if problem:
            return Invocation(ToolResult(call.id, f"the call was not run: {problem}", True), None)
        tool = self.tools.get(call.name)
        if tool is None:
            known = ", ".join(sorted(name for name in self.tools if name != DELEGATE or self._delegates))
            return Invocation(ToolResult(call.id, f"there is no tool {call.name!r}; there are {known}", True), None)
        subjects = self._subjects(tool, call.args)
        decided = await self.permits.judge(call, tool.spec, subjects, saved_run)
        self._emit(decided)
        if decided.verdict is Verdict.DENY:
            reason = decided.reason
            self.denied_unheld = self.denied_unheld or decided.by == NO_SANDBOX_HERE
            return Invocation(ToolResult(call.id, f"not allowed: {reason}", True), None, reason)
        looks = self.permits.only_looks(tool.spec, subjects)
        if tool.spec.effect is Effect.READ:
            return await self._run(tool, call, Held(frozenset()), replayed=saved_run is not None, looks=looks)
        paths = self._touched(tool, call, touches, looks=looks)
        command = str(call.args.get("command", "")) if paths is None else ""
        if self._who and (refusal := self._claims.refusal(self._who, self._after, paths or (), command)):
            return Invocation(ToolResult(call.id, f"the call was not run: {refusal}", True), None)
        if self._who:
            self._claims.take(self._who, paths or ())
        async with self._claims.hold(paths) as held:
            return await self._run(tool, call, held, replayed=saved_run is not None, looks=looks)

    def _touched(
        self, tool: Tool, call: ToolCall, recorded: Sequence[str] | None, *, looks: bool
    ) -> tuple[str, ...] | None:
        """The files that a call is known to change, and no others; None where that cannot be known."""
        if tool.spec.effect is Effect.WRITE:
            return tuple(_relative(path, self.context.cwd) for path in tool.paths(call.args))
        if recorded is not None:
            return tuple(recorded)
        return () if looks else None

    def _subjects(self, tool: Tool, args: Mapping[str, Any]) -> tuple[str, ...]:
        """What the call is about, for the patterns of rules: its paths, or its command."""
        paths = tool.paths(args)
        if paths:
            return tuple(_relative(path, self.context.cwd) for path in paths)
        command = args.get("command")
        return (command,) if isinstance(command, str) else ()

    async def _run(self, tool: Tool, call: ToolCall, held: Held, *, replayed: bool, looks: bool) -> Invocation:
        spec, cwd = tool.spec, self.context.cwd
        paths = tool.paths(call.args)
        changing = spec.effect is not Effect.READ
        known, since = self._last, self._looked_at
        try:
            before = self._look() if changing else None
            held.before = frozenset(before.entries) if before is not None and self._who else None
            backup = self._start_backup(tool, paths, before) if before is not None else None
        except (StoreError, OSError) as error:
            return Invocation(ToolResult(call.id, f"the call was not run: {error}", True), None)
        reads = _reads(call, paths, cwd, before)
        heads = heads_of(cwd, reads)
        self._emit(
            ToolStarted(call_id=call.id, tool=spec.name, args=dict(call.args), effect=spec.effect, replayed=replayed)
        )
        started = self._monotonic()
        reads = _reads(call, paths, cwd, before)
        waited_s = started - since if known is not None and since is not None and _came(reads, known) else 0.0
        try:
            try:
                output = await tool.run(call.args, self.context)
            except ToolError as error:
                output = ToolOutput(str(error), ok=False)
            seen = await self._claims.settle(held, lambda: self._seen(before))
        except BaseException:  # cancelled, or a fault in the tool: it ended either way, and what it did is known
            with suppress(StoreError):
                self._finish(
                    call,
                    ToolOutput("[stopped before its end]", ok=False),
                    held.own(self._seen(before)),
                    backup,
                    started,
                )
            raise
        changes = self._finish(call, output, seen, backup, started)
        step = RunStep(
            tool=spec.name,
            version=spec.version,
            args=dict(call.args),
            effect=spec.effect,
            reads=reads,
            heads=heads,
            ok=output.ok,
            exit_code=output.exit_code,
            stdout=output.stdout,
            output=output.text,
            changes=changes,
            truncated=output.truncated,
            waited_s=round(waited_s, 3),
            world=world_digest(before) if before is not None else "",
            looks=looks,
            reached=reached(call, reads, self.context),
        )
        return Invocation(ToolResult(call.id, output.text + _effect_note(output, step), not output.ok), step)

    def _look(self) -> Snapshot:
        seen = self._last = snapshot(self.context.cwd, earlier=self._last)
        self._looked_at = self._monotonic()
        if not self._own:
            return seen
        return replace(
            seen,
            entries={path: entry for path, entry in seen.entries.items() if not path.startswith(self._own)},
            listed=frozenset(path for path in seen.listed if not f"{path}/".startswith(self._own)),
        )

    def _start_backup(self, tool: Tool, paths: tuple[str, ...], before: Snapshot) -> Backup:
        limits = self._backups
        backup = start_backup(
            self.context.cwd,
            limits.folder / str(next(self._steps)),
            max_files=limits.max_files,
            max_bytes=limits.max_bytes,
            only=paths if tool.spec.effect is Effect.WRITE else None,
            before=before,
            pool=self._pool,
        )
        if not backup.kept and backup.reason not in self._told:
            self._told.add(backup.reason)
            self._emit(Notice(text=f"no copies of files are kept before commands run here: {backup.reason}"))
        return backup

    def keep_backups_in(self, folder: Path) -> None:
        """From now on copies go to this folder, beside those that it holds."""
        self.close()
        self._backups = replace(self._backups, folder=folder)
        self._pool = CopyPool(folder / ".pool")
        kept = folder.iterdir() if folder.is_dir() else ()
        last = max((int(path.name) for path in kept if path.name.isdecimal()), default=0)
        self._steps = itertools.count(last + 1)

    def close(self) -> None:
        """Drop the copies that no step needed."""
        self._pool.close()

    def _seen(self, before: Snapshot | None) -> FileChanges:
        """What is otherwise now than it was."""
        return compare(before, self._look()) if before is not None else FileChanges()

    def _finish(
        self,
        call: ToolCall,
        output: ToolOutput,
        changes: FileChanges,
        backup: Backup | None,
        started: float,
    ) -> FileChanges:
        """Keep the copies of what was touched, and say how the call ended."""
        elapsed = self._monotonic() - started
        if self._who:
            self._claims.take(self._who, changes.paths)
        kept = None
        if backup is not None:
            try:
                kept = backup.finish(changes)
            except StoreError as error:
                self._emit(Notice(text=str(error)))
        self._emit(
            ToolFinished(
                call_id=call.id,
                tool=call.name,
                ok=output.ok,
                output=output.text,
                stdout=output.stdout,
                exit_code=output.exit_code,
                truncated=output.truncated,
                total_bytes=output.total_bytes,
                changes=changes,
                backup=str(kept) if kept is not None else None,
                elapsed_s=round(elapsed, 3),
            )
        )
        return changes


def _unwritable(args: Mapping[str, Any]) -> str:
    """Why no program and no file can be given these arguments; empty where they can."""
    try:
        "".join(value for value in args.values() if isinstance(value, str)).encode()
    except UnicodeEncodeError:
        return "a text in it holds half a character (a lone surrogate)"
    return ""


def _effect_note(output: ToolOutput, step: RunStep) -> str:
    """What a command did to files, for the model: it cannot see it, and a silent command may have done nothing."""
    if step.effect is not Effect.EXECUTE or not step.changes.complete:
        return ""
    changes = step.changes
    parts = [
        f"{word} {', '.join(paths[:8])}{f' and {len(paths) - 8} more' if len(paths) > 8 else ''}"
        for word, paths in (("created", changes.created), ("changed", changes.changed), ("deleted", changes.deleted))
        if paths
    ]
    if parts:
        return f"\n[files: {'; '.join(parts)}]"
    return "" if output.stdout.strip() else "\n[files: no change]"


def _relative(path: str, cwd: Path) -> str:
    """The path as a rule or a trace names it: relative to the working directory where it is inside, else absolute."""
    normal = os.path.normpath(cwd / path)
    return os.path.relpath(normal, cwd) if Path(normal).is_relative_to(cwd) else normal


def _reads(call: ToolCall, paths: tuple[str, ...], cwd: Path, before: Snapshot | None) -> tuple[str, ...]:
    """What the call names that was there before it: the paths of a file tool, the names in a command."""
    command = call.args.get("command")
    if paths or before is None or not isinstance(command, str):
        return tuple(sorted({_relative(path, cwd) for path in paths if _was_file(cwd, path, before)}))
    return tuple(sorted(_named(command, before)))


def _came(reads: tuple[str, ...], earlier: Snapshot) -> bool:
    """Whether something that a call reads was not there at an earlier look at everything."""
    return earlier.complete and any(path not in earlier.entries for path in reads if not path.startswith(("/", "..")))


_WORD = re.compile(r"[^\s'\"`;|&<>()=,{}]+")
_BEFORE_COMMAND = re.compile(r"(?:^|[|;&(`{!\n]|\b(?:do|then|else|if|while|xargs|sudo|time|exec|env))\s*\Z")


def _named(command: str, before: Snapshot) -> set[str]:
    """Files and folders that stood in the working directory and whose name stands in the command as an argument."""
    found = set()
    for match in _WORD.finditer(command):
        word = match.group()
        path = os.path.normpath(word)
        there = path if path in before.entries else f"{path}/" if f"{path}/" in before.entries else None
        is_command = "/" not in word and _BEFORE_COMMAND.search(command[max(0, match.start() - 20) : match.start()])
        if there and not is_command:
            found.add(there)
    return found


def _was_file(cwd: Path, path: str, before: Snapshot | None) -> bool:
    if before is None or not before.complete:
        return _is_file(cwd, path)
    return _relative(path, cwd) in before.entries


def _is_file(cwd: Path, path: str) -> bool:
    try:
        return (cwd / path).is_file()
    except (OSError, ValueError):
        return False


def _prefix(folder: Path, cwd: Path) -> str:
    return f"{folder.relative_to(cwd).as_posix()}/"
