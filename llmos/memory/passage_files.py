"""The file of an archival passage: Markdown with YAML front matter (docs/formats.md).

A person may write one by hand: everything but `format` has a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmos.core.core_block import FIRST_STRENGTH, MACHINE, MODEL, USER
from llmos.core.passage import Passage, PassageState, Source
from llmos.memory.codec import CodecError, check_format, dump_front_matter, load_front_matter, refuse_newer
from llmos.memory.files import show_path

KIND = "llmos-archival"
NUMBER = 2
MAX_BYTES = 1_000_000
_TEXTS = ("subject", "attribute", "valid_from", "valid_to", "recorded_at", "block", "project", "asked")
_LISTS = ("supersedes", "disputes")
_OTHERS = ("format", "id", "by", "state", "strength", "sources", "recorded", "source")


def dump_passage(passage: Passage) -> bytes:
    """The whole file. Raises CodecError for text that cannot be written."""
    meta: dict[str, Any] = {"format": f"{KIND}/{NUMBER}", "state": passage.state.value, "by": passage.by}
    meta["sources"] = [{"message": one.message, "quote": one.quote} for one in passage.sources]
    for key in ("recorded_at", "valid_from", "valid_to", "subject", "attribute", "block", "project", "asked"):
        if value := getattr(passage, key):
            meta[key] = value
    for key in _LISTS:
        if value := getattr(passage, key):
            meta[key] = list(value)
    meta["strength"] = passage.strength
    return dump_front_matter(meta, passage.text.strip() + "\n")


def load_passage(data: bytes, *, identifier: str, name: str) -> Passage:
    """The passage in a file. Raises StoreError that names file and key."""
    refuse_newer(data, kind=KIND, supported=NUMBER, name=name)
    meta, body = load_front_matter(data, name=name)
    number = check_format(meta.get("format"), kind=KIND, supported=NUMBER, name=name)
    if number == 1:
        meta = {**meta, "recorded_at": meta.get("recorded", ""), "sources": [{"message": meta.get("source", "")}]}
    unknown = sorted(set(meta) - {*_TEXTS, *_LISTS, *_OTHERS})
    if unknown:
        _refuse(name, f"there is no setting {unknown[0]!r}")
    if not body.strip():
        _refuse(name, "the passage has no text below the second ---")
    text = {key: _text(meta, key, name) for key in _TEXTS}
    return Passage(
        id=identifier,
        text=body.strip(),
        by=_one_of(meta, "by", (USER, MODEL, MACHINE), USER, name),
        sources=tuple(_sources(meta, name)),
        state=PassageState(_one_of(meta, "state", tuple(PassageState), PassageState.CURRENT, name)),
        strength=_strength(meta, name),
        supersedes=tuple(_texts(meta, "supersedes", name)),
        disputes=tuple(_texts(meta, "disputes", name)),
        subject=text["subject"],
        attribute=text["attribute"],
        valid_from=text["valid_from"],
        valid_to=text["valid_to"],
        recorded_at=text["recorded_at"],
        block=text["block"],
        project=text["project"],
        asked=text["asked"],
    )


def _refuse(name: str, what: str) -> None:
    raise CodecError(f"{show_path(name)}: {what}")


def _text(meta: Mapping[str, Any], key: str, name: str) -> str:
    value = meta.get(key, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        _refuse(name, f"{key} must be text in quotes")
    return str(value)


def _texts(meta: Mapping[str, Any], key: str, name: str) -> list[str]:
    value = meta.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        _refuse(name, f"{key} must be a list of ids")
    return list(value)


def _one_of(meta: Mapping[str, Any], key: str, allowed: tuple[str, ...], default: str, name: str) -> str:
    value = meta.get(key, default)
    if value not in allowed:
        _refuse(name, f"{key} must be one of {', '.join(allowed)}")
    return str(value)


def _sources(meta: Mapping[str, Any], name: str) -> list[Source]:
    found = []
    value = meta.get("sources", [])
    for one in value if isinstance(value, list) else [None]:
        if not isinstance(one, Mapping) or not all(isinstance(text, str) for text in one.values()):
            _refuse(name, "sources must be a list of message and quote")
        else:
            found.append(Source(str(one.get("message", "")), str(one.get("quote", ""))))
    return found


def _strength(meta: Mapping[str, Any], name: str) -> float:
    value = meta.get("strength", FIRST_STRENGTH)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        _refuse(name, "strength must be a number from 0 to 1")
    return float(value)
