"""The reading of a shell command for allowing: only what is proved to be plain words in plain commands is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field

from llmos.core.dataclass import dataclass
from llmos.core.shell_tree import Node, adjoining
from llmos.core.shell_words import NotParsed
from llmos.core.shell_words import parse as parse_words

RESERVED_WORDS = frozenset(
    "if then else elif fi case esac for select while until do done in function time coproc export declare typeset "
    "local readonly let unset".split()
)
_HARMLESS_TARGETS = frozenset(["/dev/null", "/dev/stdout", "/dev/stderr"])
_TO_FILE = (">", ">>", "&>", "&>>")
_JOINED = {"&&": "&&", "||": "||", "|": "|", ";": ";", "\n": ";"}


@dataclass(frozen=True, slots=True)
class PlainCommand:
    """A simple command whose every word is known to the letter; those in `globs` still match names of files."""

    words: tuple[str, ...]
    globs: frozenset[int] = frozenset()
    inputs: tuple[str, ...] = ()
    """Files that it reads as its standard input."""
    after: str = ""
    """The operator before it: "", "&&", "||", ";" or "|"."""


class NotPlainError(Exception):
    """The text says what is not plain."""


@dataclass
class PlainReader:
    """The reading for allowing: raises NotPlainError at the first node that is not on its list.

    With `writes` output may go to files, which are `outputs`: then it is no reading for allowing.
    """

    source: str
    writes: bool = False
    outputs: list[str] = field(default_factory=list)

    def commands(self, root: Node) -> tuple[PlainCommand, ...]:
        if root.kind != "program":
            raise NotPlainError("it is no complete command")
        found = tuple(self._list(root, ""))
        if not found:
            raise NotPlainError("there is no command in it")
        self._nothing_between(root)
        self._read_alike(found)
        return found

    def _nothing_between(self, root: Node) -> None:
        """No text lies outside the nodes: a parser may skip what it takes for nothing."""
        at, waiting = 0, [root]
        while waiting:
            node = waiting.pop()
            if node.kind in ("ERROR", "MISSING"):
                raise NotPlainError("a part of it is not understood")
            if node.children:
                waiting.extend(reversed(node.children))
                if node.kind not in ("string", "raw_string"):
                    continue
                del waiting[-len(node.children) :]
            if self.source[at : node.start].strip(" \t\n"):
                raise NotPlainError("a part of it is not understood")
            at = max(at, node.end)
        if self.source[at:].strip(" \t\n"):
            raise NotPlainError("a part of it is not understood")

    def _read_alike(self, found: tuple[PlainCommand, ...]) -> None:
        """A second reader, written without the first, sees the same words."""
        try:
            other = parse_words(self.source).commands
        except NotParsed as error:
            raise NotPlainError(str(error)) from None
        if sorted(command.words for command in found) != sorted(
            tuple(word.value for word in command.words) for command in other
        ):
            raise NotPlainError("two readers of it see different words")

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
                raise NotPlainError(_KINDS.get(kind, f"it holds more than plain words ({kind.replace('_', ' ')})"))

    def _redirected(self, node: Node, after: str) -> Iterator[PlainCommand]:
        body, *redirects = node.children
        inputs = tuple(found for redirect in redirects if (found := self._input(redirect)))
        if body.kind == "command":
            yield self._command(body, inputs, after)
        elif inputs or body.kind not in ("list", "pipeline"):
            raise NotPlainError("it redirects more than one command")
        else:
            yield from self._list(body, after)

    def _input(self, node: Node) -> str:
        """The file that is read; empty for output that goes nowhere. Everything else is not plain."""
        if node.kind != "file_redirect":
            raise NotPlainError("it redirects")
        if len(node.children) < 2:  # `>&-` closes a descriptor and names nothing
            raise NotPlainError("it redirects")
        *front, target = node.children
        kinds = [child.kind for child in front]
        operator = kinds[-1]
        if kinds not in ([operator], ["file_descriptor", operator]):
            raise NotPlainError("it redirects")
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
            raise NotPlainError("it redirects")
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
        if not words or 0 in globs or re.search(r"[\s/]", words[0]) or words[0] in RESERVED_WORDS:
            raise NotPlainError("its program is not a plain name")
        return PlainCommand(tuple(words), frozenset(globs), inputs, after)

    def _word(self, node: Node) -> tuple[str, bool]:
        """The value of a word and whether it matches names of files."""
        text = self.source[node.start : node.end]
        if node.kind in ("word", "number") and not node.children:
            if bad := re.search(r"[\\{}$`\"'!\s;&|<>()\[\]^#]", text):
                raise NotPlainError(f"it holds {bad.group()!r} outside quotes")
            if text[0] == "~" or "=~" in text or ":~" in text:
                raise NotPlainError("it holds ~, which stands for a folder elsewhere")
            return text, bool(re.search(r"[*?]", text))
        if node.kind == "raw_string" and re.fullmatch(r"'[^']*'", text):
            return text[1:-1], False
        if node.kind == "string" and all(child.kind in ('"', "string_content") for child in node.children):
            inner = text[1:-1]
            if text[:1] != '"' or text[-1:] != '"' or re.search(r'[\\$`"!]', inner):
                raise NotPlainError("it holds an expansion or an escape in quotes")
            return inner, False
        if node.kind == "concatenation" and adjoining(node):
            parts = [self._word(child) for child in node.children]
            return "".join(value for value, _ in parts), any(glob for _, glob in parts)
        raise NotPlainError(_KINDS.get(node.kind, f"it holds more than plain words ({node.kind.replace('_', ' ')})"))


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
