"""Taking back what the steps of a turn did to files: what can be brought back, what cannot, and doing it.

Invariant: what cannot be undone is said before anything is written; nothing that changed again since is overwritten
unless told to; a file that is removed is kept beside the copies, so that an undo loses nothing.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from llmos.core.conversation import TYPED, TYPED_ALONE
from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError
from llmos.core.event_records import unnested
from llmos.core.journal import call_line
from llmos.core.trace import shorten
from llmos.engine.backups import path_state
from llmos.engine.restore import Manifest, check_copies, inside_of, read_manifest, restore
from llmos.memory.files import make_private_folder, os_cause, show_path

_SLACK_S = 0.01
_CALL = 200


@dataclass(frozen=True, slots=True)
class DoneStep:
    """One step that ran, by its records. `backup` is the folder with copies of what it changed; None without one."""

    call: str
    executes: bool
    ended: str
    created: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    complete: bool = True
    backup: Path | None = None


@dataclass(frozen=True, slots=True)
class DoneTurn:
    """A turn that may be undone. `number` is the `seq` of its first record."""

    number: int
    goal: str
    cwd: Path
    steps: tuple[DoneStep, ...]


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What an undo would do. Paths are relative to the working directory of the turn."""

    turn: DoneTurn
    restores: tuple[str, ...]
    removes: tuple[str, ...]
    made: frozenset[str]
    """What was not there before the turn, whether it is there now or not."""
    cannot: tuple[str, ...]
    """A sentence for each thing that stays as it is."""
    changed_since: tuple[str, ...]
    """What changed again after the turn: not touched without force."""

    @property
    def does_something(self) -> bool:
        return bool(self.restores or self.removes)

    @property
    def changed_nothing(self) -> bool:
        """Whether the turn is known to have changed no file of its folder."""
        return not any(step.created or step.touched or not step.complete for step in self.turn.steps)


def last_turn(records: Iterable[Mapping[str, Any]], here: Path) -> DoneTurn | None:
    """The last turn of a transcript that changed files, else that ran commands, and was not undone yet.

    A command that the person typed between two turns is one of its own, run in `here` where no turn was before it.
    """
    turns: dict[int, DoneTurn] = {}
    number, calls = -1, dict[str, tuple[str, bool]]()
    for record in _with_sub_goals(records):
        match record.get("event"):
            case "turn_started":
                number, calls = int(record["seq"]), {}
                here = Path(str(record["cwd"]))
                turns[number] = DoneTurn(number, str(record["goal"]), here, ())
            case "turn_ended":
                number = -1
            case "tool_started":
                line = shorten(" ".join(call_line(str(record["tool"]), record["args"]).split()), _CALL)
                calls[str(record["call_id"])] = line, record["effect"] == "execute"
                if number < 0 or str(record["call_id"]).startswith((TYPED, TYPED_ALONE)):
                    number = int(record["seq"])
                    turns[number] = DoneTurn(number, line, here, ())
            case "tool_finished" if number in turns:
                call, executes = calls.pop(str(record["call_id"]), (str(record["tool"]), False))
                turn, step = turns[number], _step(record, call, executes)
                turns[number] = DoneTurn(number, turn.goal, turn.cwd, (*turn.steps, step))
            case "turn_undone":
                turns.pop(int(record["turn"]), None)
    ran = [turn for turn in turns.values() if any(step.executes for step in turn.steps)]
    changed = [turn for turn in turns.values() if any(step.created or step.touched for step in turn.steps)]
    found = changed or ran
    return found[-1] if found else None


