"""The boundary around commands, in each tier that this machine has. At least one must be there."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.adapters.sandbox import find_sandbox, holds
from llmos.adapters.sandbox_bwrap import Bubblewrap, find_bubblewrap
from llmos.adapters.sandbox_landlock import LEAST_ABI, Landlock, landlock_abi
from llmos.app_boundary import boundary_paths, tool_context
from llmos.core.sandbox import Boundary, Sandbox
from llmos.core.tool import ToolContext, ToolOutput
from llmos.memory.config import load_config
from llmos.memory.private_folder import PrivateFolder
from llmos.memory.workspace import find_workspace, init_workspace
from llmos.tools.shell import shell

pytestmark = pytest.mark.slow


def tiers(private: Path) -> dict[str, Sandbox]:
    """What this machine has, by name. A test that found none would prove nothing, so that is a failure."""
    found: dict[str, Sandbox] = {}
    if executable := find_bubblewrap(os.environ.get("PATH", "")):
        found["bubblewrap"] = Bubblewrap(executable, private)
    if landlock_abi() >= LEAST_ABI:
        found["landlock"] = Landlock(landlock_abi(), private)
    found = {name: sandbox for name, sandbox in found.items() if holds(sandbox)}
    assert found, "no sandbox tier works on this machine: install bubblewrap, or use a kernel with Landlock"
    return found


@pytest.fixture(params=["bubblewrap", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    private = PrivateFolder()
    there = tiers(private.path)
    if request.param not in there:
        pytest.skip(f"no {request.param} here; tested: {', '.join(there)}")
    yield there[request.param]
    private.remove()


@pytest.fixture
def context(tmp_path: Path, sandbox: Sandbox) -> ToolContext:
    cwd = tmp_path / "work"
    cwd.mkdir()
    return ToolContext(cwd=cwd, timeout_s=20, sandbox=sandbox, boundary=Boundary(hidden=(tmp_path / "keys",)))


async def run(context: ToolContext, command: str, **args: object) -> ToolOutput:
    return await shell.run({"command": command, **args}, context)


MARKER = f"{os.getpid()}00"
"""Stands in the command lines of this process's tests alone: others run the same ones at the same time."""


