"""Values to text and back: YAML documents, Markdown with front matter, JSON lines.

Invariant: what is dumped loads back equal, but for secrets, which never reach a file (core/redact); and nothing loads
that could mean something else to its writer. The YAML is a plain subset: no tags, anchors, aliases or duplicate keys;
keys are strings; only JSON spellings of numbers, true, false and null have a type, every other plain word is a string.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

from llmos.core.errors import StoreError
from llmos.memory.files import show_path
from llmos.memory.redaction import redactor

MAX_YAML_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 50_000
MAX_DOCUMENTS = 100
_MAX_DIGITS = 4_000
# A mapping key without `?` may span 1,024 characters in YAML; escapes can make a character ten.
_MAX_SIMPLE_KEY = 1_000

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value stands in a document: keys of mappings and positions in lists, from the top."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_FORMAT = re.compile(r"([a-z][a-z0-9-]{0,40})/([1-9][0-9]{0,5})")
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, "": None}
# Words to which some YAML reader gives a type: quoted, so that every reader sees a string.
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", "\x1b": "\\e"}


class CodecError(StoreError):
    """A file does not hold what it should, or a value cannot be written; names file and line."""


def load_documents(text: bytes, *, name: str) -> list[Any]:
    """The documents of a YAML stream as dicts, lists, strings, numbers, booleans and None. Raises CodecError."""
    return [value for value, _ in _documents(text, name)]


def load_first_document(text: bytes, *, name: str) -> Any:
    """The first document; later ones are not parsed. Raises CodecError, also when there is none."""
    return load_with_lines(text, name=name, only=False)[0]


def load_with_lines(text: bytes, *, name: str, only: bool = True) -> tuple[Any, dict[KeyPath, int]]:
    """The one document (the first, unless `only`) and the line on which each of its values stands, from 1."""
    documents = _documents(text, name)
    first = next(documents, None)
    if first is None:
        raise CodecError(f"{show_path(name)} is empty")
    if only and next(documents, None) is not None:
        raise CodecError(f"{show_path(name)} holds more than one document")
    return first


def _documents(data: bytes, name: str) -> Iterator[tuple[Any, dict[KeyPath, int]]]:
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
        _refuse(name, mark.line if mark else 0, deep or f"this is not valid YAML ({problem})")
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
        _refuse(name, data.count(b"\n", 0, error.start), "this is not UTF-8 text")
    if found := _NOT_TEXT.search(text):
        line = text.count("\n", 0, found.start())
        _refuse(name, line, f"the character U+{ord(found.group()):04X} is not allowed in a text file")
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
            _refuse(self._name, line, "anchors and aliases (& and *) are not accepted; quote a text that begins so")
        if event.tag is not None:
            _refuse(self._name, line, "tags (!) are not accepted; quote a text that begins so")
        if len(path) > MAX_DEPTH:
            _refuse(self._name, line, f"this is nested deeper than {MAX_DEPTH} levels")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            _refuse(self._name, line, f"there are more than {MAX_NODES} values")

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
                _refuse(self._name, line, "a key must be a word, not a list or a mapping")
            key = event.value
            if key in mapping:
                _refuse(self._name, line, f"the key {_quoted(key[:80])} is there twice")
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
        if len(text) > _MAX_DIGITS:
            _refuse(self._name, line, f"a number has more than {_MAX_DIGITS} digits")
        if number.group(1) is None and number.group(2) is None:
            return int(text)
        value = float(text)
        if math.isinf(value):
            _refuse(self._name, line, f"the number {text[:40]} is out of range")
        return value


def _refuse(name: str, line: int, problem: str) -> NoReturn:
    raise CodecError(f"{show_path(name)} line {line + 1}: {problem}")


# writing YAML


def dump_documents(documents: list[Any]) -> bytes:
    """The documents as YAML, each begun by `---`; texts of several lines as blocks. Raises CodecError.

    Mappings need string keys; tuples come back as lists.
    """
    if len(documents) > MAX_DOCUMENTS:
        raise CodecError(f"more than {MAX_DOCUMENTS} documents cannot be written to one file")
    lines: list[str] = []
    for document in _without_secrets(documents):
        lines += ["---", *_node_lines(document, 0)] if _is_nested(document) else [f"--- {_scalar_text(document, 2)}"]
    return _encoded("".join(line + "\n" for line in lines))


def _without_secrets(value: Any) -> Any:
    try:
        return redactor().value(value)
    except RecursionError:
        raise CodecError(f"a value nested deeper than {MAX_DEPTH} levels cannot be written") from None


def _encoded(text: str) -> bytes:
    data = _utf8(text)
    if len(data) > MAX_YAML_BYTES:
        raise CodecError(f"this would be larger than the {MAX_YAML_BYTES} bytes that a file may have")
    return data


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise CodecError("a text with half a character (a lone surrogate) cannot be written as UTF-8") from None


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) and len(value) > 0


def _node_lines(value: Any, depth: int) -> list[str]:
    """The lines of a mapping or list that is not empty, without indentation."""
    if depth >= MAX_DEPTH:
        raise CodecError(f"a value nested deeper than {MAX_DEPTH} levels cannot be written")
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise CodecError(f"a key must be a text, not {type(key).__name__}")
            written = _plain_or_quoted(key)
            if len(written) > _MAX_SIMPLE_KEY:
                lines.append(f"? {written}")
                written = ""
            if _is_nested(item):
                lines.append(f"{written}:")
                lines += _indented(_node_lines(item, depth + 1))
            else:
                lines.append(f"{written}: {_scalar_text(item, 2)}")
        return lines
    for item in value:
        if _is_nested(item):
            first, *rest = _indented(_node_lines(item, depth + 1))
            lines += [f"- {first[2:]}", *rest]
        else:
            lines.append(f"- {_scalar_text(item, 2)}")
    return lines


def _indented(lines: list[str]) -> list[str]:
    # One entry can be a whole block of text: its inner lines move too, its empty ones stay empty.
    return [re.sub(r"\n(?!\n|\Z)", "\n  ", "  " + line) for line in lines]


def _scalar_text(value: Any, indent: int) -> str:
    if isinstance(value, str):
        return _block(value, indent) or _plain_or_quoted(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CodecError("a number that is not finite cannot be written")
        return float.__repr__(value)
    if isinstance(value, Mapping | list | tuple):
        return "{}" if isinstance(value, Mapping) else "[]"
    raise CodecError(f"a value of type {type(value).__name__} cannot be written")


def _integer(value: int) -> str:
    if value.bit_length() > _MAX_DIGITS * 3:
        raise CodecError(f"a number of more than {_MAX_DIGITS} digits cannot be written")
    return int.__repr__(value)


def _block(text: str, indent: int) -> str | None:
    """A literal block, or None when the text would not come back exactly or reads better in quotes."""
    if "\n" not in text[:-1]:
        return None
    lines = text.split("\n")
    if not lines[0] or any(line.isspace() for line in lines) or lines[0][0] in " \t":
        return None
    if not all(line.replace("\t", "").isprintable() for line in lines):
        return None
    chomp = "-" if lines[-1] else ("+" if not lines[-2] else "")
    if not lines[-1]:
        lines.pop()
    pad = " " * indent
    return "\n".join([f"|{chomp}", *(pad + line if line else "" for line in lines)])


def _plain_or_quoted(text: str) -> str:
    plain = (
        text.isprintable()
        and (text[:1].isalpha() or text[:1] in ("_", "/", "$"))
        and ": " not in text
        and " #" not in text
        and text[-1:] not in (":", " ")
        and text.lower() not in _RESERVED
    )
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    """The text in double quotes, everything that does not print escaped."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else _escape(c) for c in text) + '"'


