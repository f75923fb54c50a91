"""R-8: what nothing takes back is not replayed with nobody to ask, whatever else allows it, unless it is named for that
run: not by a rule, a mode, what a person said for the session, or what they saved for always.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llmos.adapters.bash_parser import parse_bash
from llmos.core.events import Verdict
from llmos.core.messages import ToolCall
from llmos.core.permission import PermissionMode, Rule, SavedRun, parse_rule, propose_rule, read_call
from llmos.core.ports import Ask, PermissionAnswer, PermissionQuestion
from llmos.core.tool import Effect, ToolSpec
from llmos.engine.permits import Permits
from llmos.engine.shell_world import FileWorld
from llmos.memory.saved_permissions import SavedPermissions
from llmos.memory.signing import ready_key
from llmos.testing import FixedClock

LISTS = Path(__file__).resolve().parents[2] / "bench" / "safety"
SPEC = ToolSpec("shell", "Run a command.", {"type": "object"}, Effect.EXECUTE, "0" * 12)
RUN = SavedRun("saved-00000000", "0" * 64)


def listed(name: str) -> list[tuple[str, str]]:
    """The class and text of each command of a list; classes are headings that begin with `=`."""
    found, heading = list[tuple[str, str]](), ""
    for line in (LISTS / name).read_text("utf-8").splitlines():
        if line.startswith("= "):
            heading = line[2:]
        elif line and not line.startswith("#"):
            found.append((heading, line))
    return found


@dataclass
class Figures:
    asked: Counter[str] = field(default_factory=Counter)
    ran: list[str] = field(default_factory=list)
    ordinary: int = 0
    ordinary_ran: int = 0

    def __str__(self) -> str:
        return (
            f"{sum(self.asked.values())} irreversible commands of {len(self.asked)} classes, each replayed in 28 ways "
            f"with nobody to ask: {len(self.ran)} ran; {self.ordinary_ran} of {self.ordinary} ordinary ones do"
        )


class Gate:
    """Permits of one kind after the other, over one folder."""

    def __init__(self, root: Path) -> None:
        self.work = root / "work"
        self.work.mkdir()
        self.home = root / "home"
        ready_key(self.home)
        self.saved = SavedPermissions(self.home, FixedClock().now)
        self.saved.add_rule("shell", self.work)
        self.saved.add_run(RUN, self.work)

    def permits(
        self,
        rules: Sequence[Rule],
        mode: PermissionMode,
        *,
        ask: Ask | None = None,
        yes: bool = False,
        saved: bool = False,
    ) -> Permits:
        return Permits(
            rules,
            ask=ask,
            grant_all=yes,
            mode=mode,
            saved=self.saved if saved else None,
            parse=parse_bash,
            world=FileWorld(self.work),
            cwd=self.work,
        )

    def ways(self, command: str) -> Iterator[tuple[str, Permits]]:
        """Everything that could allow a replay without asking anybody now."""
        exact = propose_rule("shell", Effect.EXECUTE, [command])
        texts: tuple[tuple[str, ...], ...] = ((), ("shell",), ("shell(*)",), ("*",), (exact,), (exact, "shell", "*"))
        for allowed in texts:
            rules = [parse_rule(text, Verdict.ALLOW, "a test") for text in allowed]
            for mode in PermissionMode:
                yield f"{allowed} in {mode.value}", self.permits(rules, mode)
        for mode in PermissionMode:
            yield f"saved for always in {mode.value}", self.permits([], mode, saved=True)


def verdict(permits: Permits, command: str) -> Verdict:
    call = ToolCall("c1", "shell", {"command": command})
    return asyncio.run(permits.judge(call, SPEC, [command], RUN)).verdict


def run(root: Path, commands: Sequence[tuple[str, str]]) -> Figures:
    figures, gate = Figures(), Gate(root)
    for heading, command in commands:
        figures.asked[heading] += 1
        ran = [way for way, permits in gate.ways(command) if verdict(permits, command) is Verdict.ALLOW]
        figures.ran += [f"{command!r} ({heading}): allowed by {ran[0]}"] if ran else []
    rule = [parse_rule("shell", Verdict.ALLOW, "a test")]
    for _, command in listed("ordinary.txt"):
        figures.ordinary += 1
        figures.ordinary_ran += verdict(gate.permits(rule, PermissionMode.ASK), command) is Verdict.ALLOW
    return figures


def test_nothing_irreversible_is_replayed_with_nobody_to_ask(tmp_path: Path) -> None:
    figures = run(tmp_path, listed("irreversible.txt")[::20])
    assert figures.ran == []
    assert figures.ordinary_ran >= 0.95 * figures.ordinary


def test_each_is_allowed_live_and_a_look_is_replayed(tmp_path: Path) -> None:
    """The partner: the same rule lets a live call of most of them through, and a replay that only looks."""
    gate, rule = Gate(tmp_path), [parse_rule("shell", Verdict.ALLOW, "a test")]
    live = 0
    for _, command in listed("irreversible.txt")[::5]:
        call = read_call("shell", Effect.EXECUTE, (command,), parse_bash)
        live += gate.permits(rule, PermissionMode.TRUSTED).decide(call).verdict is Verdict.ALLOW
    assert live > 40
    assert verdict(gate.permits([], PermissionMode.ASK), "ls") is Verdict.ALLOW


def test_a_yes_for_the_session_or_the_run_before_does_not_cover_it(tmp_path: Path) -> None:
    gate = Gate(tmp_path)

    asked: list[str] = []

    async def person(question: PermissionQuestion) -> PermissionAnswer:
        """Yes to everything for as long as it goes, then no to what is asked again."""
        asked.append(str(question.call.args["command"]))
        return PermissionAnswer(len(asked) == 1, scope=question.scopes[-1], whole_run=bool(question.run))

    for command in (
        "git push",
        "docker volume prune -f",
        "curl -X DELETE https://api.example.org/users/5",
        "make clean",
    ):
        asked.clear()
        permits = gate.permits([], PermissionMode.ASK, ask=person)
        assert verdict(permits, "touch a.txt") is Verdict.ALLOW
        permits.begin_turn()
        assert (verdict(permits, "touch a.txt"), verdict(permits, command)) == (Verdict.ALLOW, Verdict.DENY)
        assert asked == ["touch a.txt", command]


def test_named_for_this_run_what_is_no_floor_is_replayed(tmp_path: Path) -> None:
    """`--yes` is the name for this run: it covers what only cannot be taken back, and nothing of the floor."""
    permits = Gate(tmp_path).permits([], PermissionMode.ASK, yes=True)
    assert verdict(permits, "docker volume prune -f") is Verdict.ALLOW
    assert verdict(permits, "rm -r build") is Verdict.ALLOW
    for command in ("git push --force", "npm publish", "mkfs.ext4 /dev/sdb1", "rm -rf ~"):
        assert verdict(permits, command) is Verdict.DENY, command


def main() -> None:
    """The figures of `make safety`."""
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder).resolve(), listed("irreversible.txt"))
    for problem in figures.ran:
        print(problem)
    print(figures)
    sys.exit(1 if figures.ran or figures.ordinary_ran < 0.95 * figures.ordinary else 0)


if __name__ == "__main__":
    main()
