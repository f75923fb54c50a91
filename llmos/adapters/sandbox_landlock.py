"""Tier 2: Landlock and seccomp, for machines and containers where no namespaces may be made.

Landlock only allows, and what is allowed for a folder is allowed below it. So everything is allowed for reading but the
folders on the way to something hidden, whose other entries are allowed one by one.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from llmos.adapters import sandbox_landlock_child
from llmos.adapters.sandbox_env import clean_environment
from llmos.adapters.sandbox_guard import watch
from llmos.adapters.sandbox_layout import REPLACED, Layout, layout
from llmos.adapters.sandbox_seccomp import owned_calls, program
from llmos.core.sandbox import LANDLOCK, Confinement, Launch, SandboxTier

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_MAKE_DEVICES = 1 << 6 | 1 << 11
_NET = 0b11
_SCOPED = 0b11
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ = _EXECUTE | _READ_FILE | _READ_DIR
LEAST_ABI = 3
"""Before the third, a file outside could be cut to nothing."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")


class Landlock:
    """The Sandbox port. `private` is a folder of this session's own, named to commands by TMPDIR."""

    tier: SandboxTier = LANDLOCK

    def __init__(self, abi: int, private: Path) -> None:
        self._abi = abi
        self._private = private

    def beside(self, private: Path) -> Landlock:
        """The same for another session."""
        return Landlock(self._abi, private)

    @contextmanager
    def launch(self, argv: Sequence[str], confinement: Confinement) -> Iterator[Launch]:
        plan = layout(confinement, exceptions=False)
        guard = watch(plan.watched, plan.writable, if_small=(*plan.derived, *plan.fixed))
        private = Path(os.path.realpath(self._private))
        env = clean_environment(os.environ, temporary=private, also=confinement.env_names, network=confinement.network)
        order = self._order(plan, private, network=confinement.network)
        descriptor = os.memfd_create("llmos-order", os.MFD_CLOEXEC)
        os.write(descriptor, json.dumps(order).encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        whole = [sys.executable, "-I", "-S", str(sandbox_landlock_child.__file__), str(descriptor), *argv]
        launch = Launch(whole, env, (descriptor,), wrapped=True)
        try:
            yield launch
        finally:
            os.close(descriptor)
            launch.undone += guard.put_back()

    def _order(self, plan: Layout, private: Path, *, network: bool) -> Mapping[str, Any]:
        """What the child is told: handled rights, rules as [rights, paths], and the filter."""
        every = (1 << (15 if self._abi < 5 else 16)) - 1
        write = every & ~_MAKE_DEVICES & ~_IOCTL_DEV
        hidden = {*plan.hidden, *(path for path in (*REPLACED, Path("/dev")) if path.is_dir())}
        rules = _rules(Path("/"), hidden, _READ)
        for root in (*plan.writable, private):
            rules += _rules(root, {path for path in plan.hidden if path.is_relative_to(root)}, write)
        rules.append((_READ_DIR, [str(path) for path in _ways_to(hidden)]))
        rules.append((_READ_FILE | _WRITE_FILE | _TRUNCATE, [str(path) for path in _DEVICES]))
        if network:
            rules.append((_READ_FILE, [os.path.realpath(file) for file in _NETWORK_FILES]))
        code = program(namespaces=False, network=network)
        supervised = program(namespaces=False, network=network, supervised=True)
        assert code is not None and supervised is not None, "the probe let no other machine through"
        return {
            "files": every,
            "net": 0 if network or self._abi < 4 else _NET,
            "scoped": _SCOPED if self._abi >= 6 else 0,
            "attribute_bytes": 8 if self._abi < 4 else 16 if self._abi < 6 else 24,
            "rules": rules,
            "filter": code.hex(),
            "supervised_filter": supervised.hex(),
            "calls": {str(number): name for number, name in owned_calls().items()},
            "roots": [str(path) for path in (*plan.writable, private)],
            "hidden": [str(path) for path in plan.hidden],
        }


_Rules: TypeAlias = list[tuple[int, list[str]]]


def _rules(root: Path, hidden: Set[Path], access: int) -> _Rules:
    """Rules that give `access` to all below `root` but the hidden paths.

    Where there are some, nothing can be made in the folders on the way to them, because that could not be told from
    making something in a hidden folder.
    """
    ways = {way for way in _ways_to(hidden) if way.is_relative_to(root)}
    if not ways:
        return [(access, [str(root)])] if root not in hidden else []
    folders: list[str] = []
    files: list[str] = []
    for way in ways:
        try:
            with os.scandir(way) as entries:
                for entry in entries:
                    path = Path(entry.path)
                    if path in hidden or path in ways or entry.is_symlink():
                        continue
                    (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.path)
        except OSError:
            continue
    return [(access, folders), (access & _ON_FILES, files)]


def _ways_to(paths: Iterable[Path]) -> set[Path]:
    """Every folder above one of the paths."""
    return {parent for path in paths for parent in path.parents}


def landlock_abi() -> int:
    """The version of Landlock in this kernel; 0 where there is none, or it may not be used."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return max(0, int(libc.syscall(444, None, ctypes.c_size_t(0), 1)))
    except (OSError, AttributeError):
        return 0
