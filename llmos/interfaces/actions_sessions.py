"""What can be done with sessions, without a command line: the commands and the prompt's slash commands call this."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmos.core.errors import StoreError
from llmos.core.event_records import unnested
from llmos.interfaces.call_view import call_subject, money
from llmos.interfaces.layout import cards, table, wrapped
from llmos.interfaces.printable import one_line
from llmos.memory.files import show_path
from llmos.memory.sessions import SessionSummary

OUTPUT_LINES = 8
"""How much of a tool's output is shown of a session."""


def size_words(count: int) -> str:
    """Bytes as a person reads them."""
    if count < 1_000:
        return f"{count} B"
    for unit, size in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if count < size * 1_000 or unit == "GB":
            break
    return f"{count / size:.0f} {unit}" if unit == "kB" else f"{count / size:.1f} {unit}"


def session_row(session: SessionSummary) -> dict[str, Any]:
    """The JSON-ready record of one session."""
    return {
        "id": session.id,
        "path": str(session.path),
        "state": session.state.value,
        "started": session.started,
        "last": session.last,
        "turns": session.turns,
        "first_goal": session.first_goal,
        "last_goal": session.last_goal,
        "cwd": session.cwd,
        "cost_usd": session.cost_usd,
        "saved_usd": session.saved_usd,
        "model_calls": session.model_calls,
        "bytes": session.bytes,
        "agents": list(session.agents),
    }


def list_lines(sessions: Sequence[SessionSummary], width: int) -> list[str]:
    """The sessions as a table, the one used last at the end; two lines each on a narrow screen."""
    if not sessions:
        return []
    titles = ("ID", "LAST", "STATE", "TURNS", "COST", "SAVED", "SIZE", "FIRST GOAL")
    rows = [
        (
            session.id,
            _minute(session.last),
            session.state.value,
            str(session.turns),
            money(session.cost_usd),
            money(session.saved_usd),
            size_words(session.bytes),
            one_line(session.first_goal, 0 if width else 100),
        )
        for session in sessions
    ]
    made = table(titles, rows, width, right=(3, 4, 5, 6))
    if made is not None:
        return made
    heads = [
        (f"{row[0]}  {row[1]} · {row[2]} · {_turns(session.turns)} · cost {row[4]} · {row[6]}", row[7])
        for session, row in zip(sessions, rows, strict=True)
    ]
    return cards(heads, width)


def _turns(count: int) -> str:
    return f"{count} turn{'s' if count != 1 else ''}"


def show_lines(session: SessionSummary, records: Sequence[Mapping[str, Any]], width: int, *, whole: bool) -> list[str]:
    """A session as a person reads it: each goal, what was decided, what ran, the answer, the cost.

    Raises StoreError for records that no transcript has.
    """
    what = "agent" if session.of else "session"
    head = (
        f"{what} {session.id} · {_minute(session.started)} to {_minute(session.last)} · {session.state.value} · "
        f"{_turns(session.turns)} · cost {money(session.cost_usd)} · saved {money(session.saved_usd)}"
    )
    try:
        lines = [head, *(line for record in records for line in _record_lines(record, whole))]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{show_path(session.path)} is not a readable transcript: {error!r}") from None
    return [piece for line in lines for piece in wrapped(line, width, hang=2)]


def _record_lines(record: Mapping[str, Any], whole: bool) -> Iterator[str]:
    if record["event"] == "nested":
        inner = (line.lstrip("\n") for line in _record_lines(unnested(record), whole))
        yield from (f"  [{record['parent']}] {line}" for line in inner if line)
        return
    match record["event"]:
        case "turn_started":
            first, *rest = str(record["goal"]).split("\n")
            yield ""
            yield f"> {first}"
            yield from (f"  {line}" for line in rest)
        case "plan_made":
            trace = f" · {record['trace_id']}" if record["trace_id"] else ""
            yield f"  {record['mode']}{trace}: {'; '.join(record['reasons'])}"
        case "message_added" if record["message"]["role"] == "assistant":
            parts = record["message"]["parts"]
            if any(part["type"] == "ToolCall" for part in parts):
                words = "\n".join(part["text"] for part in parts if part["type"] == "Text").strip()
                yield from (f"  {line}" for line in words.split("\n") if words)
        case "permission_decided" if record["verdict"] == "deny":
            yield f"  not allowed: {record['tool']} ({record['reason']})"
        case "tool_started":
            yield f"  {'replayed' if record['replayed'] else 'ran'} {record['tool']}: " + call_subject(
                str(record["tool"]), record["args"]
            )
        case "tool_finished":
            yield from _output_lines(record, whole)
        case "agent_asked":
            yield f"  asked {record['agent']}" + (" again" if record["turn"] > 1 else "")
        case "model_call_failed" | "notice":
            yield f"  {record.get('reason') or record.get('text')}"
        case "turn_ended":
            yield from str(record["answer"]).rstrip("\n").split("\n") if record["answer"] else ()
            reason = f": {record['reason']}" if record["reason"] else ""
            yield (
                f"  {record['outcome']}{reason} · {record['mode']} · cost {money(float(record['cost_usd']))} · "
                f"{record['model_calls']} model calls · {float(record['elapsed_s']):.1f} s"
            )


def _output_lines(record: Mapping[str, Any], whole: bool) -> Iterator[str]:
    lines = str(record["output"]).rstrip("\n").split("\n")
    shown = lines if whole else lines[:OUTPUT_LINES]
    if not record["ok"]:
        code = record["exit_code"]
        yield "    failed" if code is None else f"    failed, exit code {code}"
    yield from (f"    {line}" for line in shown if lines != [""])
    if len(shown) < len(lines):
        yield f"    … {len(lines) - len(shown)} more lines (--whole shows them)"


def show_json(session: SessionSummary, records: Sequence[Mapping[str, Any]]) -> str:
    """A session with its records, as one JSON object."""
    return json.dumps({**session_row(session), "records": list(records)}, ensure_ascii=True)


def _minute(stamp: str) -> str:
    """A time of the record, to the minute, UTC."""
    return stamp[:16].replace("T", " ")
