"""The file tools reach nothing outside, however a path is spelled and whoever swaps folders for links meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path

import pytest

from llmos.core.errors import ToolError
from llmos.core.sandbox import boundary_of
from llmos.core.tool import ToolContext
from llmos.engine.surroundings import surroundings
from llmos.tools.beneath import FOLDER, open_beneath, walk_beneath
from llmos.tools.files import edit_file, list_files, read_file, write_file
from llmos.tools.search import search_files

SECRET = "what-must-stay-outside"


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    """A working directory beside a folder with a secret, with every kind of way out in it."""
    work, outside = tmp_path / "work", tmp_path / "outside"
    (work / "inner" / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text(SECRET)
    (outside / "ünï").write_text(SECRET)
    (work / "to-outside").symlink_to(outside)
    (work / "to-parent").symlink_to("..")
    (work / "to-secret").symlink_to(outside / "secret")
    (work / "inner" / "chain").symlink_to("../to-outside")
    (work / "to-root").symlink_to("/")
    (work / "to-proc").symlink_to("/proc/self/root")
    os.mkfifo(work / "pipe")
    return ToolContext(cwd=work)


def spellings(context: ToolContext) -> list[str]:
    """More than 200 ways to write a path that leads outside."""
    outside = str(context.cwd.parent / "outside")
    ways = [
        "../outside",
        "./../outside",
        "inner/../../outside",
        "inner/deep/../../../outside",
        "inner//..//..//outside",
        outside,
        "/" + outside,
        "//" + outside,
        outside.replace("/outside", "/work/../outside"),
        "to-outside",
        "./to-outside",
        "inner/../to-outside",
        "inner/chain",
        "to-parent/outside",
        "to-parent/work/../outside",
        "to-parent/work/to-outside",
        f"to-root{outside}",
        f"to-proc{outside}",
        f"/proc/self/cwd/../outside{''}",
        f"/proc/self/root{outside}",
        f"/proc/{os.getpid()}/root{outside}",
        f"/dev/fd/../..{outside}",
    ]
    names = [
        "secret",
        "./secret",
        "secret/",
        "../outside/secret",
        "secret/.",
        "new",
        "ünï",
        "u\u0308ni\u0308",
        "SECRET",
        ".",
    ]
    whole = [f"{way}/{name}" for way, name in product(ways, names)]
    return [*whole, "to-secret", "to-secret/", "~/secret", "~", "pipe", "/dev/null", "/dev/sda", "/proc/self/fd/0"]


def picture(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


async def test_no_spelling_reaches_outside(context: ToolContext) -> None:
    outside = context.cwd.parent / "outside"
    before = picture(outside)
    tried = 0
    for path in spellings(context):
        for tool, args in (
            (read_file, {"path": path}),
            (write_file, {"path": path, "content": "BREACH"}),
            (edit_file, {"path": path, "old": SECRET, "new": "BREACH"}),
            (search_files, {"pattern": SECRET, "path": path}),
        ):
            tried += 1
            try:
                found = await tool.run(args, context)
            except ToolError:
                continue
            assert SECRET not in found.text, (tool.spec.name, path)
    assert tried >= 4 * 200
    assert picture(outside) == before
    assert SECRET not in (await search_files.run({"pattern": SECRET}, context)).text
    assert "secret" not in (await list_files.run({}, context)).text.replace("to-secret", "")


@pytest.mark.parametrize(
    "path",
    [
        ".git/hooks/pre-commit",
        ".git/hooks/deep/x",
        ".git/config",
        ".GIT/Config",
        "inner/.git/hooks/pre-commit",
        "inner/../.git/config",
        ".git",
        ".bashrc",
        "./.zshenv",
        ".envrc",
        ".llmos/index",
        ".llmos-anything",
        ".config/git/config",
        "config.yaml",
        "traces/forged.yaml",
        "memories/core/human.md",
    ],
)
async def test_what_others_obey_is_not_written(context: ToolContext, path: str) -> None:
    work = context.cwd
    boundary = boundary_of(
        user_home=work.parent / "home",
        own=[work.parent / "home" / ".llmos"],
        record=[work / name for name in ("config.yaml", "traces", "memories")],
        derived=[],
        hide=[],
    )
    context = ToolContext(cwd=work, boundary=boundary)
    with pytest.raises(ToolError, match="no tool may change"):
        await write_file.run({"path": path, "content": "x"}, context)
    assert not (work / path).exists()


async def test_keys_are_hidden_from_file_tools_too(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id").write_text(SECRET)
    (tmp_path / "notes").write_text("mine")
    boundary = boundary_of(user_home=tmp_path, own=[tmp_path / ".llmos"], record=[], derived=[], hide=[])
    context = ToolContext(cwd=tmp_path, boundary=boundary)
    for tool, args in (
        (read_file, {"path": ".ssh/id"}),
        (write_file, {"path": ".ssh/authorized_keys", "content": "x"}),
        (search_files, {"pattern": SECRET, "path": ".ssh/id"}),
    ):
        with pytest.raises(ToolError, match="no tool may look into it"):
            await tool.run(args, context)
    assert SECRET not in (await search_files.run({"pattern": SECRET, "glob": ".*/*"}, context)).text
    assert "id" not in (await list_files.run({"pattern": ".*/*"}, context)).text
    assert (await list_files.run({}, context)).stdout == "notes\n"


def test_what_a_small_model_is_shown_unasked_keeps_to_it(context: ToolContext) -> None:
    (context.cwd / "notes").write_text("plain words")
    goal = "read notes, to-secret and to-outside/secret"
    shown = surroundings(goal, context.cwd, context.boundary)
    assert "plain words" in shown and SECRET not in shown


FLIPPER = """
import os, sys
os.chdir(sys.argv[1])
os.symlink(sys.argv[2], "link")
made = 0
while True:
    try:
        if os.path.lexists("door") and os.path.lexists("real"):
            os.rename("door", "made%d" % made)
        if not os.path.lexists("link"):
            os.symlink(sys.argv[2], "link")
        if not os.path.lexists("door"):
            os.rename("real", "door")
        while True:
            os.rename("door", "real"); os.rename("link", "door")
            os.rename("door", "link"); os.rename("real", "door")
    except OSError:  # a tool made a folder of that name in the moment in which there was none
        made += 1
