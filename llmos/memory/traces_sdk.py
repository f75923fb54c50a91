"""TraceManager: the traces of a workspace, kept, found, counted and pruned.

Invariant: a trace file is written once; what happens to it later is a line in outcomes.jsonl. Only `prune` deletes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from llmos.core.errors import StoreError, UsageError
from llmos.core.events import Mode
from llmos.core.goal import goal_key
from llmos.core.matching import Outcomes, rank
from llmos.core.policy import Candidate, Plan, Thresholds, decide
from llmos.core.prune import Pruned, PruneRule, to_prune
from llmos.core.trace import Trace, TraceHeader, TraceStatus
from llmos.memory.approvals import Approvals
from llmos.memory.codec import dump_line
from llmos.memory.files import append_line, make_private_folder, write_once
from llmos.memory.trace_analyzer import TraceAnalyzer
from llmos.memory.trace_files import encode_trace, file_name, read_trace, trace_id
from llmos.memory.trace_index import TraceIndex

JUDGED = 5
"""How many of the traces nearest in words a judging model is asked about."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A trace on disk. `new` is False when the same run was known already."""

    header: TraceHeader
    path: Path
    new: bool


class TraceManager:
    """The traces below `workspace`.

    `home` holds the approvals of this user; `examples` are folders whose traces are only ever shown to a model.
    `tool_versions` are the versions of the tools at hand; a trace that used others is not replayed.
    """

    def __init__(
        self,
        memories_dir: Path,
        workspace: Path,
        enable_llm_matching: bool = True,
        *,
        home: Path | None = None,
        analyzer: TraceAnalyzer | None = None,
        examples: Sequence[Path] = (),
        tool_versions: Mapping[str, str] | None = None,
        thresholds: Thresholds | None = None,
    ) -> None:
        self.memories_dir = memories_dir
        self.folder = workspace / "traces"
        self.enable_llm_matching = enable_llm_matching
        self.thresholds = thresholds or Thresholds()
        self._analyzer = analyzer or TraceAnalyzer()
        self._approvals = Approvals(home or workspace)
        self._examples = tuple(folder for folder in examples if folder.resolve() != self.folder.resolve())
        self._tool_versions = dict(tool_versions or {})
        self._index = TraceIndex(self.folder, workspace / ".llmos")

    def close(self) -> None:
        self._index.close()

    # ------------------------------------------------------------------------------------------------ reading

    def headers(self) -> list[TraceHeader]:
        """All readable traces of the workspace, by id."""
        self._index.refresh()
        return self._index.headers()

    def problems(self) -> list[str]:
        """A sentence for each trace file that cannot be read; the others are served all the same."""
        self._index.refresh()
        return self._index.problems()

    def outcomes(self, identifier: str) -> Outcomes:
        return self._index.outcomes(identifier)

    def load(self, identifier: str) -> Trace:
        """The trace with this id or unambiguous beginning of one. Raises UsageError, StoreError."""
        self._index.refresh()
        found = self._index.find(identifier)
        if not found:
            raise UsageError(f"there is no trace {identifier!r}; `llmos traces list` shows them")
        if len(found) > 1:
            names = ", ".join(header.id for header in found[:5])
            raise UsageError(f"{identifier!r} could be {len(found)} traces: {names}; give more of the id")
        return read_trace(self._path(found[0].id))[0]

    def approved(self, identifier: str) -> bool:
        """Whether this user learned or approved the file as it is now."""
        return read_trace(self._path(identifier))[1] in self._approvals

    # ----------------------------------------------------------------------------------------------- matching

    def candidates(self, goal: str) -> list[Candidate]:
        """The traces of the identical goal, with all that is known without looking at the world."""
        self._index.refresh()
        found = []
        for header in self._index.with_key(goal_key(goal)):
            try:
                trace, content_hash = read_trace(self._path(header.id))
            except StoreError:
                continue
            changed = tuple(
                sorted(name for name, version in trace.header.tools.items() if self._tool_versions.get(name) != version)
            )
            approved = content_hash in self._approvals
            found.append(Candidate(trace, self._index.outcomes(header.id), approved, changed, ()))
        return found

    def nearest(self, goal: str, limit: int) -> list[tuple[TraceHeader, float]]:
        """The replayable traces nearest in words, with a similarity of 0 to 1, best first."""
        usable = [header for header in self.headers() if header.status is TraceStatus.VERIFIED]
        return rank(goal, usable, limit)

    def examples_for(self, goal: str, limit: int) -> list[Trace]:
        """Solved goals to show to a small model: its own verified traces and the examples that ship with llmos."""
        own = {header.id: self._path(header.id) for header in self.headers() if header.status is TraceStatus.VERIFIED}
        shipped: dict[str, Trace] = {}
        for folder in self._examples:
            for path in sorted(folder.glob("*.yaml")):
                shipped[path.stem] = read_trace(path)[0]
        own_headers = [header for header in self._index.headers() if header.id in own]
        ranked = rank(goal, [*own_headers, *(trace.header for trace in shipped.values())], limit)
        return [shipped[header.id] if header.id in shipped else read_trace(own[header.id])[0] for header, _ in ranked]

    async def find_trace_with_llm(self, goal: str, min_confidence: float) -> tuple[Trace, float] | None:
        """The trace that the judge holds nearest, when it reaches `min_confidence` (0 to 1); it guides only."""
        near = [header for header, _ in self.nearest(goal, JUDGED)]
        best = await self._analyzer.find_best_matching_trace(goal, near, min_confidence)
        return (read_trace(self._path(best[0].id))[0], best[1]) if best else None

    async def find_trace_smart(self, goal: str) -> tuple[Trace | None, float, Mode]:
        """The trace, the confidence and the mode for a goal, without regard to the state of the world."""
        plan = await self.plan(goal, self.candidates(goal))
        trace = plan.trace
        if trace is None and plan.guidance:
            trace = read_trace(self._path(plan.guidance[0].id))[0]
        return trace, plan.confidence, plan.mode

    async def plan(self, goal: str, candidates: Sequence[Candidate]) -> Plan:
        """Decide from candidates whose preconditions the caller has looked at."""
        near = self.nearest(goal, JUDGED) if not candidates else []
        if near and self.enable_llm_matching:
            near = await self._analyzer.batch_analyze_traces(goal, [header for header, _ in near], JUDGED)
        return decide(goal, candidates, near, self.thresholds)

    # ------------------------------------------------------------------------------------------------ writing

    def keep(self, trace: Trace, when: datetime) -> Kept:
        """Write a trace learned here, durably and once, and approve its content. Raises StoreError.

        Its id is derived from its content; the one in `trace` is replaced.
        """
        identifier = trace_id(trace.header.goal, trace.header.status, trace.steps)
        header = replace(trace.header, id=identifier)
        path = self._path(identifier)
        if path.exists():
            return Kept(header, path, new=False)
        data = encode_trace(replace(trace, header=header))
        make_private_folder(self.folder)
        write_once(path, data)
        self._approvals.add(read_trace(path)[1], identifier, when.isoformat(timespec="seconds"))
        return Kept(header, path, new=True)

    def record_outcome(self, identifier: str, outcome: str, when: datetime) -> None:
        """Append what a replay came to; "ok" is a success, everything else a failure."""
        record = {"when": when.isoformat(timespec="seconds"), "trace": identifier, "outcome": outcome}
        make_private_folder(self.folder)
        append_line(self.folder / "outcomes.jsonl", dump_line(record), sync=False)

    def to_prune(self, rule: PruneRule, now: datetime) -> list[Pruned]:
        """What `prune` would delete, with a reason each."""
        return to_prune(((header, self.outcomes(header.id)) for header in self.headers()), rule, now)

    def prune(self, pruned: Sequence[Pruned]) -> int:
        """Delete these traces; the number that was there. Raises StoreError."""
        count = 0
        for entry in pruned:
            try:
                self._path(entry.header.id).unlink()
                count += 1
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(f"cannot delete {self._path(entry.header.id)}: {error.strerror}") from None
        return count

    def _path(self, identifier: str) -> Path:
        return self.folder / file_name(identifier)
