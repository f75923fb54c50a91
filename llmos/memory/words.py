"""Paths, texts and what the system says of them, in words for one sentence."""

from __future__ import annotations

import errno
from pathlib import Path

_CAUSES = {
    errno.ENOSPC: "there is no space left on the disk; free some and try again",
    errno.EDQUOT: "the disk quota is used up; free some space and try again",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied; check who owns it and its mode",
    errno.EPERM: "the system does not permit it; check who owns it and its mode",
    errno.ENOENT: "it does not exist",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder",
    errno.EEXIST: "it exists already",
    errno.ELOOP: "it is a symbolic link or leads in a circle",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open on this machine",
    errno.EIO: "the disk reported an input/output error",
}

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", "\x1b": "\\e"}


def show_path(path: Path | str) -> str:
    """The path for a sentence: line breaks, terminal codes and undecodable bytes in names are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(path))


def os_cause(error: OSError | ValueError) -> str:
    """Why the system refused, in words."""
    if isinstance(error, OSError):
        return _CAUSES.get(error.errno or 0, error.strerror or "the system refused")
    return "the name holds a character that no file name can have"


def quoted(text: str) -> str:
    """The text in double quotes, everything that does not print escaped."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else _escape(c) for c in text) + '"'


def _escape(character: str) -> str:
    code = ord(character)
    if character in _ESCAPES or 0xD800 <= code <= 0xDFFF:
        return _ESCAPES.get(character, character)  # half a character has no escape; it is refused when encoded
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
