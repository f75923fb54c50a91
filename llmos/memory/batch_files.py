"""The files of a batch: its input is read, its results are appended, and beside them stands what was begun.

`goals.results.jsonl` holds one row for each goal that came to an end; `goals.results.jsonl.journal` says which goals
were begun, each before anything of it runs. A goal that was begun and has no row was cut off, and the transcript of
its session tells how far it had come. Both belong to one process while the batch runs.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from llmos.core.batch import BadLine, BatchGoal, EffectFold, InputReader, Progress
from llmos.core.cut_off import CutOff
from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError, UsageError
from llmos.core.journal import Journal
from llmos.memory.agent_logs import agent_markers
from llmos.memory.codec import CodecError, check_format, dump_line, load_lines
from llmos.memory.files import MissingFileError, OwnLines, read_bounded, show_path
from llmos.memory.locks import BusyError, is_held
from llmos.memory.syncing import Syncs
from llmos.memory.transcript import read_session

FORMAT_KIND = "llmos-batch"
FORMAT_NUMBER = 1
MAX_INPUT_BYTES = 1 << 29
_MAX_RESULT_BYTES = 1 << 32
_JSON_ENDINGS = (".jsonl", ".ndjson", ".json")


def read_input(data: bytes, name: str, folder: Path, *, goal_bytes: int) -> Iterator[BatchGoal | BadLine]:
    """The goals and the bad lines of an input, in order; `name` is its path, or `-`."""
    reader = InputReader(str(folder), only_json=name.endswith(_JSON_ENDINGS), goal_bytes=goal_bytes)
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            found = reader.take(number, line.decode("utf-8"))
        except UnicodeDecodeError as error:
            found = BadLine(number, f"byte {error.start + 1} of it is not UTF-8 text; save the file as UTF-8")
        if found is not None:
            yield found


def results_path(source: Path | None, cwd: Path) -> Path:
    """Where results go by default: beside the input, or in the current folder for standard input."""
    if source is None:
        return cwd / "llmos-batch.results.jsonl"
    return source.with_name(f"{source.stem if source.suffix else source.name}.results.jsonl")


class BatchFiles:
    """The results of a batch and its journal, open in this process. Raises StoreError, UsageError."""

    def __init__(self, results: Path, when: datetime, report: Callable[[str], None]) -> None:
        self.results = results
        self.journal = results.with_name(f"{results.name}.journal")
        anew = not os.path.lexists(results)
        try:
            self._rows = OwnLines(results)
        except BusyError:
            raise UsageError(
                f"another batch writes to {show_path(results)} now; let it finish, or choose another file with --out"
            ) from None
        try:
            self._begun = OwnLines(self.journal)
        except BaseException:
            self._rows.close()
            raise
        self.progress = Progress()
        self.batch = ""
        self._syncs = Syncs(aside=True)
        try:
            self._load(when, report, anew=anew)
        except BaseException:
            self.close()
            raise

    def _load(self, when: datetime, report: Callable[[str], None], *, anew: bool) -> None:
        """What earlier runs left. A results file that somebody took away starts the batch over."""
        records = list(_lines(self.journal, report))
        heads = [number for number, record in enumerate(records) if record.get("event") == "batch_begun"]
        if not heads or anew:
            if records and not heads:
                raise StoreError(f"{show_path(self.journal)} is not the journal of a batch; choose another --out")
            self.batch = secrets.token_hex(8)
            head = {"event": "batch_begun", "format": f"{FORMAT_KIND}/{FORMAT_NUMBER}", "batch": self.batch}
            self._begun.append(dump_line({**head, "at": _time(when)}))
            records = []
        else:
            head = records[heads[-1]]
            check_format(head.get("format"), kind=FORMAT_KIND, supported=FORMAT_NUMBER, name=str(self.journal))
            self.batch = str(head.get("batch"))
            records = records[heads[-1] :]
        for record in records:
            self.progress.begin(record)
        for row in _lines(self.results, report):
            if "status" not in row or "key" not in row:
                raise UsageError(f"{show_path(self.results)} is not a results file of llmos; choose another with --out")
            self.progress.end(row)

    async def begin(
        self, goal: BatchGoal, session: str, when: datetime, *, recorded: bool, after: Sequence[str] = ()
    ) -> None:
        """Durably say that a goal is begun under a session, before anything of it runs; it goes on with those `after`
        which it comes."""
        said = {"event": "goal_begun", "key": goal.key, "id": goal.id, "session": session, "recorded": recorded}
        if after:
            said["after"] = list(after)
        self._begun.append(dump_line({**said, "at": _time(when)}), later=self._syncs.later)
        await self._syncs.settled()

    async def end(self, row: Mapping[str, Any]) -> None:
        """Durably keep a row."""
        self._rows.append(dump_line(row), later=self._syncs.later)
        self.progress.end(row)
        await self._syncs.settled()

    def close(self) -> None:
        self._rows.close()
        self._begun.close()


def _time(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds")


def _lines(path: Path, report: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    try:
        data = read_bounded(path, _MAX_RESULT_BYTES)
    except MissingFileError:
        return
    try:
        yield from load_lines(data, name=str(path), report=report)
    except CodecError as error:
        raise StoreError(f"{error}; mend the line, or choose another file with --out") from None


def ended_session(open_folder: Path, session: str, *, wait_s: float) -> bool:
    """Whether the process of a session has ended; it is given so many seconds for that."""
    until = time.monotonic() + wait_s

    def markers() -> list[Path]:
        return [*open_folder.glob(f"*-{session}.jsonl"), *agent_markers(open_folder, f"*-{session}")]

    while any(map(is_held, markers())):
        if time.monotonic() >= until:
            return False
        time.sleep(0.1)
    return True


@dataclass(frozen=True, slots=True)
class CutOffGoal:
    """What the transcripts of the sessions of one goal say, oldest first."""

    fold: EffectFold
    journal: Journal
    replay: CutOff


def read_cut_off(recall: Path, sessions: Sequence[str]) -> CutOffGoal:
    """How far a goal came that was cut off, once or again while it was gone on with.

    Where there is no transcript, nothing was begun: it is written before anything runs.
    """
    fold, journal, replay = EffectFold(), Journal(), CutOff()
    for session in sessions:
        fold.ended = None
        for path in recall.glob(f"*-{session}.jsonl"):
            with suppress(MissingFileError):
                for record in read_session(path):
                    fold.take(record)
                    replay.take(record)
                    journal = journal.after(record)
    return CutOffGoal(fold, journal.closed(), replay)


def read_source(path: Path) -> bytes:
    """The bytes of an input file. Raises UsageError."""
    try:
        return read_bounded(path, MAX_INPUT_BYTES)
    except MissingFileError:
        raise UsageError(
            f"there is no {show_path(path)}; name a file with one goal a line, or - for standard input"
        ) from None
    except StoreError as error:
        raise UsageError(str(error)) from None
