"""The one place where a tool runs: what is emitted, kept and given back, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmos.adapters.bash_parser import parse_bash
from llmos.core.errors import StoreError, ToolError
from llmos.core.events import Event, Notice, PermissionDecided, ToolFinished, ToolStarted, Verdict
from llmos.core.messages import ToolCall, ToolResult
from llmos.core.permission import GrantScope, Rule, SavedRun, parse_rule
from llmos.core.ports import Ask, PermissionAnswer, PermissionQuestion
from llmos.core.tool import Effect, FileChanges, Tool, ToolContext, ToolOutput, ToolSpec
from llmos.core.trace import RunStep, digest
from llmos.engine.changes import snapshot, world_digest
from llmos.engine.invoke import Invocation, Invoker
from llmos.engine.step_backups import BackupLimits
from llmos.testing import RecordingEmit
from llmos.tools import builtin_tools

TOOLS = builtin_tools()


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    return made


def invoker(
    cwd: Path,
    emit: Any,
    *,
    tools: Mapping[str, Tool] = TOOLS,
    rules: Sequence[Rule] = (),
    ask: Ask | None = None,
    grant_all: bool = True,
    own_folders: Sequence[Path] = (),
    output_bytes: int = 30_000,
    max_files: int = 2000,
) -> Invoker:
    return Invoker(
        tools=tools,
        rules=rules,
        context=ToolContext(cwd=cwd, timeout_s=20, output_bytes=output_bytes),
        backups=BackupLimits(cwd.parent / "backups", max_files=max_files),
        emit=emit,
        ask=ask,
        grant_all=grant_all,
        own_folders=own_folders,
        parse_shell=parse_bash,
        monotonic=lambda: 0.0,
    )


def shell(command: str) -> ToolCall:
    return ToolCall("c1", "shell", {"command": command})


def started(call: ToolCall, effect: Effect = Effect.EXECUTE, replayed: bool = False) -> ToolStarted:
    return ToolStarted(call_id=call.id, tool=call.name, args=call.args, effect=effect, replayed=replayed)


def finished(call: ToolCall, output: str, **more: Any) -> ToolFinished:
    facts: dict[str, Any] = {
        "ok": True,
        "stdout": output,
        "exit_code": 0,
        "truncated": False,
        "total_bytes": len(output),
        "changes": FileChanges(),
        "backup": None,
        "elapsed_s": 0.0,
    }
    return ToolFinished(call_id=call.id, tool=call.name, output=output, **{**facts, **more})


def allowed(tool: str = "shell", by: str = "--yes", reason: str = "granted for this run") -> PermissionDecided:
    return PermissionDecided(call_id="c1", tool=tool, verdict=Verdict.ALLOW, by=by, reason=reason)


async def test_a_command_from_the_question_to_its_effects(cwd: Path) -> None:
    emit = RecordingEmit()
    (cwd / "a.txt").write_text("old\n")
    call = shell("cat a.txt; echo new > a.txt; touch b.txt")
    made = invoker(cwd, emit)
    world = world_digest(snapshot(cwd))
    got = await made.invoke(call)
    changes = FileChanges(created=("b.txt",), changed=("a.txt",))
    backup = cwd.parent / "backups/1"
    assert emit.events == [
        allowed(),
        started(call),
        finished(call, "old", stdout="old\n", total_bytes=4, changes=changes, backup=str(backup)),
    ]
    assert got == Invocation(
        ToolResult("c1", "old\n[files: created b.txt; changed a.txt]"),
        RunStep(
            tool="shell",
            version=TOOLS["shell"].spec.version,
            args=call.args,
            effect=Effect.EXECUTE,
            reads=("a.txt",),
            ok=True,
            exit_code=0,
            stdout="old\n",
            output="old",
            changes=changes,
            heads=(("a.txt", digest("old\n", str(cwd))),),
            world=world,
        ),
    )
    assert len(world) == 16
    assert (backup / "files/a.txt").read_text() == "old\n"
    made.close()


@pytest.mark.parametrize(
    ("command", "reads"),
    [
        ("wc -l < a.txt", ("a.txt",)),
        ("cat ./a.txt 'a.txt' \"src/../a.txt\"", ("a.txt",)),
        ("ls src", ("src/",)),
        ("cp src/b.py c.py", ("src/b.py",)),
        ("test -d src && test -f x", ("src/",)),
        ("tests", ()),
        ("ls | tests", ()),
        ("echo $(tests); if tests; then tests; fi", ()),
        ("./tests/run", ()),
        ("ls *.txt", ()),
        ("cat missing.txt", ()),
        ("for f in a.txt; do cat $f; done", ("a.txt",)),
    ],
)
async def test_the_names_in_a_command_that_were_there(cwd: Path, command: str, reads: tuple[str, ...]) -> None:
    (cwd / "a.txt").touch()
    (cwd / "src").mkdir()
    (cwd / "src/b.py").touch()
    (cwd / "tests").mkdir()
    got = await invoker(cwd, RecordingEmit()).invoke(shell(command))
    assert got.step is not None
    assert got.step.reads == reads


async def test_output_that_was_cut_is_marked(cwd: Path) -> None:
    got = await invoker(cwd, RecordingEmit(), output_bytes=100).invoke(shell("seq 1000"))
    assert got.step is not None
    assert got.step.truncated


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (ToolCall("c1", "shell", {}, "it is cut off"), "the call was not run: it is cut off"),
        (
            ToolCall("c1", "fly", {}),
            "there is no tool 'fly'; there are archival_memory_add, core_memory_edit, edit_file, list_files, "
            "memory_search, read_file, search_files, shell, write_file",
        ),
        (
            ToolCall("c1", "shell", {"command": "echo \ud800 > x"}),
            "the call was not run: a text in it holds half a character (a lone surrogate)",
        ),
    ],
)
async def test_a_call_that_cannot_run_runs_nothing(cwd: Path, call: ToolCall, said: str) -> None:
    emit = RecordingEmit()
    assert await invoker(cwd, emit).invoke(call) == Invocation(ToolResult("c1", said, True), None)
    assert emit.events == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "shell: argument 'command' is missing"),
        ({"command": "ls", "speed": 3}, "shell: there is no argument 'speed' (the arguments are: command, timeout_s)"),
        ({"command": "a\0b"}, "shell: the command holds a NUL character, which no program can take"),
    ],
)
async def test_bad_arguments_are_said_to_the_model(cwd: Path, args: dict[str, Any], said: str) -> None:
    emit = RecordingEmit()
    call = ToolCall("c1", "shell", args)
    got = await invoker(cwd, emit).invoke(call)
    assert got.result == ToolResult("c1", f"{said}\n[files: no change]", True)
    assert emit.events == [
        allowed(by="reading", reason="it only looks") if len(args) > 1 else allowed(),
        started(call),
        finished(call, said, ok=False, stdout="", exit_code=None, total_bytes=0),
    ]


class TestPermission:
    async def test_with_nobody_to_ask_nothing_starts(self, cwd: Path) -> None:
        emit = RecordingEmit()
        got = await invoker(cwd, emit, grant_all=False).invoke(shell("touch a"))
        reason = "shell runs a command, and no rule allows it; there is nobody to ask, and --yes was not given"
        assert got == Invocation(ToolResult("c1", f"not allowed: {reason}", True), None, reason)
        assert emit.events == [
            PermissionDecided(call_id="c1", tool="shell", verdict=Verdict.DENY, by="nobody to ask", reason=reason)
        ]
        assert list(cwd.iterdir()) == []

    async def test_yes_overrides_no_deny(self, cwd: Path) -> None:
        rules = [parse_rule("shell(rm *)", Verdict.DENY, "config.yaml")]
        got = await invoker(cwd, RecordingEmit(), rules=rules).invoke(shell("true && rm -rf ."))
        assert got.denied == "deny rule shell(rm *) (config.yaml)"

    async def test_the_question_holds_the_bound_call(self, cwd: Path) -> None:
        asked: list[PermissionQuestion] = []

        async def ask(question: PermissionQuestion) -> PermissionAnswer:
            asked.append(question)
            return PermissionAnswer(allow=True, scope=GrantScope.SESSION)

        emit = RecordingEmit()
        made = invoker(cwd, emit, ask=ask, grant_all=False)
        for _ in range(2):
            await made.invoke(shell("touch a"), saved_run=SavedRun("a-trace", "0" * 64))
        assert asked == [
            PermissionQuestion(
                shell("touch a"),
                "execute",
                "shell runs a command, and no rule allows it",
                True,
                "shell(touch a)",
                (GrantScope.ONCE, GrantScope.SESSION),
                "a-trace",
            )
        ]
        assert emit.of(PermissionDecided) == [
            allowed(by="person", reason="allowed for this session: shell(touch a)"),
            allowed(by="person", reason="allowed for this session"),
        ]

    async def test_a_rule_of_paths_sees_through_dots(self, cwd: Path) -> None:
        (cwd / ".env").write_text("secret")
        rules = [parse_rule("read_file(.env)", Verdict.DENY, "config.yaml")]
        for path in (".env", "./.env", "x/../.env", str(cwd / ".env")):
            got = await invoker(cwd, RecordingEmit(), rules=rules).invoke(ToolCall("c1", "read_file", {"path": path}))
            assert got.denied == "deny rule read_file(.env) (config.yaml)"


class Broken:
    """A sink that fails at one kind of event, as a full disk or a screen that crashes does."""

    def __init__(self, kind: type[Event], error: Exception) -> None:
        self.kept = RecordingEmit()
        self._kind = kind
        self._error = error

    def __call__(self, event: Event) -> None:
        if isinstance(event, self._kind):
            raise self._error
        self.kept(event)


class TestWhenSomethingBreaks:
    async def test_a_start_that_cannot_be_recorded_runs_nothing(self, cwd: Path) -> None:
        emit = Broken(ToolStarted, StoreError("the disk is full"))
        with pytest.raises(StoreError, match="the disk is full"):
            await invoker(cwd, emit).invoke(shell("touch a.txt"))
        assert list(cwd.iterdir()) == []

    async def test_a_screen_that_crashes_stops_before_the_tool(self, cwd: Path) -> None:
        with pytest.raises(ZeroDivisionError):
            await invoker(cwd, Broken(ToolStarted, ZeroDivisionError())).invoke(shell("touch a.txt"))
        assert list(cwd.iterdir()) == []

    async def test_a_command_that_is_stopped_is_on_record_with_its_effects(self, cwd: Path) -> None:
        emit = RecordingEmit()
        call = shell("touch begun; sleep 60")
        task = asyncio.create_task(invoker(cwd, emit).invoke(call))
        while not (cwd / "begun").exists():  # noqa: ASYNC110 (another process makes it)
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert emit.events == [
            allowed(),
            started(call),
            finished(
                call,
                "[stopped before its end]",
                ok=False,
                stdout="",
                exit_code=None,
                total_bytes=0,
                changes=FileChanges(created=("begun",)),
            ),
        ]

    async def test_stopping_stays_stopping_when_its_record_fails(self, cwd: Path) -> None:
        task = asyncio.create_task(
            invoker(cwd, Broken(ToolFinished, StoreError("full"))).invoke(shell("touch begun; sleep 60"))
        )
        while not (cwd / "begun").exists():  # noqa: ASYNC110 (another process makes it)
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_a_fault_in_a_tool_is_on_record_before_it_goes_up(self, cwd: Path) -> None:
        async def run(args: Mapping[str, Any], context: ToolContext) -> ToolOutput:
            (context.cwd / "half").touch()
            raise RuntimeError("a bug")

        tool = Tool(ToolSpec("buggy", "d", {}, Effect.EXECUTE, "v"), run, lambda args: ())
        emit = RecordingEmit()
        call = ToolCall("c1", "buggy", {})
        with pytest.raises(RuntimeError, match="a bug"):
            await invoker(cwd, emit, tools={"buggy": tool}).invoke(call)
        assert emit.events[1:] == [
            started(call),
            finished(
                call,
                "[stopped before its end]",
                ok=False,
                stdout="",
                exit_code=None,
                total_bytes=0,
                changes=FileChanges(created=("half",)),
            ),
        ]

    async def test_a_tool_error_is_for_the_model(self, cwd: Path) -> None:
        async def run(args: Mapping[str, Any], context: ToolContext) -> ToolOutput:
            raise ToolError("no such file")

        tool = Tool(ToolSpec("look", "d", {}, Effect.READ, "v"), run, lambda args: ())
        got = await invoker(cwd, RecordingEmit(), tools={"look": tool}).invoke(ToolCall("c1", "look", {}))
        assert got.result == ToolResult("c1", "no such file", True)
        assert got.step is not None
        assert (got.step.ok, got.step.exit_code) == (False, None)

    async def test_copies_that_cannot_be_kept_are_told_of_once(self, cwd: Path) -> None:
        for number in range(5):
            (cwd / f"{number}.txt").touch()
        emit = RecordingEmit()
        made = invoker(cwd, emit, max_files=3)
        await made.invoke(shell("true"))
        await made.invoke(shell("true"))
        (notice,) = emit.of(Notice)
        assert notice.text.startswith("no copies of files are kept before commands run here: ")

    async def test_a_place_for_copies_that_cannot_be_written_stops_the_call(self, cwd: Path) -> None:
        (cwd / "a.txt").write_text("precious")
        (cwd.parent / "backups").write_text("a file stands in the way")
        emit = RecordingEmit()
        got = await invoker(cwd, emit).invoke(shell("rm a.txt"))
        assert got.step is None
        assert got.result.is_error
        assert got.result.content.startswith("the call was not run: cannot create the folder ")
        assert (cwd / "a.txt").read_text() == "precious"


async def test_what_llmos_itself_writes_is_no_effect_of_a_tool(cwd: Path) -> None:
    own = cwd / "memories"
    own.mkdir()
    emit = RecordingEmit()
    await invoker(cwd, emit, own_folders=[own]).invoke(shell("touch memories/recall.jsonl mine.txt"))
    (event,) = emit.of(ToolFinished)
    assert event.changes == FileChanges(created=("mine.txt",))


async def test_a_reading_tool_looks_at_no_directory(cwd: Path) -> None:
    (cwd / "a.txt").write_text("text\n")
    emit = RecordingEmit()
    call = ToolCall("c1", "read_file", {"path": "a.txt"})
    got = await invoker(cwd, emit, grant_all=False).invoke(call)
    assert emit.events == [
        allowed("read_file", "rule", "reading inside the working directory is allowed"),
        started(call, Effect.READ),
        finished(call, "text", stdout="text\n", total_bytes=5, exit_code=None),
    ]
    assert got.step is not None
    assert replace(got.step, version="v").reads == ("a.txt",)
