"""Reading, writing, editing and listing files in a real folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from llmos.core.errors import ToolError
from llmos.core.tool import ToolContext, ToolOutput
from llmos.tools.files import edit_file, list_files, read_file, write_file


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret\n")
    (tmp_path / "work").mkdir()
    return ToolContext(cwd=tmp_path / "work")


async def refusal(tool: Any, context: ToolContext, **args: object) -> str:
    with pytest.raises(ToolError) as caught:
        await tool.run(args, context)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------------------ reading


async def test_read_gives_the_text_as_it_is(context: ToolContext) -> None:
    (context.cwd / "a.txt").write_text("one\ntwo\n")
    assert await read_file.run({"path": "a.txt"}, context) == ToolOutput("one\ntwo", total_bytes=8, stdout="one\ntwo\n")


async def test_read_a_page(context: ToolContext) -> None:
    (context.cwd / "a.txt").write_text("".join(f"line {n}\n" for n in range(1, 11)))
    assert await read_file.run({"path": "a.txt", "start_line": 4, "max_lines": 2}, context) == ToolOutput(
        "line 4\nline 5\n[lines 4 to 5 of 10; go on with start_line=6]", total_bytes=14, stdout="line 4\nline 5\n"
    )
    assert (await read_file.run({"path": "a.txt", "start_line": 9}, context)).stdout == "line 9\nline 10\n"
    assert "has 10 lines, so line 11 does not exist" in await refusal(read_file, context, path="a.txt", start_line=11)


async def test_read_stops_at_the_cap_on_a_whole_line(context: ToolContext) -> None:
    (context.cwd / "a.txt").write_text("".join(f"line {n:03}\n" for n in range(1, 101)))
    small = ToolContext(cwd=context.cwd, output_bytes=30)
    assert await read_file.run({"path": "a.txt"}, small) == ToolOutput(
        "line 001\nline 002\nline 003\n[lines 1 to 3 of 100; go on with start_line=4]",
        truncated=True,
        total_bytes=900,
        stdout="line 001\nline 002\nline 003\n",
    )


async def test_read_a_line_longer_than_the_cap(context: ToolContext) -> None:
    (context.cwd / "a.txt").write_text("x" * 100 + "\nend\n")
    found = await read_file.run({"path": "a.txt"}, ToolContext(cwd=context.cwd, output_bytes=30))
    assert found == ToolOutput(
        "x" * 30
        + "\n[line 1 is 101 bytes long; only its first 30 are shown]\n[lines 1 to 1 of 2; go on with start_line=2]",
        truncated=True,
        total_bytes=105,
        stdout="x" * 30,
    )


async def test_read_an_empty_file(context: ToolContext) -> None:
    (context.cwd / "empty").touch()
    assert await read_file.run({"path": "empty"}, context) == ToolOutput("[empty file]")


async def test_read_strips_control_sequences_and_says_what_is_not_utf8(context: ToolContext) -> None:
    (context.cwd / "a").write_bytes(b"\x1b[31mred\x1b[0m\r\nnext\n")
    (context.cwd / "b").write_bytes("näh\n".encode("latin-1"))
    assert (await read_file.run({"path": "a"}, context)).stdout == "red\nnext\n"
    assert (await read_file.run({"path": "b"}, context)).text == (
        "n\ufffdh\n[not UTF-8 text: bytes that could not be read are shown as \ufffd]"
    )


async def test_read_refuses_what_is_not_a_text_file(context: ToolContext) -> None:
    (context.cwd / "bin").write_bytes(b"\x7fELF\0\0")
    os.mkfifo(context.cwd / "pipe")
    (context.cwd / "folder").mkdir()
    (context.cwd / "null").symlink_to("/dev/null")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(context.cwd / "s"))
    listener.close()
    (context.cwd / "huge").touch()
    os.truncate(context.cwd / "huge", 1 << 40)
    said = {
        name: await refusal(read_file, context, path=name) for name in ("bin", "pipe", "folder", "s", "huge", "gone")
    }
    assert said == {
        "bin": "bin: is a binary file (6 bytes); look into it with the shell (file, xxd)",
        "pipe": "pipe: is a named pipe, which could wait for ever",
        "folder": "folder: is a folder, not a file",
        "s": "s: is a socket",
        "huge": "huge: is 1,099,511,627,776 bytes, and at most 20,000,000 are read at once; "
        "take a part of it with the shell (head, tail, sed, grep)",
        "gone": "gone: no such file",
    }
    assert "leads outside the working folder" in await refusal(read_file, context, path="null")
    device = ToolContext(cwd=context.cwd, allowed_roots=(Path("/dev"),))
    assert await refusal(read_file, device, path="/dev/null") == "/dev/null: is a device"


# -------------------------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "the path is empty"),
        ("a\0b", "NUL"),
        ("~/x", "'~' is not expanded"),
        ("~root/x", "'~' is not expanded"),
        ("../outside/secret.txt", "leads outside"),
        ("sub/../../outside/secret.txt", "leads outside"),
        ("/etc/passwd", "leads outside"),
        ("/", "leads outside"),
        ("..", "leads outside"),
        ("file_link", "leads outside"),
        ("folder_link/secret.txt", "leads outside"),
        ("folder_link/new.txt", "leads outside"),
        ("dangling_outside", "leads outside"),
        ("relative_link", "leads outside"),
        ("/proc/self/root/etc/passwd", "leads outside"),
        ("/proc/self/cwd/../../../etc/passwd", "leads outside"),
        ("loop/x", "not a folder"),
        ("plain/x", "not a folder"),
        (".", "is a folder"),
    ],
)
@pytest.mark.parametrize("tool", [read_file, write_file, edit_file])
async def test_no_way_out(context: ToolContext, tool: Any, path: str, said: str) -> None:
    (context.cwd / "sub").mkdir()
    (context.cwd / "plain").touch()
    (context.cwd / "file_link").symlink_to(context.cwd.parent / "outside" / "secret.txt")
    (context.cwd / "folder_link").symlink_to(context.cwd.parent / "outside")
    (context.cwd / "relative_link").symlink_to("../outside/secret.txt")
    (context.cwd / "dangling_outside").symlink_to(context.cwd.parent / "outside" / "made")
    (context.cwd / "loop").symlink_to("loop")
    more = {"write_file": {"content": "x"}, "edit_file": {"old": "secret", "new": "x"}}.get(tool.spec.name, {})
    if path == "/" and tool is write_file:
        said = "names a folder"
    assert said in await refusal(tool, context, path=path, **more)
    outside = context.cwd.parent / "outside"
    assert {p.name: p.read_text() for p in outside.iterdir()} == {"secret.txt": "secret\n"}


async def test_links_that_stay_inside_may_be_used(context: ToolContext) -> None:
    (context.cwd / "sub").mkdir()
    (context.cwd / "sub" / "a").write_text("a\n")
    (context.cwd / "link").symlink_to("sub/a")
    (context.cwd / "door").symlink_to(context.cwd / "sub")
    assert (await read_file.run({"path": "link"}, context)).stdout == "a\n"
    await write_file.run({"path": "door/b", "content": "b"}, context)
    await write_file.run({"path": "link", "content": "new"}, context)
    assert (context.cwd / "link").is_symlink()
    assert {p.name: p.read_text() for p in (context.cwd / "sub").iterdir()} == {"a": "new", "b": "b"}


async def test_absolute_paths_inside_and_allowed_roots(context: ToolContext) -> None:
    (context.cwd / "a").write_text("in\n")
    assert (await read_file.run({"path": str(context.cwd / "a")}, context)).stdout == "in\n"
    wider = ToolContext(cwd=context.cwd, allowed_roots=(context.cwd.parent / "outside",))
    assert (await read_file.run({"path": "../outside/secret.txt"}, wider)).stdout == "secret\n"
    assert "leads outside" in await refusal(read_file, wider, path="../../x")


async def test_a_working_folder_that_is_a_link(context: ToolContext) -> None:
    (context.cwd / "a").write_text("in\n")
    (context.cwd.parent / "way").symlink_to(context.cwd)
    assert (await read_file.run({"path": "a"}, ToolContext(cwd=context.cwd.parent / "way"))).stdout == "in\n"


async def test_a_folder_swapped_for_a_link_does_not_lead_out(context: ToolContext) -> None:
    """A thread keeps swapping `sub` between a folder and a link to the outside while we read and edit through it."""
    sub, kept, outside = context.cwd / "sub", context.cwd / "kept", context.cwd.parent / "outside"
    sub.mkdir()
    (sub / "secret.txt").write_text("inside\n")
    stop = False
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        while not stop:
            sub.rename(kept)
            sub.symlink_to(outside)
            sub.unlink()
            kept.rename(sub)
            swaps += 1

    swapper = asyncio.create_task(asyncio.to_thread(swap))
    seen = set()
    edits = {"path": "sub/secret.txt", "old": "s", "new": "S", "all": True}
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        with contextlib.suppress(ToolError):
            seen.add((await read_file.run({"path": "sub/secret.txt"}, context)).stdout)
        with contextlib.suppress(ToolError):
            await edit_file.run(edits, context)
    stop = True
    await swapper
    assert (outside / "secret.txt").read_text() == "secret\n"
    assert seen <= {"inside\n", "inSide\n"}
    assert swaps > 3


# ------------------------------------------------------------------------------------------------------------ writing


async def test_write_creates_and_replaces(context: ToolContext) -> None:
    assert await write_file.run({"path": "new/sub/ä.txt", "content": "hé\n"}, context) == ToolOutput(
        "Created new/sub/ä.txt (4 bytes).", total_bytes=33, stdout="Created new/sub/ä.txt (4 bytes)."
    )
    target = context.cwd / "new" / "sub" / "ä.txt"
    target.chmod(0o750)
    assert (await write_file.run({"path": "new/sub/ä.txt", "content": "x"}, context)).text == (
        "Replaced new/sub/ä.txt (1 bytes, 4 before)."
    )
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("x", 0o750)
    assert [p.name for p in target.parent.iterdir()] == ["ä.txt"]


async def test_a_new_file_follows_the_umask(context: ToolContext) -> None:
    old = os.umask(0o027)
    try:
        await write_file.run({"path": "a", "content": ""}, context)
    finally:
        os.umask(old)
    assert stat.S_IMODE((context.cwd / "a").stat().st_mode) == 0o640


async def test_write_keeps_the_bytes_of_the_content(context: ToolContext) -> None:
    content = "a\r\nb\n\tc\x1b[0m\u2028\ufeff"
    await write_file.run({"path": "a", "content": content}, context)
    assert (context.cwd / "a").read_bytes() == content.encode()


async def test_write_refuses_what_is_not_a_plain_writable_file(context: ToolContext) -> None:
    (context.cwd / "folder").mkdir()
    os.mkfifo(context.cwd / "pipe")
    (context.cwd / "fixed").write_text("x")
    (context.cwd / "fixed").chmod(0o444)
    said = [
        await refusal(write_file, context, path=name, content="") for name in ("folder", "folder/", "pipe", "fixed")
    ]
    assert said == [
        "folder: is a folder, not a file",
        "folder/: names a folder; write_file needs the name of a file",
        "pipe: is a named pipe, which could wait for ever",
        "fixed: is read-only (mode 444); it was left as it is",
    ]
    assert "file name too long" in await refusal(write_file, context, path="x" * 300, content="")


async def test_a_hard_link_to_the_outside_is_not_written_through(context: ToolContext) -> None:
    (context.cwd / "hard").hardlink_to(context.cwd.parent / "outside" / "secret.txt")
    await write_file.run({"path": "hard", "content": "mine"}, context)
    assert (context.cwd.parent / "outside" / "secret.txt").read_text() == "secret\n"


# ------------------------------------------------------------------------------------------------------------ editing


async def test_edit_replaces_exactly_one_place(context: ToolContext) -> None:
    target = context.cwd / "a.py"
    target.write_text("x = 1\ny = 1\n")
    target.chmod(0o755)
    assert (await edit_file.run({"path": "a.py", "old": "x = 1", "new": "x = 2"}, context)).text == (
        "Edited a.py: 1 place."
    )
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("x = 2\ny = 1\n", 0o755)


async def test_edit_counts_matches(context: ToolContext) -> None:
    target = context.cwd / "a.txt"
    target.write_text("one two one\n")
    assert await refusal(edit_file, context, path="a.txt", old="three", new="x") == (
        "a.txt: the old text occurs 0 times; read the file and copy it exactly"
    )
    assert await refusal(edit_file, context, path="a.txt", old="one", new="x") == (
        "a.txt: the old text occurs 2 times; add lines around it, or set all to true"
    )
    assert target.read_text() == "one two one\n"
    assert (await edit_file.run({"path": "a.txt", "old": "one", "new": "", "all": True}, context)).text == (
        "Edited a.txt: 2 places."
    )
    assert target.read_text() == " two \n"


async def test_edit_says_when_line_ends_differ(context: ToolContext) -> None:
    (context.cwd / "dos.txt").write_bytes(b"a\r\nb\r\n")
    assert "CR LF" in await refusal(edit_file, context, path="dos.txt", old="a\nb", new="c")
    await edit_file.run({"path": "dos.txt", "old": "a\r\nb", "new": "c\r\nd"}, context)
    assert (context.cwd / "dos.txt").read_bytes() == b"c\r\nd\r\n"


async def test_edit_refuses_what_it_could_damage(context: ToolContext) -> None:
    (context.cwd / "latin").write_bytes(b"n\xe4h")
    assert "not UTF-8" in await refusal(edit_file, context, path="latin", old="n", new="m")
    assert "same text" in await refusal(edit_file, context, path="latin", old="n", new="n")
    assert "argument 'old'" in await refusal(edit_file, context, path="latin", old="", new="n")
    assert await refusal(edit_file, context, path="gone", old="a", new="b") == "gone: no such file"
    assert not (context.cwd / "gone").exists()


# ------------------------------------------------------------------------------------------------------------ listing


@pytest.fixture
def tree(context: ToolContext) -> ToolContext:
    for name in (
        *("a.txt", "b.py", "src/c.py", "src/deep/d.py", "src/deep/e.ts", ".hidden", ".git/config"),
        *(".github/flow.yml", "src/.secret/f.py", "日本/g.txt"),
    ):
        path = context.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (context.cwd / "link.txt").symlink_to("a.txt")
    (context.cwd / "out").symlink_to(context.cwd.parent / "outside")
    return context


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**/*", "a.txt b.py link.txt src/c.py src/deep/d.py src/deep/e.ts 日本/g.txt"),
        ("**", "a.txt b.py link.txt src/c.py src/deep/d.py src/deep/e.ts 日本/g.txt"),
        ("*", "a.txt b.py link.txt"),
        ("*.py", "b.py"),
        ("**/*.py", "b.py src/c.py src/deep/d.py"),
        ("src/**", "src/c.py src/deep/d.py src/deep/e.ts"),
        ("src/", "src/c.py src/deep/d.py src/deep/e.ts"),
        ("./src/*.py", "src/c.py"),
        ("src/**/d.py", "src/deep/d.py"),
        ("**/deep/**/*.{py,ts}", "src/deep/d.py src/deep/e.ts"),
        ("[ab].*", "a.txt b.py"),
        ("?.t?t", "a.txt"),
        (".*", ".hidden"),
        (".git/*", ".git/config"),
        (".git*/**", ".git/config .github/flow.yml"),
        ("src/.*/*", "src/.secret/f.py"),
        ("日本/*", "日本/g.txt"),
        ("out/*", ""),
        ("*.PY", ""),
    ],
)
async def test_list(tree: ToolContext, pattern: str, found: str) -> None:
    output = await list_files.run({"pattern": pattern}, tree)
    lines = found.split()
    assert output.stdout == "".join(f"{line}\n" for line in lines)
    assert output.text == ("\n".join(lines) or "[no files match]")
    assert output.truncated is False


@pytest.mark.parametrize(
    "pattern", ["", "/etc/*", "../*", "a/../../*", "~/*", "a\0", "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"]
)
async def test_list_refuses_patterns_that_lead_out_or_grow(tree: ToolContext, pattern: str) -> None:
    assert "pattern" in await refusal(list_files, tree, pattern=pattern)


async def test_list_is_capped(context: ToolContext) -> None:
    for n in range(50):
        (context.cwd / f"{n:02}").touch()
    output = await list_files.run({}, ToolContext(cwd=context.cwd, output_bytes=10))
    assert output == ToolOutput(
        "00\n01\n02\n[47 more files; narrow the pattern]", truncated=True, total_bytes=150, stdout="00\n01\n02\n"
    )


async def test_names_that_are_not_utf8_can_be_listed(context: ToolContext) -> None:
    Path(os.fsdecode(os.fsencode(context.cwd) + b"/bad\xff")).touch()
    (context.cwd / "with\nnewline\x1b[31m").touch()
    assert (await list_files.run({}, context)).stdout == "bad\ufffd\nwith\nnewline\n"


async def test_a_file_that_was_not_read_whole_is_cut_unless_a_part_was_asked_for(context: ToolContext) -> None:
    (context.cwd / "a.txt").write_text("x\n" * 2001)
    assert (await read_file.run({"path": "a.txt"}, context)).truncated
    assert not (await read_file.run({"path": "a.txt", "max_lines": 3}, context)).truncated
    (context.cwd / "a.txt").write_text("x\n" * 2000)
    assert not (await read_file.run({"path": "a.txt"}, context)).truncated
