"""What the permission gate makes of a shell command: the plain commands in it, or why they cannot be known.

Two readings of one text, each on its safe side. `plain` is for allowing: it is there only where the text is nothing
but plain words in commands joined by `&&`, `||`, `|`, `;` and line ends. `commands` is for asking and denying: every
command that can be made out, wrappers taken off and code in arguments read too, rather too many than too few.
"""

from __future__ import annotations

import re
from dataclasses import field

from llmos.core.dataclass import dataclass
from llmos.core.shell_plain import RESERVED_WORDS, NotPlainError, PlainCommand, PlainReader
from llmos.core.shell_tree import Node, ParseShell, adjoining
from llmos.core.shell_wrappers import SHELLS, code_in, program_name, unwrapped

MAX_BYTES = 40_000
MAX_NESTING = 60
MAX_COMMANDS = 2_000
MAX_CODE_DEPTH = 4
"""Beyond any of these a text is not looked through, and what is not looked through is denied."""


@dataclass(frozen=True, slots=True)
class ShellReading:
    plain: tuple[PlainCommand, ...] | None
    why: str
    """Why `plain` is not there."""
    commands: tuple[tuple[str, ...], ...] = ()
    """The words of every command that can be made out."""
    targets: tuple[str, ...] = ()
    """Files that output is redirected to, as written."""
    sources: tuple[str, ...] = ()
    """Files that input is redirected from, as written."""
    hidden: bool = False
    """Whether something may run that cannot be made out."""
    too_large: bool = False


_FAST = re.compile(r"[A-Za-z0-9_./,:@%+-][A-Za-z0-9_./,:=@%+-]*(?: +[A-Za-z0-9_./,:=@%+-]+)*")
_CODES = re.compile(r"[^\t\n\x20-\x7e]")
_TOO_LARGE = ShellReading(None, "it is too large to be looked through", hidden=True, too_large=True)


def read_shell(text: str, parse: ParseShell) -> ShellReading:
    """Read a command; the parser is asked only where the words do not lie open."""
    if len(text) > MAX_BYTES:
        return _TOO_LARGE
    if _FAST.fullmatch(text):
        words = tuple(text.split())
        if words[0] not in RESERVED_WORDS:
            walk = _Walk("", commands=[words])
            plain = "=" not in words[0]
            return _finish(walk, (PlainCommand(words),) if plain else None, "a variable is set before it", parse, 0)
    if len(re.findall(r"[;&|\n]+", text)) > MAX_COMMANDS or text.count("(") > MAX_COMMANDS or _deep(text):
        return _TOO_LARGE
    return _read(text, parse, 0)


@dataclass(frozen=True, slots=True)
class PlainWriting:
    """Plain commands whose output may go to files that are known to the letter."""

    commands: tuple[PlainCommand, ...]
    outputs: tuple[str, ...]


def read_writing(text: str, parse: ParseShell) -> PlainWriting | None:
    """The commands of a text and the files that their output is redirected to; None where they are not plain."""
    if len(text) > MAX_BYTES or _deep(text) or _untrusted(text):
        return None
    reader = PlainReader(text, writes=True)
    try:
        commands = reader.commands(parse(text.encode("ascii")))
    except NotPlainError:
        return None
    return PlainWriting(commands, tuple(dict.fromkeys(reader.outputs)))


def _deep(text: str) -> bool:
    """Whether brackets, or words that open a block, stand deeper in one another than MAX_NESTING."""
    depth = 0
    for match in re.finditer(r"[({]|[)}]|`|\b(?:if|case|do)\b|\b(?:fi|esac|done)\b", text):
        depth += 1 if match.group() in ("(", "{", "`", "if", "case", "do") else -1
        if depth > MAX_NESTING:
            return True
        depth = max(depth, 0)
    return False


def _read(text: str, parse: ParseShell, depth: int) -> ShellReading:
    walk = _Walk(text)
    root = parse(_CODES.sub("X", text).encode("ascii"))
    walk.everything(root)
    if len(walk.commands) > MAX_COMMANDS:
        return _TOO_LARGE
    plain: tuple[PlainCommand, ...] | None = None
    problem = _untrusted(text)
    if not problem:
        try:
            plain = PlainReader(text).commands(root)
        except NotPlainError as found:
            problem = str(found)
    return _finish(walk, plain, problem or "there is no command in it", parse, depth)


