"""A conversation out of the records of its transcript, so that another process can go on with it. Pure.

Invariant: what comes back may be sent to any model. Every tool call has its result, roles alternate, and no content
block of a server (`Message.wire`) is kept: thinking blocks are bound to a system prompt that this process may not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from llmos.core.compaction import compacted
from llmos.core.dataclass import dataclass
from llmos.core.messages import Message, Part, StopReason, Text, ToolCall, ToolResult, user_text

TYPED = "typed-"
"""Ids of calls that a person typed; of those that a model learns nothing of: TYPED_ALONE."""
TYPED_ALONE = "alone-"
UNKNOWN_EFFECT = "interrupted, effect unknown: look before you do it again"
NOT_RUN = "not run: the turn was interrupted before it"
_OWN_END = frozenset({StopReason.END_TURN, StopReason.STOP_SEQUENCE, StopReason.TOOL_USE})


@dataclass(slots=True)
class _Turn:
    goal: str
    messages: list[Message] = field(default_factory=list)
    started: dict[str, str] = field(default_factory=dict)
    """Calls that began and did not end: id and tool."""
    finished: dict[str, ToolResult] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    """Replayed steps that ended, one line each; no message holds them."""
    stop_reason: str = ""


def conversation_of(records: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The messages of a session from the records of its transcript, in order.

    A turn that ended by itself comes back whole, a replay as its goal and answer, and a turn that ended otherwise as
    its goal and how it ended. A turn that was interrupted, or has no end, keeps what it had done; a call that had
    started is answered "interrupted, effect unknown". Raises ValueError, KeyError or TypeError for records that no
    transcript has.
    """
    conversation: list[Message] = []
    turn: _Turn | None = None
    typed = ""
    for record in records:
        match record["event"]:
            case "turn_started":
                if turn is not None:
                    conversation += _cut_off(turn, "the process ended in the middle of this turn")
                turn = _Turn(str(record["goal"]))
            case "turn_ended" if turn is not None:
                conversation += _ended(turn, record)
                turn = None
            case "conversation_compacted":
                conversation = list(compacted(str(record["summary"]), str(record["by"])))
            case "tool_started" if turn is None and str(record["call_id"]).startswith(TYPED):
                typed = str(record["args"]["command"])
            case "tool_finished" if turn is None and str(record["call_id"]).startswith(TYPED):
                conversation += typed_messages(typed, str(record["output"]))
            case "turn_undone" if turn is None:
                conversation += undone_messages(str(record["goal"]), record["restored"], record["removed"])
            case _ if turn is not None:
                _take(turn, record)
    if turn is not None:
        conversation += _cut_off(turn, "the process ended in the middle of this turn")
    return tuple(conversation)


def typed_messages(command: str, output: str) -> list[Message]:
    """What a model is told of a command that the person ran."""
    return [user_text(f"[I ran a command myself]\n$ {command}\n{output}"), _said("Noted.")]


def undone_messages(goal: str, restored: Sequence[str], removed: Sequence[str]) -> list[Message]:
    """What a model is told of an undo."""
    parts = [f"brought back: {', '.join(restored)}"] if restored else []
    parts += [f"removed: {', '.join(removed)}"] if removed else []
    return [user_text(f"[I took back what you did to files for {goal!r}; {'; '.join(parts)}]"), _said("Noted.")]


def message_of(record: Mapping[str, Any]) -> Message:
    """The message that `events.message_record` wrote, without its wire form."""
    role = record["role"]
    if role not in ("user", "assistant"):
        raise ValueError(f"{role!r} is no role")
    return Message(role, tuple(_part(part) for part in record["parts"]))


def _part(data: Mapping[str, Any]) -> Part:
    match data["type"]:
        case "Text":
            return Text(str(data["text"]))
        case "ToolCall":
            return ToolCall(str(data["id"]), str(data["name"]), dict(data["args"]), str(data["problem"]))
        case "ToolResult":
            return ToolResult(str(data["call_id"]), str(data["content"]), data["is_error"] is True)
    raise ValueError(f"{data['type']!r} is no part of a message")


def _take(turn: _Turn, record: Mapping[str, Any]) -> None:
    match record["event"]:
        case "message_added":
            message = message_of(record["message"])
            if message.parts:
                turn.messages.append(message)
        case "model_call_finished":
            turn.stop_reason = str(record["stop_reason"])
        case "tool_started":
            turn.started[str(record["call_id"])] = str(record["tool"])
        case "tool_finished":
            call = str(record["call_id"])
            tool = turn.started.pop(call, str(record["tool"]))
            output, ok = str(record["output"]), record["ok"] is True
            turn.finished[call] = ToolResult(call, output, not ok)
            turn.done.append(f"{'done' if ok else 'failed'}: {tool}")


def _ended(turn: _Turn, record: Mapping[str, Any]) -> list[Message]:
    outcome, reason = str(record["outcome"]), str(record["reason"])
    if outcome == "interrupted":
        return _cut_off(turn, reason)
    last = turn.messages[-1] if turn.messages else None
    if last is not None and last.role == "assistant" and last.text and not last.tool_calls:
        if turn.stop_reason in _OWN_END:
            return turn.messages
    elif last is None and outcome == "ok":
        return [user_text(turn.goal), _said(str(record["answer"]) or "Done.")]
    return [user_text(turn.goal), _said(f"[this turn ended {outcome}: {reason}]")]


def _cut_off(turn: _Turn, reason: str) -> list[Message]:
    """The turn with every call answered and a last word that says what is not known."""
    messages = turn.messages or [user_text(turn.goal)]
    if calls := messages[-1].tool_calls:
        messages = [*messages, Message("user", tuple(_result(turn, call) for call in calls))]
    elif messages[-1].role == "assistant":
        messages = [*messages, user_text("[stopped]")]
    facts = [f"this turn was interrupted: {reason}"]
    if not turn.messages:
        facts += turn.done
    facts += [f"{tool} had started; its effect is unknown" for tool in turn.started.values()]
    return [*messages, _said(f"[{'; '.join(facts)}]")]


def _result(turn: _Turn, call: ToolCall) -> ToolResult:
    if call.id in turn.finished:
        return turn.finished[call.id]
    return ToolResult(call.id, UNKNOWN_EFFECT if call.id in turn.started else NOT_RUN, is_error=True)


def _said(text: str) -> Message:
    return Message("assistant", (Text(text),))
