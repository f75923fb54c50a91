"""A seccomp filter as bytes: what no file rule of the kernel can forbid.

Assembled here because a filter is a few hundred bytes of a stable format, and because no maintained package gives
them as bytes for a program that is started later. Only 64-bit x86 and ARM are known; elsewhere there is no filter.

Invariant: a system call of another architecture than the process's own is refused, so that no number means another
call than it does here.
"""

from __future__ import annotations

import errno
import platform
import struct

from llmos.core.dataclass import dataclass

_LOAD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _NOTIFY = 0x7FFF0000, 0x00050000, 0x7FC00000
_NUMBER, _ARCH, _ARGS = 0, 4, 16
_X32 = 0x40000000

_AF_INET, _AF_INET6, _AF_NETLINK = 2, 10, 16
_CLONE_NEWUSER = 0x10000000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_SET_ATTRIBUTES = (0x40086602, 0x401C5820, 0x40046602)  # FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC32_SETFLAGS


@dataclass(frozen=True, slots=True)
class _Machine:
    audit: int
    number: dict[str, int]


_SHARED = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "clone3": 435,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "fchmodat2": 452,
    "setxattrat": 463,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_setattr": 469,
}
_X86_64 = {
    "ioctl": 16, "socket": 41, "clone": 56, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94,
    "ptrace": 101, "syslog": 103, "utime": 132, "vhangup": 153, "pivot_root": 155, "adjtimex": 159, "chroot": 161,
    "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
    "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176,
    "quotactl": 179, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198,
    "fremovexattr": 199, "clock_settime": 227, "utimes": 235, "kexec_load": 246, "add_key": 248, "request_key": 249,
    "keyctl": 250, "fchownat": 260, "futimesat": 261, "fchmodat": 268, "unshare": 272, "utimensat": 280,
    "perf_event_open": 298, "fanotify_init": 300, "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308,
    "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "kexec_file_load": 320,
    "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
_AARCH64 = {
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
    "ioctl": 29, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "fchmod": 52, "fchmodat": 53,
    "fchownat": 54, "fchown": 55, "vhangup": 58, "quotactl": 60, "utimensat": 88, "acct": 89, "unshare": 97,
    "kexec_load": 104, "init_module": 105, "delete_module": 106, "clock_settime": 112, "syslog": 116, "ptrace": 117,
    "reboot": 142, "sethostname": 161, "setdomainname": 162, "settimeofday": 170, "adjtimex": 171, "socket": 198,
    "add_key": 217, "request_key": 218, "keyctl": 219, "clone": 220, "swapon": 224, "swapoff": 225,
    "perf_event_open": 241, "fanotify_init": 262, "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268,
    "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "bpf": 280,
    "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip
_MACHINES = {
    "x86_64": _Machine(0xC000003E, _X86_64 | _SHARED),
    "aarch64": _Machine(0xC00000B7, _AARCH64 | _SHARED),
}

_NEVER = (
    "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key", "bpf",
    "perf_event_open", "userfaultfd", "fanotify_init", "open_by_handle_at", "mount", "umount2", "pivot_root",
    "open_tree", "open_tree_attr", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "setns",
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff",
    "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "acct", "sethostname", "setdomainname", "iopl",
    "ioperm", "quotactl", "quotactl_fd", "vhangup", "syslog", "pidfd_getfd",
)  # fmt: skip
"""What reaches the kernel or other processes past files: no command of a working directory needs it."""
_WITHOUT_NAMESPACES = ("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "chroot", "unshare")
"""Refused besides where processes outside can be seen."""
_OWNED = (
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utime", "utimes",
    "futimesat", "utimensat",
)  # fmt: skip
"""What changes a file without writing to it, which Landlock does not see. Another process can do it for the command."""
_ATTRIBUTES = (
    "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr",
    "removexattrat", "file_setattr",
)  # fmt: skip


def program(*, namespaces: bool, network: bool, supervised: bool = False, machine: str | None = None) -> bytes | None:
    """The filter, or None for a machine that is not known.

    With `namespaces` the command has process, user and mount namespaces of its own; without, what they would keep
    from it is refused here; with `supervised` a process outside is asked about changes of modes, owners and times
    instead. `network` allows internet sockets, which a network namespace of its own makes harmless.
    """
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    code = _start(known)
    for name in (*_NEVER, *(() if namespaces else _WITHOUT_NAMESPACES)):
        code += _refuse(known, name, errno.EPERM)
    families = (_AF_INET, _AF_INET6, _AF_NETLINK) if network else ()
    code += _sockets(known, families)
    code += _refuse_arguments(known, "ioctl", 1, (_TIOCSTI, _TIOCLINUX))
    if not namespaces:
        code += _refuse_arguments(known, "ioctl", 1, _SET_ATTRIBUTES)
        code += _refuse(known, "clone3", errno.ENOSYS)  # its flags cannot be seen; the C library then uses clone
        code += _refuse_flag(known, "clone", 0, _CLONE_NEWUSER)
        for name in _ATTRIBUTES:
            code += _refuse(known, name, errno.EOPNOTSUPP)
        for name in _OWNED:
            code += _notify(known, name) if supervised else _refuse(known, name, errno.EPERM)
    return code + _op(_RET, _ALLOW)


def _op(code: int, k: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, jump_true, jump_false, k)


def _fail(number: int) -> bytes:
    return _op(_RET, _ERRNO | number)


def _start(machine: _Machine) -> bytes:
    """Refuse every other architecture, then load the number of the call."""
    return (
        _op(_LOAD, _ARCH)
        + _op(_JEQ, machine.audit, 1, 0)
        + _fail(errno.EPERM)
        + _op(_LOAD, _NUMBER)
        + _op(_JGE, _X32, 0, 1)
        + _fail(errno.EPERM)
    )


def _refuse(machine: _Machine, name: str, number: int) -> bytes:
    if name not in machine.number:  # ARM never had the old forms
        return b""
    return _op(_JEQ, machine.number[name], 0, 1) + _fail(number)


def _notify(machine: _Machine, name: str) -> bytes:
    if name not in machine.number:
        return b""
    return _op(_JEQ, machine.number[name], 0, 1) + _op(_RET, _NOTIFY)


def owned_calls() -> dict[int, str]:
    """The calls that a supervisor is asked about, by number."""
    known = _MACHINES[platform.machine()]
    return {known.number[name]: name for name in _OWNED if name in known.number}


def _about(machine: _Machine, name: str, body: bytes) -> bytes:
    """Run `body` for calls of this name only; it leaves with an argument loaded, so the number is loaded again."""
    after = body + _op(_LOAD, _NUMBER)
    return _op(_JEQ, machine.number[name], 0, len(after) // 8) + after


def _argument(at: int) -> bytes:
    """Load the low half: the kernel takes these arguments as 32 bits, whatever stands above."""
    return _op(_LOAD, _ARGS + 8 * at)


def _sockets(machine: _Machine, families: tuple[int, ...]) -> bytes:
    body = _argument(0)
    for at, family in enumerate(families):
        body += _op(_JEQ, family, len(families) - at, 0)
    return _about(machine, "socket", body + _fail(errno.EPERM))


def _refuse_arguments(machine: _Machine, name: str, at: int, values: tuple[int, ...]) -> bytes:
    body = _argument(at)
    for value in values:
        body += _op(_JEQ, value, 0, 1) + _fail(errno.EPERM)
    return _about(machine, name, body)


def _refuse_flag(machine: _Machine, name: str, at: int, flag: int) -> bytes:
    return _about(machine, name, _argument(at) + _op(_JSET, flag, 0, 1) + _fail(errno.EPERM))
