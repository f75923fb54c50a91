"""`--output-format stream-json`: docs/stream-json.md is the contract, and every event keeps it."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cli_world import COUNT, COUNTED, Llmos

from llmos.core.events import Event, Nested
from llmos.core.messages import Message
from llmos.testing import FakeMessagesServer

PAGE = (Path(__file__).parent.parent.parent / "docs" / "stream-json.md").read_text()
EVENTS: tuple[type, ...] = typing.get_args(Event)
SCALARS = {str: "text", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def event_name(cls: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


def type_words(hint: Any) -> str:
    """A type annotation as the page words it."""
    if hint in SCALARS:
        return SCALARS[hint]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_words(part) for part in inner)
    if origin is tuple:
        return f"list of {type_words(inner[0])}"
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return "text"
    if hint is Message or dataclasses.is_dataclass(hint) or (origin and issubclass(origin, Mapping)):
        return "object"
    raise AssertionError(f"no words for {hint}")


def documented() -> dict[str, dict[str, str]]:
    """For each event of the page its keys with their types."""
    found: dict[str, dict[str, str]] = {}
    for section in PAGE.split("\n### `")[1:]:
        name, _, rest = section.partition("`")
        found[name] = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", rest, re.MULTILINE))
    return found


def fits(value: Any, words: str) -> bool:
    if " or " in words:
        return any(fits(value, part) for part in words.split(" or "))
    if words.startswith("list of "):
        return isinstance(value, list) and all(fits(item, words.removeprefix("list of ")) for item in value)
    kinds: dict[str, tuple[type, ...]] = {
        "text": (str,),
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
        "null": (type(None),),
        "object": (dict,),
    }
    return isinstance(value, kinds[words]) and not (isinstance(value, bool) and words in ("integer", "number"))


@pytest.mark.parametrize("cls", EVENTS, ids=event_name)
def test_the_page_names_every_key_of_every_event(cls: type) -> None:
    hints = typing.get_type_hints(cls)
    if cls is Nested:  # its event is taken apart, so that no reader takes the inner one for the turn's
        assert documented()[event_name(cls)] == {"parent": "text", "kind": "text", "of": "object"}
        return
    wanted = {field.name: type_words(hints[field.name]) for field in dataclasses.fields(cls)}
    assert documented()[event_name(cls)] == wanted


def test_the_page_names_no_event_that_is_not_there() -> None:
    assert set(documented()) - {event_name(cls) for cls in EVENTS} == {"result", "goal_ended", "batch_ended"}


def test_what_is_streamed_keeps_the_contract(llmos: Llmos, api: FakeMessagesServer) -> None:
    api.add(*COUNTED)
    for words in (("run", "-y"), ("run", "-y"), ("run",), ("run", "--dry-run")):
        out = llmos(*words, "-o", "stream-json", COUNT).out
        assert '"event":"result"' in out
        for line in out.splitlines():
            record = json.loads(line)
            keys = documented()[record.pop("event")]
            assert set(record) == set(keys)
            assert [key for key, value in record.items() if not fits(value, keys[key])] == []


def test_the_check_of_types_can_fail() -> None:
    assert not fits("1", "integer") and not fits(True, "number") and not fits([1], "list of text")
    assert fits(None, "text or null") and fits([["a", "b"]], "list of list of text")


def test_a_batch_keeps_it_too(llmos: Llmos, kept: str, work: Path) -> None:
    (work / "goals.txt").write_text(f"{COUNT}\nwhat nobody has done before\n")
    lines = [
        json.loads(line) for line in llmos("batch", "--offline", "-o", "stream-json", "goals.txt").out.splitlines()
    ]
    assert [line["event"] for line in lines] == ["goal_ended", "goal_ended", "batch_ended"]
    for record in lines:
        keys = documented()[record.pop("event")]
        assert set(record) == set(keys)
        assert all(fits(record[key], words) for key, words in keys.items())
