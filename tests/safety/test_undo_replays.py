"""What a replay did to files can be undone: one that passed, and one that stopped in the middle (R-15)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from llmos.core.errors import ExitStatus
from llmos.interfaces.cli import main as llmos
from llmos.testing import FakeMessagesServer, reply, text, tool_use

pytestmark = pytest.mark.slow

NAMES = ("a.txt", "b.txt", "sub/c.txt", "sub/deep/d.txt", "e.md")


def tree(folder: Path) -> dict[str, str]:
    """Every path with its kind, mode and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name, mode = str(path.relative_to(folder)), path.lstat().st_mode
        if path.is_symlink():
            found[name] = f"link {os.readlink(path)}"  # noqa: PTH115
        else:
            found[name] = f"{mode:o} {hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ''}"
    return found


def populate(folder: Path, rng: random.Random) -> None:
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(rng.choice((0, 10, 5000))) if rng.random() < 0.3 else b"one\ntwo\nthree\n")
    (folder / "run.sh").write_text("#!/bin/sh\necho hi\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("a.txt")
    (folder / "gate.txt").write_text("open\n")


def commands(rng: random.Random) -> list[str]:
    """Changes to files of every kind; each can be made once from the same tree."""
    all_of_them = [
        "sed 's/one/ONE/' a.txt > a.new && mv a.new a.txt",
        "rm b.txt",
        "mv sub/c.txt sub/moved.txt",
        "mkdir -p new/folder && cp e.md new/folder/e.md",
        "rm -r sub/deep",
        "cat a.txt e.md >> e.md.out",
        "chmod 700 run.sh",
        "rm link",
        "truncate -s 0 e.md",
        "ln -s e.md second",
    ]
    return rng.sample(all_of_them, rng.randrange(2, 5))


@dataclass
class Figures:
    replays: int = 0
    stopped: int = 0
    not_replayed: list[str] = field(default_factory=list)
    not_undone: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return [*self.not_replayed, *self.not_undone]

    def __str__(self) -> str:
        return (
            f"{self.replays} replays ({self.stopped} stopped in the middle) undone: {len(self.not_undone)} trees "
            f"differ from before; {len(self.not_replayed)} were not replayed"
        )


@contextlib.contextmanager
def settings(root: Path, **names: str) -> Iterator[None]:
    """The environment and folder of one command."""
    before, cwd = dict(os.environ), Path.cwd()
    kept = {name: value for name, value in before.items() if not name.startswith(("ANTHROPIC_", "LLMOS_"))}
    os.environ.clear()
    os.environ.update(kept, LLMOS_HOME=str(root / "home"), LLMOS_MODELS=str(root / "models"), **names)
    os.chdir(root / "work")
    try:
        yield
    finally:
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(before)


def say(root: Path, *words: str, **names: str) -> tuple[int, str]:
    """One command in this process: its exit code and all that it printed."""
    out, stdin = io.StringIO(), sys.stdin
    with settings(root, **names), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        sys.stdin = io.TextIOWrapper(io.BytesIO(b""))
        try:
            code = llmos(words)
        finally:
            sys.stdin = stdin
    return code, out.getvalue()


def one(root: Path, rng: random.Random, *, stops: bool, figures: Figures, undo: bool = True) -> None:
    """Learn a job, put the tree back, replay it, undo the replay."""
    work = root / "work"
    work.mkdir(parents=True)
    populate(work, rng)
    steps = [*commands(rng), "grep open gate.txt"]
    goal = "; ".join(steps)
    saved = root / "saved"
    shutil.copytree(work, saved, symlinks=True)
    calls = [reply(tool_use("shell", {"command": command})) for command in steps]
    with FakeMessagesServer([*calls, reply(text("open"))]) as server:
        code, said = say(root, "run", "-y", goal, ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=server.url)
    assert code == 0, said
    shutil.rmtree(work)
    shutil.copytree(saved, work, symlinks=True)
    if stops:  # what the last step looks for is not there, which is seen only when it ran
        (work / "gate.txt").write_text("shut\n")
    before = tree(work)
    code, said = say(root, "run", "-y", goal)
    figures.replays += 1
    figures.stopped += code == ExitStatus.DIVERGED
    if code != (ExitStatus.DIVERGED if stops else 0) or tree(work) == before:
        figures.not_replayed.append(f"{goal}: exit {code}: {said[-400:]}")
        return
    if undo:
        code, said = say(root, "undo", "--yes")
    if tree(work) != before:
        different = sorted({name for name, _ in before.items() ^ tree(work).items()})
        figures.not_undone.append(f"{goal}: {different}: {said[-300:]}")


def run(folder: Path, count: int, *, seed: int = 15, undo: bool = True) -> Figures:
    rng, figures = random.Random(seed), Figures()
    for number in range(count):
        one(folder / str(number), rng, stops=number % 2 == 1, figures=figures, undo=undo)
        shutil.rmtree(folder / str(number))
    return figures


@pytest.mark.parametrize("count", [2, pytest.param(8, marks=[pytest.mark.slow, pytest.mark.thorough])])
def test_a_replay_is_undone_whether_it_passed_or_stopped(tmp_path: Path, count: int) -> None:
    figures = run(tmp_path, count)
    assert (figures.problems, figures.replays, figures.stopped) == ([], count, count // 2)


def test_without_the_undo_the_trees_differ(tmp_path: Path) -> None:
    assert run(tmp_path, 2, undo=False).not_undone


def main() -> None:
    """The figures of `make safety`."""
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    for problem in figures.problems:
        print(problem)
    print(figures)
    sys.exit(1 if figures.problems else 0)


if __name__ == "__main__":
    main()
