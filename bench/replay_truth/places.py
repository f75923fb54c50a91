"""Throw-away directories: what they hold at the start, what is in them at the end, and what the right end is.

Archives count by what they hold, repositories by their commits, branches and index; times of files do not count.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from bench.replay_truth.pairs import PROGRAMS, Files

State = Mapping[str, object]
_GIT = """
for r in $(find . -name .git -type d | sort); do cd "$r/.."; pwd | sed "s,^$0,,"; git symbolic-ref -q HEAD
git for-each-ref --format='%(refname) %(subject)'; git log --all --format=%s; git status --porcelain
git stash list --format=%s; git config --get-regexp '^(remote|user)'; cd "$0"; done
"""
_STAND_IN = '#!/bin/sh\necho "${0##*/} $*" >> calls.log\n'


def environment(folder: Path) -> dict[str, str]:
    """What the bench sets in its own environment: stand-ins on PATH, a git that knows nobody's settings."""
    programs = folder / "programs"
    programs.mkdir(parents=True)
    for name in PROGRAMS:
        (programs / name).write_text(_STAND_IN)
        (programs / name).chmod(0o755)
    git = {f"GIT_{who}_{what}": "tester" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dates = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
    path = f"{programs}:{os.environ['PATH']}"
    return {**git, **dates, "GIT_CONFIG_GLOBAL": "/dev/null", "PATH": path, "LC_ALL": "C.UTF-8"}


def lay_out(folder: Path, *layers: Files) -> None:
    """Write the files of all layers, later ones over earlier ones."""
    whole: dict[str, str | None] = {}
    for layer in layers:
        whole.update(layer)
    folder.mkdir(parents=True)
    put(folder, whole)


def put(folder: Path, files: Files) -> None:
    for name, content in files.items():
        path = folder / name
        if content is None:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        elif name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")


def carry_out(folder: Path, want: str | Files) -> None:
    """Bring a starting directory into the right end state, without the product."""
    if isinstance(want, str):
        bash(want, folder)
    else:
        put(folder, want)


def bash(script: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the bench's own script failed in {folder}: {script}\n{done.stderr}")
    return done.stdout


def state(folder: Path) -> State:
    """What a directory holds."""
    found: dict[str, object] = {}
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in ("__pycache__", ".git")]
        place = Path(here)
        for name in (*folders, *names):
            path = place / name
            found[path.relative_to(folder).as_posix()] = _entry(path)
        if (place / ".git").is_dir():
            found[f"{place.relative_to(folder).as_posix()}/.git"] = _repository(place)
    return found


def _entry(path: Path) -> object:
    if path.is_symlink():
        return ("link", os.readlink(path))  # noqa: PTH115 - the text of the link, as it is
    mode = path.stat().st_mode & 0o777
    if path.is_dir():
        return ("folder", mode)
    return ("file", mode, _content(path))


def _content(path: Path) -> object:
    if path.name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")) and tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            members = ((member, archive.extractfile(member) if member.isfile() else None) for member in archive)
            return sorted((member.name.removeprefix("./"), file.read() if file else b"") for member, file in members)
    if path.suffix == ".zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return sorted((name, archive.read(name)) for name in archive.namelist())
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def _repository(place: Path) -> str:
    return bash(_GIT.replace("$0", str(place)), place)


def difference(right: State, found: State) -> str:
    """The first paths in which a directory is not as it should be."""
    paths = [path for path in sorted({*right, *found}) if right.get(path) != found.get(path)]
    return "; ".join(f"{path}: {_short(found.get(path))}, not {_short(right.get(path))}" for path in paths[:3])


def _short(entry: object) -> str:
    text = "nothing" if entry is None else str(entry)
    return text if len(text) < 160 else f"{text[:157]}..."
