"""Which traces a goal may be replayed from: found by keys in the index, then read, bound and judged as they are.

Invariant: what decides about a replay is read from the trace's own file; the index only says which files to read.
What binds values is imported where they are bound: a replay of the identical goal needs none of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from llmos.core.errors import StoreError
from llmos.core.goal import goal_key
from llmos.core.judgement import Judgement, Values
from llmos.core.matching import ranking_terms, similarity
from llmos.core.policy import Candidate
from llmos.core.trace import GRAPH_TOOLS, Trace, TraceHeader, TraceStatus
from llmos.core.wording import analyse
from llmos.core.wrong import Wrong, calls_digest, forbids
from llmos.memory.approvals import Approvals
from llmos.memory.codec import CodecError
from llmos.memory.quarantine import Quarantine
from llmos.memory.trace_files import file_name, read_trace
from llmos.memory.trace_index import TraceIndex
from llmos.memory.trace_keys import words_key
from llmos.memory.trace_outcomes import Alias

MOST_TEMPLATES = 16
"""Traces of one goal or wording that are tried, the better-verified ones; more runs of one job add nothing."""
MOST_BOUND = 2
"""Bound traces after which the others of a wording are not tried any more: enough to see whether they agree."""
POOL = 64
"""Traces that share a goal's rarest words, among which the nearest are looked for."""
LOOK_AGAIN_S = 10.0
"""A miss looks at every file again, in case one was edited in place; at most this often."""
MOST_REFUSED = 6
"""The same for traces of a wording that were refused while none was bound."""
_CACHED = 1024
_FIRST_LOOK = 256


