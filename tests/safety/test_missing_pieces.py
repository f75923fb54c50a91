"""R-14: each piece that a replay rests on, gone or broken in turn: nothing is replayed, and llmos says why.

R-16: whose the pieces are and who may write them, in turn: what another user of the machine could have written or
signed does not count. What is derived from the files may be lost and comes back as it was.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from test_undo_replays import say, settings

from llmos.memory.signing import key_path
from llmos.testing import FakeMessagesServer, reply, text, tool_use

GOAL = "count the lines of notes.txt"
ANSWER = "3\n"
STRANGER = 12_345
"""The number of a user who is not the one that runs this."""
Break = Callable[["Place"], object]


@dataclass(frozen=True)
class Place:
    """A home, and a working directory in which one run was learned."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def key(self) -> Path:
        return key_path(self.home)

    @property
    def approvals(self) -> Path:
        return self.home / "approvals.jsonl"

    @property
    def trace(self) -> Path:
        (found,) = (self.home / "traces").glob("*.yaml")
        return found

    @property
    def index(self) -> Path:
        return self.home / ".llmos" / "traces.sqlite"


def learned(root: Path) -> Place:
    (root / "work").mkdir(parents=True)
    (root / "work" / "notes.txt").write_text("a\nb\nc\n")
    place = Place(root)
    calls = [reply(tool_use("shell", {"command": "wc -l < notes.txt"})), reply(text("3"))]
    with FakeMessagesServer(calls) as server:
        code, said = say(root, "run", "-y", GOAL, ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=server.url)
    assert code == 0, said
    again(place)  # makes the index
    return place


def again(place: Place) -> tuple[bool, str]:
    """Whether the goal is replayed, without a model; and all that was said."""
    code, said = say(place.root, "run", "-y", "--offline", GOAL)
    return code == 0 and said.endswith(ANSWER), said


def written(get: Callable[[Place], Path], data: bytes) -> Break:
    return lambda place: get(place).write_bytes(data)


def gone(get: Callable[[Place], Path]) -> Break:
    return lambda place: get(place).unlink()


def a_folder(get: Callable[[Place], Path]) -> Break:
    def change(place: Place) -> None:
        path = get(place)
        path.unlink(missing_ok=True)
        path.mkdir(parents=True)

    return change


def a_pipe(get: Callable[[Place], Path]) -> Break:
    def change(place: Place) -> None:
        path = get(place)
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    return change


def edited(get: Callable[[Place], Path], old: bytes, new: bytes) -> Break:
    def change(place: Place) -> None:
        data = get(place).read_bytes()
        assert old in data
        get(place).write_bytes(data.replace(old, new))

    return change


def key(place: Place) -> Path:
    return place.key


def approvals(place: Place) -> Path:
    return place.approvals


def trace(place: Place) -> Path:
    return place.trace


def index(place: Place) -> Path:
    return place.index


def config(place: Place) -> Path:
    return place.home / "config.yaml"


def outcomes(place: Place) -> Path:
    return place.home / "traces" / "outcomes.jsonl"


PIECES: dict[str, tuple[Break, str]] = {
    "key gone": (gone(key), "home.key, the key that signs what was learned here, is gone"),
    "key of another": (written(key, b"k" * 32), "is not signed with"),
    "key too short": (written(key, b"k" * 31), "is no signing key (31 bytes"),
    "key empty": (written(key, b""), "is no signing key (0 bytes"),
    "key too long": (written(key, b"k" * 33), "is no signing key (more than 32 bytes"),
    "key is a folder": (a_folder(key), "cannot read the signing key"),
    "key is a pipe": (a_pipe(key), "cannot read the signing key"),
    "key leads nowhere": (lambda place: (place.key.unlink(), place.key.symlink_to("nowhere")), "is gone"),
    "approvals gone": (gone(approvals), "not learned or approved here"),
    "approvals empty": (written(approvals, b""), "not learned or approved here"),
    "approvals edited": (edited(approvals, b'"mac":"', b'"mac":"0'), "is not signed with"),
    "approvals are a folder": (a_folder(approvals), "approvals.jsonl"),
    "approvals are a pipe": (a_pipe(approvals), "approvals.jsonl"),
    "approvals are noise": (written(approvals, b"\x00\xff" * 1000), "not learned or approved here"),
    "trace gone": (gone(trace), "no saved run is like it"),
    "trace edited": (edited(trace, b"wc -l", b"wc -c"), "not learned or approved here"),
    "trace torn": (lambda place: place.trace.write_bytes(place.trace.read_bytes()[:-40]), "is not a readable trace"),
    "trace torn a while ago": (lambda place: _torn_before(place.trace), "quarantine"),
    "trace is a folder": (a_folder(trace), "traces"),
    "trace is a pipe": (a_pipe(trace), "traces"),
    "config broken": (written(config, b"format: llmos-config/1\nbudget: ["), "config.yaml"),
    "config of a later llmos": (written(config, b"format: llmos-config/99\n"), "config.yaml"),
    "config with another setting": (
        written(config, b"format: llmos-config/1\nsandbox: {mode: perhaps}\n"),
        "config.yaml",
    ),
    "outcomes are a folder": (a_folder(outcomes), "outcomes.jsonl"),
    "outcomes say never": (
        lambda place: _add_outcome(place, {"outcome": "disabled", "reason": "no"}),
        "switched off by hand",
    ),
}
"""What is taken away or broken, and what a person must then read."""

