"""Steps of several sub-goals in one directory: who waits, whose change is whose, and who may not write."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llmos.adapters.bash_parser import parse_bash
from llmos.core.events import Event, ToolFinished, ToolStarted
from llmos.core.messages import ToolCall
from llmos.core.permission import PermissionMode
from llmos.core.ports import PermissionAnswer, PermissionQuestion
from llmos.core.tool import FileChanges, ToolContext
from llmos.engine.claims import Claims, Held
from llmos.engine.invoke import Invocation, Invoker
from llmos.engine.step_backups import BackupLimits
from llmos.tools import builtin_tools


def invoker(folder: Path, *, ask: object = None, grant_all: bool = True) -> Invoker:
    (folder / "work").mkdir(exist_ok=True)
    return Invoker(
        tools=builtin_tools(),
        rules=(),
        context=ToolContext(cwd=folder / "work", timeout_s=20),
        backups=BackupLimits(folder / "backups"),
        emit=lambda _: None,
        ask=ask,  # type: ignore[arg-type]
        grant_all=grant_all,
        parse_shell=parse_bash,
    )


def shell(command: str) -> ToolCall:
    return ToolCall("c", "shell", {"command": command})


def made(invocation: Invocation) -> tuple[str, ...]:
    assert invocation.step is not None, invocation.result.content
    return invocation.step.changes.created


async def test_commands_whose_effects_are_not_known_run_one_after_the_other(tmp_path: Path) -> None:
    top = invoker(tmp_path)
    one, two = top.child("1", lambda _: None), top.child("2", lambda _: None)
    first, second = await asyncio.gather(
        one.invoke(shell("sleep 0.2; touch a.txt; sleep 0.1; test ! -e b.txt && touch alone.txt")),
        two.invoke(shell("touch b.txt")),
    )
    assert (made(first), made(second)) == (("a.txt", "alone.txt"), ("b.txt",))


async def test_steps_whose_effects_are_on_record_overlap_and_each_sees_its_own(tmp_path: Path) -> None:
    top = invoker(tmp_path)
    one, two = top.child("1", lambda _: None), top.child("2", lambda _: None)
    wait = "until test -e {other}; do sleep 0.02; done"
    first, second = await asyncio.wait_for(
        asyncio.gather(
            one.invoke(shell(f"touch a.txt; {wait.format(other='b.txt')}"), touches=("a.txt",)),
            two.invoke(shell(f"touch b.txt; {wait.format(other='a.txt')}"), touches=("b.txt",)),
        ),
        10,
    )
    assert (made(first), made(second)) == (("a.txt",), ("b.txt",))


def order(events: list[Event]) -> list[str]:
    return [f"{type(one).__name__[4:]} {one.call_id}" for one in events if isinstance(one, ToolStarted | ToolFinished)]


async def side_by_side(folder: Path, first: str, second: str) -> tuple[list[str], Invocation, Invocation]:
    """Two commands of two sub-goals at once: in which order they began and ended, and what came of them."""
    events: list[Event] = []
    top = invoker(folder)
    one, two = top.child("1", events.append), top.child("2", events.append)
    calls = [ToolCall(str(n), "shell", {"command": command}) for n, command in enumerate((first, second), start=1)]
    ran = await asyncio.gather(one.invoke(calls[0]), two.invoke(calls[1]))
    return order(events), ran[0], ran[1]


AT_ONCE = ["Started 1", "Started 2"]
IN_ORDER = ["Started 1", "Finished 1", "Started 2", "Finished 2"]


async def test_commands_that_say_what_they_write_overlap_and_each_sees_its_own(tmp_path: Path) -> None:
    (tmp_path / "work" / "out").mkdir(parents=True)
    (tmp_path / "work" / "n.txt").write_text("x\n")
    ran, first, second = await side_by_side(
        tmp_path,
        "cp n.txt out/ && sleep 0.3 && rm n.txt",
        "echo y > b.txt; sleep 0.3; mkdir -p out && mv b.txt out/b.txt",
    )
    assert ran[:2] == AT_ONCE
    assert first.step is not None and second.step is not None
    assert first.step.changes == FileChanges(("out/n.txt",), (), ("n.txt",))
    assert second.step.changes == FileChanges(("out/b.txt",), (), ())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sleep 0.2; echo x > a.txt", "cat a.txt > b.txt"),  # the second reads what the first writes
        ("sleep 0.2; cat n.txt > b.txt", "echo y > n.txt"),  # the other way round
        ("sleep 0.2; mv n.txt c.txt", "wc -l < n.txt"),  # a look at what is moved
        ("sleep 0.2; echo x > a.txt", "ls"),  # a look at everything
        ("sleep 0.2; mkdir -p d/e", "touch d/f"),  # below a folder that is made
        ("sleep 0.2; echo x > a.txt", "bash -c 'echo y > c.txt'"),  # nobody knows what that changes
        ("bash -c 'sleep 0.2'", "echo x > a.txt"),
        ("sleep 0.2; echo x > A.txt", "echo y > a.txt"),  # one file, on some file systems
    ],
)
async def test_commands_that_touch_the_same_or_may_run_one_after_the_other(
    tmp_path: Path, first: str, second: str
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "n.txt").write_text("x\n")
    ran, _, _ = await side_by_side(tmp_path, first, second)
    assert ran == IN_ORDER


async def test_two_commands_that_would_write_one_file_are_found_before_they_do(tmp_path: Path) -> None:
    ran, _, second = await side_by_side(tmp_path, "sleep 0.2; echo x > a.txt", "mkdir -p d && echo y > a.txt")
    assert ran == ["Started 1", "Finished 1"]
    assert second.step is None and "sub-goal 1 of this same turn has written a.txt" in second.result.content
    assert not (tmp_path / "work" / "d").exists()


async def test_a_folder_that_holds_a_file_of_another_is_not_taken_away(tmp_path: Path) -> None:
    top = invoker(tmp_path)
    one, two = top.child("1", lambda _: None), top.child("2", lambda _: None)
    assert (await one.invoke(shell("mkdir -p d/e && echo x > d/e/a.txt"))).step is not None
    for command in ("rm -r d", "mv d f", "rm -r d/e"):
        refused = await two.invoke(shell(command))
        assert refused.step is None and "sub-goal 1 of this same turn has written" in refused.result.content
    assert (await two.invoke(shell("mkdir -p d/e && echo y > d/e/b.txt"))).step is not None


async def test_what_a_command_would_touch_is_looked_at_again_when_it_had_to_wait(tmp_path: Path) -> None:
    """`b.txt` becomes a link while the second waits: then it writes to another file, and runs alone."""
    events: list[Event] = []
    top = invoker(tmp_path)
    children = [top.child(str(n), events.append, after=frozenset({"1", "3"})) for n in (1, 2, 3)]
    commands = ("bash -c 'sleep 0.2; ln -s c.txt b.txt'", "echo y > b.txt; sleep 0.2", "sleep 0.1; touch c.txt")
    calls = [ToolCall(str(n), "shell", {"command": command}) for n, command in enumerate(commands, start=1)]
    ran = await asyncio.gather(*(child.invoke(call) for child, call in zip(children, calls, strict=True)))
    assert order(events) == [f"{what} {call}" for call in (1, 3, 2) for what in ("Started", "Finished")]
    assert ran[1].step is not None and ran[1].step.changes.changed == ("c.txt",)


async def test_what_nobody_announced_is_seen_by_both(tmp_path: Path) -> None:
    """The partner of the test above: a change that is on nobody's record is never hidden."""
    top = invoker(tmp_path)
    one, two = top.child("1", lambda _: None), top.child("2", lambda _: None)
    wait = "until test -e {other}; do sleep 0.02; done"
    first, second = await asyncio.gather(
        one.invoke(shell(f"touch a.txt strange.txt; {wait.format(other='b.txt')}"), touches=("a.txt",)),
        two.invoke(shell(f"{wait.format(other='a.txt')}; touch b.txt"), touches=("b.txt",)),
    )
    assert "strange.txt" in made(first)
    assert "a.txt" not in made(second)


