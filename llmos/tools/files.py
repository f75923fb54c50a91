"""The file tools: read, write, edit, list.

Invariant: a file is replaced whole or not at all, keeps its mode, and nothing outside the allowed folders is touched.
All work on the disk is done in a thread, so that a slow disk never holds up the loop.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from llmos.core.errors import ToolError
from llmos.core.tool import Effect, ToolContext, ToolOutput
from llmos.tools import beneath, paths, walk
from llmos.tools.declare import Argument, tool
from llmos.tools.paths import Place, folder_of, locate, lookup, read_bytes
from llmos.tools.walk import find_files

MAX_FILE_BYTES = 20_000_000
"""The largest file that is read or edited whole."""
MOST_LINES = 2000
"""How many lines are read where nobody said how many; a file that has more was then not read whole."""

PathText = Annotated[str, Argument("Path of the file, relative to the working folder.")]


@tool(effect=Effect.READ, paths=("path",), uses=(paths, beneath))
async def read_file(
    path: PathText,
    start_line: Annotated[int, Argument("First line to read, counted from 1.", ge=1)] = 1,
    max_lines: Annotated[int, Argument("Most lines to read.", ge=1)] = MOST_LINES,
    *,
    context: ToolContext,
) -> ToolOutput:
    """Read a text file, or some of its lines. The text comes as it is, without line numbers."""
    place = locate(path, context)
    data, _ = await asyncio.to_thread(read_bytes, place, MAX_FILE_BYTES)
    if b"\0" in data:
        raise ToolError(f"{path}: is a binary file ({len(data):,} bytes); look into it with the shell (file, xxd)")
    return await asyncio.to_thread(_page, path, data, start_line, max_lines, context.output_bytes)


def _page(path: str, data: bytes, start_line: int, max_lines: int, cap: int) -> ToolOutput:
    """The asked lines as far as they fit, and a last line that says how to go on."""
    lines = _lines(data)
    if start_line > max(1, len(lines)):
        raise ToolError(f"{path}: has {len(lines)} lines, so line {start_line} does not exist")
    asked = lines[start_line - 1 : start_line - 1 + max_lines]
    total = sum(map(len, asked))
    kept: list[bytes] = []
    room = cap
    for line in asked:
        if len(line) > room:
            break
        kept.append(line)
        room -= len(line)
    last = start_line - 1 + len(kept)
    notes = []
    if asked and not kept:
        kept, last = [asked[0][:cap]], start_line
        notes.append(f"[line {start_line} is {len(asked[0])} bytes long; only its first {cap} are shown]")
    if last < len(lines):
        notes.append(f"[lines {start_line} to {last} of {len(lines)}; go on with start_line={last + 1}]")
    content = b"".join(kept)
    text = content.decode("utf-8", "replace")
    if text.count("\ufffd") > content.count(b"\xef\xbf\xbd") and not notes:
        notes.append("[not UTF-8 text: bytes that could not be read are shown as \ufffd]")
    shown = [text.removesuffix("\n")] if text else ["[empty file]"]
    cut = len(content) < total or (max_lines >= MOST_LINES and last < len(lines))
    return ToolOutput(text="\n".join(shown + notes), truncated=cut, total_bytes=total, stdout=text)


def _lines(data: bytes) -> list[bytes]:
    """Lines that end with a newline only, so that line numbers agree with those of other programs."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _already_written(args: Mapping[str, Any], context: ToolContext) -> bool:
    """Whether the file is there with this very content, so that writing it would change nothing."""
    path, content = args.get("path"), args.get("content")
    if not isinstance(path, str) or not isinstance(content, str):
        return False
    try:
        return read_bytes(locate(path, context), MAX_FILE_BYTES)[0] == content.encode()
    except (ToolError, OSError, UnicodeEncodeError):
        return False


@tool(effect=Effect.WRITE, paths=("path",), uses=(paths, beneath), satisfied=_already_written)
async def write_file(
    path: PathText,
    content: Annotated[str, Argument("The whole new content of the file.")],
    *,
    context: ToolContext,
) -> ToolOutput:
    """Create a file or replace its whole content. Missing folders are created."""
    if path.endswith("/"):
        raise ToolError(f"{path}: names a folder; write_file needs the name of a file")
    place = locate(path, context, write=True)
    data = content.encode()
    before = await asyncio.to_thread(_write, place, data)
    if before is None:
        said = f"Created {path} ({len(data)} bytes)."
    else:
        said = f"Replaced {path} ({len(data)} bytes, {before.st_size} before)."
    return ToolOutput(text=said, total_bytes=len(said.encode()), stdout=said)


