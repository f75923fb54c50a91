"""Judges of the local goals: what is on disk or in the answer at the end, never how it was done.

A goal's check is a list of conditions; each looks at an `End` and returns why it does not hold, or "". Every check
also fails when something that was there before and is not named in `may` was changed or deleted; stray new files are
no failure unless a condition lists a folder's names. A judge never runs what a model wrote.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.local_goals.answers import gives_day, names_in, numbers_in, plain


@dataclass(frozen=True, slots=True)
class Entry:
    """One path: a file with bytes and permission bits, a folder (data None), or a link (data = its target)."""

    kind: str
    data: bytes | None
    mode: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything below a directory by relative path; of `.git` only HEAD and the refs."""

    entries: Mapping[str, Entry]

    def text(self, path: str) -> str:
        """The file's text. Raises KeyError for what is not a file."""
        data = self.entries[path].data
        if data is None:
            raise KeyError(path)
        return data.decode()


@dataclass(frozen=True, slots=True)
class Verdict:
    ok: bool
    why: str
    """What does not hold; empty when ok."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of one attempt, as conditions see it."""

    goal: str
    root: Path
    answer: str
    before: Snapshot
    after: Snapshot


Condition = Callable[[End], str]
Check = Callable[[Path, str, Snapshot], Verdict]


def snapshot(root: Path) -> Snapshot:
    entries: dict[str, Entry] = {}
    for folder, dirs, files in os.walk(root):
        for name in sorted([*dirs, *files]):
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if ".git/" in relative and not re.search(r"(^|/)\.git/(HEAD$|refs(/|$))", relative):
                continue
            if path.is_symlink():
                entries[relative] = Entry("link", os.fsencode(path.readlink()), 0)
            elif path.is_dir():
                entries[relative] = Entry("folder", None, 0)
            elif path.is_file():
                mode = path.stat().st_mode & 0o777
                entries[relative] = Entry("file", path.read_bytes() if os.access(path, os.R_OK) else None, mode)
    return Snapshot(entries)


def judge(goal: str, conditions: Sequence[Condition], may: Collection[str]) -> Check:
    """A check of all conditions; `may` are fnmatch patterns of paths that may change or vanish."""

    def check(root: Path, answer: str, before: Snapshot) -> Verdict:
        end = End(goal, root, answer, before, snapshot(root))
        for condition in (*conditions, rest_untouched(may)):
            why = condition(end)
            if why:
                return Verdict(False, why)
        return Verdict(True, "")

    return check


def rest_untouched(may: Collection[str]) -> Condition:
    def condition(end: End) -> str:
        for path, entry in end.before.entries.items():
            if any(fnmatch.fnmatchcase(path, pattern) for pattern in may):
                continue
            now = end.after.entries.get(path)
            if now is None:
                return f"{path} had to stay and is gone"
            if now != entry:
                return f"{path} had to stay as it was and was changed"
        return ""

    return condition


# ---- the answer -----------------------------------------------------------------------------------------------------


def number(value: float, *, also: Collection[float] = (), tolerance: float = 0.0) -> Condition:
    """The answer gives this number and no other, but those of the goal, of file names and in `also`."""

    def condition(end: End) -> str:
        known = {*end.before.entries, *end.after.entries}
        said = numbers_in(end.answer, known)
        if not any(abs(n - value) <= tolerance for n in said):
            return f"the answer does not give {value:g}"
        fine = {*map(float, re.findall(r"\d+", end.goal)), *also}
        others = [n for n in said if abs(n - value) > tolerance and n not in fine]
        return f"the answer also gives {others[0]:g}" if others else ""

    return condition


def names(*wanted: str, none_of: Collection[str] = ()) -> Condition:
    """The answer names all of these, and none of those."""

    def condition(end: End) -> str:
        missing = set(wanted) - names_in(end.answer, wanted)
        if missing:
            return f"the answer does not name {min(missing)}"
        wrong = names_in(end.answer, none_of)
        return f"the answer names {min(wrong)}" if wrong else ""

    return condition


def says(*texts: str, never: Collection[str] = ()) -> Condition:
    """The answer contains these texts, and none of those, whatever the case, quotes and white space."""

    def condition(end: End) -> str:
        answer = plain(end.answer)
        for text in texts:
            if plain(text) not in answer:
                return f"the answer does not say {text!r}"
        for text in never:
            if plain(text) in answer:
                return f"the answer says {text!r}"
        return ""

    return condition


def matches(pattern: str, *, never: str = r"(?!)") -> Condition:
    """The answer matches a regular expression and not the other, in any case."""

    def condition(end: End) -> str:
        if not re.search(pattern, end.answer, re.IGNORECASE):
            return f"the answer does not match {pattern}"
        return f"the answer matches {never}" if re.search(never, end.answer, re.IGNORECASE) else ""

    return condition


def day(iso: str) -> Condition:
    """The answer gives this day, in any usual way of writing one."""

    return lambda end: "" if gives_day(end.answer, iso) else f"the answer does not give {iso}"


# ---- files ----------------------------------------------------------------------------------------------------------


