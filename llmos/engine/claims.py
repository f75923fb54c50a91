"""Who may change what while several sub-goals work in one working directory at once.

What a step did to files is seen by comparing the directory before and after it, so two steps may only overlap where it
is known beforehand what each changes: a file tool names it, a replay recorded it, a command says it in plain words
(core/shell_writes). Any other command runs alone; models answer meanwhile. A file that one sub-goal wrote is its own:
another one that does not wait for it is refused before it writes there.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import field, replace

from llmos.core.dataclass import dataclass
from llmos.core.errors import ToolError
from llmos.core.path_sets import covers, meets
from llmos.core.tool import FileChanges
from llmos.engine.step_reads import COMMAND_WORD


@dataclass(eq=False, slots=True)
class Held:
    """A step that may change `paths` and what lies below them, or anything where that is None."""

    paths: frozenset[str] | None
    reads: frozenset[str] = frozenset()
    """What it looks at, and what lies below that."""
    needs: frozenset[str] = frozenset()
    """What must stay there, or not there, itself."""
    makes: frozenset[str] = frozenset()
    """Folders among `paths` that are made where they are missing: they are nobody's own."""
    torn: bool = False
    """Whether others may see what it does half done, and it what others do: a command, not a file tool."""
    others: set[str] = field(default_factory=set)
    """What steps that ran at the same time were to change."""
    beside: tuple[Held, ...] = ()
    """The steps that were running when it began."""
    before: frozenset[str] | None = None
    """What was there before it."""
    ended: bool = False
    """Whether its tool is done, and only what it changed is still looked at."""

    @property
    def own_paths(self) -> frozenset[str]:
        """What belongs to who runs this step, from now on."""
        return (self.paths or frozenset()) - self.makes

    def own(self, changes: FileChanges) -> FileChanges:
        """The changes without those that steps at the same time were to make."""
        passing = self._passing(changes)
        if not self.others and not passing:
            return changes
        mine = self.paths or frozenset()

        def kept(paths: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(
                path for path in paths if covers(mine, path) or not (path in passing or covers(self.others, path))
            )

        return replace(
            changes, created=kept(changes.created), changed=kept(changes.changed), deleted=kept(changes.deleted)
        )

    def _passing(self, changes: FileChanges) -> set[str]:
        """What was there at its beginning, and is no more, only because a step beside it had just made it."""
        return {
            path
            for path in (*changes.changed, *changes.deleted)
            if any(other.before is not None and path not in other.before for other in self.beside)
        }

    def announced(self, changes: FileChanges) -> bool:
        """Whether all changes are ones that this step or one at the same time was to make."""
        return all(covers(self.paths or (), path) for path in self.own(changes).paths)

    def clashes(self, other: Held) -> bool:
        """Whether the two may not overlap: one may change what the other changes, or sees."""
        if self.paths is None or other.paths is None:
            return True
        if meets(self.paths, other.paths):
            return True
        return (self.torn or other.torn) and (self._disturbs(other) or other._disturbs(self))

    def alike(self, other: Held) -> bool:
        """Whether both touch the same."""
        return (self.paths, self.reads, self.needs) == (other.paths, other.reads, other.needs)

    def _disturbs(self, other: Held) -> bool:
        paths = self.paths or frozenset()
        return meets(paths, other.reads) or any(covers(paths, path) for path in other.needs)


class Claims:
    """One working directory, shared by the invokers that work in it."""

    def __init__(self) -> None:
        self._running: list[Held] = []
        self._waiting: list[Held] = []
        self._ended = asyncio.Event()
        self._owners: dict[str, str] = {}

    @asynccontextmanager
    async def hold(
        self, held: Held, who: str = "", after: frozenset[str] = frozenset(), command: str = ""
    ) -> AsyncIterator[Held]:
        """Run beside steps that touch other files, after those that may clash; first come, first served.

        Raises ToolError where the sub-goal or agent `who`, which waits for those `after`, may not change these files,
        or run this command; else they are its own.
        """
        if who:
            if refusal := self.refusal(who, after, held.own_paths, command):
                raise ToolError(refusal)
            self.take(who, held.own_paths)
        self._waiting.append(held)
        try:
            while self._must_wait(held):
                await self._ended.wait()
            self._waiting.remove(held)
        except BaseException:
            self._waiting.remove(held)
            self._wake()
            raise
        for other in self._running:
            other.others |= held.paths or frozenset()
            held.others |= other.paths or frozenset()
        held.beside = tuple(self._running)
        self._running.append(held)
        try:
            yield held
        finally:
            self._running.remove(held)
            held.beside = ()
            self._wake()

    async def settle(self, held: Held, seen: Callable[[], FileChanges]) -> FileChanges:
        """What this step changed, once its tool has ended: it waits for those beside it where a change is nobody's.

        A program at work makes files that are gone when it ends; what is still there then was really changed. What is
        judged is what is given back: the next look may find others of them.
        """
        held.ended = True
        self._wake()
        changes = seen()
        while any(not other.ended for other in self._running) and not held.announced(changes):
            await self._ended.wait()
            changes = seen()
        return held.own(changes)

    def _must_wait(self, held: Held) -> bool:
        before = self._waiting[: self._waiting.index(held)]
        return any(held.clashes(other) for other in (*self._running, *before))

    def _wake(self) -> None:
        self._ended.set()
        self._ended = asyncio.Event()

    def take(self, who: str, paths: Iterable[str]) -> None:
        """These files are written by the sub-goal `who`."""
        for path in paths:
            self._owners[posixpath.normpath(path)] = who

    def refusal(self, who: str, after: frozenset[str], paths: Iterable[str], command: str = "") -> str:
        """Why `who`, which waits for the sub-goals `after`, may not write these paths, or run a command that names one.

        Empty where it may.
        """
        if not self._owners:
            return ""
        words = {posixpath.normpath(word) for word in COMMAND_WORD.findall(command)} if command else set[str]()
        for path in sorted({posixpath.normpath(path) for path in paths} | words):
            owner = self._owners.get(path, who)
            if not any(_within(owner, one) for one in (who, *after)) and not _within(who, owner):
                return (
                    f"sub-goal {owner} of this same turn has written {path}, and sub-goal {who} does not wait for it; "
                    "write to another file"
                )
        return ""

    def begin_turn(self) -> None:
        """Who wrote what in an earlier turn says nothing of this one."""
        self._owners.clear()


def _within(place: str, outer: str) -> bool:
    """Whether a sub-goal or agent is `outer`, or one within it."""
    return place == outer or place.startswith(f"{outer}/")
