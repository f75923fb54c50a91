"""The declaration: a typed function becomes a tool, and bad arguments become words for the model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, ValidationError, create_model

from llmos.core.errors import ToolError
from llmos.core.tool import Effect, ToolContext, ToolOutput
from llmos.tools import builtin_tools
from llmos.tools.declare import Argument, tool


@tool(effect=Effect.WRITE, paths=("source", "target"))
async def copy_lines(
    source: Annotated[str, Argument("Where from.")],
    count: Annotated[int, Argument("", ge=1)] = 3,
    target: str = "out.txt",
    *,
    context: ToolContext,
) -> ToolOutput:
    """Copy lines.

    A second paragraph.
    """
    return ToolOutput(text=f"\x1b[31m{source}\x1b[0m {count} {target}", stdout="\x07bell")


@tool(effect=Effect.READ)
async def failing(*, context: ToolContext) -> ToolOutput:
    """Fails as the system does."""
    return ToolOutput((context.cwd / "gone").read_text())


def test_signature_and_docstring_become_the_spec() -> None:
    spec = copy_lines.spec
    assert (spec.name, spec.description, spec.effect) == ("copy_lines", "Copy lines.\n\nA second paragraph.", "write")
    assert spec.input_schema == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "source": {"type": "string", "description": "Where from."},
            "count": {"type": "integer", "minimum": 1, "default": 3},
            "target": {"type": "string", "default": "out.txt"},
        },
        "required": ["source"],
    }
    assert len(spec.version) == 12
    assert int(spec.version, 16) >= 0


async def test_output_loses_its_control_sequences(tmp_path: Path) -> None:
    output = await copy_lines.run({"source": "a", "count": "2"}, ToolContext(cwd=tmp_path))
    assert output == ToolOutput(text="a 2 out.txt", stdout="bell")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "copy_lines: argument 'source' is missing"),
        (
            {"source": "a", "lines": 1},
            "copy_lines: there is no argument 'lines' (the arguments are: source, count, target)",
        ),
        ({"source": 1}, "copy_lines: argument 'source': input should be a valid string"),
        ({"source": "a", "count": 0}, "copy_lines: argument 'count': input should be greater than or equal to 1"),
        (
            {"count": "x"},
            "copy_lines: argument 'source' is missing; argument 'count': input should be a valid integer, "
            "unable to parse string as an integer",
        ),
    ],
)
async def test_bad_arguments_are_named(tmp_path: Path, args: dict[str, object], said: str) -> None:
    with pytest.raises(ToolError) as caught:
        await copy_lines.run(args, ToolContext(cwd=tmp_path))
    assert str(caught.value) == said


@tool(effect=Effect.READ)
async def every_kind(
    text: Annotated[str, Argument("", min_length=2)],
    word: Literal["a", "b"] = "a",
    count: Annotated[int, Argument("", ge=1)] = 1,
    seconds: Annotated[float | None, Argument("", gt=0)] = None,
    yes: bool = False,
    *,
    context: ToolContext,
) -> ToolOutput:
    """Returns its arguments."""
    return ToolOutput(repr((text, word, count, seconds, yes)))


SAME = create_model(
    "Same",
    __config__=ConfigDict(extra="forbid", allow_inf_nan=False),
    text=(Annotated[str, Field(min_length=2)], ...),
    word=(Literal["a", "b"], "a"),
    count=(Annotated[int, Field(ge=1)], 1),
    seconds=(Annotated[float | None, Field(gt=0)], None),
    yes=(bool, False),
)
VALUES = st.sampled_from(
    [
        "ab",
        "a",
        "b",
        "3",
        "x",
        "\udc80\udc80",
        0,
        1,
        -1,
        2.0,
        0.5,
        1e999,
        10**400,
        float("nan"),
        True,
        False,
        None,
        [],
        {},
    ]
)


@given(st.dictionaries(st.sampled_from(["text", "word", "count", "seconds", "yes", "other"]), VALUES))
async def test_a_function_sees_what_pydantic_would_give_it(args: dict[str, Any]) -> None:
    try:
        model = SAME.model_validate(args)
        expected = repr(tuple(getattr(model, name) for name in SAME.model_fields))
    except ValidationError:
        expected = "refused"
    try:
        found = (await every_kind.run(args, ToolContext(cwd=Path("/")))).text
    except ToolError:
        found = "refused"
    assert found == expected


def test_the_schema_is_what_pydantic_would_write() -> None:
    schema = SAME.model_json_schema()
    del schema["title"]
    for described in schema["properties"].values():
        del described["title"]
    assert every_kind.spec.input_schema == schema


async def test_errors_of_the_system_become_words(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"^failing: no such file or directory$|gone: no such file or directory$"):
        await failing.run({}, ToolContext(cwd=tmp_path))


def test_paths_are_read_as_written_and_defaults_count() -> None:
    assert copy_lines.paths({"source": "a"}) == ("a", "out.txt")
    assert copy_lines.paths({"source": "../b", "target": "~/c"}) == ("../b", "~/c")
    assert copy_lines.paths({"source": 3}) == ("out.txt",)
    assert failing.paths({}) == ()


def test_a_function_that_cannot_be_a_tool_is_refused() -> None:
    async def silent(*, context: ToolContext) -> ToolOutput:
        return ToolOutput("")

    async def untyped(path, *, context: ToolContext) -> ToolOutput:  # type: ignore[no-untyped-def]
        """Says nothing of its argument."""
        return ToolOutput("")

    async def plain(*, context: ToolContext) -> ToolOutput:
        """Has no path."""
        return ToolOutput("")

    async def listed(paths: list[str], *, context: ToolContext) -> ToolOutput:
        """Takes a list, which no check is written for."""
        return ToolOutput("")

    with pytest.raises(TypeError, match=r"argument paths must be a str, int, float, bool or Literal of words"):
        tool(effect=Effect.READ)(listed)
    with pytest.raises(TypeError, match="docstring"):
        tool(effect=Effect.READ)(silent)
    with pytest.raises(TypeError, match="argument path needs a type"):
        tool(effect=Effect.READ)(untyped)
    with pytest.raises(TypeError, match="paths names"):
        tool(effect=Effect.READ, paths=("path",))(plain)


def test_builtin_tools_have_their_public_names_and_arguments() -> None:
    tools = builtin_tools()
    signatures = {name: list(found.spec.input_schema["properties"]) for name, found in tools.items()}
    assert signatures == {
        "shell": ["command", "timeout_s"],
        "read_file": ["path", "start_line", "max_lines"],
        "write_file": ["path", "content"],
        "edit_file": ["path", "old", "new", "all"],
        "list_files": ["pattern"],
        "search_files": ["pattern", "path", "glob", "ignore_case"],
        "memory_search": ["question"],
        "core_memory_edit": ["block", "action", "quote", "text", "item"],
        "archival_memory_add": ["text", "quote"],
        "delegate": ["goal", "agent"],
    }
    assert {name: str(found.spec.effect) for name, found in tools.items()} == {
        "shell": "execute",
        "read_file": "read",
        "write_file": "write",
        "edit_file": "write",
        "list_files": "read",
        "search_files": "read",
        "memory_search": "read",
        "core_memory_edit": "write",
        "archival_memory_add": "write",
        "delegate": "read",
    }
    for found in tools.values():
        assert found.spec.input_schema["additionalProperties"] is False
        assert all("description" in argument for argument in found.spec.input_schema["properties"].values())
        assert json.loads(json.dumps(found.spec.input_schema)) == found.spec.input_schema
    assert len({found.spec.version for found in tools.values()}) == len(tools)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_versions_do_not_depend_on_the_process(seed: str) -> None:
    code = (
        "import json; from llmos.tools import builtin_tools\n"
        "print(json.dumps({name: tool.spec.version for name, tool in builtin_tools().items()}))"
    )
    environ = {**os.environ, "PYTHONHASHSEED": seed}
    told = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True).stdout
    assert json.loads(told) == {name: tool.spec.version for name, tool in builtin_tools().items()}