def _finish(
    walk: _Walk, plain: tuple[PlainCommand, ...] | None, problem: str, parse: ParseShell, depth: int
) -> ShellReading:
    """Take wrappers off the commands and read the code in their arguments."""
    commands: list[tuple[str, ...]] = []
    codes: list[str] = []
    for words in walk.commands:
        for inner in unwrapped(words):
            commands.append(inner)
            codes += code_in(inner)
    hidden = walk.hidden
    if any(program_name(words) in SHELLS and len(words) <= 2 for words in commands):
        # A shell reads what it runs from somewhere: any text in this command may be it.
        codes += [*walk.documents, *(word for words in walk.commands for word in words[1:] if " " in word)]
        hidden = True
    targets, sources = list(walk.targets), list(walk.sources)
    for code in dict.fromkeys(codes):
        if depth >= MAX_CODE_DEPTH or len(code) > MAX_BYTES or _deep(code):
            return _TOO_LARGE
        inner_reading = _read(code, parse, depth + 1)
        if inner_reading.too_large or len(commands) > MAX_COMMANDS:
            return _TOO_LARGE
        commands += inner_reading.commands
        targets += inner_reading.targets
        sources += inner_reading.sources
        hidden = hidden or inner_reading.hidden
    why = "" if plain is not None else problem
    return ShellReading(plain, why, tuple(dict.fromkeys(commands)), tuple(targets), tuple(sources), hidden)


def _untrusted(text: str) -> str:
    """What no parser can be trusted with."""
    if match := _CODES.search(text):
        character = match.group()
        return "it holds a letter beyond ASCII" if character.isprintable() else "it holds a control character"
    return ""


@dataclass
class _Walk:
    """The reading for asking and denying: every node is visited, and nothing is refused."""

    source: str
    commands: list[tuple[str, ...]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    hidden: bool = False

    def everything(self, root: Node) -> None:
        waiting = [root]
        while waiting:
            node = waiting.pop()
            waiting.extend(reversed(node.children))
            if node.kind == "command":
                self._command(node)
            elif node.kind in ("declaration_command", "unset_command"):
                self.commands.append(tuple(self._text(node).split()))
            elif node.kind == "file_redirect" and node.children:
                operator = next((child.kind for child in node.children if child.kind != "file_descriptor"), "")
                where = self.targets if ">" in operator else self.sources
                where.append(self._value(node.children[-1]))
            elif node.kind == "heredoc_body":
                self.documents.append(self._text(node))
            elif node.kind in ("ERROR", "MISSING"):
                self.hidden = True

    def _command(self, node: Node) -> None:
        words: list[str] = []
        for child in node.children:
            if child.kind in ("variable_assignment", "file_redirect") or child.kind.startswith("here"):
                continue
            words.append(self._value(child))
            if len(words) == 1 and re.search(r"[$`*?\[{]", self._text(child)):
                self.hidden = True
        if words:
            self.commands.append(tuple(words))

    def _text(self, node: Node) -> str:
        return self.source[node.start : node.end]

    def _value(self, node: Node) -> str:
        """The word as bash would see it where that can be told, expansions left as they are written."""
        text = self._text(node)
        if node.kind in ("raw_string", "string") and len(text) >= 2:
            inner = text[1:-1]
            return inner if node.kind == "raw_string" else re.sub(r"\\([$`\"\\\n])", r"\1", inner)
        if node.kind == "ansi_c_string":
            return _ansi_c(text[2:-1])
        if node.kind in ("concatenation", "command_name") and node.children and adjoining(node):
            return "".join(self._value(child) for child in node.children)
        return re.sub(r"\\(\n|.)", lambda match: "" if match[1] == "\n" else match[1], text)


def _ansi_c(text: str) -> str:
    try:
        return text.encode("latin-1", "replace").decode("unicode_escape")
    except UnicodeDecodeError:
        return text
