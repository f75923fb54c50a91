"""Values as lines of the plain subset of YAML: what any YAML reader reads as the same."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from llmos.memory.words import quoted
from llmos.memory.yaml_reading import MAX_DEPTH, MAX_DIGITS, CodecError

# A mapping key without `?` may span 1,024 characters in YAML; escapes can make a character ten.
_MAX_SIMPLE_KEY = 1_000
# Words to which some YAML reader gives a type: quoted, so that every reader sees a string.
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def is_nested(value: Any) -> bool:
    """Whether a value takes lines of its own."""
    return isinstance(value, Mapping | list | tuple) and len(value) > 0


def node_lines(value: Any, depth: int) -> list[str]:
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
            if is_nested(item):
                lines.append(f"{written}:")
                lines += _indented(node_lines(item, depth + 1))
            else:
                lines.append(f"{written}: {scalar_text(item, 2)}")
        return lines
    for item in value:
        if is_nested(item):
            first, *rest = _indented(node_lines(item, depth + 1))
            lines += [f"- {first[2:]}", *rest]
        else:
            lines.append(f"- {scalar_text(item, 2)}")
    return lines


def _indented(lines: list[str]) -> list[str]:
    # One entry can be a whole block of text: its inner lines move too, its empty ones stay empty.
    return [re.sub(r"\n(?!\n|\Z)", "\n  ", "  " + line) for line in lines]


def scalar_text(value: Any, indent: int) -> str:
    """A value that takes no lines of its own, or a text, which may be a block of lines."""
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
    if value.bit_length() > MAX_DIGITS * 3:
        raise CodecError(f"a number of more than {MAX_DIGITS} digits cannot be written")
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
    return text if plain else quoted(text)
