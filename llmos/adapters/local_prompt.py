"""What a small local model is shown, and what it may answer: pure functions, no runtime.

A call is a fenced block: its first word names the tool, its body is the argument as it is written. Inside a JSON string
a model this small stumbles over quotes and backslashes, and every escape is read and written at the price of a token.

Invariant: `build_messages` of a longer conversation starts with the messages of the shorter one, as long as it
fits the context, so that the runtime's prefix cache serves all but the newest turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from llmos.core.messages import Message, ToolCall, ToolResult
from llmos.core.ports import Example, ModelRequest
from llmos.core.tool import ToolSpec

FENCE = "```"
END_OF_CALL = f"\n{FENCE}"
"""What ends a call; the model's output never holds it."""
RESULT_CHARS = 1_500
OLD_RESULT_CHARS = 200
CHARS_PER_TOKEN = 3
"""Low on purpose: code and paths give fewer characters a token than prose."""

_MOST_RAW = 2
_MARKS = re.compile(
    r"[<\[]/?(\|[\w.-]{1,40}\||s|/s|INST|SYS|start_of_turn|end_of_turn|TOOL_CALLS|AVAILABLE_TOOLS)[>\]]"
)

ChatMessage = dict[str, str]

_RULES = """You do tasks on a Linux computer. You work in the current folder.
For each task write one call in a code block, whose first word names the tool. You are then shown
the output. If the task is not done, write the next call; else state the result in one short sentence.

Tools:
"""

_CLOSING = """
Rules:
- Use names, numbers and texts exactly as the task gives them.
- State only what the output shows. If a command failed, mend it.
- Do the whole task, and nothing that it does not ask for. Keep what it says to keep.
- For a question, change no file: only print the answer."""

_WORDS: Mapping[str, str] = {"shell": "bash"}
"""What a tool is called in a fence: the word that the model has seen there a million times."""

_HINTS: Mapping[str, str] = {
    "shell": r"""
Shell hints:
- add a line at the end: printf '%s\n' "text" >> file    at the top: sed -i '1i text' file
- set a value, whatever it was: sed -i 's/^key:.*/key: value/' file    delete lines: sed -i '/word/d' file
- change text in all files below: find . -name '*.txt' -exec sed -i 's/old/new/g' {} +
- brackets have a meaning in a pattern: write \[x\] for [x]
- count lines: wc -l < file    lines of each file: wc -l *.txt | grep -v total | sort -rn    one line: sed -n '7p' file
- count files: find . -type f -name '*.py' | wc -l    count folders: find dir -mindepth 1 -maxdepth 1 -type d | wc -l
- different values in a column: awk '{print $1}' file | sort -u | wc -l    most often: sort f | uniq -c | sort -rn
- words by how often: tr -cs '[:alpha:]' '\n' < f | tr '[:upper:]' '[:lower:]' | sort | uniq -c | sort -rn | head -n 3
- same content: md5sum dir/* | sort | uniq -w32 -D    date of a file: stat -c '%y' file    target of a link: readlink l
- space of folders: du -sb dir/*/ | sort -rn
- act on what find finds: find a -type f -size +1000c -exec mv -t b {} +    where defined: grep -rn "class Name" .
- find a word: grep -rn "word" .    files with it: grep -rl "word" .    one or the other: grep -E 'one|two' file
- lines only, without file names: grep -h "word" dir/*.c    any case: grep -i, sort -f    in a .gz: zgrep -c "word" f.gz
- pull out a pattern: grep -oE '[[:alnum:].]+@[[:alnum:].-]+' file    lines in both: grep -Fxf a b
- all but one: find . -maxdepth 1 -name '*.x' ! -name 'keep.x' -delete    to lower case: "${f,,}"
- rename many: for f in *.txt; do mv -- "$f" "${f%.txt}.md"; done
- a piece of a name: y=$(echo "$f" | grep -oE '[0-9]{4}')
- move lines: grep 'word' a > b && sed -i '/word/d' a    number lines: awk '{print NR ". " $0}' f
- sort a file in place: sort -o file file    join tables: cat a.csv > c.csv; tail -n +2 b.csv >> c.csv
- rows of a table with its header: awk -F, 'NR==1 || $2=="x"' a.csv > b.csv    one column: cut -d, -f2 file
- a sum: awk -F, 'NR>1 {s+=$2} END {print s}' file
- the row with the most: tail -n +2 f.csv | sort -t, -k2 -rn | head -n 1
- change JSON: python3 -c "import json; d=json.load(open('f')); d['k']='v'; json.dump(d, open('f','w'), indent=2)"
- pack without a folder: tar --exclude=dir -czf a.tar.gz src    largest: find . -type f -printf '%s %p\n' | sort -rn
- git: the files of a commit: git show --name-only --format= HEAD    new: git status --short""",
    "write_file": """
- write_file replaces the whole file and its content is written as it is: never put a command into it. To add to a
  file or to change a part of it, use the shell.""",
}


def build_messages(request: ModelRequest, context_chars: int = 18_000) -> list[ChatMessage]:
    """The chat to send: system, examples, conversation. Results are shortened, more so when it would not fit."""
    system = system_prompt(request.system, request.tools)
    examples = [turn for example in request.examples for turn in _example_turns(example, request.tools)]
    for limit, shown in ((RESULT_CHARS, examples), (OLD_RESULT_CHARS, examples), (OLD_RESULT_CHARS, [])):
        conversation = _conversation(request.messages, limit, request.tools)
        chat = _alternating([*shown, *conversation])
        if len(system) + sum(len(turn["content"]) for turn in chat) <= context_chars:
            break
    whole = [{"role": "system", "content": system}, *chat] if system else chat
    return [{**turn, "content": without_marks(turn["content"])} for turn in whole]


