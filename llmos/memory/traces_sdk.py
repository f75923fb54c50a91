"""TraceManager: the traces of a workspace, kept, found, counted and pruned.

Invariant: a trace file is written once; what happens to it later is a line in outcomes.jsonl. Only `prune` deletes.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError, UsageError
from llmos.core.events import Mode
from llmos.core.evidence import Evidence, Outcomes
from llmos.core.goal import goal_key
from llmos.core.judgement import Judgement, Values
from llmos.core.nearest import did_you_mean
from llmos.core.policy import Candidate, Plan, Thresholds, decide
from llmos.core.prune import Pruned, PruneRule, to_prune
from llmos.core.trace import Trace, TraceHeader, TraceStatus
from llmos.core.wrong import CheckedWrong, Wrong, check_wrong
from llmos.memory.approvals import Approvals
from llmos.memory.codec import dump_line
from llmos.memory.examples import Examples
from llmos.memory.files import append_line, make_private_folder, write_once
from llmos.memory.quarantine import Quarantine
from llmos.memory.replay_lock import ReplayLock
from llmos.memory.trace_analyzer import Judging, TraceAnalyzer
from llmos.memory.trace_files import encode_trace, read_trace, trace_id
from llmos.memory.trace_finder import POOL, TraceFinder
from llmos.memory.trace_index import TraceIndex
from llmos.memory.trace_outcomes import Alias, read_wrong

JUDGED = 5
"""How many of the traces nearest in words a judging model is asked about."""
MANY = 1_000
"""Files that take about a second to read for the first time."""
MOST_NAMESAKES = 20
"""How many files that are not approved may stand in the way of one trace."""
_REPLAYS = frozenset(["ok", "diverged", "confirmed"])
"""Outcomes of which one may be lost in a crash; what a person said may not."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A trace on disk. `new` is False when the same run was known already."""

    header: TraceHeader
    path: Path
    new: bool


