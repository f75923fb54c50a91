"""Text from outside made safe for a terminal.

Invariant: what `printable` gives holds no character that moves the cursor, changes colours, or reorders what a
person reads; every such character is shown by its code instead.
"""

from __future__ import annotations

import unicodedata

# Joiners that words and emoji need; they move nothing.
_HARMLESS = frozenset("\n\t\u200c\u200d")


def printable(text: str) -> str:
    """The text with control, bidirectional and undecodable characters written as `\\x1b`, `\\u202e`, `\\udc80`.

    Line feeds and tabs stay; a carriage return before a line feed is dropped.
    """
    if text.isprintable():
        return text
    return "".join(char if _is_safe(char) else _code(char) for char in text.replace("\r\n", "\n"))


def one_line(text: str, limit: int = 0) -> str:
    """The text on one line, line feeds and tabs shown as `\\n` and `\\t`, cut at `limit` characters (0: never)."""
    flat = printable(text).replace("\n", "\\n").replace("\t", "\\t")
    return flat if not limit or len(flat) <= limit else flat[: limit - 1] + "…"


def _is_safe(char: str) -> bool:
    return char.isprintable() or char in _HARMLESS or unicodedata.category(char) == "Zs"


def _code(char: str) -> str:
    number = ord(char)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