DERIVED: dict[str, Break] = {
    "index gone": gone(index),
    "index empty": written(index, b""),
    "index is noise": written(index, os.urandom(20_000)),
    "index torn": lambda place: place.index.write_bytes(place.index.read_bytes()[:5000]),
    "index is a folder": a_folder(index),
    "index is a link": lambda place: (place.index.unlink(), place.index.symlink_to(place.root / "work" / "notes.txt")),
    "index of another version": lambda place: _in_index(place, "pragma user_version = 1"),
    "index says nothing": lambda place: _in_index(place, "delete from files"),
    "index says other": lambda place: _in_index(place, "update files set sha256 = 'x', goal_key = 'y', header = '{}'"),
    "derived folder gone": lambda place: shutil.rmtree(place.home / ".llmos"),
    "outcomes gone": lambda place: outcomes(place).unlink(missing_ok=True),
}
"""What may be lost: nothing is then decided otherwise."""


def _torn_before(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])
    os.utime(path, (1_700_000_000, 1_700_000_000))


def _add_outcome(place: Place, said: dict[str, str]) -> None:
    line = json.dumps({"when": "2026-11-26T00:00:00+00:00", "trace": place.trace.stem, **said})
    with outcomes(place).open("a") as file:
        file.write(line + "\n")


def _in_index(place: Place, statement: str) -> None:
    connection = sqlite3.connect(place.index)
    connection.execute(statement)
    connection.commit()
    connection.close()


OWNED = ("home", "home/config.yaml", "home.key")
MODES = (0o660, 0o606, 0o622, 0o666, 0o770, 0o707, 0o777, 0o777 | 0o1000)


@dataclass
class Figures:
    pieces: int = 0
    matrix: int = 0
    derived: int = 0
    attacks: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.pieces} pieces gone or broken, {self.matrix} owners and modes, {self.attacks} attacks of another "
            f"user: {len(self.problems)} times replayed all the same or nothing said; {self.derived} losses of what is "
            "derived changed nothing"
        )


def copies(root: Path) -> Iterator[Place]:
    """The same place anew, without end."""
    first = learned(root / "first")
    number = 0
    while True:
        number += 1
        target = root / str(number)
        shutil.copytree(first.root, target, symlinks=True)
        yield Place(target)
        shutil.rmtree(target, ignore_errors=True)


def check(figures: Figures, name: str, place: Place, word: str) -> None:
    replayed, said = again(place)
    if replayed:
        figures.problems.append(f"{name}: replayed")
    elif word not in said.replace("\n", " "):
        figures.problems.append(f"{name}: nothing of {word!r} is said: {said[-600:]!r}")


def run(root: Path) -> Figures:
    figures, places = Figures(), copies(root)
    for name, (break_it, word) in PIECES.items():
        place = next(places)
        break_it(place)
        figures.pieces += 1
        check(figures, name, place, word)
    figures.pieces += 1
    without_a_sandbox(figures, next(places))
    for name, break_it in DERIVED.items():
        place = next(places)
        break_it(place)
        figures.derived += 1
        replayed, said = again(place)
        if not replayed:
            figures.problems.append(f"{name}: not replayed: {said[-600:]!r}")
    for name, mode, owner in ((name, mode, owner) for name in OWNED for mode in MODES for owner in (False, True)):
        if owner and os.geteuid() != 0:
            continue
        place = next(places)
        path = place.root / name
        if name.endswith("config.yaml"):
            path.write_text("format: llmos-config/1\n")
        path.chmod(mode & 0o700 if owner else mode)
        if owner:
            os.chown(path, STRANGER, -1)
        figures.matrix += 1
        check(
            figures,
            f"{name} {mode:o}{' of another user' if owner else ''}",
            place,
            "other user" if not owner else "another user",
        )
    if os.geteuid() == 0:
        attacked(figures, places)
    return figures


