"""`llmos doctor`: what is there, what is wrong, what to do. Safe to paste in public.

Invariant: no key, no user name and no home folder is in what it says; a check that fails never stops the others.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from llmos import __version__
from llmos.app import App, AppOptions
from llmos.app_models import CREDENTIALS
from llmos.core.catalogue import CATALOGUE
from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError, NoModelError
from llmos.interfaces.actions_sessions import size_words
from llmos.interfaces.doctor_repair import repairs_of, restore_hints
from llmos.interfaces.layout import pairs, wrapped
from llmos.interfaces.printable import one_line
from llmos.memory.files import show_path
from llmos.memory.health import exposed, leftovers

PACKAGES = (
    "typer",
    "rich",
    "prompt-toolkit",
    "anthropic",
    "pyyaml",
    "ruamel.yaml",
    "pydantic",
    "genai-prices",
    "plotext",
)
_OPTIONAL = {"xllamacpp": "needed for an embedded model: pip install 'llmos[local]'"}
_LEAST_FREE_BYTES = 200_000_000
_SHOWN = 3
_MOST_TOLD = 10
_TOLD_ABOVE = frozenset({"open to others", "stale lock", "half-written file"})
_REPAIR = "`llmos doctor --repair`"
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_TERMINAL_VARIABLES = ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LANG", "LC_ALL", "TMUX", "SSH_TTY")


class State(StrEnum):
    """FAIL is what keeps llmos from working as it should; the exit code is 1 then."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `fix` says what to do; empty when there is nothing to be done."""

    name: str
    state: State
    found: str
    fix: str = ""


def examine(options: AppOptions, *, cwd: Path, environ: Mapping[str, str], online: bool = False) -> list[Check]:
    """All findings, redacted. Only with `online` is anybody asked over the network."""
    checks = [_llmos(), _python(), *_packages()]
    try:
        app: App | None = App.open(replace(options, freeze=True), cwd=cwd, environ=environ)  # it changes nothing
    except LlmosError as error:
        app = None
        checks.append(Check("configuration", State.FAIL, str(error), "mend that; nothing below could be looked at"))
    checks.append(_credential(environ))
    if app is not None:
        with closing(app.traces):
            for check in (*_RECORD, _disk):
                checks += _guarded(check, app)
            if online:
                checks += _guarded(_online, app)
            checks += _guarded(_sandbox, app)
    checks += [_terminal(environ), _telemetry(environ)]
    redact = redactor(environ)
    return [replace(check, found=redact(check.found), fix=redact(check.fix)) for check in checks]


def lines(checks: Sequence[Check], width: int) -> list[str]:
    """The findings for a screen of `width` columns, and how many there are of each state."""
    rows = []
    for check in checks:
        found = f"{check.found}; {check.fix}" if check.fix else check.found
        rows.append((f"{check.state.value:<4} {check.name}", one_line(found)))
    counts = {state: sum(check.state is state for check in checks) for state in State}
    total = f"{counts[State.FAIL]} failed, {counts[State.WARN]} warning{'s' if counts[State.WARN] != 1 else ''}"
    return [*pairs(rows, width), "", *wrapped(f"{total}; no key, user name or home folder is shown above", width)]


def redactor(environ: Mapping[str, str]) -> Callable[[str], str]:
    """Takes the home folder, the user's name and every value of a variable that sounds secret out of a text."""
    secrets = {value for name, value in environ.items() if _SECRET_NAME.search(name) and len(value) >= 6}
    homes = {environ.get("HOME", ""), os.path.expanduser("~")} - {"", "/"}  # noqa: PTH111 - Path.home() may raise
    names = {environ.get("USER", ""), environ.get("LOGNAME", ""), *(Path(home).name for home in homes)} - {"", "root"}

    def redact(text: str) -> str:
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, "<redacted>")
        for home in sorted(homes, key=len, reverse=True):
            text = re.sub(rf"{re.escape(home)}(?=/|\b|$)", "~", text)
        for name in names:
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", "<user>", text)
        return text

    return redact


def _guarded(check: Callable[[App], Iterator[Check]], app: App) -> list[Check]:
    """What a check found until it failed, and that it did."""
    found: list[Check] = []
    try:
        found.extend(check(app))
    except (LlmosError, OSError) as error:
        found.append(Check(check.__name__.lstrip("_"), State.FAIL, str(error)))
    return found


# ------------------------------------------------------------------------------------------------------- the program


def _llmos() -> Check:
    return Check("llmos", State.OK, f"{__version__} in {Path(__file__).parent.parent}")


