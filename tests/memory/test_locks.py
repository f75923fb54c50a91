"""One kind of lock in the whole program: the kernel's, which ends with its process and follows a replaced file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import llmos
from llmos.core.errors import StoreError
from llmos.memory.files import append_line, open_locked, write_atomic
from llmos.memory.locks import LOCK_TIMEOUT_S, StoreLock, is_held, take_marker

HOLDER = """
import sys, time
from pathlib import Path
from llmos.memory.locks import StoreLock
with StoreLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_no_other_module_asks_the_kernel_for_a_lock() -> None:
    top = Path(llmos.__file__).parent
    asking = {path.relative_to(top).as_posix() for path in top.rglob("*.py") if "flock(" in path.read_text("utf-8")}
    assert asking == {"memory/locks.py"}


def test_a_lock_file_that_a_killed_process_left_holds_nobody_up_and_a_living_owner_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        assert is_held(path)
        with pytest.raises(StoreError) as refused, StoreLock(path, timeout_s=0.02):
            pass
        said = f"another llmos has held {path} for 0.02 s (process {holder.pid}); let it finish and try again"
        assert str(refused.value) == said
    finally:
        holder.kill()
        holder.communicate()
    assert path.exists() and not is_held(path)
    with StoreLock(path, timeout_s=0):
        assert path.read_text() == f"{os.getpid():<10}\n"


def test_a_marker_is_taken_once_and_a_folder_can_be_held_too(tmp_path: Path) -> None:
    marker = take_marker(tmp_path / "m", new=True)
    assert marker is not None
    assert (take_marker(tmp_path / "m", new=False), is_held(tmp_path / "m"), is_held(tmp_path / "none")) == (
        None,
        True,
        False,
    )
    os.close(marker)
    assert not is_held(tmp_path / "m") and not is_held(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    started = time.monotonic()
    with pytest.raises(StoreError, match="it is not a regular file"), StoreLock(tmp_path / "pipe"):
        pass
    assert time.monotonic() - started < LOCK_TIMEOUT_S / 2


def test_a_line_that_waits_while_the_file_is_replaced_goes_to_the_new_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    append_line(log, b'{"a":1}', sync=False)
    held = open_locked(log)
    waiting = threading.Thread(target=append_line, args=(log, b'{"b":2}'), kwargs={"sync": True})
    waiting.start()
    time.sleep(0.05)
    write_atomic(log, b'{"new":0}\n')  # another name holds the old bytes no more
    os.close(held)
    waiting.join(5)
    assert log.read_bytes() == b'{"new":0}\n{"b":2}\n'
