"""Judgements kept on disk by template pair, so that a model is asked about two wordings once.

Values are no part of a key: a pairing is kept as positions. The file is derived; deleting it costs a model call each.
A judgement may open gates on wording, and the file lies in the project's folder: a line counts only with this person's
signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from llmos.core.errors import StoreError
from llmos.core.judgement import Judgement
from llmos.core.wording import Analysis, analyse
from llmos.memory.codec import CodecError, dump_line, whole_records
from llmos.memory.files import append_line, make_private_folder, read_bounded
from llmos.memory.signing import is_signed, ready_key, signature, signing_key

_MAX_BYTES = 1 << 28
_KIND = "llmos-judgement/1"
FORMAT = 2
"""Part of each key: another way of asking makes other judgements."""


class Judgements:
    """The judgements of one model in `folder`, signed with the key of `home`; without a folder none that lasts."""

    def __init__(self, folder: Path | None = None, home: Path | None = None) -> None:
        self._folder = folder if home is not None else None
        self._home = home or Path()

    def find(self, model: str, earlier: str, goal: str) -> Judgement | None:
        """What `model` said of these two wordings, with the values that stand in them now."""
        old, new = analyse(earlier), analyse(goal)
        found = self._known.get(_key(model, old, new))
        return None if found is None else _with_values(found, old, new)

    def keep(self, model: str, earlier: str, goal: str, judgement: Judgement) -> None:
        """Remember it; a folder that cannot be written costs another call later and nothing else."""
        old, new = analyse(earlier), analyse(goal)
        key = _key(model, old, new)
        record = {"key": key, "confidence": judgement.confidence, "order": _order(judgement, new)}
        self._known[key] = record
        if self._folder is None:
            return
        try:
            make_private_folder(self._folder)
            mac = signature(ready_key(self._home), _KIND, _signed_fields(record))
            append_line(self._folder / "judgements.jsonl", dump_line({**record, "mac": mac}), sync=False)
        except (StoreError, CodecError):
            return

    @cached_property
    def _known(self) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = {}
        try:
            path = self._folder / "judgements.jsonl" if self._folder else None
            data = read_bounded(path, _MAX_BYTES) if path else b""
            key = signing_key(self._home) if data else None
        except StoreError:
            return found
        for record in whole_records(data):
            try:
                float(record["confidence"])
                if is_signed(key, _KIND, _signed_fields(record), str(record.get("mac", ""))):
                    found[str(record["key"])] = record
            except (ValueError, TypeError, KeyError):
                continue
        return found


def _signed_fields(record: Mapping[str, object]) -> list[str]:
    return [json.dumps([record["key"], record["confidence"], record["order"]])]


def _key(model: str, old: Analysis, new: Analysis) -> str:
    """32 hex digits for two wordings, and for which of their values are the same and of which kind they are."""
    texts = [literal.text for literal in (*old.literals, *new.literals)]
    alike = [texts.index(text) for text in texts]
    kinds = [literal.kind.value for literal in (*old.literals, *new.literals)]
    record = json.dumps([FORMAT, model, old.surface, new.surface, alike, kinds])
    return hashlib.sha256(record.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _order(judgement: Judgement, new: Analysis) -> list[int] | None:
    """For each value of the earlier goal the position of its partner in the new one."""
    if judgement.values is None:
        return None
    texts = [literal.text for literal in new.literals]
    return [texts.index(text) for _, text in judgement.values]


def _with_values(record: dict[str, object], old: Analysis, new: Analysis) -> Judgement:
    order = record.get("order")
    confidence = float(str(record["confidence"]))
    if not isinstance(order, list) or len(order) != len(old.literals):
        return Judgement(confidence, None, "as judged before")
    texts = [literal.text for literal in new.literals]
    if not all(isinstance(at, int) and 0 <= at < len(texts) for at in order):
        return Judgement(confidence, None, "as judged before")
    pairs = zip((literal.text for literal in old.literals), (texts[at] for at in order), strict=True)
    return Judgement(confidence, tuple(pairs), "as judged before")
