"""One child process in a session of its own: its output bounded, its end certain.

Invariant: when `run_session` leaves by time limit or cancellation, no process of the session is left; when it leaves
because the first process ended, what that process put in the background goes on.

A process that starts a session of its own (`setsid`) and outlives its parent is out of reach here; inside the sandbox
(core/sandbox.py) it is not, and there nothing in the background outlives the first process either.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from llmos.core.dataclass import dataclass
from llmos.tools.text import HeadTail

TERM_GRACE_S = 1.0
"""Seconds between SIGTERM and SIGKILL."""
_KILL_GRACE_S = 0.5
_PIPE_GRACE_S = 0.25
"""Seconds that a pipe may stay open after the process that was started has ended."""
_POLL_S = 0.01
_READ_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended. `returncode` is None when the time limit ended it, negative for another signal."""

    returncode: int | None
    stdout: HeadTail
    stderr: HeadTail
    still_open: bool
    """A process in the background holds the output open; what it writes from now on is lost."""


async def run_session(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    output_bytes: int,
    pass_fds: Sequence[int] = (),
    wrapped: bool = False,
    term_grace_s: float = TERM_GRACE_S,
) -> Ended:
    """Run `argv` to its end or for `timeout_s` seconds. Each stream keeps at most `output_bytes` bytes.

    What is ended gets SIGTERM, and SIGKILL `term_grace_s` seconds later or on a second cancel.

    `wrapped`: the first process is the sandbox's own. It gets no SIGTERM, for that would kill what is in it at once.

    Raises OSError when the program cannot be started. Cancelling ends the session first.
    """
    process = subprocess.Popen(  # noqa: ASYNC220 - starting takes milliseconds; asyncio's own may wait for open pipes
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=pass_fds,
    )
    assert process.stdout is not None, "it was asked for"
    assert process.stderr is not None, "it was asked for"
    stdout, stderr = Collector(process.stdout, output_bytes), Collector(process.stderr, output_bytes)
    timed_out = still_open = False
    try:
        stdout.start()
        stderr.start()
        try:
            async with asyncio.timeout(timeout_s):
                await _exited(process)
        except TimeoutError:
            timed_out = True
            await _end_session(process, term_grace_s, wrapped=wrapped)
        still_open = not await _closed(stdout, stderr)
    except BaseException:
        await _end_session(process, term_grace_s, wrapped=wrapped)
        raise
    finally:
        stdout.close()
        stderr.close()
        _reap(process)
    return Ended(None if timed_out else process.returncode, stdout.kept, stderr.kept, still_open)


class Collector:
    """Takes in one stream until its end, or until it is closed.

    Not by a transport of the loop: that of uvloop, on which Ray runs its workers, closes the descriptor and then the
    file, and the second close can hit what another thread has opened under that number in between.
    """

    def __init__(self, pipe: IO[bytes], cap: int) -> None:
        self.kept = HeadTail(cap)
        self.ended = asyncio.Event()
        self._pipe = pipe
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        os.set_blocking(self._pipe.fileno(), False)
        self._loop.add_reader(self._pipe.fileno(), self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._pipe.fileno(), _READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self.kept.feed(data)
        else:
            self.close()

    def close(self) -> None:
        """Safe to call twice."""
        if not self._pipe.closed:
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
            self.ended.set()


async def _closed(*collectors: Collector) -> bool:
    """Whether all streams came to their end within the grace."""
    try:
        async with asyncio.timeout(_PIPE_GRACE_S):
            for collector in collectors:
                await collector.ended.wait()
    except TimeoutError:
        return False
    return True


async def _exited(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process ended. It is not reaped before that, so that its id stays its own."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # another system, or a container that forbids the call
        await polled_exit(process)
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    try:
        loop.add_reader(descriptor, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def polled_exit(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of the process where the system cannot announce it."""
    while not _has_ended(process.pid):  # noqa: ASYNC110 - nothing sets an event here
        await asyncio.sleep(_POLL_S)


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


async def _end_session(process: subprocess.Popen[bytes], term_grace_s: float, *, wrapped: bool) -> None:
    """SIGTERM to every process of the session, and SIGKILL to what is left after the grace or on a second cancel."""
    if process.returncode is not None:
        return
    try:
        _signal(process.pid, signal.SIGTERM, spare_first=wrapped)
        await _gone(process.pid, term_grace_s)
    finally:
        # The sandbox ends by itself with what is in it, and takes along what is forked just now; killed first, it
        # could not. Before anything is in it, killing it is all there is to do.
        inside = wrapped and members(process.pid).keys() > {process.pid}
        _signal(process.pid, signal.SIGKILL, spare_first=inside)
    await _gone(process.pid, _KILL_GRACE_S, again=signal.SIGKILL, spare_first=inside)
    if inside:
        _signal(process.pid, signal.SIGKILL)


async def _gone(
    session: int, grace_s: float, *, again: signal.Signals | None = None, spare_first: bool = False
) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + grace_s
    while members(session) and loop.time() < until:
        await asyncio.sleep(_POLL_S)
        if again is not None:  # a process forked while the signal was on its way
            _signal(session, again, spare_first=spare_first)


def _signal(session: int, number: signal.Signals, *, spare_first: bool = False) -> None:
    """Signal the group of the first process, then the others: a shell must not see its child end and go on."""
    if not spare_first:
        _signal_group(session, number)
    for group in set(members(session).values()) - {session}:
        _signal_group(group, number)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def members(session: int) -> dict[int, int]:
    """Live processes of the session and what descends from them: process id to process group. Empty without /proc.

    The session and not the group, because `timeout` and job control put their children into groups of their own; and
    descendants, because what runs inside the sandbox has a session of its own.
    """
    seen = _processes()
    found = {pid for pid, process in seen.items() if process.session == session}
    more = found
    while more:
        more = {pid for pid, process in seen.items() if process.parent in more} - found
        found |= more
    return {pid: seen[pid].group for pid in found if seen[pid].alive}


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    group: int
    session: int
    alive: bool


def _processes() -> dict[int, _Process]:
    """All processes that can be seen, by id."""
    found: dict[int, _Process] = {}
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - called every few milliseconds; Path objects cost more
    except OSError:
        return found
    for name in names:
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - as above
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if len(fields) > 3:
            alive = fields[0] not in (b"Z", b"X")
            found[int(name)] = _Process(int(fields[1]), int(fields[2]), int(fields[3]), alive)
    return found


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Take the exit status; a process that outlives SIGKILL (stuck in the kernel) is waited for aside."""
    if process.poll() is None:
        threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
