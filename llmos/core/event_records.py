"""Events and messages as JSON-ready data, as the transcript and `--output-format stream-json` hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
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
    name = "".join("_" + c.lower() if c.isupper() else c for c in type(event).__name__).lstrip("_")
    if isinstance(event, Nested):
        inner = event_record(event.event)
        return {"event": name, "parent": event.parent, "kind": inner.pop("event"), "of": inner}
    if isinstance(event, MessageAdded):
        return {"event": name, "message": message_record(event.message)}
    return {"event": name, **asdict(event)}


def message_record(message: Message) -> dict[str, Any]:
    """A message as JSON-ready data; each part carries its `type`."""
    parts = [{"type": type(part).__name__, **asdict(part)} for part in message.parts]
    record: dict[str, Any] = {"role": message.role, "parts": parts}
    if message.wire:
        record["wire"] = [dict(block) for block in message.wire]
    return record
