"""What a local goal is, and how its directory is built: files with fixed times, repositories with fixed commits."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from bench.local_goals.check import Check, Condition, judge

Split = Literal["dev", "held-out", "later"]
Setup = Callable[[Path], None]
FIXED_TIME = "2026-01-10"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A bash script that is run and the answer that is given; None stands for what the script prints."""

    script: str = ":"
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class LocalGoal:
    """One everyday goal with its judge, a right solution and wrong ones that the judge must see through."""

    id: str
    split: Split
    kind: str
    steps: int
    """How many actions a careful person needs: 1, or more when one must look before acting."""
    goal: str
    setup: Setup
    """Builds the directory; it gets an empty one."""
    check: Check
    solution: str
    """Bash. Where an answer is asked for, what it prints is the answer."""
    wrong: tuple[Attempt, ...]


def say(answer: str) -> Attempt:
    """An attempt that touches nothing and answers this."""
    return Attempt(answer=answer)


def do(script: str, answer: str | None = None) -> Attempt:
    return Attempt(script, answer)


def goal(
    split: Split,
    kind: str,
    steps: int,
    ident: str,
    text: str,
    setup: Setup,
    *conditions: Condition,
    solution: str,
    wrong: Sequence[Attempt],
    may: Collection[str] = (),
) -> LocalGoal:
    """A goal whose check is `conditions`, and that nothing but `may` (fnmatch patterns) was changed or deleted."""
    return LocalGoal(ident, split, kind, steps, text, setup, judge(text, conditions, may), solution, tuple(wrong))


def stamp(iso: str) -> float:
    """Noon UTC of a day, or the given time in UTC, in seconds."""
    return datetime.fromisoformat(f"{iso}T12:00:00+00:00" if len(iso) == 10 else f"{iso}+00:00").timestamp()


def tree(
    files: Mapping[str, str | bytes | int],
    *,
    dates: Mapping[str, str] | None = None,
    modes: Mapping[str, int] | None = None,
    links: Mapping[str, str] | None = None,
) -> Setup:
    """A directory of files: text, bytes, or a number of bytes to fill; a path that ends in `/` is a folder.

    Every file gets a fixed modification time, `dates` says which when it matters.
    """

    def setup(root: Path) -> None:
        for name, content in files.items():
            path = root / name
            if name.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            filled = b"x" * content if isinstance(content, int) else content
            path.write_bytes(filled.encode() if isinstance(filled, str) else filled)
            path.chmod((modes or {}).get(name, 0o644))
            when = stamp((dates or {}).get(name, FIXED_TIME))
            os.utime(path, (when, when))
        for name, target in (links or {}).items():
            (root / name).symlink_to(target)

    return setup


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit: files written (None deletes one), its message, day and author."""

    files: Mapping[str, str | None]
    message: str
    day: str
    author: str = "Robin Vale"
    branch: str = "main"
    """Created from where HEAD is when it is not there yet."""


def run_git(root: Path, *args: str, day: str = FIXED_TIME, author: str = "Robin Vale") -> None:
    """A git command with nothing of this machine in it. Raises CalledProcessError."""
    email = author.split()[0].lower() + "@example.org"
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{role}_NAME": author for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": email for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_DATE": f"{day}T12:00:00Z" for role in ("AUTHOR", "COMMITTER")},
    }
    subprocess.run(["git", *args], cwd=root, env=env, check=True, capture_output=True, timeout=20)


def write_all(root: Path, files: Mapping[str, str | None]) -> None:
    for name, text in files.items():
        path = root / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def repo(
    *commits: Commit,
    then: Mapping[str, str | None] | None = None,
    on: str = "main",
    branches: Sequence[str] = (),
) -> Setup:
    """A repository with these commits, HEAD on the branch `on`, and the uncommitted changes `then`.

    It has an identity of its own, so that a commit works on any machine.
    """

    def setup(root: Path) -> None:
        run_git(root, "init", "-q", "-b", "main")
        with (root / ".git/config").open("a") as config:
            config.write("[user]\n\tname = Robin Vale\n\temail = robin@example.org\n[commit]\n\tgpgsign = false\n")
        current, made = "main", {"main"}
        for commit in commits:
            if commit.branch != current:
                run_git(root, "switch", "-q", *([] if commit.branch in made else ["-c"]), commit.branch)
                current = commit.branch
                made.add(current)
            write_all(root, commit.files)
            run_git(root, "add", "-A")
            run_git(root, "commit", "-q", "-m", commit.message, day=commit.day, author=commit.author)
        for branch in branches:
            run_git(root, "branch", branch)
        if on != current:
            run_git(root, "switch", "-q", on)
        write_all(root, then or {})

    return setup
