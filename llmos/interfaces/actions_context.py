"""What a session costs and what fills the context of its conversation: shared by the command line and the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llmos.app import App
from llmos.core.compaction import context_tokens, extent_of
from llmos.core.messages import Message, Text, ToolCall, ToolResult
from llmos.core.stats import sums
from llmos.interfaces.call_view import money
from llmos.interfaces.layout import pairs
from llmos.interfaces.printable import one_line
from llmos.memory.project_words import project_files
from llmos.memory.sessions import SessionSummary, facts_of


def cost_lines(session: SessionSummary, width: int) -> list[str]:
    """What a session spent and saved, by how its turns were run. Raises StoreError."""
    total = sums(facts_of(session.path)[0])
    modes = ", ".join(f"{count} {mode or 'undecided'}" for mode, count in sorted(total.modes.items()))
    rows = [
        ("session", f"{session.id}, {_counted(session.turns, 'turn')} ({modes})" if modes else session.id),
        ("cost", f"{money(session.cost_usd)} for {_counted(session.model_calls, 'model call')}"),
        ("saved", f"{money(session.saved_usd)} by {_counted(total.replayed, 'replay')}"),
        ("tokens", f"{total.tokens_in:,} in (cached ones among them), {total.tokens_out:,} out"),
    ]
    return pairs(rows, width)


def context_lines(app: App, messages: Sequence[Message], tokens: int, width: int) -> list[str]:
    """What the conversation holds, and how much of the model's context it fills."""
    model, _ = app.models.choice
    limit = app.models.context_limit
    share = f" of {limit:,} ({100 * tokens / limit:.0f} %)" if limit else ""
    filled = f"{tokens:,} tokens{share} at the last model call" if tokens else "no model call yet"
    extent = extent_of(messages)
    kinds = _characters(messages)
    core = app.record.memory.core_text()
    rows = [
        ("model", model or "none"),
        ("context", filled),
        ("compacted at", f"{100 * app.config.settings.context.compact_at:.0f} % by itself, or by /compact"),
        ("messages", f"{extent.messages}, with {extent.tool_outputs} outputs of tools"),
        *((kind, f"{count:,} characters") for kind, count in kinds.items() if count),
        ("always there", f"core memory, {len(core):,} characters{_project(app.cwd)}"),
    ]
    return pairs(rows, width)


def tokens_on_record(app: App, session: SessionSummary) -> int:
    """What the conversation of a session filled at its last model call. Raises StoreError."""
    return context_tokens(app.sessions.records(session.id))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _project(cwd: Path) -> str:
    files = project_files(cwd)
    return "".join(f"; {one_line(file.about)}" for file in files)


def _characters(messages: Sequence[Message]) -> dict[str, int]:
    found = {"goals": 0, "words": 0, "calls": 0, "outputs": 0}
    for message in messages:
        for part in message.parts:
            match part:
                case Text():
                    found["goals" if message.role == "user" else "words"] += len(part.text)
                case ToolCall():
                    found["calls"] += len(str(dict(part.args)))
                case ToolResult():
                    found["outputs"] += len(part.content)
    return found
