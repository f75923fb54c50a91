"""What the permission gate makes of a shell command: the plain commands in it, or why they cannot be known.

Two readings of one text, each on its safe side. `plain` is for allowing: it is there only where the text is nothing
but plain words in commands joined by `&&`, `||`, `|`, `;` and line ends. `commands` is for asking and denying: every
command that can be made out, wrappers taken off and code in arguments read too, rather too many than too few.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import TypeAlias

from llmos.core.dataclass import dataclass
from llmos.core.shell_words import NotParsed
from llmos.core.shell_words import parse as parse_words
from llmos.core.shell_wrappers import SHELLS, code_in, program_name, unwrapped

MAX_BYTES = 40_000
MAX_NESTING = 60
MAX_COMMANDS = 2_000
MAX_CODE_DEPTH = 4
"""Beyond any of these a text is not looked through, and what is not looked through is denied."""


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of the syntax tree of a bash text, from character to character."""

    kind: str
    start: int
    end: int
    children: tuple[Node, ...] = ()


ParseShell: TypeAlias = Callable[[bytes], Node]
"""The port of the parser. It is given ASCII, a letter X in place of each other character, which in bash too is nothing
but a part of a word. Errors in the text are nodes of the kind ERROR or MISSING."""


def no_parser(_: bytes) -> Node:
    """In place of a parser: nothing is understood, so everything that needs one is asked about."""
    return Node("ERROR", 0, 0)


@dataclass(frozen=True, slots=True)
class PlainCommand:
    """A simple command whose every word is known to the letter; those in `globs` still match names of files."""

    words: tuple[str, ...]
    globs: frozenset[int] = frozenset()
    inputs: tuple[str, ...] = ()
    """Files that it reads as its standard input."""
    after: str = ""
    """The operator before it: "", "&&", "||", ";" or "|"."""


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
_RESERVED = frozenset(
    "if then else elif fi case esac for select while until do done in function time coproc export declare typeset "
    "local readonly let unset".split()
)
_CODES = re.compile(r"[^\t\n\x20-\x7e]")
_HARMLESS_TARGETS = frozenset(["/dev/null", "/dev/stdout", "/dev/stderr"])
_TO_FILE = (">", ">>", "&>", "&>>")
_JOINED = {"&&": "&&", "||": "||", "|": "|", ";": ";", "\n": ";"}
_TOO_LARGE = ShellReading(None, "it is too large to be looked through", hidden=True, too_large=True)


def read_shell(text: str, parse: ParseShell) -> ShellReading:
    """Read a command; the parser is asked only where the words do not lie open."""
    if len(text) > MAX_BYTES:
        return _TOO_LARGE
    if _FAST.fullmatch(text):
        words = tuple(text.split())
        if words[0] not in _RESERVED:
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
    reader = _Plain(text, writes=True)
    try:
        commands = reader.commands(parse(text.encode("ascii")))
    except _NotPlain:
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
            plain = _Plain(text).commands(root)
        except _NotPlain as found:
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


class _NotPlain(Exception):
    """The text says what is not plain."""


