"""What bash really runs of generated commands that a gate allows, against what the gate said it would run.

Programs are stand-ins that do nothing: PATH holds no other. Built-ins are bash's own, in a folder of their own.
"""

from __future__ import annotations

import random
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from llmos.adapters.bash_parser import parse_bash
from llmos.core.read_only_commands import COMMANDS
from llmos.core.shell_syntax import read_shell

PROGRAMS = (
    "ls",
    "cat",
    "grep",
    "wc",
    "head",
    "sort",
    "rm",
    "touch",
    "sh",
    "tee",
    "find",
    "git",
    "xargs",
    "env",
    "python3",
)
BENIGN = (
    "ls",
    "cat a",
    "echo hi",
    "wc -l",
    "head -n 2 a",
    "grep -n x a",
    "sort -u a",
    "pwd",
    "true",
    "ls -la d",
    "cat 'a'",
    'grep "a b" a',
    "find . -name 'a*'",
    "cat d/b",
    "ls d/*",
    "test -f a",
    "cd d",
    "date -u",
    "git status",
    "sort",
)
PIECES = ("ls", "cat", "rm a", "touch p", "echo", "a", "d/b", "-la", "'ls'", '"rm"', "r\\m", "$(touch p)", "`touch p`", "$x",
          "${x:=y}", "$'rm'", "*", "./*", "?", "[ab]", "{a,b}", "~", "!", "#", "\\", "'", '"', "=", "A=1", "(", ")", "{", "}",
          "> p", ">> p", "< a", "2>&1", "2>/dev/null", "> /dev/null", "<> p", "<<< a", "<<E\nrm a\nE\n", "\r", "\t", "-o p",
          "-exec rm {} +", "-delete", "--output=p", "xargs rm", "sh -c 'rm a'", "eval rm a", "env rm a", "time", "if true; then",
          "fi", "for i in a; do", "done", "[[", "]]", "\\\n", "\u00a0", "é", "-", "--", "1", "%n", "&1", ">|p")  # fmt: skip
JOINTS = ("; ", " && ", " | ", " || ", "\n", " & ", " |& ", ";", "|", "&&", " ", "", ";;")


def generate(count: int, seed: int) -> Iterator[str]:
    """Commands between the ordinary and the absurd."""
    choose = random.Random(seed)
    for _ in range(count):
        parts = []
        for _ in range(choose.randint(1, 4)):
            parts.append(choose.choice(BENIGN if choose.random() < 0.75 else PIECES))
            if choose.random() < 0.25:
                parts += [" ", choose.choice(PIECES)]
            parts.append(choose.choice(JOINTS if choose.random() < 0.3 else JOINTS[:4]))
        yield "".join(parts[:-1])


def make_stage(root: Path) -> Path:
    """A folder to run in, and beside it the stand-ins."""
    stage, programs = root / "stage", root / "programs"
    (stage / "d").mkdir(parents=True)
    programs.mkdir()
    for name in ("a", "d/b", "d/c"):
        (stage / name).write_text("x\n")
    for name in {*PROGRAMS, *COMMANDS} - {"echo", "pwd", "true", "false", "test", "cd", "printf", "type"}:
        (programs / name).write_text("#!/bin/true\n")
        (programs / name).chmod(0o755)
    return stage


def violations(allowed: Callable[[str], bool], count: int, seed: int, root: Path) -> tuple[int, list[str]]:
    """How many commands were run, and a sentence for each that did what its reading does not say."""
    stage, ran, found = make_stage(root), 0, []
    names = sorted(path.name for path in stage.rglob("*"))
    for command in generate(count, seed):
        if not allowed(command):
            continue
        ran += 1
        log = root / "log"
        with log.open("wb") as file:
            subprocess.run(
                ["/bin/bash", "--noprofile", "--norc", "-xc", command],
                cwd=stage,
                env={"PATH": str(root / "programs"), "BASH_XTRACEFD": "9", "PS4": "+"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                timeout=20,
                check=False,
            )
        for problem in _problems(command, log.read_text("utf-8", "replace")):
            found.append(f"{command!r}: {problem}")
        if sorted(path.name for path in stage.rglob("*")) != names:
            found.append(f"{command!r}: files were created or deleted")
            for path in stage.rglob("p"):
                path.unlink()
    return ran, found


def _problems(command: str, traced: str) -> Iterator[str]:
    """What bash ran that the reading does not hold."""
    reading = read_shell(command, parse_bash)
    known = [(one.words, one.globs) for one in reading.plain or ()]
    for line in traced.splitlines():
        if not line.startswith("+"):
            continue
        try:
            words = tuple(shlex.split(line.lstrip("+")))
        except ValueError:
            yield f"ran {line!r}"
            continue
        if not any(_is(words, expected, globs) for expected, globs in known):
            yield f"ran {words}"


def _is(words: tuple[str, ...], expected: tuple[str, ...], globs: frozenset[int]) -> bool:
    if not globs:
        return words == expected
    brought_in = [word for word in words[min(globs) :] if word not in expected]
    return words[: min(globs)] == expected[: min(globs)] and not any(word.startswith("-") for word in brought_in)
