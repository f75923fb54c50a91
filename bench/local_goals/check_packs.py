"""Conditions on archives, gzip files and git repositories."""

from __future__ import annotations

import gzip
import os
import subprocess
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from bench.local_goals.check import Condition, End


def tar_holds(path: str, members: Mapping[str, str]) -> Condition:
    """The archive holds exactly these files, from path inside it to the path they came from."""

    def condition(end: End) -> str:
        if path not in end.after.entries:
            return f"there is no {path}"
        try:
            with tarfile.open(end.root / path) as archive:
                files = ((m.name.removeprefix("./"), archive.extractfile(m)) for m in archive.getmembers())
                held = {name: content.read() for name, content in files if content is not None}
        except (tarfile.TarError, EOFError, OSError) as exc:
            return f"{path} is no archive: {exc}"
        if held.keys() != members.keys():
            return f"{path} holds {sorted(held)}"
        wrong = [name for name, source in members.items() if held[name] != end.before.entries[source].data]
        return f"{wrong[0]} in {path} has another content" if wrong else ""

    return condition


def gzip_holds(files: Mapping[str, str]) -> Condition:
    """Each gzip file holds what the named file held before."""

    def condition(end: End) -> str:
        for path, source in files.items():
            entry = end.after.entries.get(path)
            try:
                same = entry is not None and gzip.decompress(entry.data or b"") == end.before.entries[source].data
            except (OSError, EOFError, zlib.error) as exc:
                return f"{path} is no gzip file: {exc}"
            if not same:
                return f"{path} does not hold what {source} held"
        return ""

    return condition


def git(root: Path, *args: str) -> str:
    """Standard output of a git command that changes nothing; its error text when it fails."""
    base = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run([*base, *args], cwd=root, env=env, capture_output=True, text=True, timeout=20)
    return (done.stdout if done.returncode == 0 else done.stderr).strip("\n")


def git_gives(command: str, wanted: str) -> Condition:
    """`git <command>` prints exactly this; lines in any order."""

    def condition(end: End) -> str:
        now = git(end.root, *command.split())
        return "" if sorted(now.splitlines()) == sorted(wanted.splitlines()) else f"git {command} gives {now!r}"

    return condition