def without_marks(text: str) -> str:
    """The text without what a chat template marks turns with: a file that holds `<|im_start|>` begins no turn."""
    return _MARKS.sub(r"< \1 >", text) if "<" in text or "[" in text else text


def system_prompt(own: str, tools: Sequence[ToolSpec]) -> str:
    """The caller's system prompt, after the tool protocol when there are tools."""
    if not tools:
        return own
    lines = [f"- {_word(spec.name)}: {_first_sentence(spec.description)} {_body_of(spec)}" for spec in tools]
    hints = "".join(hint for name, hint in _HINTS.items() if any(spec.name == name for spec in tools))
    text = _RULES + "\n".join(lines) + _CLOSING + hints
    return f"{text}\n\n{own}" if own else text


def call_grammar(tools: Sequence[ToolSpec]) -> str:
    """GBNF of a turn that must be a call, behind the fence that opens it: the tool's name first, then its arguments."""
    return f"root ::= ({_names(tools)}) " + r'"\n" [^\x00]*'


def turn_grammar(tools: Sequence[ToolSpec]) -> str:
    """GBNF of a turn that is a call or an answer."""
    return f'root ::= "{FENCE}" ({_names(tools)}) ' + r'"\n" [^\x00]* | ("`" "`"?)? [^`\x00] [^\x00]*'


ANSWER_GRAMMAR = r'root ::= ("`" "`"?)? [^`\x00] [^\x00]*'
"""GBNF of a turn that ends the conversation."""


def render_call(tool: str, args: Mapping[str, Any], tools: Sequence[ToolSpec]) -> str:
    """The call as the model writes it."""
    raw = next((_raw_arguments(spec) for spec in tools if spec.name == tool), ())
    if raw and set(args) <= set(raw):
        body = "\n".join(str(args.get(name, "")) for name in raw)
    else:
        body = json.dumps(dict(args), ensure_ascii=False)
    return f"{FENCE}{_word(tool)}\n{body}{END_OF_CALL}"


def read_call(block: str, tools: Sequence[ToolSpec]) -> tuple[str, dict[str, Any], str]:
    """Tool, arguments and problem of a fenced block without its end; a call with a problem must not run."""
    word, _, body = block.removeprefix(FENCE).partition("\n")
    spec = next((spec for spec in tools if _word(spec.name) == word.strip()), None)
    if spec is None:
        return word.strip(), {}, "there is no such tool"
    if raw := _raw_arguments(spec):
        parts = body.split("\n", len(raw) - 1)
        if len(parts) < len(raw):
            return spec.name, {}, f"the block must hold {' and '.join(raw)}, the first on a line of its own"
        return spec.name, dict(zip(raw, parts, strict=True)), ""
    try:
        return spec.name, dict(json.loads(body)), ""
    except (ValueError, TypeError):
        return spec.name, {}, "the block is not one JSON object of arguments"


def visible_answer(raw: str) -> str:
    """As much of an unfinished turn as is an answer: nothing of a call."""
    return "" if FENCE.startswith(raw[: len(FENCE)]) else raw


def shorten(text: str, limit: int) -> str:
    """Head and tail of a long text, with what is left out named between them."""
    text = text.strip()
    if len(text) <= limit:
        return text or "(no output)"
    head = limit * 2 // 3
    tail = limit - head
    return f"{text[:head]}\n[... {len(text) - limit} characters left out ...]\n{text[-tail:]}"


def _names(tools: Sequence[ToolSpec]) -> str:
    return " | ".join(json.dumps(_word(spec.name)) for spec in tools)


def _word(tool: str) -> str:
    return _WORDS.get(tool, tool)


def _raw_arguments(spec: ToolSpec) -> tuple[str, ...]:
    """The arguments that a block holds as they are: one text, or a line and then a text; none where it holds JSON."""
    required = tuple(spec.input_schema.get("required", ()))
    texts = all(spec.input_schema["properties"][name].get("type") == "string" for name in required)
    return required if texts and 1 <= len(required) <= _MOST_RAW else ()


def _body_of(spec: ToolSpec) -> str:
    if raw := _raw_arguments(spec):
        return f"The block holds the {', then on the next lines the '.join(raw)}."
    return f"The block holds one JSON object with {_parameters(spec.input_schema)}."


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
    turns = [_user(f"Task: {example.goal}")]
    for step in example.steps:
        turns.append(_assistant(render_call(step.tool, step.args, tools)))
        turns.append(_user(f"Output:\n{shorten(step.saw, OLD_RESULT_CHARS)}"))
    turns.append(_assistant(example.answer))
    return turns


def _conversation(messages: Sequence[Message], limit: int, tools: Sequence[ToolSpec]) -> list[ChatMessage]:
    turns = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolResult):
                word = "Error" if part.is_error else "Output"
                turns.append(_user(f"{word}:\n{shorten(part.content, limit)}"))
            elif isinstance(part, ToolCall):
                turns.append(_assistant(render_call(part.name, part.args, tools)))
            elif part.text.strip():
                turns.append({"role": message.role, "content": part.text})
    return turns


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
