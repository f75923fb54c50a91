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
        self._valid: dict[str, bool] = {}
        self._stamp: tuple[int, int] | None = None
        self._key: bytes | None = None

    def add(self, content_sha256: str, trace: str, when: str) -> None:
        """Durably approve a content. Raises StoreError."""
        make_private_folder(self._home)
        key = signing_key(self._home) or _new_key(self._home)
        append_line(self._path, approval_line(key, content_sha256, trace, when), sync=True)

    def __contains__(self, content_sha256: object) -> bool:
        self._refresh()
        if not isinstance(content_sha256, str) or self._key is None:
            return False
        known = self._valid.get(content_sha256)
        if known is None:
            lines = self._lines.get(content_sha256, [])
            known = self._valid[content_sha256] = any(_is_signed(self._key, line, content_sha256) for line in lines)
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


def approval_line(key: bytes, content_sha256: str, trace: str, when: str) -> bytes:
    """The signed line of one approval."""
    record = {"sha256": content_sha256, "trace": trace, "when": when}
    return dump_line({**record, "mac": _mac(key, record)})


def _mac(key: bytes, record: dict[str, str]) -> str:
    said = "\n".join(["llmos-approval/1", record["sha256"], record["trace"], record["when"]])
    return hmac.new(key, said.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _is_signed(key: bytes, line: bytes, content_sha256: str) -> bool:
    try:
        record = json.loads(line)
        said = {name: record[name] for name in ("sha256", "trace", "when")}
        mac = record["mac"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    if said["sha256"] != content_sha256 or not all(isinstance(text, str) for text in (*said.values(), mac)):
        return False
    return hmac.compare_digest(_mac(key, said).encode(), mac.encode("utf-8", "surrogatepass"))
