"""The shell tool with the real bash."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import resource
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from llmos.core.errors import ToolError
from llmos.core.tool import ToolContext, ToolOutput
from llmos.tools.process import Collector, members, polled_exit, run_session
from llmos.tools.shell import environment, shell


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    return ToolContext(cwd=tmp_path, timeout_s=20)


async def run(context: ToolContext, command: str, **args: object) -> ToolOutput:
    return await shell.run({"command": command, **args}, context)


def alive(pid_file: Path) -> list[int]:
    """Which of the processes that wrote their ids into the file still run."""
    found = []
    for pid in map(int, pid_file.read_text().split()):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            found.append(pid)
    return found


async def written(pid_file: Path, count: int) -> None:
    """Wait until that many processes wrote their ids."""
    while not pid_file.exists() or len(pid_file.read_text().split()) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def children() -> set[str]:
    """Processes that this one started and has not reaped."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("echo hi", ToolOutput("hi", True, 0, False, 3, "hi\n")),
        ("true", ToolOutput("[no output]", True, 0)),
        ("exit 3", ToolOutput("[no output]\n[exit code 3]", False, 3)),
        ("echo a; echo b >&2; exit 1", ToolOutput("a\n[stderr]\nb\n[exit code 1]", False, 1, False, 4, "a\n")),
        ("echo only >&2", ToolOutput("[stderr]\nonly", True, 0, False, 5, "")),
        ("printf 'no newline'", ToolOutput("no newline", True, 0, False, 10, "no newline")),
        ("kill -SEGV $$", ToolOutput("[no output]\n[killed by SIGSEGV]", False, None)),
        ("printf 'x\\377\\376\\n'", ToolOutput("x\ufffd\ufffd", True, 0, False, 4, "x\ufffd\ufffd\n")),
        ("printf '\\033[31mred\\033[0m\\n'", ToolOutput("red", True, 0, False, 13, "red\n")),
        ("cat", ToolOutput("[no output]", True, 0)),
        ("echo 'ünïcode 日本'", ToolOutput("ünïcode 日本", True, 0, False, 17, "ünïcode 日本\n")),
        ("nosuchprogram_", None),
    ],
)
async def test_output_and_exit_code(context: ToolContext, command: str, output: ToolOutput | None) -> None:
    found = await run(context, command)
    if output is None:
        assert (found.ok, found.exit_code, found.stdout) == (False, 127, "")
        assert found.text.endswith("command not found\n[exit code 127]")
    else:
        assert found == output


async def test_it_runs_in_the_working_folder_and_nothing_carries_over(context: ToolContext) -> None:
    assert (await run(context, "mkdir sub; cd sub; X=1; pwd")).stdout == f"{context.cwd}/sub\n"
    assert (await run(context, "pwd; echo [$X]")).stdout == f"{context.cwd}\n[]\n"


async def test_no_start_up_file_is_read(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    start_up = context.cwd / ".bashrc"
    start_up.write_text("echo from a start-up file\n")
    monkeypatch.setenv("BASH_ENV", str(start_up))
    monkeypatch.setenv("HOME", str(context.cwd))
    assert await run(context, "echo hi") == ToolOutput("hi", True, 0, False, 3, "hi\n")


def test_environment_hides_credentials_and_stops_pagers() -> None:
    parent = {"PATH": "/bin", "LC_ALL": "C", "ANTHROPIC_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "t", "PAGER": "less"}
    assert environment(parent) == {
        "PATH": "/bin",
        "LC_ALL": "C",
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
    }


async def test_the_child_sees_that_environment(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted-key")
    found = await run(context, "env")
    assert "planted-key" not in found.stdout
    assert "GIT_PAGER=cat\n" in found.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [("  \n", "command is empty"), ("echo \0", "NUL character"), ("x" * 200_000, "over 128 KiB")],
)
async def test_commands_that_cannot_be_run(context: ToolContext, command: str, said: str) -> None:
    with pytest.raises(ToolError, match=said):
        await run(context, command)


async def test_a_missing_working_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="gone does not exist"):
        await run(ToolContext(cwd=tmp_path / "gone"), "true")


async def test_a_time_limit_that_is_no_number_is_refused(context: ToolContext) -> None:
    for limit in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ToolError, match="timeout_s"):
            await run(context, "true", timeout_s=limit)


