"""The one place where a tool runs: permission on the bound call, a copy of what may be lost, the run, its effects.

Every caller, live or replaying, comes through `Invoker.invoke`. The `ToolStarted` event is emitted before the tool
runs and after every check, so a log without `ToolFinished` means "effect unknown".
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmos.core.cut_off import STOPPED
from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError, ToolError
from llmos.core.events import Notice, ToolFinished, ToolStarted, Verdict
from llmos.core.messages import ToolCall, ToolResult
from llmos.core.permission import PermissionMode, Rule, SavedRun
from llmos.core.ports import Ask, Emit
from llmos.core.replayable import DELEGATE
from llmos.core.shell_tree import ParseShell, no_parser
from llmos.core.text import is_unicode
from llmos.core.tool import Effect, FileChanges, Tool, ToolContext, ToolOutput
from llmos.core.trace import RunStep
from llmos.engine.backups import Backup
from llmos.engine.changes import Snapshot, world_digest
from llmos.engine.claims import Claims, Held
from llmos.engine.contents import heads_of
from llmos.engine.permits import NO_SANDBOX_HERE, Permits
from llmos.engine.reach import reached
from llmos.engine.seen_directory import SeenDirectory
from llmos.engine.shell_world import FileWorld
from llmos.engine.step_backups import BackupLimits, StepBackups
from llmos.engine.step_reads import relative_path, step_reads
from llmos.memory.saved_permissions import SavedPermissions
from llmos.memory.syncing import Syncs


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came of a call. `step` is None when nothing ran."""

    result: ToolResult
    step: RunStep | None
    denied: str = ""
    """Why the call was denied; empty when it was not."""


@dataclass(frozen=True, slots=True)
class _BoundCall:
    """A call of a tool that is there, with what is known of it before it runs."""

    tool: Tool
    call: ToolCall
    subjects: tuple[str, ...]
    touches: Sequence[str] | None
    """The files that it changes, where that is on record."""
    looks: bool
    """Whether it only looks."""
    replayed: bool


