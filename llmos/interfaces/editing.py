"""A text in the person's editor. What was typed is never lost: a text that is refused stays in its file."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from llmos.core.errors import LlmosError, UsageError
from llmos.interfaces.cli_shared import say
from llmos.memory.files import read_bounded, show_path

T = TypeVar("T")
_MOST_BYTES = 1_000_000
_FALLBACKS = ("sensible-editor", "nano", "vi")


def editor_command(environ: Mapping[str, str]) -> list[str]:
    """$VISUAL, else $EDITOR, else what the machine has. Raises UsageError."""
    for variable in ("VISUAL", "EDITOR"):
        if text := environ.get(variable, "").strip():
            try:
                words = shlex.split(text)
            except ValueError:
                raise UsageError(f"{variable} cannot be read as a command: {text!r}; set it to an editor") from None
            if shutil.which(words[0]) is None:
                raise UsageError(f"{variable} names {words[0]!r}, which is not there; set it to an editor")
            return words
    found = next((name for name in _FALLBACKS if shutil.which(name)), None)
    if found is None:
        raise UsageError("no editor was found; set EDITOR to the command of one")
    return [found]


def edit_until_good(
    data: bytes,
    accept: Callable[[bytes, str], T],
    *,
    folder: Path,
    name: str,
    environ: Mapping[str, str],
    retry: Callable[[], bool],
) -> T:
    """What `accept` makes of the edited text. While it refuses and `retry` says yes, the editor opens again.

    Raises UsageError where the editor fails, and the last refusal together with where the text is kept.
    """
    command = editor_command(environ)
    private = Path(tempfile.mkdtemp(prefix="edit-", dir=folder))
    path = private / name
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    while True:
        ended = subprocess.run([*command, str(path)], check=False)
        if ended.returncode != 0:
            raise UsageError(f"the editor {command[0]!r} ended with {ended.returncode}; {_kept(path, data)}")
        try:
            made = accept(read_bounded(path, _MOST_BYTES), path.name)
        except LlmosError as error:
            say(str(error))
            if retry():
                continue
            raise UsageError(f"the edit was not taken; {_kept(path, data)}") from error
        shutil.rmtree(private, ignore_errors=True)
        return made


def edited_text(text: str, name: str, environ: Mapping[str, str]) -> str:
    """The text as the person's editor leaves it. Raises UsageError."""
    command = editor_command(environ)
    with tempfile.TemporaryDirectory(prefix="llmos-edit-") as folder:
        path = Path(folder) / name
        path.write_text(text, "utf-8")
        ended = subprocess.run([*command, str(path)], check=False)
        if ended.returncode != 0:
            raise UsageError(f"the editor {command[0]!r} ended with {ended.returncode}; nothing was changed")
        return path.read_text("utf-8", "replace")


def _kept(path: Path, data: bytes) -> str:
    """Where the text is kept; one that was not touched is not."""
    if path.exists() and path.read_bytes() != data:
        return f"your text is kept in {show_path(path)}"
    shutil.rmtree(path.parent, ignore_errors=True)
    return "nothing was changed"
