"""Searching files with a regular expression."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from llmos.core.errors import ToolError
from llmos.core.tool import ToolContext, ToolOutput
from llmos.tools.search import search_files


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    (tmp_path / "secret.txt").write_text("needle outside\n")
    work = tmp_path / "work"
    (work / "src").mkdir(parents=True)
    (work / ".git").mkdir()
    (work / "a.txt").write_text("first\nneedle here\nlast needle\n")
    (work / "src" / "b.py").write_bytes(b"Needle = 1\r\n# end\r\n")
    (work / "bin").write_bytes(b"needle\0")
    (work / ".git" / "config").write_text("needle\n")
    (work / "link.txt").symlink_to(tmp_path / "secret.txt")
    return ToolContext(cwd=work)


async def found(context: ToolContext, **args: object) -> ToolOutput:
    return await search_files.run(args, context)


async def test_matches_are_path_line_and_text(context: ToolContext) -> None:
    lines = "a.txt:2:needle here\na.txt:3:last needle\n"
    assert await found(context, pattern="needle") == ToolOutput(lines.strip(), total_bytes=40, stdout=lines)


@pytest.mark.parametrize(
    ("args", "lines"),
    [
        (
            {"pattern": "needle", "ignore_case": True},
            ["a.txt:2:needle here", "a.txt:3:last needle", "src/b.py:1:Needle = 1"],
        ),
        ({"pattern": "^needle"}, ["a.txt:2:needle here"]),
        ({"pattern": "1$", "glob": "**/*.py"}, ["src/b.py:1:Needle = 1"]),
        ({"pattern": ".", "path": "src"}, ["src/b.py:1:Needle = 1", "src/b.py:2:# end"]),
        ({"pattern": "^#", "path": "src/b.py"}, ["src/b.py:2:# end"]),
        ({"pattern": "^$"}, []),
        ({"pattern": "needle", "glob": ".git/*"}, [".git/config:1:needle"]),
        ({"pattern": "a{2}|outside"}, []),
    ],
)
async def test_searches(context: ToolContext, args: dict[str, object], lines: list[str]) -> None:
    assert (await found(context, **args)).stdout == "".join(f"{line}\n" for line in lines)


async def test_nothing_found_says_how_much_was_searched(context: ToolContext) -> None:
    assert await found(context, pattern="absent") == ToolOutput("[no matches in 2 files]")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"pattern": "(unclosed"}, "not a regular expression: missing"),
        ({"pattern": ""}, "argument 'pattern'"),
        ({"pattern": "a", "path": "gone"}, "no such file or folder"),
        ({"pattern": "a", "path": ".."}, "leads outside"),
        ({"pattern": "a", "path": "link.txt"}, "leads outside"),
        ({"pattern": "a", "glob": "../*"}, "cannot leave it"),
    ],
)
async def test_refusals(context: ToolContext, args: dict[str, object], said: str) -> None:
    with pytest.raises(ToolError, match=said):
        await found(context, **args)


async def test_a_pattern_that_never_ends_is_stopped_and_holds_nothing_up(context: ToolContext) -> None:
    (context.cwd / "trap").write_text("a" * 5000 + "b\n")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    start = time.perf_counter()
    with pytest.raises(ToolError, match=r"took longer than 0\.4 s"):
        await found(ToolContext(cwd=context.cwd, timeout_s=0.4), pattern="(a+)+$", path="trap")
    ticking.cancel()
    assert time.perf_counter() - start < 30  # without the limit it would not end in days
    assert ticks >= 10


async def test_output_is_capped_and_long_lines_are_shortened(context: ToolContext) -> None:
    (context.cwd / "long").write_text("x" * 5000 + "needle" + "y" * 5000 + "\n" + "needle\n" * 1000)
    output = await found(ToolContext(cwd=context.cwd, output_bytes=500), pattern="needle", path="long")
    lines = output.stdout.splitlines()
    assert lines[0] == "long:1:…" + "x" * 75 + "needle" + "y" * 219 + "…"
    assert lines[1] == "long:2:needle"
    assert output.text.endswith(f"[{1001 - len(lines)} more matches; narrow the pattern, path or glob]")
    assert (output.truncated, len(output.stdout.encode()) <= 500) == (True, True)


async def test_a_file_too_large_to_search_is_said(context: ToolContext) -> None:
    (context.cwd / "huge").touch()
    os.truncate(context.cwd / "huge", 6_000_000)
    output = await found(context, pattern="absent")
    assert output.text == ("[no matches in 2 files]\n[1 files were left out: over 5,000,000 bytes or not readable]")
    assert output.truncated


async def test_many_files(context: ToolContext) -> None:
    for n in range(500):
        (context.cwd / "src" / f"{n:03}.txt").write_text(f"value {n}\n")
    output = await found(context, pattern=r"value \d*7$")
    assert output.stdout.count("\n") == 50
    assert output.stdout.startswith("src/007.txt:1:value 7\n")
