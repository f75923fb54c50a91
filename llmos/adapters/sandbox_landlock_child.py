"""What tier 2 starts: a program of its own that confines a command and stays outside to end what it leaves behind.

It is started by its path with `python -I -S`, so it imports the standard library only, and as little of that as it
can: each command pays for it. A process that forks from llmos itself would have to do all this between fork and exec
among threads, where Python may not run.

The order is read from a descriptor, as JSON; see `Order` in sandbox_landlock.py for its parts.
"""

from __future__ import annotations

import _socket
import array
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import stat
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_CAP_AMBIENT = 24, 36, 47
_CAP_AMBIENT_CLEAR_ALL = 4
_LAST_CAPABILITY = 63
_SECCOMP_X86, _SECCOMP_ARM, _NEW_LISTENER = 317, 277, 1 << 3
_RECEIVE, _SEND, _STILL_VALID = 0xC0502100, 0xC0182101, 0x40082102
_QUESTION = struct.Struct("QIIiIQ6Q")
_AT_FDCWD, _NOFOLLOW = -100, 0x100
_UTIME_NOW, _OMIT = (1 << 30) - 1, (1 << 30) - 2
_PAGE, _LONGEST_PATH = 4096, 4096
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


def install(program: bytes, flags: int) -> int:
    """Put the filter on this process; with the listener flag its descriptor."""
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    holder = ctypes.create_string_buffer(filter_, len(filter_))
    number = _SECCOMP_ARM if os.uname().machine == "aarch64" else _SECCOMP_X86
    return call("seccomp", libc.syscall(number, 1, ctypes.c_uint(flags), holder))


def confine(order: dict[str, Any], channel: _socket.socket) -> None:
    """From here on this process, and all that come of it, are held back."""
    os.setsid()
    call("no_new_privs", prctl(_PR_SET_NO_NEW_PRIVS, 1))
    drop_capabilities()
    restrict_files(order)
    try:
        listener = install(bytes.fromhex(order["supervised_filter"]), _NEW_LISTENER)
    except OSError:  # a filter around us has a listener already, or the kernel knows none: then the calls are refused
        install(bytes.fromhex(order["filter"]), 0)
        channel.send(b"n")
    else:
        channel.sendmsg([b"y"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [listener]))])
        os.close(listener)
    channel.close()


def start(order: dict[str, Any], argv: list[str]) -> tuple[int, int | None]:
    """The process id of the command, and the descriptor on which it asks; None where it cannot."""
    parent = os.getpid()
    ours, theirs = (_socket.socket(fileno=fd) for fd in _pair())
    child = os.fork()
    if child:
        theirs.close()
        return child, _listener(ours)
    try:
        ours.close()
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(_FAILED)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        confine(order, theirs)
        os.execvp(argv[0], argv)  # noqa: S606 - it is what was asked for, and no shell is wanted
    except OSError as error:
        os.write(2, f"llmos: the command could not be confined and was not run: {error}\n".encode())
    finally:
        os._exit(_FAILED)


def _pair() -> tuple[int, int]:
    one, other = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    return one.detach(), other.detach()


def _listener(channel: _socket.socket) -> int | None:
    _, ancillary, _, _ = channel.recvmsg(1, _socket.CMSG_LEN(4))
    channel.close()
    for level, kind, data in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            return int(struct.unpack("i", data[:4])[0])
    return None


