"""The tool declaration: a typed async function becomes a `Tool`.

Invariant: a tool function only ever sees arguments that its signature allows, and what it returns carries no
terminal control sequence. What the model may mend leaves as ToolError, never as another exception of bad input.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from llmos.core.errors import ToolError
from llmos.core.tool import Effect, Tool, ToolContext, ToolOutput, ToolSpec
from llmos.tools.text import clean

ToolFunction: TypeAlias = Callable[..., Awaitable[ToolOutput]]

_VERSION_DIGITS = 12


def tool(
    *,
    effect: Effect,
    paths: tuple[str, ...] = (),
    uses: tuple[ModuleType, ...] = (),
    satisfied: Callable[[Mapping[str, Any], ToolContext], bool] | None = None,
) -> Callable[[ToolFunction], Tool]:
    """Declare `async def name(arguments..., *, context: ToolContext) -> ToolOutput` as the tool `name`.

    The docstring is the description, `Annotated[type, Field(description=...)]` describes an argument. `paths` names
    the arguments that hold a path. `uses` are helper modules whose source counts for the version, besides the
    function's own module. `satisfied` is core.tool.Tool's. Raises TypeError when the function cannot be a tool.
    """

    def declare(function: ToolFunction) -> Tool:
        name = function.__name__
        description = inspect.cleandoc(function.__doc__ or "")
        if not description:
            raise TypeError(f"tool {name}: a docstring is needed, it is what the model reads")
        arguments = _arguments(function)
        unknown = sorted(set(paths) - arguments.model_fields.keys())
        if unknown:
            raise TypeError(f"tool {name}: paths names {unknown}, which are not arguments")
        schema = _schema(arguments)
        version = _version(schema, (inspect.getmodule(function), *uses))
        spec = ToolSpec(name, description, schema, effect, version)
        return Tool(
            spec=spec,
            run=_runner(name, function, arguments),
            paths=_path_reader(arguments, paths),
            satisfied=satisfied,
        )

    return declare


def _arguments(function: ToolFunction) -> type[BaseModel]:
    """The arguments of the function as a pydantic model that refuses unknown ones."""
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "context":
            continue
        if name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"tool {function.__name__}: argument {name} needs a type and a name of its own")
        fields[name] = (hints[name], ... if parameter.default is parameter.empty else parameter.default)
    # allow_inf_nan: JSON has no such numbers, and a time limit of infinity would be none.
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    return create_model(function.__name__, __config__=config, **fields)


def _schema(arguments: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of the arguments, without the titles that pydantic derives from the names."""
    schema = arguments.model_json_schema()
    schema.pop("title", None)
    schema.setdefault("properties", {})
    for described in schema["properties"].values():
        described.pop("title", None)
    return schema


def _version(schema: Mapping[str, Any], modules: tuple[ModuleType | None, ...]) -> str:
    digest = hashlib.sha256(json.dumps(schema, sort_keys=True).encode())
    for module in modules:
        if module is None:
            raise TypeError("a tool is declared in a module, so that its source can be versioned")
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()[:_VERSION_DIGITS]


def _runner(
    name: str, function: ToolFunction, arguments: type[BaseModel]
) -> Callable[[Mapping[str, Any], ToolContext], Awaitable[ToolOutput]]:
    async def run(args: Mapping[str, Any], context: ToolContext) -> ToolOutput:
        values = _checked(name, arguments, args)
        try:
            output = await function(**values, context=context)
        except OSError as error:
            raise ToolError(f"{name}: {_in_words(error)}") from error
        return replace(output, text=clean(output.text), stdout=clean(output.stdout))

    return run


def _checked(name: str, arguments: type[BaseModel], args: Mapping[str, Any]) -> dict[str, Any]:
    try:
        model = arguments.model_validate(dict(args))
    except ValidationError as error:
        known = ", ".join(arguments.model_fields)
        problems = [_problem(found["type"], found["loc"], found["msg"], known) for found in error.errors()]
        raise ToolError(f"{name}: {'; '.join(problems)}") from error
    return {field: getattr(model, field) for field in arguments.model_fields}


def _problem(kind: str, location: tuple[int | str, ...], message: str, known: str) -> str:
    where = ".".join(str(part) for part in location)
    if kind == "missing":
        return f"argument '{where}' is missing"
    if kind == "extra_forbidden":
        return f"there is no argument '{where}' (the arguments are: {known})"
    return f"argument '{where}': {message[:1].lower()}{message[1:]}"


def _in_words(error: OSError) -> str:
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    return f"{error.filename}: {reason}" if isinstance(error.filename, str) else reason


def _path_reader(arguments: type[BaseModel], names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    defaults = {name: arguments.model_fields[name].default for name in names}

    def read(args: Mapping[str, Any]) -> tuple[str, ...]:
        values = (args.get(name, defaults[name]) for name in names)
        return tuple(value for value in values if isinstance(value, str))

    return read
