"""Which trace files may be replayed: those whose content was learned or approved by this user, by SHA-256.

The list lives in the user's own llmos folder, not in a workspace, so that a cloned repository cannot bring approvals
along with its traces.
"""

from __future__ import annotations

from pathlib import Path

from llmos.memory.codec import dump_line, load_lines
from llmos.memory.files import MissingFileError, append_line, make_private_folder, read_bounded


class Approvals:
    """An append-only list of content hashes, read again when it grew."""

    def __init__(self, home: Path) -> None:
        self._path = home / "approvals.jsonl"
        self._hashes: set[str] = set()
        self._size = -1

    def add(self, content_sha256: str, trace: str, when: str) -> None:
        make_private_folder(self._path.parent)
        record = {"sha256": content_sha256, "trace": trace, "when": when}
        append_line(self._path, dump_line(record), sync=True)

    def __contains__(self, content_sha256: object) -> bool:
        self._refresh()
        return content_sha256 in self._hashes

    def _refresh(self) -> None:
        try:
            data = read_bounded(self._path, 1 << 28)
        except MissingFileError:
            data = b""
        if len(data) == self._size:
            return
        records = load_lines(data, name=str(self._path), report=lambda _: None)
        self._hashes = {str(record.get("sha256")) for record in records}
        self._size = len(data)
