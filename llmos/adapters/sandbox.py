"""Which boundary this machine has, found by trying it and never by a version.

A try is one command in the real profile, so what is called a tier has held one command here, now, as this user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from llmos.adapters.sandbox_bwrap import Bubblewrap, find_bubblewrap
from llmos.adapters.sandbox_landlock import LEAST_ABI, Landlock, landlock_abi
from llmos.adapters.sandbox_macos import SANDBOX_EXEC, Seatbelt
from llmos.adapters.sandbox_seccomp import program
from llmos.core.errors import ToolError
from llmos.core.sandbox import NO_SANDBOX, Boundary, Confinement, Launch, Sandbox, SandboxTier
from llmos.memory.private_folder import TRY

_TRY_S = 10.0


class NoSandbox:
    """The port where nothing holds: a command is refused here, should it ever come this far."""

    tier: SandboxTier = NO_SANDBOX

    @contextmanager
    def launch(self, argv: Sequence[str], confinement: Confinement) -> Iterator[Launch]:
        raise ToolError("shell: there is no sandbox on this machine, so the command was not run")
        yield  # makes it a generator


def find_sandbox(private: Path, *, path: str | None = None) -> Sandbox:
    """The strongest boundary that holds a command now. `path` is where programs are looked for."""
    for make in (_bubblewrap, _landlock, _seatbelt):
        sandbox = make(private, os.environ.get("PATH", "") if path is None else path)
        if sandbox is not None and holds(sandbox):
            return sandbox
    return NoSandbox()


def sandbox_beside(sandbox: Sandbox, private: Path) -> Sandbox:
    """The same boundary for another session, whose commands get a /tmp of their own. Nothing is tried again."""
    if isinstance(sandbox, Bubblewrap | Landlock | Seatbelt):
        return sandbox.beside(private)
    return sandbox


def _bubblewrap(private: Path, path: str) -> Sandbox | None:
    if not sys.platform.startswith("linux") or program(namespaces=True, network=True) is None:
        return None
    executable = find_bubblewrap(path)
    return Bubblewrap(executable, private) if executable else None


def _landlock(private: Path, path: str) -> Sandbox | None:
    if not sys.platform.startswith("linux") or program(namespaces=False, network=False) is None:
        return None
    abi = landlock_abi()
    return Landlock(abi, private) if abi >= LEAST_ABI else None


def _seatbelt(private: Path, path: str) -> Sandbox | None:
    return Seatbelt(private) if sys.platform == "darwin" and Path(SANDBOX_EXEC).is_file() else None


def holds(sandbox: Sandbox) -> bool:
    """Whether a command runs in it, writes where it may, and cannot where this process could."""
    work, outside = Path(tempfile.mkdtemp(prefix=TRY)), Path(tempfile.mkdtemp(prefix=TRY))
    test = f': > "{work}/in" && ! (: > "{outside}/out") 2>/dev/null'
    try:
        with sandbox.launch(["/bin/sh", "-c", test], Confinement(work, (), Boundary())) as launch:
            ended = subprocess.run(
                launch.argv,
                env=launch.env,
                pass_fds=launch.pass_fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                timeout=_TRY_S,
                check=False,
            )
        return ended.returncode == 0 and (work / "in").exists() and not (outside / "out").exists()
    except (OSError, ToolError, subprocess.TimeoutExpired):
        return False
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(outside, ignore_errors=True)
