"""What every write of memory goes through: who writes, whether it may, one lock, and the log of changes first."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import UsageError
from llmos.core.memory_change import ItemEdit, MemoryChange
from llmos.core.memory_tiers import TierRules
from llmos.core.passage import Passage
from llmos.memory.files import make_private_folder
from llmos.memory.locks import StoreLock
from llmos.memory.memory_log import ChangeLog
from llmos.memory.mending import Mending
from llmos.memory.quarantine import Quarantine
from llmos.memory.tombstones import Tombstones


@dataclass(frozen=True, slots=True)
class Writer:
    """Who changes memory, when and why; `group` joins the changes of one update."""

    when: datetime
    why: str
    by: str = "consolidation"
    group: str = ""

    @property
    def day(self) -> str:
        return self.when.date().isoformat()


class MemoryFiles:
    """The files of one workspace's memory. `on` is the setting `memory`; frozen, nothing is written."""

    def __init__(
        self,
        core_folder: Path,
        archival_folder: Path,
        *,
        rules: TierRules = TierRules(),  # noqa: B008 (frozen)
        session: str = "",
        on: bool = True,
        frozen: bool = False,
        quarantine: Quarantine | None = None,
    ) -> None:
        self._core = core_folder
        self._archival = archival_folder
        self.session = session
        self._frozen = frozen
        self._parsed: dict[str, tuple[tuple[int, int], Passage]] = {}
        self.rules = rules
        self.on = on
        self.log = ChangeLog(core_folder.parent / "changes.jsonl")
        self.tombstones = Tombstones(core_folder.parent / "tombstones.jsonl")
        self.recalled: list[str] = []
        """Ids of passages that were put before a model since the last message was counted."""
        self.problems: list[str] = []
        """A sentence for each passage that could not be read."""
        self._mending = Mending(self.log, self._locked, None if frozen else quarantine)

    def _locked(self) -> StoreLock:
        folder = self._core.parent
        make_private_folder(folder)
        return StoreLock(folder / ".lock")

    def _require_writable(self, writer: Writer) -> None:
        if self._frozen:
            raise UsageError("--freeze forbids to write to memory")
        if not self.on and writer.by != "person":
            raise UsageError("memory is off (`memory: off` in config.yaml)")

    def _record(
        self,
        writer: Writer,
        target: str,
        edits: tuple[ItemEdit, ...],
        digest_before: str,
        digest: str,
        undoes: str = "",
    ) -> MemoryChange:
        change = MemoryChange(
            id=secrets.token_hex(4),
            when=writer.when.isoformat(timespec="seconds"),
            by=writer.by,
            why=writer.why,
            target=target,
            edits=edits,
            digest_before=digest_before,
            digest=digest,
            group=writer.group,
            session=self.session,
            undoes=undoes,
        )
        self.log.append(change)
        return change


def digest_of(data: bytes | str | None) -> str:
    if data is None:
        return ""
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()[:16]
