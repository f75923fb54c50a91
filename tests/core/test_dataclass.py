"""Our `dataclass` makes classes that do what those of the standard library do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from typing import Any

import pytest

from llmos.core.dataclass import dataclass as ours

BOTH: list[Any] = [ours, dataclasses.dataclass]


def of_each(make: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The same class made by ours and by the standard library."""
    return make(ours), make(dataclasses.dataclass)


def point(dataclass: Any, **options: Any) -> Any:
    @dataclass(**options)
    class Point:
        """A place."""

        x: int
        names: tuple[str, ...] = ()
        more: list[int] = field(default_factory=list, compare=False)
        hidden: str = field(default="h", repr=False)

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError(self.x)

        @property
        def double(self) -> int:
            return 2 * self.x

    return Point


OPTIONS = [
    {"frozen": True, "slots": True},
    {"frozen": True},
    {"slots": True},
    {},
    {"frozen": True, "slots": True, "kw_only": True},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_instances_are_alike(options: dict[str, Any]) -> None:
    mine, theirs = of_each(lambda dataclass: point(dataclass, **options))
    assert str(inspect.signature(mine)) == str(inspect.signature(theirs))
    assert mine.__doc__ == theirs.__doc__
    assert mine.__match_args__ == theirs.__match_args__
    assert getattr(mine, "__slots__", None) == getattr(theirs, "__slots__", None)
    for made in (mine, theirs):
        one = made(x=1, names=("a",))
        assert repr(one).endswith("Point(x=1, names=('a',), more=[])")
        assert one == made(x=1, names=("a",), more=[5])
        assert one != made(x=2, names=("a",))
        assert one != (1, ("a",), "h")
        assert (one.double, one.more, one.hidden) == (2, [], "h")
        assert one.more is not made(x=1).more
        assert replace(one, x=3) == made(x=3, names=("a",))
        assert asdict(one) == {"x": 1, "names": ("a",), "more": [], "hidden": "h"}
        assert [each.name for each in fields(made)] == ["x", "names", "more", "hidden"]
        assert copy.deepcopy(one) == copy.copy(one) == one
        with pytest.raises(ValueError, match="-1"):
            made(x=-1)
        for wrong in ({}, {"x": 1, "y": 2}):
            with pytest.raises(TypeError, match="__init__"):
                made(**wrong)


@pytest.mark.parametrize("dataclass", BOTH)
@pytest.mark.parametrize("options", OPTIONS)
def test_a_frozen_one_cannot_be_changed_and_can_be_hashed(dataclass: Any, options: dict[str, Any]) -> None:
    one = point(dataclass, **options)(x=1)
    if options.get("frozen"):
        assert hash(one) == hash(point(dataclass, **options)(x=1)) == hash((1, (), "h"))
        for change in (lambda: setattr(one, "x", 2), lambda: delattr(one, "x")):
            with pytest.raises(FrozenInstanceError, match="field 'x'"):
                change()
        assert one.x == 1
    else:
        one.x = 2
        assert one.x == 2
        with pytest.raises(TypeError, match="unhashable"):
            hash(one)


@pytest.mark.parametrize("dataclass", BOTH)
def test_what_a_class_defines_itself_stays(dataclass: Any) -> None:
    @dataclass(frozen=True)
    class Own:
        x: int

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    assert (repr(Own(1)), Own(1) == 3, hash(Own(1))) == ("mine", True, 7)


@pytest.mark.parametrize("dataclass", BOTH)
def test_fields_are_inherited(dataclass: Any) -> None:
    @dataclass(frozen=True, slots=True)
    class Base:
        x: int

    @dataclass(frozen=True, slots=True)
    class Derived(Base):
        y: int = 2

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    assert Derived(1) == Derived(1, 2) != Base(1)
    assert Base(1) != Derived(1)
    assert repr(Derived(1)).endswith("Derived(x=1, y=2)")
    assert Empty() == Empty()
    assert hash(Empty()) == hash(())


@ours(frozen=True, slots=True)
class Stored:
    x: int
    y: tuple[int, ...] = (1,)


def test_a_frozen_one_with_slots_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Stored(3))) == Stored(3)


def test_nan_is_compared_as_in_the_standard_library() -> None:
    nan = float("nan")

    def single(dataclass: Any) -> Any:
        return dataclass(frozen=True)(type("Single", (), {"__annotations__": {"x": float}}))

    assert [made(nan) == made(nan) for made in of_each(single)] == [True, True]


def test_a_field_that_no_argument_gives_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"Derived\.y has init=False: use the standard library's dataclass"):

        @ours(frozen=True)
        class Derived:
            x: int
            y: int = field(init=False)
