"""The sub-goals of a turn as a live tree: what each does now, and one line for each that ended. A reader of events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmos.core.dataclass import dataclass
from llmos.core.events import (
    Event,
    ModelCallFailed,
    ModelCallFinished,
    ModelCallStarted,
    Nested,
    PlanMade,
    PlannedSubGoal,
    SubGoalEnded,
    ToolFinished,
    ToolStarted,
    TurnEnded,
)
from llmos.interfaces.call_view import call_subject, money
from llmos.interfaces.layout import cut
from llmos.interfaces.printable import one_line

MARKS = {"done": ("✓", "+"), "failed": ("✗", "x"), "skipped": ("–", "-"), "stopped": ("■", "#")}
_NARROW = 60
_GAP = 2
_LEAST = 28
"""Columns of a sub-goal's text below which it goes on in the next line."""


@dataclass(slots=True)
class _Branch:
    """A sub-goal, or an agent within one, that has not ended."""

    goal: str
    waits_for: tuple[str, ...] = ()
    planned: bool = False
    """Whether its end is told by `SubGoalEnded`; an agent's is that of its turn."""
    began: float | None = None
    mode: str = ""
    doing: str = ""
    cost_usd: float = 0.0


class SubGoalTree:
    """What is drawn below while a turn of several tasks works."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._branches: dict[str, _Branch] = {}
        self._places: dict[str, int] = {}
        """Which of the plan each sub-goal is."""
        self._begun = False
        """Whether any has begun: before that the plan stands above, and a dry run ends there."""

    def clear(self) -> None:
        self._branches.clear()
        self._begun = False

    def plan(self, plan: PlanMade) -> None:
        self._branches = {one.id: _Branch(one.goal, one.depends_on, planned=True) for one in plan.sub_goals}
        self._places = {one.id: number for number, one in enumerate(plan.sub_goals)}

    def ended(self, event: SubGoalEnded) -> None:
        self._begun = True
        self._remove(event.id)

    def _remove(self, ended: str) -> None:
        """Take away a branch and what is within it."""
        for place in [place for place in self._branches if place == ended or place.startswith(f"{ended}/")]:
            del self._branches[place]

    def take(self, event: Nested) -> None:
        self._begun = True
        branch = self._branches.get(event.parent)
        if branch is None:
            branch = self._branches[event.parent] = _Branch("")
        if branch.began is None:
            branch.began = self._monotonic()
        if isinstance(event.event, TurnEnded) and not branch.planned:
            self._remove(event.parent)
            return
        _take(branch, event.event)

    def lines(self, width: int, frame: str) -> list[str]:
        """One line for each branch that has not ended, in at most `width` columns."""
        places = sorted(self._branches, key=self._order) if self._begun else ()
        return [self._line(place, self._branches[place], width, frame) for place in places]

    def _order(self, place: str) -> list[tuple[int, str]]:
        """The order of the plan; agents below their sub-goal."""
        first, *rest = place.split("/")
        return [(self._places.get(first, len(self._places)), first), *map(_number, rest)]

    def _line(self, place: str, branch: _Branch, width: int, frame: str) -> str:
        indent = "  " * place.count("/")
        name = place.rpartition("/")[2]
        if branch.began is None:
            waits = [other for other in branch.waits_for if other in self._branches]
            right = f"waits for {', '.join(waits)}" if waits else "waits"
            return _fitted(f"{indent}· {name} {one_line(branch.goal)}", right, width)
        elapsed = f"{int(self._monotonic() - branch.began)} s"
        parts = [branch.mode, money(branch.cost_usd), elapsed] if width >= _NARROW else [branch.mode, elapsed]
        words = branch.doing if branch.doing and width > 2 * _NARROW - 20 else ""
        left = f"{indent}{frame} {name} {one_line(branch.goal)}" + (f" · {one_line(words)}" if words else "")
        return _fitted(left, " · ".join(part for part in parts if part), width)


def _take(branch: _Branch, event: Event) -> None:
    match event:
        case PlanMade():
            branch.mode = event.mode.value
        case ToolStarted():
            branch.doing = f"{event.tool}: {call_subject(event.tool, event.args)}"
        case ModelCallStarted():
            branch.doing = f"waiting for {event.model}"
        case ToolFinished():
            branch.doing = ""
        case ModelCallFinished() | ModelCallFailed():
            branch.doing, branch.cost_usd = "", branch.cost_usd + event.cost_usd
        case _ if type(event).__name__ == "TurnStarted":
            branch.goal = branch.goal or str(getattr(event, "goal", ""))


def ended_line(event: SubGoalEnded, mark: str, width: int = 0) -> str:
    """A sub-goal that ended; without a reason cut to `width` columns where that leaves enough of it."""
    head = f"{mark} {event.id} {one_line(event.goal)}"
    parts = [event.state] if event.state != "done" else []
    if event.mode:
        parts += [event.mode, money(event.cost_usd), f"{event.elapsed_s:.1f} s"]
    facts = "".join(f" · {part}" for part in parts)
    if event.reason:
        return f"{head}{facts}: {one_line(event.reason)}"
    room = width - len(facts)
    return f"{cut(head, room) if room >= _LEAST else head}{facts}"


def sub_goal_lines(sub_goals: Sequence[PlannedSubGoal]) -> list[str]:
    """The sub-goals of a plan, one line each, with what they wait for and whether a saved run stands ready."""
    lines = []
    for one in sub_goals:
        facts = [f"after {', '.join(one.depends_on)}"] if one.depends_on else []
        facts += [f"leaves {', '.join(one.leaves)}"] if one.leaves else []
        facts += [f"as {one.role}"] if one.role else []
        facts += [f"{one.mode}: {one.trace_id}"] if one.mode else []
        lines.append(" · ".join([f"{one.id}. {one_line(one.goal)}", *facts]))
    return lines


def _fitted(left: str, right: str, width: int) -> str:
    room = max(8, width - len(right) - _GAP)
    shown = cut(left, room)
    return cut(f"{shown}{' ' * max(_GAP, width - len(shown) - len(right))}{right}", width)


def _number(piece: str) -> tuple[int, str]:
    return (int(piece), "") if piece.isdecimal() else (1 << 30, piece)
