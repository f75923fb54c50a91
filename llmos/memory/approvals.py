"""Which trace files may be replayed: those whose content was learned or approved by this user, by SHA-256.

The list lives in the user's own llmos folder, not in a workspace, so that a cloned repository cannot bring approvals
along with its traces. A damaged line approves nothing and stands in nobody's way.
"""

from __future__ import annotations

import re
from pathlib import Path

from llmos.core.errors import StoreError
from llmos.memory.codec import dump_line
from llmos.memory.files import MissingFileError, append_line, make_private_folder, os_cause, read_bounded, show_path

_HASH = re.compile(rb'"sha256"\s*:\s*"([0-9a-f]{64})"')
_MAX_BYTES = 1 << 28


class Approvals:
    """An append-only list of content hashes, read again when it changed."""

    def __init__(self, home: Path) -> None:
        self._path = home / "approvals.jsonl"
        self._hashes: frozenset[str] = frozenset()
        self._stamp: tuple[int, int] | None = None

    def add(self, content_sha256: str, trace: str, when: str) -> None:
        """Durably approve a content. Raises StoreError."""
        make_private_folder(self._path.parent)
        record = {"sha256": content_sha256, "trace": trace, "when": when}
        append_line(self._path, dump_line(record), sync=True)

    def __contains__(self, content_sha256: object) -> bool:
        self._refresh()
        return content_sha256 in self._hashes

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_size, found.st_mtime_ns)
            if stamp == self._stamp:
                return
            data = read_bounded(self._path, _MAX_BYTES)
        except (FileNotFoundError, MissingFileError):
            self._hashes, self._stamp = frozenset(), None
            return
        except OSError as error:
            raise StoreError(f"cannot read {show_path(self._path)}: {os_cause(error)}") from None
        self._hashes = frozenset(match.decode() for match in _HASH.findall(data))
        self._stamp = stamp
