"""`dataclass` as in the standard library, made fifteen times as quickly.

The standard library writes and compiles six methods for each class; with two hundred classes that was a quarter of
the time that a replay takes. Here `__init__` is compiled when a class is first instantiated, and the others are
closures. What such a class is and does is the same, and tests/core/test_dataclass.py says so. A class with options
that are rare here is left to the standard library.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, FrozenInstanceError
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False, **other):
        def make(cls):
            return _made(cls, frozen, slots, kw_only)

        if other:
            return dataclasses.dataclass(cls, frozen=frozen, slots=slots, kw_only=kw_only, **other)
        return make if cls is None else make(cls)


def _made(cls: type, frozen: bool, slots: bool, kw_only: bool) -> type:
    own = vars(cls)
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # the standard library would import inspect to show the signature
    made: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
    if derived := [each.name for each in dataclasses.fields(made) if not each.init]:
        raise TypeError(f"{cls.__qualname__}.{derived[0]} has init=False: use the standard library's dataclass for it")
    compared = _reader([each.name for each in dataclasses.fields(made) if each.compare])

    def equal(self: Any, other: Any) -> Any:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(compared(self))

    methods: dict[str, Any] = {"__init__": _Init(made, frozen), "__repr__": _repr, "__eq__": equal}
    methods["__hash__"] = hashed if frozen else None
    if frozen:
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
        if slots:
            methods |= {"__getstate__": _state, "__setstate__": _set_state}
    for name, method in methods.items():
        defined = name in own and not (name == "__hash__" and own[name] is None)
        if not defined:
            setattr(made, name, method)
    return made


class _Made:
    """What `inspect.signature` shows for a default that is made anew."""

    def __repr__(self) -> str:
        return "<factory>"


_MADE = _Made()


class _Init:
    """Stands for `__init__` until it is first asked for."""

    __slots__ = ("_cls", "_frozen")

    def __init__(self, cls: type, frozen: bool) -> None:
        self._cls = cls
        self._frozen = frozen

    def __get__(self, instance: Any, owner: type) -> Callable[..., None]:
        made = _compiled_init(self._cls, self._frozen)
        self._cls.__init__ = made  # type: ignore[misc]
        return made if instance is None else made.__get__(instance, owner)  # type: ignore[no-any-return]


def _compiled_init(cls: type, frozen: bool) -> Any:
    known: dict[str, Any] = {"_set": object.__setattr__, "_missing": _MADE}
    plain: list[str] = []
    by_name: list[str] = []
    body: list[str] = []
    for number, each in enumerate(dataclasses.fields(cls)):
        parameter, value = each.name, each.name
        if each.default is not MISSING:
            known[f"_default{number}"] = each.default
            parameter += f"=_default{number}"
        elif each.default_factory is not MISSING:
            known[f"_make{number}"] = each.default_factory
            parameter += "=_missing"
            value = f"_make{number}() if {each.name} is _missing else {each.name}"
        (by_name if each.kw_only else plain).append(parameter)
        body.append(f"_set(self, {each.name!r}, {value})" if frozen else f"self.{each.name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join(["self", *plain, *(["*", *by_name] if by_name else [])])
    exec(f"def __init__({parameters}):\n " + "\n ".join(body or ["pass"]), known)  # noqa: S102 - our own field names
    made = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    made.__annotations__ = {each.name: each.type for each in dataclasses.fields(cls)} | {"return": None}
    return made


def _reader(names: list[str]) -> Callable[[Any], Any]:
    """Gives the values of these attributes as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda instance: tuple(getattr(instance, name) for name in names)


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _refuse_to_set(_: Any, name: str, __: Any) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for each, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)
