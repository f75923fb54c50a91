"""Tier 1: bubblewrap. A command gets namespaces of its own, a read-only system, and only its folders to write.

Invariant: nothing that a command leaves running outlives it, and bubblewrap itself is started with the clean
environment, because the command can read the environment of the process with id 1.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from llmos.adapters.sandbox_env import clean_environment
from llmos.adapters.sandbox_guard import watch
from llmos.adapters.sandbox_layout import REPLACED, Layout, layout
from llmos.adapters.sandbox_seccomp import program
from llmos.core.sandbox import BUBBLEWRAP, Confinement, Launch, SandboxTier, within

_TMP = Path("/tmp")  # noqa: S108 - of the sandbox
_NAMESPACES = "--unshare-all --unshare-user --disable-userns --cap-drop ALL --die-with-parent --new-session".split()
_PROC_READ_ONLY = ("sys", "irq", "fs", "bus", "acpi", "sysrq-trigger")
_SYSTEM_FOLDERS = ("/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin")
_NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")


class Bubblewrap:
    """The Sandbox port. `private` is a folder of this session's own that commands see as /tmp."""

    tier: SandboxTier = BUBBLEWRAP

    def __init__(self, executable: str, private: Path) -> None:
        self._executable = executable
        self._private = private

    def beside(self, private: Path) -> Bubblewrap:
        """The same for another session."""
        return Bubblewrap(self._executable, private)

    @contextmanager
    def launch(self, argv: Sequence[str], confinement: Confinement) -> Iterator[Launch]:
        plan = layout(confinement, exceptions=True)
        guard = watch(plan.watched, plan.writable)
        filter_fd = _filter_descriptor()
        env = clean_environment(os.environ, temporary=_TMP, also=confinement.env_names, network=confinement.network)
        options = self._options(plan, network=confinement.network)
        whole = [self._executable, *options, "--seccomp", str(filter_fd), "--", *argv]
        launch = Launch(whole, env, (filter_fd,), wrapped=True)
        try:
            yield launch
        finally:
            os.close(filter_fd)
            launch.undone += guard.put_back()

    def _options(self, plan: Layout, *, network: bool) -> list[str]:
        found = [*_NAMESPACES, *(("--share-net",) if network else ())]
        found += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        for name in _PROC_READ_ONLY:
            found += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
        for folder in REPLACED:
            if folder.is_dir() and not folder.is_symlink() and folder != _TMP:
                found += ["--tmpfs", str(folder)]
        found += ["--bind", str(self._private), str(_TMP)]
        if network:
            for file in _NETWORK_FILES:
                real = os.path.realpath(file)
                found += ["--ro-bind-try", real, real]
        outside = [path for path in plan.hidden if not plan.inside_writable(path)]
        found += _hide(path for path in outside if not any(within(path, folder) for folder in REPLACED))
        for root in plan.writable:
            found += ["--bind", str(root), str(root)]
        for path in plan.fixed:
            found += ["--ro-bind", str(path), str(path)]
        found += _hide(path for path in plan.hidden if plan.inside_writable(path))
        if not plan.inside_writable(plan.cwd):
            found += ["--ro-bind-try", str(plan.cwd), str(plan.cwd)] if plan.cwd != Path("/") else []
        return [*found, "--chdir", str(plan.cwd)]


def _hide(paths: Iterator[Path] | Sequence[Path]) -> list[str]:
    found: list[str] = []
    for path in paths:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except OSError:
            continue
        if is_folder:
            found += ["--perms", "0700", "--tmpfs", str(path), "--remount-ro", str(path)]
        else:
            found += ["--ro-bind", "/dev/null", str(path)]
    return found


def _filter_descriptor() -> int:
    code = program(namespaces=True, network=True)
    assert code is not None, "the probe let no other machine through"
    descriptor = os.memfd_create("llmos-filter", os.MFD_CLOEXEC)
    os.write(descriptor, code)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def find_bubblewrap(path: str) -> str | None:
    """The program, in a system folder or on `path`, that belongs to root and that nobody else can write.

    What a project puts on PATH (the bin folder of its virtual environment) would else be started outside of itself.
    """
    for folder in (*_SYSTEM_FOLDERS, *path.split(os.pathsep)):
        if not folder.startswith("/"):
            continue
        candidate = os.path.realpath(Path(folder) / "bwrap")
        try:
            found = Path(candidate).stat()
        except OSError:
            continue
        ours_only = found.st_uid == 0 and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if stat.S_ISREG(found.st_mode) and ours_only and os.access(candidate, os.X_OK):
            return candidate
    return None
