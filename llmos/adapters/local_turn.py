"""A turn of a small local model: how it is asked for, and how it is read; a command is mended and looked through."""

from __future__ import annotations

import re
import shutil
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from llmos.adapters import local_prompt
from llmos.core.messages import Message, Text, ToolCall, ToolResult
from llmos.core.ports import ModelRequest
from llmos.core.shell_mend import BUILTINS, mended, unrunnable
from llmos.core.tool import ToolSpec

CIRCLES = 8
MENDED_AT_ONCE = 2
"""So many errors of one turn are followed by another call, whatever the model would say."""
MOST_IN_VAIN = 2
"""So many calls that came to nothing are each followed by one that is drawn as if they had not been made."""
_CHANGED = re.compile(r"^\[files: (?!no change)", re.MULTILINE)
"""The note of the engine below the result of a command that changed files."""


_FAILED = re.compile(r"^\[exit code \d+\]$", re.MULTILINE)
_SILENT = re.compile(r"^\[no output\]$", re.MULTILINE)
_CREATED = re.compile(r"^\[files: created [^;]*\]$", re.MULTILINE)
_PRINTS = re.compile(r"(?:^|&&|;|\n)\s*(?:cat|head|tail|less)\b[^|&;\n]*\Z")
"""A command that ends by printing a file."""


def turn_body(request: ModelRequest, body: Mapping[str, Any]) -> dict[str, Any]:
    """What asks for a turn. After a result it may be an answer; after words (a goal, or why an answer was sent back) it
    must be a call, since without one the answer would be worth as little as before. So must it after the first errors.
    """
    asked = {**body, "stop": [local_prompt.END_OF_CALL], "logprobs": True, "top_logprobs": 1}
    results = [part for message in request.messages for part in message.parts if isinstance(part, ToolResult)]
    failed = bool(results) and results[-1].is_error and sum(result.is_error for result in results) <= MENDED_AT_ONCE
    if any(isinstance(part, ToolResult) for part in request.messages[-1].parts) and not failed:
        return {**asked, "grammar": local_prompt.turn_grammar(request.tools)}
    opened = [*body["messages"], {"role": "assistant", "content": local_prompt.FENCE}]
    return {**asked, "messages": opened, "grammar": local_prompt.call_grammar(request.tools)}


def chances(choices: Sequence[str], tokens: Mapping[str, float]) -> dict[str, float]:
    """How likely each choice is, whatever its capitals and the space before it; empty where no token is one of them."""
    said: dict[str, float] = dict.fromkeys(choices, 0.0)
    for token, probability in tokens.items():
        word = token.strip().lower()
        if word in said:
            said[word] += probability
    total = sum(said.values())
    return {word: probability / total for word, probability in said.items()} if total > 0.0 else {}


def read_turn(raw: str, tools: Sequence[ToolSpec], *, cut: bool = False) -> Text | ToolCall:
    """A turn of the model as a part of a message. A call that was cut off carries its problem and must not run."""
    if not raw.startswith(local_prompt.FENCE):
        return Text(raw.strip())
    name, args, problem = local_prompt.read_call(raw, tools)
    if cut:
        args, problem = {}, "the call was cut off before it was complete"
    elif not problem and isinstance(command := args.get("command"), str):
        args["command"] = mended(command)
        problem = unrunnable(args["command"], _is_program)
    return ToolCall(_call_id(), name, args, problem=problem)


def _is_program(name: str) -> bool:
    return name in BUILTINS or shutil.which(name) is not None


def agreed(calls: Sequence[ToolCall]) -> tuple[ToolCall, int]:
    """The call that most of these are, and how many; of equally many the one that came first."""
    counts = Counter(_said(call) for call in calls)
    best = max(counts.values())
    return next(call for call in calls if counts[_said(call)] == best), best


def first_other(call: ToolCall, parts: Sequence[Text | ToolCall], messages: tuple[Message, ...]) -> ToolCall:
    """The first whole call among these that was not made before; `call` where there is none."""
    fit = (part for part in parts if isinstance(part, ToolCall) and not part.problem)
    return next((part for part in fit if not is_repeated(part, messages)), call)


def calls_in_vain(messages: Sequence[Message]) -> list[ToolCall]:
    """The calls since the goal, where every one of them came to nothing; none where one did something, or in words."""
    results = {part.call_id: part for message in messages for part in message.parts if isinstance(part, ToolResult)}
    calls: list[ToolCall] = []
    for message in messages[1:]:
        for part in message.parts:
            if isinstance(part, ToolCall) and part.id in results and _in_vain(part, results[part.id].content):
                calls.append(part)
            elif not isinstance(part, ToolResult):
                return []
    return calls


def without_vain(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation from the first call on that did not come to nothing; all of it where there is none."""
    cuts = [] if calls_in_vain(messages) else range(len(messages) - 2, 2, -2)
    at = next((at for at in cuts if calls_in_vain(messages[:at])), 1)
    return (messages[0], *messages[at:])


def others(parts: Sequence[Text | ToolCall], made: Sequence[ToolCall]) -> list[ToolCall]:
    """The whole calls among these that say something else than those that were made."""
    said = {_said(call) for call in made}
    return [part for part in parts if isinstance(part, ToolCall) and not part.problem and _said(part) not in said]


def _in_vain(call: ToolCall, result: str) -> bool:
    """Whether a command failed, or printed nothing where it was to print, and left the files as they were."""
    command = call.args.get("command")
    if not isinstance(command, str):
        return False
    if _CHANGED.search(result):
        # A file that it made and printed, and that is empty, is nothing either; the next call makes it anew.
        return bool(_SILENT.search(result) and _CREATED.search(result) and _PRINTS.search(command))
    return bool(_FAILED.search(result) or _SILENT.search(result))


def goes_in_circles(text: str) -> bool:
    """Whether the text ends in one piece over and over: left alone, the model writes it up to the output limit."""
    return any(
        text.endswith(text[-size:] * CIRCLES) and text[-size:].strip(" -=#*_.0\n")
        for size in range(4, min(80, len(text) // CIRCLES) + 1)
    )


def _said(call: ToolCall) -> tuple[str, str]:
    return call.name, repr(sorted(call.args.items()))


def is_repeated(call: ToolCall, messages: tuple[Message, ...]) -> bool:
    """Whether this very call was made and answered, and nothing was changed since: then it would give the same."""
    results = {
        part.call_id: part.content for message in messages for part in message.parts if isinstance(part, ToolResult)
    }
    made = [part for message in messages for part in message.parts if isinstance(part, ToolCall) and part.id in results]
    for earlier in reversed(made):
        if earlier.name == call.name and dict(earlier.args) == dict(call.args):
            return True
        if earlier.name in ("write_file", "edit_file") or _CHANGED.search(results[earlier.id]):
            return False
    return False


def _call_id() -> str:
    return f"local_{uuid.uuid4().hex[:16]}"
