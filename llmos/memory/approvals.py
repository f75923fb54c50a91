"""Which trace files may be replayed: those whose content was learned or approved by this user, by SHA-256.

The list lives in the user's own llmos folder, not in a workspace, so that a cloned repository cannot bring approvals
along with its traces; and each approval is signed (HMAC-SHA256, RFC 2104) with a key that lies beside that folder, not
in it, so that whoever can write to the store cannot approve. A damaged or unsigned line approves nothing and stands in
nobody's way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from llmos.core.errors import StoreError
from llmos.memory.codec import dump_line
from llmos.memory.files import MissingFileError, append_line, make_private_folder, os_cause, read_from, show_path
from llmos.memory.signing import is_signed, key_path, ready_key, signature, signing_key

_LINE = re.compile(rb'^(.*"sha256"\s*:\s*"([0-9a-f]{64})".*)$', re.MULTILINE)
_MAX_BYTES = 1 << 28
_KIND = "llmos-approval/1"
_ALIAS_KIND = "llmos-alias/1"
_FIELDS = ("sha256", "trace", "when")
_AGAIN = "`llmos traces approve` lets a saved run be replayed again"
_LOOKED_AT = 100
PERSON = "person"
"""Who approved, where it was a person and not the run that was learned."""


class Approvals:
    """An append-only list of content hashes, read again when it changed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / "approvals.jsonl"
        self._lines: dict[str, list[bytes]] = {}
        self._valid: dict[str, list[dict[str, str]]] = {}
        self._stamp: tuple[int, int] | None = None
        self._inode, self._done = 0, 0
        """The file that was read, and up to which byte: the end of its last whole line."""
        self._key: bytes | None = None
        self._key_stamp: tuple[int, ...] = ()
        self._key_problem = ""

    def add(self, content_sha256: str, trace: str, when: str, *, by_person: bool = False) -> None:
        """Durably approve a content: it was learned here, or a person saw it and said yes. Raises StoreError."""
        make_private_folder(self._home)
        append_line(
            self._path,
            approval_line(ready_key(self._home), content_sha256, trace, when, by_person=by_person),
            sync=True,
        )

    def __contains__(self, content_sha256: object) -> bool:
        return isinstance(content_sha256, str) and bool(self._signed(content_sha256))

    def by_person(self, content_sha256: str) -> bool:
        """Whether a person said yes to this content."""
        return any(record.get("by") == PERSON for record in self._signed(content_sha256))

    def sign_alias(self, fields: Iterable[str]) -> str:
        """The signature under which another goal text of a trace counts. Raises StoreError."""
        return signature(ready_key(self._home), _ALIAS_KIND, fields)

    def is_alias(self, fields: Iterable[str], mac: str) -> bool:
        """Whether this person signed such a text. Asks the key alone, so that a broken list of approvals hides none."""
        self._refresh_key()
        return is_signed(self._key, _ALIAS_KIND, fields, mac)

    def problem(self) -> str:
        """Why nothing that was learned here counts as approved now, in a sentence; empty where it does, or none was."""
        self._refresh()
        if not self._lines:
            return ""
        path = show_path(key_path(self._home))
        if self._key_problem:
            return f"nothing is replayed: {self._key_problem}"
        if self._key is None:
            return f"nothing is replayed: {path}, the key that signs what was learned here, is gone; {_AGAIN}"
        if any(self._signed(content) for content in islice(self._lines, _LOOKED_AT)):
            return ""
        return f"nothing is replayed: what says that it was learned here is not signed with {path}; {_AGAIN}"

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

    def _refresh_key(self) -> None:
        stamp: tuple[int, ...] = ()
        with suppress(OSError):
            found = key_path(self._home).stat()
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if stamp == self._key_stamp:
            return
        self._key, self._key_problem, self._valid = None, "", {}
        try:
            self._key = signing_key(self._home)
        except StoreError as error:
            self._key_problem = str(error)
        self._key_stamp = stamp

    def _refresh(self) -> None:
        self._refresh_key()
        try:
            found = self._path.stat()
            stamp = (found.st_size, found.st_mtime_ns)
            if stamp == self._stamp:
                return
            # One that only grew since is read from there on: a run that is kept adds a line to thousands.
            grew = found.st_ino == self._inode and found.st_size >= self._done
            data = read_from(self._path, self._done if grew else 0, _MAX_BYTES)
        except (FileNotFoundError, MissingFileError):
            self._lines, self._valid, self._stamp, self._done = {}, {}, None, 0
            return
        except OSError as error:
            raise StoreError(f"cannot read {show_path(self._path)}: {os_cause(error)}") from None
        if not grew:
            self._lines, self._valid, self._done = {}, {}, 0
        for line, content in _LINE.findall(data):
            name = content.decode()
            self._lines.setdefault(name, []).append(line)
            self._valid.pop(name, None)
        self._stamp, self._inode, self._done = stamp, found.st_ino, self._done + data.rfind(b"\n") + 1


def approval_line(key: bytes, content_sha256: str, trace: str, when: str, *, by_person: bool = False) -> bytes:
    """The signed line of one approval."""
    record = {"sha256": content_sha256, "trace": trace, "when": when} | ({"by": PERSON} if by_person else {})
    return dump_line({**record, "mac": signature(key, _KIND, record.values())})


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
    return said if is_signed(key, _KIND, said.values(), mac) else None
