"""What can be asked of memory, without a command line: the `memory` commands and `/memory` call this.

Each function gives values or lines; the caller prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from llmos.app import App
from llmos.core.core_block import BLOCKS, CoreItem, named_items
from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError, UsageError
from llmos.core.memory_change import MemoryChange
from llmos.core.memory_tiers import Tier, TierRule
from llmos.core.passage import Passage, PassageState
from llmos.interfaces.layout import cards, pairs, wrapped
from llmos.interfaces.printable import one_line
from llmos.memory.all_search import AllSearch, Found
from llmos.memory.as_of import blocks_as_of, passages_as_of
from llmos.memory.fact_search import FactHit
from llmos.memory.memory_search import Hit
from llmos.memory.recall_reader import RecallMessage

PLACES = (*BLOCKS, "core", "archival")
_SHOWN = 300
"""Characters of a message in a list."""


# --------------------------------------------------------------------------------------------------------------- lists


def item_row(label: str, item: CoreItem) -> dict[str, Any]:
    """The JSON-ready record of an item of a core block."""
    return {
        "id": item.id,
        "place": label,
        "text": item.text,
        "date": item.date,
        "by": item.by,
        "strength": item.strength,
        "pinned": item.pinned,
        "sources": list(item.evidence),
    }


def passage_row(passage: Passage) -> dict[str, Any]:
    """The JSON-ready record of an archival passage."""
    return {
        "id": passage.id,
        "place": "archival",
        "text": passage.text,
        "state": passage.state.value,
        "by": passage.by,
        "strength": passage.strength,
        "valid_from": passage.valid_from,
        "valid_to": passage.valid_to,
        "recorded_at": passage.recorded_at,
        "supersedes": list(passage.supersedes),
        "disputes": list(passage.disputes),
        "sources": [source.message for source in passage.sources],
    }


def list_rows(
    app: App, place: str = "", *, everything: bool = False, as_of: str = "", recorded_by: str = ""
) -> list[dict[str, Any]]:
    """What is remembered, by place; passages that hold no more only with `everything`.

    With a day: what held on it, and what was on record by it. Raises UsageError.
    """
    if place and place not in PLACES:
        raise UsageError(f"there is no place {place!r}; there are {', '.join(PLACES)}")
    rows = [
        item_row(block.label, item)
        for block in blocks_as_of(app.memory, recorded_by)
        if place in ("", "core", block.label)
        for item in named_items(block)
    ]
    if place in ("", "archival"):
        dated = as_of or recorded_by
        passages = app.memory.passages() if everything and not dated else passages_as_of(app.memory, as_of, recorded_by)
        rows += [passage_row(one) for one in passages]
    return rows


def list_lines(rows: Sequence[dict[str, Any]], width: int) -> list[str]:
    """The rows as a person reads them, under the name of each place."""
    lines: list[str] = []
    for place in dict.fromkeys(row["place"] for row in rows):
        mine = [row for row in rows if row["place"] == place]
        lines += ([""] if lines else []) + [f"{place} ({len(mine)})"]
        for row in mine:
            lines += wrapped(f"  {row['text']}{_remark(row)}", width, hang=2)
            lines += wrapped(f"    {row['id']}", width)
    return lines


def _remark(row: dict[str, Any]) -> str:
    """What there is to know of a row besides its text."""
    said = [row.get("date") or row.get("valid_from", "")[:10] or row.get("recorded_at", "")[:10]]
    said += ["pinned"] * bool(row.get("pinned"))
    if (state := row.get("state", "current")) != "current":
        said.append(state)
    said = [word for word in said if word]
    return f"  [{', '.join(said)}]" if said else ""


# -------------------------------------------------------------------------------------------------------------- search


def search(
    app: App, question: str, *, limit: int, now: datetime, project: str, as_of: str = "", recorded_by: str = ""
) -> Found:
    """What is about the question in core blocks, passages and messages; empty where nothing is. Raises UsageError.

    With a day: among what held on it, and what was said and on record by it.
    """
    if not question.strip():
        raise UsageError("the question is empty; say what you look for")
    whole = AllSearch(app.memory, app.archival, app.recall)
    return whole.search(question, now=now, project=project, limit=limit, as_of=as_of, recorded_by=recorded_by)


def search_lines(found: Found, width: int, *, scores: bool = False) -> list[str]:
    """What was found, as a person reads it."""
    heads = [(f"{hit.place} {hit.id}" + _score(hit.score, hit.parts, scores), hit.text) for hit in found.facts]
    for hit in found.messages:
        said = one_line(hit.message.text, _SHOWN)
        heads.append((f"{message_head(hit.message)}{_score(hit.score, hit.parts, scores)}", said))
    return cards(heads, width)


def _score(score: float, parts: dict[str, float], wanted: bool) -> str:
    if not wanted:
        return ""
    shown = ", ".join(f"{name} {part:.2f}" for name, part in sorted(parts.items(), key=lambda one: -abs(one[1])))
    return f" · {score:.2f} = {shown}"


def message_head(message: RecallMessage) -> str:
    where = f" in {message.project}" if message.project else ""
    return f"message {message.name} · {message.speaker} · {message.at:%Y-%m-%d %H:%M}{where}"


def search_record(found: Found) -> dict[str, Any]:
    """What was found, JSON-ready."""
    facts = [
        {"place": hit.place, "id": hit.id, "text": hit.text, "sources": list(hit.sources), **_scored(hit)}
        for hit in found.facts
    ]
    messages = [
        {
            "id": hit.message.name,
            "at": hit.message.at.isoformat(),
            "by": hit.message.speaker,
            "project": hit.message.project,
            "text": hit.message.text,
            **_scored(hit),
        }
        for hit in found.messages
    ]
    return {"facts": facts, "messages": messages}


def _scored(hit: FactHit | Hit) -> dict[str, Any]:
    return {"score": round(hit.score, 4), "parts": {name: round(part, 4) for name, part in hit.parts.items()}}


# ----------------------------------------------------------------------------------------------------------------- why


@dataclass(frozen=True, slots=True)
class Known:
    """One thing in memory, whichever it is."""

    label: str = ""
    item: CoreItem | None = None
    passage: Passage | None = None
    message: RecallMessage | None = None

    @property
    def id(self) -> str:
        return next(one for one in (self.item and self.item.id, self.passage and self.passage.id) if one)


def find(app: App, identifier: str) -> Known:
    """The item, passage or message of this id. Raises UsageError."""
    for block in app.memory.blocks():
        for item in named_items(block):
            if item.id == identifier:
                return Known(block.label, item=item)
    if ":" in identifier:
        message = app.recall.refresh().named(identifier)
        if message is None:
            raise UsageError(f"there is no message {identifier!r}; `llmos memory search` shows their names")
        return Known(message=message)
    starts = [
        (b.label, i) for b in app.memory.blocks() for i in named_items(b) if identifier and i.id.startswith(identifier)
    ]
    if len(starts) == 1:
        return Known(starts[0][0], item=starts[0][1])
    return Known("archival", passage=app.memory.passage(identifier))


def show_lines(app: App, known: Known, width: int) -> list[str]:
    """One thing with all that is known of it."""
    if known.message is not None:
        return [message_head(known.message), *wrapped(known.message.text, width)]
    if known.item is not None:
        item = known.item
        rows = [
            ("id", item.id),
            ("block", known.label),
            ("since", item.date),
            ("by", item.by),
            ("strength", _strength(item.strength, app.record.nested.rules.core, "archival")),
            ("pinned", "yes" if item.pinned else "no"),
        ]
        return [*wrapped(item.text, width), *pairs(rows, width)]
    passage = known.passage
    assert passage is not None
    rows = [(name, value) for name, value in passage_row(passage).items() if name not in ("text", "sources")]
    shown = [(name, ", ".join(value) if isinstance(value, list) else str(value)) for name, value in rows]
    app.record.nested.track_message()
    asked, rule = app.record.nested.asked_for.get(passage.id, 0), app.record.nested.rules.archival
    strength = _strength(rule.borne_out(passage.strength, asked), rule, "core")
    shown = [("strength", strength) if name == "strength" else (name, value) for name, value in shown]
    shown += [("asked for", f"{asked} time{'s' if asked != 1 else ''}")] * bool(asked)
    return [*wrapped(passage.text, width), *pairs([row for row in shown if row[1]], width)]


def _strength(strength: float, rule: TierRule, slower: str) -> str:
    """A strength and what it means for the next tier."""
    return f"{strength:.6g}" + (f", enough to be proposed to {slower}" if rule.is_strong(strength) else "")


def why_lines(app: App, known: Known, width: int, *, question: str, now: datetime, project: str) -> list[str]:
    """Where a thing comes from, what became of it, and with a question why it is found for it."""
    lines = show_lines(app, known, width)
    if known.message is None:
        lines += ["", "said in"]
        for name, quote in _sources(known):
            lines += ["  " + line for line in _source_lines(app, name, quote, width)]
        lines += ["", "what became of it"]
        for change in app.memory.log.all():
            if any(edit.item == known.id for edit in change.edits):
                lines += wrapped(f"  {change_head(change)}", width, hang=2)
    if question:
        found = search(app, question, limit=1_000, now=now, project=project)
        lines += ["", f"for {question!r}", *(f"  {line}" for line in _place_lines(found, known))]
    return lines


def _sources(known: Known) -> list[tuple[str, str]]:
    if known.passage is not None:
        return [(source.message, source.quote) for source in known.passage.sources]
    return [(name, "") for name in (known.item.evidence if known.item else ())]


def _source_lines(app: App, name: str, quote: str, width: int) -> list[str]:
    message = app.recall.refresh().named(name)
    if message is None:
        return wrapped(f"{name}{f': {quote}' if quote else ''}", width, hang=2)
    return cards([(message_head(message), quote or one_line(message.text, _SHOWN))], width)


def _place_lines(found: Found, known: Known) -> Iterable[str]:
    hits: list[FactHit | Hit] = [*found.facts] if known.message is None else [*found.messages]
    for place, hit in enumerate(hits, start=1):
        name = hit.message.name if isinstance(hit, Hit) else hit.id
        if name == (known.message.name if known.message else known.id):
            yield f"place {place}{_score(hit.score, hit.parts, True)}"
            return
    yield "it is not found: it shares too little with the question"


# ------------------------------------------------------------------------------------------------------------- changes


def change_head(change: MemoryChange) -> str:
    """One line about a change of memory."""
    undoes = f" (undoes {change.undoes})" if change.undoes else ""
    return f"{change.id} {change.when[:16].replace('T', ' ')} {change.by}: {change.why}{undoes}"


def log_lines(changes: Sequence[MemoryChange], width: int) -> list[str]:
    """Changes of memory, the latest at the end, one line for each thing that changed."""
    lines: list[str] = []
    for change in changes:
        lines += wrapped(change_head(change), width, hang=2)
        for sentence in change.sentences:
            lines += wrapped(f"  {sentence}", width, hang=2)
    return lines


def diff_lines(changes: Sequence[MemoryChange]) -> list[str]:
    """Changes of memory as a diff."""
    lines: list[str] = []
    for change in changes:
        lines.append(f"@@ {change.target} · {change_head(change)}")
        for edit in change.edits:
            lines += [f"-{line}" for line in (edit.before or "").splitlines()]
            lines += [f"+{line}" for line in (edit.after or "").splitlines()]
    return lines


def chosen_changes(app: App, identifier: str, limit: int) -> list[MemoryChange]:
    """The change or group of this id, or the last ones. Raises UsageError."""
    changes = app.memory.log.all()
    if not identifier:
        return changes[-limit:]
    found = [one for one in changes if identifier in (one.id, one.group)]
    if not found:
        raise UsageError(f"there is no change {identifier!r}; `llmos memory log` shows them")
    return found


# -------------------------------------------------------------------------------------------------------------- status


def status_record(app: App) -> dict[str, Any]:
    """Whether memory is on, what is in each tier, and when each updates next."""
    nested = app.record.nested
    count = nested.track_message()
    passages = app.memory.passages()
    tiers = {}
    for tier, due in ((Tier.CORE, nested.should_update_core()), (Tier.ARCHIVAL, nested.should_update_archival())):
        every, last = nested.rules.of(tier).every, nested.last_done(tier)
        tiers[tier.value] = {
            "every": every,
            "due": due,
            "next_at": (count // every + 1) * every,
            "last": {"at": last.at, "message": last.message} if last else None,
        }
    index = app.recall.refresh()
    vectors = app.recall.vectors()
    return {
        "memory": app.config.settings.memory,
        "messages": count,
        "indexed": index.count(),
        "without_vector": vectors.pending() if vectors is not None else None,
        "core": {block.label: len(block.items) for block in app.memory.blocks()},
        "archival": {
            state.value: number
            for state in PassageState
            if (number := sum(one.state is state for one in passages)) or state is PassageState.CURRENT
        },
        "tiers": tiers,
        "changes": len(app.memory.log.all()),
        "problems": [*app.memory.problems, *_unreadable(app)],
    }


def _unreadable(app: App) -> list[str]:
    problems = []
    for label in BLOCKS:
        try:
            app.memory.block(label)
        except LlmosError as error:
            problems.append(str(error))
    return problems


def status_lines(record: dict[str, Any], width: int) -> list[str]:
    """The status as a person reads it."""
    rows = [
        ("memory", record["memory"]),
        ("messages", f"{record['messages']:,} of yours, {record['indexed']:,} indexed"),
    ]
    waiting = record["without_vector"]
    by_meaning = "no: `llmos models pull minilm` gets the model" if waiting is None else f"{waiting:,} not embedded yet"
    rows.append(("by meaning", by_meaning if waiting is None or waiting else "yes"))
    for label, number in record["core"].items():
        rows.append((label, f"{number} item{'s' if number != 1 else ''}"))
    rows.append(("archival", ", ".join(f"{number} {state}" for state, number in record["archival"].items())))
    for name, tier in record["tiers"].items():
        last = f"last at message {tier['last']['message']}, {tier['last']['at'][:16]}" if tier["last"] else "never yet"
        when = "due now" if tier["due"] else f"next at message {tier['next_at']}"
        rows.append((f"{name} update", f"{when}; {last}"))
    rows.append(("changes", f"{record['changes']} on record"))
    return [*pairs(rows, width), *(line for text in record["problems"] for line in wrapped(f"problem: {text}", width))]
