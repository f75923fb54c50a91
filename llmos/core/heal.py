"""A replay that stopped: whether its steps are to blame, or the world that they met. Pure.

Only a run that went on from steps that are to blame may take the place of the trace. Whoever cannot prove that the
world was the same leaves a good trace alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmos.core.trace import RunStep, Step, changes_mismatch


def is_at_fault(step: Step, run: RunStep, *, rebound: bool) -> bool:
    """Whether a step failed, or changed other files, in the very world in which it was learned.

    The world is the content of the working directory before the step. Steps replayed for another goal prove nothing
    about the steps as they were learned, and outputs may differ for reasons that lie outside the directory.
    """
    if rebound or not step.require.world or run.world != step.require.world:
        return False
    return (step.expect.ok and not run.ok) or changes_mismatch(step, run) is not None


def why_not_replayed(done: Sequence[RunStep | None], *, at_fault: bool) -> str:
    """Why a run that went on from a replay may only guide; empty when it takes the place of what was replayed.

    A run that coped with another world is no way to do the job in the world that the good trace is for, and as the
    newer one it would be replayed in its stead.
    """
    if not at_fault:
        return "it went on from a replay that had stopped through no proven fault of the saved run, which stands"
    if None in done:
        return "it went on from a replay that had skipped a step, so it is not the whole job"
    return ""


def whole_run(done: Sequence[RunStep | None], failed: RunStep | None, after: Sequence[RunStep]) -> tuple[RunStep, ...]:
    """The steps of a run that went on from a replay: what was replayed, and what the model did.

    The step that stopped it belongs to the job only where it left something behind.
    """
    left = [failed] if failed is not None and failed.has_effects else []
    return (*(run for run in done if run is not None), *left, *after)
