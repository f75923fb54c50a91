"""Names that a person gives to traces: a record beside the traces, since a trace file is written once.

`traces/labels.jsonl` holds one line a naming (docs/formats.md); the last one of a trace holds, and an empty one takes
the name away. A damaged line names nothing and stands in nobody's way.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from llmos.core.errors import UsageError
from llmos.memory.codec import dump_line, whole_records
from llmos.memory.files import MissingFileError, append_line, make_private_folder, read_bounded

_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,59}")
_MAX_BYTES = 1 << 26


class TraceLabels:
    """The names of the traces in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "labels.jsonl"

    def all(self) -> dict[str, str]:
        """Trace id and label of each named trace; a label that was given again belongs to the last one."""
        try:
            data = read_bounded(self._path, _MAX_BYTES)
        except MissingFileError:
            return {}
        named: dict[str, str] = {}
        for record in whole_records(data):
            if "trace" not in record or "label" not in record:
                continue
            trace, label = str(record["trace"]), str(record["label"])
            named = {other: its for other, its in named.items() if its != label and other != trace}
            if _LABEL.fullmatch(label):
                named[trace] = label
        return named

    def name(self, trace: str, label: str, when: datetime) -> None:
        """Give a trace this name, or take its name away with an empty one. Raises UsageError, StoreError."""
        if label and not _LABEL.fullmatch(label):
            raise UsageError(
                f"{label!r} is no name for a trace; take up to 60 letters, digits, dots, dashes and underscores, "
                "the first a letter"
            )
        make_private_folder(self._path.parent)
        record = {"when": when.isoformat(timespec="seconds"), "trace": trace, "label": label}
        append_line(self._path, dump_line(record), sync=True)