class Supervisor:
    """Changes modes and times of files for the command, where it may write them.

    The file is opened first and looked at afterwards, so that what is checked is what is changed.
    """

    def __init__(self, listener: int, order: dict[str, Any]) -> None:
        self.listener = listener
        self.calls: dict[int, str] = {int(number): name for number, name in order["calls"].items()}
        self.roots = tuple(order["roots"])
        self.hidden = tuple(order["hidden"])

    def answer(self) -> None:
        """Take one question and answer it. A process that is gone gets none."""
        question = bytearray(_QUESTION.size)
        try:
            fcntl.ioctl(self.listener, _RECEIVE, question)
        except OSError:
            return
        number_of_it, pid, _, number, _, _, *args = _QUESTION.unpack(question)
        try:
            self.act(self.calls[number], pid, args, number_of_it)
            failed = 0
        except OSError as error:
            failed = error.errno or errno.EPERM
        except (KeyError, ValueError, OverflowError):
            failed = errno.EPERM
        try:
            fcntl.ioctl(self.listener, _SEND, bytearray(struct.pack("QqiI", number_of_it, 0, -failed, 0)))
        except OSError:
            return

    def act(self, name: str, pid: int, args: list[int], question: int) -> None:
        with open(f"/proc/{pid}/mem", "rb", 0) as memory:  # noqa: PTH123 - pathlib costs milliseconds
            target = self.target(name, pid, args, memory)
            try:
                times = self.times(name, args, memory) if name.startswith(("ut", "fut")) else None
                fcntl.ioctl(self.listener, _STILL_VALID, bytearray(struct.pack("Q", question)))
                self.change(name, args, target, times)
            finally:
                os.close(target)

    def target(self, name: str, pid: int, args: list[int], memory: Any) -> int:
        """A descriptor of the file that is meant, which lies where the command may write. Raises OSError."""
        flags = os.O_PATH | os.O_CLOEXEC
        if name in ("fchmod", "fchown") or (name in ("utimensat", "futimesat") and args[1] == 0):
            descriptor = os.open(f"/proc/{pid}/fd/{_signed(args[0])}", flags)
        else:
            at = name.endswith(("at", "at2"))
            path = of_process(read_text(memory, args[1 if at else 0]), pid)
            follow = {"lchown": False, "fchownat": not args[4] & _NOFOLLOW, "fchmodat2": not args[3] & _NOFOLLOW}
            follow["utimensat"] = not args[3] & _NOFOLLOW
            if not follow.get(name, True):
                flags |= os.O_NOFOLLOW
            base = _signed(args[0]) if at else _AT_FDCWD
            where = f"/proc/{pid}/cwd" if base == _AT_FDCWD else f"/proc/{pid}/fd/{base}"
            folder = os.open(where, os.O_PATH | os.O_CLOEXEC)
            try:
                descriptor = os.open(path, flags, dir_fd=folder) if path else os.dup(folder)
            finally:
                os.close(folder)
        real = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - as above
        if not below(real, self.roots) or below(real, self.hidden):
            os.close(descriptor)
            raise PermissionError(errno.EPERM, "outside")
        return descriptor

    def times(self, name: str, args: list[int], memory: Any) -> tuple[int, int] | None:
        """Times of access and change in nanoseconds; None for now."""
        pointer = args[1] if name in ("utime", "utimes") else args[2]
        if pointer == 0:
            return None
        memory.seek(pointer)
        if name == "utime":
            access, change = struct.unpack("qq", memory.read(16))
            return access * 10**9, change * 10**9
        access_s, access_part, change_s, change_part = struct.unpack("qqqq", memory.read(32))
        if name != "utimensat":
            return access_s * 10**9 + access_part * 1000, change_s * 10**9 + change_part * 1000
        return _nanoseconds(access_s, access_part), _nanoseconds(change_s, change_part)

    def change(self, name: str, args: list[int], target: int, times: tuple[int, int] | None) -> None:
        path = f"/proc/self/fd/{target}"
        found = os.stat(path)  # noqa: PTH116 - as above
        if stat.S_ISLNK(found.st_mode):
            return  # neither the mode nor the times of a link matter
        if "chmod" in name:
            os.chmod(path, args[2 if name in ("fchmodat", "fchmodat2") else 1] & 0o1777)  # noqa: PTH101
        elif "chown" in name:
            at = 2 if name == "fchownat" else 1
            if _signed(args[at]) not in (-1, found.st_uid) or _signed(args[at + 1]) not in (-1, found.st_gid):
                raise PermissionError(errno.EPERM, "of another")
        elif times is None:
            os.utime(path)
        else:
            access, change = times
            kept = (found.st_atime_ns if access == _OMIT else access, found.st_mtime_ns if change == _OMIT else change)
            os.utime(path, ns=kept)


def _signed(value: int) -> int:
    """The low half of an argument as the kernel takes a descriptor or a user."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _nanoseconds(seconds: int, part: int) -> int:
    if part == _UTIME_NOW:
        import time

        return time.time_ns()
    return _OMIT if part == _OMIT else seconds * 10**9 + part


def read_text(memory: Any, pointer: int) -> bytes:
    """A path in the memory of the command."""
    memory.seek(pointer)
    text = b""
    while len(text) < _LONGEST_PATH:
        # Never over the end of a page: the next one may not be there.
        piece = memory.read(_PAGE - (pointer + len(text)) % _PAGE)
        end = piece.find(b"\0")
        if end >= 0:
            return bytes(text + piece[:end])
        text += piece
    raise OSError(errno.ENAMETOOLONG, "path")


def of_process(path: bytes, pid: int) -> bytes:
    """The C library names open files by /proc/self, which is another process here."""
    for own in (b"/proc/self/", b"/proc/thread-self/"):
        if path.startswith(own):
            return b"/proc/%d/%s" % (pid, path.removeprefix(own))
    return b"/proc/%d/fd/%s" % (pid, path.removeprefix(b"/dev/fd/")) if path.startswith(b"/dev/fd/") else path


def below(path: str, roots: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)


def serve(child: int, listener: int | None, order: dict[str, Any]) -> int:
    """Answer until the command ends; its wait status."""
    if listener is not None:
        supervisor = Supervisor(listener, order)
        ended = os.pidfd_open(child)
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(ended, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if ended in ready:
                break
            if ready.get(listener, 0) & select.POLLIN:
                supervisor.answer()
            else:
                poll.unregister(listener)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return status


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
    child, listener = start(order, sys.argv[2:])
    status = serve(child, listener, order)
    end_the_rest()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
