"""Events and messages as JSON-ready data, as the transcript and `--output-format stream-json` hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from llmos.core.events import Event, MessageAdded, Nested
from llmos.core.messages import Message


def unnested(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record of a nested event as if it had happened outside, with its `parent`; any other record as it is."""
    if record.get("event") != "nested" or not isinstance(record.get("of"), Mapping):
        return record
    return {**record["of"], **{key: value for key, value in record.items() if key != "of"}, "event": record["kind"]}


def event_record(event: Event) -> dict[str, Any]:
    """The event as JSON-ready data: its fields, and `event` with its type in snake case.

    A nested one is `parent`, `kind` with its type, and `of` with its fields, so that no reader takes it for the turn's.
    """
    name = _snake(type(event).__name__)
    if isinstance(event, Nested):
        inner = event_record(event.event)
        return {"event": name, "parent": event.parent, "kind": inner.pop("event"), "of": inner}
    if isinstance(event, MessageAdded):
        return {"event": name, "message": message_record(event.message)}
    return {"event": name, **_fields_of(event)}


def message_record(message: Message) -> dict[str, Any]:
    """A message as JSON-ready data; each part carries its `type`."""
    parts = [{"type": type(part).__name__, **_fields_of(part)} for part in message.parts]
    record: dict[str, Any] = {"role": message.role, "parts": parts}
    if message.wire:
        record["wire"] = [dict(block) for block in message.wire]
    return record


@cache
def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


@cache
def _names(of: Any) -> tuple[str, ...] | None:
    """The fields of a dataclass; None for another type."""
    return tuple(each.name for each in fields(of)) if is_dataclass(of) else None


def _fields_of(value: Any) -> dict[str, Any]:
    """As `dataclasses.asdict`, which copies every text in it too and takes four times as long."""
    return {name: _plain(getattr(value, name)) for name in _names(type(value)) or ()}  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, list | tuple):
        return type(value)([_plain(item) for item in value])
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value if _names(type(value)) is None else _fields_of(value)  # type: ignore[arg-type]
