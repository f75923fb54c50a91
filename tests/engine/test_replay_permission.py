"""A replay does nothing that the live gate would refuse: whatever the rules, the mode and what was granted before."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from llmos.adapters.bash_parser import parse_bash
from llmos.core.events import Verdict
from llmos.core.messages import ToolCall
from llmos.core.permission import PermissionMode, SavedRun, parse_rule, read_call
from llmos.core.ports import Ask, GrantScope, PermissionAnswer, PermissionQuestion
from llmos.core.tool import Effect, ToolSpec
from llmos.engine.permits import Permits
from llmos.engine.shell_world import FileWorld

COMMANDS = ("ls", "ls -l", "rm a.txt", "rm -r d1", "git push", "echo hi > a.txt")
LASTING = ("rm a.txt", "rm -r d1", "git push")
RULES = ("shell", "shell(ls)", "shell(ls *)", "shell(rm *)", "shell(git *)", "shell(*)", "write_file")
SPEC = ToolSpec("shell", "Run a command.", {"type": "object"}, Effect.EXECUTE, "0" * 12)
RUN = SavedRun("saved", "0" * 64)


async def yes_for_the_session(question: PermissionQuestion) -> PermissionAnswer:
    scope = GrantScope.SESSION if GrantScope.SESSION in question.scopes else GrantScope.ONCE
    return PermissionAnswer(True, scope=scope)


async def no(_: PermissionQuestion) -> PermissionAnswer:
    return PermissionAnswer(False)


@given(
    rules=st.lists(st.tuples(st.sampled_from(Verdict), st.sampled_from(RULES)), max_size=4),
    mode=st.sampled_from(PermissionMode),
    command=st.sampled_from(COMMANDS),
    before=st.lists(st.sampled_from(COMMANDS), max_size=2),
    grant_all=st.booleans(),
)
def test_what_is_refused_live_is_refused_in_a_replay(
    rules: list[tuple[Verdict, str]], mode: PermissionMode, command: str, before: list[str], grant_all: bool
) -> None:
    def permits(ask: Ask | None) -> Permits:
        parsed = [parse_rule(text, verdict, "a test") for verdict, text in rules]
        return Permits(
            parsed,
            ask=ask,
            grant_all=grant_all,
            mode=mode,
            saved=None,
            parse=parse_bash,
            world=FileWorld(Path("/tmp")),
            cwd=Path("/tmp"),
        )

    def verdict(one: Permits, text: str, run: SavedRun | None) -> Verdict:
        call = ToolCall("c1", "shell", {"command": text})
        return asyncio.run(one.judge(call, SPEC, [text], run)).verdict

    for ask in (None, no):
        # Nothing was granted: both are judged alike, but that a replay which cannot be taken back asks again.
        live, replayed = verdict(permits(ask), command, None), verdict(permits(ask), command, RUN)
        assert replayed is live or (replayed is Verdict.DENY and command in LASTING)
    # A person granted much before; what the rules deny stays denied, in a replay as well.
    granted = permits(yes_for_the_session)
    for text in before:
        verdict(granted, text, RUN)
    call = read_call("shell", Effect.EXECUTE, (command,), parse_bash)
    if granted.decide(call).verdict is Verdict.DENY:
        assert verdict(granted, command, None) is Verdict.DENY
        assert verdict(granted, command, RUN) is Verdict.DENY