def file_is(path: str, text: str) -> Condition:
    """The file has this text; line breaks at its end do not count."""

    def condition(end: End) -> str:
        entry = end.after.entries.get(path)
        if entry is None or entry.kind != "file":
            return f"there is no file {path}"
        now = (entry.data or b"").decode(errors="replace")
        return "" if now.rstrip("\n") == text.rstrip("\n") else f"{path} has another text: {now[:200]!r}"

    return condition


def lines_are(path: str, lines: Collection[str], *, ordered: bool = True) -> Condition:
    """The file has exactly these lines; white space around them and blank lines do not count."""

    def condition(end: End) -> str:
        entry = end.after.entries.get(path)
        if entry is None or entry.kind != "file":
            return f"there is no file {path}"
        rows = (entry.data or b"").decode(errors="replace").splitlines()
        now = [" ".join(row.split()) for row in rows if row.strip()]
        same = now == list(lines) if ordered else sorted(now) == sorted(lines)
        return "" if same else f"{path} has other lines: {now[:12]}"

    return condition


def edited(path: str, change: Callable[[str], str]) -> Condition:
    """The file is what `change` makes of its text before."""
    return lambda end: file_is(path, change(end.before.text(path)))(end)


def replaced(path: str, old: str, new: str) -> Condition:
    return edited(path, lambda text: text.replace(old, new))


def exists(*paths: str, kind: str = "file") -> Condition:
    def condition(end: End) -> str:
        lacking = [p for p in paths if p not in end.after.entries or end.after.entries[p].kind != kind]
        return f"there is no {kind} {lacking[0]}" if lacking else ""

    return condition


def absent(*paths: str) -> Condition:
    def condition(end: End) -> str:
        left = [path for path in paths if path in end.after.entries]
        return f"{left[0]} is still there" if left else ""

    return condition


def names_are(folder: str, *wanted: str) -> Condition:
    """The folder (`.` for the root) holds exactly these names, and hidden ones if any."""

    def condition(end: End) -> str:
        here = {path.rpartition("/")[2] for path in end.after.entries if (path.rpartition("/")[0] or ".") == folder}
        visible = {name for name in here if not name.startswith(".")}
        return "" if visible == set(wanted) else f"{folder} holds {sorted(visible)}"

    return condition


def copied(pairs: Mapping[str, str]) -> Condition:
    """Each new path holds what the old one held before."""

    def condition(end: End) -> str:
        for old, new in pairs.items():
            now = end.after.entries.get(new)
            if now is None or now.data != end.before.entries[old].data:
                return f"{new} does not hold what {old} held"
        return ""

    return condition


def moved(pairs: Mapping[str, str]) -> Condition:
    """As `copied`, and the old paths are gone."""

    def condition(end: End) -> str:
        return copied(pairs)(end) or absent(*pairs)(end)

    return condition


def json_is(path: str, value: Any) -> Condition:
    def condition(end: End) -> str:
        try:
            now = json.loads(end.after.text(path))
        except (KeyError, ValueError) as exc:
            return f"{path} is not readable as JSON: {exc}"
        return "" if now == value else f"{path} holds {now}"

    return condition


def has(path: str, pattern: str) -> Condition:
    """The file matches a regular expression, in which ^ and $ stand for line ends."""

    def condition(end: End) -> str:
        entry = end.after.entries.get(path)
        if entry is None or entry.data is None:
            return f"there is no file {path}"
        found = re.search(pattern, entry.data.decode(errors="replace"), re.MULTILINE)
        return "" if found else f"{path} does not match {pattern}"

    return condition


def mode(path: str, *, on: int = 0, off: int = 0) -> Condition:
    """The permission bits `on` are set and those of `off` are not."""

    def condition(end: End) -> str:
        if path not in end.after.entries:
            return f"{path} is gone"
        now = (end.root / path).stat().st_mode & 0o777
        return "" if now & on == on and not now & off else f"{path} has the permissions {now:o}"

    return condition


def link(path: str, *targets: str) -> Condition:
    """A symbolic link to one of these targets, as written in it."""

    def condition(end: End) -> str:
        entry = end.after.entries.get(path)
        if entry is None or entry.kind != "link" or entry.data is None:
            return f"{path} is no symbolic link"
        target = entry.data.decode()
        fine = {*targets, *(str(end.root / t) for t in targets)}
        return "" if target.rstrip("/").removeprefix("./") in fine else f"{path} points to {target}"

    return condition


def either(*conditions: Condition) -> Condition:
    """At least one holds; else why the last one does not."""

    def condition(end: End) -> str:
        whys = [condition(end) for condition in conditions]
        return whys[-1] if all(whys) else ""

    return condition


def modified(path: str, iso: str) -> Condition:
    """The file's modification day is `iso`, in any time zone."""

    def condition(end: End) -> str:
        if path not in end.after.entries:
            return f"{path} is gone"
        noon = datetime.fromisoformat(f"{iso}T12:00:00+00:00").timestamp()
        away = abs((end.root / path).stat().st_mtime - noon)
        return "" if away <= 26 * 3600 else f"{path} was not modified on {iso}"

    return condition
