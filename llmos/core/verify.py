"""Whether a finished run did what it says, judged from its steps. Pure.

A run is OK when it ended by itself, every call that the answer rests on succeeded, and something was really looked at
or changed. A small model is held to more: the facts it names must be in its outputs, and an order to change something
must have changed something.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmos.core.answer import unshown
from llmos.core.events import Outcome
from llmos.core.goal import asks_for_change, asks_only
from llmos.core.trace import RunStep


def judge(goal: str, answer: str, steps: Sequence[RunStep], *, small: bool) -> tuple[Outcome, str]:
    """Outcome of a run that ended by itself, and why it is not OK."""
    if not steps:
        return Outcome.UNVERIFIED, "an answer in words alone: nothing was run that could show it"
    if not steps[-1].ok:
        return Outcome.FAILED, f"the last step ({steps[-1].tool}) failed"
    if not small:
        return Outcome.OK, ""
    changed = any(step.has_effects for step in steps)
    if asks_for_change(goal):
        if changed:
            return Outcome.OK, ""
        return Outcome.UNVERIFIED, "the goal asks for a change, and no file was changed"
    spoiled = sorted({path for step in steps for path in (*step.changes.changed, *step.changes.deleted)})
    if asks_only(goal) and spoiled:
        return Outcome.UNVERIFIED, f"the goal asks to be told something, and {spoiled[0]} was changed"
    if not changed and not any(step.stdout.strip() for step in steps):
        return Outcome.UNVERIFIED, "nothing was found, so perhaps the wrong thing was looked for"
    if token := unshown(answer, goal, steps):
        return Outcome.UNVERIFIED, f"no tool result shows {token!r}"
    return Outcome.OK, ""
