"""What a person can change in memory, without a command line. Every change is a person's, and can be undone."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime

from llmos.app import App
from llmos.core.core_block import USER
from llmos.core.core_edits import text_refusal
from llmos.core.errors import UsageError
from llmos.core.memory_change import MemoryChange
from llmos.core.passage import Passage, PassageState, Source
from llmos.interfaces.actions_memory import Known
from llmos.interfaces.layout import wrapped
from llmos.interfaces.printable import one_line
from llmos.memory.forgetting import Forgettable, Forgetting, Forgotten
from llmos.memory.memory_engine import Writer


def person(when: datetime, why: str, group: str = "") -> Writer:
    return Writer(when, why, "person", group)


def edit(app: App, known: Known, text: str, when: datetime) -> str:
    """Say a thing in other words; what was done, in a sentence. Raises UsageError, StoreError."""
    text = " ".join(text.split())
    day = when.date().isoformat()
    if known.item is not None:
        if why := text_refusal(text):
            raise UsageError(f"that cannot be an item: {why}")
        evidence = tuple(dict.fromkeys((*known.item.evidence, f"edit:{day}")))
        item = replace(known.item, text=text, date=day, by=USER, evidence=evidence, strength=1.0)
        app.memory.edit_block(known.label, lambda block: block.with_item(item), person(when, "edited by a command"))
        return f"changed in {known.label}: {text}"
    if known.passage is None:
        raise UsageError("what was said is on record as it was said; edit what was made of it, or forget it")
    if not text:
        raise UsageError("the passage is empty; `llmos memory forget` takes one out")
    writer = person(when, "edited by a command", secrets.token_hex(4))
    source = Source(f"edit:{day}")
    made = replace(_fresh(known.passage), text=text, sources=(source,), valid_from=day, supersedes=(known.passage.id,))
    stored = app.memory.add_archival_memory(made, writer)
    app.memory.change_passage(
        known.passage.id, lambda one: replace(one, state=PassageState.SUPERSEDED, valid_to=day), writer
    )
    return f"{stored.id} takes the place of {known.passage.id}, which is kept with its end date"


def _fresh(passage: Passage) -> Passage:
    return replace(
        passage, id="", by=USER, state=PassageState.CURRENT, disputes=(), valid_to="", strength=1.0, asked=""
    )


def pin(app: App, known: Known, when: datetime, *, pinned: bool) -> str:
    """Keep an item through every update, or no longer; a sentence. Raises UsageError, StoreError."""
    if known.item is None:
        raise UsageError("only items of core blocks are pinned; archival passages are never overwritten anyway")
    item = replace(known.item, pinned=pinned)
    word = "pinned" if pinned else "unpinned"
    change = app.memory.edit_block(known.label, lambda block: block.with_item(item), person(when, word))
    return f"{word}: {item.text}" if change is not None else f"it is {word} already: {item.text}"


def undo(app: App, identifier: str, when: datetime) -> list[MemoryChange]:
    """Take back a change, a group of changes, or the last one. The changes that did it. Raises UsageError."""
    return app.memory.undo(identifier or last_change(app), person(when, "undone by a command", secrets.token_hex(4)))


def last_change(app: App) -> str:
    """The last change, or the group that it belongs to, that was not undone. Raises UsageError."""
    changes = [change for change in app.memory.log.all() if change.edits]
    undone = {change.undoes for change in changes} | {
        change.why.removeprefix("undid ") for change in changes if change.why.startswith("undid ")
    }
    for change in reversed(changes):
        if change.id not in undone and not change.undoes and not change.why.startswith("undid "):
            return change.group or change.id
    raise UsageError("there is no change of memory to undo")


def forgetting(app: App) -> Forgetting:
    return Forgetting(app.workspace, app.memory, app.recall, app.prefix_folder)


def forgettable_lines(what: Forgettable, width: int) -> list[str]:
    """What would be taken out, before the person says yes."""
    lines = [f"from {label}: {item.text}" for label, item in what.items]
    lines += [f"from archival: {passage.text}" for passage in what.passages]
    lines += [
        f"from session {message.session}, {message.at:%Y-%m-%d}: the whole turn “{one_line(message.text, 120)}”"
        for message in what.messages
    ]
    lines += [f"stays, though it comes from the same message: {text}" for text in what.beside]
    return [piece for line in lines for piece in wrapped(line, width, hang=2)]


def forgotten_lines(what: Forgettable, done: Forgotten) -> list[str]:
    """What was taken out."""
    lines = [
        f"forgotten: {len(what.items)} items, {len(what.passages)} passages, {done.records} records in "
        f"{done.transcripts} transcripts, {done.changes} lines of the log of changes; indexes and vectors follow them",
    ]
    if done.still:
        lines.append(f"saved runs that hold the words: {', '.join(done.still)}; `llmos traces prune` deletes them")
    return lines
