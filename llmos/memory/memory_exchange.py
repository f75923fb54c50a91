"""Memory carried elsewhere: one JSON file with the items of the core blocks and the passages.

What is imported is data that somebody else wrote: it becomes archival passages by `model`, never an item that is always
in the prompt, never the person's own word, and it supersedes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from llmos.core.core_block import MODEL
from llmos.core.dataclass import dataclass
from llmos.core.memory_text import fingerprint, holds_secret
from llmos.core.passage import Passage, PassageState, Source
from llmos.memory.codec import CodecError, check_format
from llmos.memory.files import read_bounded, show_path
from llmos.memory.memory_engine import MemoryEngine, Writer

KIND = "llmos-memory"
NUMBER = 1
MAX_BYTES = 20_000_000
TEXT_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Import:
    """What a file would add, and what of it is left out, with why."""

    source: str
    passages: tuple[Passage, ...]
    refused: tuple[tuple[str, str], ...]


def export_memory(items: Sequence[dict[str, Any]], when: datetime) -> bytes:
    """The file. `items` are JSON-ready records, each with at least `place` and `text`."""
    record = {"format": f"{KIND}/{NUMBER}", "exported": when.isoformat(timespec="seconds"), "items": list(items)}
    return json.dumps(record, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def read_import(path: Path, memory: MemoryEngine) -> Import:
    """What the file would add to this memory. Raises StoreError that names the file and what is wrong in it."""
    data = read_bounded(path, MAX_BYTES)
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"{show_path(path)} is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise CodecError(f"{show_path(path)} is no exported memory: it must be an object with `format` and `items`")
    check_format(record.get("format"), kind=KIND, supported=NUMBER, name=str(path))
    entries = record.get("items")
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise CodecError(f"{show_path(path)}: items must be a list of objects")
    source = f"import:{hashlib.sha256(data).hexdigest()[:12]}"
    known = {fingerprint(one.text) for one in memory.passages()}
    known |= {fingerprint(item.text) for block in memory.blocks() for item in block.items}
    taken: list[Passage] = []
    refused: list[tuple[str, str]] = []
    for entry in entries:
        text = entry.get("text")
        if not isinstance(text, str):
            raise CodecError(f"{show_path(path)}: every item needs a text")
        text = " ".join(text.split())
        if why := _refusal(text, entry, known, memory):
            refused.append((text[:80], why))
            continue
        known.add(fingerprint(text))
        taken.append(_passage(text, entry, source))
    return Import(source, tuple(taken), tuple(refused))


def take_import(found: Import, memory: MemoryEngine, writer: Writer) -> int:
    """Add it; how many passages. Raises StoreError, UsageError."""
    for passage in found.passages:
        memory.add_archival_memory(passage, writer)
    return len(found.passages)


def _refusal(text: str, entry: dict[str, Any], known: set[str], memory: MemoryEngine) -> str:
    if not text or not text.isprintable():
        return "it is no line of plain words"
    if len(text) > TEXT_LIMIT:
        return f"it has more than {TEXT_LIMIT:,} characters"
    if fingerprint(text) in known:
        return "it is known already"
    if holds_secret(text):
        return "it looks as if it held a credential"
    if memory.tombstones.bars(text, []):
        return "it was forgotten here"
    if entry.get("state", "current") not in (PassageState.CURRENT, PassageState.DISPUTED):
        return f"it is {entry.get('state')}"
    return ""


def _passage(text: str, entry: dict[str, Any], source: str) -> Passage:
    since = entry.get("valid_from") or entry.get("date")
    valid_from = since[:40] if isinstance(since, str) else ""
    return Passage("", text, by=MODEL, sources=(Source(source),), strength=0.25, valid_from=valid_from)
