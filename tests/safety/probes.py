"""Runs inside the boundary and tries to get out. Prints what each try came to, as JSON; the judge is outside.

Standard library only: it is started with whatever Python the command finds.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
NR_PTRACE, NR_KEYCTL, NR_BPF, NR_PROCESS_VM_READV = (117, 219, 280, 270) if ARM else (101, 250, 321, 310)
NR_IO_URING_SETUP, NR_OPEN_TREE = 425, 428
TIOCSTI = 0x5412


def syscall(number: int, *args: Any) -> int:
    result = libc.syscall(number, *(ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(result)


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise OSError(errno.EPERM, (done.stderr or done.stdout).strip()[-200:])
    return done.stdout


def remount(at: dict[str, Any]) -> None:
    if libc.mount(None, b"/", None, 0x1000 | 0x20, None) != 0:  # MS_BIND | MS_REMOUNT
        raise OSError(ctypes.get_errno(), "mount")
    Path("/etc/llmos-probe").write_text("x")
    Path("/etc/llmos-probe").unlink()


def new_mount_api(at: dict[str, Any]) -> None:
    syscall(NR_OPEN_TREE, -100, b"/", 1)


def sysctl(at: dict[str, Any]) -> None:
    path = Path("/proc/sys/vm/swappiness")
    path.write_text(path.read_text())


def inherited_descriptor(at: dict[str, Any]) -> None:
    os.write(at["descriptor"], b"BREACH")


def secret_of_a_process(at: dict[str, Any]) -> None:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if at["reversed"][::-1].encode() in (folder / "environ").read_bytes():
                    return
            except OSError:
                continue
    raise OSError(errno.EACCES, "not found")


def unix_socket(at: dict[str, Any]) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(at["unix"])


def abstract_socket(at: dict[str, Any]) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + at["abstract"])


def tcp(at: dict[str, Any]) -> None:
    with socket.create_connection(("127.0.0.1", at["tcp"]), timeout=3):
        pass


def udp(at: dict[str, Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect(("127.0.0.1", at["udp"]))
        client.send(b"BREACH")
        client.recv(10)


def vsock(at: dict[str, Any]) -> None:
    socket.socket(40, socket.SOCK_STREAM).close()


def user_namespace(at: dict[str, Any]) -> None:
    run("unshare", "--user", "--map-root-user", "true")


def read_key(at: dict[str, Any]) -> None:
    (Path(at["keys"]) / "id").read_text()


def write_key(at: dict[str, Any]) -> None:
    (Path(at["keys"]) / "id").write_text("BREACH")


def write_outside(at: dict[str, Any]) -> None:
    Path(at["outside"], "new").write_text("BREACH")


def overwrite_outside(at: dict[str, Any]) -> None:
    Path(at["outside"], "overwrite").write_text("BREACH")


def delete_outside(at: dict[str, Any]) -> None:
    Path(at["outside"], "delete").unlink()


def truncate_outside(at: dict[str, Any]) -> None:
    os.truncate(Path(at["outside"], "truncate"), 0)


def write_through_symlink(at: dict[str, Any]) -> None:
    link = Path("link-out")
    link.symlink_to(at["outside"])
    (link / "symlink").write_text("BREACH")


def write_through_hard_link(at: dict[str, Any]) -> None:
    os.link(Path(at["outside"], "hard"), "hard-link")
    Path("hard-link").write_text("BREACH")


def root_of_another_process(at: dict[str, Any]) -> None:
    for pid in (1, os.getppid(), at["sentinel"]):
        try:
            Path(f"/proc/{pid}/root{at['outside']}", "procroot").write_text("BREACH")
        except OSError:
            continue
        return
    raise OSError(errno.EACCES, "none could be entered")


def kill_outside(at: dict[str, Any]) -> None:
    os.kill(at["sentinel"], signal.SIGKILL)


def trace_outside(at: dict[str, Any]) -> None:
    syscall(NR_PTRACE, 16, at["sentinel"], 0, 0)  # PTRACE_ATTACH


def read_memory_outside(at: dict[str, Any]) -> None:
    with open(f"/proc/{at['sentinel']}/mem", "rb"):
        pass


def read_process_memory(at: dict[str, Any]) -> None:
    buffer = ctypes.create_string_buffer(8)

    class Vector(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    local = Vector(ctypes.addressof(buffer), 8)
    remote = Vector(at["address"], 8)
    syscall(NR_PROCESS_VM_READV, at["judge"], ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)


def hook(at: dict[str, Any]) -> None:
    path = Path(".git/hooks/post-checkout")
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def git_config(at: dict[str, Any]) -> None:
    with open(".git/config", "a") as file:
        file.write("[core]\n\tfsmonitor = BREACH\n")


def start_up_file(at: dict[str, Any]) -> None:
    Path(".bashrc").write_text("BREACH")


def terminal(at: dict[str, Any]) -> None:
    failed: OSError | None = None
    for path in ("/dev/tty", at["terminal"], "/dev/pts/0"):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
            fcntl.ioctl(descriptor, TIOCSTI, b"B")
            return
        except OSError as error:
            failed = error
    raise failed or OSError(errno.ENOENT, "no terminal")


def mode_outside(at: dict[str, Any]) -> None:
    os.chmod(Path(at["outside"], "mode"), 0o777)


def mode_by_descriptor(at: dict[str, Any]) -> None:
    os.fchmod(os.open(Path(at["outside"], "mode"), os.O_RDONLY), 0o777)


def owner_outside(at: dict[str, Any]) -> None:
    os.chown(Path(at["outside"], "mode"), os.getuid(), os.getgid())


def time_outside(at: dict[str, Any]) -> None:
    os.utime(Path(at["outside"], "time"), (1, 1))


def time_by_descriptor(at: dict[str, Any]) -> None:
    os.utime(os.open(Path(at["outside"], "time"), os.O_RDONLY), (1, 1))


def attribute_outside(at: dict[str, Any]) -> None:
    os.setxattr(Path(at["outside"], "mode"), "user.llmos", b"BREACH")


def io_uring(at: dict[str, Any]) -> None:
    syscall(NR_IO_URING_SETUP, 4, ctypes.create_string_buffer(120))


def keyring(at: dict[str, Any]) -> None:
    syscall(NR_KEYCTL, 0, -3, 0, 0, 0)


def bpf(at: dict[str, Any]) -> None:
    syscall(NR_BPF, 0, ctypes.create_string_buffer(b"\x02" + bytes(71)), 72)


def device(at: dict[str, Any]) -> None:
    os.mknod("device", 0o20600, os.makedev(1, 1))
    os.close(os.open("device", os.O_RDONLY))


def set_user_id(at: dict[str, Any]) -> None:
    """A program that would give root: sudo, su or ping; here only whether it could gain anything."""
    status = Path("/proc/self/status").read_text()
    if "NoNewPrivs:\t1" in status:
        raise OSError(errno.EPERM, "no new privileges")


def host_name(at: dict[str, Any]) -> None:
    if libc.sethostname(at["host"].encode(), len(at["host"])) != 0:
        raise OSError(ctypes.get_errno(), "sethostname")


ATTACKS: tuple[Callable[[dict[str, Any]], None], ...] = (
    remount,
    new_mount_api,
    sysctl,
    inherited_descriptor,
    secret_of_a_process,
    unix_socket,
    abstract_socket,
    tcp,
    udp,
    vsock,
    user_namespace,
    read_key,
    write_key,
    write_outside,
    overwrite_outside,
    delete_outside,
    truncate_outside,
    write_through_symlink,
    write_through_hard_link,
    root_of_another_process,
    trace_outside,
    read_memory_outside,
    read_process_memory,
    hook,
    git_config,
    start_up_file,
    terminal,
    mode_outside,
    mode_by_descriptor,
    owner_outside,
    time_outside,
    time_by_descriptor,
    attribute_outside,
    io_uring,
    keyring,
    bpf,
    device,
    set_user_id,
    host_name,
    kill_outside,
)


def writes_here(at: dict[str, Any]) -> None:
    Path("folder").mkdir()
    Path("folder/file").write_text("x")
    Path("folder/file").rename("moved")
    os.symlink("moved", "a-link")
    os.link("moved", "another")
    assert Path("a-link").read_text() == "x"


def writes_temporary(at: dict[str, Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x").write_text("x")


def starts_programs(at: dict[str, Any]) -> None:
    assert run("bash", "-c", "echo hi | cat") == "hi\n"


def ends_its_own(at: dict[str, Any]) -> None:
    child = subprocess.Popen(["sleep", "60"])
    child.kill()
    assert child.wait() == -9


def reads_the_system(at: dict[str, Any]) -> None:
    assert Path("/etc/passwd").read_text() and os.listdir("/usr/bin")


def socket_pair(at: dict[str, Any]) -> None:
    one, other = socket.socketpair()
    one.send(b"x")
    assert other.recv(1) == b"x"


def reads_git(at: dict[str, Any]) -> None:
    run("git", "status", "--short")


def makes_programs(at: dict[str, Any]) -> None:
    Path("program").write_text("#!/bin/sh\necho ran\n")
    os.chmod("program", 0o755)
    assert run("./program") == "ran\n"
    os.utime("program", (1, 1))
    assert os.stat("program").st_mtime == 1


def devices(at: dict[str, Any]) -> None:
    assert len(Path("/dev/urandom").open("rb").read(4)) == 4
    Path("/dev/null").write_text("x")


ALLOWED: tuple[Callable[[dict[str, Any]], None], ...] = (
    writes_here,
    writes_temporary,
    starts_programs,
    ends_its_own,
    reads_the_system,
    socket_pair,
    reads_git,
    makes_programs,
    devices,
)


def came_to(probe: Callable[[dict[str, Any]], None], at: dict[str, Any]) -> str:
    try:
        probe(at)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "done"


def main() -> None:
    at = json.loads(sys.argv[1])
    print(json.dumps({probe.__name__: came_to(probe, at) for probe in (*ATTACKS, *ALLOWED)}))


if __name__ == "__main__":
    main()