def _escape(character: str) -> str:
    code = ord(character)
    if character in _ESCAPES or 0xD800 <= code <= 0xDFFF:
        return _ESCAPES.get(character, character)  # half a character has no escape; it is refused when encoded
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


# Markdown with front matter


def load_front_matter(text: bytes, *, name: str) -> tuple[dict[str, Any], str]:
    """The mapping between the first two `---` lines, and everything after them unchanged. Raises CodecError."""
    data = text.removeprefix(b"\xef\xbb\xbf")
    match = re.match(rb"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", data, re.DOTALL | re.MULTILINE)
    if match is None:
        raise CodecError(f"{show_path(name)} line 1: there must be settings between two lines of ---")
    meta, _ = load_with_lines(b"\n" + match.group(1) + b"\n{}" * (not match.group(1).strip()), name=name)
    if not isinstance(meta, dict):
        _refuse(name, 1, "between the two lines of --- there must be settings of the form `key: value`")
    try:
        return meta, data[match.end() :].decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(name, data.count(b"\n", 0, match.end() + error.start), "this is not UTF-8 text")


def dump_front_matter(meta: Mapping[str, Any], body: str) -> bytes:
    """`---`, the settings, `---`, and the body unchanged. Raises CodecError."""
    lines = _node_lines(_without_secrets(meta), 0) if meta else []
    return _encoded("".join(line + "\n" for line in ["---", *lines, "---"])) + _utf8(redactor().text(body))


# JSON lines


def dump_line(record: Mapping[str, Any]) -> bytes:
    """One JSON object on one line, with its newline. Any string round-trips. Raises CodecError."""
    try:
        safe = redactor().value(record)
        text = json.dumps(safe, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_json_default)
        try:
            return text.encode("utf-8") + b"\n"
        except UnicodeEncodeError:
            text = json.dumps(safe, allow_nan=False, separators=(",", ":"), default=_json_default)
            return text.encode("ascii") + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise CodecError(f"a record cannot be written as JSON: {error}") from None


def _json_default(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__}")


def load_lines(data: bytes, *, name: str, report: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The records of a JSONL file, in order. A last line torn by a crash is left out and told to `report`.

    Raises CodecError with file and line for any other line that is not a JSON object.
    """
    lines = data.split(b"\n")
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            record = json.loads(line, parse_constant=_no_constant)
            if not isinstance(record, dict):
                raise ValueError("it is not an object")
        except (ValueError, RecursionError) as error:
            if number == len(lines) - 1:
                report(f"{show_path(name)} line {number + 1}: the last record is incomplete and was left out")
                return
            _refuse(name, number, f"this is not a JSON record ({error})")
        yield record


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


# formats


def check_format(found: object, *, kind: str, supported: int, name: str) -> int:
    """The number of a `kind/number` mark that this version can read. Raises StoreError for any other."""
    where = show_path(name)
    if found is None:
        raise StoreError(f"{where} has no `format:` line; it must say {kind}/{supported}")
    match = _FORMAT.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise StoreError(f"{where} has an unreadable format {_quoted(str(found)[:60])}; expected {kind}/{supported}")
    if match.group(1) != kind:
        raise StoreError(f"{where} is a {match.group(1)} file, expected {kind}/{supported}")
    number = int(match.group(2))
    if number > supported:
        raise StoreError(
            f"{where} was written by a newer llmos (format {number}, this version reads up to {supported}); "
            "upgrade llmos"
        )
    return number