class Invoker:
    """Runs the tools of one session.

    `grant_all` is `--yes`: what would be asked is allowed. `saved` keeps what a person allows for always; None offers
    it to nobody. `own_folders` are those that llmos itself writes to while a tool runs; what changes in them is no
    effect of the tool. `syncs` settle before a tool runs; without them what is written is on the disk at once.
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
        syncs: Syncs | None = None,
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
        self._backups = StepBackups(backups, syncs.later if syncs else None)
        self._syncs = syncs
        self._directory = SeenDirectory(context.cwd, own_folders, monotonic)
        self._emit = emit
        self._monotonic = monotonic
        self._claims = Claims()
        self._who, self._after = "", frozenset[str]()
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
        """What a step of this turn waits for happens from now on, and no yes for a run is left."""
        self._directory.begin_turn()
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
        made = copy.copy(self)  # backups and claims are shared
        made._emit, made._who, made._after = emit, who, after | self._after
        made._directory = self._directory.unseen()
        made.permits = self.permits.child(who, strictest)
        made.denied_unheld = False
        if tools is not None:
            made.tools = {name: tool for name, tool in tools.items() if name in self.tools}
        return made

    @property
    def claims(self) -> Claims:
        """Who may change what in this directory: shared with every sub-goal and agent of the session."""
        return self._claims

    def share_claims(self, claims: Claims) -> None:
        """Work in a directory whose claims are kept elsewhere."""
        self._claims = claims

    def comes_after(self, places: frozenset[str]) -> None:
        """What these sub-goals and agents wrote it may change from now on."""
        self._after |= places

    async def invoke(
        self, call: ToolCall, *, saved_run: SavedRun | None = None, touches: Sequence[str] | None = None
    ) -> Invocation:
        """Run one call, or say why not. Never raises for what a model or a tool did wrong.

        `saved_run` is what the call is replayed from; None for a live call. `touches` are the files that it changes,
        where that is on record.
        """
        problem = call.problem or _unwritable(call.args)
        if problem:
            return _not_run(call, f"the call was not run: {problem}")
        tool = self.tools.get(call.name)
        if tool is None:
            known = ", ".join(sorted(name for name in self.tools if name != DELEGATE or self._delegates))
            return _not_run(call, f"there is no tool {call.name!r}; there are {known}")
        subjects = self._subjects(tool, call.args)
        looks = self.permits.only_looks(tool.spec, subjects)
        bound = _BoundCall(tool, call, subjects, touches, looks=looks, replayed=saved_run is not None)
        try:
            decided = await self.permits.judge(call, tool.spec, subjects, saved_run, lambda: self._in_the_way(bound))
        except ToolError as refused:
            return _not_run(call, f"the call was not run: {refused}")
        self._emit(decided)
        if decided.verdict is Verdict.DENY:
            self.denied_unheld = self.denied_unheld or decided.by == NO_SANDBOX_HERE
            return _not_run(call, f"not allowed: {decided.reason}", denied=decided.reason)
        if tool.spec.effect is Effect.READ:
            return await self._run(bound, Held(frozenset()))
        try:
            return await self._run_held(bound)
        except ToolError as refused:
            return _not_run(call, f"the call was not run: {refused}")

    def _in_the_way(self, bound: _BoundCall) -> str:
        """Why another sub-goal or agent of this turn is in the way; empty where none is."""
        if not self._who or bound.tool.spec.effect is Effect.READ:
            return ""
        held = self._claim(bound)
        return self._claims.refusal(self._who, self._after, held.own_paths, _command(bound.call, held))

    async def _run_held(self, bound: _BoundCall) -> Invocation:
        """Run a call that may change files once nobody is in its way. Raises ToolError where another may not be."""
        alone = False
        while True:
            held = self._claim(bound, alone=alone)
            async with self._claims.hold(held, self._who, self._after, _command(bound.call, held)):
                # What a command would touch may be another thing since it waited: a folder is there, a link.
                if not held.torn or held.alike(self._claim(bound)):
                    return await self._run(bound, held)
            alone = True

    def _claim(self, bound: _BoundCall, *, alone: bool = False) -> Held:
        """What a call is known to change, and no more; anything where that cannot be known, or with `alone`."""
        tool = bound.tool
        if tool.spec.effect is Effect.WRITE:
            return Held(frozenset(relative_path(path, self.context.cwd) for path in tool.paths(bound.call.args)))
        if bound.touches is not None:
            return Held(frozenset(bound.touches))
        said = self.permits.touches(tool.spec, bound.subjects) if self._who and not alone else None
        if said is None:
            return Held(frozenset() if bound.looks else None)
        return Held(said.writes, said.reads, said.needs, said.makes, torn=not bound.looks)

    def _subjects(self, tool: Tool, args: Mapping[str, Any]) -> tuple[str, ...]:
        """What the call is about, for the patterns of rules: its paths, or its command."""
        paths = tool.paths(args)
        if paths:
            return tuple(relative_path(path, self.context.cwd) for path in paths)
        command = args.get("command")
        return (command,) if isinstance(command, str) else ()

    async def _run(self, bound: _BoundCall, held: Held) -> Invocation:
        tool, call, spec, cwd = bound.tool, bound.call, bound.tool.spec, self.context.cwd
        paths = tool.paths(call.args)
        last = self._directory.last_look
        try:
            before, backup = self._prepare(tool, paths, held)
        except (StoreError, OSError) as error:
            return _not_run(call, f"the call was not run: {error}")
        reads = step_reads(call, paths, cwd, before)
        heads = heads_of(cwd, reads)
        world = world_digest(before) if before is not None else ""
        self._emit(
            ToolStarted(
                call_id=call.id,
                tool=spec.name,
                args=dict(call.args),
                effect=spec.effect,
                replayed=bound.replayed,
                world=world if bound.replayed else "",
            )
        )
        started = self._monotonic()
        output, changes = await self._run_tool(tool, call, held, before, backup, started)
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
            waited_s=round(last.waited_s(reads, started), 3),
            world=world,
            looks=bound.looks,
            reached=reached(call, reads, self.context),
        )
        return Invocation(ToolResult(call.id, output.text + _effect_note(output, step), not output.ok), step)

    def _prepare(self, tool: Tool, paths: tuple[str, ...], held: Held) -> tuple[Snapshot | None, Backup | None]:
        """The directory before a step that may change it, and the copies of it. Raises StoreError, OSError."""
        if tool.spec.effect is Effect.READ:
            return None, None
        before = self._directory.look()
        held.before = frozenset(before.entries) if self._who else None
        backup = self._backups.start(self.context.cwd, before, only=paths if tool.spec.effect is Effect.WRITE else None)
        if why := self._backups.news(backup):
            self._emit(Notice(text=f"no copies of files are kept before commands run here: {why}"))
        return before, backup

    async def _run_tool(
        self, tool: Tool, call: ToolCall, held: Held, before: Snapshot | None, backup: Backup | None, started: float
    ) -> tuple[ToolOutput, FileChanges]:
        """What the tool gave, and what it changed. However it leaves, the end of the call is told."""
        try:
            if self._syncs is not None:
                await self._syncs.settled()
            try:
                output = await tool.run(call.args, replace(self.context, call_id=call.id))
            except ToolError as error:
                output = ToolOutput(str(error), ok=False)
            changes = await self._claims.settle(held, lambda: self._directory.changes_since(before))
        except BaseException:  # cancelled, or a fault in the tool: it ended either way, and what it did is known
            with suppress(StoreError):
                seen = held.own(self._directory.changes_since(before))
                self._finish(call, ToolOutput(STOPPED, ok=False), seen, backup, started)
            raise
        self._finish(call, output, changes, backup, started)
        return output, changes

    def world_now(self) -> str:
        """Digest of the working directory, as `ToolStarted` has it of the moment before a step."""
        return world_digest(self._directory.look())

    def keep_backups_in(self, folder: Path) -> None:
        """From now on copies go to this folder, beside those that it holds."""
        self._backups.keep_in(folder)

    def close(self) -> None:
        """Drop the copies that no step needed."""
        self._backups.close()

    def _finish(
        self,
        call: ToolCall,
        output: ToolOutput,
        changes: FileChanges,
        backup: Backup | None,
        started: float,
    ) -> None:
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


def _not_run(call: ToolCall, why: str, *, denied: str = "") -> Invocation:
    return Invocation(ToolResult(call.id, why, True), None, denied)


def _command(call: ToolCall, held: Held) -> str:
    """The command of a call of which it is not known what it changes: the names in it are what it may."""
    return str(call.args.get("command", "")) if held.paths is None else ""


def _unwritable(args: Mapping[str, Any]) -> str:
    """Why no program and no file can be given these arguments; empty where they can."""
    if all(is_unicode(value) for value in args.values() if isinstance(value, str)):
        return ""
    return "a text in it holds half a character (a lone surrogate)"


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
