"""A conversation made short: what a summary is asked for, the digest without a model, and what goes on from it. Pure.

Invariant: what is dropped is only what was said and seen. The system prompt, with core memory and the project's own
instructions, is made anew and is no part of this; every goal of the person stands in a digest in their own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.journal import call_line
from llmos.core.messages import Message, Text, ToolResult, user_text
from llmos.core.trace import shorten

DIGEST_CHARS = 12_000
_GOAL_CHARS = 1_000
_CALL_CHARS = 200
_ANSWER_CHARS = 400
_CALLS_SHOWN = 12

SUMMARY_WANTED = """\
This conversation is about to go on without its messages; only what you write now will be known of it. Call no tool.
Write, in the plainest words and at most 600 words:
- every standing wish of the person (how to work, what to avoid), in their own words;
- what was asked for, what was done and checked, with exact names, paths, numbers and commands;
- what failed or was denied, and why; what is still open.
Leave out greetings, and what can be looked up again in the files."""
_OPENING = """\
[This conversation goes on from an earlier one, of which {by} made this summary. Look again before you rely on it.]

{summary}"""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a conversation holds."""

    messages: int
    tool_outputs: int


def extent_of(messages: Sequence[Message]) -> Extent:
    outputs = sum(isinstance(part, ToolResult) for message in messages for part in message.parts)
    return Extent(len(messages), outputs)


def summary_request(focus: str) -> Message:
    """What a model is asked; `focus` is what the person wants kept above all."""
    return user_text(SUMMARY_WANTED + (f"\nKeep above all: {focus}" if focus else ""))


def compacted(summary: str, by: str) -> tuple[Message, ...]:
    """The conversation that goes on from a summary."""
    return (
        user_text(_OPENING.format(by=by, summary=summary.strip())),
        Message("assistant", (Text("Understood; I go on from this."),)),
    )


def digest_of(messages: Sequence[Message]) -> str:
    """A summary without a model: each goal, the calls made for it, the last words. The latest turns matter most.

    Where it is too long, calls and answers of the earliest turns go first, then the ends of long goals.
    """
    turns = list(_turns(messages))
    goals = [f"- asked: {shorten(' '.join(turn.goal.split()), _GOAL_CHARS)}" for turn in turns]
    details = [turn.details for turn in turns]
    room = DIGEST_CHARS - sum(len(goal) + 1 for goal in goals)
    kept: list[list[str]] = [[] for _ in turns]
    for at in reversed(range(len(turns))):
        size = sum(len(line) + 1 for line in details[at])
        if size > room:
            break
        kept[at], room = details[at], room - size
    lines = [line for goal, more in zip(goals, kept, strict=True) for line in (goal, *more)]
    return "\n".join(_within(lines, DIGEST_CHARS))


@dataclass(slots=True)
class _Turn:
    goal: str
    calls: list[str]
    answer: str = ""

    @property
    def details(self) -> list[str]:
        more = len(self.calls) - _CALLS_SHOWN
        lines = [f"  {call}" for call in self.calls[-_CALLS_SHOWN:]]
        if more > 0:
            lines.insert(0, f"  {more} earlier calls")
        if self.answer:
            lines.append(f"  answered: {shorten(' '.join(self.answer.split()), _ANSWER_CHARS)}")
        return lines


def _turns(messages: Sequence[Message]) -> Iterable[_Turn]:
    turn: _Turn | None = None
    failed = {
        part.call_id: part.is_error for message in messages for part in message.parts if isinstance(part, ToolResult)
    }
    for message in messages:
        if message.role == "user" and message.text:
            if turn is not None:
                yield turn
            turn = _Turn(message.text, [])
        elif turn is not None and message.role == "assistant":
            for call in message.tool_calls:
                line = shorten(" ".join(call_line(call.name, call.args).split()), _CALL_CHARS)
                turn.calls.append(f"{'failed' if failed.get(call.id, True) else 'done'}: {line}")
            turn.answer = message.text or turn.answer
    if turn is not None:
        yield turn


def _within(lines: Sequence[str], room: int) -> list[str]:
    """All lines, each cut so far that together they fit."""
    share = max(40, room // max(1, len(lines)) - 1)
    if sum(len(line) + 1 for line in lines) <= room:
        return list(lines)
    return [shorten(line, share) for line in lines]


def tokens_of(usage: Mapping[str, Any]) -> int:
    """What one model call read and wrote, by the usage of its record."""
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    return sum(int(usage[name]) for name in names)


def context_tokens(records: Iterable[Mapping[str, Any]]) -> int:
    """How much of a model's context the conversation of these records fills, by its last call; 0 when unknown."""
    found = 0
    for record in records:
        match record.get("event"):
            case "model_call_finished":
                found = tokens_of(record["usage"])
            case "conversation_compacted":
                found = 0
    return found
