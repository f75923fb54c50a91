"""What was typed at the prompt, over sessions: owner-only, without secrets."""

from __future__ import annotations

import os

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from llmos.core.errors import LlmosError
from llmos.interfaces.keyboard import as_text
from llmos.memory.files import open_locked
from llmos.memory.redaction import redactor
from llmos.memory.workspace import Workspace, make_derived_folder


class _SafeHistory(FileHistory):
    """What is typed in this session can be called back as it was; the file gets it without its secrets."""

    def store_string(self, string: str) -> None:
        super().store_string(redactor().text(as_text(string)))


def prompt_history(workspace: Workspace) -> History:
    """Below the workspace; in memory where that cannot be written."""
    try:
        path = make_derived_folder(workspace) / "history"
        os.close(open_locked(path, os.O_CREAT))  # it can be written, and nothing else stands in its place
        return _SafeHistory(path)
    except (LlmosError, OSError):
        return InMemoryHistory()