def _with_sub_goals(records: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The records, with what the tools of sub-goals did as done by the turn; their calls stay apart."""
    for record in records:
        if record.get("event") != "nested":
            yield record
        elif record.get("kind") in ("tool_started", "tool_finished"):
            inner = unnested(record)
            yield {**inner, "call_id": f"{record['parent']}:{inner['call_id']}"}


def _step(record: Mapping[str, Any], call: str, executes: bool) -> DoneStep:
    changes = record["changes"]
    backup = record["backup"]
    return DoneStep(
        call=call,
        executes=executes,
        ended=str(record["at"]),
        created=tuple(map(str, changes["created"])),
        touched=tuple(map(str, (*changes["changed"], *changes["deleted"]))),
        complete=changes["complete"] is True,
        backup=Path(str(backup)) if backup else None,
    )


def plan_undo(turn: DoneTurn) -> UndoPlan:
    """Look at what is there. Raises StoreError when a backup cannot be read."""
    manifests = tuple(read_manifest(step.backup) if step.backup is not None else None for step in turn.steps)
    restores: set[str] = set()
    made: set[str] = set()
    cannot: list[str] = []
    for step, manifest in zip(turn.steps, manifests, strict=True):
        # What a path was before the turn is what it was before the first step that touched it.
        kept = _kept(manifest)
        restores |= kept - made
        made |= set(step.created) - restores
        lost = [path for path in step.touched if path not in kept | made]
        cannot += [f"{path} changed, and no copy of it was kept" for path in lost]
        if not step.complete:
            cannot.append(f"the folder was too large to see all that this changed: {step.call}")
    cannot += [f"what this did outside {turn.cwd}: {step.call}" for step in turn.steps if step.executes]
    there = tuple(path for path in sorted(made) if os.path.lexists(turn.cwd / path))
    return UndoPlan(
        turn=turn,
        restores=tuple(sorted(restores)),
        removes=there,
        made=frozenset(made),
        cannot=tuple(dict.fromkeys(cannot)),
        changed_since=tuple(_changed_since(turn, manifests, (*restores, *there))),
    )


def _kept(manifest: Manifest | None) -> set[str]:
    if manifest is None:
        return set()
    return {saved.path for saved in manifest.files} | {path for path, _ in manifest.folders}


def _changed_since(turn: DoneTurn, manifests: Sequence[Manifest | None], paths: Iterable[str]) -> list[str]:
    """What is not as the turn left it: by the state in a copy's record, or by its time where a step made it."""
    left: dict[str, set[str]] = {}
    for step, manifest in zip(turn.steps, manifests, strict=True):
        for saved in manifest.files if manifest is not None else ():
            left[saved.path] = {saved.after, saved.state, "absent"}
        for path in step.created:
            left.pop(path, None)
    last = max((datetime.fromisoformat(step.ended).timestamp() for step in turn.steps), default=0.0)
    return [path for path in sorted(set(paths)) if not _as_left(turn.cwd / path, left.get(path), last)]


def _as_left(path: Path, states: set[str] | None, last: float) -> bool:
    if states is not None:
        return path_state(path) in states
    try:
        found = path.lstat()
    except OSError:
        return True
    return stat.S_ISDIR(found.st_mode) or found.st_mtime <= last + _SLACK_S


def undo(plan: UndoPlan, keep_in: Path, *, force: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Bring back and remove; the paths that were written and those that were removed, which go to `keep_in`.

    Raises StoreError; where something changed again, and where a copy is damaged, with nothing written.
    """
    if plan.changed_since and not force:
        names = ", ".join(show_path(path) for path in plan.changed_since[:3])
        raise StoreError(f"{names} changed again after that turn; nothing was undone (force overwrites that)")
    for step in plan.turn.steps:
        if step.backup is not None:
            check_copies(step.backup)
    removed = tuple(path for path in plan.removes if not path.endswith("/") and _move(plan.turn.cwd, path, keep_in))
    written: set[str] = set()
    for step in reversed(plan.turn.steps):
        if step.backup is not None:
            written |= set(restore(step.backup, force=True))
    # A file that a later step of the turn changed came back with its copy; it was made by the turn all the same.
    for path in sorted(written & plan.made):
        _move(plan.turn.cwd, path, keep_in / "between")
    folders = [path for path in sorted(plan.made, reverse=True) if path.endswith("/")]
    emptied = tuple(path for path in folders if _remove_folder(plan.turn.cwd, path))
    return tuple(sorted(written - plan.made)), tuple(sorted((*removed, *emptied)))


def _move(root: Path, path: str, keep_in: Path) -> bool:
    """Move a file out of the way; whether it was there."""
    target = keep_in / path
    try:
        make_private_folder(target.parent)
        with inside_of(root, path) as (folder, name):
            try:
                os.rename(name, target, src_dir_fd=folder)
            except FileNotFoundError:
                return False
            except OSError:  # another file system
                shutil.copy2(root / path, target, follow_symlinks=False)
                os.unlink(name, dir_fd=folder)
    except OSError as error:
        raise StoreError(f"cannot move {show_path(root / path)} away: {os_cause(error)}") from None
    return True


def _remove_folder(root: Path, path: str) -> bool:
    """Remove a folder that is empty by now; whether it was."""
    try:
        with inside_of(root, path.rstrip("/")) as (folder, name):
            os.rmdir(name, dir_fd=folder)
    except OSError:
        return False
    return True
