"""The plain subset of YAML that is read here: no tags, anchors, aliases or duplicate keys, and bounds on everything.

Only JSON spellings of numbers, true, false and null have a type; every other plain word is a string.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TypeAlias

from llmos.core.errors import StoreError
from llmos.memory.words import quoted, show_path

MAX_YAML_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 50_000
MAX_DOCUMENTS = 100
MAX_DIGITS = 4_000

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value stands in a document: keys of mappings and positions in lists, from the top."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, "": None}
_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class CodecError(StoreError):
    """A file does not hold what it should, or a value cannot be written; names file and line."""


def documents(data: bytes, name: str) -> Iterator[tuple[Any, dict[KeyPath, int]]]:
    """Each document, and the line on which each of its values stands, from 1. Raises CodecError."""
    import yaml

    text = _decode(data, name)
    parser = yaml.CSafeLoader(text)
    count = 0
    try:
        while parser.check_event():
            event = parser.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                count += 1
                if count > MAX_DOCUMENTS:
                    raise CodecError(f"{show_path(name)} holds more than {MAX_DOCUMENTS} documents")
                if event.version or event.tags:
                    raise CodecError(f"{show_path(name)}: a line that begins with % is not accepted here")
                yield _Builder(parser, name).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        # libyaml has a limit of its own since PyYAML 6.0.4
        deep = f"this is nested deeper than {MAX_DEPTH} levels" if "nesting depth" in problem else ""
        refuse(name, mark.line if mark else 0, deep or f"this is not valid YAML ({problem})")
    except yaml.YAMLError as error:
        raise CodecError(f"{show_path(name)} is not valid YAML ({error})") from None
    finally:
        parser.dispose()


def _decode(data: bytes, name: str) -> str:
    if len(data) > MAX_YAML_BYTES:
        raise CodecError(f"{show_path(name)} is larger than {MAX_YAML_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(name, data.count(b"\n", 0, error.start), "this is not UTF-8 text")
    if found := _NOT_TEXT.search(text):
        line = text.count("\n", 0, found.start())
        refuse(name, line, f"the character U+{ord(found.group()):04X} is not allowed in a text file")
    return text


class _Builder:
    """Builds one document from the parser's events, so that each limit holds before memory is spent."""

    def __init__(self, parser: Any, name: str) -> None:
        self._parser = parser
        self._name = name
        self._nodes = 0
        self._lines: dict[KeyPath, int] = {}

    def build(self) -> tuple[Any, dict[KeyPath, int]]:
        return self._value(self._parser.get_event(), ()), self._lines

    def _value(self, event: Any, path: KeyPath) -> Any:
        kind = type(event).__name__
        line = event.start_mark.line
        self._check(event, kind, line, path)
        self._lines[path] = line + 1
        if kind == "ScalarEvent":
            return self._scalar(event, line)
        return self._sequence(path) if kind == "SequenceStartEvent" else self._mapping(path)

    def _check(self, event: Any, kind: str, line: int, path: KeyPath) -> None:
        if kind == "AliasEvent" or event.anchor is not None:
            refuse(self._name, line, "anchors and aliases (& and *) are not accepted; quote a text that begins so")
        if event.tag is not None:
            refuse(self._name, line, "tags (!) are not accepted; quote a text that begins so")
        if len(path) > MAX_DEPTH:
            refuse(self._name, line, f"this is nested deeper than {MAX_DEPTH} levels")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            refuse(self._name, line, f"there are more than {MAX_NODES} values")

    def _sequence(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while type(event := self._parser.get_event()).__name__ != "SequenceEndEvent":
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while type(event := self._parser.get_event()).__name__ != "MappingEndEvent":
            kind, line = type(event).__name__, event.start_mark.line
            self._check(event, kind, line, path)
            if kind != "ScalarEvent":
                refuse(self._name, line, "a key must be a word, not a list or a mapping")
            key = event.value
            if key in mapping:
                refuse(self._name, line, f"the key {quoted(key[:80])} is there twice")
            mapping[key] = self._value(self._parser.get_event(), (*path, key))
            self._lines[(*path, key)] = line + 1
        return mapping

    def _scalar(self, event: Any, line: int) -> Any:
        text: str = event.value
        if not event.implicit[0]:  # quoted, or a block
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        number = _NUMBER.fullmatch(text)
        if number is None:
            return text
        if len(text) > MAX_DIGITS:
            refuse(self._name, line, f"a number has more than {MAX_DIGITS} digits")
        if number.group(1) is None and number.group(2) is None:
            return int(text)
        value = float(text)
        if math.isinf(value):
            refuse(self._name, line, f"the number {text[:40]} is out of range")
        return value


def refuse(name: str, line: int, problem: str) -> NoReturn:
    raise CodecError(f"{show_path(name)} line {line + 1}: {problem}")
