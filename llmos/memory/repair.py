"""What is wrong with the files of a record, and what `llmos doctor --repair` does about each: looked for, then done.

Invariant: looking changes nothing, and doing deletes nothing that anybody wrote: what is damaged goes to the
quarantine whole; what is removed is derived, half-written, or belongs to a process that died.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from llmos.core.core_block import BLOCKS
from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError, StoreError
from llmos.core.memory_change import ARCHIVAL, CORE
from llmos.core.ports import Clock
from llmos.memory.abandoned import close_abandoned
from llmos.memory.agent_logs import all_transcripts
from llmos.memory.approvals import Approvals
from llmos.memory.codec import CodecError, check_format
from llmos.memory.files import os_cause, read_bounded, show_path, write_atomic
from llmos.memory.health import exposed, leftovers, private_places
from llmos.memory.locks import StoreLock
from llmos.memory.log_files import damage_of, take_out
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.mending import Mending
from llmos.memory.money_journal import money_folder
from llmos.memory.passage_files import MAX_BYTES as MAX_PASSAGE_BYTES
from llmos.memory.passage_files import load_passage
from llmos.memory.private_folder import left_behind
from llmos.memory.quarantine import LOG, Quarantine
from llmos.memory.trace_files import MAX_BYTES as MAX_TRACE_BYTES
from llmos.memory.trace_files import decode_header, decode_trace
from llmos.memory.transcript import FORMAT_KIND, FORMAT_NUMBER, first_record
from llmos.memory.unfinished import Unfinished
from llmos.memory.workspace import Workspace

_INDEXES = {"traces.sqlite": "the index of traces", "memory.sqlite": "the index of messages"}
_MOST_WHOLE = 2_000
"""Traces that nobody approved and that are read to their end."""
_FOLD_OF = {"outcomes.jsonl": "traces.sqlite"}


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that is wrong: its kind in words, where, why, what would be done, and what does it."""

    what: str
    path: Path
    why: str
    does: str
    do: Callable[[], str]
    """A sentence about what was done. Raises LlmosError, OSError."""


