"""What calls of models cost, in one journal of this person: every process reserves in it before it calls.

The caps of a session and of a day hold over all sessions at once, because looking and reserving are done under one
lock. A journal is a month long: `~/.llmos.money/<month>.jsonl`. It lies beside the llmos folder, not in it: what was
spent was spent, also in a run that is to write nothing to the store (--freeze).
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from pathlib import Path

from llmos.core.ports import Clock
from llmos.core.spending import Caps, SharedCap, Spending, is_amount
from llmos.memory.codec import dump_line, whole_records
from llmos.memory.files import MissingFileError, append_line, make_private_folder, read_bounded
from llmos.memory.locks import StoreLock

_MAX_BYTES = 1 << 28


def money_folder(home: Path) -> Path:
    """The journals of the person whose llmos folder is `home`: its sibling."""
    return home.parent / f"{home.name}.money"


class MoneyJournal:
    """The journal as one session writes it."""

    def __init__(
        self,
        home: Path,
        *,
        clock: Clock,
        session: str,
        workspace: Path,
        caps: Caps,
        shared: tuple[SharedCap, ...] = (),
    ) -> None:
        self._folder = money_folder(home)
        self._clock = clock
        self.session = session
        self._workspace = str(workspace)
        self._caps = caps
        self._shared = shared
        self._read: dict[Path, tuple[int, Spending]] = {}

    def check(self, amount: float | None, *, model: str) -> None:
        """Whether a call would fit now. Raises BudgetError, StoreError."""
        self._require(self._clock.now(), amount, model)

    def reserve(self, amount: float | None, *, model: str) -> str:
        """Set aside what a call may cost; the id to settle it with. Raises BudgetError, StoreError."""
        now = self._clock.now()
        make_private_folder(self._folder)
        with StoreLock(self._folder / ".lock"):
            usd = self._require(now, amount, model)
            identifier = secrets.token_hex(8)
            record = {
                "id": identifier,
                "at": now.isoformat(timespec="seconds"),
                "session": self.session,
                "workspace": self._workspace,
                "model": model,
                "reserved_usd": usd,
            }
            if self._shared:
                record["under"] = [one.id for one in self._shared]
            append_line(self._path(now), dump_line(record), sync=True)
        return f"{now:%Y-%m}/{identifier}"

    def settle(self, reservation: str, cost_usd: float, *, estimated: bool = False) -> None:
        """What the call did cost. Where that cannot be written, or is no amount, the call counts as reserved."""
        month, _, identifier = reservation.partition("/")
        if not is_amount(cost_usd):
            return
        record = {"id": identifier, "cost_usd": cost_usd, "estimated": estimated}
        append_line(self._folder / f"{month}.jsonl", dump_line(record), sync=True)

    def spending(self, month: datetime) -> Spending:
        """The fold over the journal of a month, as it is now. Raises StoreError."""
        path = self._path(month)
        done, spending = self._read.get(path, (0, Spending()))
        try:
            data = read_bounded(path, _MAX_BYTES)
        except MissingFileError:
            return Spending()
        if len(data) < done:  # replaced: nothing of what was known can be relied on
            done, spending = 0, Spending()
        whole = data.rfind(b"\n") + 1
        for record in whole_records(data[done:whole]):  # a damaged line is none; its call counts whole
            spending.take(record)
        self._read[path] = (whole, spending)
        return spending

    def _require(self, now: datetime, amount: float | None, model: str) -> float:
        last_month = self.spending(now.replace(day=1) - timedelta(days=1))
        return self.spending(now).require(
            amount,
            model=model,
            session=self.session,
            day=now.date().isoformat(),
            caps=self._caps,
            shared=self._shared,
            earlier=last_month,
        )

    def _path(self, now: datetime) -> Path:
        return self._folder / f"{now:%Y-%m}.jsonl"
