"""Files of JSON lines: which of their lines are none, and those taken out with the file as it was kept whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError
from llmos.memory.files import open_locked, os_cause, read_bounded, show_path, write_atomic
from llmos.memory.quarantine import Quarantine

MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class LogDamage:
    """Numbers of the lines that are no records, from 1; `torn` where the last one was cut off by a crash."""

    lines: tuple[int, ...]
    torn: bool

    @property
    def words(self) -> str:
        what = [f"line {', '.join(map(str, self.lines[:3]))} is no record"] if len(self.lines) == 1 else []
        if len(self.lines) > 1:
            more = f" and {len(self.lines) - 3} more" if len(self.lines) > 3 else ""
            what.append(f"lines {', '.join(map(str, self.lines[:3]))}{more} are no records")
        return "; ".join([*what, *(["its last line was cut off by a crash"] if self.torn else [])])


def damage_of(path: Path) -> LogDamage | None:
    """What is wrong with the lines of a file; None for nothing. Raises StoreError."""
    return _look(read_bounded(path, MAX_BYTES))[1]


def take_out(path: Path, quarantine: Quarantine) -> str:
    """Take out what is no record; the file as it was stays in quarantine. A sentence. Raises StoreError.

    Under the lock that every append takes, so that no line is lost meanwhile.
    """
    try:
        descriptor = open_locked(path)
        try:
            data = read_bounded(path, MAX_BYTES)
            good, damage = _look(data)
            if damage is None:
                return f"{show_path(path)} is whole by now"
            kept = quarantine.keep_copy(path, data, f"{show_path(path)}: {damage.words}")
            write_atomic(path, good)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"cannot mend {show_path(path)}: {os_cause(error)}") from error
    count = len(damage.lines) + damage.torn
    return f"{count} line{'s' if count > 1 else ''} taken out of {show_path(path)}; as it was it is {show_path(kept)}"


def _look(data: bytes) -> tuple[bytes, LogDamage | None]:
    """The lines that are records, and what the others are."""
    good, bad, torn = [], [], False
    lines = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        if b"\0" in line:  # a power cut leaves zeros in the place of what had not reached the disk
            good += [piece for piece in line.split(b"\0") if _is_record(piece)]
            bad.append(number)
        elif _is_record(line):
            good.append(line)
        elif number == len(lines):
            torn = True
        else:
            bad.append(number)
    whole = b"".join(line + b"\n" for line in good)
    return whole, LogDamage(tuple(bad), torn) if bad or torn else None


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
