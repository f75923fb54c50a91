"""Keeps what the model made of a system prompt, so that a fresh process need not read the same words again.

Reading 400 tokens takes 6 to 18 s on two cores, reading the kept state back 3 ms. Derived data: any file here may be
deleted. Invariant: a file is found only for the very model file, context and words that it was made from.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

KEPT_FILES = 4
"""About 30 KB a token: some 15 MB each."""
_SUFFIX = ".prefix"


class PrefixCache:
    """A folder of saved model states, owner-only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def name(self, model: Path, n_ctx: int, system: str) -> str:
        """The file name for a prompt; it changes when the model file does."""
        stat = model.stat()
        facts = f"{model}\0{stat.st_size}\0{stat.st_mtime_ns}\0{n_ctx}\0{system}"
        return f"{hashlib.sha256(facts.encode('utf-8', 'replace')).hexdigest()[:24]}{_SUFFIX}"

    def has(self, name: str) -> bool:
        """Whether the state is there; marks it as used now."""
        try:
            os.utime(self.folder / name)
        except OSError:
            return False
        return True

    def drop(self, name: str) -> None:
        try:
            (self.folder / name).unlink(missing_ok=True)
        except OSError:
            return

    def make_room(self) -> bool:
        """Make the folder and delete all but the newest files; False when the folder cannot be used."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept = sorted(self.folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in kept[KEPT_FILES - 1 :]:
                path.unlink()
        except OSError:
            return False
        return True