"""


@contextmanager
def flipping(work: Path, outside: Path) -> Iterator[None]:
    """`door` in the working directory is now a folder, now a link to outside, as fast as it goes."""
    (work / "door").mkdir()
    for name in ("secret", "target"):
        (work / "door" / name).write_text("inside")
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", FLIPPER, str(work), str(outside)])
    try:
        yield
        assert process.poll() is None, "the race ended before its time"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


async def race(context: ToolContext, rounds: int) -> int:
    """How often something was read through the link; what is written outside the caller sees itself."""
    read = 0
    for number in range(rounds):
        with suppress(ToolError):
            read += SECRET in (await read_file.run({"path": "door/secret"}, context)).text
        if number % 10 == 0:
            with suppress(ToolError):
                await write_file.run({"path": "door/target", "content": "written"}, context)
    return read


async def outside_is_never_reached(context: ToolContext, rounds: int) -> None:
    outside = context.cwd.parent / "outside"
    before = picture(outside)
    with flipping(context.cwd, outside):
        assert await race(context, rounds) == 0
    assert picture(outside) == before


async def test_a_racing_link_never_wins(context: ToolContext) -> None:
    await outside_is_never_reached(context, 300)


@pytest.mark.slow
async def test_a_racing_link_never_wins_10000_times(context: ToolContext) -> None:
    await outside_is_never_reached(context, 10_000)


def test_checking_first_and_opening_then_loses_the_race(context: ToolContext) -> None:
    """The partner: what the tools would do without descriptors reads the secret sooner or later."""
    outside = context.cwd.parent / "outside"
    with flipping(context.cwd, outside):
        for _ in range(200_000):
            with suppress(OSError):
                path = context.cwd / "door" / "secret"
                if Path(os.path.realpath(path)).is_relative_to(context.cwd) and SECRET in path.read_text():
                    return
    pytest.fail("the race was never lost, so it proves nothing")


@pytest.mark.parametrize("opener", [open_beneath, walk_beneath])
def test_both_ways_of_opening_refuse_the_same(context: ToolContext, opener: Callable[..., int]) -> None:
    (context.cwd / "inner" / "file").write_text("x")
    top = os.open(context.cwd, FOLDER)
    try:
        os.close(opener(top, ("inner", "file"), os.O_RDONLY))
        for parts in (
            ("..", "outside", "secret"),
            ("to-outside", "secret"),
            ("to-secret",),
            ("inner", "chain", "secret"),
        ):
            with pytest.raises(OSError):
                opener(top, parts, os.O_RDONLY)
    finally:
        os.close(top)
