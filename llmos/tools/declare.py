"""The tool declaration: a typed async function becomes a `Tool`.

Invariant: a tool function only ever sees arguments that its signature allows, and what it returns carries no
terminal control sequence. What the model may mend leaves as ToolError, never as another exception of bad input.

Arguments that are what they must be pass without pydantic, which takes longer to load than a replay to run. The
others go through it: it takes "3" for 3, and has words for what it cannot take.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import types
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from llmos.core.dataclass import dataclass
from llmos.core.errors import ToolError
from llmos.core.text import is_unicode
from llmos.core.tool import Effect, Tool, ToolContext, ToolOutput, ToolSpec
from llmos.tools.text import clean

if TYPE_CHECKING:
    from pydantic import BaseModel

ToolFunction: TypeAlias = Callable[..., Awaitable[ToolOutput]]

_VERSION_DIGITS = 12
_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Argument:
    """What an argument is for and its bounds: `Annotated[int, Argument("Lines to read.", ge=1)]`."""

    about: str
    ge: float | None = None
    gt: float | None = None
    min_length: int | None = None


def tool(
    *,
    effect: Effect,
    paths: tuple[str, ...] = (),
    uses: tuple[ModuleType, ...] = (),
    satisfied: Callable[[Mapping[str, Any], ToolContext], bool] | None = None,
) -> Callable[[ToolFunction], Tool]:
    """Declare `async def name(arguments..., *, context: ToolContext) -> ToolOutput` as the tool `name`.

    The docstring is the description. An argument is a str, int, float, bool or Literal of words, or one of them or
    None; `Annotated[type, Argument(...)]` describes it. `paths` names the arguments that hold a path. `uses` are
    helper modules whose source counts for the version, besides the function's own module. `satisfied` is
    core.tool.Tool's. Raises TypeError when the function cannot be a tool.
    """

    def declare(function: ToolFunction) -> Tool:
        name = function.__name__
        description = inspect.cleandoc(function.__doc__ or "")
        if not description:
            raise TypeError(f"tool {name}: a docstring is needed, it is what the model reads")
        arguments = _arguments(function)
        unknown = sorted(set(paths) - arguments.keys())
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


@dataclass(frozen=True)
class _Declared:
    """An argument as its signature declares it."""

    kind: type
    words: tuple[str, ...]
    """What a text is chosen from; empty for any."""
    null: bool
    told: Argument | None
    default: Any

    @property
    def bounds(self) -> Argument:
        return self.told or Argument("")


def _arguments(function: ToolFunction) -> dict[str, _Declared]:
    hints = typing.get_type_hints(function, include_extras=True)
    found: dict[str, _Declared] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "context":
            continue
        if name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"tool {function.__name__}: argument {name} needs a type and a name of its own")
        declared = _declared(hints[name], parameter.default)
        if declared is None:
            raise TypeError(
                f"tool {function.__name__}: argument {name} must be a str, int, float, bool or Literal of words, "
                "or one of them or None"
            )
        found[name] = declared
    return found


def _declared(hint: Any, default: Any) -> _Declared | None:
    kind, *told = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
    parts = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    chosen = [part for part in parts if part is not types.NoneType]
    words = typing.get_args(chosen[0]) if typing.get_origin(chosen[0]) is Literal else ()
    only = str if words else chosen[0]
    if len(chosen) != 1 or only not in _JSON_TYPES or not all(isinstance(word, str) for word in words):
        return None
    about = next((each for each in told if isinstance(each, Argument)), None)
    return _Declared(only, words, len(parts) > len(chosen), about, default)


def _schema(arguments: Mapping[str, _Declared]) -> dict[str, Any]:
    """JSON Schema of the arguments."""
    schema: dict[str, Any] = {
        "additionalProperties": False,
        "properties": {name: _described(declared) for name, declared in arguments.items()},
        "type": "object",
    }
    required = [name for name, declared in arguments.items() if declared.default is _REQUIRED]
    return {**schema, "required": required} if required else schema


def _described(declared: _Declared) -> dict[str, Any]:
    told = declared.bounds
    kind: dict[str, Any] = {"type": _JSON_TYPES[declared.kind]}
    bounds = {"minimum": told.ge, "exclusiveMinimum": told.gt, "minLength": told.min_length}
    kind |= {name: bound for name, bound in bounds.items() if bound is not None}
    if declared.words:
        kind["enum"] = list(declared.words)
    described: dict[str, Any] = {"anyOf": [kind, {"type": "null"}]} if declared.null else kind
    if declared.default is not _REQUIRED:
        described["default"] = declared.default
    if told.about:
        described["description"] = told.about
    return dict(sorted(described.items()))


def _version(schema: Mapping[str, Any], modules: tuple[ModuleType | None, ...]) -> str:
    digest = hashlib.sha256(json.dumps(schema, sort_keys=True).encode())
    for module in modules:
        if module is None:
            raise TypeError("a tool is declared in a module, so that its source can be versioned")
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()[:_VERSION_DIGITS]


def _runner(
    name: str, function: ToolFunction, arguments: Mapping[str, _Declared]
) -> Callable[[Mapping[str, Any], ToolContext], Awaitable[ToolOutput]]:
    async def run(args: Mapping[str, Any], context: ToolContext) -> ToolOutput:
        values = _checked(name, arguments, args)
        try:
            output = await function(**values, context=context)
        except OSError as error:
            raise ToolError(f"{name}: {_in_words(error)}") from error
        return replace(output, text=clean(output.text), stdout=clean(output.stdout))

    return run


def _checked(name: str, arguments: Mapping[str, _Declared], args: Mapping[str, Any]) -> dict[str, Any]:
    given = {each: _exact(args.get(each, declared.default), declared) for each, declared in arguments.items()}
    if args.keys() <= arguments.keys() and all(_fits(given[each], arguments[each]) for each in given):
        return given
    return _converted(name, _pydantic_model(name, arguments), args)


def _exact(value: Any, declared: _Declared) -> Any:
    """JSON writes 5 for 5.0."""
    return float(value) if declared.kind is float and type(value) is int and abs(value) < 1 << 53 else value


def _fits(value: Any, declared: _Declared) -> bool:
    """Whether it is what the argument must be, with nothing to convert."""
    told = declared.bounds
    if value is None:
        return declared.null
    if isinstance(value, str):
        chosen = not declared.words or value in declared.words
        return declared.kind is str and chosen and len(value) >= (told.min_length or 0) and is_unicode(value)
    if isinstance(value, bool) or not isinstance(value, declared.kind):
        return isinstance(value, bool) and declared.kind is bool
    assert isinstance(value, int | float)
    # JSON has neither infinity nor NaN, and a time limit of infinity would be none
    above = (told.ge is None or value >= told.ge) and (told.gt is None or value > told.gt)
    return above and (isinstance(value, int) or math.isfinite(value))


def _pydantic_model(name: str, arguments: Mapping[str, _Declared]) -> type[BaseModel]:
    """The arguments as a model that refuses unknown ones."""
    from pydantic import ConfigDict, Field, create_model

    fields: dict[str, Any] = {}
    for each, declared in arguments.items():
        kind: Any = Literal[declared.words] if declared.words else declared.kind
        told = declared.bounds
        bounds = Field(ge=told.ge, gt=told.gt, min_length=told.min_length)
        default = ... if declared.default is _REQUIRED else declared.default
        fields[each] = (Annotated[kind | None if declared.null else kind, bounds], default)
    return create_model(name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)


def _converted(name: str, model: type[BaseModel], args: Mapping[str, Any]) -> dict[str, Any]:
    from pydantic import ValidationError

    try:
        made = model.model_validate(dict(args))
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        problems = [_problem(found["type"], found["loc"], found["msg"], known) for found in error.errors()]
        raise ToolError(f"{name}: {'; '.join(problems)}") from error
    return {field: getattr(made, field) for field in model.model_fields}


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


def _path_reader(
    arguments: Mapping[str, _Declared], names: tuple[str, ...]
) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    def read(args: Mapping[str, Any]) -> tuple[str, ...]:
        values = (args.get(name, arguments[name].default) for name in names)
        return tuple(value for value in values if isinstance(value, str))

    return read
