"""What a small local model is shown, and what it may answer: pure functions, no runtime.

Invariant: `build_messages` of a longer conversation starts with the messages of the shorter one, as long as it
fits the context, so that the runtime's prefix cache serves all but the newest turn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmos.core.messages import Message, Text, ToolCall, ToolResult
from llmos.core.ports import Example, ModelRequest
from llmos.core.tool import ToolSpec

FINAL_ANSWER = "final_answer"
RESULT_CHARS = 1_500
OLD_RESULT_CHARS = 200
CHARS_PER_TOKEN = 3
"""Low on purpose: code and paths give fewer characters a token than prose."""

ChatMessage = dict[str, str]

_RULES = """You reach the user's goal on a Linux computer by calling tools. You work in the current folder.
Each of your turns is one JSON object: {"tool": "<name>", "args": {...}}
Call one tool, read its result, then call the next one. When the goal is reached, call final_answer.

Tools:
"""

_CLOSING = """
Rules:
- Use names, numbers and texts exactly as the goal gives them.
- Before you change a value whose present text you have not seen, show the file with cat.
- In final_answer, state what the results show. If a command failed, say that it failed. Never make up a result.
- Never repeat a call that already worked.
- For a question, change no file: only print. Never send the output of a command to the file that it reads."""

_HINTS: Mapping[str, str] = {
    "shell": """
Shell hints:
- add a line to the end of a file: printf '%s\\n' "text" >> file
- set a value, whatever it was: sed -i 's/^key:.*/key: value/' file    delete lines: sed -i '/word/d' file
- change text in all files below: find . -name '*.txt' -exec sed -i 's/old/new/g' {} +
- count lines: wc -l < file    lines of each file: wc -l *.txt | sort -rn    one line: sed -n '7p' file
- count files: find . -type f -name '*.py' | wc -l    count folders: find dir -mindepth 1 -maxdepth 1 -type d | wc -l
- different values in a column: awk '{print $1}' file | sort -u | wc -l    most often: sort f | uniq -c | sort -rn
- same content: md5sum dir/* | sort    date of a file: stat -c '%y' file    target of a link: readlink link
- space of folders: du -sb dir/*/ | sort -rn    to lower case: "${f,,}"
- act on what find finds: find a -type f -size +1000c -exec mv -t b {} +    where defined: grep -rn "class Name" .
- find a word: grep -rn "word" .    find a file: find . -name 'name'
- rename many: for f in *.txt; do mv -- "$f" "${f%.txt}.md"; done
- sort a file in place: sort -o file file    join tables: cat a.csv > c.csv; tail -n +2 b.csv >> c.csv
- a sum: awk -F, 'NR>1 {s+=$2} END {print s}' file    one column: cut -d, -f2 file
- largest files: find . -type f -printf '%s %p\\n' | sort -rn | head -n 3""",
    "write_file": """
- write_file replaces the whole file and its content is written as it is: never put a command into it. To add to a
  file or to change a part of it, use the shell.""",
}


def build_messages(request: ModelRequest, context_chars: int = 18_000) -> list[ChatMessage]:
    """The chat to send: system, examples, conversation. Results are shortened, more so when it would not fit."""
    system = system_prompt(request.system, request.tools)
    examples = [turn for example in request.examples for turn in _example_turns(example, request.tools)]
    for limit, shown in ((RESULT_CHARS, examples), (OLD_RESULT_CHARS, examples), (OLD_RESULT_CHARS, [])):
        conversation = _conversation(request.messages, limit, bool(request.tools))
        chat = _alternating([*shown, *conversation])
        if len(system) + sum(len(turn["content"]) for turn in chat) <= context_chars:
            break
    return [{"role": "system", "content": system}, *chat] if system else chat


def system_prompt(own: str, tools: Sequence[ToolSpec]) -> str:
    """The caller's system prompt, after the tool protocol when there are tools."""
    if not tools:
        return own
    lines = [f"- {spec.name}({_parameters(spec.input_schema)}): {_first_sentence(spec.description)}" for spec in tools]
    lines.append(f"- {FINAL_ANSWER}(answer): Tell the user the result and finish.")
    hints = "".join(hint for name, hint in _HINTS.items() if any(spec.name == name for spec in tools))
    text = _RULES + "\n".join(lines) + _CLOSING + hints
    return f"{text}\n\n{own}" if own else text


