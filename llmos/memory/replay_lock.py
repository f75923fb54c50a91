"""At most one replay writes in a folder, or below or above it, at a time: over all processes of a person.

Each writing replay holds a locked marker that names its folder. The kernel lets it go when the process ends, whichever
way; markers that nobody holds are swept away. They lie beside the llmos folder (`~/.llmos.replays`), because --freeze
writes nothing to the store and two replays must not meet all the same.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError
from llmos.memory.files import make_private_folder, os_cause, read_bounded, show_path
from llmos.memory.locks import StoreLock, is_held, take_marker

_MAX_BYTES = 20_000


def replays_folder(home: Path) -> Path:
    return home.parent / f"{home.name}.replays"


@dataclass(frozen=True, slots=True)
class Busy:
    """Why a replay may not begin now."""

    reason: str


@dataclass(slots=True)
class Taken:
    """A folder in which this replay alone may write."""

    path: Path
    _descriptor: int

    def release(self) -> None:
        """Safe to call twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                self.path.unlink()
            os.close(descriptor)


class ReplayLock:
    def __init__(self, home: Path) -> None:
        self._folder = replays_folder(home)

    def take(self, cwd: Path) -> Taken | Busy:
        """The right to write below `cwd`, or who has it. Raises StoreError where nobody could be told apart."""
        make_private_folder(self._folder)
        mine = os.path.realpath(cwd)
        with StoreLock(self._folder / "lock"):
            for marker in sorted(self._folder.glob("*.marker")):
                if not is_held(marker):
                    marker.unlink(missing_ok=True)
                elif (other := _read(marker)) and _meet(other[1], mine):
                    return Busy(f"another replay (process {other[0]}) writes in {show_path(other[1])}")
            return self._mark(mine)

    def _mark(self, folder: str) -> Taken:
        path = self._folder / f"{secrets.token_hex(8)}.marker"
        try:
            descriptor = take_marker(path, new=True)
            assert descriptor is not None, "nobody else knows its name"
            os.pwrite(descriptor, f"{os.getpid()}\n{folder}".encode("utf-8", "surrogateescape"), 0)
        except OSError as error:
            raise StoreError(f"cannot mark a replay in {show_path(self._folder)}: {os_cause(error)}") from error
        return Taken(path, descriptor)


@dataclass(slots=True)
class _Share(Taken):
    """The folder of a turn, in which several of its sub-goals write."""

    _give_back: Callable[[], None]

    def release(self) -> None:
        self._give_back()


class SharedReplayLock:
    """The right to write in a folder for all sub-goals of one turn: taken with the first, let go with the last.

    Among themselves they are kept apart by what each step is to change (engine/claims).
    """

    def __init__(self, lock: ReplayLock) -> None:
        self._lock = lock
        self._held: Taken | None = None
        self._shares = 0

    def take(self, cwd: Path) -> Taken | Busy:
        """As ReplayLock.take; the folder is the same for all."""
        if self._held is None:
            taken = self._lock.take(cwd)
            if isinstance(taken, Busy):
                return taken
            self._held = taken
        self._shares += 1
        return _Share(self._held.path, -1, self._give_back)

    def _give_back(self) -> None:
        self._shares -= 1
        if self._shares == 0 and self._held is not None:
            held, self._held = self._held, None
            held.release()


def _read(marker: Path) -> tuple[str, str] | None:
    """Process and folder of a marker; None for one that went away meanwhile. What cannot be read meets everything."""
    try:
        process, _, folder = read_bounded(marker, _MAX_BYTES).decode("utf-8", "surrogateescape").partition("\n")
    except StoreError:
        return ("unknown", "/") if marker.exists() else None
    return process, folder or "/"


def _meet(one: str, other: str) -> bool:
    """Whether one folder is the other, or lies below it."""
    return Path(one).is_relative_to(other) or Path(other).is_relative_to(one)