class TraceFinder:
    """Reads one folder of traces for goals; keeps what it read as long as the files stay the same."""

    def __init__(
        self,
        folder: Path,
        index: TraceIndex,
        approvals: Approvals,
        tool_versions: Mapping[str, str],
        quarantine: Quarantine | None = None,
    ) -> None:
        self._folder = folder
        self._index = index
        self._approvals = approvals
        self._tool_versions = {**tool_versions, **GRAPH_TOOLS}
        self._quarantine = quarantine
        self._read: dict[str, tuple[tuple[int, ...], tuple[Trace, str]]] = {}
        self._looked = -LOOK_AGAIN_S
        self.unreadable: dict[str, str] = {}
        """A sentence for each file that could not be read and is where it was."""

    def path(self, identifier: str) -> Path:
        return self._folder / file_name(identifier)

    def read(self, identifier: str) -> tuple[Trace, str]:
        """A trace and the SHA-256 of its file; from memory while the file is untouched.

        Raises StoreError; a damaged file is then moved away.
        """
        path = self.path(identifier)
        try:
            found = path.stat()
        except OSError:
            return read_trace(path)
        # The time of the last change of the inode cannot be set back, as the others can.
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        known = self._read.get(identifier)
        settled = time.time_ns() - found.st_ctime_ns > 1_000_000_000
        if known is not None and known[0] == stamp and settled:
            return known[1]
        try:
            answer = read_trace(path)
        except StoreError as error:
            damaged = self._quarantine is not None and isinstance(error, CodecError)
            if not (damaged and self._quarantine is not None and self._quarantine.take(path, str(error))):
                self.unreadable[identifier] = str(error)
            raise
        if len(self._read) >= _CACHED:
            self._read.pop(next(iter(self._read)))
        self._read[identifier] = (stamp, answer)
        return answer

    def approved_trace(self, identifier: str) -> Trace | None:
        """The trace, when this user learned or approved the file as it is now."""
        found = self._approved(identifier)
        return None if found is None else found[0]

    def _approved(self, identifier: str) -> tuple[Trace, str] | None:
        """The same, and the SHA-256 of the bytes that it was read from."""
        try:
            trace, content = self.read(identifier)
        except StoreError:
            return None
        return (trace, content) if trace.header.id == identifier and content in self._approvals else None

    def superseded(self) -> dict[str, str]:
        """The traces that an approved other took the place of, each with that other's id."""
        return {old: new for old, new, sha256 in self._index.superseding() if sha256 in self._approvals and old != new}

    def aliases(self, *, key: str = "", words: str = "", trace: str = "") -> list[Alias]:
        """The aliases with this key of a goal or of its words, or of this trace, that this person's runs confirmed.

        Neither the lines nor the index say so by themselves: both can be brought along.
        """
        found = self._index.aliases(key=key, words=words, trace=trace)
        own = (alias for alias in found if self._approvals.is_alias(alias.signed_fields, alias.mac))
        return list(islice(own, MOST_TEMPLATES))

    def refresh_for_miss(self) -> bool:
        """Look at every file, unless that was done a moment ago; whether it was done."""
        now = time.monotonic()
        if now - self._looked < LOOK_AGAIN_S:
            return False
        self._looked = now
        self._index.refresh()
        return True

    # ------------------------------------------------------------------------------------------------ candidates

    def candidates(self, goal: str) -> list[Candidate]:
        """The traces of the identical goal, else of the same goal with other values, without a look at the world.

        Goal and id are taken from the file: the index may be of somebody else's making.
        """
        self._index.refresh_quickly()
        found = self._candidates(goal)
        known = any(candidate.approved for candidate in found)
        return found if known or not self.refresh_for_miss() else self._candidates(goal)

    def _hopeful(self, look_up: Callable[[int], list[tuple[str, str]]]) -> list[str]:
        """The first approved ids, as the index says, and one that stands before the last of them and is not approved.

        Others' files crowd nothing out: more are looked at until there are enough approved ones.
        """
        rows = look_up(_FIRST_LOOK)
        approved, foreign = self._sorted_out(rows)
        if len(approved) < MOST_TEMPLATES and len(rows) == _FIRST_LOOK:
            approved, foreign = self._sorted_out(look_up(-1))
        return [*approved, *foreign[:1]]

    def _sorted_out(self, rows: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
        """The first approved ids, and those of others before them; checking a signature costs what a look-up does."""
        approved: list[str] = []
        foreign: list[str] = []
        for identifier, sha256 in rows:
            (approved if sha256 in self._approvals else foreign).append(identifier)
            if len(approved) == MOST_TEMPLATES:
                break
        return approved, foreign

    def _candidates(self, goal: str) -> list[Candidate]:
        superseded, wrong = self.superseded(), self._index.wrong(goal)
        key = goal_key(goal)
        found = []
        for identifier in self._hopeful(lambda limit: self._index.with_key(key, limit)):
            if identifier in superseded:
                continue
            try:
                trace, content = self.read(identifier)
            except StoreError:
                continue
            if trace.header.id == identifier and goal_key(trace.header.goal) == key:
                found.append(self._candidate(trace, content, goal, wrong))
        for alias in self.aliases(key=key):
            source = None if alias.trace in superseded else self._source(alias.trace, alias.goal, alias.values)
            if source is not None and goal_key(alias.goal) == key and goal_key(source[0].header.goal) != key:
                trace, bound, content = source
                shown = replace(bound, header=trace.header)
                made = self._candidate(shown, content, goal, wrong, source=alias.goal)
                facts = replace(made, values=alias.values, recorded=trace.steps if alias.values else ())
                found.append(replace(facts, alias=alias.goal, reworded=True))
        return found or self._with_other_values(goal, superseded, wrong)

    def _source(self, identifier: str, goal: str, values: Values) -> tuple[Trace, Trace, str] | None:
        """An approved verified trace, the same as if it had been learned for `goal` (its own for an empty one), and the
        SHA-256 of its file.
        """
        found = self._approved(identifier)
        if found is None or found[0].header.status is not TraceStatus.VERIFIED:
            return None
        trace, content = found
        if goal in ("", trace.header.goal):
            return trace, trace, content
        from llmos.core.alias import aliased

        bound = aliased(trace, goal, values)
        return None if bound is None else (trace, bound, content)

    def _with_other_values(self, goal: str, superseded: Mapping[str, str], wrong: list[Wrong]) -> list[Candidate]:
        """The approved traces of the same words, bound to this goal's values or with the gate that keeps them from it.

        Those that bound come first; of the others one is enough to say why not.
        """
        from llmos.core.rebind import Rebound, rebind

        bound: list[Candidate] = []
        refused: list[Candidate] = []
        surface = analyse(goal).surface
        words = words_key(goal)
        same = self._hopeful(lambda limit: self._index.with_words(words, limit))
        texts = [(identifier, "", ()) for identifier in same]
        aliases = [(a.trace, a.goal, a.values) for a in self.aliases(words=words)]
        named = [one for one in (*texts, *aliases) if one[0] not in superseded]

        def siblings(of: str) -> Iterator[Trace]:
            """The other runs of the wording that never failed; read only where one is asked for what it proves."""
            for identifier, text, values in named:
                if identifier != of and not self._index.outcomes(identifier).failures:
                    source = self._source(identifier, text, values)
                    if source is not None:
                        yield source[1]

        for identifier, text, values in named:
            if len(bound) >= MOST_BOUND or (len(refused) >= MOST_REFUSED and not bound):
                break
            source = self._source(identifier, text, values)
            if source is None:
                continue
            trace, said = source[0], source[1].header.goal
            answer = rebind(source[1], goal, siblings(trace.header.id))
            if isinstance(answer, Rebound):
                shown = replace(answer.trace, header=trace.header)
                made = self._candidate(shown, source[2], goal, wrong, source=said)
                reworded = bool(text) or analyse(said).surface != surface
                recorded = trace.steps if answer.values else ()
                facts = replace(made, values=answer.values, recorded=recorded)
                bound.append(replace(facts, alias=text, reworded=reworded))
            else:
                made = self._candidate(trace, source[2], goal, wrong, source=said)
                refused.append(replace(made, refusal=f"{answer.gate}: {answer.reason}"))
        return bound or refused[:1]

    def _candidate(self, trace: Trace, content: str, goal: str, wrong: list[Wrong], *, source: str = "") -> Candidate:
        """`content` is the SHA-256 of the bytes that `trace` was read from: the file may be another one by now."""
        header = trace.header
        changed = tuple(
            sorted(name for name, version in header.tools.items() if self._tool_versions.get(name) != version)
        )
        return Candidate(
            trace,
            self._index.outcomes(header.id),
            content in self._approvals,
            changed,
            (),
            blocked=_ban(wrong, trace, source or header.goal, goal),
            unproven=header.provenance if header.provenance and not self._approvals.by_person(content) else (),
            family=self._index.family(header.id),
            content=content,
        )

    def judged(self, goal: str, header: TraceHeader, judgement: Judgement, judge: str) -> Candidate | None:
        """An approved trace as a judgement binds it to `goal`, or with the gate that is closed all the same."""
        from llmos.core.gate import Refusal
        from llmos.core.judged import bind_judged

        source = self._source(header.id, "", ())
        if source is None:
            return None
        trace, _, content = source
        wrong = self._index.wrong(goal)
        answer = bind_judged(trace, goal, judgement)
        if isinstance(answer, Refusal):
            made = self._candidate(trace, content, goal, wrong, source=trace.header.goal)
            refusal = f"{answer.gate}: {answer.reason}, though {judge} gives it {judgement.confidence:.2f}"
            return replace(made, refusal=refusal, reworded=True, claimed=judgement.confidence)
        run = replace(answer.rebound.trace, header=trace.header)
        explained = f" and explains {'; '.join(answer.explained)}" if answer.explained else ""
        return replace(
            self._candidate(run, content, goal, wrong, source=trace.header.goal),
            values=answer.rebound.values,
            recorded=trace.steps if answer.rebound.values else (),
            reworded=True,
            judged=f"{judge} says {judgement.confidence:.2f} ({judgement.reason}){explained}",
            claimed=judgement.confidence,
        )

    def forbidden(self, trace: Trace, source: str, goal: str) -> str:
        """Why a person's verdict keeps `trace`, bound from the goal `source`, from `goal`; empty when none does."""
        self._index.refresh_quickly()
        return _ban(self._index.wrong(goal), trace, source, goal)

    def what_ran(self, identifier: str, goal: str) -> tuple[str, str]:
        """The goal text from which a trace is bound to `goal`, and the digest of its calls then; empty if unknown.

        Raises StoreError.
        """
        from llmos.core.alias import aliased
        from llmos.core.rebind import Rebound, rebind

        trace, _ = self.read(identifier)
        own = trace.header.goal
        texts = [(own, ()), *((alias.goal, alias.values) for alias in self.aliases(trace=identifier))]
        for text, values in texts:
            bound = trace if text == own else aliased(trace, text, values)
            if bound is None:
                continue
            if goal_key(text) == goal_key(goal):
                return text, calls_digest(bound.steps)
            answer = rebind(bound, goal)
            if isinstance(answer, Rebound):
                return text, calls_digest(answer.trace.steps)
        return own, ""

    def confirmed_by(self, run: Trace, limit: int) -> list[tuple[str, Values]]:
        """The traces of other goals that a verified run did again, each with the values that differ.

        Looked for among the `limit` nearest in words: what asks for the same shares some of them.
        """
        from llmos.core.alias import confirmed_values

        key, found = words_key(run.header.goal), []
        for header, _ in self.near(run.header.goal, limit):
            trace = self.approved_trace(header.id)
            if trace is None or trace.header.status is not TraceStatus.VERIFIED or trace.header.id == run.header.id:
                continue
            if words_key(trace.header.goal) == key:
                continue
            values = confirmed_values(trace, run)
            if values is not None:
                found.append((trace.header.id, values))
        return found

    # --------------------------------------------------------------------------------------------------- ranking

    def near(self, goal: str, limit: int) -> list[tuple[TraceHeader, float]]:
        """Approved verified traces nearest in words, with a similarity of 0 to 1, best first, by the index alone.

        Graphs of sub-goals are none: they hold no call that a model could learn from.
        """
        wanted = ranking_terms(goal)
        frequencies = self._index.frequencies(wanted)
        left_out = self.superseded().keys() | self._index.disabled()
        found = [
            (header, similarity(wanted, terms, frequencies))
            for header, sha256, terms in self._index.nearest(wanted, POOL)
            if sha256 in self._approvals and header.id not in left_out and not header.is_graph
        ]
        found.sort(key=lambda pair: (-pair[1], pair[0].id))
        return found[:limit]


def _ban(wrong: list[Wrong], trace: Trace, source: str, goal: str) -> str:
    bans = (forbids(one, trace, source, goal) for one in wrong)
    return next((ban for ban in bans if ban), "")