def alive(marker: str) -> list[int]:
    """Processes whose command line holds the marker."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if marker.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def test_the_strongest_tier_is_found() -> None:
    private = PrivateFolder()
    assert find_sandbox(private.path).tier.name == next(iter(tiers(private.path)))
    private.remove()


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("echo hi", ToolOutput("hi", True, 0, False, 3, "hi\n")),
        ("exit 3", ToolOutput("[no output]\n[exit code 3]", False, 3)),
        ("echo a; echo b >&2; exit 1", ToolOutput("a\n[stderr]\nb\n[exit code 1]", False, 1, False, 4, "a\n")),
        ("cat", ToolOutput("[no output]", True, 0)),
        ("kill -SEGV $$", ToolOutput("[no output]\n[exit code 139]", False, 139)),
        ("echo a > f && cat f && mkdir d && mv f d/g && rm -r d", ToolOutput("a", True, 0, False, 2, "a\n")),
        ("echo t > $TMPDIR/t && cat $(mktemp -p $TMPDIR) $TMPDIR/t", ToolOutput("t", True, 0, False, 2, "t\n")),
    ],
)
async def test_a_command_works_as_ever(context: ToolContext, command: str, output: ToolOutput) -> None:
    assert await run(context, command) == output


async def test_what_is_in_the_private_folder_is_there_for_the_next_command(context: ToolContext) -> None:
    await run(context, "echo kept > $TMPDIR/note")
    assert (await run(context, "cat $TMPDIR/note")).stdout == "kept\n"


async def test_what_llmos_can_make_anew_may_grow_large(context: ToolContext) -> None:
    folder = context.cwd / ".llmos"
    folder.mkdir()
    with (folder / "memory.sqlite").open("wb") as index:
        index.truncate(40_000_000)
    found = await run(context, "echo ran; echo BREACH > .llmos/new")
    assert found.stdout == "ran\n"


async def test_keys_are_neither_read_nor_written(context: ToolContext) -> None:
    keys = context.cwd.parent / "keys"
    keys.mkdir()
    (keys / "id").write_text("private")
    found = await run(context, "cat ../keys/id; echo x > ../keys/id; echo x > ../keys/new; ls -A ../keys; cat ../*/id")
    assert "private" not in found.text
    assert [path.name for path in keys.iterdir()] == ["id"] and (keys / "id").read_text() == "private"


async def test_home_key_and_store_of_llmos_are_out_of_reach(tmp_path: Path, sandbox: Sandbox) -> None:
    """With the boundary that the product makes: a project whose record lies in the working directory."""
    project = tmp_path / "project"
    init_workspace(project)
    home = tmp_path / "home"
    environ = {"HOME": str(home), "LLMOS_HOME": str(home / ".llmos")}
    planted = [home / ".llmos/approvals.jsonl", home / ".llmos.key", home / ".ssh/id", project / ".llmos/index"]
    for path in planted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("planted")
    (project / "traces/a.yaml").write_text("learned")
    space = find_workspace(None, environ, project)
    config = load_config(space, environ, {})
    context = tool_context(config, boundary_paths(config, space, environ), cwd=project, sandbox=sandbox)
    shown = sandbox.tier.name == "landlock"  # what llmos keeps for itself in a project cannot be hidden there
    for path in planted:
        found = await run(context, f"cat {path}; echo BREACH > {path}")
        assert ("planted" in found.text) == (shown and path.is_relative_to(project)), path
    assert [path.read_text() for path in planted[:3]] == ["planted"] * 3
    forged = "cat traces/a.yaml; echo BREACH > traces/a.yaml; echo BREACH > traces/b.yaml; echo BREACH >> config.yaml"
    assert (await run(context, forged)).stdout == "learned"
    assert [path.name for path in (project / "traces").iterdir()] == ["a.yaml"]
    assert (project / "traces/a.yaml").read_text() == "learned"
    assert "BREACH" not in (project / "config.yaml").read_text()
    assert (await run(context, "echo mine > file; cat file")).stdout == "mine\n"


async def test_the_network_is_off_and_a_person_opens_it_for_named_commands(tmp_path: Path, sandbox: Sandbox) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    home = tmp_path / "home"
    home.mkdir()
    connect = tmp_path / "work" / "connect"
    connect.parent.mkdir()
    connect.write_text(f"import socket; socket.create_connection(('127.0.0.1', {port}), 3); print('through')")
    environ = {"HOME": str(tmp_path), "LLMOS_HOME": str(home)}
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable

    async def through(settings: str, command: str) -> bool:
        (home / "config.yaml").write_text("format: llmos-config/1\n" + settings)
        space = find_workspace(None, environ, connect.parent)
        config = load_config(space, environ, {})
        paths = boundary_paths(config, space, environ)
        context = tool_context(config, paths, cwd=connect.parent, sandbox=sandbox)
        return "through" in (await run(context, command)).stdout

    rule = f'sandbox: {{network_for: ["shell({python} connect*)"]}}\n'
    assert not await through("", f"{python} connect")
    assert await through("sandbox: {network: on}\n", f"{python} connect")
    assert await through(rule, f"{python} connect")
    assert not await through(rule, f"true; {python} connect")
    assert not await through(rule, f"{python} -I connect")
    server.close()


async def test_the_environment_is_clean(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_NAME", "planted-value")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted-key")
    found = await run(context, "env; cat /proc/*/environ | tr '\\0' '\\n'")
    assert "planted" not in found.stdout
    assert f"HOME={os.environ['HOME']}\n" in found.stdout


async def test_nothing_outlives_its_command(context: ToolContext) -> None:
    start = time.perf_counter()
    found = await run(context, f"(setsid sleep {MARKER}1 &) ; sleep {MARKER}1 & echo started")
    assert (found.stdout, time.perf_counter() - start < 5) == ("started\n", True)
    assert alive(f"{MARKER}1") == []


async def test_the_time_limit_ends_all_of_it(context: ToolContext) -> None:
    found = await run(
        context, f"trap 'echo cleaned > mark; exit' TERM; setsid sleep {MARKER}2 & sleep {MARKER}2", timeout_s=1
    )
    assert found.text.endswith("[ended after 1 s: time limit]")
    assert alive(f"{MARKER}2") == []


async def test_sigterm_comes_first_so_that_a_command_can_clean_up(context: ToolContext) -> None:
    await run(context, "trap 'echo cleaned > mark; exit' TERM; sleep 60 & wait", timeout_s=1)
    assert (context.cwd / "mark").read_text() == "cleaned\n"


async def test_cancelling_ends_all_of_it(context: ToolContext) -> None:
    task = asyncio.create_task(run(context, f"trap '' TERM; sleep {MARKER}3 & touch begun; wait"))
    while not (context.cwd / "begun").exists():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.1)
    assert alive(f"{MARKER}3") == []
