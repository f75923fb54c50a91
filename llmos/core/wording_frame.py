"""The courtesy around a request: "could you please ... for me". It says how a thing is asked, not what."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmos.core.literals import Literal, Plain, Token

_LEADING = re.compile(
    r"(?:(?:please|kindly|now|just|hello|hi|hey|so) |, |(?:can|could|would|will) you "
    r"|(?:help|let) (?:me|us) (?:to )?|let's "
    r"|(?:i|we) (?:want|need|wish|would like)(?: you)? to |(?:i'd|we'd) like(?: you)? to )+"
)
_TRAILING = re.compile(r"(?: ,)?(?: (?:for me|for us|please|thanks|thank you|now|right now))+$")
_MOST = 8
"""Words at an end of a goal that are looked at."""


def request_in(tokens: Sequence[Token]) -> slice:
    """Where the tokens of the request stand; all of them where nothing else would be left."""
    head, tail = _plain(tokens[:_MOST]), _plain(tokens[::-1][:_MOST])[::-1]
    lead = _LEADING.match("".join(f"{word} " for word in head))
    trail = _TRAILING.search("".join(f" {word}" for word in tail))
    start = len(lead[0].split()) if lead else 0
    end = len(tokens) - (len(trail[0].split()) if trail else 0)
    return slice(start, end) if end - start > 1 else slice(0, len(tokens))


def _plain(tokens: Sequence[Token]) -> list[str]:
    """The words up to the first value."""
    found: list[str] = []
    for token in tokens:
        if isinstance(token, Literal):
            break
        found.append(token.text if isinstance(token, Plain) else "")
    return found
