"""What the small model is shown: a stable prefix, bounded results, and calls as fenced blocks of the tools at hand."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.adapters.local_prompt import (
    END_OF_CALL,
    build_messages,
    call_grammar,
    render_call,
    shorten,
    system_prompt,
    turn_grammar,
    visible_answer,
)
from llmos.adapters.local_turn import (
    agreed,
    calls_in_vain,
    first_other,
    goes_in_circles,
    is_repeated,
    others,
    read_turn,
    without_vain,
)
from llmos.core.messages import Message, Text, ToolCall, ToolResult, user_text
from llmos.core.ports import Example, ExampleStep, ModelRequest
from llmos.core.shell_mend import mended
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


def test_a_conversation_is_shown_as_blocks_and_outputs() -> None:
    request = ModelRequest("", (GOAL, CALL, RESULT), (SHELL, READ), examples=(EXAMPLE,))
    system, *turns = build_messages(request)
    assert system == {"role": "system", "content": system_prompt("", (SHELL, READ))}
    assert turns == [
        {"role": "user", "content": "Task: count the words of b.md"},
        {"role": "assistant", "content": "```bash\nwc -w < b.md\n```"},
        {"role": "user", "content": "Output:\n12"},
        {"role": "assistant", "content": "b.md has 12 words."},
        {"role": "user", "content": "how many lines has a.txt?"},
        {"role": "assistant", "content": "```bash\nwc -l < a.txt\n```"},
        {"role": "user", "content": "Output:\n7"},
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
    assert build_messages(ModelRequest("", (GOAL, CALL, empty), (SHELL,)))[-1]["content"] == "Output:\n(no output)"


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
    assert "- bash: Run a bash command. The block holds the command.\n" in prompt
    assert "- read_file: Read a file. The block holds the path.\n" in prompt
    assert "Shell hints" in prompt
    assert prompt.endswith("\n\nWorking directory: /tmp")
    assert "Shell hints" not in system_prompt("", (READ,))
    assert system_prompt("You are terse.", ()) == "You are terse."


WRITE = spec("write_file", "Write a file.", path={"type": "string"}, content={"type": "string"})
WRITE = replace(WRITE, input_schema={**WRITE.input_schema, "required": ["path", "content"]})
MOVE = spec("move", "Move it.", steps={"type": "integer"}, back={"type": "boolean"})
TOOLS = (SHELL, READ, WRITE, MOVE)


def test_the_grammar_offers_the_tools_at_hand_and_after_a_result_the_answer() -> None:
    assert call_grammar((READ, SHELL)) == r'root ::= ("read_file" | "bash") "\n" [^\x00]*'
    assert turn_grammar((READ,)) == (r'root ::= "```" ("read_file") "\n" [^\x00]* | ("`" "`"?)? [^`\x00] [^\x00]*')


@pytest.mark.parametrize(
    ("tool", "args", "block"),
    [
        (
            "shell",
            {"command": "find . -exec grep -H '\"a\\.b\"' {} \\;"},
            "```bash\nfind . -exec grep -H '\"a\\.b\"' {} \\;",
        ),
        ("shell", {"command": "cat > a <<'E'\n1\nE"}, "```bash\ncat > a <<'E'\n1\nE"),
        ("write_file", {"path": "a.py", "content": "x = 1\n\ny = 2\n"}, "```write_file\na.py\nx = 1\n\ny = 2\n"),
        ("write_file", {"path": "empty", "content": ""}, "```write_file\nempty\n"),
        ("read_file", {"path": "a", "raw": True}, '```read_file\n{"path": "a", "raw": true}'),
        ("move", {"steps": 3}, '```move\n{"steps": 3}'),
    ],
)
def test_a_call_is_written_without_escapes(tool: str, args: dict[str, Any], block: str) -> None:
    assert render_call(tool, args, TOOLS) == block + END_OF_CALL
    part = read_turn(block, TOOLS)
    assert isinstance(part, ToolCall)
    if tool != "read_file":  # an optional argument can be shown, and not asked for
        assert (part.name, part.args, part.problem) == (tool, args, "")


@given(st.text(alphabet="ab`'\"\\\n $", min_size=1, max_size=30).filter(lambda text: END_OF_CALL not in f"\n{text}\n"))
def test_any_command_comes_back_as_it_was_but_for_known_slips(command: str) -> None:
    block, _, rest = render_call("shell", {"command": command}, TOOLS).rpartition(END_OF_CALL)
    part = read_turn(block, TOOLS)
    assert rest == "" and isinstance(part, ToolCall) and part.args == {"command": mended(command)}


@pytest.mark.parametrize(
    ("raw", "cut", "name", "problem"),
    [
        ("```bash\nfor f in", True, "shell", "the call was cut off before it was complete"),
        ("```python\nprint(1)", False, "python", "there is no such tool"),
        (
            "```write_file\na.txt",
            False,
            "write_file",
            "the block must hold path and content, the first on a line of its own",
        ),
        ("```move\n3 steps", False, "move", "the block is not one JSON object of arguments"),
    ],
)
def test_a_block_that_is_no_whole_call_must_not_run(raw: str, cut: bool, name: str, problem: str) -> None:
    part = read_turn(raw, TOOLS, cut=cut)
    assert isinstance(part, ToolCall)
    assert (part.name, part.args, part.problem) == (name, {}, problem)


def test_what_is_no_block_is_the_answer_and_can_be_read_while_it_is_written() -> None:
    answer = "`a.txt` has 7 lines.\n```\nx\n```"
    assert read_turn(f" {answer}\n", TOOLS) == Text(answer)
    seen = [visible_answer(answer[:end]) for end in range(len(answer) + 1)]
    assert seen[-1] == answer
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(seen))
    call = render_call("shell", {"command": "ls"}, TOOLS)
    assert {visible_answer(call[:end]) for end in range(len(call) + 1)} == {""}


def test_a_text_that_goes_in_circles_is_seen_and_a_list_is_none() -> None:
    assert goes_in_circles("```bash\ngrep -E '" + r"public\s+protected\s+" * 8)
    assert not goes_in_circles("```bash\ngrep -E '" + r"public\s+protected\s+" * 3)
    assert not goes_in_circles("touch " + " ".join(f"page-{n:02}.txt" for n in range(40)))
    assert not goes_in_circles("# " + "-" * 79)
    assert not goes_in_circles("")


def test_the_call_that_most_draws_agree_on_is_made() -> None:
    a, b, c = (ToolCall(f"c{n}", "shell", {"command": text}) for n, text in enumerate(("ls", "ls -a", "ls -a")))
    assert agreed([a, b, c]) == (b, 2)
    assert agreed([a, b]) == (a, 1), "of equally many the first"


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


def test_a_command_is_mended_as_it_is_read_and_one_that_cannot_run_carries_why() -> None:
    assert read_turn("```bash\ngrep -c 'a|b' f", TOOLS) == replace(
        read_turn("```bash\ngrep -E -c 'a|b' f", TOOLS), id=ANY
    )
    strange = read_turn("```bash\nno-such-tool -x", TOOLS)
    assert isinstance(strange, ToolCall)
    assert strange.problem == "there is no program no-such-tool here"


def test_of_what_is_drawn_again_the_first_other_whole_call_is_made() -> None:
    made = ToolCall("made", CALL.parts[0].name, dict(CALL.parts[0].args))
    broken = ToolCall("broken", "shell", {"command": "ls 'a"}, problem="a quote is not closed")
    other = ToolCall("other", "shell", {"command": "ls -l"})
    assert first_other(made, [made, Text("no"), broken, other], (GOAL, CALL, RESULT)) == other
    assert first_other(made, [made, broken], (GOAL, CALL, RESULT)) == made


def told(*pairs: tuple[str, str]) -> tuple[Message, ...]:
    """A conversation of commands and what they gave."""
    messages: list[Message] = [GOAL]
    for number, (command, result) in enumerate(pairs):
        messages.append(Message("assistant", (ToolCall(f"c{number}", "shell", {"command": command}),)))
        messages.append(Message("user", (ToolResult(f"c{number}", result, "[exit" in result),)))
    return tuple(messages)


EMPTY = ("grep x a.txt > b.txt && cat b.txt", "[no output]\n[files: created b.txt]")
NOTHING = ("sed -i 's/x/y/' a.txt", "[no output]\n[files: no change]")
FAILED = ("ls b", "[stderr]\nls: b\n[exit code 2]\n[files: no change]")


def test_calls_that_came_to_nothing_are_in_vain_until_one_does_something() -> None:
    for vain in (EMPTY, NOTHING, FAILED):
        assert [call.args["command"] for call in calls_in_vain(told(vain))] == [vain[0]]
    assert len(calls_in_vain(told(FAILED, NOTHING))) == 2
    fine = (
        ("ls", "a.txt"),
        ("touch b.txt", "[no output]\n[files: created b.txt]"),
        ("sed -i 's/a/b/' a.txt && ls b", "[stderr]\nls: b\n[exit code 2]\n[files: changed a.txt]"),
    )
    assert [calls_in_vain(told(FAILED, one)) for one in fine] == [[], [], []]
    assert calls_in_vain((*told(FAILED), Message("assistant", (Text("There is no b."),)))) == []


def test_what_came_to_nothing_is_left_out_once_another_call_did_something() -> None:
    done = ("ls", "a.txt")
    assert without_vain(told(FAILED, NOTHING)) == told(FAILED, NOTHING)
    assert without_vain(told(done)) == told(done)
    assert without_vain(told(FAILED, NOTHING, done)) == (GOAL, *told(FAILED, NOTHING, done)[5:])
    assert without_vain(told(done, FAILED)) == told(done, FAILED)


def test_another_call_is_one_that_says_something_else() -> None:
    made = ToolCall("c1", "shell", {"command": "ls"})
    again, other = ToolCall("c2", "shell", {"command": "ls"}), ToolCall("c3", "shell", {"command": "ls -a"})
    broken = ToolCall("c4", "shell", {"command": "ls 'a"}, problem="a quote is not closed")
    assert others([again, Text("no"), broken, other], [made]) == [other]
