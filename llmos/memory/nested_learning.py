"""NestedLearning: how many messages a person has sent, and which memory tier is due.

Both are folds over the transcripts: each `turn_started` is one message, each `memory_ticked` one update of a tier. So
they survive a kill at any point, and two sessions that write at once are each counted once. What a transcript said is
kept by its size, so a message costs a look at the sizes and reading what was added. A cache in the derived folder
spares the next process reading old transcripts again; delete it and everything comes back the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError
from llmos.core.memory_tiers import TickNote, Tier, TierRules, is_due, last_done, may_try, that_count
from llmos.memory.files import make_private_folder, open_regular, read_bounded, write_atomic
from llmos.memory.recall_reader import transcript_sizes

_MESSAGE = b'"event":"turn_started"'
_TICK = b'"event":"memory_ticked"'
_RECALLED = b'"recalled":["'
_MAX_BYTES = 1 << 28
_WORTH_CACHING = 128_000
"""Bytes that were read since the cache was written: below it reading them again costs less than writing it."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """What the whole lines of one transcript say."""

    size: int = 0
    messages: int = 0
    notes: tuple[TickNote, ...] = ()
    asked_for: tuple[tuple[str, int], ...] = ()
    """How often an archival passage was put before a model, by its id."""


class NestedLearning:
    """Counts messages over all sessions and processes of a workspace."""

    def __init__(self, recall: Path, derived: Path, rules: TierRules = TierRules()) -> None:  # noqa: B008 (frozen)
        self._recall = recall
        self._cache = derived / "message_count.json"
        self.rules = rules
        self.count = 0
        self.asked_for: Mapping[str, int] = {}
        """How often each archival passage was put before a model, over all sessions."""
        self._notes: tuple[TickNote, ...] = ()
        self._counted: dict[str, _Counted] | None = None
        self._uncached = 0

    def track_message(self) -> int:
        """Take up what any process recorded since the last call; the count of all messages ever."""
        known = self._load() if self._counted is None else self._counted
        sizes = transcript_sizes(self._recall)
        changed = {name for name, size in sizes.items() if name not in known or known[name].size != size}
        if self._counted is not None and not changed and len(sizes) == len(known):
            return self.count
        fresh = {name: known[name] for name in sizes if name not in changed}
        for name in changed:
            with suppress(OSError):  # removed or made unreadable just now: it does not count
                fresh[name] = self._read(self._recall / name, known.get(name, _Counted()), sizes[name])
        self._counted = fresh
        if self._uncached >= _WORTH_CACHING or not self._cache.exists():
            self._keep(fresh)
        self.count = sum(item.messages for item in fresh.values())
        self._notes = that_count(note for item in fresh.values() for note in item.notes)
        self.asked_for = _sums(pair for item in fresh.values() for pair in item.asked_for)
        return self.count

    def _read(self, path: Path, known: _Counted, size: int) -> _Counted:
        counted = _count(path, known if known.size < size else None)
        self._uncached += counted.size - min(known.size, counted.size)
        return counted

    def _keep(self, counted: dict[str, _Counted]) -> None:
        with suppress(StoreError):  # the cache saves time only
            make_private_folder(self._cache.parent)
            write_atomic(self._cache, json.dumps({name: _to_json(item) for name, item in counted.items()}).encode())
            self._uncached = 0

    def should_update_core(self) -> bool:
        """Whether `core.every` messages have passed since the last core update that was completed."""
        return is_due(self.rules.core, self.count, self._notes)

    def should_update_archival(self) -> bool:
        """Whether `archival.every` messages have passed since the last archival update that was completed."""
        return is_due(self.rules.archival, self.count, self._notes)

    def messages_until(self, tier: Tier) -> int:
        """How many messages are left until the tier's next update; 0 when it is due."""
        every = self.rules.of(tier).every
        return 0 if is_due(self.rules.of(tier), self.count, self._notes) else every - self.count % every

    def may_try(self, tier: Tier) -> bool:
        """Whether the tier is due and enough messages have passed since its last failed attempt."""
        return may_try(self.rules.of(tier), self.count, self._notes)

    def last_done(self, tier: Tier) -> TickNote | None:
        """The tier's latest completed update."""
        return last_done(self._notes, tier)

    def _load(self) -> dict[str, _Counted]:
        try:
            return {name: _from_json(item) for name, item in json.loads(read_bounded(self._cache, _MAX_BYTES)).items()}
        except (StoreError, ValueError, TypeError, AttributeError, RecursionError):
            return {}


def _to_json(item: _Counted) -> list[Any]:
    notes = [[note.tier, note.message, note.done, note.at, note.through] for note in item.notes]
    return [item.size, item.messages, notes, [list(pair) for pair in item.asked_for]]


def _from_json(item: Any) -> _Counted:
    size, messages, notes, asked_for = item
    made = tuple(TickNote(str(t), int(m), d is True, str(at), str(through)) for t, m, d, at, through in notes)
    return _Counted(int(size), int(messages), made, tuple((str(name), int(times)) for name, times in asked_for))


def _sums(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, times in pairs:
        found[name] = found.get(name, 0) + times
    return found


def _count(path: Path, known: _Counted | None) -> _Counted:
    """What the whole lines say, going on from where `known` ends."""
    known = known or _Counted()
    with open_regular(path) as file:
        file.seek(known.size)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.splitlines()
    notes = [*known.notes, *(note for line in lines if _TICK in line and (note := _note(line)) is not None)]
    messages = known.messages + sum(_MESSAGE in line for line in lines)
    asked_for = _sums(
        [*known.asked_for, *((name, 1) for line in lines if _RECALLED in line for name in _recalled(line))]
    )
    return _Counted(known.size + len(whole), messages, that_count(notes), tuple(asked_for.items()))


def _recalled(line: bytes) -> list[str]:
    """The passages that one `memory_ticked` line names."""
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        record = json.loads(line)
        if record["event"] == "memory_ticked":
            return [str(name) for name in record["recalled"]]
    return []


def _note(line: bytes) -> TickNote | None:
    try:
        record = json.loads(line)
        if record["event"] != "memory_ticked" or record["tier"] == Tier.RECALL:
            return None
        return TickNote(
            str(record["tier"]),
            int(record["message"]),
            record["done"] is True,
            str(record["at"]),
            str(record.get("through", "")),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
