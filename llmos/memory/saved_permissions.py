"""What a person allowed for always: rules and saved runs, each for one folder, in the person's own llmos folder.

An append-only list of lines; a line may revoke an earlier one. It is read again when it changed, so that what another
process revokes holds at once. A damaged line allows nothing and stands in nobody's way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from llmos.core.errors import ConfigError, StoreError, UsageError
from llmos.core.events import Verdict
from llmos.core.permission import Rule, SavedRun, parse_rule
from llmos.memory.codec import dump_line
from llmos.memory.files import MissingFileError, append_line, make_private_folder, os_cause, read_bounded, show_path

_MAX_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class SavedPermission:
    """One thing that is allowed in `folder` and below it: calls that match `rule`, or the replay of `run`."""

    id: str
    folder: str
    when: str
    rule: str = ""
    run: SavedRun | None = None

    @property
    def text(self) -> str:
        return self.rule if self.run is None else f"replays of {self.run.trace}"


class SavedPermissions:
    """The list of one person, `permissions.jsonl` in `home`."""

    def __init__(self, home: Path, now: Callable[[], datetime]) -> None:
        self.path = home / "permissions.jsonl"
        self._now = now
        self._kept: dict[str, SavedPermission] = {}
        self._stamp: tuple[int, int] | None = None

    def all(self) -> tuple[SavedPermission, ...]:
        """What holds, the oldest first. Raises StoreError."""
        self._refresh()
        return tuple(self._kept.values())

    def rules(self, cwd: Path) -> tuple[Rule, ...]:
        """The allow rules that hold in a working directory."""
        return tuple(
            parse_rule(saved.rule, Verdict.ALLOW, f"saved {saved.when[:10]}, {saved.id}")
            for saved in self.all()
            if saved.rule and cwd.is_relative_to(saved.folder)
        )

    def covers(self, run: SavedRun, cwd: Path) -> bool:
        """Whether the replays of this content are allowed in a working directory."""
        return any(saved.run == run and cwd.is_relative_to(saved.folder) for saved in self.all())

    def add_rule(self, rule: str, cwd: Path) -> SavedPermission:
        """Raises StoreError, ConfigError."""
        parse_rule(rule, Verdict.ALLOW, "the rule")
        return self._add(str(cwd), rule, None)

    def add_run(self, run: SavedRun, cwd: Path) -> SavedPermission:
        """Raises StoreError."""
        return self._add(str(cwd), "", run)

    def revoke(self, identifier: str) -> SavedPermission:
        """Take back what an id, an unambiguous beginning of it, or the text of a rule names. Raises UsageError."""
        kept = self.all()
        exact = [saved for saved in kept if identifier in (saved.id, saved.text)]
        found = exact or [saved for saved in kept if identifier and saved.id.startswith(identifier)]
        if len(found) != 1:
            how = "no saved permission is" if not found else f"{len(found)} saved permissions are"
            raise UsageError(f"{how} named {identifier!r}; `llmos permissions list` shows them")
        self._append({"revoked": found[0].id, "when": self._when()})
        return found[0]

    def _add(self, folder: str, rule: str, run: SavedRun | None) -> SavedPermission:
        for saved in self.all():
            if (saved.folder, saved.rule, saved.run) == (folder, rule, run):
                return saved
        when = self._when()
        what: dict[str, Any] = {"rule": rule} if run is None else {"trace": run.trace, "sha256": run.sha256}
        record = {"folder": folder, "when": when, **what}
        identifier = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:8]
        self._append({"id": identifier, **record})
        return SavedPermission(identifier, folder, when, rule, run)

    def _when(self) -> str:
        return self._now().isoformat(timespec="seconds")

    def _append(self, record: Mapping[str, Any]) -> None:
        make_private_folder(self.path.parent)
        append_line(self.path, dump_line(record), sync=True)

    def _refresh(self) -> None:
        try:
            found = self.path.stat()
            stamp = (found.st_size, found.st_mtime_ns)
            if stamp == self._stamp:
                return
            data = read_bounded(self.path, _MAX_BYTES)
        except (FileNotFoundError, MissingFileError):
            self._kept, self._stamp = {}, None
            return
        except OSError as error:
            raise StoreError(f"cannot read {show_path(self.path)}: {os_cause(error)}") from None
        kept: dict[str, SavedPermission] = {}
        for record in _records(data):
            kept.pop(str(record.get("revoked", "")), None)
            kept.update({saved.id: saved for saved in _read(record)})
        self._kept, self._stamp = kept, stamp


def _records(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _read(record: Mapping[str, Any]) -> Iterator[SavedPermission]:
    """The permission that a line gives; none where the line is not one."""
    fields = [record.get(name, "") for name in ("id", "folder", "when", "rule", "trace", "sha256")]
    if not all(isinstance(value, str) for value in fields):
        return
    identifier, folder, when, rule, trace, sha256 = fields
    run = SavedRun(trace, sha256) if trace and len(sha256) == 64 else None
    if not identifier or not folder.startswith("/") or bool(rule) == bool(run):
        return
    try:
        if rule:
            parse_rule(rule, Verdict.ALLOW, "saved")
    except ConfigError:
        return
    yield SavedPermission(identifier, folder, when, rule, run)
