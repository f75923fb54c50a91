"""Letting a replay that writes run while no other one does in the same place."""

from __future__ import annotations

from collections.abc import Callable

from llmos.core.errors import StoreError
from llmos.core.events import Notice, Outcome
from llmos.core.ports import Clock, Emit
from llmos.core.tool import Effect
from llmos.core.trace import Trace
from llmos.engine.replay import Replay, Replayed
from llmos.memory.replay_lock import ReplayLock, SharedReplayLock, Taken

LOOK_EVERY_S = 0.1


def writes(trace: Trace) -> bool:
    """Whether a replay of these steps is to change files."""
    return any(
        step.effect is Effect.WRITE or step.expect.created or step.expect.changed or step.expect.deleted
        for step in trace.steps
    )


async def run_alone(
    replay: Replay,
    *,
    lock: ReplayLock | SharedReplayLock,
    clock: Clock,
    emit: Emit,
    wait_s: float,
    unmet: Callable[[], tuple[str, ...]],
) -> Replayed:
    """Run a replay when no other one writes in its folder; after `wait_s` seconds it stops before its first step.

    What it needs is looked at again where it had to wait: the other one may have changed it.
    """
    if not writes(replay.trace):
        return await replay.run()
    told, until = False, clock.monotonic() + wait_s
    while True:
        try:
            taken = lock.take(replay.cwd)
        except StoreError as error:
            return _not_begun(str(error))
        if isinstance(taken, Taken):
            break
        if clock.monotonic() >= until:
            return _not_begun(f"{taken.reason} for {wait_s:g} s by now, and two do not write in one place at once")
        if not told:
            emit(Notice(text=f"{taken.reason}; this one waits up to {wait_s:g} s for it"))
            told = True
        await clock.sleep(LOOK_EVERY_S)
    try:
        if told and (missing := unmet()):
            return _not_begun(missing[0])
        return await replay.run()
    finally:
        taken.release()


def _not_begun(reason: str) -> Replayed:
    return Replayed(Outcome.DIVERGED, "", reason, ())
