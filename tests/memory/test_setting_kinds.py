"""What a setting may be: the kinds written by hand take and refuse what a strict pydantic type would."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError

from llmos.core.prices import ModelPrice
from llmos.memory.config_schema import all_settings
from llmos.memory.setting_kinds import (
    Choice,
    Flag,
    Kind,
    MisfitError,
    Number,
    Prices,
    Rules,
    RuleWithExamples,
    Text,
    Texts,
    Whole,
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Rule(_Strict):
    rule: str
    match: Annotated[tuple[str, ...], Field(strict=False)] = ()
    no_match: Annotated[tuple[str, ...], Field(strict=False)] = ()


class _Price(_Strict):
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_read: float = Field(ge=0)
    cache_write: float = Field(ge=0)


_RULES = Annotated[
    Annotated[str, Tag("text")] | Annotated[_Rule, Tag("examples")],
    Discriminator(lambda value: "examples" if isinstance(value, dict) else "text"),
]

# A kind, the type that pydantic checks in its place, and values near its edges.
KINDS: tuple[tuple[Kind, Any, st.SearchStrategy[Any]], ...] = (
    (Number(0, 1), Annotated[float, Field(ge=0, le=1)], st.sampled_from([0, 1, 2, -0.0, 1e-9, 10**400, "0.5"])),
    (Whole(1, 9), Annotated[int, Field(ge=1, le=9)], st.sampled_from([0, 1, 9, 10, 1.0, "1", 10**400])),
    (Whole(1, 9, null=True), Annotated[int | None, Field(ge=1, le=9)], st.sampled_from([0, 1, 9, 10])),
    (Flag(), bool, st.sampled_from([0, 1, "true", "yes"])),
    (Choice(("off", "on")), Literal["off", "on"], st.sampled_from(["on", "off", "ON", "on\n"])),
    (Choice((None, "low")), Literal["low"] | None, st.sampled_from(["low", "lo", ""])),
    (Text("", "[a-z]{2}"), Annotated[str, Field(pattern="^[a-z]{2}$")], st.sampled_from(["ab", "ab\n", "a", "\udc80"])),
    (
        Text("", "~|/.*", null=True),
        Annotated[str | None, Field(pattern="^(~|/.*)$")],
        st.sampled_from(["~", "/a", "~a"]),
    ),
    (
        Texts("", "[A-Z]+"),
        Annotated[tuple[Annotated[str, Field(pattern="^[A-Z]+$")], ...], Field(strict=False)],
        st.lists(st.sampled_from(["A", "AB", "a", 1, None])),
    ),
    (
        Rules(),
        Annotated[tuple[_RULES, ...], Field(strict=False)],
        st.lists(
            st.sampled_from(["shell", 1, None, True])
            | st.dictionaries(
                st.sampled_from(["rule", "match", "no_match"]), st.sampled_from(["shell", 1]) | st.lists(st.just("x"))
            )
        ),
    ),
    (
        Prices(),
        Annotated[dict[str, _Price], Field()],
        st.dictionaries(
            st.sampled_from(["m", "n"]),
            st.fixed_dictionaries(dict.fromkeys(_Price.model_fields, st.sampled_from([0, 1, 2.5, -1, True, "x"])))
            | st.dictionaries(st.sampled_from([*_Price.model_fields, "more"]), st.just(1)),
        ),
    ),
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(("kind", "twin", "near"), KINDS, ids=[type(kind).__name__ for kind, _, _ in KINDS])
def test_a_kind_takes_what_a_strict_type_takes(kind: Kind, twin: Any, near: st.SearchStrategy[Any]) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(twin, config=ConfigDict(strict=True, allow_inf_nan=False))

    @given(near | ANY)
    def same(value: Any) -> None:
        try:
            expected = plain(adapter.validate_python(value))
        except ValidationError:
            with pytest.raises(MisfitError):
                kind.take(value)
        else:
            taken = plain(kind.take(value))
            assert (taken, type(taken)) == (expected, type(expected))

    same()


def plain(value: Any) -> Any:
    """A typed value as it would be printed, to compare it between the two."""
    if isinstance(value, _Rule | _Price):
        return value.model_dump()
    if isinstance(value, RuleWithExamples | ModelPrice):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return tuple(plain(item) for item in value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (Texts(""), ["a", 1], (1,)),
        (Rules(), ["a", {"rule": 1}], (1, "rule")),
        (Rules(), [{"match": ["x"]}], (0, "rule")),
        (Rules(), [{"rule": "a", "match": ["x", 2]}], (0, "match", 1)),
        (Rules(), [{"rule": "a", "matches": []}], (0, "matches")),
        (Prices(), {"m": 3}, ("m",)),
        (Prices(), {"m": {"input": 1, "output": 1, "cache_read": 1, "cache_write": 1, "x": 1}}, ("m", "x")),
    ],
)
def test_the_wrong_part_is_named(kind: Kind, value: Any, path: tuple[str | int, ...]) -> None:
    with pytest.raises(MisfitError) as caught:
        kind.take(value)
    assert caught.value.path == path


def test_every_default_is_a_value_that_its_setting_takes() -> None:
    for setting in all_settings().values():
        given_back = setting.accept(json.loads(json.dumps(setting.default)))
        assert given_back == (setting.default, None), setting.key
