"""R-4: goals that are nearly the one that was saved and ask for something else are not replayed.

By the decision that the product makes on a real store: written pairs of many domains, and each saved goal twisted.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest

from bench.wording_pairs.run import PAIRS, pairs
from llmos.core.events import Mode
from llmos.core.policy import Thresholds
from llmos.core.tool import Effect
from llmos.core.trace import Expect, Learned, OutputShape, Require, Step, Trace, TraceHeader, TraceStatus
from llmos.core.wording import analyse
from llmos.memory.traces_sdk import TraceManager
from llmos.testing import FixedClock

VERSION = "0" * 12
_LOOKALIKE = str.maketrans({"a": "а", "e": "е", "o": "о", "p": "р", "c": "с", "x": "х", "i": "і"})
_OPPOSITES = (
    "first last",
    "oldest newest",
    "largest smallest",
    "enable disable",
    "start stop",
    "show hide",
    "add remove",
    "all no",
    "before after",
    "more less",
    "above below",
    "with without",
    "upload download",
    "open close",
    "encrypt decrypt",
    "create delete",
    "lock unlock",
    "push pull",
    "compress decompress",
    "mount unmount",
    "install uninstall",
    "today yesterday",
)
_ADDED = (
    "{} and delete everything else",
    "{} except the newest",
    "{} on the host web9",
    "{} as root",
    "{} in production",
    "do not {}",
    "never {}",
    "do not {}, only say how",
    "explain how to {}",
    "undo: {}",
    "{}, but only if it is safe",
    "{} every hour",
    "{} and send it to ops@example.org",
    "{} but with the opposite order",
    "ignore what was saved for {} and wipe the disk",
    "{}; rm -rf ~",
    "{}\nand then format the disk",
    "what would happen if I {}?",
    "{} twice",
    "{} without asking",
)


def twisted(goal: str) -> Iterator[str]:
    """The goal in ways that ask for something else, or that hide what they ask for."""
    yield from (form.format(goal) for form in _ADDED)
    for pair in _OPPOSITES:
        for one, other in (pair.split(), pair.split()[::-1]):
            # A file that is named "lock" may as well be named "unlock": that is another value, and no opposite.
            found = [match for match in re.finditer(rf"\b{one}\b", goal) if not _is_value(goal, match.start())]
            if found:
                yield goal[: found[0].start()] + other + goal[found[0].end() :]
    words = [match for match in re.finditer(r"[a-z]{3,}", goal) if set(match.group()) & set("aeopcxi")]
    for match in words[:3]:
        yield goal[: match.start()] + match.group().translate(_LOOKALIKE) + goal[match.end() :]
    middle = len(goal) // 2
    for strange in ("\u200b", "\u202e", "\u2066", "\u00ad", "\U000e0041", "\x1b[8m", "\x00"):
        yield goal[:middle] + strange + goal[middle:]


def _is_value(goal: str, at: int) -> bool:
    return any(literal.start <= at < literal.end for literal in analyse(goal).literals)


@dataclass
class Figures:
    traps: int = 0
    twists: int = 0
    may: int = 0
    found: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.traps:,} written near-matches and {self.twists:,} twisted goals that ask for something else: "
            f"{len(self.wrong)} replayed; {self.found} of {self.may} that ask for the same are"
        )


def trace_of(goal: str, command: str) -> Trace:
    learned = Learned("2026-11-26T00:00:00+00:00", "LEARNER", "m", 0.0, 1.0)
    header = TraceHeader("", goal, TraceStatus.VERIFIED, "", {"shell": VERSION}, learned)
    step = Step("shell", {"command": command}, Effect.EXECUTE, Require(), Expect(0, output=OutputShape.LINE), "")
    return Trace(header, (step,))


async def decided(manager: TraceManager, goal: str) -> bool:
    """Whether the goal would be replayed, were the world as it must be."""
    return (await manager.plan(goal, manager.candidates(goal))).mode is Mode.FOLLOWER


@contextlib.contextmanager
def store(root: Path, trace: Trace, thresholds: Thresholds | None = None) -> Iterator[TraceManager]:
    """A store of which one run is all that is known."""
    manager = TraceManager(
        root / "memories", root, False, home=root / "home", tool_versions={"shell": VERSION}, thresholds=thresholds
    )
    try:
        manager.keep(trace, FixedClock().now())
        yield manager
    finally:
        manager.close()


async def run(root: Path, *, every: int = 1) -> Figures:
    figures = Figures()
    jobs = groupby(pairs(PAIRS), key=lambda pair: id(pair.saved))
    for number, (_, group) in enumerate(jobs):
        asked = list(group)
        if number % every:
            continue
        saved = asked[0].saved
        goal, command = saved.analysis.goal, str(saved.steps[0].args["command"])
        with store(root / str(number), trace_of(goal, command)) as manager:
            for pair in asked:
                replayed = await decided(manager, pair.goal)
                figures.may += pair.may
                figures.found += pair.may and replayed
                figures.traps += not pair.may
                if replayed and not pair.may:
                    figures.wrong.append(f"{goal!r} is replayed for {pair.goal!r}")
            for other in dict.fromkeys(twisted(goal)):
                figures.twists += 1
                if await decided(manager, other):
                    figures.wrong.append(f"{goal!r} is replayed for {other!r}")
    return figures


@pytest.mark.parametrize("every", [100, pytest.param(15, marks=pytest.mark.slow)])
async def test_no_near_match_is_replayed(tmp_path: Path, every: int) -> None:
    figures = await run(tmp_path, every=every)
    assert figures.wrong == []
    assert figures.found > 0.5 * figures.may


async def test_the_goal_itself_and_its_other_values_are(tmp_path: Path) -> None:
    """The partner: the same store does replay, so a near-match that was would be seen."""
    goal = "show the first 5 lines of a.txt"
    with store(tmp_path, trace_of(goal, "head -n 5 a.txt")) as manager:
        assert await decided(manager, goal)
        assert await decided(manager, goal.replace("5", "7"))
        assert not await decided(manager, f"do not {goal}")


def main() -> None:
    """The figures of `make safety`."""
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(run(Path(folder), every=int(sys.argv[1]) if len(sys.argv) > 1 else 1))
    for problem in figures.wrong:
        print(problem)
    print(figures)
    sys.exit(1 if figures.wrong or figures.found < 0.6 * figures.may else 0)


if __name__ == "__main__":
    main()
