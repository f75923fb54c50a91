"""What holds of any text, whatever it is about."""

from __future__ import annotations


def is_unicode(text: str) -> bool:
    """Whether the text can be written: half a character (a lone surrogate, as undecodable bytes become) cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
