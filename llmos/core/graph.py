"""Several tasks of one goal as a graph: sub-goals, what each waits for, and what each must leave behind. Pure.

A graph says in which order sub-goals may run; what becomes of them while it runs is `Progress`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum

from llmos.core.dataclass import dataclass
from llmos.core.goal import content_stems, goal_key
from llmos.core.literals import Literal, tokens_of
from llmos.core.trace import shorten

LONGEST_INPUT = 4_000
"""Characters of a result that are handed on to another sub-goal."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_VALUE = re.compile(r"[\w.,:/%+@=-]{1,80}")
_TAKEN = re.compile(r"\{\{\s*([A-Za-z0-9][A-Za-z0-9_-]*)\s*\}\}")


@dataclass(frozen=True, slots=True)
class SubGoal:
    """One task. `{{ID}}` in its text stands for the result of that sub-goal, which then must be one line."""

    id: str
    goal: str
    depends_on: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    """The sub-goals whose results it is given to read."""
    leaves: tuple[str, ...] = ()
    """Files that must be there when it is done, relative to the working directory."""
    role: str = ""
    """The agent that works on it; empty for none in particular."""

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Every sub-goal that must be done before: named, given to read, or taken into its text."""
        return tuple(dict.fromkeys((*self.depends_on, *self.inputs, *_TAKEN.findall(self.goal))))


@dataclass(frozen=True, slots=True)
class Graph:
    goal: str
    """The whole goal that it was split from."""
    sub_goals: tuple[SubGoal, ...]

    def __getitem__(self, identifier: str) -> SubGoal:
        return next(one for one in self.sub_goals if one.id == identifier)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(one.id for one in self.sub_goals)


def with_results(goal: str, results: Mapping[str, str]) -> tuple[str, str]:
    """The text of a sub-goal with the results that it takes in, and why that cannot be; one of the two is empty."""
    for identifier in _TAKEN.findall(goal):
        result = results.get(identifier, "").strip()
        if not _VALUE.fullmatch(result):  # words of a program must not become words of an order
            found = "nothing" if not result else "more than one line" if "\n" in result else "more than one word"
            return "", f"it takes in the result of sub-goal {identifier}, which is {found} and not one value"
    return _TAKEN.sub(lambda found: results[found[1]].strip(), goal), ""


# ---------------------------------------------------------------------------------------------------------- checking


def graph_problem(graph: Graph, limit: int) -> str:
    """Why the graph cannot be run, in one sentence; empty when it can."""
    subs = graph.sub_goals
    if not subs:
        return "the plan has no sub-goal"
    if len(subs) > limit:
        return f"the plan has {len(subs)} sub-goals and at most {limit} are taken (orchestrator.max_sub_goals)"
    if problem := _wrong_ids(subs):
        return problem
    for one in subs:
        if not one.goal.strip():
            return f"sub-goal {one.id} of the plan has no text"
        if len(subs) > 1 and _asks_for_all(one.goal, graph.goal):
            return f"sub-goal {one.id} asks for the whole goal again: {shorten(one.goal, 80)!r}"
    if problem := _wrong_leaves(subs):
        return problem
    if circle := _circle(subs):
        return f"the sub-goals of the plan wait for each other: {' waits for '.join(circle)}"
    return ""


def _wrong_ids(subs: Sequence[SubGoal]) -> str:
    known: set[str] = set()
    for one in subs:
        if not _ID.fullmatch(one.id):
            return f"{shorten(one.id, 40)!r} is no id of a sub-goal: letters, digits, - and _, at most 32"
        if one.id in known:
            return f"two sub-goals of the plan have the id {one.id}"
        known.add(one.id)
    for one in subs:
        if unknown := [other for other in one.waits_for if other not in known]:
            return f"sub-goal {one.id} waits for {shorten(unknown[0], 40)!r}, and there is none of that id"
    return ""


def _asks_for_all(sub: str, whole: str) -> bool:
    """Whether a sub-goal is the whole goal again: the same text, or all its words and nothing left out."""
    if goal_key(sub) == goal_key(whole):
        return True
    wanted, values = content_stems(whole), _values(whole)
    return len(wanted) > 3 and wanted <= content_stems(sub) and values <= _values(sub)


def _values(text: str) -> frozenset[str]:
    return frozenset(token.text for token in tokens_of(text) if isinstance(token, Literal))


def _wrong_leaves(subs: Sequence[SubGoal]) -> str:
    for one in subs:
        for path in one.leaves:
            if not path.strip() or path.startswith(("/", "~")) or ".." in path.split("/"):
                return (
                    f"sub-goal {one.id} would leave {shorten(path, 80)!r}, which is no path below the working directory"
                )
    return ""


def _circle(subs: Sequence[SubGoal]) -> tuple[str, ...]:
    """Sub-goals that wait for each other, the first one again at the end; empty when there are none."""
    left = {one.id: list(one.waits_for) for one in subs}
    while free := [identifier for identifier, waits in left.items() if not any(other in left for other in waits)]:
        for identifier in free:
            del left[identifier]
    if not left:
        return ()
    at, seen = next(iter(left)), list[str]()
    while at not in seen:
        seen.append(at)
        at = next(other for other in left[at] if other in left)
    return (*seen[seen.index(at) :], at)


def same_writes(graph: Graph, writes: Mapping[str, Iterable[str]]) -> tuple[str, str, str] | None:
    """Two sub-goals that would write one file though neither waits for the other, and that file."""
    before = ancestors(graph)
    owners: dict[str, list[str]] = {}
    for one in graph.sub_goals:
        for path in sorted({posixpath.normpath(path) for path in writes.get(one.id, ())}):
            for other in owners.get(path, ()):
                if other not in before[one.id] and one.id not in before[other]:
                    return other, one.id, path
            owners.setdefault(path, []).append(one.id)
    return None


def ancestors(graph: Graph) -> dict[str, frozenset[str]]:
    """For each sub-goal all that must be done before it, however far. The graph has no circle."""
    found: dict[str, frozenset[str]] = {}
    for wave in waves(graph):
        for identifier in wave:
            direct = graph[identifier].waits_for
            found[identifier] = frozenset(direct).union(*(found[other] for other in direct))
    return found


def waves(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """The sub-goals in the order in which they can run: those of one wave wait for none of the same or a later one."""
    done: set[str] = set()
    found: list[tuple[str, ...]] = []
    while len(done) < len(graph.sub_goals):
        wave = tuple(one.id for one in graph.sub_goals if one.id not in done and done.issuperset(one.waits_for))
        if not wave:
            raise ValueError("the graph has a circle; graph_problem says so")
        found.append(wave)
        done.update(wave)
    return tuple(found)


def ordered_by_writes(graph: Graph, writes: Mapping[str, Iterable[str]]) -> tuple[Graph, tuple[str, ...]]:
    """The graph with later sub-goals waiting for earlier ones that write the same file; a sentence for each."""
    said: list[str] = []
    while (pair := same_writes(graph, writes)) is not None:
        first, second, path = pair
        later = graph[second]
        changed = replace(later, depends_on=(*later.depends_on, first))
        graph = replace(graph, sub_goals=tuple(changed if one.id == second else one for one in graph.sub_goals))
        said.append(f"sub-goal {second} waits for {first}, because both write {path}")
    return graph, tuple(said)


# ----------------------------------------------------------------------------------------------------------- running


class SubState(StrEnum):
    """WAITING: not begun. SKIPPED: never begun, because one that it waits for was not done, or all was stopped.

    STOPPED: cut off from outside, perhaps half done.
    """

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    STOPPED = "stopped"


@dataclass(slots=True)
class Progress:
    """What has become of each sub-goal. Invariant: one runs only when all that it waits for are done."""

    graph: Graph
    states: dict[str, SubState] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a sub-goal was not done."""

    def __post_init__(self) -> None:
        self.states = {one.id: SubState.WAITING for one in self.graph.sub_goals}

    def ready(self) -> list[str]:
        """The sub-goals that may begin now, in the order of the graph."""
        return [
            one.id
            for one in self.graph.sub_goals
            if self.states[one.id] is SubState.WAITING
            and all(self.states[other] is SubState.DONE for other in one.waits_for)
        ]

    def begin(self, identifier: str) -> None:
        self.states[identifier] = SubState.RUNNING

    def end(self, identifier: str, state: SubState, reason: str = "") -> list[str]:
        """Note how a sub-goal ended; the ones that are skipped for it, directly or not."""
        self.states[identifier] = state
        if reason:
            self.reasons[identifier] = reason
        if state is SubState.DONE:
            return []
        skipped: list[str] = []
        lost = {identifier}
        while found := [
            one.id
            for one in self.graph.sub_goals
            if self.states[one.id] is SubState.WAITING and lost.intersection(one.waits_for)
        ]:
            for other in found:
                self.states[other] = SubState.SKIPPED
                self.reasons[other] = f"it waits for sub-goal {identifier}, which was not done"
            lost.update(found)
            skipped += found
        return skipped

    def stop(self, reason: str, did: Callable[[str], str] = lambda _: "") -> None:
        """Everything ends now: what runs is cut off, after what `did` says of it; what waits is not begun."""
        for identifier, state in self.states.items():
            if state is SubState.RUNNING:
                self.states[identifier] = SubState.STOPPED
                self.reasons[identifier] = ", ".join(part for part in (reason, did(identifier)) if part)
            elif state is SubState.WAITING:
                self.states[identifier], self.reasons[identifier] = SubState.SKIPPED, reason

    def count(self, state: SubState) -> int:
        return sum(one is state for one in self.states.values())

    @property
    def summary(self) -> str:
        """One clause: "3 of 5 sub-goals done, 2 failed (why), 4, 5 skipped (why)"."""
        alike: dict[tuple[SubState, str], list[str]] = {}
        for identifier, state in self.states.items():
            if state not in (SubState.DONE, SubState.WAITING):
                alike.setdefault((state, self.reasons.get(identifier, "")), []).append(identifier)
        parts = [f"{self.count(SubState.DONE)} of {len(self.states)} sub-goals done"]
        for (state, why), those in alike.items():
            parts.append(f"{', '.join(those)} {state.value}" + (f" ({why})" if why else ""))
        return ", ".join(parts)
