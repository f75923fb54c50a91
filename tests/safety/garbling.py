"""Ways of making a file bad: damaged bytes, and what is no file in the place of one."""

from __future__ import annotations

import os
import random
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

TRAPS: tuple[bytes, ...] = (
    b"", b"\n", b" ", b"\0", b"null", b"[]", b"{}", b"0", b'""', b"true", b"---\n", b"---\n---\n", b"--- x\n...\n", b"%YAML 1.9\n---\na: 1\n",
    b"a: &x [*x]\n", b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c,*c]\n", b"!!python/object/apply:os.system [id]\n",
    b"!!binary aGk=\n", b"? [a, b]\n: c\n", b"? {a: 1}\n: c\n", b"<<: {a: 1}\n", b"- a\n- b\n", b"'\n", b'"\\xZZ"\n', b"\t\ta: b\n", b"@a\n", b"`b`\n",
    b"a: 1\na: 2\n", b"format: llmos-trace/1\nformat: llmos-trace/1\n", b"format: [llmos-trace/1]\n", b"format: llmos-trace/999999\n",
    b"format: llmos-trace/99999999999999999999\n", b"format: other/1\n", b"---\nformat: llmos-core-block/99\n---\nx\n", b"---\nformat: llmos-archival/99\n---\nx\n",
    b'{"format":"llmos-transcript/9"}\n', b"format: llmos-config/9\n", b"[" * 5_000, b"{a: " * 3_000, b'{"a":' * 5_000, b"[" * 5_000 + b"]" * 5_000,
    b"- " * 4_000, b"a: " + b"9" * 5_000 + b"\n", b'{"a":' + b"9" * 5_000 + b"}\n", b'{"a":1e999}\n', b'{"a":NaN}\n', b'{"a":"\\ud800"}\n',
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff\0a", b"\xed\xa0\x80\n", b"\xc0\xaf\n", b"a: .inf\nb: -.NaN\n", b"x" * 70_000, b"\n" * 70_000, b"{}\n" * 5_000,
    b"SQLite format 3\0" + b"\0" * 84, b"MAC1" * 8, b"\x1b[31m\x1b]0;x\x07\n", b"id: ../../../etc/passwd\n", b"\r\r\r", b"-" * 5_000, b"#" * 5_000,
)  # fmt: skip
VALUES: tuple[bytes, ...] = (
    b"null", b"true", b"[]", b"{}", b"-1", b"1e400", b"NaN", b"-Infinity", b"9" * 400, b'""', b"[1, 2]", b'{"a": 1}', b"*x", b"&x y", b"!!str z", b"2026-99-99",
)  # fmt: skip

Garble = Callable[[random.Random, bytes], tuple[str, bytes]]


def _cut(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    at = rng.randrange(max(1, len(data)))
    return f"cut to {at} bytes", data[:at]


def _flipped(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    some = bytearray(data or b"x")
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        some[rng.randrange(len(some))] ^= 1 << rng.randrange(8)
    return "bits flipped", bytes(some)


def _overwritten(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    at, length = rng.randrange(max(1, len(data))), rng.randrange(1, 64)
    put = rng.choice([bytes(length), rng.randbytes(length)])
    return f"{length} bytes overwritten at {at}", data[:at] + put + data[at + length :]


def _encoded(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    coding = rng.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    return f"in {coding}", data.decode("utf-8", "replace").encode(coding)


def _other_ends(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    return "other line ends", data.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b"\0"]))


def _other_lines(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    what, made = rng.choice(
        [
            ("twice", [*lines[:at], lines[at], *lines[at:]]),
            ("left out", [*lines[:at], *lines[at + 1 :]]),
            ("at the front", [lines[at], *lines[:at], *lines[at + 1 :]]),
            ("100,000 characters long", [*lines[:at], b"x" * 100_000, *lines[at:]]),
            ("and all others turned around", lines[::-1]),
        ]
    )
    return f"line {at} {what}", b"\n".join(made)


def _other_value(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    value = rng.choice(VALUES)
    cut = lines[at].find(b":", rng.randrange(len(lines[at]) + 1)) + 1
    lines[at] = lines[at][:cut] + b" " + value
    return f"line {at} ends in {value[:20]!r}", b"\n".join(lines)


def _trap(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    return "a trap", rng.choice(TRAPS)


def _more(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    return "with more at its end", data + rng.choice([data, *TRAPS])


GARBLES: tuple[Garble, ...] = (
    _cut, _cut, _cut, _flipped, _flipped, _flipped, _overwritten, _overwritten, _encoded, _other_ends, _other_lines,
    _other_lines, _other_value, _other_value, _trap, _trap, _more,
)  # fmt: skip


def garble(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """The bytes of a file, damaged in one way, with its name."""
    return rng.choice(GARBLES)(rng, data)


_NUMBERS = {"zero": (1, 5), "full": (1, 7), "null": (1, 3), "tty": (5, 0), "random": (1, 8)}


@cache
def _own_devices() -> Path:
    return Path(tempfile.mkdtemp(prefix="llmos-devices-"))


def device(name: str) -> Path:
    """A device of this name: one of the test's own where this is root, who could do away with the machine's."""
    if os.geteuid() != 0:
        return Path("/dev") / name
    path = _own_devices() / name
    if not path.exists():
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(*_NUMBERS[name]))
    return path


def remove_devices() -> None:
    """At the end of a process that may have made some."""
    if os.geteuid() == 0:
        shutil.rmtree(_own_devices(), ignore_errors=True)


def put_in_place(rng: random.Random, path: Path) -> str:
    """Something that is no regular file, or a link that leads to none, in place of the file."""
    path.unlink()
    kind = rng.choice(["folder", "full folder", "pipe", "socket", "device", "device", "dangling", "circle", "up"])
    match kind:
        case "folder" | "full folder":
            path.mkdir()
            if kind == "full folder":
                (path / "inside").write_text("x")
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listening:
                here = os.open(path.parent, os.O_RDONLY)
                listening.bind(f"/proc/self/fd/{here}/s")
                os.close(here)
            (path.parent / "s").rename(path)
        case "device":
            name = rng.choice(["zero", "full", "null", "tty", "random"])
            kind = f"the device {name}"
            path.symlink_to(device(name))
        case _:
            path.symlink_to({"dangling": "nothing-there", "circle": path.name, "up": ".."}[kind])
    return f"{kind} in its place"
