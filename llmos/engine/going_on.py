"""Going on with a replay that was cut off: what is done is not done again, and what cannot be told is not guessed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from llmos.core.cut_off import CutOff
from llmos.core.journal import call_line
from llmos.core.sandbox import BUBBLEWRAP
from llmos.core.trace import RunStep, Step, Trace, mismatch
from llmos.engine.invoke import Invoker

Done = tuple[RunStep | None, ...]
"""The steps that are done, in their order; None for one that had nothing to do."""


def steps_done(cut: CutOff, trace: Trace, invoker: Invoker) -> Done | str:
    """The steps after which the replay of `trace` may go on, or why it may not: which step, and what to look at.

    A step whose end is on record is checked against that. One that had begun did nothing where the folder is, to the
    last byte, as it was right before it, and nothing of it still runs.
    """
    steps = trace.steps
    if cut.trace != trace.header.id or cut.calls != tuple(call_line(step.tool, step.args) for step in steps):
        return "what would be replayed now is another run than the one that was cut off"
    done: list[RunStep | None] = []
    for index, step in enumerate(steps[: cut.done]):
        if not cut.is_whole(index):
            return f"what {_name(index, step)} gave held a secret and is not on record; {_look(step)}"
        done.append(_run_of(cut, index, step, invoker))
    index = cut.done
    if index == len(steps):
        return tuple(done)
    step = steps[index]
    if index in cut.gave:
        run = _run_of(cut, index, step, invoker)
        assert run is not None, "its end is on record"
        if not cut.is_whole(index) or (difference := mismatch(step, run, str(invoker.context.cwd))):
            said = difference if cut.is_whole(index) else "what it gave held a secret"
            return f"{_name(index, step)} was done and cannot be checked: {said}; {_look(step)}"
        done.append(run)
    elif index in cut.begun and not _did_nothing(cut.begun[index], step, invoker):
        return f"{_name(index, step)} had begun, and whether it was done cannot be told; {_look(step)}"
    return tuple(done)


def _run_of(cut: CutOff, index: int, step: Step, invoker: Invoker) -> RunStep | None:
    tool = invoker.tools.get(step.tool)
    return cut.run_of(index, step, tool.spec.version if tool is not None else "")


def _name(index: int, step: Step) -> str:
    return f"step {index + 1} ({call_line(step.tool, step.args)})"


def _look(step: Step) -> str:
    paths = (*step.expect.created, *step.expect.changed, *step.expect.deleted)
    return f"look at {', '.join(paths)}" if paths else "look at what it was to do"


def _did_nothing(world: str, step: Step, invoker: Invoker) -> bool:
    """Whether a step that had begun left nothing behind, or a file tool all that it was to leave."""
    context, tool = invoker.context, invoker.tools.get(step.tool)
    if tool is not None and tool.satisfied is not None:
        return tool.satisfied(step.args, context) or world == invoker.world_now() != ""
    # Only there is it certain that what a command did, it did here, and that it ended with its llmos.
    alone = context.tier_name == BUBBLEWRAP.name and not context.allowed_roots and not runs_in(context.cwd)
    return alone and world == invoker.world_now() != ""


def runs_in(folder: Path) -> bool:
    """Whether a sandbox whose working directory is this folder is still there; True where that cannot be seen.

    A sandbox ends with its llmos, but for one that was just being started when that was killed.
    """
    wanted: Sequence[bytes] = (b"--chdir", os.fsencode(folder))
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208
    except OSError:
        return True
    for number in numbers:
        with suppress(OSError):
            words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
            if any(tuple(words[at : at + 2]) == tuple(wanted) for at, word in enumerate(words) if word == wanted[0]):
                return True
    return False
