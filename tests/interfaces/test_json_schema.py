"""`--json-schema FILE`: an answer of another form is sent back once, and is then not verified."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_world import Llmos

from llmos.adapters.json_schema import answer_form
from llmos.core.errors import ExitStatus, UsageError
from llmos.testing import FakeMessagesServer, reply, text, tool_use

SCHEMA = {
    "type": "object",
    "properties": {"lines": {"type": "integer", "minimum": 0}},
    "required": ["lines"],
    "additionalProperties": False,
}
GOAL = "count the lines of notes.txt as JSON"
COUNTING = reply(tool_use("shell", {"command": "wc -l < notes.txt"}))


@pytest.fixture
def schema(work: Path) -> Path:
    (work / "lines.json").write_text(json.dumps(SCHEMA))
    return work / "lines.json"


def run(llmos: Llmos, *more: str) -> tuple[int, str, dict[str, object]]:
    ended = llmos("run", "-y", "-o", "json", "--json-schema", "lines.json", *more, GOAL)
    result = json.loads(ended.out)
    return ended.code, str(result.get("answer")), result


def test_a_right_answer_is_given_bare(llmos: Llmos, api: FakeMessagesServer, schema: Path) -> None:
    api.add(COUNTING, reply(text('```json\n{"lines": 3}\n```')))
    code, answer, _ = run(llmos)
    assert (code, answer) == (ExitStatus.OK, '{"lines": 3}')
    opening = api.bodies[0]["messages"][0]["content"][-1]["text"]
    assert opening == (
        "Give the final answer as JSON alone, without a word around it, that follows this JSON Schema:\n"
        f"{json.dumps(SCHEMA)}\n\n{GOAL}"
    )


def test_a_wrong_answer_is_sent_back_once(llmos: Llmos, api: FakeMessagesServer, schema: Path) -> None:
    api.add(COUNTING, reply(text("There are 3 lines.")), reply(text('{"lines": 3}')))
    assert run(llmos)[:2] == (ExitStatus.OK, '{"lines": 3}')
    assert api.bodies[2]["messages"][-1]["content"][-1]["text"] == (
        "Not yet: it is not JSON (Expecting value: line 1 column 1 (char 0)). "
        "Give the answer again, as JSON alone that follows the schema; do nothing anew."
    )


def test_an_answer_that_stays_wrong_is_not_verified(llmos: Llmos, api: FakeMessagesServer, schema: Path) -> None:
    api.add(COUNTING, reply(text('{"lines": -1}')), reply(text('{"lines": -2}')))
    code, answer, result = run(llmos)
    assert (code, answer, result["outcome"]) == (ExitStatus.UNVERIFIED, '{"lines": -2}', "unverified")
    assert result["reason"] == "the answer does not follow the schema: at $.lines, -2 is less than the minimum of 0"
    assert len(api.bodies) == 3


def test_a_replay_is_held_to_the_form_too(llmos: Llmos, api: FakeMessagesServer, schema: Path) -> None:
    api.add(COUNTING, reply(text("3")))
    llmos("run", "-y", GOAL)
    code, answer, result = run(llmos, "--offline")
    assert (code, answer, result["mode"]) == (ExitStatus.UNVERIFIED, "3", "FOLLOWER")
    assert result["reason"] == "the answer does not follow the schema: at $, 3 is not of type 'object'"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "lines.json is not JSON (.*); --json-schema takes a file with a JSON Schema"),
        ("[]", "lines.json holds no JSON Schema: it must be an object"),
        ('{"type": "nonsense"}', r"lines.json is not a JSON Schema: at \$\.type, .*"),
        ("\ud800", "lines.json is not JSON .*"),
    ],
)
def test_a_file_that_is_no_schema_is_a_sentence(
    content: str, sentence: str, llmos: Llmos, schema: Path, work: Path
) -> None:
    import re

    schema.write_bytes(content.encode("utf-8", "surrogatepass"))
    ended = llmos("run", "--json-schema", "lines.json", GOAL)
    assert (ended.code, ended.out) == (ExitStatus.BAD_USAGE, "")
    assert re.fullmatch(f"llmos: {sentence}\n", ended.err)


def test_a_file_that_is_not_there_is_a_sentence(llmos: Llmos, work: Path) -> None:
    ended = llmos("run", "--json-schema", "gone.json", GOAL)
    assert ended.code == ExitStatus.BAD_USAGE and ended.err.startswith("llmos: --json-schema: ")
    assert "gone.json" in ended.err


def test_nothing_is_fetched() -> None:
    form = answer_form(b'{"$ref": "https://example.invalid/s.json"}', "s.json")
    assert form.problem("{}") == "the schema refers to 'https://example.invalid/s.json', which is not in its file"
    with pytest.raises(UsageError):
        answer_form(b"3", "s.json")


@pytest.mark.parametrize("answer", ["", "NaN", "[" * 100_000, '{"lines": 1, "lines": "x"}', "```\n{}\n```"])
def test_strange_answers_are_only_wrong(answer: str) -> None:
    form = answer_form(json.dumps(SCHEMA).encode(), "s.json")
    assert form.problem(answer) != ""