def _python() -> Check:
    found = (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.release()}"
    )
    return Check("python", State.OK, f"{found} {platform.machine()}, {sys.executable}")


def _packages() -> Iterator[Check]:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    yield Check("packages", State.OK, ", ".join(found) or "none")
    if missing:
        yield Check("packages", State.FAIL, f"missing: {', '.join(missing)}", "install llmos again")
    for name, about in _OPTIONAL.items():
        try:
            yield Check("packages", State.OK, f"{name} {metadata.version(name)} (optional)")
        except metadata.PackageNotFoundError:
            yield Check("packages", State.NOTE, f"{name} is not installed", about)


# ----------------------------------------------------------------------------------------------- models and settings


def _credential(environ: Mapping[str, str]) -> Check:
    given = [name for name in CREDENTIALS if environ.get(name)]
    if not given:
        return Check(
            "credential", State.NOTE, "none; the embedded model needs none", "set ANTHROPIC_API_KEY for the API"
        )
    more = f"; also set and not used: {', '.join(given[1:])}" if given[1:] else ""
    return Check("credential", State.OK, f"{given[0]} from the environment (set, not shown){more}")


def _configuration(app: App) -> Iterator[Check]:
    rows = app.config.rows()
    changed = [f"{row.key} ({row.origin})" for row in rows if row.origin != "built-in"]
    yield Check("configuration", State.OK, f"set: {', '.join(changed)}" if changed else "built-in settings only")
    for notice in app.config.notices:
        yield Check("configuration", State.WARN, notice)


def _model(app: App) -> Iterator[Check]:
    for entry in CATALOGUE:
        path = app.model_store.find(entry)
        if path is not None:
            yield Check("embedded model", State.OK, f"{entry.name} is here, its SHA-256 verified")
        elif app.model_store.part_path(entry).exists():
            fix = f"`llmos models pull {entry.name}` goes on"
            yield Check("embedded model", State.NOTE, f"{entry.name} is fetched in part", fix)
    try:
        info = app.model().info
    except NoModelError as error:
        why = "replays, traces, sessions and memory work all the same"
        yield Check("model", State.WARN, f"{error}; {why}")
        return
    asked = "" if info.small else "; the API was not called (--online asks it)"
    yield Check("model", State.OK, f"{info.name}, paid by {info.payer}{asked}")


def _online(app: App) -> Iterator[Check]:
    payer = next((name for name in CREDENTIALS if os.environ.get(name)), None)
    if payer is None:
        yield Check("online", State.NOTE, "there is no credential, so nobody was asked")
        return
    from llmos.adapters.anthropic_check import require_served

    settings = app.config.settings
    info = app.model().info
    name = settings.anthropic_model if info.small else info.name
    started = time.monotonic()
    try:
        asyncio.run(require_served(name, payer=payer, base_url=settings.api.base_url))
    except LlmosError as error:
        yield Check("online", State.FAIL, str(error))
    else:
        yield Check("online", State.OK, f"the API answered in {time.monotonic() - started:.1f} s and serves {name}")


# -------------------------------------------------------------------------------------------------------- the record


def _workspace(app: App) -> Iterator[Check]:
    space = app.workspace
    yield Check("workspace", State.OK, f"{show_path(space.root)} (from {space.origin})")
    if not space.root.exists():
        yield Check("workspace", State.NOTE, "it does not exist yet and is made with the first goal")


def _traces(app: App) -> Iterator[Check]:
    from llmos.interfaces.actions_traces import trace_rows

    rows = trace_rows(app, everything=True)
    verified = [row for row in rows if row["status"] == "verified"]
    waiting = [row for row in verified if not row["approved"]]
    found = f"{len(rows)} readable, {len(verified) - len(waiting)} of them verified and approved"
    yield Check("traces", State.OK, found)
    if waiting:
        fix = "`llmos traces approve ID` shows one and asks"
        yield Check("traces", State.NOTE, f"{len(waiting)} verified ones are not approved here", fix)
    for problem in list(dict.fromkeys([*app.traces.warnings(), *app.traces.problems()]))[:_SHOWN]:
        yield Check("traces", State.WARN, problem)


def _sessions(app: App) -> Iterator[Check]:
    store = app.sessions
    found = store.all()
    size = size_words(sum(session.bytes for session in found))
    yield Check("sessions", State.OK, f"{len(found)} on record, {size}")
    for problem in store.problems[:_SHOWN]:
        yield Check("sessions", State.WARN, problem)