class TraceManager:
    """The traces below `workspace`.

    `home` holds the approvals of this user; `examples` are only ever shown to a model.
    `tool_versions` are the versions of the tools at hand; a trace that used others is not replayed. `frozen` leaves the
    derived index on disk as it is. With `judged_replay` a large model's judgement may lead to a replay, behind the
    gates; without it, and of a small model always, to guidance alone. Damaged files go to the `quarantine`, where there
    is one.
    """

    def __init__(
        self,
        memories_dir: Path,
        workspace: Path,
        enable_llm_matching: bool = True,
        *,
        home: Path | None = None,
        analyzer: TraceAnalyzer | None = None,
        examples: Examples | None = None,
        tool_versions: Mapping[str, str] | None = None,
        thresholds: Thresholds | None = None,
        frozen: bool = False,
        judged_replay: bool = False,
        quarantine: Quarantine | None = None,
    ) -> None:
        self.memories_dir = memories_dir
        self.folder = workspace / "traces"
        self.enable_llm_matching = enable_llm_matching
        self.thresholds = thresholds or Thresholds()
        self._analyzer = analyzer or TraceAnalyzer()
        self._judged_replay = judged_replay
        self._approvals = Approvals(home or workspace)
        self.replay_lock = ReplayLock(home or workspace)
        """Keeps two replays from writing in one place at once."""
        self._examples = examples or Examples((), lambda: None)
        self._index = TraceIndex(self.folder, workspace / ".llmos", frozen=frozen, quarantine=quarantine)
        self._finder = TraceFinder(self.folder, self._index, self._approvals, dict(tool_versions or {}), quarantine)

    def close(self) -> None:
        self._index.close()

    def start_over(self) -> None:
        """Forget the index; the next look at the folder makes it again."""
        self._index.start_over()

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
        return self._finder.superseded()

    def evidence(self, identifier: str) -> Evidence:
        """What the probability of a right replay of this trace for its own goal rests on."""
        return Evidence(self._index.outcomes(identifier), self._index.family(identifier))

    def wrong(self) -> list[Wrong]:
        """Every verdict "wrong" on record, oldest first. Raises StoreError."""
        return read_wrong(self.folder / "outcomes.jsonl")

    def aliases(self, identifier: str) -> list[Alias]:
        """The other goal texts of this trace, oldest first."""
        self._index.refresh_quickly()
        return self._finder.aliases(trace=identifier)

    def load(self, identifier: str, *, also: Sequence[str] = ()) -> Trace:
        """The trace with this id or unambiguous beginning of one. Raises UsageError, StoreError.

        `also` are names that may have been meant too.
        """
        self._index.refresh()
        found = self._index.find(identifier)
        if not found:
            known = (*also, *(header.id for header in self.headers()))
            near = did_you_mean(identifier, known, "`llmos traces list` shows them")
            raise UsageError(f"there is no saved run {identifier!r}; {near}")
        if len(found) > 1:
            names = ", ".join(header.id for header in found[:5])
            raise UsageError(f"{identifier!r} could be {len(found)} saved runs: {names}; give more of the id")
        return self._finder.read(found[0].id)[0]

    def approved(self, identifier: str) -> bool:
        """Whether this user learned or approved the file as it is now."""
        return read_trace(self._finder.path(identifier))[1] in self._approvals

    def warnings(self) -> list[str]:
        """Why nothing that was learned here may be replayed now, and what cannot be read as far as it was looked at."""
        distrust = self._approvals.problem()
        return [*([distrust] if distrust else []), *self._index.problems(), *self._finder.unreadable.values()]

    def vouched(self, identifier: str) -> bool:
        """Whether a person said yes to the file as it is now, and not only a run was learned. Raises StoreError."""
        return self._approvals.by_person(self.content_hash(identifier))

    def content_hash(self, identifier: str) -> str:
        """The SHA-256 of the trace's file. Raises StoreError."""
        return read_trace(self._finder.path(identifier))[1]

    # ----------------------------------------------------------------------------------------------- matching

    async def catch_up(self, many: Callable[[int], None]) -> None:
        """Take up a folder of traces that the index does not know yet, while other tasks go on.

        `many` is told how many there are where that takes a while.
        """
        told = False
        for left in self._index.refresh_in_steps():
            if not told and left >= MANY:
                many(left)
            told = True
            await asyncio.sleep(0)

    def candidates(self, goal: str) -> list[Candidate]:
        """The traces of the identical goal, else of the same goal with other values, without a look at the world."""
        return self._finder.candidates(goal)

    def failed_runs(self, goals: Sequence[str], limit: int) -> list[Trace]:
        """The drafts of runs of these goals that were learned here, newest first."""
        self._index.refresh()
        self._index.refresh_quickly()
        headers = {h.id: h for goal in goals for h in self._index.drafts(goal_key(goal), limit)}
        newest = sorted(headers.values(), key=lambda header: (header.learned.when, header.id), reverse=True)
        found = (self._finder.approved_trace(header.id) for header in newest)
        return list(islice((trace for trace in found if trace is not None), limit))

    def nearest(self, goal: str, limit: int) -> list[tuple[TraceHeader, float]]:
        """The approved replayable traces nearest in words, with a similarity of 0 to 1, best first."""
        self._index.refresh_quickly()
        # What the index says of the content only spares reading files; each one taken is looked at itself.
        near = ((self._finder.approved_trace(header.id), score) for header, score in self._finder.near(goal, POOL))
        found = ((trace.header, score) for trace, score in near if trace is not None)
        return list(islice(found, limit))

    def examples_for(self, goal: str, limit: int) -> list[Trace]:
        """Solved goals to show to a small model: its own verified traces and the examples that ship with llmos."""
        self._index.refresh_quickly()
        own = {header.id: header for header, _ in self._finder.near(goal, POOL)}
        near = self._examples.nearest(goal, list(own.values()))
        shipped = self._examples.traces
        found = (self._finder.approved_trace(h.id) if h.id in own else shipped[h.id] for h in near)
        return list(islice((trace for trace in found if trace is not None), limit))

    async def find_trace_with_llm(self, goal: str, min_confidence: float) -> tuple[Trace, float] | None:
        """The trace that the judge holds nearest, when it reaches `min_confidence` (0 to 1)."""
        near = [header for header, _ in self.nearest(goal, JUDGED)]
        best = await self._analyzer.find_best_matching_trace(goal, near, min_confidence)
        return (read_trace(self._finder.path(best[0].id))[0], best[1]) if best else None

    async def find_trace_smart(self, goal: str) -> tuple[Trace | None, float, Mode]:
        """The trace, the confidence and the mode for a goal, without regard to the state of the world."""
        plan = await self.plan(goal, self.candidates(goal))
        trace = plan.trace
        if trace is None and plan.guidance:
            trace = read_trace(self._finder.path(plan.guidance[0].id))[0]
        return trace, plan.confidence, plan.mode

    async def plan(
        self, goal: str, candidates: Sequence[Candidate], unmet: Callable[[Candidate], tuple[str, ...]] | None = None
    ) -> Plan:
        """Decide from candidates whose preconditions the caller has looked at; `unmet` looks at those of a judged one.

        A judging model is asked once, and only where no template says anything. What is nearest is then said by a large
        one; a small one ranks no better than words do.
        """
        nearness = "in words"
        near = [] if any(candidate.may_guide for candidate in candidates) else self.nearest(goal, JUDGED)
        if near and self.enable_llm_matching:
            verdicts = await self._analyzer.verdicts(goal, [header for header, _ in near])
            if self._analyzer.is_large:
                near, nearness = [(header, judgement.confidence) for header, judgement in verdicts], "as judged"
            judged = self._judged(goal, verdicts)
            candidates = [*candidates, *(replace(one, unmet=unmet(one) if unmet else ()) for one in judged)]
        return decide(goal, candidates, near, self.thresholds, nearness=nearness)

    def _judged(self, goal: str, verdicts: Sequence[tuple[TraceHeader, Judgement]]) -> list[Candidate]:
        """The trace judged best, as a candidate: bound as the judgement pairs its values, or with the closed gate."""
        if not self._analyzer.has_model or not verdicts or verdicts[0][1].confidence < self.thresholds.mixed:
            return []
        info = self._analyzer.model().info
        made = self._finder.judged(goal, *verdicts[0], info.name)
        if made is None or made.evidence.confidence < self.thresholds.mixed:
            return []
        may = self._judged_replay and not info.small
        return [made if may else replace(made, suggests_only=_suggests_only(info.name, small=info.small))]

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
            path = self._finder.path(header.id)
            if path.exists():
                if self._finder.approved_trace(header.id) is not None:
                    if header.status is TraceStatus.VERIFIED:
                        self._append(header.id, "confirmed", when)
                    return Kept(header, path, new=False)
                continue
            data = encode_trace(replace(trace, header=header))
            # Approved first: a crash in between leaves an approval of nothing, never a trace that is refused for good.
            self._approvals.add(hashlib.sha256(data).hexdigest(), header.id, when.isoformat(timespec="seconds"))
            write_once(path, data)
            if header.status is TraceStatus.VERIFIED:
                self._confirm(replace(trace, header=header), when)
            return Kept(header, path, new=True)
        raise StoreError(f"{self.folder} holds {MOST_NAMESAKES} files named {derived} that were not learned here")

    def _confirm(self, run: Trace, when: datetime) -> None:
        """A run that did what a trace of another goal does makes its goal an alias of that trace."""
        self._index.refresh_quickly()
        for identifier, values in self._finder.confirmed_by(run, JUDGED):
            known = {alias.goal for alias in self._finder.aliases(trace=identifier)}
            if run.header.goal not in known and not self._finder.forbidden(run, run.header.goal, run.header.goal):
                self.add_alias(identifier, run.header.goal, when, values)

    def record_outcome(self, identifier: str, outcome: str, when: datetime) -> str:
        """Append what a replay came to; "ok" is a success, everything else a failure. Raises StoreError.

        A sentence for the person where that retires the trace, else an empty text.
        """
        before = self._outcomes_now(identifier)
        self._append(identifier, outcome, when)
        return self._retired_now(identifier, before)

    def _retired_now(self, identifier: str, before: Outcomes) -> str:
        after = self._outcomes_now(identifier)
        if after.retired and not before.retired:
            return f"{identifier} is not replayed any more: {after.retired}; `llmos traces enable` lets it be again"
        return ""

    def mark_wrong(self, identifier: str, goal: str, when: datetime, reason: str = "") -> str:
        """Never replay this trace for `goal` again, nor its like over the same difference. Raises StoreError.

        A sentence for the person where that retires the trace, else an empty text.
        """
        source, calls = self._finder.what_ran(identifier, goal)
        before = self._outcomes_now(identifier)
        self._append(identifier, "wrong", when, goal=goal, of=source, calls=calls, reason=reason)
        return self._retired_now(identifier, before)

    def check_wrong(self) -> list[CheckedWrong]:
        """Decide again on every verdict "wrong", as if all preconditions held; they come from the file itself."""
        return [check_wrong(one, self.candidates(one.goal), self.thresholds) for one in self.wrong()]

    def forbidden(self, trace: Trace, goal: str) -> str:
        """Why a person's verdict keeps a trace, bound by whatever means, from `goal`; empty when none does."""
        return self._finder.forbidden(trace, trace.header.goal, goal)

    def enable(self, identifier: str, when: datetime) -> None:
        """Let a trace be replayed again; its failures so far count no more. Raises StoreError."""
        self._append(identifier, "enabled", when)

    def disable(self, identifier: str, when: datetime, reason: str = "") -> None:
        """Never replay it, and show it to no model, until it is enabled. Raises StoreError."""
        self._append(identifier, "disabled", when, reason=reason)

    def pin(self, identifier: str, when: datetime) -> None:
        """Prefer it to other runs of the same goal, and never prune it. Raises StoreError."""
        self._append(identifier, "pinned", when)

    def unpin(self, identifier: str, when: datetime) -> None:
        self._append(identifier, "unpinned", when)

    def add_alias(self, identifier: str, goal: str, when: datetime, values: Values = ()) -> None:
        """Let `goal` ask for this trace as its own goal does. Raises StoreError.

        `values` pairs the trace's values with those of `goal` where they differ.
        """
        alias = Alias(identifier, goal, tuple(values), when.isoformat(timespec="seconds"))
        mac = self._approvals.sign_alias(alias.signed_fields)
        self._append(identifier, "alias", when, goal=goal, values=[list(pair) for pair in values], mac=mac)

    def _outcomes_now(self, identifier: str) -> Outcomes:
        self._index.refresh_quickly()
        return self._index.outcomes(identifier)

    def _append(self, identifier: str, outcome: str, when: datetime, **more: object) -> None:
        record = {"when": when.isoformat(timespec="seconds"), "trace": identifier, "outcome": outcome, **more}
        make_private_folder(self.folder)
        append_line(self.folder / "outcomes.jsonl", dump_line(record), sync=outcome not in _REPLAYS)

    def to_prune(self, rule: PruneRule, now: datetime) -> list[Pruned]:
        """What `prune` would delete, with a reason each."""
        return to_prune(((header, self.outcomes(header.id)) for header in self.headers()), rule, now)

    def prune(self, pruned: Sequence[Pruned]) -> int:
        """Delete these traces; the number that was there. Raises StoreError."""
        count = 0
        for entry in pruned:
            try:
                self._finder.path(entry.header.id).unlink()
                count += 1
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(f"cannot delete {self._finder.path(entry.header.id)}: {error.strerror}") from None
        return count


def _suggests_only(name: str, *, small: bool) -> str:
    """Why a judgement leads to no replay, with the way out where there is one."""
    if small:
        return f"{name} is a small model, whose judgement may only suggest what guides"
    return f"what {name} judges is not replayed unless `matching.judged_replay` is true"
