"""The battery: a small world to break out into, the probes run inside the boundary of one tier, and the verdicts.

    python tests/safety/battery.py TIER      TIER: bubblewrap, landlock or none

It prints one JSON object. It is a process of its own, with a terminal and a secret in its environment, so that a probe
can look for both; the tests start it as root and as a normal user.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shlex
import socket
import stat
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from probes import ALLOWED, ATTACKS

from llmos.adapters.sandbox import find_sandbox, holds
from llmos.adapters.sandbox_bwrap import Bubblewrap, find_bubblewrap
from llmos.adapters.sandbox_landlock import LEAST_ABI, Landlock, landlock_abi
from llmos.adapters.sandbox_layout import REPLACED
from llmos.core.sandbox import Boundary, Sandbox
from llmos.core.tool import ToolContext
from llmos.tools.shell import shell

SECRET = "LLMOS_PLANTED_SECRET"
PROBES = Path(__file__).parent / "probes.py"


def reachable_python() -> str:
    """An interpreter that a command can start: not one of an environment below /tmp, which commands do not see."""
    for name in (sys.executable, getattr(sys, "_base_executable", ""), "/usr/bin/python3"):
        if os.access(name, os.X_OK) and not any(Path(name).is_relative_to(folder) for folder in REPLACED):
            return name
    return sys.executable


def tier(name: str, private: Path) -> Sandbox | None:
    """The tier of that name where it works here; "none" is no boundary at all, which the caller asked for."""
    made: Sandbox | None = None
    if name == "best":
        made = find_sandbox(private)
    elif name == "bubblewrap" and (executable := find_bubblewrap(os.environ.get("PATH", ""))):
        made = Bubblewrap(executable, private)
    elif name == "landlock" and landlock_abi() >= LEAST_ABI:
        made = Landlock(landlock_abi(), private)
    return made if made is not None and holds(made) else None


@dataclass
class World:
    """What a probe may try to reach, and what it looked like before."""

    folder: Path
    tcp_hits: list[bytes] = field(default_factory=list)
    udp_hits: list[bytes] = field(default_factory=list)
    unix_hits: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("work", "outside", "keys"):
            (self.folder / name).mkdir()
        for name in ("overwrite", "delete", "truncate", "hard", "mode", "time"):
            (self.folder / "outside" / name).write_text("before")
            (self.folder / "outside" / name).chmod(0o600)
        (self.folder / "keys" / "id").write_text("key")
        git = {"cwd": self.work, "check": True, "capture_output": True}
        subprocess.run(["git", "init", "-q"], **git)
        self.shared = os.open(self.folder / "outside" / "descriptor", os.O_RDWR | os.O_CREAT)
        os.set_inheritable(self.shared, True)
        self.sentinel = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
        self.secret_bytes = ctypes.create_string_buffer(b"BREACH!!")
        self.before = self.picture()
        self._serve()

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def _serve(self) -> None:
        path = str(self.folder / "outside" / "socket")
        abstract = f"llmos-{os.getpid()}"
        for address in (path, "\0" + abstract):
            server = socket.socket(socket.AF_UNIX)
            server.bind(address)
            server.listen()
            threading.Thread(target=self._accept, args=(server, self.unix_hits, address), daemon=True).start()
        tcp = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, args=(tcp, self.tcp_hits, b"hit"), daemon=True).start()
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        threading.Thread(target=self._echo, args=(udp,), daemon=True).start()
        self.facts = {
            "unix": path,
            "abstract": abstract,
            "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "keys": str(self.folder / "keys"),
            "outside": str(self.folder / "outside"),
            "descriptor": self.shared,
            "sentinel": self.sentinel.pid,
            "judge": os.getpid(),
            "address": ctypes.addressof(self.secret_bytes),
            "terminal": os.ttyname(0) if os.isatty(0) else "/dev/null",
            "host": socket.gethostname(),
        }

    @staticmethod
    def _accept(server: socket.socket, hits: list[Any], mark: Any) -> None:
        while True:
            server.accept()
            hits.append(mark)

    def _echo(self, server: socket.socket) -> None:
        while True:
            data, whom = server.recvfrom(100)
            self.udp_hits.append(data)
            server.sendto(b"ok", whom)

    def picture(self) -> dict[str, Any]:
        """Everything that must stay as it is: files outside and protected ones, with content, mode and times."""
        found: dict[str, Any] = {}
        watched = [self.folder / "outside", self.folder / "keys", self.work / ".git" / "hooks"]
        files = [path for top in watched for path in sorted(top.rglob("*"))]
        for path in (*files, self.work / ".git" / "config", self.work / ".bashrc"):
            if path.is_file():
                facts = path.stat()
                found[str(path.relative_to(self.folder))] = (
                    path.read_bytes().decode(errors="replace"),
                    stat.S_IMODE(facts.st_mode),
                    facts.st_mtime if "outside" in path.parts else 0,
                    os.listxattr(path),
                )
        return found

    def changed(self) -> list[str]:
        now = self.picture()
        paths = sorted(self.before.keys() | now.keys())
        return [path for path in paths if self.before.get(path) != now.get(path)]


PUT_BACK = frozenset({"hook", "git_config", "start_up_file"})
"""Whose success inside does not count: what counts is that nothing is left of it."""


def examine(name: str) -> dict[str, Any]:
    """All probes in one command; a probe that says "done" broke out, unless what it did was put back."""
    with TemporaryDirectory(prefix="llmos-battery-") as folder, TemporaryDirectory(prefix="llmos-private-") as private:
        return _examine(name, Path(folder), Path(private))


def _examine(name: str, folder: Path, private: Path) -> dict[str, Any]:
    sandbox = tier(name, private) if name != "none" else None
    if sandbox is None and name != "none":
        return {"tier": name, "there": False}
    world = World(folder)
    context = ToolContext(
        cwd=world.work,
        timeout_s=60,
        sandbox=sandbox,
        boundary=Boundary(hidden=(folder / "keys",)),
        output_bytes=100_000,
    )
    script = world.work / "probes.py"
    script.write_text(PROBES.read_text())
    # Backwards: written out, it would be found in the command itself.
    facts = {**world.facts, "reversed": os.environ.get(SECRET, "")[::-1]}
    command = shlex.join([reachable_python(), "-I", str(script), json.dumps(facts)])
    output = asyncio.run(shell.run({"command": command}, context))
    sentinel_died = world.sentinel.poll() is not None
    world.sentinel.kill()
    try:
        results = json.loads(output.stdout)
    except ValueError:
        return {"tier": name, "there": True, "broken": output.text}
    attacks = {probe.__name__ for probe in ATTACKS}
    allowed = {probe.__name__ for probe in ALLOWED}
    breaches = sorted(probe for probe in attacks - PUT_BACK if results[probe] == "done")
    changed = world.changed()
    return {
        "tier": name,
        "there": True,
        "user": os.geteuid(),
        "terminal": os.isatty(0),
        "attacks": len(attacks),
        "breaches": breaches,
        "changed": changed,
        "sentinel_died": sentinel_died,
        "heard": len(world.tcp_hits) + len(world.udp_hits) + len(world.unix_hits),
        "allowed": len(allowed),
        "not_allowed": {probe: results[probe] for probe in sorted(allowed) if results[probe] != "done"},
        "results": results,
    }


if __name__ == "__main__":
    print(json.dumps(examine(sys.argv[1])))
