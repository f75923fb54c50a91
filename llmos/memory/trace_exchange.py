"""Traces that come from elsewhere, or from an editor: read, checked, written beside the others, and approved.

Invariant: what enters here is data. It gets its name from its content, never replaces a file, and is replayed only
after `approve`, which approves exactly the bytes that were shown (safety rule 6).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError, UsageError
from llmos.core.tool import ToolSpec
from llmos.core.trace import Trace, TraceStatus
from llmos.memory.approvals import Approvals
from llmos.memory.files import make_private_folder, os_cause, read_bounded, show_path, write_once
from llmos.memory.trace_files import MAX_BYTES, decode_trace, encode_trace, file_name, trace_id

MOST_FILES = 10_000
"""Traces that are imported at once."""
_MOST_NAMESAKES = 100
_MOST_USD = 1_000.0


@dataclass(frozen=True, slots=True)
class Imported:
    """One trace after an import. `new` is False when the very same one was here; `approved` when its bytes were."""

    trace: Trace
    path: Path
    new: bool
    approved: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A trace as it was read once, to be shown and then approved by its content hash."""

    trace: Trace
    sha256: str


class TraceExchange:
    """What comes into the traces in `folder`, and leaves it. `home` holds the approvals of this user."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder = folder
        self._approvals = Approvals(home)

    def read(self, identifier: str) -> Shown:
        """The trace with this id and the hash of its file. Raises StoreError."""
        path = self._folder / file_name(identifier)
        data = read_bounded(path, MAX_BYTES)
        trace = decode_trace(data, name=str(path))
        if trace.header.id != identifier:
            raise StoreError(f"{show_path(path)} says its id is {trace.header.id!r}; a trace file is named by its id")
        return Shown(trace, hashlib.sha256(data).hexdigest())

    def approved(self, identifier: str) -> bool:
        """Whether the file as it is now was learned or approved by this user; it is not parsed."""
        try:
            data = read_bounded(self._folder / file_name(identifier), MAX_BYTES)
        except StoreError:
            return False
        return hashlib.sha256(data).hexdigest() in self._approvals

    def waits(self, shown: Shown) -> bool:
        """Whether a person's yes would let it be replayed: it is not approved, or rests on what others wrote."""
        if shown.sha256 not in self._approvals:
            return True
        return bool(shown.trace.header.provenance) and not self._approvals.by_person(shown.sha256)

    def approve(self, shown: Shown, when: datetime) -> None:
        """Allow exactly these bytes to be replayed. Raises StoreError."""
        self._approvals.add(shown.sha256, shown.trace.header.id, when.isoformat(timespec="seconds"), by_person=True)

    def take(self, trace: Trace) -> Imported:
        """Write a trace under the id that its content gives, unless the same is there. It is not approved by this.

        Raises StoreError.
        """
        derived = trace_id(trace)
        make_private_folder(self._folder)
        for number in range(1, _MOST_NAMESAKES):
            header = replace(trace.header, id=derived if number == 1 else f"{derived}-{number}")
            named = replace(trace, header=header)
            path, data = self._folder / f"{header.id}.yaml", encode_trace(named)
            if path.exists():
                if self._same(path, named):
                    return Imported(named, path, False, self.approved(header.id))
                continue
            write_once(path, data)
            return Imported(named, path, True, self.approved(header.id))
        raise StoreError(f"{show_path(self._folder)} holds {_MOST_NAMESAKES - 1} other files named {derived}")

    def _same(self, path: Path, trace: Trace) -> bool:
        try:
            return decode_trace(read_bounded(path, MAX_BYTES), name=str(path)) == trace
        except StoreError:
            return False

    def path_of(self, identifier: str) -> Path:
        return self._folder / file_name(identifier)


def read_foreign(source: Path) -> Iterator[Trace]:
    """The traces of a YAML file, or of all `*.yaml` of a folder, in order. Raises UsageError, StoreError.

    Everything is read before anything is written, so that one bad file of a folder brings in none of them.
    """
    if not source.exists():
        raise UsageError(f"there is no {show_path(source)}; name a trace file or a folder of them")
    paths = _yaml_files(source) if source.is_dir() else [source]
    if not paths:
        raise UsageError(f"{show_path(source)} holds no file that ends in .yaml")
    if len(paths) > MOST_FILES:
        raise UsageError(f"{show_path(source)} holds {len(paths):,} traces; at most {MOST_FILES:,} are taken at once")
    yield from [_checked(decode_trace(read_bounded(path, MAX_BYTES), name=str(path)), path) for path in paths]


def _checked(trace: Trace, path: Path) -> Trace:
    """What a foreign file would gain by a claim must be believable: money saved, tools that did not change."""
    learned = trace.header.learned
    claim = ""
    if not (0 <= learned.cost_usd <= _MOST_USD and 0 <= learned.elapsed_s < math.inf):
        claim = f"to have cost ${learned.cost_usd:g} and {learned.elapsed_s:g} s"
    unnamed = sorted({step.tool for step in trace.steps} - set(trace.header.tools))
    if trace.header.status is TraceStatus.VERIFIED and unnamed:
        claim = f"to be verified and does not say which version of {show_path(unnamed[0])} it used"
    if claim:
        raise UsageError(f"{show_path(path)} claims {claim}, which is not believed; nothing was imported")
    return trace


def _yaml_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".yaml" and not path.name.startswith("."))
    except OSError as error:
        raise StoreError(f"cannot read {show_path(folder)}: {os_cause(error)}") from None


def edited_trace(old: Trace, data: bytes, tools: Mapping[str, ToolSpec], when: datetime, *, name: str) -> Trace | None:
    """The trace that an edit of `old` makes; None when nothing was changed.

    A person may change the goal, the steps and the answer. Everything else follows from them or stays; above all, an
    edit cannot make a run replayable that was not verified. Raises StoreError for a text that is no trace and
    UsageError for a change that is not theirs to make.
    """
    new = decode_trace(data, name=name)
    before, after = old.header, new.header
    for what, was, is_now in (
        ("id", before.id, after.id),
        ("status", before.status.value, after.status.value),
        ("reason", before.reason, after.reason),
        ("learned", before.learned, after.learned),
        ("tools", dict(before.tools), dict(after.tools)),
        ("supersedes", before.supersedes, after.supersedes),
        ("sandbox", before.sandbox, after.sandbox),
        ("provenance", before.provenance, after.provenance),
    ):
        if was != is_now:
            raise UsageError(f"{what} of a trace cannot be edited; change its goal, steps or answer, and nothing else")
    if not new.steps:
        raise UsageError("a trace without steps does nothing; keep at least one")
    for number, step in enumerate(new.steps, start=1):
        spec = tools.get(step.tool)
        if spec is None:
            known = ", ".join(sorted(tools))
            raise UsageError(f"step {number} uses {step.tool!r}, which is no tool; there are {known}")
        if step.effect is not spec.effect:
            wrong = f"not {step.effect.value}"
            raise UsageError(f"step {number}: the effect of {step.tool} is {spec.effect.value}, {wrong}")
    if (new.header.goal, new.steps, new.answer) == (old.header.goal, old.steps, old.answer):
        return None
    versions = {step.tool: before.tools.get(step.tool, tools[step.tool].version) for step in new.steps}
    learned = replace(before.learned, when=when.isoformat(timespec="seconds"), mode="EDITED")
    made = replace(new, header=replace(after, tools=versions, learned=learned, supersedes=before.id))
    return replace(made, header=replace(made.header, id=trace_id(made)))
