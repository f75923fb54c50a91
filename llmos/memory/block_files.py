"""The file of a core block: Markdown with YAML front matter (docs/formats.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmos.core.core_block import DEFAULT_LIMIT, DESCRIPTIONS, CoreBlock, parse_lines
from llmos.memory.codec import CodecError, check_format, dump_front_matter, load_front_matter, refuse_newer
from llmos.memory.files import show_path

KIND = "llmos-core-block"
NUMBER = 2
_KNOWN = ("format", "label", "description", "limit", "read_only", "updated")


def dump_block(block: CoreBlock) -> bytes:
    """The whole file. Raises CodecError for text that cannot be written."""
    meta: dict[str, Any] = {
        "format": f"{KIND}/{NUMBER}",
        "label": block.label,
        "description": block.description,
        "limit": block.limit,
        "read_only": block.read_only,
    }
    if block.updated:
        meta["updated"] = block.updated
    return dump_front_matter({**meta, **block.other}, block.body)


def load_block(data: bytes, *, label: str, name: str) -> CoreBlock:
    """The block in a file; keys that llmos does not know stay with it. Raises StoreError that names file and key."""
    refuse_newer(data, kind=KIND, supported=NUMBER, name=name)
    meta, body = load_front_matter(data, name=name)
    check_format(meta.get("format"), kind=KIND, supported=NUMBER, name=name)
    limit, read_only = meta.get("limit", DEFAULT_LIMIT), meta.get("read_only", False)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise CodecError(f"{show_path(name)}: limit must be a whole number of characters")
    if not isinstance(read_only, bool):
        raise CodecError(f"{show_path(name)}: read_only must be true or false")
    return CoreBlock(
        label=label,
        lines=parse_lines(body),
        description=_text(meta, "description", DESCRIPTIONS[label], name),
        limit=limit,
        read_only=read_only,
        updated=_text(meta, "updated", "", name),
        other={key: value for key, value in meta.items() if key not in _KNOWN},
    )


def _text(meta: Mapping[str, Any], key: str, default: str, name: str) -> str:
    value = meta.get(key, default)
    if not isinstance(value, str):
        raise CodecError(f"{show_path(name)}: {key} must be text")
    return value