@tool(effect=Effect.WRITE, paths=("path",), uses=(paths, beneath))
async def edit_file(
    path: PathText,
    old: Annotated[str, Argument("Text to replace, exactly as it stands in the file.", min_length=1)],
    new: Annotated[str, Argument("Text to put in its place.")],
    all: Annotated[bool, Argument("Replace every occurrence, not only a single one.")] = False,
    *,
    context: ToolContext,
) -> ToolOutput:
    """Replace text in a file. The old text must occur exactly once, unless `all` is true."""
    if old == new:
        raise ToolError(f"{path}: old and new are the same text, so there is nothing to edit")
    place = locate(path, context, write=True)
    count = await asyncio.to_thread(_edit, place, old, new, all)
    said = f"Edited {path}: {count} {'place' if count == 1 else 'places'}."
    return ToolOutput(text=said, total_bytes=len(said.encode()), stdout=said)


def _edit(place: Place, old: str, new: str, every: bool) -> int:
    """Replace in the file; returns the number of places."""
    data, read_from = read_bytes(place, MAX_FILE_BYTES)
    try:
        content = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ToolError(f"{place.shown}: is not UTF-8 text, so it cannot be edited without damage") from None
    count = content.count(old)
    if count == 0:
        hint = ""
        if "\r\n" in content and content.count(old.replace("\r\n", "\n").replace("\n", "\r\n")):
            hint = "; the file ends its lines with CR LF (\\r\\n), and so must old"
        raise ToolError(f"{place.shown}: the old text occurs 0 times{hint or '; read the file and copy it exactly'}")
    if count > 1 and not every:
        raise ToolError(f"{place.shown}: the old text occurs {count} times; add lines around it, or set all to true")
    _write(place, content.replace(old, new).encode(), expected=read_from)
    return count


def _write(place: Place, data: bytes, *, expected: os.stat_result | None = None) -> os.stat_result | None:
    """Put `data` in place of the file, atomically; returns what was there before.

    With `expected`, raises ToolError when the file is not the one that was read.
    """
    with folder_of(place, create=expected is None) as (folder, name):
        before = lookup(folder, name, place)
        if expected is not None and (before is None or _identity(before) != _identity(expected)):
            raise ToolError(f"{place.shown}: was changed by something else meanwhile; read it again")
        if before is not None and not before.st_mode & 0o222:
            raise ToolError(f"{place.shown}: is read-only (mode {before.st_mode & 0o777:o}); it was left as it is")
        temporary = f".{name[:32]}.{secrets.token_hex(6)}.tmp"
        # A new file gets what the umask leaves; one with a mode of its own is closed to others until it has it.
        mode = 0o666 if before is None else 0o600
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, mode, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                if before is not None:
                    _take_over(descriptor, before)
                os.fsync(descriptor)
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(temporary, dir_fd=folder)
            raise
        return before


def _take_over(descriptor: int, before: os.stat_result) -> None:
    """Give the new file the owner and mode of the old one. An owner that may not be given stays ours."""
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        try:
            os.fchown(descriptor, before.st_uid, before.st_gid)
        except PermissionError:
            os.fchmod(descriptor, before.st_mode & 0o777)
            return
    os.fchmod(descriptor, before.st_mode & 0o7777)


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


@tool(effect=Effect.READ, uses=(walk, beneath))
async def list_files(
    pattern: Annotated[str, Argument("Glob below the working folder: '*.py', 'src/**/*.ts', '**/{a,b}.txt'.")] = "**/*",
    *,
    context: ToolContext,
) -> ToolOutput:
    """List the files that match a pattern, one path a line, sorted.

    `*` stays within a folder, `**` takes in folders below. Hidden files (and .git) only when the pattern names them.
    """
    hidden = context.boundary.hidden_below(Path(os.path.realpath(context.cwd)))
    found = await asyncio.to_thread(find_files, context.cwd, pattern, hidden=hidden)
    if not found.paths:
        said = "[no files match]" if found.complete else "[no match among the first entries; narrow the pattern]"
        return ToolOutput(text=said, truncated=not found.complete)
    lines, total = fitting([os.fsencode(path).decode("utf-8", "replace") for path in found.paths], context.output_bytes)
    notes = []
    if len(lines) < len(found.paths):
        notes.append(f"[{len(found.paths) - len(lines)} more files; narrow the pattern]")
    if not found.complete:
        notes.append(f"[stopped after {walk.MAX_ENTRIES:,} entries; there may be more]")
    return ToolOutput(
        text="\n".join(lines + notes),
        truncated=bool(notes),
        total_bytes=total,
        stdout="".join(f"{line}\n" for line in lines),
    )


def fitting(lines: list[str], cap: int) -> tuple[list[str], int]:
    """The first lines that fit into `cap` bytes, and the bytes of them all."""
    sizes = [len(line.encode("utf-8", "replace")) + 1 for line in lines]
    room, count = cap, 0
    for size in sizes:
        room -= size
        if room < 0:
            break
        count += 1
    return lines[:count], sum(sizes)
