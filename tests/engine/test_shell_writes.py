"""What a command touches, held against what it does: real commands in real directories, in either order.

Two properties. Whatever a command changed lies in what was said that it writes; and two commands whose sets do not
meet come to the same whichever is first, in files and in what they print. The last tests show that both can fail.
"""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.adapters.bash_parser import parse_bash
from llmos.core.path_sets import covers, meets
from llmos.core.shell_syntax import read_writing
from llmos.core.shell_writes import PROGRAMS, Program, Touches, touches
from llmos.engine.claims import Held
from llmos.engine.shell_world import FileWorld

FILES = ["a.txt", "b.txt", "d/a.txt", "d/s/c.txt", "e/b.txt"]
PATHS = [
    *FILES,
    "d",
    "e",
    "d/s",
    "n",
    "d/n",
    "n/a.txt",
    "new.txt",
    "e/",
    "./a.txt",
    "D/a.txt",
    "link",
    "way/a.txt",
    "hard",
]


def tree(folder: Path, extra: int) -> None:
    """The directory that every case begins with; `extra` tells which links are in it."""
    for number, name in enumerate(FILES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"line {number}\nsecond {name}\nx\n")
    if extra & 1:
        (folder / "link").symlink_to("a.txt")
    if extra & 2:
        (folder / "way").symlink_to("d")
    if extra & 4:
        os.link(folder / "b.txt", folder / "hard")
    if extra & 8:
        (folder / "e" / "a.txt").symlink_to("../d/a.txt")
    if extra & 16:
        (folder / "d" / "s" / "out").symlink_to("../../e")


def state(folder: Path) -> dict[str, tuple[str, str]]:
    """Everything below a folder: what it is, and what is in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        name = str(path.relative_to(folder))
        if stat.S_ISLNK(mode):
            found[name] = ("link", os.readlink(path))  # noqa: PTH115
        elif stat.S_ISDIR(mode):
            found[name] = ("folder", oct(stat.S_IMODE(mode)))
        else:
            found[name] = (oct(stat.S_IMODE(mode)), path.read_text())
    return found


def run(command: str, folder: Path) -> tuple[int, list[str]]:
    """How a command ended, and the lines that it printed, in whatever order it found them."""
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, sorted(done.stdout.splitlines())


paths = st.sampled_from(PATHS)
SIMPLE = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from(["cp", "cp -r", "cp -a", "mv", "mv -n", "mv -f"]), paths, paths),
    st.builds("{} {} {} {}".format, st.sampled_from(["cp", "mv"]), paths, paths, paths),
    st.builds("{} {}".format, st.sampled_from(["rm", "rm -r", "rm -rf", "rmdir", "touch", "mkdir", "mkdir -p"]), paths),
    st.builds("sed -i 's/line/row/' {}".format, paths),
    st.builds("sed -i 2d {}".format, paths),
    st.builds("chmod {} {}".format, st.sampled_from(["755", "u+x", "go-r"]), paths),
    st.builds("echo {} {} {}".format, st.sampled_from(["one", "two"]), st.sampled_from([">", ">>"]), paths),
    st.builds("{} {}".format, st.sampled_from(["cat", "wc -l", "ls", "head -n 1", "test -e", "find"]), paths),
    st.builds("{} {} > {}".format, st.sampled_from(["cat", "wc -l <", "sort", "ls"]), paths, paths),
    st.builds("echo one | tee {}".format, paths),
    st.builds("cat {} | wc -l".format, paths),
    st.builds("sort {} -o {}".format, paths, paths),
    st.sampled_from(["ls", "cat *.txt", "grep -r line", "find . -name a.txt", "ls > new.txt", "cat d/*.txt > n"]),
)
LINES = st.one_of(
    SIMPLE,
    st.builds("{} && {}".format, SIMPLE, SIMPLE),
    st.builds("{}; {}".format, SIMPLE, SIMPLE),
    st.builds("cd {} && {}".format, st.sampled_from(["d", "e", "d/s", "way", "n"]), SIMPLE),
)


@cache
def template(extra: int) -> Path:
    """A directory as every case begins with, to ask about and never to run in."""
    folder = Path(tempfile.mkdtemp(prefix="llmos-touches-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tree(folder, extra)
    return folder


@dataclass(frozen=True)
class Reading:
    """How commands are read and what keeps two apart; the defaults are the product's own."""

    programs: Mapping[str, Program] = field(default_factory=lambda: PROGRAMS)
    world: type[FileWorld] = FileWorld
    claim: Callable[[Touches], Held] = lambda said: Held(said.writes, said.reads, said.needs, torn=True)

    def known(self, command: str, folder: Path) -> Touches | None:
        read = read_writing(command, parse_bash)
        return touches(read.commands, read.outputs, self.world(folder), self.programs) if read is not None else None

    def together(self, one: str, other: str, folder: Path) -> bool:
        said = [self.known(command, folder) for command in (one, other)]
        held = [self.claim(found) for found in said if found is not None]
        return len(held) == 2 and not held[0].clashes(held[1])


AS_IT_IS = Reading()


def strayed(command: str, extra: int, reading: Reading = AS_IT_IS) -> str:
    """A path that a command changed though it was not said; empty when there is none."""
    if reading.known(command, template(extra)) is None:
        return ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree(folder, extra)
        said = reading.known(command, folder)
        assert said is not None
        before = state(folder)
        run(command, folder)
        after = state(folder)
        changed = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
        return next((path for path in sorted(changed) if not covers(said.writes, path)), "")


