"""A session as a Markdown document: what was asked, decided, done and answered."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmos.core.errors import StoreError, UsageError
from llmos.core.event_records import unnested
from llmos.interfaces.call_view import call_details, call_subject, money
from llmos.interfaces.printable import one_line, printable
from llmos.memory.files import show_path, write_once
from llmos.memory.sessions import SessionSummary

_OUTPUT_LINES = 200


def session_markdown(session: SessionSummary, records: Sequence[Mapping[str, Any]]) -> str:
    """The document. Raises StoreError for records that no transcript has."""
    began, ended = (stamp[:16].replace("T", " ") for stamp in (session.started, session.last))
    head = [
        f"# llmos session {session.id}",
        "",
        f"{began} to {ended} UTC · {session.turns} turns · cost {money(session.cost_usd)} · "
        f"saved {money(session.saved_usd)} · {session.model_calls} model calls · in `{session.cwd}`",
    ]
    try:
        lines = [*head, *(line for record in records for line in _told(record))]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{show_path(session.path)} is not a readable transcript: {error!r}") from None
    return printable("\n".join(lines)) + "\n"


def write_export(path: Path, text: str) -> None:
    """Raises UsageError for a file that exists already, StoreError."""
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {show_path(path.parent)} to write {show_path(path.name)} to")
    if os.path.lexists(path):
        raise UsageError(f"{show_path(path)} exists already; give another name")
    write_once(path, text.encode("utf-8", "replace"))


def _told(record: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a record; a sub-goal is a section of its turn."""
    if record["event"] != "nested":
        yield from _lines(record)
        return
    for line in _lines(unnested(record)):
        begins = record["kind"] == "turn_started" and line.startswith("## ")
        yield f"### {record['parent']}: {line.removeprefix('## ')}" if begins else line


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    match record["event"]:
        case "turn_started":
            first, *rest = str(record["goal"]).split("\n")
            yield from ("", f"## {one_line(first)}", *([""] if rest else []), *(f"> {line}" for line in rest))
        case "plan_made":
            trace = f" `{record['trace_id']}`" if record["trace_id"] else ""
            yield from ("", f"*{record['mode']}*{trace}: {one_line('; '.join(record['reasons']))}")
        case "message_added" if record["message"]["role"] == "assistant":
            parts = record["message"]["parts"]
            if any(part["type"] == "ToolCall" for part in parts):
                words = "\n".join(part["text"] for part in parts if part["type"] == "Text").strip()
                yield from (("", words) if words else ())
        case "permission_decided" if record["verdict"] == "deny":
            yield from ("", f"Not allowed: `{record['tool']}` ({one_line(record['reason'])})")
        case "tool_started":
            tool, args = str(record["tool"]), record["args"]
            how = "Replayed" if record["replayed"] else "Ran"
            yield from ("", f"{how} `{tool}`:", "")
            yield from _fenced([call_subject(tool, args), *call_details(tool, args, limit=_OUTPUT_LINES)])
        case "tool_finished":
            output = str(record["output"]).rstrip("\n")
            code = "" if record["exit_code"] is None else f", exit code {record['exit_code']}"
            yield from ("", f"{'It gave' if record['ok'] else 'It failed'}{code}:", "")
            lines = output.split("\n")
            more = len(lines) - _OUTPUT_LINES
            yield from _fenced([*lines[:_OUTPUT_LINES], *([f"… {more} more lines"] if more > 0 else [])])
        case "agent_asked":
            yield from ("", f"Asked the agent `{record['agent']}`{' again' if record['turn'] > 1 else ''}.")
        case "conversation_compacted":
            yield from ("", f"The conversation went on from a summary by {record['by']}:", "", str(record["summary"]))
        case "turn_undone":
            paths = ", ".join([*record["restored"], *record["removed"]])
            yield from ("", f"Undone for {one_line(repr(record['goal']))}: {one_line(paths)}")
        case "turn_ended":
            yield from (("", str(record["answer"]).rstrip("\n")) if record["answer"] else ())
            reason = f": {one_line(record['reason'])}" if record["reason"] else ""
            yield from (
                "",
                f"**{record['outcome']}**{reason} · {record['mode']} · cost {money(float(record['cost_usd']))} · "
                f"{record['model_calls']} model calls",
            )


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    """As code, in a fence that no line of it can close."""
    text = "\n".join(lines)
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * max(3, longest + 1)
    yield from (fence + "text", text, fence)
