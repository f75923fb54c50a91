"""The form of an answer, checked with jsonschema. Nothing is fetched: a schema is whole in its file."""

from __future__ import annotations

import json
import re
from typing import Any

from jsonschema import SchemaError
from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from llmos.core.errors import UsageError
from llmos.core.ports import AnswerForm
from llmos.core.trace import shorten

_FENCED = re.compile(r"\A```(?:json)?\s*\n(.*)\n```\s*\Z", re.DOTALL | re.IGNORECASE)
_MESSAGE = 200


def answer_form(data: bytes, name: str) -> AnswerForm:
    """The form that a JSON Schema asks for; `name` is the file's. Raises UsageError for what is no schema."""
    try:
        schema = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not JSON ({error}); --json-schema takes a file with a JSON Schema") from None
    if not isinstance(schema, dict):
        raise UsageError(f"{name} holds no JSON Schema: it must be an object")
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise UsageError(
            f"{name} is not a JSON Schema: at {error.json_path}, {shorten(error.message, _MESSAGE)}"
        ) from None
    validator = kind(schema, registry=Registry())
    return AnswerForm(json.dumps(schema, ensure_ascii=False), bare, lambda answer: _problem(validator, answer))


def bare(answer: str) -> str:
    """The answer without the code fence around it, if there is one."""
    fenced = _FENCED.match(answer.strip())
    return fenced[1].strip() if fenced else answer.strip()


def _problem(validator: Any, answer: str) -> str:
    try:
        value = json.loads(bare(answer), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON ({shorten(str(error), _MESSAGE)})"
    try:
        found = best_match(validator.iter_errors(value))
    except Unresolvable as error:
        return f"the schema refers to {error.ref!r}, which is not in its file"
    return "" if found is None else f"at {found.json_path}, {shorten(found.message, _MESSAGE)}"


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON number")
