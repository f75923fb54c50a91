"""Takes secrets out of text before it is written anywhere.

Three ways in which a secret shows: its own form (core/redact_rules), the name that it is given to (`password=…`,
`"api_key": "…"`, `--token …`), and being a value that is known here (our own keys, secret variables of the
environment, also in base64 and as part of an address). What is taken out leaves `[redacted:kind]`, which is no secret
itself, so that redacting twice is redacting once.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from llmos.core.dataclass import dataclass
from llmos.core.redact_rules import KEY_WORDS, NO_SECRET, PASSWORD_WORDS, SECRET_VARIABLE, SHAPES, Shape

LEAST_KNOWN = 8
"""Characters below which a known value is not looked for: it would be found in ordinary words."""

LEAST_SECRET = 6
"""Characters below which a text holds neither a form nor a name with a value (`pwd=a1`)."""
_SIGNS = tuple((sign, shape) for shape in SHAPES for sign in shape.signs)
_ORDER = {shape: number for number, shape in enumerate(SHAPES)}

_AFTER_NAME = re.compile(
    r"""(?P<plural>s?)(?P<close>\\?["']?\]?)(?P<sep>\s{0,4}(?::=|=>|[=:])\s{0,4}|\s+)(?P<open>\\?["'])?(?P<value>"""
    r"""(?(open)(?:(?!\\?["'\r\n]).)+|[^\s"'`,;&|<>(){}\\]+))(?P<rest>[^\r\n]{0,2})""",
)
_FLAG_BEFORE = re.compile(r"(?:\A|\s)--?[A-Za-z0-9][A-Za-z0-9_-]*\Z")
_PLACEHOLDER = re.compile(r"\[redacted:|\$|\*{2,}|x{4,}\Z|\.{3}|<|%[sd(]|\{", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Redactor:
    """Redacts texts and whole values. `known` are literal secrets, longest first."""

    known: tuple[str, ...] = ()

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Redactor:
        """One that knows the values of secret-named variables, and the forms in which they travel."""
        values = {value for name, value in environ.items() if SECRET_VARIABLE.search(name)}
        forms: set[str] = set()
        for value in values:
            if len(value) < LEAST_KNOWN or value.lower() in NO_SECRET or value.startswith("/"):
                continue
            encoded = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
            forms |= {value, encoded, encoded.rstrip("="), quote(value.encode("utf-8", "surrogateescape"), safe="")}
        return cls(tuple(sorted(forms, key=lambda form: (-len(form), form))))

    def text(self, text: str) -> str:
        """The text without its secrets; the very same object when there are none."""
        redacted = _short_redacted(self.known, text) if len(text) <= _SHORT else _redacted(self.known, text)
        return text if redacted == text else redacted

    def value(self, value: Any, name: str = "") -> Any:
        """Lists and mappings with every text in them redacted; `name` is the key under which the value stands."""
        if isinstance(value, str):
            return "[redacted:named value]" if name and _secret_by_name(name, value) else self.text(value)
        if isinstance(value, Mapping):
            return {
                (self.text(key) if isinstance(key, str) else key): self.value(item, key if isinstance(key, str) else "")
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item, name) for item in value]
        return value

    def finds(self, value: Any) -> bool:
        """Whether a text, list or mapping holds a secret."""
        if isinstance(value, Mapping):
            return any(
                self.value({key: item}) != {key: item} for key, item in value.items() if isinstance(item, str)
            ) or (any(self.finds(item) for item in value.values() if not isinstance(item, str)))
        if isinstance(value, list | tuple):
            return any(self.finds(item) for item in value)
        return isinstance(value, str) and self.text(value) != value


def _redacted(known: tuple[str, ...], text: str) -> str:
    for secret in known:
        if secret in text:
            text = text.replace(secret, "[redacted:known value]")
    if len(text) < LEAST_SECRET:
        return text
    found = {shape for sign, shape in _SIGNS if sign in text}
    for shape in sorted(found, key=_ORDER.__getitem__) if found else ():
        text = shape.pattern.sub(lambda match, shape=shape: _without(match, shape), text)  # type: ignore[misc]
    return _named(text)


_SHORT = 200
_short_redacted = lru_cache(maxsize=4096)(_redacted)
"""Keys, names and folders come back in every record."""


def _without(match: re.Match[str], shape: Shape) -> str:
    mark = f"[redacted:{shape.kind}]"
    if "secret" not in match.re.groupindex:
        return mark
    start, end = match.span("secret")
    whole, base = match.group(), match.start()
    return whole[: start - base] + mark + whole[end - base :]


def _named(text: str) -> str:
    """Without what is given to a name that says secret."""
    parts: list[str] = []
    done = 0
    for start, end in _key_words(text):
        if start < done:
            continue
        found = _AFTER_NAME.match(text, end)
        if found is None or not _is_given(text, start, end, found):
            continue
        start, end = found.span("value")
        parts += [text[done:start], "[redacted:named value]"]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def _key_words(text: str) -> list[tuple[int, int]]:
    """Where a name ends that says secret, in order; the longest word of each end."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters grow when they are made small, and places would be others
        lowered = "".join(c.lower() if c.isascii() else c for c in text)
    starts: dict[int, int] = {}
    for word in KEY_WORDS:
        at = lowered.find(word)
        while at >= 0:
            end = at + len(word)
            starts[end] = min(at, starts.get(end, at))
            at = lowered.find(word, end)
    return sorted((start, end) for end, start in starts.items())


def _is_given(text: str, start: int, end: int, found: re.Match[str]) -> bool:
    """Whether what follows the name is given to it and a secret: no type, no variable, not the rest of a sentence."""
    value = found["value"]
    if _PLACEHOLDER.match(value) or value.lower().strip(".,;:)]}") in NO_SECRET or found["plural"]:
        return False
    always = text[start:end].lower() in PASSWORD_WORDS
    quoted = bool(found["open"])
    separator = found["sep"]
    if not separator.strip():  # only an option is given its value by a space
        return _FLAG_BEFORE.search(text[max(0, start - 40) : end]) is not None and not value.startswith("-")
    if quoted:
        return always or len(value) >= 6
    if found["close"] and separator.strip() == ":":  # a JSON key whose value is a number or a word of the language
        return always and value not in {"true", "false", "null"}
    if found["rest"].startswith(("(", "[")) or ("." in value and not any(c.isdigit() for c in value)):
        return False  # code: a call, an index, an attribute
    if separator == "=" or "=" not in separator:
        name_is_loud = text[max(0, start - 1) : end].strip("-_ \t\n'\"").isupper()
        if always:
            return separator == "=" or _ends_line(found) or not value.isalpha()
        if separator == "=" and (name_is_loud or len(value) >= 8):
            return len(value) >= 6
    return len(value) >= 8 and any(c.isdigit() for c in value) and not value.isdigit()


def _ends_line(found: re.Match[str]) -> bool:
    return not found["rest"] or found["rest"][:1] in "\r\n" or found.end() == len(found.string)


def _secret_by_name(name: str, value: str) -> bool:
    """Whether a value under this key of a mapping is a secret by its name alone."""
    last = _key_word_at_end(name)
    if not last or _PLACEHOLDER.match(value) or value.lower() in NO_SECRET or not value.strip():
        return False
    return last in PASSWORD_WORDS or len(value) >= 6


@lru_cache(maxsize=1024)
def _key_word_at_end(name: str) -> str:
    """The longest word that says secret at the end of a name; empty where none is."""
    lowered = name.lower().replace("-", "_")
    return max((word for word in KEY_WORDS if lowered.endswith(word.replace("-", "_"))), key=len, default="")
