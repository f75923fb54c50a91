"""The forms in which a value can stand in arguments, and text whose letters are not what they look like. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from llmos.core.literals import Kind, Literal


def forms(literal: Literal) -> dict[str, str]:
    """The ways in which a value can stand in arguments, by name; the first is the value itself where it can stand."""
    text, kind = literal.text, literal.kind
    found: dict[str, str] = {}
    if kind is Kind.EXTENSION:
        bare = text.lstrip("*").lstrip(".")
        bare = bare.lower() if text.isupper() and not text.startswith(("*", ".")) else bare
        return {"glob": f"*.{bare}", "dotted": f".{bare}", "bare": bare}
    found["text"] = text
    if kind in (Kind.GLOB, Kind.FILE):
        found["glob"] = text
    if kind is Kind.URL and (name := re.fullmatch(r"\w+://[^/]+/(?:[^?#]*/)?([\w.-]+)", text)):
        found["base"] = name[1]
    if kind in (Kind.PATH, Kind.FILE, Kind.NAME, Kind.VARIABLE) and "\n" not in text:
        found.update(_path_forms(text))
    if kind is Kind.NUMBER and text.startswith(("+", "-")):
        found["digits"] = text[1:]
    if kind is Kind.NUMBER and re.fullmatch(r"[0-7]{3}", text):
        found["octal"] = f"0{text}"
    return found


def _path_forms(text: str) -> dict[str, str]:
    found = {}
    folder = text.rstrip("/")
    if folder:
        found["folder"] = folder
        found["slashed"] = folder + "/"
    base = folder.rpartition("/")[2]
    if "/" in folder and base:
        found["base"] = base
    stem, dot, _ = base.rpartition(".")
    if dot and stem:
        found["stem"] = stem
    return found


_INVISIBLE = frozenset("Cf Cc Co Cn Cs".split())
_LOOKALIKES = frozenset("асеорхуіјѕԁһԛԝкмтвнгзьαοινρτυχκε0123456789_")
"""Letters of other scripts that look like Latin ones; a word of nothing else may be a disguise."""
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "HEBREW", "ARABIC")


def strange_text(goal: str) -> str:
    """Why a goal's letters cannot be trusted to be what they look like; empty when they can.

    Invisible and direction-changing characters, forms that only look like a plain letter, and words that mix scripts.
    """
    if goal.isascii():
        return "it holds a control character" if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", goal) else ""
    for char in goal:
        if unicodedata.category(char) in _INVISIBLE and char not in "\n\t\r":
            return f"it holds the invisible character U+{ord(char):04X}"
        if char.isalnum() and unicodedata.normalize("NFKC", char).isascii() and not char.isascii():
            return f"{char!r} only looks like a plain letter"
    for word in re.findall(r"\w+", goal):
        scripts = {script for char in word if (script := _script(char))}
        if len(scripts) > 1:
            return f"{word!r} mixes scripts"
        if scripts - {"", "LATIN"} and set(word.lower()) <= _LOOKALIKES:
            return f"{word!r} only looks like plain letters"
    return ""


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    if not char.isalpha():
        return ""
    name = unicodedata.name(char, "")
    return next((script for script in _SCRIPTS if name.startswith(script)), "")
