"""I1: a replay is never freer than a live call of the same text, over rules, modes, sandboxes, agents and what a person
said before. What a person allowed for this very run is the one thing that may be more, and passes neither a rule that
denies nor the floor.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from llmos.adapters.bash_parser import parse_bash
from llmos.core.events import Verdict
from llmos.core.messages import ToolCall
from llmos.core.permission import PermissionMode, SavedRun, parse_rule
from llmos.core.ports import Ask, PermissionAnswer, PermissionQuestion
from llmos.core.tool import Effect, ToolSpec
from llmos.engine.permits import Permits
from llmos.engine.shell_world import FileWorld
from llmos.memory.saved_permissions import SavedPermissions
from llmos.testing import FixedClock

LISTS = Path(__file__).resolve().parents[2] / "bench" / "safety"
SHELL = ToolSpec("shell", "Run a command.", {"type": "object"}, Effect.EXECUTE, "0" * 12)
WRITE = ToolSpec("write_file", "Write.", {"type": "object"}, Effect.WRITE, "0" * 12)
READ = ToolSpec("read_file", "Read.", {"type": "object"}, Effect.READ, "0" * 12)
PATHS = ("a.txt", "src/b.py", "../c", "/etc/hosts", ".git/config", ".ssh/id_rsa", "~/.bashrc", ".env", "traces/x.yaml")
RULES = (
    "shell",
    "shell(*)",
    "shell(rm *)",
    "shell(git *)",
    "shell(make *)",
    "write_file",
    "write_file(src/*)",
    "read_file",
    "*",
)
RUN, OTHER = SavedRun("saved-1", "1" * 64), SavedRun("saved-2", "2" * 64)


def commands() -> list[str]:
    """Every command of the lists of this repository: hostile, ordinary, irreversible."""
    found = []
    for name in ("hostile.txt", "ordinary.txt", "irreversible.txt"):
        lines = (LISTS / name).read_text("utf-8").splitlines()
        found += [line for line in lines if line and not line.startswith(("#", "= "))]
    return found


@dataclass
class Figures:
    cases: int = 0
    allowed: int = 0
    freer: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.cases:,} calls under rules, modes, sandboxes, agents and earlier yeses: {self.allowed:,} of the "
            f"replays allowed, {len(self.freer)} of them where the live call is not"
        )


async def yes(_: PermissionQuestion) -> PermissionAnswer:
    return PermissionAnswer(True)


async def no(_: PermissionQuestion) -> PermissionAnswer:
    return PermissionAnswer(False)


@dataclass(frozen=True)
class Case:
    """One call under one policy. Two equal ones are judged from the same beginning."""

    rules: tuple[tuple[Verdict, str], ...]
    mode: PermissionMode
    ask: Ask | None
    grant_all: bool
    unheld: bool
    agent: PermissionMode | None
    saved_rule: str
    saved_run: SavedRun | None
    spec: ToolSpec
    subject: str


def draw(rng: random.Random, texts: Sequence[str]) -> Case:
    spec = rng.choice((SHELL, SHELL, SHELL, WRITE, READ))
    return Case(
        tuple((rng.choice(list(Verdict)), rng.choice(RULES)) for _ in range(rng.randrange(4))),
        rng.choice(list(PermissionMode)),
        rng.choice((None, None, yes, no)),
        rng.random() < 0.3,
        rng.random() < 0.2,
        rng.choice((None, None, *PermissionMode)),
        rng.choice(("", "", *RULES)),
        rng.choice((None, None, None, RUN, OTHER)),
        spec,
        rng.choice(texts) if spec is SHELL else rng.choice(PATHS),
    )


class Judge:
    """Judges cases in a folder of its own; what is saved for always is saved anew for each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "work"
        self.work.mkdir()
        self._saved: dict[tuple[str, SavedRun | None], SavedPermissions] = {}

    def saved(self, rule: str, run: SavedRun | None) -> SavedPermissions:
        key = (rule, run)
        if key not in self._saved:
            made = self._saved[key] = SavedPermissions(self.root / f"home{len(self._saved)}", FixedClock().now)
            if rule:
                made.add_rule(rule, self.work)
            if run is not None:
                made.add_run(run, self.work)
        return self._saved[key]

    async def verdict(self, case: Case, run: SavedRun | None) -> tuple[Verdict, str]:
        permits = Permits(
            [parse_rule(text, verdict, "a test") for verdict, text in case.rules],
            ask=case.ask,
            grant_all=case.grant_all,
            mode=case.mode,
            saved=self.saved(case.saved_rule, case.saved_run),
            parse=parse_bash,
            world=FileWorld(self.work),
            cwd=self.work,
            unheld=case.unheld,
        )
        permits = permits if case.agent is None else permits.child("helper", case.agent)
        args = {"command": case.subject} if case.spec is SHELL else {"path": case.subject}
        decided = await permits.judge(ToolCall("c1", case.spec.name, args), case.spec, [case.subject], run)
        return decided.verdict, decided.reason


async def run(root: Path, count: int, *, seed: int = 1, replayed_as: SavedRun | None = RUN) -> Figures:
    rng, texts, judge, figures = random.Random(seed), commands(), Judge(root), Figures()
    for _ in range(count):
        case = draw(rng, texts)
        figures.cases += 1
        live, why = await judge.verdict(case, None)
        replay, because = await judge.verdict(case, replayed_as)
        if replay is not Verdict.ALLOW:
            continue
        figures.allowed += 1
        by_run = case.saved_run == RUN and "this saved run" in because
        never = "never:" in why or "deny rule" in why or "only a person's yes" in why or "no sandbox holds" in why
        if live is not Verdict.ALLOW and (never or not by_run):
            figures.freer.append(f"{case}: live: {why}; replayed: {because}")
    return figures


@pytest.mark.parametrize("count", [200, pytest.param(2_000, marks=pytest.mark.slow)])
async def test_a_replay_is_never_freer_than_a_live_call(tmp_path: Path, count: int) -> None:
    figures = await run(tmp_path, count)
    assert figures.freer == []
    assert figures.allowed > count / 10


async def test_a_gate_that_lets_every_saved_run_pass_would_be_seen(tmp_path: Path) -> None:
    """The partner: where a replay is judged as if a person had allowed everything of it."""

    class Loose(Judge):
        async def verdict(self, case: Case, run: SavedRun | None) -> tuple[Verdict, str]:
            return (Verdict.ALLOW, "it was allowed once") if run else await super().verdict(case, run)

    judge, rng, texts = Loose(tmp_path), random.Random(1), commands()
    freer = 0
    for _ in range(100):
        case = draw(rng, texts)
        live, replayed = (await judge.verdict(case, None))[0], (await judge.verdict(case, RUN))[0]
        freer += replayed is Verdict.ALLOW and live is not Verdict.ALLOW
    assert freer > 20


def main() -> None:
    """The figures of `make safety`."""
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(run(Path(folder).resolve(), int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
    for problem in figures.freer:
        print(problem)
    print(figures)
    sys.exit(1 if figures.freer else 0)


if __name__ == "__main__":
    main()
