"""What the small model is shown: a stable prefix, bounded results, and a grammar of exactly the tools at hand."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from llmos.adapters.local_model import is_repeated, read_turn
from llmos.adapters.local_prompt import build_messages, partial_answer, shorten, system_prompt, turn_schema
from llmos.core.messages import Message, Text, ToolCall, ToolResult, user_text
from llmos.core.ports import Example, ExampleStep, ModelRequest
from llmos.core.tool import Effect, ToolSpec


def spec(name: str, description: str, **properties: Any) -> ToolSpec:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties)[:1],
        "additionalProperties": False,
    }
    return ToolSpec(name, description, schema, Effect.READ, "0" * 12)


SHELL = spec("shell", "Run a bash command. It has no terminal.", command={"type": "string", "description": "bash"})
READ = spec(
    "read_file",
    "Read a file.",
    path={"type": "string"},
    raw={"type": "boolean", "default": False},
    start={"type": "integer", "default": 1},
    limit={"anyOf": [{"type": "number"}, {"type": "null"}]},
)
GOAL = user_text("how many lines has a.txt?")
CALL = Message("assistant", (ToolCall("c1", "shell", {"command": "wc -l < a.txt"}),))
RESULT = Message("user", (ToolResult("c1", "7\n"),))
EXAMPLE = Example(
    "count the words of b.md",
    (ExampleStep("shell", {"command": "wc -w < b.md"}, "12"),),
    "b.md has 12 words.",
)


def test_a_conversation_is_shown_as_turns_of_json() -> None:
    request = ModelRequest("", (GOAL, CALL, RESULT), (SHELL, READ), examples=(EXAMPLE,))
    system, *turns = build_messages(request)
    assert system == {"role": "system", "content": system_prompt("", (SHELL, READ))}
    assert turns == [
        {"role": "user", "content": "count the words of b.md"},
        {"role": "assistant", "content": '{"tool": "shell", "args": {"command": "wc -w < b.md"}}'},
        {"role": "user", "content": "Result:\n12"},
        {"role": "assistant", "content": '{"tool": "final_answer", "args": {"answer": "b.md has 12 words."}}'},
        {"role": "user", "content": "how many lines has a.txt?"},
        {"role": "assistant", "content": '{"tool": "shell", "args": {"command": "wc -l < a.txt"}}'},
        {"role": "user", "content": "Result:\n7"},
    ]


def test_a_longer_conversation_begins_with_the_shorter_one() -> None:
    answer = Message("assistant", (Text("It has 7 lines."),))
    conversation = (GOAL, CALL, RESULT, answer, user_text("and b.txt?"))
    before: list[dict[str, str]] = []
    for length in range(1, len(conversation) + 1):
        shown = build_messages(ModelRequest("", conversation[:length], (SHELL,), examples=(EXAMPLE,)))
        assert shown[: len(before)] == before
        before = shown


def test_an_example_with_a_tool_that_is_not_at_hand_is_left_out() -> None:
    request = ModelRequest("", (GOAL,), (READ,), examples=(EXAMPLE,))
    assert build_messages(request)[1:] == [{"role": "user", "content": "how many lines has a.txt?"}]


def test_failed_and_empty_results_are_named() -> None:
    failed = Message("user", (ToolResult("c1", "no such file", is_error=True),))
    empty = Message("user", (ToolResult("c1", " \n"),))
    assert build_messages(ModelRequest("", (GOAL, CALL, failed), (SHELL,)))[-1]["content"] == "Error:\nno such file"
    assert build_messages(ModelRequest("", (GOAL, CALL, empty), (SHELL,)))[-1]["content"] == "Result:\n(no output)"


def test_neighbours_of_one_role_are_joined() -> None:
    request = ModelRequest("", (user_text("one"), user_text("two")))
    assert build_messages(request) == [{"role": "user", "content": "one\n\ntwo"}]


def test_a_long_text_keeps_head_and_tail() -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    shown = shorten(text, 300)
    assert shown.startswith("line 0\n") and shown.endswith("line 999")
    assert f"[... {len(text.strip()) - 300} characters left out ...]" in shown


def test_what_does_not_fit_the_context_loses_old_output_then_examples() -> None:
    big = Message("user", (ToolResult("c1", "x" * 5_000),))
    request = ModelRequest("", (GOAL, CALL, big, CALL, big), (SHELL,), examples=(EXAMPLE,))
    fixed = len(system_prompt("", (SHELL,)))
    sizes = [sum(len(turn["content"]) for turn in build_messages(request, fixed + room)) for room in (9_000, 2_000, 10)]
    assert sizes[0] > sizes[1] > sizes[2]
    assert "b.md" in str(build_messages(request, fixed + 2_000))
    assert "b.md" not in str(build_messages(request, fixed + 10))


def test_the_system_prompt_lists_tools_and_only_their_hints() -> None:
    prompt = system_prompt("Working directory: /tmp", (SHELL, READ))
    assert "- shell(command): Run a bash command.\n" in prompt
    assert "- read_file(path, raw?): Read a file.\n" in prompt
    assert "- final_answer(answer): " in prompt
    assert "Shell hints" in prompt
    assert prompt.endswith("\n\nWorking directory: /tmp")
    assert "Shell hints" not in system_prompt("", (READ,))
    assert system_prompt("You are terse.", ()) == "You are terse."


def test_the_grammar_offers_each_tool_with_its_own_arguments_but_no_optional_numbers_and_the_answer() -> None:
    assert turn_schema((READ,)) == {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "tool": {"const": "read_file"},
                    "args": {
                        "type": "object",
                        "properties": {"path": {"type": "string"}, "raw": {"type": "boolean"}},
                        "required": ["path"],
                        "additionalProperties": False,
                    },
                },
                "required": ["tool", "args"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {
                    "tool": {"const": "final_answer"},
                    "args": {
                        "type": "object",
                        "properties": {"answer": {"type": "string"}},
                        "required": ["answer"],
                        "additionalProperties": False,
                    },
                },
                "required": ["tool", "args"],
                "additionalProperties": False,
            },
        ]
    }


def test_the_answer_can_be_read_while_it_is_written() -> None:
    whole = json.dumps({"tool": "final_answer", "args": {"answer": 'Said "hé"\n\\o/ \ud83d\ude00'}})
    seen = [partial_answer(whole[:end]) for end in range(len(whole) + 1)]
    assert seen[-1] == 'Said "hé"\n\\o/ 😀'
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(seen))
    assert not any("\ud83d" in text for text in seen)
    call = json.dumps({"tool": "shell", "args": {"command": 'echo "answer"'}})
    assert {partial_answer(call[:end]) for end in range(len(call) + 1)} == {""}


@pytest.mark.parametrize(
    ("raw", "name", "args", "problem"),
    [
        ('{"tool": "shell", "args": {"command": "ls"}}', "shell", {"command": "ls"}, ""),
        (
            '{"tool": "shell", "args": {"command": "for f in',
            "shell",
            {},
            "the call was cut off before it was complete",
        ),
        ("", "", {}, "the call was cut off before it was complete"),
    ],
)
def test_a_turn_is_a_call_or_a_call_that_must_not_run(raw: str, name: str, args: dict[str, Any], problem: str) -> None:
    part = read_turn(raw)
    assert isinstance(part, ToolCall)
    assert (part.name, part.args, part.problem) == (name, args, problem)


def test_a_final_answer_is_text_also_when_it_was_cut_off() -> None:
    assert read_turn('{"tool": "final_answer", "args": {"answer": "7 lines"}}') == Text("7 lines")
    assert read_turn('{"tool": "final_answer", "args": {"answer": "7 li') == Text("7 li")


def test_an_answered_call_counts_as_repeated_until_something_changes() -> None:
    same = ToolCall("c2", "shell", {"command": "wc -l < a.txt"})
    other = ToolCall("c3", "shell", {"command": "ls"})
    assert is_repeated(same, (GOAL, CALL, RESULT))
    assert not is_repeated(same, (GOAL, CALL))
    assert not is_repeated(other, (GOAL, CALL, RESULT))
    later = (Message("assistant", (other,)), Message("user", (ToolResult("c3", "a.txt"),)))
    assert is_repeated(same, (GOAL, CALL, RESULT, *later)), "nothing was changed in between"
    changed = (later[0], Message("user", (ToolResult("c3", "[no output]\n[files: changed a.txt]"),)))
    assert not is_repeated(same, (GOAL, CALL, RESULT, *changed)), "to look again after a change is sensible"
