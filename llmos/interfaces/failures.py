"""What a person is told of a failure: one sentence, its exit code, and where the details are if nobody foresaw it."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path

from llmos.core.errors import ExitStatus, LlmosError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""What a stream says whose disk is full or gone. Files of the record name themselves."""


def failure_of(error: Exception, environ: Mapping[str, str]) -> tuple[str, ExitStatus]:
    """The sentence and the exit code of what ended a run; the traceback of a defect is kept."""
    if isinstance(error, LlmosError):
        return str(error), error.exit_status
    if isinstance(error, OSError) and error.filename is None and error.errno in _FULL:
        return f"the output cannot be written where it goes: {os.strerror(error.errno).lower()}", ExitStatus.STORE
    return report_unexpected(error, environ), ExitStatus.FAILED


def report_unexpected(error: BaseException, environ: Mapping[str, str]) -> str:
    """Keep the traceback of a defect; the sentence that says where. With LLMOS_DEBUG it goes to standard error too."""
    details = "".join(traceback.format_exception(error))
    if environ.get("LLMOS_DEBUG"):
        print(details, file=sys.stderr)  # noqa: T201
    what = " ".join(str(error).split())[:200]
    said = f"{type(error).__name__}: {what}" if what else type(error).__name__
    kept = _keep(details, environ)
    where = f"the details are in {kept}" if kept else "set LLMOS_DEBUG=1 to see the details"
    return f"this is a defect of llmos ({said}); {where}"


def _keep(details: str, environ: Mapping[str, str]) -> Path | None:
    try:
        from llmos.memory.files import make_private_folder
        from llmos.memory.redaction import redactor
        from llmos.memory.workspace import home_folder

        folder = home_folder(environ) / "crashes"
        make_private_folder(folder)
    except (LlmosError, OSError):
        folder = Path(tempfile.gettempdir())
    try:
        descriptor, name = tempfile.mkstemp(prefix="llmos-crash-", suffix=".txt", dir=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as handle:
            handle.write(redactor().text(details))
    except OSError:
        return None
    return Path(name)