def _permissions(app: App) -> Iterator[Check]:
    open_to_others, complete = exposed(app.workspace)
    if not open_to_others:
        some = "" if complete else " (of those that were looked at; there are many)"
        yield Check("store permissions", State.OK, f"no file is open to other users{some}")
        return
    named = ", ".join(show_path(path) for path in open_to_others[:_SHOWN])
    more = f" and {len(open_to_others) - _SHOWN} more" if len(open_to_others) > _SHOWN else ""
    yield Check("store permissions", State.WARN, f"open to other users: {named}{more}", f"{_REPAIR} closes them")


def _leftovers(app: App) -> Iterator[Check]:
    left = leftovers(app.workspace, time.time())
    if left.markers:
        yield Check(
            "locks",
            State.NOTE,
            f"{left.sessions} session{'s were' if left.sessions > 1 else ' was'} cut off",
            f"the next start closes them, as {_REPAIR} does",
        )
    if left.temporaries:
        what = f"{len(left.temporaries)} half-written files, such as {show_path(left.temporaries[0])}"
        yield Check("locks", State.NOTE, what, f"{_REPAIR} deletes them")
    if left.edits:
        what = f"{len(left.edits)} edits were not taken, such as {show_path(left.edits[0])}"
        yield Check("locks", State.NOTE, what, "delete them when you do not need them")
    if not (left.markers or left.temporaries or left.edits):
        yield Check("locks", State.OK, "nothing is left of processes that died")
    crashes = list((app.workspace.home / "crashes").glob("*.txt"))
    if crashes:
        newest = max(crashes, key=lambda path: path.name)
        yield Check(
            "crashes", State.NOTE, f"{len(crashes)} defects on record, such as {show_path(newest)}", "report them"
        )


def _files(app: App) -> Iterator[Check]:
    """What cannot be read or was left half-done, with what would be done about it; and what is in quarantine."""
    found = [one for one in repairs_of(app).find() if one.what not in _TOLD_ABOVE]
    for one in found[:_MOST_TOLD]:
        yield Check(one.what, State.WARN, f"{show_path(one.path)}: {one.why}", f"{_REPAIR} {one.does}")
    if len(found) > _MOST_TOLD:
        yield Check("files", State.WARN, f"{len(found) - _MOST_TOLD} more are damaged", f"{_REPAIR} sees to all")
    if not found:
        yield Check("files", State.OK, "every file of the record can be read")
    kept = list(restore_hints(app, lambda text: text))
    for hint in kept[-_MOST_TOLD:]:
        yield Check("quarantine", State.NOTE, hint)
    if len(kept) > _MOST_TOLD:
        folder = show_path(app.quarantine.folder)
        yield Check("quarantine", State.NOTE, f"{len(kept) - _MOST_TOLD} older ones; {folder}/log.jsonl names all")


def _disk(app: App) -> Iterator[Check]:
    folder = app.workspace.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    state = State.OK if free >= _LEAST_FREE_BYTES else State.WARN
    yield Check("disk", state, f"{size_words(free)} free where the workspace is")


_RECORD = (_configuration, _model, _workspace, _traces, _sessions, _permissions, _leftovers, _files)


# ------------------------------------------------------------------------------------------------------ surroundings


def _sandbox(app: App) -> Iterator[Check]:
    tier, settings = app.sandbox_tier, app.config.settings.sandbox
    found = f"{tier.name}: {tier.holds}"
    if tier.isolates:
        opened = "; the network is open (sandbox.network)" if settings.network == "on" else ""
        yield Check("sandbox", State.OK, found + opened)
    elif settings.mode == "off":
        yield Check("sandbox", State.WARN, found, "`llmos config set sandbox.mode auto` holds them back")
    else:
        fix = "install bubblewrap (`apt-get install bubblewrap`), or use Linux 6.2 or later with Landlock"
        required = settings.mode == "required"
        yield Check("sandbox", State.FAIL if required else State.WARN, found, fix)


def _terminal(environ: Mapping[str, str]) -> Check:
    size = "no terminal"
    with suppress(OSError, ValueError):
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
        size = f"{columns} × {rows}"
    given = ", ".join(f"{name}={environ[name]}" for name in _TERMINAL_VARIABLES if environ.get(name))
    encoding = (sys.stdout.encoding or "unknown").lower()
    good = encoding.replace("-", "") == "utf8"
    fix = "" if good else "set LANG to a UTF-8 locale"
    return Check("terminal", State.OK if good else State.WARN, f"{size}, {encoding}; {given or 'no variables'}", fix)


def _telemetry(environ: Mapping[str, str]) -> Check:
    asked = "; DO_NOT_TRACK is set, and there is nothing to switch off" if environ.get("DO_NOT_TRACK") else ""
    return Check("telemetry", State.OK, f"none: only the model that you chose is ever called{asked}")