def without_a_sandbox(figures: Figures, place: Place) -> None:
    """On a machine that can hold no command back (poorer.py refuses the system calls)."""
    with settings(place.root):
        poorer = [sys.executable, str(Path(__file__).with_name("poorer.py")), "nothing"]
        words = [sys.executable, "-m", "llmos", "run", "-y", "--offline", GOAL]
        ended = subprocess.run([*poorer, *words], capture_output=True, text=True, timeout=120, check=False)
    if ended.returncode == 0 or ended.stdout == ANSWER:
        figures.problems.append("no sandbox: replayed")
    elif "no sandbox holds commands on this machine, and nothing is replayed without one" not in ended.stderr:
        figures.problems.append(f"no sandbox: nothing is said: {ended.stderr[-600:]!r}")


ATTACK = """
import os, sys
home, key, how = sys.argv[1:]
os.setgid({user}); os.setuid({user})
def quietly(action):
    try:
        action()
    except OSError as error:
        print(type(error).__name__)
def plant(path, data, mode="wb"):
    with open(path, mode) as file:
        file.write(data)
def see(path):
    sys.exit(7 if (os.listdir(path) if os.path.isdir(path) else open(path, "rb").read()) else 0)
inside = lambda *names: os.path.join(home, *names)
{{
    "read key": lambda: quietly(lambda: see(key)),
    "replace key": lambda: quietly(lambda: (plant(key + ".n", b"k" * 32), os.rename(key + ".n", key))),
    "write key": lambda: quietly(lambda: plant(key, b"k" * 32)),
    "add an approval": lambda: quietly(lambda: plant(inside("approvals.jsonl"), b"x", "ab")),
    "write the config": lambda: quietly(lambda: plant(inside("config.yaml"), b"format: llmos-config/1\\n")),
    "plant a trace": lambda: quietly(lambda: plant(inside("traces", "evil.yaml"), b"x")),
    "read the approvals": lambda: quietly(lambda: see(inside("approvals.jsonl"))),
    "list the home": lambda: quietly(lambda: see(home)),
    "read what was said": lambda: quietly(lambda: see(inside("memories", "recall"))),
}}[how]()
"""
ATTACKS = (
    "read key",
    "replace key",
    "write key",
    "add an approval",
    "write the config",
    "plant a trace",
    "read the approvals",
    "list the home",
    "read what was said",
)


def attacked(figures: Figures, places: Iterator[Place]) -> None:
    """A process of another user really tries it, in a folder that all may enter."""
    for how in ATTACKS:
        place = next(places)
        for folder in (place.root.parent.parent, place.root.parent, place.root):
            folder.chmod(0o755)
        before = {path: path.read_bytes() for path in (place.key, place.approvals)}
        attack = [sys.executable, "-I", "-S", "-c", ATTACK.format(user=STRANGER), str(place.home), str(place.key), how]
        ended = subprocess.run(attack, capture_output=True, text=True, timeout=60, check=False)
        figures.attacks += 1
        if ended.returncode or ended.stdout.strip() not in ("PermissionError", "FileNotFoundError"):
            figures.problems.append(f"another user could {how}: {ended.stdout}{ended.stderr[-300:]}")
        if {path: path.read_bytes() for path in before} != before or (place.home / "traces" / "evil.yaml").exists():
            figures.problems.append(f"another user could {how}")


@pytest.mark.slow
def test_each_missing_piece_ends_replays_loudly(tmp_path: Path) -> None:
    figures = run(tmp_path)
    assert figures.problems == []
    assert (figures.pieces, figures.derived) == (len(PIECES) + 1, len(DERIVED))


def test_some_pieces_of_them(tmp_path: Path) -> None:
    """A part of the above for every change; the untouched place is its partner: it is replayed, so a replay is seen."""
    figures, places = Figures(), copies(tmp_path)
    assert again(next(places))[0]
    for name in ("key gone", "approvals edited"):
        place = next(places)
        PIECES[name][0](place)
        check(figures, name, place, PIECES[name][1])
    assert figures.problems == []


def main() -> None:
    """The figures of `make safety`."""
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder).resolve())
    for problem in figures.problems:
        print(problem)
    print(figures)
    sys.exit(1 if figures.problems else 0)


if __name__ == "__main__":
    main()
