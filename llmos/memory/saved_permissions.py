"""What a person allowed for always: rules and saved runs, each for one folder, in the person's own llmos folder.

An append-only list of lines; a line may revoke an earlier one. It is read again when it changed, so that what another
process revokes holds at once. A damaged line allows nothing and stands in nobody's way; one that is not signed with
this person's key (forged, edited, synced from elsewhere, of an older llmos) allows nothing until it is confirmed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import ConfigError, StoreError, UsageError
from llmos.core.events import Verdict
from llmos.core.permission import Rule, SavedRun, parse_rule
from llmos.memory.codec import dump_line, whole_records
from llmos.memory.files import MissingFileError, append_line, make_private_folder, os_cause, read_bounded, show_path
from llmos.memory.signing import is_signed, ready_key, signature, signing_key

_MAX_BYTES = 1 << 26
_KIND = "llmos-permission/1"


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
        self._home = home
        self._now = now
        self._kept: dict[str, SavedPermission] = {}
        self._unconfirmed: dict[str, SavedPermission] = {}
        self._stamp: tuple[int, int] | None = None

    def all(self) -> tuple[SavedPermission, ...]:
        """What holds, the oldest first. Raises StoreError."""
        self._refresh()
        return tuple(self._kept.values())

    def unconfirmed(self) -> tuple[SavedPermission, ...]:
        """What stands there without this person's signature, and allows nothing. Raises StoreError."""
        self._refresh()
        return tuple(self._unconfirmed.values())

    def rules(self, cwd: Path) -> tuple[Rule, ...]:
        """The allow rules that hold in a working directory."""
        return _rules(self.all(), cwd)

    def unconfirmed_rules(self, cwd: Path) -> tuple[Rule, ...]:
        """The rules that would hold in a working directory if a person confirmed them."""
        return _rules(self.unconfirmed(), cwd)

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

    def confirm(self, identifier: str) -> SavedPermission:
        """Sign what an id or an unambiguous beginning of one names, and was not signed.

        Raises UsageError, StoreError.
        """
        found = [saved for saved in self.unconfirmed() if identifier and saved.id.startswith(identifier)]
        if len(found) != 1:
            how = "no saved permission waits" if not found else f"{len(found)} saved permissions wait"
            raise UsageError(f"{how} for a yes under {identifier!r}; `llmos permissions list` shows them")
        self._append({"revoked": found[0].id, "when": self._when()})
        return self._add(found[0].folder, found[0].rule, found[0].run)

    def revoke(self, identifier: str) -> SavedPermission:
        """Take back what an id, an unambiguous beginning of it, or the text of a rule names. Raises UsageError."""
        kept = (*self.all(), *self._unconfirmed.values())
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
        saved = SavedPermission(identifier, folder, when, rule, run)
        mac = signature(ready_key(self._home), _KIND, _signed_fields(saved))
        self._append({"id": identifier, **record, "mac": mac})
        return saved

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
            self._kept, self._unconfirmed, self._stamp = {}, {}, None
            return
        except OSError as error:
            raise StoreError(f"cannot read {show_path(self.path)}: {os_cause(error)}") from None
        key = signing_key(self._home)
        kept: dict[str, SavedPermission] = {}
        unconfirmed: dict[str, SavedPermission] = {}
        for record in whole_records(data):
            for known in (kept, unconfirmed):
                known.pop(str(record.get("revoked", "")), None)
            for saved in _read(record):
                signed = is_signed(key, _KIND, _signed_fields(saved), str(record.get("mac", "")))
                # What is not signed does not take the place of what is.
                if signed or saved.id not in kept:
                    (kept if signed else unconfirmed)[saved.id] = saved
        self._kept, self._unconfirmed, self._stamp = kept, unconfirmed, stamp


def _rules(saved: Iterable[SavedPermission], cwd: Path) -> tuple[Rule, ...]:
    return tuple(
        parse_rule(one.rule, Verdict.ALLOW, f"saved {one.when[:10]}, {one.id}")
        for one in saved
        if one.rule and cwd.is_relative_to(one.folder)
    )


def _signed_fields(saved: SavedPermission) -> list[str]:
    run = saved.run or SavedRun("", "")
    return [saved.id, saved.folder, saved.when, saved.rule, run.trace, run.sha256]


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
