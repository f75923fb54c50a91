"""Nothing gets out: the battery in each tier that this machine has, as root and as a normal user.

A tier or a user that is not there is said so in the figures, and no tier at all is a failure. The partner runs the
same probes without a boundary, where they must get out: a battery that cannot fail proves nothing.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

BATTERY = Path(__file__).parent / "battery.py"
NOBODY = 65534


def usable_by_others() -> str | None:
    """A Python of this version that another user can start."""
    names = [sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"]
    for name in names:
        try:
            start = [*as_nobody(), "bash", "-c", f"exec {name} -c 'import ctypes'"]
            done = subprocess.run(start, capture_output=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return name
    return None


def as_nobody() -> list[str]:
    return [
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--bounding-set=-all",
        "--inh-caps=-all",
    ]


def run_battery(tier: str, *, nobody: bool) -> dict[str, Any]:
    """One battery in a process with a terminal and a secret in its environment."""
    words = [sys.executable, str(BATTERY), tier]
    if nobody:
        python = usable_by_others()
        assert python is not None, "no Python here can be started by another user"
        words = [*as_nobody(), python, str(BATTERY), tier]
    path = os.pathsep.join([str(BATTERY.parent), *filter(None, sys.path)])
    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/nonexistent" if nobody else os.environ.get("HOME", "/"),
        "PYTHONPATH": path,
        "LLMOS_PLANTED_SECRET": f"planted-{os.urandom(8).hex()}",
    }
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            words, stdin=theirs, capture_output=True, text=True, env=environment, timeout=40, check=False, cwd="/"
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert "broken" not in found, found
    return dict(found)


@cache
def users() -> tuple[bool, ...]:
    """Whom the battery is run as: this user, and nobody where this is root."""
    return (False, True) if os.geteuid() == 0 and shutil.which("setpriv") else (False,)


def report(results: list[dict[str, Any]]) -> str:
    lines = []
    for found in results:
        who = "root" if found["user"] == 0 else "a normal user"
        lines.append(
            f"sandbox: {found['tier']} as {who}: {found['attacks']} probes, {len(found['breaches'])} breaches, "
            f"{found['allowed'] - len(found['not_allowed'])} of {found['allowed']} ordinary things allowed"
        )
    return "\n".join(lines)


def figures() -> list[dict[str, Any]]:
    """Every tier that is here, as every user that can be had."""
    results = [
        found
        for nobody in users()
        for tier in ("bubblewrap", "landlock")
        if (found := run_battery(tier, nobody=nobody))["there"]
    ]
    assert results, "no sandbox tier works on this machine: install bubblewrap, or use a kernel with Landlock"
    return results


def test_nothing_gets_out_and_ordinary_things_work() -> None:
    for found in figures():
        who = (found["tier"], found["user"])
        told = {name: found["results"][name] for name in found["breaches"]}
        assert (who, told, found["changed"], found["heard"]) == (who, {}, [], 0)
        assert (who, found["sentinel_died"], found["terminal"]) == (who, False, True)
        assert (who, found["not_allowed"]) == (who, {})


def test_without_a_boundary_the_same_probes_get_out() -> None:
    for nobody in users():
        found = run_battery("none", nobody=nobody)
        assert len(found["breaches"]) >= 24, found["breaches"]
        assert found["sentinel_died"] and found["heard"] == 4
        assert {"work/.bashrc", "work/.git/config", "work/.git/hooks/post-checkout"} <= set(found["changed"])
        assert {"outside/mode", "outside/time", "outside/hard", "outside/new", "keys/id"} <= set(found["changed"])


def test_a_tier_that_is_not_there_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_battery("no such tier", nobody=False) == {"tier": "no such tier", "there": False}


def main() -> None:
    """The figures of `make safety`: probes and breaches in each tier."""
    found = figures()
    print(report(found))
    breaches = sum(len(one["breaches"]) + len(one["changed"]) + one["heard"] for one in found)
    refused = sum(len(one["not_allowed"]) for one in found)
    probes, ordinary = (sum(one[what] for one in found) for what in ("attacks", "allowed"))
    print(
        f"{len(found)} batteries (tier x user), {probes} probes, {breaches} breaches; "
        f"{ordinary - refused} of {ordinary} ordinary things work"
    )
    if breaches or refused or any(one["sentinel_died"] for one in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