async def test_what_a_program_makes_and_takes_away_is_no_change_of_another(tmp_path: Path) -> None:
    top = invoker(tmp_path)
    one, two = top.child("1", lambda _: None), top.child("2", lambda _: None)
    passing = "touch sedXy; touch a.txt; until test -e b.txt; do sleep 0.02; done; sleep 0.2; rm sedXy"
    first, second = await asyncio.gather(
        one.invoke(shell(passing), touches=("a.txt",)),
        two.invoke(shell("until test -e sedXy; do sleep 0.02; done; touch b.txt"), touches=("b.txt",)),
    )
    assert (made(first), made(second)) == (("a.txt",), ("b.txt",))


async def test_a_command_that_only_looks_does_not_wait_for_a_file_tool(tmp_path: Path) -> None:
    top = invoker(tmp_path)
    (tmp_path / "work" / "n.txt").write_text("x\n")
    one, two = top.child("1", lambda _: None), top.child("2", lambda _: None)
    write = ToolCall("c", "write_file", {"path": "a.txt", "content": "x"})
    looked, wrote = await asyncio.gather(one.invoke(shell("cat n.txt")), two.invoke(write))
    assert (made(looked), made(wrote)) == ((), ("a.txt",))


async def test_file_tools_side_by_side_see_nothing_of_each_other(tmp_path: Path) -> None:
    """They write in threads, through files of their own that are gone at the end: a look may fall on any moment."""
    top = invoker(tmp_path)
    children = {name: top.child(name, lambda _: None) for name in ("1", "2", "3")}
    for number in range(15):
        writes = {n: ToolCall("c", "write_file", {"path": f"{number}-{n}.txt", "content": "x"}) for n in children}
        ran = await asyncio.gather(*(children[name].invoke(call) for name, call in writes.items()))
        assert [made(one) for one in ran] == [(f"{number}-{name}.txt",) for name in children]
        assert not any(one.step.changes.deleted for one in ran if one.step)