async def test_large_output_keeps_head_and_tail(tmp_path: Path) -> None:
    context = ToolContext(cwd=tmp_path, output_bytes=100)
    found = await run(context, "seq 1000")
    assert (found.ok, found.truncated, found.total_bytes) == (True, True, 3893)
    assert found.text.startswith("1\n2\n3\n")
    assert found.text.endswith("\n999\n1000")
    assert "\n[3793 bytes left out]\n" in found.text
    assert found.stdout == found.text + "\n"


async def test_both_streams_share_the_cap(tmp_path: Path) -> None:
    context = ToolContext(cwd=tmp_path, output_bytes=1000)
    found = await run(context, "seq 1000; seq 1000 >&2; exit 2")
    assert len(found.text) < 1200
    assert found.text.count("[3393 bytes left out]") == 2
    assert found.text.endswith("1000\n[exit code 2]")
    assert found.total_bytes == 2 * 3893


async def test_endless_output_is_quick_and_takes_no_memory(context: ToolContext) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found = await run(context, "yes | head -c 200M")
    assert time.perf_counter() - start < 60
    assert (found.ok, found.truncated, found.total_bytes) == (True, True, 200 * 1024 * 1024)
    assert len(found.stdout) < context.output_bytes + 100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


async def test_the_time_limit_ends_grandchildren(context: ToolContext) -> None:
    # `timeout` puts its child into a process group of its own; the limit must reach that too.
    command = "(sleep 60 & echo $! >> pids; wait) & timeout 60 bash -c 'echo $$ >> pids; sleep 60'; echo never"
    found = await run(context, command, timeout_s=1.5)
    assert (found.ok, found.exit_code, found.stdout) == (False, None, "")
    assert found.text.endswith("[ended after 1.5 s: time limit]")
    assert len((context.cwd / "pids").read_text().split()) == 2
    assert alive(context.cwd / "pids") == []


async def test_what_was_said_before_the_limit_is_kept(context: ToolContext) -> None:
    found = await run(context, "echo begun; sleep 60", timeout_s=0.3)
    assert found == ToolOutput("begun\n[ended after 0.3 s: time limit]", False, None, False, 6, "begun\n")


async def test_a_child_that_ignores_sigterm_is_killed(context: ToolContext) -> None:
    start = time.perf_counter()
    await run(context, "trap '' TERM; echo $$ > pids; while true; do sleep 0.1; done", timeout_s=0.3)
    assert time.perf_counter() - start < 30  # the child never ends by itself
    assert alive(context.cwd / "pids") == []


async def test_sigterm_comes_first_so_that_a_command_can_clean_up(context: ToolContext) -> None:
    await run(context, "trap 'echo cleaned > mark; exit' TERM; sleep 60 & wait", timeout_s=0.3)
    assert (context.cwd / "mark").read_text() == "cleaned\n"


async def test_the_configured_limit_cannot_be_raised(tmp_path: Path) -> None:
    context = ToolContext(cwd=tmp_path, timeout_s=0.3)
    assert (await run(context, "sleep 60", timeout_s=600)).text == "[no output]\n[ended after 0.3 s: time limit]"


