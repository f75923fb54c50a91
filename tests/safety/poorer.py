"""Runs a program on a poorer machine: system calls are refused as an older kernel or a container would refuse them.

python poorer.py CASE PROGRAM...        CASE: as-it-is, container, no-landlock, no-seccomp, nothing
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

ARM = platform.machine() == "aarch64"
UNSHARE, MOUNT, CLONE, PRCTL, SECCOMP = (97, 40, 220, 167, 277) if ARM else (272, 165, 56, 157, 317)
CLONE3, LANDLOCK = 435, 444
NAMESPACES = 0x7E020000
PR_SET_SECCOMP = 22


def op(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, k)


def fail(number: int) -> bytes:
    return op(0x06, 0x00050000 | number)


def refuse(call: int, number: int) -> bytes:
    return op(0x15, call, 0, 1) + fail(number)


def refuse_bits(call: int, bits: int, number: int) -> bytes:
    return op(0x15, call, 0, 4) + op(0x20, 16) + op(0x45, bits, 0, 1) + fail(number) + op(0x20, 0)


def refuse_value(call: int, value: int, number: int) -> bytes:
    return op(0x15, call, 0, 4) + op(0x20, 16) + op(0x15, value, 0, 1) + fail(number) + op(0x20, 0)


NO_NAMESPACES = (
    refuse(UNSHARE, errno.EPERM)
    + refuse(MOUNT, errno.EPERM)
    + refuse(CLONE3, errno.ENOSYS)
    + refuse_bits(CLONE, NAMESPACES, errno.EPERM)
)
NO_LANDLOCK = refuse(LANDLOCK, errno.ENOSYS)
NO_SECCOMP = refuse(SECCOMP, errno.ENOSYS) + refuse_value(PRCTL, PR_SET_SECCOMP, errno.EINVAL)
CASES = {
    "as-it-is": b"",
    "container": NO_NAMESPACES,
    "no-landlock": NO_LANDLOCK,
    "no-seccomp": NO_SECCOMP,
    "nothing": NO_NAMESPACES + NO_LANDLOCK,
}


def make_poorer(case: str) -> None:
    code = op(0x20, 0) + CASES[case] + op(0x06, 0x7FFF0000)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(PR_SET_SECCOMP, 2, ctypes.create_string_buffer(program, len(program)), 0, 0) == 0


if __name__ == "__main__":
    make_poorer(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
