"""What tier 2 starts: a program of its own that confines a command and stays outside to end what it leaves behind.

It is started by its path with `python -I -S`, so it imports the standard library only, and as little of that as it
can: each command pays for it. A process that forks from llmos itself would have to do all this between fork and exec
among threads, where Python may not run.

The order is read from a descriptor, as JSON; see `Order` in sandbox_landlock.py for its parts.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_CAP_AMBIENT = 24, 36, 47
_CAP_AMBIENT_CLEAR_ALL = 4
_LAST_CAPABILITY = 63
_FAILED = 125

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    return int(libc.prctl(option, ctypes.c_ulong(first), ctypes.c_ulong(second), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def drop_capabilities() -> None:
    """Root keeps no right over what belongs to others; nobody can win one back."""
    for number in range(_LAST_CAPABILITY + 1):
        prctl(_PR_CAPBSET_DROP, number)  # fails without CAP_SETPCAP, when there is none to drop either
    prctl(_PR_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("II", 0x20080522, 0)
    call("capset", libc.capset(header, bytes(24)))


def restrict_files(order: dict[str, Any]) -> None:
    attributes = struct.pack("QQQ", order["files"], order["net"], order["scoped"])[: order["attribute_bytes"]]
    ruleset = call("landlock", libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0))
    for access, paths in order["rules"]:
        for path in paths:
            try:
                descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue  # gone meanwhile: then nothing is allowed there
            rule = struct.pack("=Qi", access, descriptor)
            call(path, libc.syscall(_ADD, ruleset, 1, rule, 0))
            os.close(descriptor)
    call("landlock", libc.syscall(_RESTRICT, ruleset, 0))
    os.close(ruleset)


def restrict_calls(program: bytes) -> None:
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    holder = ctypes.create_string_buffer(filter_, len(filter_))
    call("seccomp", prctl(_PR_SET_SECCOMP, 2, ctypes.addressof(holder)))


def confine(order: dict[str, Any]) -> None:
    """From here on this process, and all that come of it, are held back."""
    os.setsid()
    call("no_new_privs", prctl(_PR_SET_NO_NEW_PRIVS, 1))
    drop_capabilities()
    restrict_files(order)
    restrict_calls(bytes.fromhex(order["filter"]))


def start(order: dict[str, Any], argv: list[str]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(_FAILED)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        confine(order)
        os.execvp(argv[0], argv)  # noqa: S606 - it is what was asked for, and no shell is wanted
    except OSError as error:
        os.write(2, f"llmos: the command could not be confined and was not run: {error}\n".encode())
    finally:
        os._exit(_FAILED)


def end_the_rest() -> None:
    """Kill what the command left running: all of it has become a child of this process."""
    while True:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123 - pathlib costs milliseconds
            left = file.read().split()
        for pid in left:
            os.kill(int(pid), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def main() -> None:
    descriptor = int(sys.argv[1])
    with open(descriptor, encoding="utf-8") as file:
        order = json.load(file)
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    call("subreaper", prctl(_PR_SET_CHILD_SUBREAPER, 1))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the command decides what it does about these
    child = start(order, sys.argv[2:])
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            break
    end_the_rest()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