async def test_cancelling_ends_the_session(context: ToolContext) -> None:
    task = asyncio.create_task(run(context, "sleep 60 & echo $! > pids; echo $$ >> pids; wait"))
    await written(context.cwd / "pids", 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive(context.cwd / "pids") == []


async def test_a_second_cancel_does_not_wait_for_the_grace(tmp_path: Path) -> None:
    stubborn = "trap '' TERM; echo $$ > pids; while true; do sleep 0.1; done"
    task = asyncio.create_task(
        run_session(
            ["bash", "-c", stubborn], cwd=tmp_path, env=os.environ, timeout_s=600, output_bytes=100, term_grace_s=300
        )
    )
    await written(tmp_path / "pids", 1)
    start = time.perf_counter()
    task.cancel()
    await asyncio.sleep(0.05)
    assert len(alive(tmp_path / "pids")) == 1  # the first one asks, and asks in vain
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.perf_counter() - start < 60
    await asyncio.sleep(0.1)
    assert alive(tmp_path / "pids") == []


async def test_a_background_child_neither_hangs_the_tool_nor_is_ended(context: ToolContext) -> None:
    start = time.perf_counter()
    found = await run(context, "sleep 30 & echo $! > pids; echo started")
    assert time.perf_counter() - start < 25  # the child holds on for 30 s
    assert (found.ok, found.exit_code, found.stdout) == (True, 0, "started\n")
    assert "background process still holds the output open" in found.text
    (pid,) = alive(context.cwd / "pids")
    os.kill(pid, 9)


async def test_a_background_child_with_its_own_output_is_left_alone(context: ToolContext) -> None:
    found = await run(context, "sleep 30 >log 2>&1 & echo $! > pids; echo started")
    assert found == ToolOutput("started", True, 0, False, 8, "started\n")
    (pid,) = alive(context.cwd / "pids")
    os.kill(pid, 9)


async def test_commands_run_side_by_side(context: ToolContext) -> None:
    start = time.perf_counter()
    found = await asyncio.gather(*(run(context, f"sleep 1; echo {n}") for n in range(12)))
    assert [output.stdout for output in found] == [f"{n}\n" for n in range(12)]
    assert time.perf_counter() - start < 10  # one after the other they take 12 s


async def test_no_descriptor_and_no_zombie_is_left(context: ToolContext) -> None:
    await run(context, "true")
    before = descriptors(), children()
    for _ in range(5):
        await run(context, "echo x")
        await run(context, "sleep 9", timeout_s=0.05)
    await asyncio.sleep(0)
    assert (descriptors(), children()) == before


async def test_the_end_is_seen_without_the_systems_help() -> None:
    process = subprocess.Popen(["sleep", "0.05"], start_new_session=True)  # noqa: ASYNC220
    assert members(process.pid) == {process.pid: process.pid}
    await polled_exit(process)
    assert members(process.pid) == {}
    assert process.wait() == 0


class _Watched(io.FileIO):
    """The reading end of a pipe; `ours` says whether its descriptor was still open when it was closed."""

    ours: bool | None = None

    def close(self) -> None:
        if not self.closed:
            try:
                os.fstat(self.fileno())
                self.ours = True
            except OSError:
                self.ours = False
        super().close()


async def _read_by_collector(pipe: _Watched) -> None:
    collector = Collector(pipe, 100)  # type: ignore[arg-type]
    collector.start()
    await collector.ended.wait()
    assert collector.kept.text() == "hi"


async def _read_by_transport(pipe: _Watched) -> None:
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(asyncio.Protocol, pipe)
    while not transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    with contextlib.suppress(OSError):
        pipe.close()


@pytest.mark.parametrize(("read", "ours"), [(_read_by_collector, True), (_read_by_transport, False)])
def test_the_descriptor_of_a_stream_is_closed_once_also_on_the_loop_of_ray(
    read: Callable[[_Watched], Awaitable[None]], ours: bool
) -> None:
    """The partner is the loop's own transport: closed by libuv and then by the file, whoever has the number by then."""
    uvloop = pytest.importorskip("uvloop")  # where it is not installed, Ray uses the loop of asyncio
    reading, writing = os.pipe()
    os.write(writing, b"hi")
    os.close(writing)
    pipe = _Watched(reading)

    async def go() -> None:
        await read(pipe)

    uvloop.run(go())
    assert pipe.ours is ours
