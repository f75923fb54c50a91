"""Put values into a parsed command, each under the quoting of its place, and prove that nothing else changed.

A value that a place cannot hold is refused, never squeezed in; the result is parsed again and must have the same
structure, with every word as it was but for the values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from llmos.core.shell_words import PARAMETER, NotParsed, Quote, Script, Word, parse

_SAFE = re.compile(r"[\w./:@%+,=-]", re.ASCII)
_WITH_VARIABLE = re.compile(r"[\w./:@%+=*-]*\$(?:\w+|\{\w+\})[\w./:@%+=*-]*", re.ASCII)


def encode(value: str, quotes: tuple[Quote, ...], *, whole: bool, active_glob: bool, tilde: bool) -> str | None:
    """How `value` is written where text quoted as `quotes` stood; None when that place cannot hold it.

    `whole`: the place is a whole word. `active_glob`: the shell itself shall expand glob characters of the value.
    `tilde`: a leading `~` shall be expanded.
    """
    kinds = set(quotes)
    variable = _WITH_VARIABLE.fullmatch(value) is not None
    if "$" in value and not variable:
        return None
    if kinds <= {Quote.DOUBLE, Quote.OPAQUE_DOUBLE} and kinds:
        if value.startswith("~") and tilde:
            return None
        return value if variable else re.sub(r'([$`"\\])', r"\\\1", value)
    if kinds == {Quote.BODY}:
        return None if "\n" in value or variable else value
    if kinds == {Quote.SINGLE}:
        return None if "'" in value or variable or (value.startswith("~") and tilde) else value
    if not kinds or not kinds <= {Quote.NONE, Quote.ESCAPED, Quote.OPAQUE}:
        return None
    if variable:
        return value if active_glob or "*" not in value else None
    return _unquoted(value, whole=whole, active_glob=active_glob, tilde=tilde)


def _unquoted(value: str, *, whole: bool, active_glob: bool, tilde: bool) -> str | None:
    if not value or "\n" in value:
        return None
    head = "~" if tilde and re.match(r"~(?:[\w-]*)(?:/|$)", value) else ""
    rest = value[len(head) :]
    if all(_SAFE.match(char) or (active_glob and char in "*?[]!") or ord(char) > 127 for char in rest):
        return value
    if whole and not head and not active_glob and "'" not in value:
        return f"'{value}'"
    keep = "*?[]" if active_glob else ""
    return head + "".join(c if _SAFE.match(c) or c in keep or ord(c) > 127 else "\\" + c for c in rest)


def substitute(script: Script, edits: Mapping[tuple[int, int], tuple[str, str]]) -> str | None:
    """The command with each raw span replaced; None when the parsed result differs in more than these values.

    `edits` maps a raw span to (text as written, value that it must decode to).
    """
    text = script.text
    for (start, end), (written, _) in sorted(edits.items(), reverse=True):
        text = text[:start] + written + text[end:]
    try:
        again = parse(text)
    except NotParsed:
        return None
    if again.shape != script.shape or len(again.commands) != len(script.commands):
        return None
    for before, after in zip(script.commands, again.commands, strict=True):
        old = [*before.words, *(word for _, word in before.targets)]
        new = [*after.words, *(word for _, word in after.targets)]
        if len(old) != len(new) or any(_expected(a, edits) != b.value for a, b in zip(old, new, strict=True)):
            return None
    return text


def _expected(word: Word, edits: Mapping[tuple[int, int], tuple[str, str]]) -> str:
    """The value that a word must have after the edits that lie in it."""
    value = word.value
    for (start, end), (written, decoded) in sorted(edits.items(), reverse=True):
        inside = [i for i, (a, b) in enumerate(word.spans) if a >= start and b <= end]
        if inside:
            opaque = all(word.quotes[i] in (Quote.OPAQUE, Quote.OPAQUE_DOUBLE) for i in inside)
            alone = len(inside) == end - start and opaque and PARAMETER.match(value[inside[0] :]) is None
            piece = written if alone and not value[inside[0]].startswith("$") else decoded
            value = value[: inside[0]] + piece + value[inside[-1] + 1 :]
    return value
