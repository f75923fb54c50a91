"""What a person allowed is signed (HMAC-SHA256, RFC 2104) with a key that lies beside the llmos folder, not in it.

Who can write to the store, and does not have the key, can neither approve a saved run nor allow a command.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from llmos.core.errors import StoreError
from llmos.memory.files import make_private_folder, open_regular, os_cause, show_path, write_once

KEY_BYTES = 32


def key_path(home: Path) -> Path:
    """The signing key of the user whose llmos folder is `home`: its sibling, as in ~/.llmos.key."""
    return home.parent / f"{home.name}.key"


def signing_key(home: Path) -> bytes | None:
    """The key; None when there is none.

    Raises StoreError for one that is unreadable or of another length, and for one that somebody else may know.
    """
    path = key_path(home)
    try:
        with open_regular(path) as file:
            found, key = os.fstat(file.fileno()), file.read(KEY_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read the signing key {show_path(path)}: {os_cause(error)}") from None
    if found.st_uid != os.geteuid():
        whose = f"belongs to another user (uid {found.st_uid})"
        raise StoreError(f"the signing key {show_path(path)} {whose}, who can sign with it; move it away")
    if found.st_mode & 0o077:
        how = "can be read or written by other users, who can sign with it"
        way = "if nobody else could, `chmod 600` it; else move it away, and approve again what you want replayed"
        raise StoreError(f"the signing key {show_path(path)} {how}; {way}")
    if len(key) != KEY_BYTES:
        size = f"{len(key)} bytes" if len(key) < KEY_BYTES else f"more than {KEY_BYTES} bytes"
        raise StoreError(f"{show_path(path)} is no signing key ({size}, not {KEY_BYTES}); move it away")
    return key


def ready_key(home: Path) -> bytes:
    """The key, made where there is none. Raises StoreError."""
    known = signing_key(home)
    if known is not None:
        return known
    make_private_folder(home)
    key = secrets.token_bytes(KEY_BYTES)
    try:
        write_once(key_path(home), key)
    except StoreError:
        made = signing_key(home)  # another process was first
        if made is None:
            raise
        return made
    return key


def signature(key: bytes, kind: str, fields: Iterable[str]) -> str:
    """The signature of some fields, one a line below their kind."""
    said = "\n".join([kind, *map(_one_line, fields)])
    return hmac.new(key, said.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def is_signed(key: bytes | None, kind: str, fields: Iterable[str], mac: str) -> bool:
    """Whether `mac` is the signature of these fields; never without a key."""
    fields = list(fields)
    if key is None or any("\0" in field for field in fields):
        return False
    return hmac.compare_digest(signature(key, kind, fields).encode(), mac.encode("utf-8", "surrogatepass"))


def _one_line(field: str) -> str:
    """The field without line breaks. Two fields that hold no NUL never give the same line."""
    return "\0" + field.replace("\\", "\\\\").replace("\n", "\\n") if "\n" in field else field
