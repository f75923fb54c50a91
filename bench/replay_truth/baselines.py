"""How others decide and act: by a hash, or by likeness, with no gate and no check."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.replay_truth.pairs import Job
from llmos.core.errors import ToolError
from llmos.core.goal import goal_key
from llmos.core.messages import ToolCall
from llmos.core.tool import ToolContext
from llmos.tools import builtin_tools

Decide = Callable[[Job, str], Sequence[ToolCall] | None]
_VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|[\w*~-]*[./][\w./*-]*\w|(?<!\w)\d+(?!\w)")


def exact_hash(job: Job, goal: str) -> Sequence[ToolCall] | None:
    return job.calls if goal_key(job.goal) == goal_key(goal) else None


def cosine(job: Job, goal: str, *, cut: float, rebinds: bool) -> Sequence[ToolCall] | None:
    if likeness(job.goal, goal) < cut:
        return None
    old, new = _VALUE.findall(job.goal), _VALUE.findall(goal)
    if not rebinds or len(old) != len(new):
        return job.calls
    values = dict(zip(old, new, strict=True))
    return [ToolCall(call.id, call.name, _replaced(call.args, values)) for call in job.calls]


def likeness(one: str, other: str) -> float:
    """Cosine of the counts of words, in any case of letters: 0 to 1."""
    a, b = (Counter(re.findall(r"\w+", text.lower())) for text in (one, other))
    length = math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()))
    return sum(count * b[word] for word, count in a.items()) / length if length else 0.0


def _replaced(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        pattern = "|".join(re.escape(_bare(old)) for old in sorted(values, key=len, reverse=True))
        bare = {_bare(old): _bare(new) for old, new in values.items()}
        return re.sub(pattern, lambda match: bare[match.group()], value) if pattern else value
    if isinstance(value, Mapping):
        return {key: _replaced(item, values) for key, item in value.items()}
    return value


def _bare(value: str) -> str:
    return value.strip("'\"")


BASELINES: Mapping[str, Decide] = {
    "exact-hash": exact_hash,
    "cosine-0.92": partial(cosine, cut=0.92, rebinds=False),
    "cosine-0.92+": partial(cosine, cut=0.92, rebinds=True),
    "cosine-0.75": partial(cosine, cut=0.75, rebinds=False),
    "cosine-0.75+": partial(cosine, cut=0.75, rebinds=True),
}


def act(calls: Sequence[ToolCall], folder: Path) -> tuple[bool, str]:
    """Run the calls one after the other; whether all went well, and what the last one gave."""
    tools, context = builtin_tools(), ToolContext(cwd=folder, timeout_s=20)

    async def run() -> tuple[bool, str]:
        said = ""
        for call in calls:
            try:
                output = await tools[call.name].run(call.args, context)
            except ToolError as error:
                return False, str(error)
            if not output.ok:
                return False, output.text
            said = output.stdout or output.text
        return True, said

    return asyncio.run(run())
