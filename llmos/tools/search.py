"""The search tool: a regular expression over the files of a folder.

Invariant: matching happens in a process that is killed at the time limit, because a pattern can take for ever; the
files are opened here, by the rules of `paths`, and only their bytes are sent there.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import ToolError
from llmos.core.tool import Effect, ToolContext, ToolOutput
from llmos.tools import beneath, paths, search_worker, walk
from llmos.tools.declare import Argument, tool
from llmos.tools.paths import Place, locate, read_bytes
from llmos.tools.walk import find_files

MAX_FILE_BYTES = 5_000_000
"""A larger file is left out of a search, and the answer says so."""
MAX_SECONDS = 15.0
_LINE_WIDTH = 300


@dataclass(slots=True)
class _Tally:
    """What was read, so that the answer can say what it does not cover."""

    searched: int = 0
    left_out: int = 0


@tool(effect=Effect.READ, paths=("path",), uses=(paths, beneath, walk, search_worker))
async def search_files(
    pattern: Annotated[str, Argument("Regular expression (Python), matched line by line.", min_length=1)],
    path: Annotated[str, Argument("File or folder to search, relative to the working folder.")] = ".",
    glob: Annotated[str, Argument("Which files below the folder: '**/*.py'.")] = "**/*",
    ignore_case: Annotated[bool, Argument("Take upper and lower case as the same.")] = False,
    *,
    context: ToolContext,
) -> ToolOutput:
    """Find lines that match a regular expression; gives `path:line:text`, sorted by path.

    Hidden files (and .git) are searched only when the glob names them; binary files are not.
    """
    places, complete = await asyncio.to_thread(_places, path, glob, context)
    tally = _Tally()
    order = {"pattern": pattern, "ignore_case": ignore_case, "cap": context.output_bytes, "width": _LINE_WIDTH}
    answer = await _ask_worker(order, places, tally, min(MAX_SECONDS, context.timeout_s))
    if "error" in answer:
        raise ToolError(f"search_files: the pattern is not a regular expression: {answer['error']}")
    return _output(answer, tally, complete)


def _places(path: str, glob: str, context: ToolContext) -> tuple[list[tuple[str, Place]], bool]:
    """The files to search, each with the name to show, and whether all were found."""
    start = locate(path, context)
    prefix = Path(path)
    if start.real.is_file():
        return [(prefix.as_posix(), start)], True
    if not start.real.is_dir():
        raise ToolError(f"{path}: no such file or folder")
    found = find_files(start.real, glob, links=False, hidden=context.boundary.hidden_below(start.real))
    places = []
    for below in found.paths:
        shown = (prefix / below).as_posix()
        places.append((shown, Place(start.root, (*start.parts, *below.split("/")), shown)))
    return places, found.complete


async def _ask_worker(
    order: dict[str, Any], places: list[tuple[str, Place]], tally: _Tally, limit_s: float
) -> dict[str, Any]:
    # -I and -S: no site packages, no environment, so that it starts in about ten milliseconds.
    argv = [sys.executable, "-I", "-S", search_worker.__file__]
    worker = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, start_new_session=True)  # noqa: ASYNC220
    try:
        async with asyncio.timeout(limit_s):
            return await asyncio.to_thread(_converse, worker, order, places, tally)
    except TimeoutError:
        raise ToolError(
            f"search_files: took longer than {limit_s:g} s; use a simpler pattern (no nested repeats), "
            "a narrower path or glob"
        ) from None
    finally:
        worker.kill()  # ends the thread as well: its pipe breaks


def _converse(
    worker: subprocess.Popen[bytes], order: dict[str, Any], places: list[tuple[str, Place]], tally: _Tally
) -> dict[str, Any]:
    """Send everything, then read the one answer; an empty one when the worker was killed."""
    assert worker.stdin is not None and worker.stdout is not None
    with worker:
        try:
            with worker.stdin as pipe:
                pipe.write(json.dumps(order).encode() + b"\n")
                for frame in _frames(places, tally):
                    pipe.write(frame)
        except (BrokenPipeError, ValueError):
            pass  # a bad pattern is answered before all was sent
        answer = worker.stdout.read()
    return json.loads(answer) if answer else {"error": "the search process ended early"}


def _frames(places: list[tuple[str, Place]], tally: _Tally) -> Iterator[bytes]:
    for shown, place in places:
        try:
            data, _ = read_bytes(place, MAX_FILE_BYTES)
        except (ToolError, OSError):
            tally.left_out += 1
            continue
        if b"\0" in data:
            continue
        tally.searched += 1
        yield json.dumps({"path": shown, "size": len(data)}).encode() + b"\n"
        yield data


def _output(answer: dict[str, Any], tally: _Tally, complete: bool) -> ToolOutput:
    lines: list[str] = answer["lines"]
    notes = []
    if not answer["matches"]:
        notes.append(f"[no matches in {tally.searched} {'file' if tally.searched == 1 else 'files'}]")
    elif answer["matches"] > len(lines):
        notes.append(f"[{answer['matches'] - len(lines)} more matches; narrow the pattern, path or glob]")
    if tally.left_out:
        notes.append(f"[{tally.left_out} files were left out: over {MAX_FILE_BYTES:,} bytes or not readable]")
    if not complete:
        notes.append(f"[stopped after {walk.MAX_ENTRIES:,} entries; there may be more files]")
    return ToolOutput(
        text="\n".join(lines + notes),
        truncated=answer["matches"] > len(lines) or bool(tally.left_out) or not complete,
        total_bytes=answer["bytes"],
        stdout="".join(f"{line}\n" for line in lines),
    )
