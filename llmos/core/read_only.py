"""Whether a plain command only looks, and at what: by the lists of read_only_commands.py, and no further.

Whatever is not said there is a reason to ask. What must be looked up in the world (is a path inside, does a program
come from elsewhere) is a question to `ShellWorld`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from llmos.core.read_only_commands import COMMANDS, FIND_TESTS, GIT, VERSION_ONLY, Listed, Operands
from llmos.core.shell_plain import PlainCommand

_JQ_REFUSED = re.compile(
    r"\benv\b|\$ENV|\b(?:import|include|input_filename|debug|stderr|halt\w*|getpath|modulemeta|@sh)\b"
)
_SED = re.compile(r"(?:\d+|\$)(?:,(?:\d+|\$))?p(?:;(?:\d+|\$)(?:,(?:\d+|\$))?p)*")
_AWK_ITEM = r"(?:\$(?:\d+|NF)|NR|NF|\"[\w :,./-]*\")"
_AWK = re.compile(
    rf"\s*(?:NR\s*(?:==|!=|<=|>=|<|>)\s*\d+|END|\$\d+\s*(?:==|!=|<=|>=|<|>)\s*(?:\d+|\"[\w .-]*\"))?\s*"
    rf"(?:\{{\s*print(?:\s+{_AWK_ITEM}(?:\s*,?\s*{_AWK_ITEM})*)?\s*\}})?\s*"
)
_STATUS_ONLY = ("--version", "-V", "version", "-v", "-version")


class ShellWorld(Protocol):
    """What the judgement of a command asks of the world."""

    def readable(self, path: str, folder: str, *, glob: bool, deep: bool) -> str:
        """Why what this names, taken from `folder`, may not be read without asking; empty where it may.

        `deep`: what lies below a folder is read too.
        """

    def foreign_program(self, name: str) -> bool:
        """Whether the program of this name lies where a project could have put it."""

    def plain_git(self, folder: str) -> bool:
        """Whether git, run in `folder`, is told by the repository to run nothing."""


def why_not_read_only(commands: Sequence[PlainCommand], world: ShellWorld) -> str:
    """Why these commands may not run without asking; empty where each of them only looks at what may be looked at."""
    folder = ""
    for at, command in enumerate(commands):
        follows = commands[at + 1].after if at + 1 < len(commands) else ""
        if command.words[0] == "cd":
            plain = len(command.words) == 2 and not command.words[1].startswith("-") and not command.globs
            if at or follows != "&&" or not plain:
                return "it changes the folder in the middle"
            if problem := why_not_look(command, "", world):
                return problem
            folder = command.words[1]
        elif problem := why_not_look(command, folder, world):
            return problem
    return ""


def why_not_look(command: PlainCommand, folder: str, world: ShellWorld) -> str:
    """Why one command, run in `folder`, may do more than look; empty where it only looks."""
    name, words = command.words[0], command.words[1:]
    if world.foreign_program(name):
        return f"the program {name} may be the project's own"
    for path in command.inputs:
        if problem := world.readable(path, folder, glob=False, deep=False):
            return problem
    if name in VERSION_ONLY and len(words) == 1 and words[0] in _STATUS_ONLY[: 4 if name == "java" else 2]:
        return ""
    if name == "go" and words == ("version",):
        return ""
    checked = _special(command, folder, world)
    if checked is not None:
        return checked
    listed = COMMANDS.get(name)
    if listed is None:
        return f"{name} is not among the commands that only look"
    return _by_list(name, listed, words, frozenset(at - 1 for at in command.globs), folder, world)


def _special(command: PlainCommand, folder: str, world: ShellWorld) -> str | None:
    """The commands with a grammar of their own; None for all others."""
    name, words = command.words[0], command.words[1:]
    match name:
        case "git":
            return _git(command, folder, world)
        case "find":
            return _find(command, folder, world)
        case "sed" | "awk":
            return _script(command, folder, world)
        case "command":
            plain = len(words) == 2 and words[0] == "-v" and re.fullmatch(r"[\w.+-]+", words[1])
            return "" if plain else "it runs another command"
        case "sleep":
            return "" if len(words) == 1 and re.fullmatch(r"\d(?:\.\d+)?", words[0]) else "it waits"
        case "printf" if any(re.search(r"%\d*n|%\(|\$\(|`", word) or word.startswith("-v") for word in words):
            return "printf may do more than print"
        case "ps" if any("e" in word for word in words if not word.startswith("-")):
            return "ps may show the environment of programs"
        case "test":
            if bad := [word for word in words if word.startswith("-") and len(word) != 2]:
                return f"test {bad[0]} is not on the list"
        case "date" if any(
            not word.startswith(("+", "-")) and before not in ("-d", "--date")
            for before, word in zip(("", *words), words, strict=False)
        ):
            return "date may set the clock"
        case "jq" if any(_JQ_REFUSED.search(word) for word in words):
            return "the filter of jq reaches further than its input"
    return None


def _by_list(
    name: str, listed: Listed, words: Sequence[str], globs: frozenset[int], folder: str, world: ShellWorld
) -> str:
    operands: list[tuple[int, str]] = []
    index, ended, patterned = 0, False, False
    while index < len(words):
        word = words[index]
        if ended or not word.startswith("-") or word == "-":
            if index in globs and not listed.any_glob and not ended and re.match(r"[*?]", word):
                return "names of files may look like options; put ./ before the *"
            operands.append((index, word))
        elif word == "--":
            ended = True
        else:
            if index in globs:
                return "an option with a glob"
            taken = _option(listed, word)
            if taken is None:
                return f"{name} {word} is not on the list"
            patterned = patterned or (name in ("grep", "egrep", "fgrep", "rg", "git grep") and _is_pattern(word))
            index += taken
            if index >= len(words) or index in globs:
                return f"{name} {word} has no value that is known"
        index += 1
    if len(operands) > listed.most or (operands and listed.operands is Operands.NONE):
        return f"{name} with so many arguments is not on the list"
    if listed.operands is Operands.TEXT:
        return ""
    if listed.operands is Operands.PATTERN and not patterned:
        operands = operands[1:]
    deep = _recursive(name, words)
    return _paths([(word, index in globs) for index, word in operands], folder, world, deep=deep)


def _recursive(name: str, words: Sequence[str]) -> bool:
    """Whether the contents of files below a folder are read."""
    if name == "rg":
        return True
    short = any(re.fullmatch(r"-[A-Za-z]*r[A-Za-z]*", word) for word in words)
    return name in ("grep", "egrep", "fgrep", "diff") and (short or "--recursive" in words)


def _is_pattern(word: str) -> bool:
    return word.startswith("--regexp") or (bool(re.fullmatch(r"-[A-Za-z]*e.*", word)) and not word.startswith("--"))


def _option(listed: Listed, word: str) -> int | None:
    """How many of the following words are its value: 0 or 1; None for an option that is not listed."""
    if word.startswith("--"):
        name, equals, _ = word[2:].partition("=")
        if equals:
            return 0 if name in listed.long_values or (name == "color" and name in listed.long) else None
        return 0 if name in listed.long else (1 if name in listed.long_values else None)
    for at, letter in enumerate(word[1:], 1):
        if letter in listed.short_values and letter not in listed.short:
            return 1 if at == len(word) - 1 else 0
        if letter not in listed.short:
            return None
    return 0


def _paths(found: Sequence[tuple[str, bool]], folder: str, world: ShellWorld, *, deep: bool) -> str:
    for path, glob in found if found or not deep else [(".", False)]:
        if problem := _path(path, folder, world, glob=glob, deep=deep):
            return problem
    return ""


def _path(path: str, folder: str, world: ShellWorld, *, glob: bool = False, deep: bool = False) -> str:
    return "" if path in ("-", "") else world.readable(path, folder, glob=glob, deep=deep)


def _find(command: PlainCommand, folder: str, world: ShellWorld) -> str:
    words = command.words[1:]
    starts: list[tuple[str, bool]] = []
    index = 0
    while index < len(words):
        word = words[index]
        if not word.startswith(("-", "(", ")", "!")):
            if any(other.startswith(("-", "(", "!")) and other != "-P" for other in words[:index]):
                return f"find: {word} stands where a test should"
            starts.append((word, index + 1 in command.globs))
            if index + 1 in command.globs and re.match(r"[*?]", word):
                return "names of files may look like options; put ./ before the *"
        elif word not in FIND_TESTS:
            return f"find {word} is not on the list"
        else:
            if any(at in command.globs for at in range(index + 1, index + FIND_TESTS[word] + 2)):
                return "a pattern of find without quotes"
            index += FIND_TESTS[word]
        index += 1
    return _paths(starts or [(".", False)], folder, world, deep=False)


def _script(command: PlainCommand, folder: str, world: ShellWorld) -> str:
    """`sed -n` that prints lines by number, and `awk` that prints fields."""
    name, words = command.words[0], list(command.words[1:])
    if command.globs and any(re.match(r"[*?]", command.words[at]) for at in command.globs):
        return "names of files may look like options; put ./ before the *"
    if name == "sed":
        if not words or words.pop(0) not in ("-n", "-En", "-nE"):
            return "sed may do more than print lines"
    elif words and words[0] == "-F" and len(words) > 1:
        words = words[2:]
    elif words and re.fullmatch(r"-F.{1,3}", words[0]):
        words = words[1:]
    known = _SED if name == "sed" else _AWK
    if not words or not words[0].strip() or not known.fullmatch(words[0]):
        return f"the script of {name} may do more than print"
    if bad := [word for word in words[1:] if word.startswith("-") or "=" in word]:
        return f"{name} {bad[0]} is not on the list"
    globs = {command.words[at] for at in command.globs}
    return _paths([(word, word in globs) for word in words[1:]], folder, world, deep=False)


def _git(command: PlainCommand, folder: str, world: ShellWorld) -> str:
    words = command.words[1:]
    if words[:1] == ("--no-pager",):
        words = words[1:]
    if command.globs:
        return "git with a glob"
    if not words:
        return "git without a command"
    name = " ".join(words[:2]) if words[0] == "stash" else words[0]
    listed = GIT.get(name)
    if listed is None:
        return f"git {name} is not among the commands that only look"
    if not world.plain_git(folder):
        return "the settings of this repository may run programs"
    rest = words[len(name.split()) :]
    if listed.operands is not Operands.PATHS:
        return _by_list(f"git {name}", listed, rest, frozenset(), folder, world)
    # An operand may be a commit or a path; where it could be a path outside, it is asked about.
    texts = [word for word in rest if not word.startswith("-")]
    if bad := next(_outside(texts), None):
        return f"{bad} may lie outside"
    plain = Listed(
        listed.short, listed.short_values, listed.long, listed.long_values, Operands.TEXT, listed.most, False
    )
    return _by_list(f"git {name}", plain, rest, frozenset(), folder, world)


def _outside(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        path = text.rpartition(":")[2]
        if path.startswith(("/", "~")) or posixpath.normpath(path).startswith("../") or path == "..":
            yield text