class Repairs:
    """Everything that is wrong with one workspace and its person's own files."""

    def __init__(
        self, workspace: Workspace, clock: Clock, temporary: Path, finish_forgetting: Callable[[], object]
    ) -> None:
        """`finish_forgetting` carries out what is left of a `memory forget` that was cut off."""
        self._space = workspace
        self._clock = clock
        self._temporary = temporary
        self._finish_forgetting = finish_forgetting
        self._quarantine = Quarantine(workspace.root)
        self._own = self._quarantine if workspace.is_home else Quarantine(workspace.home)

    def find(self) -> list[Repair]:
        """All of it; a kind that cannot be looked at stops no other."""
        found: list[Repair] = []
        looks = (
            self._traces,
            self._blocks,
            self._passages,
            self._unfinished,
            self._logs,
            self._transcripts,
            self._indexes,
            self._leftovers,
            self._modes,
        )
        for look in looks:
            with suppress(OSError, StoreError):
                found.extend(look())
        return found

    def quarantined(self) -> Iterator[tuple[Path, Path, str]]:
        """Each file in quarantine: where it is, where it was, and why."""
        for quarantine in dict.fromkeys((self._quarantine, self._own)):
            for kept in quarantine.all():
                yield kept.path, kept.was, kept.why

    # ---------------------------------------------------------------------------------------------- damaged files

    def _traces(self) -> Iterator[Repair]:
        approvals, looked_into = Approvals(self._space.home), 0
        for path in _files(self._space.traces, "*.yaml"):
            if not path.is_file():
                yield self._moved("damaged trace", path, "it is not a regular file")
                continue
            try:
                data = read_bounded(path, MAX_TRACE_BYTES)
                if hashlib.sha256(data).hexdigest() in approvals:
                    continue  # it is as it was
                looked_into += 1
                # Of a large foreign collection the headers alone are looked at.
                (decode_trace if looked_into <= _MOST_WHOLE else decode_header)(data, name=str(path))
            except CodecError as error:
                yield self._moved("damaged trace", path, _without_name(error, path))
            except StoreError:
                continue  # of a newer llmos, or not readable to us: named elsewhere, and not ours to move

    def _moved(self, what: str, path: Path, why: str) -> Repair:
        def do() -> str:
            said: list[str] = []
            quarantine = Quarantine(self._space.root, tell=said.append)
            if not quarantine.take(path, f"{show_path(path)}: {why}", settled_s=0):
                raise StoreError(f"{show_path(path)} could not be moved; look who owns its folder")
            return said[0]

        return Repair(what, path, why, "moves it to the quarantine", do)

    def _blocks(self) -> Iterator[Repair]:
        memory = self._memory()
        for label in BLOCKS:
            try:
                memory.block(label)
            except StoreError as error:
                if _can_move(error, self._space.core_blocks / f"{label}.md"):
                    yield self._mended(
                        "damaged core block", self._space.core_blocks / f"{label}.md", CORE + label, error
                    )

    def _passages(self) -> Iterator[Repair]:
        memory = self._memory()
        for path in _files(self._space.archival, "*.md"):
            try:
                load_passage(read_bounded(path, MAX_PASSAGE_BYTES), identifier=path.stem, name=str(path))
            except StoreError as error:
                if _can_move(error, path):
                    yield self._mended("damaged passage", path, ARCHIVAL + path.stem, error)
        yield from self._cut_off_writes(memory)

    def _mended(self, what: str, path: Path, target: str, error: StoreError) -> Repair:
        def do() -> str:
            said: list[str] = []
            memory = self._memory()
            mending = Mending(memory.log, self._memory_lock, Quarantine(self._space.root, tell=said.append))
            with self._memory_lock():
                if not mending.move(path, target, str(error), settled_s=0):
                    raise StoreError(f"{show_path(path)} could not be moved; look who owns its folder")
            return "; ".join(said)

        does = "moves it to the quarantine and puts back what llmos wrote last"
        return Repair(what, path, _without_name(error, path), does, do)

    def _cut_off_writes(self, memory: MemoryEngine) -> Iterator[Repair]:
        """Passages whose last change is in the log and not in their file: the process died between the two."""
        last = {change.target: change for change in memory.log.all() if change.target.startswith(ARCHIVAL)}
        for target, change in last.items():
            path = self._space.archival / f"{target.removeprefix(ARCHIVAL)}.md"
            text = change.edits[0].after if change.edits else None
            if text is not None and _digest(path) == change.digest_before != change.digest:
                yield Repair(
                    "unfinished change",
                    path,
                    f"change {change.id} is in the log and was not made",
                    "makes it",
                    partial(self._finish, path, text, change.digest_before),
                )

    def _finish(self, path: Path, text: str, before: str) -> str:
        with self._memory_lock():
            if _digest(path) != before:
                return f"{show_path(path)} was changed meanwhile and stays as it is"
            write_atomic(path, text.encode())
        return f"{show_path(path)} was written as the log of changes says"

    def _memory(self) -> MemoryEngine:
        return MemoryEngine(self._space.core_blocks, self._space.archival)

    def _memory_lock(self) -> StoreLock:
        return StoreLock(self._space.memories / ".lock")

    def _unfinished(self) -> Iterator[Repair]:
        path = Unfinished(self._space.memories).path
        if path.exists():
            why = "`llmos memory forget` was cut off, and a part of what it was about is still there"
            yield Repair("unfinished change", path, why, "takes out the rest", self._forget_the_rest)

    def _forget_the_rest(self) -> str:
        self._finish_forgetting()
        return "what was to be forgotten is taken out everywhere"

    # ------------------------------------------------------------------------------------------------ damaged lines

    def _logs(self) -> Iterator[Repair]:
        space = self._space
        own = [space.home / "approvals.jsonl", space.home / "permissions.jsonl"]
        traces = [space.traces / "outcomes.jsonl", space.traces / "labels.jsonl"]
        memory = [space.memories / "changes.jsonl", space.memories / "tombstones.jsonl"]
        logs = [*traces, *memory, self._quarantine.folder / LOG]
        for path in logs:
            yield from self._lines(path, self._quarantine)
        for path in (*own, *_files(money_folder(space.home), "*.jsonl")):
            yield from self._lines(path, self._own)

    def _lines(self, path: Path, quarantine: Quarantine) -> Iterator[Repair]:
        with suppress(StoreError):
            if path.is_file() and (damage := damage_of(path)) is not None:
                does = "takes them out, and keeps the file as it was in the quarantine"
                yield Repair("damaged lines", path, damage.words, does, partial(self._take_out, path, quarantine))

    def _take_out(self, path: Path, quarantine: Quarantine) -> str:
        said = take_out(path, quarantine)
        if path.is_relative_to(self._space.recall):
            self._forget_derived("memory.sqlite", "message_count.json")
        elif path.name in _FOLD_OF:
            self._forget_derived(_FOLD_OF[path.name])
        return said

    def _transcripts(self) -> Iterator[Repair]:
        for path in all_transcripts(self._space.recall):
            if path.name.startswith("."):
                continue
            if not path.is_file():
                yield self._moved("damaged transcript", path, "it is not a regular file")
                continue
            try:
                head = first_record(path)
                if head is not None:
                    check_format(head.get("format"), kind=FORMAT_KIND, supported=FORMAT_NUMBER, name=str(path))
            except CodecError as error:
                yield self._moved("damaged transcript", path, _without_name(error, path))
                continue
            except StoreError:
                continue
            yield from self._lines(path, self._quarantine)

    # --------------------------------------------------------------------------------------- derived, and left behind

    def _indexes(self) -> Iterator[Repair]:
        for name, noun in _INDEXES.items():
            path = self._space.derived / name
            if path.is_file() and (why := _broken(path)):
                does = f"removes {noun}; it is made again from the files when it is used"
                yield Repair("broken index", path, why, does, partial(self._forget_index, name, noun))

    def _forget_index(self, name: str, noun: str) -> str:
        self._forget_derived(name)
        return f"{noun} was removed and is made again when it is used"

    def _forget_derived(self, *names: str) -> None:
        for name in names:
            for suffix in ("", "-wal", "-shm", "-journal"):
                (self._space.derived / f"{name}{suffix}").unlink(missing_ok=True)

    def _leftovers(self) -> Iterator[Repair]:
        left = leftovers(self._space, self._clock.now().timestamp())
        for path in left.temporaries:
            yield Repair("half-written file", path, "its writer died", "deletes it", partial(_delete, path))
        if left.markers:
            count = left.sessions
            why = f"{count} session{'s were' if count > 1 else ' was'} cut off and not closed"
            yield Repair("stale lock", left.markers[0].parent, why, "closes their transcripts", self._close_abandoned)
        if folders := left_behind(self._temporary, self._clock.now().timestamp()):
            why = f"{len(folders)} of dead sessions" if len(folders) > 1 else "its session is dead"
            yield Repair("temporary folders", folders[0], why, "deletes them", partial(_delete_all, folders))

    def _close_abandoned(self) -> str:
        sentences = close_abandoned(self._space.recall, self._space.derived / "open", self._clock)
        return "; ".join(sentences) or "the markers of sessions that died were removed"

    def _modes(self) -> Iterator[Repair]:
        for path in exposed(self._space)[0]:
            whole = any(path.is_relative_to(place) for place in private_places(self._space))
            bits = stat.S_IRWXG | stat.S_IRWXO if whole else stat.S_IWGRP | stat.S_IWOTH
            why = "other users can read or change it" if whole else "other users can change it"
            yield Repair("open to others", path, why, "takes that away", partial(_close, path, bits))


