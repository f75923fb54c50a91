"""The working directory as it was last looked at: what a step did to it, and how long it waited for a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.tool import FileChanges
from llmos.engine.changes import Snapshot, compare, snapshot


@dataclass(frozen=True, slots=True)
class LastLook:
    """What was seen before a step began, and when; None where no step of this turn has looked yet."""

    seen: Snapshot | None
    at: float | None

    def waited_s(self, reads: Iterable[str], now: float) -> float:
        """Seconds since that look where something that the step reads was not there yet; 0 where all of it was."""
        if self.seen is None or self.at is None or not self.seen.complete:
            return 0.0
        came = any(path not in self.seen.entries for path in reads if not path.startswith(("/", "..")))
        return now - self.at if came else 0.0


class SeenDirectory:
    """Looks at `cwd` without the folders `own`: llmos itself writes there, and that is no effect of a tool."""

    def __init__(self, cwd: Path, own: Sequence[Path], monotonic: Callable[[], float]) -> None:
        self._cwd = cwd
        self._own = own
        self._left_out = tuple(f"{one.relative_to(cwd).as_posix()}/" for one in own if one.is_relative_to(cwd))
        self._monotonic = monotonic
        self._seen: Snapshot | None = None
        self._looked_at: float | None = None

    @property
    def last_look(self) -> LastLook:
        return LastLook(self._seen, self._looked_at)

    def begin_turn(self) -> None:
        """What happened before now is nothing that a step of this turn waited for."""
        self._looked_at = None

    def unseen(self) -> SeenDirectory:
        """The same directory for an invoker that has not looked at it yet."""
        return SeenDirectory(self._cwd, self._own, self._monotonic)

    def look(self) -> Snapshot:
        seen = self._seen = snapshot(self._cwd, earlier=self._seen)
        self._looked_at = self._monotonic()
        if not self._left_out:
            return seen
        return replace(
            seen,
            entries={path: entry for path, entry in seen.entries.items() if not path.startswith(self._left_out)},
            listed=frozenset(path for path in seen.listed if not f"{path}/".startswith(self._left_out)),
        )

    def changes_since(self, before: Snapshot | None) -> FileChanges:
        """What is otherwise now than it was at a look; nothing where there was none."""
        return compare(before, self.look()) if before is not None else FileChanges()
