"""TraceManager: the traces of a workspace, kept, found, counted and pruned.

Invariant: a trace file is written once; what happens to it later is a line in outcomes.jsonl. Only `prune` deletes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from llmos.core.errors import StoreError, UsageError
from llmos.core.events import Mode
from llmos.core.goal import goal_key
from llmos.core.matching import Outcomes, rank
from llmos.core.policy import Candidate, Plan, Thresholds, decide
from llmos.core.prune import Pruned, PruneRule, to_prune
from llmos.core.rebind import Rebound, rebind
from llmos.core.trace import Trace, TraceHeader, TraceStatus
from llmos.memory.approvals import Approvals
from llmos.memory.codec import dump_line
from llmos.memory.files import append_line, make_private_folder, write_once
from llmos.memory.trace_analyzer import Judging, TraceAnalyzer
from llmos.memory.trace_files import encode_trace, file_name, read_trace, trace_id
from llmos.memory.trace_index import TraceIndex, words_key

JUDGED = 5
"""How many of the traces nearest in words a judging model is asked about."""
MOST_TEMPLATES = 16
"""Traces of one wording that are tried with a goal's values; more runs of one job add nothing."""
MOST_NAMESAKES = 20
"""How many files that are not approved may stand in the way of one trace."""


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
        self._examples = tuple(examples)
        self._tool_versions = dict(tool_versions or {})
        self._index = TraceIndex(self.folder, workspace / ".llmos")

    def close(self) -> None:
        self._index.close()

    @property
    def judging(self) -> Judging:
        """What judging the likeness of goals has cost so far."""
        return self._analyzer.judging

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

    def superseded(self) -> dict[str, str]:
        """The traces that another took the place of, each with that other's id; only approved ones count."""
        self._index.refresh()
        return self._superseded()

    def _superseded(self) -> dict[str, str]:
        return {old: new for old, new, sha256 in self._index.superseding() if sha256 in self._approvals and old != new}

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
        """The traces of the identical goal, else of the same goal with other values, without a look at the world.

        Goal and id are taken from the file: the index may be of somebody else's making.
        """
        self._index.refresh()
        found = []
        superseded = self._superseded()
        for header in self._index.with_key(goal_key(goal)):
            if header.id in superseded:
                continue
            try:
                trace, content_hash = read_trace(self._path(header.id))
            except StoreError:
                continue
            if trace.header.id != header.id or goal_key(trace.header.goal) != goal_key(goal):
                continue
            found.append(self._candidate(trace, content_hash in self._approvals))
        return found or self._with_other_values(goal, superseded)

    def _with_other_values(self, goal: str, superseded: Container[str]) -> list[Candidate]:
        """The approved traces of the same words, bound to this goal's values or with the gate that keeps them from it.

        Those that bound come first; of the others one is enough to say why not.
        """
        bound: list[Candidate] = []
        refused: list[Candidate] = []
        for header in self._index.with_words(words_key(goal), MOST_TEMPLATES):
            trace = None if header.id in superseded else self._approved_trace(header.id)
            if trace is None or trace.header.status is not TraceStatus.VERIFIED:
                continue
            answer = rebind(trace, goal)
            if isinstance(answer, Rebound):
                candidate = self._candidate(answer.trace, True)
                bound.append(replace(candidate, values=answer.values, recorded=trace.steps))
            else:
                refused.append(replace(self._candidate(trace, True), refusal=f"{answer.gate}: {answer.reason}"))
        return bound or refused[:1]

    def _candidate(self, trace: Trace, approved: bool) -> Candidate:
        changed = tuple(
            sorted(name for name, version in trace.header.tools.items() if self._tool_versions.get(name) != version)
        )
        return Candidate(trace, self._index.outcomes(trace.header.id), approved, changed, ())

    def nearest(self, goal: str, limit: int) -> list[tuple[TraceHeader, float]]:
        """The approved replayable traces nearest in words, with a similarity of 0 to 1, best first."""
        return [(trace.header, score) for trace, score in self._nearest(goal, limit)]

    def _nearest(self, goal: str, limit: int, more: Mapping[str, Trace] | None = None) -> list[tuple[Trace, float]]:
        """`nearest` with the traces whole, among them those of `more`, by id."""
        self._index.refresh()
        shipped = more or {}
        # What the index says of the content only spares reading files; each one taken is looked at itself.
        superseded = self._superseded()
        own = {
            header.id: header
            for header, sha256 in self._index.verified()
            if sha256 in self._approvals and header.id not in superseded
        }
        headers = [*own.values(), *(trace.header for name, trace in shipped.items() if name not in own)]
        found: list[tuple[Trace, float]] = []
        for header, score in rank(goal, headers, len(headers)):
            if len(found) == limit:
                break
            trace = shipped[header.id] if header.id not in own else self._approved_trace(header.id)
            if trace is not None:
                found.append((trace, score))
        return found

    def _approved_trace(self, identifier: str) -> Trace | None:
        try:
            trace, content_hash = read_trace(self._path(identifier))
        except StoreError:
            return None
        return trace if trace.header.id == identifier and content_hash in self._approvals else None

    def examples_for(self, goal: str, limit: int) -> list[Trace]:
        """Solved goals to show to a small model: its own verified traces and the examples that ship with llmos."""
        shipped: dict[str, Trace] = {}
        for folder in self._examples:
            for path in sorted(folder.glob("*.yaml")):
                shipped[path.stem] = read_trace(path)[0]
        return [trace for trace, _ in self._nearest(goal, limit, shipped)]

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
        near = [] if any(candidate.may_guide for candidate in candidates) else self.nearest(goal, JUDGED)
        if near and self.enable_llm_matching:
            near = await self._analyzer.batch_analyze_traces(goal, [header for header, _ in near], JUDGED)
        return decide(goal, candidates, near, self.thresholds)

    # ------------------------------------------------------------------------------------------------ writing

    def keep(self, trace: Trace, when: datetime) -> Kept:
        """Write a trace learned here, durably and once, and approve its content. Raises StoreError.

        Its id is derived from its content; the one in `trace` is replaced. A file that has this id and is not approved
        (edited, or brought along) stays as it is, and the trace gets another id.
        """
        derived = trace_id(trace)
        make_private_folder(self.folder)
        for number in range(1, MOST_NAMESAKES + 1):
            header = replace(trace.header, id=derived if number == 1 else f"{derived}-{number}")
            path = self._path(header.id)
            if path.exists():
                if self._approved_trace(header.id) is not None:
                    return Kept(header, path, new=False)
                continue
            data = encode_trace(replace(trace, header=header))
            # Approved first: a crash in between leaves an approval of nothing, never a trace that is refused for good.
            self._approvals.add(hashlib.sha256(data).hexdigest(), header.id, when.isoformat(timespec="seconds"))
            write_once(path, data)
            return Kept(header, path, new=True)
        raise StoreError(f"{self.folder} holds {MOST_NAMESAKES} files named {derived} that were not learned here")

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
