"""Undoing what a turn did to files: what `llmos undo` and `/undo` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmos.app import App
from llmos.core.errors import UsageError
from llmos.core.session_events import TurnUndone
from llmos.engine.undo import UndoPlan, last_turn, plan_undo, undo
from llmos.interfaces.printable import one_line
from llmos.memory.files import show_path
from llmos.memory.sessions import SessionSummary

_SHOWN = 12


def undo_plan(app: App, session: SessionSummary) -> UndoPlan:
    """What undoing the last turn with effects would do. Raises UsageError when there is none, StoreError."""
    lost: list[str] = []
    turn = last_turn(app.sessions.records(session.id, lost.append), app.cwd)
    if turn is None:
        raise UsageError(f"no turn of session {session.id} changed files or ran commands, or all of them are undone")
    plan = plan_undo(turn)
    return replace(plan, cannot=(*plan.cannot, *lost))


def undo_lines(plan: UndoPlan) -> list[str]:
    """The plan in words: what comes back, what goes, and what cannot be undone."""
    steps = len(plan.turn.steps)
    if plan.changed_nothing:
        stays = [f"  what this did elsewhere stays: {one_line(step.call)}" for step in plan.turn.steps if step.executes]
        goal = one_line(repr(plan.turn.goal), 100)
        return [f"nothing to undo: {goal} changed no file in {plan.turn.cwd}", *stays]
    lines = [f"undo {one_line(repr(plan.turn.goal), 100)}, {steps} step{'s' if steps != 1 else ''} in {plan.turn.cwd}"]
    lines += [f"  brings back: {_listed(plan.restores)}"] if plan.restores else []
    lines += [f"  removes: {_listed(plan.removes)} (kept beside the copies)"] if plan.removes else []
    lines += [f"  changed again since: {_listed(plan.changed_since)}"] if plan.changed_since else []
    lines += [f"  cannot undo: {one_line(sentence)}" for sentence in plan.cannot]
    if not plan.does_something:
        lines.append("  nothing of it can be undone")
    return lines


def carry_out(app: App, plan: UndoPlan, *, force: bool) -> TurnUndone:
    """Undo; the event of it, which the caller puts on record. Raises StoreError."""
    keep_in = app.workspace.root / "backups" / app.session / f"undone-{plan.turn.number}"
    restored, removed = undo(plan, keep_in, force=force)
    return TurnUndone(
        turn=plan.turn.number, goal=plan.turn.goal, restored=restored, removed=removed, not_undone=plan.cannot
    )


def done_line(event: TurnUndone) -> str:
    left = f"; not undone: {len(event.not_undone)}, named above" if event.not_undone else ""
    return f"undone: {len(event.restored)} brought back, {len(event.removed)} removed{left}"


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - _SHOWN
    return ", ".join(show_path(path) for path in paths[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
