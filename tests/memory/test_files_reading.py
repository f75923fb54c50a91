"""Reading within bounds, private folders, the lock of a store, and the sweep of what crashed writers left."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llmos.core.errors import StoreError
from llmos.memory.files import (
    MissingFileError,
    append_line,
    make_private_folder,
    read_bounded,
    remove_stale_temporaries,
)
from llmos.memory.locks import StoreLock


def test_reading_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert (read_bounded(path, 5), read_bounded(path, 3, or_larger=True)) == (b"12345", b"123")
    with pytest.raises(StoreError, match="a: it is larger than 4 bytes"):
        read_bounded(path, 4)
    with pytest.raises(MissingFileError, match="none: it does not exist"):
        read_bounded(tmp_path / "none", 4)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [_fifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize(
    "use",
    [lambda path: read_bounded(path, 10), lambda path: append_line(path, b"{}", sync=False)],
    ids=["read", "append"],
)
def test_what_is_not_a_regular_file_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], None], use: Callable[[Path], None]
) -> None:
    path = tmp_path / "a"
    make(path)
    started = time.monotonic()
    with pytest.raises(StoreError):
        use(path)
    assert time.monotonic() - started < 20  # a pipe or an endless device would never be done


def test_new_folders_are_private_and_old_ones_keep_their_mode(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir(mode=0o755)
    make_private_folder(tmp_path / "old" / "a" / "b")
    make_private_folder(tmp_path / "old" / "a" / "b")
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("old", "old/a", "old/a/b")] == [
        0o755,
        0o700,
        0o700,
    ]
    (tmp_path / "file").write_bytes(b"")
    for name in ("file", "file/a"):
        with pytest.raises(StoreError, match="is a file, not a folder"):
            make_private_folder(tmp_path / name)


def test_a_lock_excludes_and_times_out_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with StoreLock(path), pytest.raises(StoreError) as caught, StoreLock(path, timeout_s=0.05):
        pass
    said = f"another llmos has held {path} for 0.05 s (process {os.getpid()}); let it finish and try again"
    assert str(caught.value) == said
    with StoreLock(path, timeout_s=0):
        pass


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = "import os, sys, pathlib; from llmos.memory.locks import StoreLock; "
    code += "StoreLock(pathlib.Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    result = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert result.returncode == -signal.SIGKILL
    with StoreLock(path, timeout_s=0):
        pass


def test_only_our_own_old_temporaries_are_removed(tmp_path: Path) -> None:
    for name in (".llmos-0123.tmp", ".llmos-0124.tmp", "other.tmp", ".llmos-note"):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (1000, 1000 if name != ".llmos-0124.tmp" else 9000))
    assert remove_stale_temporaries(tmp_path, now=9000.0) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".llmos-0124.tmp", ".llmos-note", "other.tmp"]
    assert remove_stale_temporaries(tmp_path / "none", now=9000.0) == 0
