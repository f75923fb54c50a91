"""A bash command line as words whose every character has a known quoting and a known role.

What is read here is a subset of bash: simple commands, lists, pipes, redirections, groups, `for`, `while`, `if`,
substitutions and here-documents. Anything else raises NotParsed, because a command that is not understood with
certainty must not be rewritten. shell_roles.py says what a word is for, shell_edit.py puts values into words.
"""

from __future__ import annotations

import re
from dataclasses import field
from enum import StrEnum
from functools import lru_cache

from llmos.core.dataclass import dataclass

MAX_LENGTH = 20_000
MAX_DEPTH = 8

_OPERATORS = tuple(
    sorted(
        "&& || ;; ;& & ; | |& ( ) < > >> << <<- <<< <> >| >& <& &> &>> <( >( (( )) \n".split(" "),
        key=len,
        reverse=True,
    )
)
_OPERATOR_STARTS = frozenset("&;|()<>\n")
_REDIRECTS = frozenset("< > >> << <<- <<< <> >| >& <& &> &>>".split())
_ENDS_COMMAND = frozenset(["&&", "||", ";", "&", "|", "|&", "\n", ")", ";;"])
_OPENERS = frozenset("if then else elif while until do { ! time".split())
_CLOSERS = frozenset("fi done }".split())
_UNSUPPORTED = frozenset("case esac select function coproc".split())
PARAMETER = re.compile(r"\$(?:[A-Za-z_]\w*|[0-9@*#?$!-])")
_DESCRIPTOR = re.compile(r"\d+(?=[<>])")
GLOB_CHARS = frozenset("*?[")


class NotParsed(ValueError):
    """The command is not understood with certainty; the text says at what."""


class NotClosed(NotParsed):
    """A quote is opened and never closed: no shell can run it."""


