"""Which trace files may be replayed: those whose content was learned or approved by this user, by SHA-256.

The list lives in the user's own llmos folder, not in a workspace, so that a cloned repository cannot bring approvals
along with its traces; and each approval is signed (HMAC-SHA256, RFC 2104) with a key that lies beside that folder, not
in it, so that whoever can write to the store cannot approve. A damaged or unsigned line approves nothing and stands in
nobody's way.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from llmos.core.errors import StoreError
from llmos.memory.codec import dump_line
from llmos.memory.files import (
    MissingFileError,
    append_line,
    make_private_folder,
    os_cause,
    read_bounded,
    show_path,
    write_once,
)

_LINE = re.compile(rb'^(.*"sha256"\s*:\s*"([0-9a-f]{64})".*)$', re.MULTILINE)
_MAX_BYTES = 1 << 28
_KEY_BYTES = 32
_FIELDS = ("sha256", "trace", "when")
PERSON = "person"
"""Who approved, where it was a person and not the run that was learned."""


def key_path(home: Path) -> Path:
    """The signing key of the user whose llmos folder is `home`: its sibling, as in ~/.llmos.key."""
    return home.parent / f"{home.name}.key"


def signing_key(home: Path) -> bytes | None:
    """The key; None when there is none. Raises StoreError for one that is unreadable or of another length."""
    path = key_path(home)
    try:
        key = read_bounded(path, _KEY_BYTES)
    except MissingFileError:
        return None
    if len(key) != _KEY_BYTES:
        raise StoreError(f"{show_path(path)} is no signing key ({len(key)} bytes, not {_KEY_BYTES}); move it away")
    return key


class Approvals:
    """An append-only list of content hashes, read again when it changed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / "approvals.jsonl"
        self._lines: dict[str, list[bytes]] = {}
        self._valid: dict[str, list[dict[str, str]]] = {}
        self._stamp: tuple[int, int] | None = None
        self._key: bytes | None = None

    def add(self, content_sha256: str, trace: str, when: str, *, by_person: bool = False) -> None:
        """Durably approve a content: it was learned here, or a person saw it and said yes. Raises StoreError."""
        make_private_folder(self._home)
        key = signing_key(self._home) or _new_key(self._home)
        append_line(self._path, approval_line(key, content_sha256, trace, when, by_person=by_person), sync=True)

    def __contains__(self, content_sha256: object) -> bool:
        return isinstance(content_sha256, str) and bool(self._signed(content_sha256))

    def by_person(self, content_sha256: str) -> bool:
        """Whether a person said yes to this content."""
        return any(record.get("by") == PERSON for record in self._signed(content_sha256))

    def _signed(self, content_sha256: str) -> list[dict[str, str]]:
        """The approvals of a content that bear the signature of this user."""
        self._refresh()
        if self._key is None:
            return []
        known = self._valid.get(content_sha256)
        if known is None:
            read = (_signed_record(self._key, line, content_sha256) for line in self._lines.get(content_sha256, []))
            known = self._valid[content_sha256] = [record for record in read if record is not None]
        return known

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_size, found.st_mtime_ns)
            if stamp == self._stamp:
                return
            data = read_bounded(self._path, _MAX_BYTES)
        except (FileNotFoundError, MissingFileError):
            self._lines, self._valid, self._stamp = {}, {}, None
            return
        except OSError as error:
            raise StoreError(f"cannot read {show_path(self._path)}: {os_cause(error)}") from None
        self._key = signing_key(self._home)
        self._lines, self._valid = {}, {}
        for line, content in _LINE.findall(data):
            self._lines.setdefault(content.decode(), []).append(line)
        self._stamp = stamp


def _new_key(home: Path) -> bytes:
    key = secrets.token_bytes(_KEY_BYTES)
    try:
        write_once(key_path(home), key)
    except StoreError:
        made = signing_key(home)  # another process was first
        if made is None:
            raise
        return made
    return key


def approval_line(key: bytes, content_sha256: str, trace: str, when: str, *, by_person: bool = False) -> bytes:
    """The signed line of one approval."""
    record = {"sha256": content_sha256, "trace": trace, "when": when} | ({"by": PERSON} if by_person else {})
    return dump_line({**record, "mac": _mac(key, record)})


def _mac(key: bytes, record: Mapping[str, str]) -> str:
    said = "\n".join(["llmos-approval/1", *(record[name] for name in (*_FIELDS, "by") if name in record)])
    return hmac.new(key, said.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _signed_record(key: bytes, line: bytes, content_sha256: str) -> dict[str, str] | None:
    """What a line approves; None where it is no approval of this content by this user."""
    try:
        record = json.loads(line)
        said = {name: record[name] for name in _FIELDS} | ({"by": record["by"]} if "by" in record else {})
        mac = record["mac"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if said["sha256"] != content_sha256 or not all(isinstance(text, str) for text in (*said.values(), mac)):
        return None
    # A line break in a field would let one signed line be read as another.
    if any("\n" in text for text in said.values()):
        return None
    signed = hmac.compare_digest(_mac(key, said).encode(), mac.encode("utf-8", "surrogatepass"))
    return said if signed else None
