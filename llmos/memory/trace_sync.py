"""The traces of one worker and the shared record, brought together: taken before a goal, handed over after it.

A trace is one file that is named by its content, so nothing conflicts: of two workers that learned the same run the
first one's file stays. Outcomes are lines that are only ever appended; one that came from elsewhere says so in `from`
(the worker and where it stands in its file, or `@` and where it stands in the shared one), and by that it is known.

Invariant: a line is handed over once, also when the worker was killed in between, and a trace that was pruned from the
shared record does not come back from a worker.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError
from llmos.memory.codec import dump_line
from llmos.memory.files import MissingFileError, append_line, make_private_folder, read_bounded, write_once
from llmos.memory.locks import StoreLock, is_held
from llmos.memory.trace_files import MAX_BYTES
from llmos.memory.trace_outcomes import MAX_BYTES as MAX_OUTCOME_BYTES
from llmos.memory.trace_scan import folder_stamp, trace_names

_OUTCOMES = "outcomes.jsonl"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class _Stand:
    """Up to which byte the lines of the two outcome files were brought together."""

    shared: int = 0
    own: int = 0


class TraceSync:
    """`folder` is the worker's own: its traces are in `traces/`, and its name is nobody else's, ever. `shared` is the
    folder of the shared traces. Raises BusyError where a process has the folder.
    """

    def __init__(self, shared: Path, folder: Path) -> None:
        self._shared = shared
        self._name = folder.name
        self._own = folder / "traces"
        self._state = folder / "sync.jsonl"
        self._stamp = ""
        make_private_folder(self._own)
        self._lock = StoreLock(folder / _LOCK, timeout_s=0.0)
        self._lock.__enter__()
        self._stand, self._known = self._left_off()
        self._noted = set(self._known)

    def close(self) -> None:
        """Let go of the folder."""
        self._lock.__exit__(None, None, None)

    def _left_off(self) -> tuple[_Stand, set[str]]:
        """Where an earlier process of this worker was, and the traces that both sides had."""
        stand, known = _Stand(), set[str]()
        for _, said in _lines(self._state, 0):
            with suppress(ValueError, TypeError, KeyError):
                stand = _Stand(int(said["shared"]), int(said["own"]))
                known.update(map(str, said["traces"]))
        return stand, known

    def pull(self) -> None:
        """Take what others learned and counted. Raises StoreError."""
        stamp = folder_stamp(self._shared)
        if not stamp or stamp != self._stamp:
            self._take_traces()
            self._stamp = stamp
        self._take_lines(handed_over=not self._mine())

    def push(self) -> None:
        """Hand over what this worker learned and counted. Raises StoreError."""
        self._give_traces()
        mine = self._mine()
        if mine:
            make_private_folder(self._shared)
            there = {record.get("from") for _, record in _lines(self._shared / _OUTCOMES, self._stand.shared)}
            for at, record in mine:
                mark = f"{self._name}:{at}"
                if mark not in there:
                    append_line(self._shared / _OUTCOMES, dump_line({**record, "from": mark}), sync=True)
        self._take_lines(handed_over=True)

    # -------------------------------------------------------------------------------------------------- traces

    def _take_traces(self) -> None:
        shared = {name for name, _ in trace_names(self._shared)}
        for name in self._known - shared:  # pruned there
            (self._own / name).unlink(missing_ok=True)
        self._known &= shared
        for name in shared:
            if name not in self._known or not _same(self._shared / name, self._own / name):
                _copy(self._shared / name, self._own / name)
                self._known.add(name)

    def _give_traces(self) -> None:
        for name, _ in list(trace_names(self._own)):
            if name in self._known:
                continue
            make_private_folder(self._shared)
            data = read_bounded(self._own / name, MAX_BYTES)
            if not os.path.lexists(self._shared / name):
                with suppress(StoreError):  # another worker was first with the same run; its file stays
                    write_once(self._shared / name, data)
            self._known.add(name)

    # ------------------------------------------------------------------------------------------------- outcomes

    def _mine(self) -> list[tuple[int, dict[str, Any]]]:
        """The lines that this worker wrote itself and has not handed over, and where each stands."""
        return [(at, one) for at, one in _lines(self._own / _OUTCOMES, self._stand.own) if "from" not in one]

    def _take_lines(self, *, handed_over: bool) -> None:
        """Append what others added to the shared outcomes, and remember how far both are the same."""
        there = {record.get("from") for _, record in _lines(self._own / _OUTCOMES, self._stand.own)}
        end = self._stand.shared
        for at, record in _lines(self._shared / _OUTCOMES, end):
            mark = str(record.get("from", f"@{at}"))
            if not mark.startswith(f"{self._name}:") and mark not in there:
                append_line(self._own / _OUTCOMES, dump_line({**record, "from": mark}), sync=False)
        if handed_over:  # else the mark of a line that was handed over before a kill may stand behind here
            self._stand = _Stand(_whole(self._shared / _OUTCOMES, end), _whole(self._own / _OUTCOMES, self._stand.own))
        fresh = sorted(self._known - self._noted)
        self._noted |= self._known
        said = {"shared": self._stand.shared, "own": self._stand.own, "traces": fresh}
        append_line(self._state, dump_line(said), sync=False)


def _lines(path: Path, offset: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records of the whole lines from an offset on, and where each begins; what is no record is left out."""
    for line in _data(path, offset).splitlines(keepends=True):
        if line.endswith(b"\n"):
            with suppress(ValueError, RecursionError):
                record = json.loads(line)
                if isinstance(record, dict):
                    yield offset, record
        offset += len(line)


def _whole(path: Path, offset: int) -> int:
    """Where the whole lines end."""
    return offset + _data(path, offset).rfind(b"\n") + 1


def _data(path: Path, offset: int) -> bytes:
    try:
        if path.stat().st_size <= offset:
            return b""
        return read_bounded(path, MAX_OUTCOME_BYTES)[offset:]
    except (MissingFileError, FileNotFoundError):
        return b""


def _same(one: Path, other: Path) -> bool:
    try:
        first, second = one.stat(), other.stat()
    except OSError:
        return False
    return (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)


def _copy(source: Path, target: Path) -> None:
    """Have the same file under another name; a copy where the two are on different file systems."""
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        return  # pruned just now
    except OSError:
        try:
            shutil.copy2(source, target)
        except OSError as error:
            raise StoreError(f"cannot copy the trace {source}: {error.strerror or error}") from None


def hand_over(shared: Path, folder: Path) -> None:
    """Hand over what a worker left that is gone, and remove its folder; nothing while a process has it."""
    if not folder.is_dir() or folder.is_symlink() or is_held(folder / _LOCK):
        return
    with suppress(StoreError):
        left = TraceSync(shared, folder)
        try:
            left.push()
        finally:
            left.close()
    shutil.rmtree(folder, ignore_errors=True)


def hand_over_all(shared: Path, workers: Path) -> None:
    """The same for every worker that is gone."""
    if workers.is_dir():
        for folder in sorted(workers.iterdir()):
            hand_over(shared, folder)