def turn_schema(tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """JSON Schema of one turn: the tool's name first, then exactly that tool's arguments."""
    choices = [_choice(spec.name, _plain(spec.input_schema)) for spec in tools]
    return {"anyOf": [*choices, answer_schema()]}


def answer_schema() -> dict[str, Any]:
    """JSON Schema of the turn that ends the conversation."""
    arguments = {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    return _choice(FINAL_ANSWER, arguments)


def render_call(tool: str, args: Mapping[str, Any]) -> str:
    return json.dumps({"tool": tool, "args": dict(args)}, ensure_ascii=False)


def shorten(text: str, limit: int) -> str:
    """Head and tail of a long text, with what is left out named between them."""
    text = text.strip()
    if len(text) <= limit:
        return text or "(no output)"
    head = limit * 2 // 3
    tail = limit - head
    return f"{text[:head]}\n[... {len(text) - limit} characters left out ...]\n{text[-tail:]}"


def partial_answer(raw: str) -> str:
    """As much of the answer as an unfinished `final_answer` turn holds."""
    start = raw.find('"answer"')
    if FINAL_ANSWER not in raw[: max(start, 0)]:
        return ""
    opening = raw.find('"', raw.find(":", start + len('"answer"')) + 1)
    if raw.find(":", start + len('"answer"')) < 0 or opening < 0:
        return ""
    body = raw[opening + 1 :]
    end = _string_end(body)
    try:
        text = str(json.loads(f'"{body[:end]}"', strict=False))
    except ValueError:
        return ""
    # The first half of a character that JSON writes as two escapes cannot be shown.
    return text[:-1] if "\ud800" <= text[-1:] <= "\udbff" else text


def _string_end(body: str) -> int:
    """Where the JSON string ends, or where its last whole character does."""
    at = 0
    while at < len(body):
        if body[at] == '"':
            return at
        width = 1 if body[at] != "\\" else 6 if body[at + 1 : at + 2] == "u" else 2
        if at + width > len(body):
            return at
        at += width
    return at


def _choice(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"tool": {"const": name}, "args": arguments},
        "required": ["tool", "args"],
        "additionalProperties": False,
    }


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without the words that the grammar has no use for, and without limits to play with."""
    dropped = {"title", "description", "default", "examples"}
    properties = {
        name: {key: value for key, value in facts.items() if key not in dropped}
        for name, facts in _shown(schema).items()
    }
    return {**{key: value for key, value in schema.items() if key not in dropped}, "properties": properties}


def _parameters(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    return ", ".join(name if name in required else f"{name}?" for name in _shown(schema))


def _shown(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The parameters that a small model sees: it fills in an optional number because it is there."""
    required = schema.get("required", ())
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    return {name: facts for name, facts in properties.items() if name in required or not _is_number(facts)}


def _is_number(facts: Mapping[str, Any]) -> bool:
    kinds = [facts, *facts.get("anyOf", ())]
    return any(kind.get("type") in ("integer", "number") for kind in kinds)


def _first_sentence(description: str) -> str:
    first = " ".join(description.split("\n\n")[0].split())
    return first.split(". ")[0].rstrip(".") + "."


def _example_turns(example: Example, tools: Sequence[ToolSpec]) -> list[ChatMessage]:
    """A solved goal as turns; nothing when it used a tool that is not at hand."""
    names = {spec.name for spec in tools}
    if any(step.tool not in names for step in example.steps):
        return []
    turns = [_user(example.goal)]
    for step in example.steps:
        turns.append(_assistant(render_call(step.tool, step.args)))
        turns.append(_user(f"Result:\n{shorten(step.saw, OLD_RESULT_CHARS)}"))
    turns.append(_assistant(render_call(FINAL_ANSWER, {"answer": example.answer})))
    return turns


def _conversation(messages: Sequence[Message], limit: int, with_tools: bool) -> list[ChatMessage]:
    turns = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolResult):
                word = "Error" if part.is_error else "Result"
                turns.append(_user(f"{word}:\n{shorten(part.content, limit)}"))
            elif isinstance(part, ToolCall):
                turns.append(_assistant(render_call(part.name, part.args)))
            elif part.text.strip():
                turns.append(_text_turn(message.role, part, with_tools))
    return turns


def _text_turn(role: str, part: Text, with_tools: bool) -> ChatMessage:
    if role == "user":
        return _user(part.text)
    return _assistant(render_call(FINAL_ANSWER, {"answer": part.text}) if with_tools else part.text)


def _alternating(turns: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Neighbours of one role joined: chat templates expect the roles to take turns."""
    chat: list[ChatMessage] = []
    for turn in turns:
        if chat and chat[-1]["role"] == turn["role"]:
            chat[-1] = {**turn, "content": f"{chat[-1]['content']}\n\n{turn['content']}"}
        else:
            chat.append(turn)
    return chat


def _user(content: str) -> ChatMessage:
    return {"role": "user", "content": content}


def _assistant(content: str) -> ChatMessage:
    return {"role": "assistant", "content": content}
