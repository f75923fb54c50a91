"""What can be done with saved runs, without a command line: the commands and the prompt's slash commands call this.

Each function gives values or lines; the caller prints them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmos.app import App
from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError, UsageError
from llmos.core.matching import rank
from llmos.core.trace import Trace, TraceHeader, TraceStatus
from llmos.interfaces.call_view import money
from llmos.interfaces.evidence_text import evidence_pairs
from llmos.interfaces.layout import cards, pairs, table, wrapped
from llmos.interfaces.printable import one_line
from llmos.interfaces.trace_text import body_lines, head_pairs
from llmos.memory.files import make_private_folder, read_bounded, write_once
from llmos.memory.trace_exchange import Imported, TraceExchange, read_foreign
from llmos.memory.trace_files import MAX_BYTES, encode_trace, file_name
from llmos.memory.trace_labels import TraceLabels

_SHORT = re.compile(r"[0-9a-f]{8}(?:-\d+)?\Z")
_FULL_ID_FROM = 100
"""Columns from which a list shows whole ids."""


def exchange(app: App) -> TraceExchange:
    return TraceExchange(app.workspace.traces, app.workspace.home)


def labels(app: App) -> TraceLabels:
    return TraceLabels(app.workspace.traces)


def short_id(identifier: str) -> str:
    """The hash at the end of an id, which names a trace as well as the whole id does."""
    found = _SHORT.search(identifier)
    return found.group() if found else identifier


def load_trace(app: App, named: str) -> Trace:
    """The trace with this name, id, beginning of one, or hash at the end of one. Raises UsageError, StoreError."""
    known = labels(app).all()
    for identifier, label in known.items():
        if label == named:
            return app.traces.load(identifier)
    if _SHORT.fullmatch(named):
        found = [header.id for header in app.traces.headers() if short_id(header.id) == named]
        if len(found) == 1:
            return app.traces.load(found[0])
    return app.traces.load(named, also=list(known.values()))


# --------------------------------------------------------------------------------------------------------------- lists


def trace_rows(app: App, *, everything: bool = False) -> list[dict[str, Any]]:
    """One JSON-ready record for each trace, by id; without drafts unless `everything`."""
    shown, superseded, names = exchange(app), app.traces.superseded(), labels(app).all()
    return [
        _row(app, header, shown.approved(header.id), superseded.get(header.id), names.get(header.id, ""))
        for header in app.traces.headers()
        if everything or header.status is not TraceStatus.DRAFT
    ]


def trace_row(app: App, header: TraceHeader) -> dict[str, Any]:
    """The record of one trace, with what its replays came to."""
    superseded, name = app.traces.superseded().get(header.id), labels(app).all().get(header.id, "")
    return _row(app, header, exchange(app).approved(header.id), superseded, name)


def _row(app: App, header: TraceHeader, approved: bool, superseded_by: str | None, name: str) -> dict[str, Any]:
    evidence = app.traces.evidence(header.id)
    outcomes = evidence.outcomes
    verified = header.status is TraceStatus.VERIFIED
    return {
        "id": header.id,
        "name": name,
        "goal": header.goal,
        "status": header.status.value,
        "reason": header.reason,
        "used": outcomes.successes + outcomes.failures,
        "right": outcomes.successes,
        "wrong": outcomes.failures,
        "confidence": round(evidence.confidence, 4) if verified else None,
        "learned": header.learned.when,
        "last_used": outcomes.last_used or None,
        "mode": header.learned.mode,
        "model": header.learned.model,
        "cost_usd": header.learned.cost_usd,
        "approved": approved,
        "superseded_by": superseded_by,
        "retired": outcomes.retired or None,
        "pinned": outcomes.pinned,
    }


def list_lines(rows: Sequence[dict[str, Any]], width: int) -> list[str]:
    """The rows as a table; on a screen too narrow for one, two lines a trace. 0 columns: nothing is cut."""
    if not rows:
        return []
    whole = not width or width >= _FULL_ID_FROM
    titles = ("ID", "STATUS", "RIGHT", "WRONG", "LEARNED", "APPROVED", "GOAL")
    made = table(titles, [_cells(row, whole) for row in rows], width, right=(2, 3))
    if made is None and whole:
        made = table(titles, [_cells(row, False) for row in rows], width, right=(2, 3))
    return made if made is not None else cards([_card(row) for row in rows], width)


def _cells(row: dict[str, Any], whole: bool) -> tuple[str, ...]:
    return (
        _called(row, whole),
        _state(row),
        str(row["right"]),
        str(row["wrong"]),
        row["learned"][:10],
        "yes" if row["approved"] else "no",
        one_line(row["goal"], 100 if whole else 0),
    )


def _called(row: dict[str, Any], whole: bool) -> str:
    """What a trace is called in a list: the name that a person gave it, else its id."""
    return str(row["name"] or (row["id"] if whole else short_id(row["id"])))


def _state(row: dict[str, Any]) -> str:
    return "superseded" if row["superseded_by"] else "retired" if row.get("retired") else str(row["status"])


def _card(row: dict[str, Any]) -> tuple[str, str]:
    approved = "" if row["approved"] else " · not approved"
    head = f"{_called(row, False)}  {_state(row)} · {row['right']} right, {row['wrong']} wrong{approved}"
    return head, one_line(row["goal"])


# --------------------------------------------------------------------------------------------------------------- one


def inspect_lines(app: App, trace: Trace, width: int, *, whole: bool = False) -> list[str]:
    """One trace whole, for a screen of `width` columns (0: nothing is wrapped)."""
    identifier = trace.header.id
    approved = exchange(app).approved(identifier)
    origin = "learned or approved here, unchanged" if approved else "not approved: never replayed"
    if approved and trace.header.provenance and app.traces.vouched(identifier):
        origin = "approved by you, unchanged"
    facts = evidence_pairs(
        app.traces.evidence(identifier),
        verified=trace.header.status is TraceStatus.VERIFIED,
        floor=app.traces.thresholds.follower,
        aliases=app.traces.aliases(identifier),
        wrong=[one for one in app.traces.wrong() if one.trace == identifier],
    )
    name = labels(app).all().get(identifier)
    named = [("name", name)] if name else []
    head = head_pairs(trace.header, facts, origin, app.traces.superseded().get(identifier))
    body = [piece for line in body_lines(trace, whole=whole) for piece in wrapped(line, width, hang=2)]
    return [*pairs([*named, *head], width), *body]


# ------------------------------------------------------------------------------------------------------------- search


@dataclass(frozen=True, slots=True)
class Found:
    """A trace that a search found; `line` is the step or answer that holds the words, empty when the goal does."""

    header: TraceHeader
    line: str


def search_traces(app: App, words: str, limit: int) -> list[Found]:
    """The traces that hold all the words, in their goals first, then in their steps; then those with goals like it.

    Raises UsageError for a search without a word.
    """
    wanted = words.casefold().split()
    if not wanted:
        raise UsageError("say what to look for: words of a goal, a command or a file name")
    headers = app.traces.headers()
    in_goals = [Found(header, "") for header in headers if _holds(header.goal, wanted)]
    known = {found.header.id for found in in_goals}
    in_steps = [
        Found(header, line)
        for header in headers
        if header.id not in known and (line := _line_of(app, header.id, wanted))
    ]
    known |= {found.header.id for found in in_steps}
    like = [Found(header, "") for header, _ in rank(words, headers, limit) if header.id not in known]
    return [*in_goals, *in_steps, *like][:limit]


def _holds(text: str, wanted: Sequence[str]) -> bool:
    folded = text.casefold()
    return all(word in folded for word in wanted)


def _line_of(app: App, identifier: str, wanted: Sequence[str]) -> str:
    """The line of a trace that holds the most of the words, when the trace holds them all."""
    shown = exchange(app)
    try:
        text = read_bounded(shown.path_of(identifier), MAX_BYTES).decode("utf-8", "replace")
        if not _holds(text, wanted):
            return ""
        lines = [line.strip() for line in body_lines(shown.read(identifier).trace, whole=True)]
    except StoreError:
        return ""
    best = max(lines, key=lambda line: sum(word in line.casefold() for word in wanted), default="")
    return best if any(word in best.casefold() for word in wanted) else ""


# ------------------------------------------------------------------------------------------------- coming and leaving


def tool_changes(app: App, trace: Trace) -> list[str]:
    """A sentence for each tool of the trace that is another one here: it is then not replayed, approved or not."""
    return [
        f"{one_line(name)} is another version here, so it is not replayed before it is learned again"
        for name, version in sorted(trace.header.tools.items())
        if name not in app.tools or app.tools[name].spec.version != version
    ]


def exported(app: App, named: Sequence[str]) -> list[tuple[str, bytes]]:
    """Id and file content of the named traces, or of all that are no drafts. Raises UsageError, StoreError."""
    chosen = [load_trace(app, name) for name in named] or [
        app.traces.load(header.id) for header in app.traces.headers() if header.status is not TraceStatus.DRAFT
    ]
    return [(trace.header.id, encode_trace(trace)) for trace in chosen]


def export_files(traces: Sequence[tuple[str, bytes]], folder: Path) -> list[Path]:
    """Write each to `<folder>/<id>.yaml`, owner-only. Raises StoreError for a file that is there with other bytes."""
    make_private_folder(folder)
    paths = [folder / file_name(identifier) for identifier, _ in traces]
    for path, (_, data) in zip(paths, traces, strict=True):
        write_once(path, data)
    return paths


def import_from(app: App, sources: Sequence[Path]) -> list[Imported]:
    """Take over the traces of these files and folders, or none when one is refused. Raises UsageError, StoreError."""
    shown = exchange(app)
    traces = [trace for source in sources for trace in read_foreign(source)]
    return [shown.take(trace) for trace in traces]


# -------------------------------------------------------------------------------------------------------------- totals


def trace_sums(rows: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """What the rows of `trace_rows` add up to; `most_used` holds the `limit` rows that were replayed most."""
    used = sorted((row for row in rows if row["used"]), key=lambda row: (-row["used"], row["id"]))
    return {
        "traces": len(rows),
        "by_status": dict(sorted(Counter(row["status"] for row in rows).items())),
        "replayable": sum(
            row["status"] == "verified" and row["approved"] and not row["superseded_by"] and not row["retired"]
            for row in rows
        ),
        "not_approved": sum(not row["approved"] for row in rows),
        "superseded": sum(bool(row["superseded_by"]) for row in rows),
        "retired": sum(bool(row["retired"]) for row in rows),
        "pinned": sum(row["pinned"] for row in rows),
        "never_replayed": sum(not row["used"] for row in rows),
        "right": sum(row["right"] for row in rows),
        "wrong": sum(row["wrong"] for row in rows),
        "saved_usd": math.fsum(row["right"] * row["cost_usd"] for row in rows),
        "most_used": used[:limit],
    }


def stats_lines(found: dict[str, Any], width: int) -> list[str]:
    """The totals of `trace_sums` in words, and the runs that were replayed most."""
    statuses = ", ".join(f"{count} {status}" for status, count in found["by_status"].items())
    out = [f"{found[word]} {word.replace('_', ' ')}" for word in ("not_approved", "superseded", "retired", "pinned")]
    head = pairs(
        [
            ("traces", f"{found['traces']}: {statuses or 'none'}"),
            ("replayable", f"{found['replayable']} ({', '.join(out)})"),
            ("replays", f"{found['right']} right, {found['wrong']} wrong; {found['never_replayed']} never replayed"),
            ("saved", f"{money(found['saved_usd'])}: each right replay, at what its run had cost"),
        ],
        width,
    )
    return [*head, "", *list_lines(found["most_used"], width)] if found["most_used"] else head