def differs(one: str, other: str, extra: int, reading: Reading = AS_IT_IS) -> str:
    """How two commands that may run at once come to something else in the other order; empty when they do not."""
    if not reading.together(one, other, template(extra)):
        return ""
    with tempfile.TemporaryDirectory() as name:
        first, second = Path(name) / "1", Path(name) / "2"
        for folder in (first, second):
            folder.mkdir()
            tree(folder, extra)
        there = [run(one, first), run(other, first)]
        back = [run(other, second), run(one, second)][::-1]
        if there != back:
            return f"{there} and {back}"
        return "" if state(first) == state(second) else "other files"


links = st.integers(0, 31)


@settings(max_examples=40, deadline=None)
@given(LINES, links)
def test_nothing_is_changed_that_was_not_said(command: str, extra: int) -> None:
    assert strayed(command, extra) == ""


@settings(max_examples=60, deadline=None)
@given(LINES, LINES, links)
def test_what_may_run_at_once_comes_to_the_same_in_either_order(one: str, other: str, extra: int) -> None:
    assert differs(one, other, extra) == ""


@pytest.mark.slow
class TestManyMore:
    @settings(max_examples=150, deadline=None)
    @given(LINES, links)
    def test_nothing_is_changed_that_was_not_said(self, command: str, extra: int) -> None:
        assert strayed(command, extra) == ""

    @settings(max_examples=250, deadline=None)
    @given(LINES, LINES, links)
    def test_what_may_run_at_once_comes_to_the_same_in_either_order(self, one: str, other: str, extra: int) -> None:
        assert differs(one, other, extra) == ""


class Blind(FileWorld):
    """A world that sees no links."""

    def kind(self, path: str) -> str:
        at = Path(self.root) / path
        return "folder" if at.is_dir() else "file" if at.is_file() else ""

    def plain_below(self, path: str) -> bool:
        return True


WRONG = {
    "mv is said to leave its source alone": (
        Reading(programs={**PROGRAMS, "mv": replace(PROGRAMS["mv"], take=PROGRAMS["cp"].take)}),
        ("mv a.txt n", "", 0),
        ("mv a.txt n", "cat a.txt", 0),
    ),
    "a copy is said to lie at its folder's side": (
        Reading(programs={**PROGRAMS, "cp": replace(PROGRAMS["cp"], take=PROGRAMS["mkdir"].take)}),
        ("cp b.txt d", "", 0),
        ("cp b.txt d", "cat d/b.txt", 0),
    ),
    "links are not seen": (
        Reading(world=Blind),
        ("echo one > link", "", 1),
        ("echo one > way/a.txt", "cat d/a.txt", 2),
    ),
    "what is read is forgotten": (
        Reading(claim=lambda said: Held(said.writes, frozenset(), said.needs, torn=True)),
        None,
        ("cat a.txt > n", "echo two > a.txt", 0),
    ),
    "what must be there is forgotten": (
        Reading(claim=lambda said: Held(said.writes, said.reads, torn=True)),
        None,
        ("mkdir -p d", "rm -r d", 0),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_both_properties_can_fail(name: str) -> None:
    """A reading that is wrong in one place is found out, by cases that the right one passes."""
    reading, stray, order = WRONG[name]
    if stray is not None:
        assert strayed(stray[0], stray[2]) == "" != strayed(stray[0], stray[2], reading)
    assert differs(*order) == "" != differs(*order, reading)


@pytest.mark.parametrize(
    ("command", "writes", "reads"),
    [
        ("cp a.txt d/", {"d/a.txt"}, {"a.txt"}),
        ("cp a.txt n", {"n"}, {"a.txt"}),
        ("mv a.txt d", {"a.txt", "d/a.txt"}, set()),
        ("mkdir -p n/x && cp a.txt n/x/", {"n", "n/x"}, {"a.txt"}),
        ("mkdir -p d/s", set(), set()),
        ("wc -l < a.txt > n.txt", {"n.txt"}, {"a.txt"}),
        ("sort a.txt b.txt -o c.txt", {"c.txt"}, {"a.txt", "b.txt"}),
        ("cat a.txt | tee n.txt | wc -l", {"n.txt"}, {"a.txt"}),
        ("cd d && sed -i 's/a/b/g' a.txt", {"d/a.txt"}, set()),
        ("ls > n.txt", {"n.txt"}, {""}),
        ("sleep 1; echo x >> a.txt", {"a.txt"}, set()),
    ],
)
def test_what_is_known(command: str, writes: set[str], reads: set[str]) -> None:
    said = AS_IT_IS.known(command, template(0))
    assert said is not None
    assert (said.writes, said.reads) == (writes, reads)


@pytest.mark.parametrize(
    "command",
    [
        "make", "python3 a.py", "rm *.txt", "echo x > link", "cp d/a.txt way/n", "cp -r d/s n", "touch -t 1 a.txt",
        "sed -iE 's/a/b/' a.txt", "echo x > ../n", "echo x > $HOME/n", "cp -t d a.txt", "ln a.txt n", "cat a.txt > n &",
        "echo x > hard", "tar xf a.tar", "cd d; echo x > n", "cp d/ n", "mv e/../a.txt n", "echo x > /etc/n", "rm -r .",
        "bash -c 'echo x > n'", "xargs touch < a.txt", "for i in a b; do touch $i; done", "sed -i 's/a/b/e' a.txt",
    ],
)  # fmt: skip
def test_what_is_not_known_may_change_anything(command: str) -> None:
    assert AS_IT_IS.known(command, template(31)) is None


@given(st.sets(paths, max_size=4), st.sets(paths, max_size=4))
def test_sets_of_paths_meet_where_one_holds_a_path_of_the_other(one: set[str], other: set[str]) -> None:
    slow = any(covers([a], b) or covers([b], a) for a in one for b in other)
    assert meets(one, other) == meets(other, one) == slow
