"""Whether a finished run did what it says, judged from its steps. Pure.

A run is OK when it ended by itself, every call that the answer rests on succeeded, and something was really looked at
or changed. A small model is held to more: the facts it names must be in its outputs, and an order to change something
must have changed something.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmos.core.answer import unshown
from llmos.core.events import Outcome
from llmos.core.expected import lacking, orders_change
from llmos.core.goal import asks_only
from llmos.core.trace import RunStep


def judge(goal: str, answer: str, steps: Sequence[RunStep], *, small: bool, doubt: str = "") -> tuple[Outcome, str]:
    """Outcome of a run that ended by itself, and why it is not OK. `doubt`: why the model was not sure of its calls."""
    if not steps:
        return Outcome.UNVERIFIED, "no tool was run, so nothing shows that it is true"
    if not steps[-1].ok:
        return Outcome.FAILED, f"the last step ({steps[-1].tool}) failed"
    why = _unborne(goal, answer, steps) if small else ""
    if not why and doubt:
        why = f"the model was not sure of its command: {doubt}"
    return (Outcome.UNVERIFIED, why) if why else (Outcome.OK, "")


def _unborne(goal: str, answer: str, steps: Sequence[RunStep]) -> str:
    """Why the steps do not bear out what a small model says."""
    changed = any(step.has_effects for step in steps)
    if orders_change(goal):
        return lacking(goal, answer, steps) if changed else "the goal asks for a change, and no file was changed"
    spoiled = sorted({path for step in steps for path in (*step.changes.changed, *step.changes.deleted)})
    if asks_only(goal) and spoiled:
        return f"the goal asks to be told something, and {spoiled[0]} was changed"
    if not changed and not any(step.stdout.strip() for step in steps):
        return "nothing was found, so perhaps the wrong thing was looked for"
    if token := unshown(answer, goal, steps):
        return f"no tool result shows {token!r}"
    return lacking(goal, answer, steps)
