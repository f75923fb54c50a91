"""Values to text and back: YAML documents, Markdown with front matter, JSON lines.

Invariant: what is dumped loads back equal, but for secrets, which never reach a file (core/redact); and nothing loads
that could mean something else to its writer. The YAML is a plain subset: no tags, anchors, aliases or duplicate keys;
keys are strings; only JSON spellings of numbers, true, false and null have a type, every other plain word is a string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from llmos.core.errors import StoreError
from llmos.memory.redaction import redactor
from llmos.memory.words import quoted, show_path
from llmos.memory.yaml_reading import MAX_DEPTH, MAX_DOCUMENTS, documents, refuse
from llmos.memory.yaml_reading import MAX_YAML_BYTES as MAX_YAML_BYTES
from llmos.memory.yaml_reading import CodecError as CodecError
from llmos.memory.yaml_reading import KeyPath as KeyPath
from llmos.memory.yaml_writing import is_nested, node_lines, scalar_text

_HEAD = 4_096
_FORMAT = re.compile(r"([a-z][a-z0-9-]{0,40})/([1-9][0-9]{0,5})")


def load_documents(text: bytes, *, name: str) -> list[Any]:
    """The documents of a YAML stream as dicts, lists, strings, numbers, booleans and None. Raises CodecError."""
    return [value for value, _ in documents(text, name)]


def load_first_document(text: bytes, *, name: str) -> Any:
    """The first document; later ones are not parsed. Raises CodecError, also when there is none."""
    return load_with_lines(text, name=name, only=False)[0]


def load_with_lines(text: bytes, *, name: str, only: bool = True) -> tuple[Any, dict[KeyPath, int]]:
    """The one document (the first, unless `only`) and the line on which each of its values stands, from 1."""
    found = documents(text, name)
    first = next(found, None)
    if first is None:
        raise CodecError(f"{show_path(name)} is empty")
    if only and next(found, None) is not None:
        raise CodecError(f"{show_path(name)} holds more than one document")
    return first


# writing YAML


def dump_documents(documents: list[Any]) -> bytes:
    """The documents as YAML, each begun by `---`; texts of several lines as blocks. Raises CodecError.

    Mappings need string keys; tuples come back as lists.
    """
    if len(documents) > MAX_DOCUMENTS:
        raise CodecError(f"more than {MAX_DOCUMENTS} documents cannot be written to one file")
    lines: list[str] = []
    for document in _without_secrets(documents):
        lines += ["---", *node_lines(document, 0)] if is_nested(document) else [f"--- {scalar_text(document, 2)}"]
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


# Markdown with front matter


def load_front_matter(text: bytes, *, name: str) -> tuple[dict[str, Any], str]:
    """The mapping between the first two `---` lines, and everything after them unchanged. Raises CodecError."""
    data = text.removeprefix(b"\xef\xbb\xbf")
    match = re.match(rb"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", data, re.DOTALL | re.MULTILINE)
    if match is None:
        raise CodecError(f"{show_path(name)} line 1: there must be settings between two lines of ---")
    meta, _ = load_with_lines(b"\n" + match.group(1) + b"\n{}" * (not match.group(1).strip()), name=name)
    if not isinstance(meta, dict):
        refuse(name, 1, "between the two lines of --- there must be settings of the form `key: value`")
    try:
        return meta, data[match.end() :].decode("utf-8")
    except UnicodeDecodeError as error:
        refuse(name, data.count(b"\n", 0, match.end() + error.start), "this is not UTF-8 text")


def dump_front_matter(meta: Mapping[str, Any], body: str) -> bytes:
    """`---`, the settings, `---`, and the body unchanged. Raises CodecError."""
    lines = node_lines(_without_secrets(meta), 0) if meta else []
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
    """The records of a JSONL file, in order. What a crash tore off the last line, or a power cut left as zeros in the
    place of lines that had not reached the disk, is left out and told to `report`.

    Raises CodecError with file and line for any other line that is not a JSON object.
    """
    lines = data.split(b"\n")
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        if b"\0" in line:
            report(f"{show_path(name)} line {number + 1}: something was not on the disk when the power went")
            yield from whole_records(line.replace(b"\0", b"\n"))
            continue
        try:
            record = json.loads(line, parse_constant=_no_constant)
            if not isinstance(record, dict):
                raise ValueError("it is not an object")
        except (ValueError, RecursionError) as error:
            if number == len(lines) - 1:
                report(f"{show_path(name)} line {number + 1}: the last record is incomplete and was left out")
                return
            refuse(name, number, f"this is not a JSON record ({error})")
        yield record


def whole_records(data: bytes) -> Iterator[dict[str, Any]]:
    """The records of a JSONL file whose damaged lines count for nothing, in order."""
    for line in data.split(b"\n"):
        if not line or line.isspace():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


# formats


def refuse_newer(data: bytes, *, kind: str, supported: int, name: str) -> None:
    """Raise StoreError for a file that says it is of a newer format, before anything else of it has to be understood.

    What a newer llmos wrote is not damaged, however strange it looks from here.
    """
    found = re.search(
        rb"""^(?:---[ \t]+)?format:[ \t]*["']?%b/([1-9][0-9]{0,5})\b""" % kind.encode(), data[:_HEAD], re.M
    )
    if found is not None and int(found[1]) > supported:
        check_format(f"{kind}/{int(found[1])}", kind=kind, supported=supported, name=name)


def check_format(found: object, *, kind: str, supported: int, name: str) -> int:
    """The number of a `kind/number` mark that this version can read. Raises StoreError for any other."""
    where = show_path(name)
    if found is None:
        raise StoreError(f"{where} has no `format:` line; it must say {kind}/{supported}")
    match = _FORMAT.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise StoreError(f"{where} has an unreadable format {quoted(str(found)[:60])}; expected {kind}/{supported}")
    if match.group(1) != kind:
        raise StoreError(f"{where} is a {match.group(1)} file, expected {kind}/{supported}")
    number = int(match.group(2))
    if number > supported:
        raise StoreError(
            f"{where} was written by a newer llmos (format {number}, this version reads up to {supported}); "
            "upgrade llmos"
        )
    return number
