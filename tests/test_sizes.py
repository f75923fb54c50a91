"""CONTRIBUTING.md, rule 13: how long files and functions of the package may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

PACKAGE = Path(__file__).resolve().parent.parent / "llmos"
FILE_LINES = 400
FUNCTION_LINES = 50
"""Of the body. A signature is not counted: a command declares its options there, one a line."""


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def too_long(source: str, name: str) -> Iterator[str]:
    lines = len(source.splitlines())
    if lines > FILE_LINES:
        yield f"{name} has {lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (lines := body_lines(node)) > FUNCTION_LINES:
            yield f"{name}: {node.name} has {lines} lines"


def test_no_file_and_no_function_is_too_long() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert [said for path in files for said in too_long(path.read_text("utf-8"), str(path.relative_to(PACKAGE)))] == []


@given(st.integers(1, 120), st.booleans())
def test_what_is_too_long_is_found(lines: int, described: bool) -> None:
    docstring = '    """What it does."""\n' if described else ""
    source = f"def work(\n    a: int,\n) -> None:\n{docstring}" + "    a += 1\n" * lines
    expected = [f"x.py: work has {lines} lines"] if lines > FUNCTION_LINES else []
    assert list(too_long(source, "x.py")) == expected
    assert list(too_long("a = 1\n" * (FILE_LINES + 1), "x.py")) == [f"x.py has {FILE_LINES + 1} lines"]
