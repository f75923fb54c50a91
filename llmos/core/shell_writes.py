"""What a command can change and what it looks at, where its words say all of it. Pure, but for what it asks the world.

For commands that run side by side: two whose sets do not meet come to the same in either order. It is known only for
programs that are listed, with options that are listed, on paths that lead through no link. Everything else may change
anything. Nothing is allowed by this: whether a command may run at all is decided elsewhere, before.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Protocol

from llmos.core.dataclass import dataclass
from llmos.core.read_only import ShellWorld, why_not_look
from llmos.core.read_only_commands import COMMANDS, Operands
from llmos.core.shell_plain import PlainCommand

EVERYTHING = frozenset([""])
"""The working directory, and whatever lies anywhere else."""


class PathWorld(ShellWorld, Protocol):
    """What is asked of the files that a command names."""

    root: str
    """The working directory."""

    def kind(self, path: str) -> str:
        """What is there: "folder", "file", "" for nothing; "strange" for all else, and for what lies behind a link."""

    def plain_below(self, path: str) -> bool:
        """Whether what is there, and below it, is files and folders alone, no links, and not too many."""


@dataclass(frozen=True, slots=True)
class Touches:
    """Paths relative to the working directory, or absolute; each stands for itself and all that lies below it."""

    writes: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    """What must be there, or not be there, itself: what lies below it does not matter."""
    makes: frozenset[str] = frozenset()
    """Folders among `writes` that are made where they are not there yet, and left alone where they are."""


class _Unknown(Exception):
    """It cannot be told what the command changes."""


@dataclass
class _Found:
    """What is found command by command; paths are as the working directory has them."""

    world: PathWorld
    folder: str = ""
    writes: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    needs: set[str] = field(default_factory=set)
    makes: set[str] = field(default_factory=set)

    def path(self, word: str) -> str:
        """A word as a path. Raises _Unknown for one that may lead elsewhere."""
        if not word or ".." in word.split("/") or word.startswith(("~", "-")):
            raise _Unknown(word)
        found = posixpath.normpath(posixpath.join(self.folder, word))
        if found.startswith("/"):
            found = found.removeprefix(f"{self.world.root.rstrip('/')}/")
        if found == "." or found.startswith("/") or self.world.kind(found) == "strange":
            raise _Unknown(word)
        return found

    def write(self, path: str) -> None:
        if not self.world.plain_below(path):
            raise _Unknown(path)
        self.writes.add(path)
        if parent := posixpath.dirname(path):
            self.needs.add(parent)

    def read(self, path: str) -> None:
        if not self.world.plain_below(path):
            raise _Unknown(path)
        self.reads.add(path)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that changes the files that it names: the options that it may have, and what its operands are."""

    options: str
    take: Callable[[_Found, Sequence[str]], None]


def touches(
    commands: Sequence[PlainCommand],
    outputs: Sequence[str],
    world: PathWorld,
    programs: Mapping[str, Program] | None = None,
) -> Touches | None:
    """What commands touch that write to `outputs` besides; None where it cannot be told."""
    found = _Found(world)
    known = PROGRAMS if programs is None else programs
    try:
        if commands[0].words[0] == "cd":
            _into(found, commands)
            commands = commands[1:]
        for command in commands:
            _one(found, command, known)
        for folder in {"", found.folder}:  # what `cd` itself writes goes to where it was
            found.folder = folder
            for output in outputs:
                found.write(found.path(output))
    except _Unknown:
        return None
    return Touches(frozenset(found.writes), frozenset(found.reads), frozenset(found.needs), frozenset(found.makes))


def _into(found: _Found, commands: Sequence[PlainCommand]) -> None:
    """`cd FOLDER && …` at the beginning: all that follows is there."""
    words = commands[0].words
    if len(words) != 2 or commands[0].globs or commands[0].inputs or len(commands) < 2:
        raise _Unknown("cd")
    folder = found.path(words[1])
    if found.world.kind(folder) != "folder" or any(one.after not in ("&&", "|") for one in commands[1:]):
        raise _Unknown("cd")
    found.needs.add(folder)
    found.folder = folder


def _one(found: _Found, command: PlainCommand, known: Mapping[str, Program]) -> None:
    name, words = command.words[0], list(command.words[1:])
    if found.world.foreign_program(name) or name == "cd":
        raise _Unknown(name)
    for path in command.inputs:
        found.read(found.path(path))
    if name == "sort" and "-o" in words[:-1] and not command.globs:
        at = words.index("-o")
        found.write(found.path(words[at + 1]))
        command = PlainCommand((name, *words[:at], *words[at + 2 :]), inputs=command.inputs)
    program = known.get(name)
    if program is None or (name == "sed" and "-i" not in words):
        return _look(found, command)
    if command.globs:
        raise _Unknown("a glob")
    operands: list[str] = []
    for word in words:
        if word.startswith("-") and len(word) > 1:
            joined = name == "sed" and len(word) > 2  # `-iE` is -i with a value
            if operands or joined or not all(letter in program.options for letter in word[1:]):
                raise _Unknown(word)
        else:
            operands.append(word)
    return program.take(found, operands)


