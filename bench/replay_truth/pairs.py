"""What a pair is: a job that was done and kept, and another goal that may or must not be answered by its replay.

What is right for the other goal is written down by hand and independently of the product: a shell command or a Python
mapping that leads from the starting files to the right ones, and the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from llmos.core.messages import ToolCall

Files = Mapping[str, str | None]
"""Relative path -> content; None where nothing is there, and a path with a final slash is a folder."""

KINDS = (
    "same goal",
    "literal",
    "several values",
    "path role",
    "name part",
    "order",
    "polarity",
    "negation",
    "exception",
    "comparative",
    "quantifier",
    "number",
    "extra clause",
    "paraphrase",
    "verb",
    "pronoun",
    "homoglyph",
    "content",
    "quoting",
    "world",
)
"""What differs between the two goals; "world": only the directory does."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Another goal. `want` is bash or files that make the right state; None: no replay of the saved run is right."""

    kind: str
    goal: str
    may: bool
    """Whether a replay of the saved run, with other values or not, can be right."""
    want: str | Files | None
    says: str | None
    """The right answer, where one was asked for."""
    files: Files
    """What differs in the starting files."""


@dataclass(frozen=True, slots=True)
class Job:
    """A saved goal with the tool calls of its run, and the goals that are tried against it.

    `said` is the answer of the model; None: it gave the output of the last call.
    """

    goal: str
    calls: tuple[ToolCall, ...]
    asked: tuple[Asked, ...]
    said: str | None = "Done."
    files: Files = field(default_factory=dict)
    """What differs from BASE in the starting files."""
    setup: str = ""
    """Bash that is run in each starting directory, such as `git init`."""


def job(
    goal: str, calls: ToolCall | str | Sequence[ToolCall], *asked: Asked, said: str | None = "Done.", setup: str = "",
    **files: str | None,
) -> Job:  # fmt: skip
    """A job; a text in place of calls is one shell command, keyword arguments name starting files (`a__txt`)."""
    if isinstance(calls, str):
        calls = [sh(calls)]
    elif isinstance(calls, ToolCall):
        calls = [calls]
    numbered = tuple(ToolCall(f"c{number}", call.name, call.args) for number, call in enumerate(calls, start=1))
    return Job(goal, numbered, tuple(asked), said, _named(files), setup)


def may(kind: str, goal: str, want: str | Files | None = ":", says: str | None = None, **files: str | None) -> Asked:
    """A goal that a replay can answer rightly; by default it changes nothing."""
    return Asked(kind, goal, True, want, says, _named(files))


def trap(kind: str, goal: str, want: str | Files | None = None, says: str | None = None, **files: str | None) -> Asked:
    """A goal that the saved run does not answer, however its values are bound."""
    return Asked(kind, goal, False, want, says, _named(files))


def _named(files: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name.replace("__", "."): content for name, content in files.items()}


def sh(command: str) -> ToolCall:
    return ToolCall("", "shell", {"command": command})


def write(path: str, content: str) -> ToolCall:
    return ToolCall("", "write_file", {"path": path, "content": content})


def edit(path: str, old: str, new: str) -> ToolCall:
    return ToolCall("", "edit_file", {"path": path, "old": old, "new": new})


def read(path: str) -> ToolCall:
    return ToolCall("", "read_file", {"path": path})


BASE: Files = {
    "a.txt": "alpha\nbeta\ngamma\n",
    "b.txt": "delta\nepsilon\n",
    "c.txt": "zeta\nbeta\n",
    "my file.txt": "spaced\n",
    "your file.txt": "out\nhere\n",
    "notes.md": "# Notes\nTODO call Ann\nbuy milk\n",
    "todo.md": "# Todo\nTODO pay rent\nTODO fix bike\ndone: sleep\n",
    "names.txt": "bob\nann\nbob\nzoe\nann\nbob\n",
    "fruits.txt": "pear\napple\npear\nfig\n",
    "sales.csv": "region,amount\nnorth,10\nsouth,30\nnorth,5\n",
    "costs.csv": "region,amount\neast,7\nwest,2\n",
    "app.py": "import os\nprint('app')\n",
    "main.py": "print('main')\n",
    "tool.js": "let x = 1\n",
    "run.sh": "echo run\n",
    "stop.sh": "echo stop\n",
    "app.ini": "host=localhost\nport=8080\ndebug=false\n",
    "web.ini": "host=example\nport=9090\ndebug=false\n",
    "src/one.py": "one = 1\n# TODO one\n",
    "src/two.py": "two = 2\n",
    "src/lib/three.py": "three = 3\n",
    "src/readme.txt": "src\n",
    "docs/guide.md": "guide\nTODO write\n",
    "docs/faq.md": "faq\n",
    "docs/old/v1.md": "v1\n",
    "docs/logo.png": "PNG\n",
    "logs/app.log": "INFO start\nERROR disk full\nINFO retry\nERROR net down\nWARN slow\n",
    "logs/web.log": "INFO up\nWARN slow\nWARN late\nERROR gone\n",
    "logs/old.log": "",
    "calls.log": "",
}
"""The directory in which every job is learned and every goal is asked, but for what a pair says otherwise."""

PROGRAMS = ("docker", "systemctl", "pip", "kubectl", "apt-get", "ssh", "ufw", "crontab", "npm", "curl")
"""Programs that act outside a directory: stand-ins on PATH that only note in calls.log how they were called."""
