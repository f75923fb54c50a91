"""MemoryEngine: the core blocks that go into every prompt, and archival passages, as Markdown files.

A person may edit these files at any time; nothing here rewrites what it did not itself add.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from llmos.core.errors import StoreError, UsageError
from llmos.core.goal import slug
from llmos.memory.codec import dump_front_matter, load_front_matter
from llmos.memory.files import StoreLock, make_private_folder, read_bounded, show_path, write_atomic, write_once

BLOCKS = ("persona", "human", "system_context")
_MAX_BYTES = 1_000_000


class MemoryEngine:
    """The core and archival tiers of one workspace."""

    def __init__(self, core_folder: Path, archival_folder: Path) -> None:
        self._core = core_folder
        self._archival = archival_folder

    def core_text(self) -> str:
        """The items of all core blocks as they go into the system prompt; empty when there are none."""
        parts = []
        for label in BLOCKS:
            path = self._core / f"{label}.md"
            if path.exists():
                _, body = load_front_matter(read_bounded(path, _MAX_BYTES), name=str(path))
                if body.strip():
                    parts.append(f"[{label}]\n{body.strip()}")
        return "\n".join(parts)

    def update_core_memory(self, label: str, item: str, when: datetime) -> Path:
        """Add one item, one line, to a core block; an item that is there already stays as it is.

        Raises UsageError for an unknown block or an empty item, StoreError for a block that is read-only or cannot be
        written.
        """
        if label not in BLOCKS:
            raise UsageError(f"there is no core block {label!r}; there are {', '.join(BLOCKS)}")
        line = f"- {' '.join(item.split())}"
        if line == "- ":
            raise UsageError(f"there is nothing to add to the core block {label!r}: the item is empty")
        path = self._core / f"{label}.md"
        make_private_folder(self._core)
        with StoreLock(self._core / ".lock"):  # two processes that add an item at once both keep it
            meta: dict[str, object] = {"format": "llmos-core-block/1", "label": label, "read_only": False}
            body = ""
            if path.exists():
                loaded, body = load_front_matter(read_bounded(path, _MAX_BYTES), name=str(path))
                meta = dict(loaded)
            if meta.get("read_only") is True:
                raise StoreError(f"{show_path(path)} is read-only (its front matter says so)")
            lines = body.splitlines()
            if line not in lines:
                meta["updated"] = when.isoformat(timespec="seconds")
                write_atomic(path, dump_front_matter(meta, "\n".join([*lines, line]) + "\n"))
        return path

    def add_archival_memory(self, text: str, source: str, when: datetime) -> Path:
        """Store one passage for good; the same passage twice is one file. `source` says where it comes from.

        Raises UsageError for an empty passage, StoreError when it cannot be written.
        """
        passage = text.strip()
        if not passage:
            raise UsageError("there is nothing to remember: the passage is empty")
        digest = hashlib.sha256(passage.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        path = self._archival / f"{slug(passage)}-{digest}.md"
        if not path.exists():
            meta = {"format": "llmos-archival/1", "recorded": when.isoformat(timespec="seconds"), "source": source}
            make_private_folder(self._archival)
            write_once(path, dump_front_matter(meta, passage + "\n"))
        return path