@dataclass
class _Plain:
    """The reading for allowing: raises _NotPlain at the first node that is not on its list.

    With `writes` output may go to files, which are `outputs`: then it is no reading for allowing.
    """

    source: str
    writes: bool = False
    outputs: list[str] = field(default_factory=list)

    def commands(self, root: Node) -> tuple[PlainCommand, ...]:
        if root.kind != "program":
            raise _NotPlain("it is no complete command")
        found = tuple(self._list(root, ""))
        if not found:
            raise _NotPlain("there is no command in it")
        self._nothing_between(root)
        self._read_alike(found)
        return found

    def _nothing_between(self, root: Node) -> None:
        """No text lies outside the nodes: a parser may skip what it takes for nothing."""
        at, waiting = 0, [root]
        while waiting:
            node = waiting.pop()
            if node.kind in ("ERROR", "MISSING"):
                raise _NotPlain("a part of it is not understood")
            if node.children:
                waiting.extend(reversed(node.children))
                if node.kind not in ("string", "raw_string"):
                    continue
                del waiting[-len(node.children) :]
            if self.source[at : node.start].strip(" \t\n"):
                raise _NotPlain("a part of it is not understood")
            at = max(at, node.end)
        if self.source[at:].strip(" \t\n"):
            raise _NotPlain("a part of it is not understood")

    def _read_alike(self, found: tuple[PlainCommand, ...]) -> None:
        """A second reader, written without the first, sees the same words."""
        try:
            other = parse_words(self.source).commands
        except NotParsed as error:
            raise _NotPlain(str(error)) from None
        if sorted(command.words for command in found) != sorted(
            tuple(word.value for word in command.words) for command in other
        ):
            raise _NotPlain("two readers of it see different words")

    def _list(self, node: Node, after: str) -> Iterator[PlainCommand]:
        for child in node.children:
            kind = child.kind
            if kind in _JOINED:
                after = _JOINED[kind]
            elif kind in ("list", "pipeline"):
                yield from self._list(child, after)
            elif kind == "command":
                yield self._command(child, (), after)
            elif kind == "redirected_statement":
                yield from self._redirected(child, after)
            else:
                raise _NotPlain(_KINDS.get(kind, f"it holds more than plain words ({kind.replace('_', ' ')})"))

    def _redirected(self, node: Node, after: str) -> Iterator[PlainCommand]:
        body, *redirects = node.children
        inputs = tuple(found for redirect in redirects if (found := self._input(redirect)))
        if body.kind == "command":
            yield self._command(body, inputs, after)
        elif inputs or body.kind not in ("list", "pipeline"):
            raise _NotPlain("it redirects more than one command")
        else:
            yield from self._list(body, after)

    def _input(self, node: Node) -> str:
        """The file that is read; empty for output that goes nowhere. Everything else is not plain."""
        if node.kind != "file_redirect":
            raise _NotPlain("it redirects")
        if len(node.children) < 2:  # `>&-` closes a descriptor and names nothing
            raise _NotPlain("it redirects")
        *front, target = node.children
        kinds = [child.kind for child in front]
        operator = kinds[-1]
        if kinds not in ([operator], ["file_descriptor", operator]):
            raise _NotPlain("it redirects")
        value, glob = self._word(target)
        if kinds == ["<"] and not glob:
            return value
        if self.writes and operator in _TO_FILE and not glob and value and value not in _HARMLESS_TARGETS:
            if value not in self.outputs:
                self.outputs.append(value)
            return ""
        copied = operator == ">&" and value in ("1", "2")
        dropped = operator in (">", ">>", "&>") and value in _HARMLESS_TARGETS
        if not (copied or dropped):
            raise _NotPlain("it redirects")
        return ""

    def _command(self, node: Node, inputs: tuple[str, ...], after: str) -> PlainCommand:
        words: list[str] = []
        globs: set[int] = set()
        for child in node.children:
            inner = child.children[0] if child.kind == "command_name" and len(child.children) == 1 else child
            value, glob = self._word(inner)
            if glob:
                globs.add(len(words))
            words.append(value)
        if not words or 0 in globs or re.search(r"[\s/]", words[0]) or words[0] in _RESERVED:
            raise _NotPlain("its program is not a plain name")
        return PlainCommand(tuple(words), frozenset(globs), inputs, after)

    def _word(self, node: Node) -> tuple[str, bool]:
        """The value of a word and whether it matches names of files."""
        text = self.source[node.start : node.end]
        if node.kind in ("word", "number") and not node.children:
            if bad := re.search(r"[\\{}$`\"'!\s;&|<>()\[\]^#]", text):
                raise _NotPlain(f"it holds {bad.group()!r} outside quotes")
            if text[0] == "~" or "=~" in text or ":~" in text:
                raise _NotPlain("it holds ~, which stands for a folder elsewhere")
            return text, bool(re.search(r"[*?]", text))
        if node.kind == "raw_string" and re.fullmatch(r"'[^']*'", text):
            return text[1:-1], False
        if node.kind == "string" and all(child.kind in ('"', "string_content") for child in node.children):
            inner = text[1:-1]
            if text[:1] != '"' or text[-1:] != '"' or re.search(r'[\\$`"!]', inner):
                raise _NotPlain("it holds an expansion or an escape in quotes")
            return inner, False
        if node.kind == "concatenation" and _adjoining(node):
            parts = [self._word(child) for child in node.children]
            return "".join(value for value, _ in parts), any(glob for _, glob in parts)
        raise _NotPlain(_KINDS.get(node.kind, f"it holds more than plain words ({node.kind.replace('_', ' ')})"))


_KINDS = {
    "ERROR": "a part of it is not understood",
    "MISSING": "a part of it is missing",
    "simple_expansion": "it holds a variable",
    "expansion": "it holds an expansion",
    "command_substitution": "it holds a command within a command",
    "process_substitution": "it holds a command within a command",
    "variable_assignment": "a variable is set before it",
    "file_redirect": "it redirects",
    "heredoc_redirect": "it holds a here-document",
    "&": "it runs in the background",
    "comment": "it holds a comment",
}


def _adjoining(node: Node) -> bool:
    return all(left.end == right.start for left, right in zip(node.children, node.children[1:], strict=False))


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
        if node.kind in ("concatenation", "command_name") and node.children and _adjoining(node):
            return "".join(self._value(child) for child in node.children)
        return re.sub(r"\\(\n|.)", lambda match: "" if match[1] == "\n" else match[1], text)


def _ansi_c(text: str) -> str:
    try:
        return text.encode("latin-1", "replace").decode("unicode_escape")
    except UnicodeDecodeError:
        return text