def _close(path: Path, bits: int) -> str:
    mode = stat.S_IMODE(path.lstat().st_mode) & ~bits
    path.chmod(mode)
    return f"{show_path(path)} has the mode {mode:04o} now"


def _delete(path: Path) -> str:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return f"{show_path(path)} was deleted"


def _delete_all(paths: Sequence[Path]) -> str:
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
    more = f" and {len(paths) - 1} others were" if len(paths) > 1 else " was"
    return f"{show_path(paths[0])}{more} deleted"


def _can_move(error: StoreError, path: Path) -> bool:
    """Whether the file is damaged; one of a newer llmos, or that may not be read, is not ours to move."""
    return isinstance(error, CodecError) or (not path.is_file() and (path.exists() or path.is_symlink()))


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _without_name(error: LlmosError, path: Path) -> str:
    """The sentence without the path that is told beside it."""
    return str(error).replace(f"{show_path(path)}: ", "", 1).replace(f"{show_path(path)} ", "", 1)


def _digest(path: Path) -> str:
    """As in the log of changes; empty for a file that is not there."""
    if not path.exists():
        return ""
    with suppress(StoreError):
        return hashlib.sha256(read_bounded(path, MAX_PASSAGE_BYTES)).hexdigest()[:16]
    return "unreadable"


def _broken(path: Path) -> str:
    """Why an index is of no use; empty when it is, and where another process is busy with it."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            (said,) = connection.execute("pragma quick_check(1)").fetchone()
            return "" if said == "ok" else f"it is damaged ({said})"
    except sqlite3.OperationalError:
        return ""
    except sqlite3.Error as error:
        return f"it is damaged ({error})"
    except OSError as error:
        return os_cause(error)