# ---------------------------------------------------------------------------------------------- what changes nothing

_HERE = frozenset("ls du df tree find git rg file stat".split())
"""Programs that look at the folder that they are in where they are told nothing else."""
_ALONE = frozenset("echo printf true false seq expr factor basename dirname date cal sleep pwd tr nproc whoami".split())
"""Programs that look at no file."""


def _look(found: _Found, command: PlainCommand) -> None:
    name = command.words[0]
    asked = _Asked(found.world)
    if why_not_look(command, found.folder, asked):
        raise _Unknown(name)
    if name in _ALONE:
        return
    listed = COMMANDS.get(name)
    aimless = listed is not None and listed.operands in (Operands.TEXT, Operands.NONE)
    if name in _HERE or aimless or name not in (*COMMANDS, "sed", "awk"):
        found.reads |= EVERYTHING
    for word, glob, deep in asked.paths:
        try:
            if glob or deep:
                raise _Unknown(word)
            found.read(found.path(word))
        except _Unknown:
            found.reads |= EVERYTHING


class _Asked:
    """A world that remembers which paths were asked for."""

    def __init__(self, world: ShellWorld) -> None:
        self._world = world
        self.paths: list[tuple[str, bool, bool]] = []

    def readable(self, path: str, folder: str, *, glob: bool, deep: bool) -> str:
        self.paths.append((path, glob, deep))
        return self._world.readable(path, folder, glob=glob, deep=deep)

    def foreign_program(self, name: str) -> bool:
        return self._world.foreign_program(name)

    def plain_git(self, folder: str) -> bool:
        return self._world.plain_git(folder)


# ------------------------------------------------------------------------------------------------- what changes files


def _each(found: _Found, operands: Sequence[str]) -> None:
    """Every operand is a file or folder that is changed."""
    if not operands:
        raise _Unknown("no operand")
    for word in operands:
        found.write(found.path(word))


def _mode_first(found: _Found, operands: Sequence[str]) -> None:
    if not operands or not re.fullmatch(r"[0-7]{3,4}|[ugoa]+[+=-][rwxX]+(?:,[ugoa]+[+=-][rwxX]+)*", operands[0]):
        raise _Unknown("mode")
    _each(found, operands[1:])


def _folders(found: _Found, operands: Sequence[str]) -> None:
    """Each is a folder that is made, with those above it where they are missing."""
    if not operands:
        raise _Unknown("no operand")
    for word in operands:
        path = found.path(word)
        pieces = path.split("/")
        above = ["/".join(pieces[: count + 1]) for count in range(len(pieces))]
        found.needs.update(one for one in above if one)
        missing = next((one for one in above if one and not found.world.kind(one)), None)
        if missing is not None:
            found.write(missing)
            found.makes.add(missing)


def _copied(found: _Found, operands: Sequence[str]) -> None:
    sources, target = _sources_and_target(found, operands)
    for source in sources:
        found.read(source)
        found.write(_landing(found, source, target))


def _moved(found: _Found, operands: Sequence[str]) -> None:
    sources, target = _sources_and_target(found, operands)
    for source in sources:
        found.write(source)
        found.write(_landing(found, source, target))


def _sources_and_target(found: _Found, operands: Sequence[str]) -> tuple[list[str], str]:
    if len(operands) < 2 or any(word.endswith(("/", "/.")) or word == "." for word in operands[:-1]):
        raise _Unknown("operands")  # a source that ends so is a folder to one program, and its contents to another
    *sources, target = operands
    here = target.rstrip("/") in (".", "") and target != "/"
    return [found.path(word) for word in sources], found.folder or "." if here else found.path(target)


def _landing(found: _Found, source: str, target: str) -> str:
    """Where a file comes to lie: in the target where that is a folder, else at it."""
    if target != "." and found.world.kind(target) != "folder":
        return target
    found.needs.add(target)
    place = posixpath.normpath(posixpath.join(target, posixpath.basename(source)))
    if found.world.kind(place) == "strange":
        raise _Unknown(place)
    return place


_PIECE = r"(?:\\[^/|#,@\n]|[^/|#,@\n\\])*"
_SUBSTITUTION = re.compile(rf"s([/|#,@]){_PIECE}\1{_PIECE}\1[gI0-9]*|\d+(?:,\d+)?d|/{_PIECE}/d")


def _substituted(found: _Found, operands: Sequence[str]) -> None:
    """`sed -i` with a plain substitution or deletion of lines."""
    if not operands or not _SUBSTITUTION.fullmatch(operands[0]):
        raise _Unknown("script")
    _each(found, operands[1:])


PROGRAMS: Mapping[str, Program] = {
    "mkdir": Program("pv", _folders),
    "touch": Program("acm", _each),
    "rm": Program("frRv", _each),
    "rmdir": Program("v", _each),
    "tee": Program("a", _each),
    "cp": Program("rRafpvn", _copied),
    "mv": Program("fvn", _moved),
    "chmod": Program("Rv", _mode_first),
    "sed": Program("iE", _substituted),
}