async def test_a_file_of_another_sub_goal_is_refused_before_it_is_written(tmp_path: Path) -> None:
    top = invoker(tmp_path)
    one, two = top.child("1", lambda _: None), top.child("2", lambda _: None)
    after = top.child("3", lambda _: None, after=frozenset({"1"}))
    write = ToolCall("c", "write_file", {"path": "a.txt", "content": "mine\n"})
    assert made(await one.invoke(write)) == ("a.txt",)
    refused = await two.invoke(ToolCall("c", "write_file", {"path": "./a.txt", "content": "other\n"}))
    said = "sub-goal 1 of this same turn has written a.txt, and sub-goal 2 does not wait for it; write to another file"
    assert refused.step is None and refused.result.content == f"the call was not run: {said}"
    assert (await two.invoke(shell("echo x >> a.txt"))).step is None
    assert (await two.invoke(shell("cat a.txt"))).step is not None
    assert (tmp_path / "work" / "a.txt").read_text() == "mine\n"
    assert (await after.invoke(shell("echo x >> a.txt"))).step is not None
    assert (await top.invoke(shell("rm a.txt"))).step is not None


async def test_what_is_whose_ends_with_the_turn_and_agents_share_with_their_own(tmp_path: Path) -> None:
    top = invoker(tmp_path)
    two = top.child("2", lambda _: None, after=frozenset({"1"}))
    agent = two.child("2/reviewer-1", lambda _: None)
    beside = two.child("2/reviewer-2", lambda _: None)
    later = two.child("2/reviewer-3", lambda _: None, after=frozenset({"2/reviewer-1"}))
    three = top.child("3", lambda _: None, after=frozenset({"1", "2"}))

    def write(path: str) -> ToolCall:
        return ToolCall("c", "write_file", {"path": path, "content": "x"})

    assert (await top.child("1", lambda _: None).invoke(write("one.txt"))).step is not None
    assert (await agent.invoke(write("a.txt"))).step is not None
    for may in (two, later, three):
        assert (await may.invoke(shell("echo x >> a.txt"))).step is not None
    for may in (two, agent):
        assert (await may.invoke(shell("echo x >> one.txt"))).step is not None
    assert (await agent.invoke(write("mine.txt"))).step is not None
    assert (await beside.invoke(shell("echo x >> mine.txt"))).step is None
    top.begin_turn()
    assert (await beside.invoke(shell("echo x >> mine.txt"))).step is not None


async def test_one_that_is_cut_off_while_it_waits_leaves_no_trace(tmp_path: Path) -> None:
    claims = Claims()
    async with claims.hold(Held(None)):
        waiting = asyncio.ensure_future(_held(claims))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        third = asyncio.ensure_future(_held(claims))
        await asyncio.sleep(0)
        assert not third.done()
    await asyncio.wait_for(third, 1)


async def _held(claims: Claims) -> None:
    async with claims.hold(Held(frozenset({"a"}))):
        pass


def test_changes_are_left_alone_where_nothing_overlapped() -> None:
    changes = FileChanges(("a",), ("b",), ("c",))
    assert Held(None).own(changes) is changes
    assert Held(frozenset({"a"}), others={"a", "b"}).own(changes) == FileChanges(("a",), (), ("c",))


class TestPermissions:
    async def test_a_child_is_never_looser(self, tmp_path: Path) -> None:
        top = invoker(tmp_path, grant_all=False)
        strict = top.child("1/reviewer", lambda _: None, strictest=PermissionMode.READ_ONLY)
        loose = top.child("2", lambda _: None, strictest=PermissionMode.TRUSTED)
        top.mode = PermissionMode.ACCEPT_EDITS
        assert (strict.mode, loose.mode) == (PermissionMode.READ_ONLY, PermissionMode.ACCEPT_EDITS)
        top.mode = PermissionMode.READ_ONLY
        assert loose.mode is PermissionMode.READ_ONLY
        few = top.child("3", lambda _: None, tools={name: top.tools[name] for name in ("read_file", "shell")})
        assert set(few.child("3/a", lambda _: None, tools=top.tools).tools) == {"read_file", "shell"}

    async def test_questions_bear_the_name_and_come_one_after_the_other(self, tmp_path: Path) -> None:
        open_now, asked = [0], list[str]()

        async def ask(question: PermissionQuestion) -> PermissionAnswer:
            open_now[0] += 1
            assert open_now[0] == 1
            asked.append(question.agent)
            await asyncio.sleep(0.01)
            open_now[0] -= 1
            return PermissionAnswer(question.agent != "2")

        top = invoker(tmp_path, ask=ask, grant_all=False)
        events: list[Event] = []
        children = [top.child(name, events.append) for name in ("1", "2", "3/reviewer")]
        ran = await asyncio.gather(
            *(child.invoke(shell(f"touch {number}.txt")) for number, child in enumerate(children))
        )
        assert sorted(asked) == ["1", "2", "3/reviewer"]
        assert [invocation.step is not None for invocation in ran] == [True, False, True]

    async def test_nobody_to_ask_means_no(self, tmp_path: Path) -> None:
        child = invoker(tmp_path, grant_all=False).child("1", lambda _: None)
        denied = (await child.invoke(shell("touch a.txt"))).denied
        assert "there is nobody to ask" in denied