class Quote(StrEnum):
    """How one character of a word is quoted. OPAQUE: part of an expansion or substitution, which the shell replaces."""

    NONE = "none"
    ESCAPED = "escaped"
    SINGLE = "single"
    DOUBLE = "double"
    OPAQUE = "opaque"
    OPAQUE_DOUBLE = "opaque-double"
    BODY = "body"
    """A line of a here-document whose delimiter is quoted: taken to the letter."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word: `value[i]` stands at `spans[i]` of the command, quoted as `quotes[i]`. Offsets count characters."""

    start: int
    end: int
    value: str
    spans: tuple[tuple[int, int], ...]
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command: its words in order (assignments included) and the targets of its redirections."""

    words: tuple[Word, ...]
    targets: tuple[tuple[str, Word], ...]
    """Operator and word: ("<", input.txt). The body of a here-document has the operator "<<"."""
    loop: bool = False
    """The header of a `for`: the first word is a name, the others are what it runs over."""


@dataclass(frozen=True, slots=True)
class Script:
    text: str
    commands: tuple[Command, ...]
    """Commands of substitutions included, in the order in which they end."""
    shape: tuple[str, ...]
    """Operators, reserved words and a mark for each word, in order: equal for two commands of the same structure."""


@lru_cache(maxsize=4096)
def parse(text: str) -> Script:
    """The words of a command line. Raises NotParsed for anything that is not understood with certainty."""
    if len(text) > MAX_LENGTH:
        raise NotParsed("the command is too long to be looked through")
    reader = _Reader(text)
    reader.read_list(closing="")
    return Script(text, tuple(reader.commands), tuple(reader.shape))


@dataclass
class _Pending:
    """The command that is being read."""

    words: list[Word] = field(default_factory=list)
    targets: list[tuple[str, Word]] = field(default_factory=list)
    loop: bool = False


@dataclass
class _Draft:
    """The word that is being read."""

    start: int
    value: list[str] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)

    def add(self, char: str, start: int, end: int, quote: Quote) -> None:
        self.value.append(char)
        self.spans.append((start, end))
        self.quotes.append(quote)

    def word(self, end: int) -> Word:
        return Word(self.start, end, "".join(self.value), tuple(self.spans), tuple(self.quotes))


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.commands: list[Command] = []
        self.shape: list[str] = []
        self.documents: list[tuple[bool, str, bool, _Pending]] = []

    def read_list(self, closing: str) -> None:
        """Read commands up to `closing` (")" or "`"), or to the end of the text."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotParsed("the command is nested too deeply")
        current = _Pending()
        while True:
            self._skip_blanks()
            if self.at >= len(self.text):
                if closing:
                    raise NotParsed(f"a {closing} is missing")
                break
            if closing and self.text[self.at] == closing:
                break
            operator = self._operator()
            if operator is None:
                self._take_word(current, closing)
            else:
                current = self._take_operator(operator, current)
        self._close(current)
        if self.documents and not closing:
            raise NotParsed("a here-document has no body")
        self.depth -= 1

    def _take_word(self, current: _Pending, closing: str) -> None:
        if descriptor := _DESCRIPTOR.match(self.text, self.at):
            # `2>file`: the number belongs to the operator that follows.
            self.shape.append(descriptor.group())
            self.at = descriptor.end()
            return
        word = self._word(closing)
        plain = self.text[word.start : word.end]
        if not current.words and not current.targets and plain in _OPENERS | _CLOSERS:
            self.shape.append(plain)
            return
        if not current.words and plain in _UNSUPPORTED:
            raise NotParsed(f"{plain!r} is not read here")
        if not current.words and plain == "for":
            current.loop = True
            self.shape.append("for")
            return
        if current.loop and len(current.words) == 1 and plain == "in":
            self.shape.append("in")
            return
        current.words.append(word)
        self.shape.append("word")

    def _take_operator(self, operator: str, current: _Pending) -> _Pending:
        self.shape.append(operator)
        if operator == "((":
            raise NotParsed("arithmetic commands are not read here")
        self.at += len(operator)
        if operator in ("<(", ">("):
            self.read_list(")")
            self.at += 1
            current.words.append(Word(self.at - 1, self.at, ")", ((self.at - 1, self.at),), (Quote.OPAQUE,)))
            return current
        if operator in _REDIRECTS:
            self._redirect(operator, current)
            return current
        if operator == "(":
            if current.words:
                raise NotParsed("a bracket after a word is not read here")
            self.read_list(")")
            self.at += 1
            self.shape.append(")")
            return current
        if operator not in _ENDS_COMMAND or operator in (")", ";;"):
            raise NotParsed(f"{operator!r} stands where none is expected")
        self._close(current)
        if operator == "\n":
            self._bodies()
        return _Pending()

    def _redirect(self, operator: str, current: _Pending) -> None:
        self._skip_blanks()
        if self.at >= len(self.text) or self._operator() is not None:
            raise NotParsed("a redirection has no target")
        word = self._word("")
        if operator in ("<<", "<<-"):
            raw = self.text[word.start : word.end]
            self.documents.append((operator == "<<-", word.value, raw != word.value, current))
        else:
            current.targets.append((operator, word))
        self.shape.append("target")

    def _bodies(self) -> None:
        for strip, delimiter, quoted, owner in self.documents:
            start = self.at
            while True:
                if self.at >= len(self.text):
                    raise NotParsed("a here-document is not closed")
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                if (line.lstrip("\t") if strip else line) == delimiter:
                    break
                self.at = min(end + 1, len(self.text))
            body = self.text[start : self.at]
            if not quoted and re.search(r"[$`\\]", body):
                raise NotParsed("a here-document holds substitutions")
            spans = tuple((start + i, start + i + 1) for i in range(len(body)))
            word = Word(start, self.at, body, spans, (Quote.BODY,) * len(body))
            owner.targets.append(("<<", word))
            self.commands = [
                Command(c.words, (*c.targets, ("<<", word)), c.loop) if c.words == tuple(owner.words) else c
                for c in self.commands
            ]
            self.at = end
            self.shape.append("body")
        self.documents = []

    def _close(self, current: _Pending) -> None:
        if current.words or current.targets:
            self.commands.append(Command(tuple(current.words), tuple(current.targets), current.loop))

    def _skip_blanks(self) -> None:
        while self.at < len(self.text):
            if self.text[self.at] in " \t":
                self.at += 1
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
                self.shape.append("#")
            else:
                return

    def _operator(self) -> str | None:
        if self.text[self.at : self.at + 1] not in _OPERATOR_STARTS:
            return None
        return next((op for op in _OPERATORS if self.text.startswith(op, self.at)), None)

    def _word(self, closing: str) -> Word:
        draft = _Draft(self.at)
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t" or (closing == "`" and char == "`"):
                break
            operator = self._operator()
            if operator == "(" or operator == "((":
                raise NotParsed("a bracket after a word is not read here")
            if operator is not None:
                break
            self._piece(draft, char)
        return draft.word(self.at)

    def _piece(self, draft: _Draft, char: str) -> None:
        at = self.at
        if char == "\\":
            if at + 1 >= len(self.text):
                raise NotParsed("the command ends in a backslash")
            if self.text[at + 1] != "\n":
                draft.add(self.text[at + 1], at, at + 2, Quote.ESCAPED)
            self.at += 2
        elif char == "'":
            end = self.text.find("'", at + 1)
            if end < 0:
                raise NotClosed("a quote is not closed")
            for index in range(at + 1, end):
                draft.add(self.text[index], index, index + 1, Quote.SINGLE)
            self.at = end + 1
        elif char == '"':
            self._double(draft)
        elif char == "$" and self.text[at + 1 : at + 2] in ("'", '"'):
            raise NotParsed("ANSI quoting is not read here")
        elif char in "$`":
            self._expansion(draft, Quote.OPAQUE)
        else:
            draft.add(char, at, at + 1, Quote.NONE)
            self.at += 1

    def _double(self, draft: _Draft) -> None:
        self.at += 1
        while self.at < len(self.text):
            char, at = self.text[self.at], self.at
            if char == '"':
                self.at += 1
                return
            if char == "\\" and self.text[at + 1 : at + 2] in ("$", "`", '"', "\\"):
                draft.add(self.text[at + 1], at, at + 2, Quote.DOUBLE)
                self.at += 2
            elif char in "$`":
                self._expansion(draft, Quote.OPAQUE_DOUBLE)
            else:
                draft.add(char, at, at + 1, Quote.DOUBLE)
                self.at += 1
        raise NotClosed("a quote is not closed")

    def _expansion(self, draft: _Draft, quote: Quote) -> None:
        start = self.at
        if self.text[start] == "`":
            end = self.text.find("`", start + 1)
            if end < 0 or "\\" in self.text[start:end]:
                raise NotParsed("a substitution in backquotes is not plain")
            if quote is Quote.OPAQUE_DOUBLE and '"' in self.text[start:end]:
                raise NotParsed("a substitution in backquotes holds quotes")
            self._nested(start + 1, "`")
        elif self.text.startswith("$((", start):
            end = self.text.find("))", start)
            if end < 0:
                raise NotParsed("arithmetic is not closed")
            self.at = end + 2
        elif self.text.startswith("$(", start):
            self._nested(start + 2, ")")
        elif self.text.startswith("${", start):
            end = self.text.find("}", start)
            if end < 0 or re.search(r"[\"'`$\\]", self.text[start + 2 : end]):
                raise NotParsed("an expansion is not plain")
            self.at = end + 1
        elif match := PARAMETER.match(self.text, start):
            self.at = match.end()
        else:
            plain = Quote.DOUBLE if quote is Quote.OPAQUE_DOUBLE else Quote.NONE
            draft.add("$", start, start + 1, plain)
            self.at += 1
            return
        for index in range(start, self.at):
            draft.add(self.text[index], index, index + 1, quote)

    def _nested(self, start: int, closing: str) -> None:
        self.at = start
        self.shape.append("$(")
        waiting, self.documents = self.documents, []
        self.read_list(closing)
        if self.documents:
            raise NotParsed("a here-document has no body")
        self.documents = waiting
        self.at += 1
        self.shape.append(")")
