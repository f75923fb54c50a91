"""A command line as the rules of shell_mend look at it: commands with options, operands and neighbours in a pipe."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from llmos.core.shell_words import Command, Quote, Word, parse

Edit: TypeAlias = tuple[int, int, str]
"""From character to character, and what stands there instead."""

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_GLOB = frozenset("*?[")
_OPAQUE = (Quote.OPAQUE, Quote.OPAQUE_DOUBLE)


class One:
    """A simple command of the line; `name` is empty for assignments alone and for the header of a loop."""

    def __init__(self, command: Command, text: str) -> None:
        words = [word for word in command.words if not _ASSIGNMENT.match(text[word.start : word.end])]
        self.command = command
        self.loop = command.loop
        self.head = words[0] if words and not command.loop else None
        self.name = self.head.value if self.head else ""
        self.args = words[1:]
        ends = [word.end for word in command.words] + [word.end for _, word in command.targets]
        self.start = command.words[0].start if command.words else 0
        self.end = max(ends, default=0)

    @property
    def letters(self) -> frozenset[str]:
        """The letters of its options of one dash."""
        return frozenset(letter for word in self.args if _is_option(word) for letter in word.value[1:])

    def operands(self, valued: str = "") -> list[Word]:
        """The words that are no options, nor the value of an option whose letter is in `valued`."""
        found, skip = [], False
        for word in self.args:
            if skip:
                skip = False
            elif _is_option(word):
                skip = word.value[-1] in valued
            elif not word.value.startswith("--"):
                found.append(word)
        return found

    def after(self, option: str) -> Word | None:
        """The word behind an option that stands alone."""
        for word, following in zip(self.args, self.args[1:], strict=False):
            if word.value == option:
                return following
        return None

    def with_option(self, option: str) -> list[Edit]:
        return [(self.head.end, self.head.end, f" {option}")] if self.head else []

    def without_letter(self, letter: str, instead: str = "") -> list[Edit]:
        """Edits that take a letter out of the options, or put another in its place."""
        for word in self.args:
            if _is_option(word) and letter in word.value:
                at = word.value.index(letter)
                if word.value == f"-{letter}" and not instead:
                    return [(word.start, word.end + 1, "")]
                return [(word.spans[at][0], word.spans[at][1], instead)]
        return []


class Line:
    """Raises NotParsed for a text that is not read with certainty."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.commands = sorted((One(command, text) for command in parse(text).commands), key=lambda one: one.start)
        self._at = {one.start: one for one in self.commands if one.name}

    def raw(self, word: Word) -> str:
        return self.text[word.start : word.end]

    def next_in_pipe(self, one: One) -> One | None:
        """The command that reads what this one writes."""
        joined = re.compile(r"[ \t]*\|(?![|&])\s*").match(self.text, one.end)
        return self._at.get(joined.end()) if joined else None

    def pipes_on(self, one: One) -> bool:
        return re.compile(r"[ \t]*\|(?!\|)").match(self.text, one.end) is not None

    def reads_pipe(self, one: One) -> bool:
        return re.search(r"(?<!\|)\|\s*\Z", self.text[: one.start]) is not None

    def before_in_pipe(self, one: One) -> One | None:
        return next((other for other in self.commands if other.name and self.next_in_pipe(other) is one), None)

    def pipeline_to(self, one: One) -> Iterator[One]:
        """The command and those before it in its pipe, last first."""
        at: One | None = one
        while at is not None:
            yield at
            at = self.before_in_pipe(at)


Rule: TypeAlias = Callable[[Line, One], list[Edit]]
"""The edits that mend what the rule finds at a command; none where it finds nothing."""


def _is_option(word: Word) -> bool:
    return word.value.startswith("-") and len(word.value) > 1 and word.value[1] != "-"


def has_glob(word: Word) -> bool:
    """Whether the word matches names of files."""
    return any(char in _GLOB and quote is Quote.NONE for char, quote in zip(word.value, word.quotes, strict=True))


def is_fixed(word: Word) -> bool:
    """Whether the word is known to the letter: no expansion, no substitution, no pattern."""
    return bool(word.value) and not has_glob(word) and not any(quote in _OPAQUE for quote in word.quotes)


def is_opaque(word: Word) -> bool:
    return any(quote in _OPAQUE for quote in word.quotes)


def ends(word: Word, suffixes: Collection[str]) -> bool:
    return any(word.value.endswith(suffix) for suffix in suffixes)


def before_last_quote(line: Line, word: Word, added: str) -> Edit:
    """An edit that adds to a word, within its quotes where it ends in one."""
    at = word.end - 1 if line.raw(word)[-1] in "'\"" else word.end
    return (at, at, added)


def rewritten(line: Line, word: Word, new: str) -> list[Edit]:
    """The edit that puts another text for a word; none where it is the same."""
    return [(word.start, word.end, new)] if new != line.raw(word) else []
