"""A-4: one session of many turns with tools, compactions and updates of memory grows by nothing.

Its model is the server that refuses what the real one refuses: a call that is left without its result among it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from llmos.testing import Answer, FakeMessagesServer, reply, text, tool_use, usage

MOST_GROWTH = 50_000_000
FILES = 4
"""Files that a session opens when it first needs them: the pool of its copies, a connection, an index."""
POOL = min(32, (os.cpu_count() or 1) + 4)
"""Threads of the loop's pool, which starts one when it has work and none is idle, whenever that is."""
SCRIPT = Path(__file__).with_name("soak.py")
_NUMBERS = count(1)


def model(body: dict[str, Any]) -> Answer:
    """Looks or writes, then answers; what it is said to hold grows with what it is sent."""
    tokens = usage(input=len(json.dumps(body["messages"])) * 40)
    last = json.dumps(body["messages"][-1])
    if not body.get("tools") or "about to go on without its messages" in last:
        return reply(text("It was about files. The person prefers tea."), usage=usage(input=100))
    if '"tool_result"' in last:
        return reply(text("It is done."), usage=tokens)
    number = next(_NUMBERS)
    if number % 3 == 0:
        call = tool_use("shell", {"command": f"wc -l < file{number % 20}.txt; seq 1 200"})
    elif number % 3 == 1:
        call = tool_use("shell", {"command": f"echo {number} >> log.txt"})
    else:
        call = tool_use("read_file", {"path": f"file{number % 20}.txt"})
    return reply(call, usage=tokens)


@dataclass
class Figures:
    turns: int
    samples: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    requests: int = 0

    def grown(self, what: str) -> int:
        """From the second sample on: by then everything that is used was imported."""
        held = [int(sample[what]) for sample in self.samples[1:]]
        return held[-1] - held[0] if held else 0

    def __str__(self) -> str:
        last = self.samples[-1] if self.samples else {}
        return (
            f"{last.get('turn', 0)} turns of one session, {self.requests:,} requests, "
            f"{last.get('compactions', 0)} compactions: "
            f"{self.grown('rss') / 1e6:+.1f} MB, {self.grown('files'):+d} open files, "
            f"{self.grown('threads'):+d} threads; {len(self.problems)} requests refused (a call without "
            "its result is one) or turns failed"
        )


def run(root: Path, turns: int) -> Figures:
    figures, work = Figures(turns), root / "work"
    work.mkdir()
    with FakeMessagesServer(model) as server:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("LLMOS_", "ANTHROPIC_"))}
        environ |= {"LLMOS_HOME": str(root / "home"), "LLMOS_MODELS": str(root / "models")}
        environ |= {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}
        (root / "home").mkdir(mode=0o700)
        budget = "budget: {per_goal_usd: 100.0, per_session_usd: 100000.0, per_day_usd: 100000.0}"
        (root / "home" / "config.yaml").write_text(f"format: llmos-config/1\n{budget}\n")
        words = [sys.executable, str(SCRIPT), str(turns)]
        ended = subprocess.run(words, cwd=work, env=environ, capture_output=True, text=True, timeout=1400, check=False)
        figures.requests = len(server.bodies)
        figures.problems += [*server.refused, *server.unexpected]
    for line in ended.stdout.splitlines():
        said = json.loads(line)
        if "failed" in said:
            figures.problems.append(said["failed"])
        else:
            figures.samples.append(said)
    if ended.returncode or not figures.samples or figures.samples[-1]["turn"] != turns:
        figures.problems.append(f"it ended with {ended.returncode}: {ended.stderr[-800:]}")
    return figures


def grew(figures: Figures) -> list[str]:
    """What became more than a session of any length has."""
    most = {"rss": MOST_GROWTH - 1, "files": FILES, "threads": POOL}
    return [what for what, bound in most.items() if figures.grown(what) > bound]


def holds(figures: Figures) -> bool:
    return not figures.problems and not grew(figures) and figures.samples[-1]["compactions"] >= figures.turns // 100


@pytest.mark.slow
@pytest.mark.thorough
def test_a_session_of_many_turns_grows_by_nothing(tmp_path: Path) -> None:
    figures = run(tmp_path, 40)
    assert figures.problems == []
    assert grew(figures) == [], figures.samples


def test_growth_and_refusals_are_seen() -> None:
    """The partner: figures of a session that grows, or that the server refused something of."""
    base = [{"turn": turn, "rss": 10**8, "files": 9, "threads": 2, "compactions": 9} for turn in (10, 20, 30)]
    assert holds(Figures(30, base))
    for what, more in (("rss", MOST_GROWTH), ("files", FILES + 1), ("threads", POOL + 1)):
        assert not holds(Figures(30, [*base, {**base[-1], what: base[-1][what] + more}]))
    assert not holds(Figures(30, base, ["tool_use ids were found without tool_result blocks"]))


def main() -> None:
    """The figures of `make safety`."""
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder).resolve(), int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    for problem in figures.problems[:20]:
        print(problem)
    for sample in figures.samples:
        print(sample)
    print(figures)
    sys.exit(0 if holds(figures) else 1)


if __name__ == "__main__":
    main()
