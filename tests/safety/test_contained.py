"""What hostile commands do stays inside the boundary: nothing outside the working directory changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from test_sandbox_battery import NOBODY, as_nobody, usable_by_others

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "contained.py"
TIERS = ("bubblewrap", "landlock")
_REPLACED = ("/tmp", "/var/tmp", "/dev/shm", "/run")


def place() -> str:
    """A folder that commands can see, so that the boundary and not its absence must hold them."""
    for folder in ("/opt", "/srv", str(Path.home()), str(Path.cwd())):
        if os.access(folder, os.W_OK) and not folder.startswith(_REPLACED):
            return tempfile.mkdtemp(prefix="llmos-contained-", dir=folder)
    return tempfile.mkdtemp(prefix="llmos-contained-")


def contained(tier: str, stride: int) -> dict[str, Any]:
    """The commands in one tier, as a normal user: nobody, where this is root."""
    folder = place()
    words, python = list[str](), sys.executable
    try:
        if os.geteuid() == 0:
            found = usable_by_others()
            assert found is not None, "no Python here can be started by another user"
            words, python = as_nobody(), found
            os.chown(folder, NOBODY, NOBODY)
        top = str(SCRIPT.parents[2])
        path = os.pathsep.join([str(SCRIPT.parent), top, *filter(None, sys.path)])
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": folder, "PYTHONPATH": path}
        command = [*words, python, str(SCRIPT), tier, folder, str(stride)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=900, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return dict(json.loads(done.stdout))
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", folder], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_nothing_outside_changes() -> None:
    found = [contained(tier, 80) for tier in TIERS]
    there = [one for one in found if "absent" not in one]
    assert there, "no tier works on this machine"
    assert [one["changed"] for one in there] == [[] for _ in there]


def test_without_a_boundary_they_do() -> None:
    assert len(contained("none", 15)["changed"]) > 3


def main() -> None:
    """The figures of `make safety`."""
    stride = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    found = [contained(tier, stride) for tier in TIERS]
    there = [one for one in found if "absent" not in one]
    for one in there:
        for change in one["changed"]:
            print(f"{one['tier']}: {change}")
    parts = [f"{one['ran']} in {one['tier']}, {len(one['changed'])} changed something outside" for one in there]
    print("hostile commands run: " + ("; ".join(parts) or "no tier works on this machine"))
    sys.exit(0 if there and not any(one["changed"] for one in there) else 1)


if __name__ == "__main__":
    main()
