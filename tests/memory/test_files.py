"""Files of the record: whole old bytes or whole new ones, whatever fails, and one sentence for the person."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.core.errors import StoreError
from llmos.memory.files import (
    append_line,
    remove_stale_temporaries,
    show_path,
    write_atomic,
    write_once,
)

OLD = b"old " * 1000
NEW = b"new " * 5000
REPORT = """
def told(action):
    try:
        print(action())
    except StoreError as error:
        print(type(error).__name__, error)
"""


def run_python(code: str, *args: object, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process of its own; `sys.argv[1:]` holds `args`."""
    head = "import os, sys\nfrom pathlib import Path\nfrom llmos.core.errors import StoreError\n"
    head += "from llmos.memory.files import *\nfrom llmos.memory.locks import StoreLock\n" + REPORT
    command = [*before, sys.executable, "-c", head + code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(folder)


# writing


def test_a_file_is_created_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomic(path, OLD)
    assert (path.read_bytes(), mode(path)) == (OLD, 0o600)
    write_atomic(path, b"")
    assert path.read_bytes() == b""
    assert names(tmp_path) == ["a"]


def test_a_symbolic_link_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "link"
    target.write_bytes(OLD)
    path.symlink_to(target)
    write_atomic(path, NEW)
    assert (target.read_bytes(), path.read_bytes(), path.is_symlink()) == (OLD, NEW, False)
    path.unlink()
    path.symlink_to(target)
    with pytest.raises(StoreError, match="symbolic link"):
        append_line(path, b"{}", sync=False)


def test_write_once_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "trace.yaml"
    assert [write_once(path, OLD), write_once(path, OLD)] == [True, False]
    with pytest.raises(StoreError) as caught:
        write_once(path, NEW)
    assert str(caught.value) == f"cannot write {path}: it exists already with another content and is never replaced"
    assert (path.read_bytes(), mode(path), names(tmp_path)) == (OLD, 0o600, ["trace.yaml"])


def test_of_many_writers_of_one_name_exactly_one_creates_it(tmp_path: Path) -> None:
    path, created = tmp_path / "a", []
    threads = [threading.Thread(target=lambda: created.append(write_once(path, OLD))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created) == [False] * 7 + [True]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("none/a", "its folder does not exist"),
        ("file/a", "a part of the path is a file, not a folder"),
        ("folder", "it is a folder"),
        ("x" * 300, "the name is too long"),
        ("nul\0", "the name holds a character that no file name can have"),
    ],
)
def test_why_a_write_failed_is_said(tmp_path: Path, name: str, cause: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(StoreError) as caught:
        write_atomic(tmp_path / name, NEW)
    assert str(caught.value) == f"cannot write {show_path(tmp_path / name)}: {cause}"
    assert names(tmp_path) == ["file", "folder"]


def test_a_name_with_terminal_codes_is_shown_escaped() -> None:
    assert show_path("a\x1b[2J\n\udcff\u202eb") == "a\\x1b[2J\\n\\udcff\\u202eb"


def test_a_file_that_may_not_grow_keeps_its_old_bytes(tmp_path: Path) -> None:
    path, log = tmp_path / "a", tmp_path / "log"
    path.write_bytes(OLD)
    log.write_bytes(b'{"a":1}\n')
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
path, log = Path(sys.argv[1]), Path(sys.argv[2])
told(lambda: write_atomic(path, b"new " * 5000))
told(lambda: append_line(log, b'{"b":"' + b"x" * 9000 + b'"}', sync=True))
told(lambda: append_line(log, b'{"c":3}', sync=True))
"""
    result = run_python(code, path, log)
    cause = "the file would be larger than the system allows"
    space = "there is no space left on the disk; free some and try again"
    assert result.stdout.splitlines()[0] == f"StoreError cannot write {path}: {cause}"
    assert result.stdout.splitlines()[1] == f"StoreError cannot write {log}: {space}"
    assert result.stdout.splitlines()[2:] == ["None"]
    assert (path.read_bytes(), log.read_bytes(), names(tmp_path)) == (OLD, b'{"a":1}\n{"c":3}\n', ["a", "log"])


def test_a_full_and_a_read_only_disk(tmp_path: Path) -> None:
    """On a real file system of 64 KB in a mount namespace of its own."""
    code = """
import subprocess
folder = Path(sys.argv[1])
path, log = folder / "a", folder / "log"
write_atomic(path, b"old")
append_line(log, b'{"a":1}', sync=True)
told(lambda: write_atomic(path, b"x" * 200_000))
told(lambda: write_once(folder / "b", b"x" * 200_000))
told(lambda: append_line(log, b'{"b":"' + b"x" * 200_000 + b'"}', sync=True))
subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
told(lambda: write_atomic(path, b"new"))
told(lambda: append_line(log, b'{"b":1}', sync=True))
told(lambda: make_private_folder(folder / "c"))
print(path.read_bytes(), log.read_bytes(), sorted(os.listdir(folder)))
"""
    mount = f'mount -t tmpfs -o size=64k none {tmp_path} && exec "$@"'
    unshare = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-rm")
    probe = (*unshare, "sh", "-c", mount, "sh", "true")
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    result = run_python(code, tmp_path, before=(*unshare, "sh", "-c", mount, "sh"))
    full = "there is no space left on the disk; free some and try again"
    locked = "the file system is read-only"
    assert (result.stdout + result.stderr).splitlines() == [
        f"StoreError cannot write {tmp_path}/a: {full}",
        f"StoreError cannot write {tmp_path}/b: {full}",
        f"StoreError cannot write {tmp_path}/log: {full}",
        f"StoreError cannot write {tmp_path}/a: {locked}",
        f"StoreError cannot write {tmp_path}/log: {locked}",
        f"StoreError cannot create the folder {tmp_path}/c: {locked}",
        "b'old' b'{\"a\":1}\\n' ['a', 'log']",
    ]


def test_without_permission_nothing_changes(open_folder: Path) -> None:
    path, folder = open_folder / "a", open_folder / "closed"
    path.write_bytes(OLD)
    path.chmod(0o600)
    folder.mkdir()
    open_folder.chmod(0o555)
    folder.chmod(0o555)
    code = """
if os.geteuid() == 0:
    os.setgid(65534), os.setuid(65534)
folder = Path(sys.argv[1])
told(lambda: write_atomic(folder / "a", b"new"))
told(lambda: write_once(folder / "b", b"new"))
told(lambda: append_line(folder / "log", b"{}", sync=True))
told(lambda: make_private_folder(folder / "closed" / "c"))
told(lambda: StoreLock(folder / "lock").__enter__())
"""
    denied = "permission denied; check who owns it and its mode"
    result = run_python(code, open_folder)
    assert (result.stdout + result.stderr).splitlines() == [
        f"StoreError cannot write {path}: {denied}",
        f"StoreError cannot write {open_folder}/b: {denied}",
        f"StoreError cannot write {open_folder}/log: {denied}",
        f"StoreError cannot create the folder {folder}/c: {denied}",
        f"StoreError cannot lock {open_folder}/lock: {denied}",
    ]
    assert (path.read_bytes(), names(open_folder)) == (OLD, ["a", "closed"])


# crashes


def traced(inject: str, code: str, path: Path) -> subprocess.CompletedProcess[str]:
    strace = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={inject}")
    if not shutil.which("strace") or subprocess.run((*strace, "true"), capture_output=True, check=False).returncode:
        pytest.skip("strace cannot trace here")
    return run_python(code, path, before=strace)


ATOMIC = "told(lambda: write_atomic(Path(sys.argv[1]), b'new ' * 5000))"


@pytest.mark.parametrize("point", ["write:when=1", "fsync:when=1", "rename:when=1", "fsync:when=2"])
def test_killed_at_any_point_the_file_is_whole(tmp_path: Path, point: str) -> None:
    call, _, when = point.partition(":")
    path = tmp_path / "a"
    path.write_bytes(OLD)
    result = traced(f"{call}:signal=SIGKILL:{when}", ATOMIC, path)
    assert result.stdout == ""
    assert path.read_bytes() in (OLD, NEW)
    later = time.time() + 3601
    assert (remove_stale_temporaries(tmp_path, now=time.time()), remove_stale_temporaries(tmp_path, now=later)) in (
        (0, 0),
        (0, 1),
    )
    assert names(tmp_path) == ["a"]


def test_the_crash_test_can_find_a_torn_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(OLD)
    in_place = "f = open(sys.argv[1], 'wb', 0); f.write(b'new ' * 2500); f.write(b'new ' * 2500); os.fsync(f.fileno())"
    traced("write:signal=SIGKILL:when=2", in_place, path)
    assert path.read_bytes() not in (OLD, NEW)


@pytest.mark.parametrize(
    ("point", "cause"),
    [
        ("write:error=ENOSPC:when=1", "there is no space left on the disk; free some and try again"),
        ("fsync:error=EIO:when=1", "the disk reported an input/output error"),
        ("rename:error=EDQUOT:when=1", "the disk quota is used up; free some space and try again"),
    ],
)
def test_a_failing_call_leaves_the_old_file_and_no_other(tmp_path: Path, point: str, cause: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(OLD)
    result = traced(point, ATOMIC, path)
    assert result.stdout == f"StoreError cannot write {path}: {cause}\n"
    assert (path.read_bytes(), names(tmp_path)) == (OLD, ["a"])


def test_without_hard_links_write_once_still_never_replaces(tmp_path: Path) -> None:
    code = "p = Path(sys.argv[1]); told(lambda: write_once(p, b'1')), told(lambda: write_once(p, b'1')), "
    code += "told(lambda: write_once(p, b'2'))"
    result = traced("link,linkat:error=EPERM", code, tmp_path / "a")
    assert result.stdout.splitlines()[:2] == ["True", "False"]
    assert "never replaced" in result.stdout.splitlines()[2]
    assert ((tmp_path / "a").read_bytes(), names(tmp_path)) == (b"1", ["a"])


def test_kill_at_random_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    code = """
import itertools
folder, start = Path(sys.argv[1]), int(sys.argv[2])
for n in itertools.count(start):
    append_line(folder / "log", b'{"n":%d,"pad":"%s"}' % (n, b"x" * 3000), sync=True)
    write_atomic(folder / "a", b"%d " % n * 2000)
    os.write(1, b"%d\\n" % n)
"""
    head = "import os, sys\nfrom pathlib import Path\nfrom llmos.memory.files import *\n"
    chance = random.Random(1)
    acknowledged: list[int] = []
    for start in range(0, 6_000_000, 1_000_000):
        command = [sys.executable, "-c", head + code, str(tmp_path), str(start)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            first = process.stdout.readline()
            time.sleep(chance.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in (first, *process.stdout) if line.endswith("\n")]
        words = set((tmp_path / "a").read_bytes().split())
        assert len(words) == 1
        assert int(words.pop()) >= acknowledged[-1]
    append_line(tmp_path / "log", b'{"n":-1}', sync=True)
    kept = [json.loads(line)["n"] for line in (tmp_path / "log").read_bytes().splitlines()]
    assert set(acknowledged) <= set(kept)


# appending


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b'{"n":1}\n'),
        (b'{"a":1}\n', b'{"a":1}\n{"n":1}\n'),
        (b'{"a":1}\n{"torn', b'{"a":1}\n{"n":1}\n'),
        (b'{"a":1}\n\x00\x00\x00', b'{"a":1}\n{"n":1}\n'),
        (b'{"torn', b'{"n":1}\n'),
        (b'{"a":1}\n{"b":2}', b'{"a":1}\n{"b":2}\n{"n":1}\n'),
        (b'{"a":1}\n{"torn":"' + b"x" * 200_000, b'{"a":1}\n{"n":1}\n'),
    ],
    ids=["empty", "whole", "torn", "zeros", "only torn", "no newline", "long torn"],
)
def test_appending_mends_the_end_that_a_crash_left(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(before)
    append_line(path, b'{"n":1}', sync=False)
    assert path.read_bytes() == after


def test_appending_creates_a_private_file(tmp_path: Path) -> None:
    append_line(tmp_path / "log", b"{}\n", sync=True)
    assert ((tmp_path / "log").read_bytes(), mode(tmp_path / "log")) == (b"{}\n", 0o600)


def test_lines_of_many_processes_do_not_mix(tmp_path: Path) -> None:
    code = """
for n in range(40):
    line = b'{"who":%s,"n":%d,"pad":"%s"}' % (sys.argv[2].encode(), n, b"x" * 20_000)
    append_line(Path(sys.argv[1]), line, sync=False)
"""
    threads = [threading.Thread(target=run_python, args=(code, tmp_path / "log", who)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert sorted((line["who"], line["n"]) for line in lines) == [(who, n) for who in range(4) for n in range(40)]
