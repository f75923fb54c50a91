"""Updates of the memory tiers after a turn: read what was said, ask a model, write what the rules allow.

Invariant: an update that fails stays due and says why, and whatever a model answers, no rule of the tiers is broken. It
never blocks a turn, runs under a budget of its own, and no two sessions update at once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path

from llmos.core.budget import Account
from llmos.core.consolidation import (
    EXTRACT_SCHEMA,
    EXTRACT_SYSTEM,
    LABEL_SCHEMA,
    LABEL_SYSTEM,
    BadAnswerError,
    Label,
    Pair,
    extract_question,
    facts_of,
    label_question,
    labels_of,
    pairs_of,
    pairs_within,
    said_again,
)
from llmos.core.core_block import MACHINE, CoreBlock, CoreItem, item_id
from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError, StoreError
from llmos.core.events import Event
from llmos.core.memory_change import CORE
from llmos.core.memory_gate import Fact, Heard, about_the_same, heard, stated
from llmos.core.memory_tiers import Tier
from llmos.core.messages import StopReason, user_text
from llmos.core.ports import Clock, Emit, Model, ModelRequest
from llmos.core.session_events import MemoryTicked
from llmos.core.small_extraction import YES, candidates, lasting_question, least_chance
from llmos.engine.memory_updates import CoreUpdate, is_outdated, update_archival
from llmos.engine.model_calls import ModelCalls
from llmos.memory.files import make_private_folder
from llmos.memory.locks import StoreLock
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.recall_reader import RecallMessage

BATCH_CHARS = 8_000
"""Of messages that are shown to a model at once."""
ANSWER_TOKENS = 4_000
_RETRY_S = 20.0
_SMALL_SHARE = 0.75
"""Of the time of an update, for what a model on this machine is asked first."""
_ENDED = (StopReason.END_TURN, StopReason.STOP_SEQUENCE)


@dataclass(frozen=True, slots=True)
class UpdateLimits:
    """What one update may cost in US dollars and take in seconds."""

    usd: float = 0.05
    seconds: float = 120.0


@dataclass(slots=True)
class _Update:
    """One update of one tier while it runs."""

    tier: Tier
    count: int
    writer: Writer
    calls: ModelCalls
    through: str = ""
    why_not: str = ""
    """Why it stays due; empty when it is done."""
    lines: list[str] = field(default_factory=list)
    """What else than changes a person is to know."""


class Consolidator:
    """Keeps the tiers of one session up to date. `said_since` gives the person's messages after a time, `said_like`
    those that share words with a statement.

    `model` gives the model on demand and raises NoModelError when there is none: then what needs none is done.
    `synchronise` brings the vectors of the passages to what the files say, and `embed` makes those of messages that
    are missing; they take seconds, so they run in a thread.
    """

    def __init__(
        self,
        *,
        memory: MemoryEngine,
        nested: NestedLearning,
        said_since: Callable[[str], Sequence[RecallMessage]],
        said_like: Callable[[str], Sequence[RecallMessage]] = lambda text: (),
        model: Callable[[], Model],
        clock: Clock,
        limits: UpdateLimits,
        lock: Path,
        machine: Callable[[], Mapping[str, str]],
        synchronise: Callable[[], int] = int,
        embed: Callable[[], object] = int,
    ) -> None:
        self._memory = memory
        self._nested = nested
        self._said_since = said_since
        self._said_like = said_like
        self._model = model
        self._clock = clock
        self._limits = limits
        self._lock = lock
        self._machine = machine
        self._synchronise = synchronise
        self._embed = embed
        self._task: asyncio.Task[None] | None = None
        self._small = False
        self._news: list[str] = []

    # ------------------------------------------------------------------------------------------- beside the turns

    def after_message(self, emit: Emit, *, begin: bool = True) -> None:
        """A message was recorded: count it, and begin what is due, beside the conversation; or leave it due."""
        nested = self._nested
        recalled = tuple(dict.fromkeys(self._memory.recalled))
        self._memory.recalled.clear()
        emit(MemoryTicked(tier=Tier.RECALL.value, message=nested.track_message(), done=True, recalled=recalled))
        if begin and not self.running and any(nested.may_try(tier) for tier in (Tier.CORE, Tier.ARCHIVAL)):
            self._task = asyncio.ensure_future(self.update(emit))

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def finish(self) -> None:
        """Wait for the update that runs."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def stop(self, *, small_only: bool = False) -> None:
        """Stop the update that runs; it stays due. With `small_only` only one that the processor is needed for."""
        if self._task is not None and self.running and (self._small or not small_only):
            self._task.cancel()
            await self.finish()

    def take_news(self) -> list[str]:
        """What changed in the core blocks since the last time, for the conversation that runs."""
        news, self._news = self._news, []
        return news

    # ----------------------------------------------------------------------------------------------- one update

    async def update(self, emit: Emit) -> None:
        """Update the tiers that are due, core before archival. Another session that is at it does it alone."""
        try:
            make_private_folder(self._lock.parent)
            with StoreLock(self._lock, timeout_s=0.0):
                self._nested.track_message()
                if self._nested.should_update_core() and self._nested.may_try(Tier.CORE):
                    await self._tick(Tier.CORE, emit)
                if self._nested.should_update_archival() and self._nested.may_try(Tier.ARCHIVAL):
                    await self._tick(Tier.ARCHIVAL, emit)
                    await asyncio.to_thread(self._synchronise)
                await asyncio.to_thread(self._embed)
        except StoreError:
            return  # another session is at it, or nothing can be written: then the turn has said so

    async def _tick(self, tier: Tier, emit: Emit) -> None:
        memory, count = self._memory, self._nested.count
        writer = Writer(self._clock.now(), f"{tier.value} update at message {count}", group=secrets.token_hex(4))
        calls = ModelCalls(account=Account(self._limits.usd), clock=self._clock, emit=_nowhere, retry_total_s=_RETRY_S)
        update = _Update(tier, count, writer, calls)
        before = len(memory.log.all())
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._work(update)
        except asyncio.CancelledError:
            update.why_not = "it was stopped"
            self._close(update, before, emit)
            raise
        except TimeoutError:
            update.why_not = f"it took longer than {self._limits.seconds:g} s"
        except BadAnswerError as error:
            update.why_not = f"the model's answer was of no use: {error}"
        except LlmosError as error:
            update.why_not = str(error)
        self._close(update, before, emit)

    def _close(self, update: _Update, before: int, emit: Emit) -> None:
        """Say what was done, on record first."""
        mine = [
            one for one in self._memory.log.all()[before:] if one.group == update.writer.group or one.by == "person"
        ]
        core = [sentence for change in mine if change.target.startswith(CORE) for sentence in change.sentences]
        self._news += [sentence for sentence in core if not sentence.startswith(("borne out", "doubted"))]
        emit(
            MemoryTicked(
                tier=update.tier.value,
                message=update.count,
                done=not update.why_not,
                changes=(*(sentence for change in mine for sentence in change.sentences), *update.lines),
                reason=update.why_not,
                through=update.through if not update.why_not else "",
                cost_usd=update.calls.ledger.spent,
                model_calls=update.calls.count,
            )
        )
        self._nested.track_message()

    async def _work(self, update: _Update) -> None:
        memory, when = self._memory, update.writer.when
        memory.take_up_edits(when)
        self._refresh_machine(update)
        done = self._nested.last_done(update.tier)
        said = self._said_since(done.through if done else "")
        update.through = said[-1].at.isoformat(timespec="milliseconds") if said else (done.through if done else "")
        found = (heard(one.name, one.at, one.text, one.project) for one in said)
        # A job that was given again and again is read once.
        messages = _first_of_each(one for one in found if one is not None)
        model = self._model_or_why(update) if messages else None
        self._small = model is not None and model.info.small
        try:
            # A model on this machine may need longer than it is given; what was said outright is not to wait for it.
            async with asyncio.timeout(self._limits.seconds * _SMALL_SHARE if self._small else None):
                facts = await self._facts(update, model, messages)
        except TimeoutError:
            if not self._small:
                raise
            update.why_not = "the model took too long; what you said outright is kept"
            model, facts = None, await self._facts(update, None, messages)
        bars = memory.tombstones.bars
        passages = memory.passages()
        kept = [one for one in facts if not bars(one.text, one.evidence) and not is_outdated(one, passages)]
        facts = sorted(kept, key=lambda fact: fact.at)
        if update.tier is Tier.CORE:
            work = CoreUpdate(memory, facts, update.writer, self._nested.asked_for)
            pairs = [*pairs_of(facts, [work.nearest(fact) for fact in facts]), *pairs_within(facts)]
            work.write(pairs, await self._labels(update, model, facts, pairs))
            update.lines += work.lines
        else:
            await self._archival(update, model, facts)
        update.lines += _asked(memory, when)

    async def _archival(self, update: _Update, model: Model | None, facts: Sequence[Fact]) -> None:
        work = update_archival(self._memory, facts, update.writer)
        pairs = next(work)
        labels = await self._labels(update, model, facts, pairs)
        try:
            work.send(labels)
        except StopIteration:
            return

    def _model_or_why(self, update: _Update) -> Model | None:
        try:
            return self._model()
        except LlmosError as error:
            update.why_not = f"{error}; what you said outright is kept"
            return None

    async def _facts(self, update: _Update, model: Model | None, messages: Sequence[Heard]) -> list[Fact]:
        if model is None or model.info.small:
            facts = [fact for message in messages for fact in stated(message)]
            return facts if model is None else [*facts, *await self._lasting(update, model, messages)]
        facts = []
        for batch in _batches(messages, BATCH_CHARS):
            question = extract_question(batch)
            answer = await self._ask(update, model, EXTRACT_SYSTEM, question, EXTRACT_SCHEMA)
            found, _ = facts_of(answer, batch)
            facts += found
        for message in messages:
            outright = stated(message, asked_only=True)
            for fact in stated(message):
                # What the model left out counts where it was asked for, or said so often that it is strong in recall.
                kept = fact if fact in outright else self._strong(fact)
                if kept is not None and not any(_tells(other, kept) for other in facts):
                    facts.append(kept)
        return facts

    async def _lasting(self, update: _Update, model: Model, messages: Sequence[Heard]) -> list[Fact]:
        """The statements that a model on this machine says last; it is asked for one word about each."""
        memory = self._memory
        known = [item.text for block in memory.blocks() for item in block.items]
        known += [one.text for one in memory.passages()]
        kept: list[Fact] = []
        for fact in candidates(messages, known):
            reply = await update.calls.call(model, lasting_question(fact))
            if reply.chances.get(YES, 0.0) >= least_chance(model.info.name):
                kept.append(fact)
        return kept

    def _strong(self, fact: Fact) -> Fact | None:
        found = (heard(one.name, one.at, one.text, one.project) for one in self._said_like(fact.text))
        return said_again(fact, [one for one in found if one is not None], self._memory.rules.recall)

    async def _labels(
        self, update: _Update, model: Model | None, facts: Sequence[Fact], pairs: Sequence[Pair]
    ) -> list[Label]:
        """How the facts stand to what is known; without a model that can tell nothing stands against anything."""
        if model is None or model.info.small or not pairs:
            return [Label.UNRELATED] * len(pairs)
        answer = await self._ask(update, model, LABEL_SYSTEM, label_question(facts, pairs), LABEL_SCHEMA)
        return labels_of(answer, pairs)

    async def _ask(
        self, update: _Update, model: Model, system: str, question: str, schema: Mapping[str, object]
    ) -> str:
        request = ModelRequest(system, (user_text(question),), max_tokens=ANSWER_TOKENS, output_schema=schema)
        reply = await update.calls.call(model, request)
        if reply.stop_reason not in _ENDED:
            raise BadAnswerError(f"it stopped with {reply.stop_reason.value}")
        return reply.message.text

    def _refresh_machine(self, update: _Update) -> None:
        """The facts of machine and project in system_context, as they are now; what a person changed there stays."""
        bars = self._memory.tombstones.bars
        facts = {name: text for name, text in self._machine().items() if not bars(text, [f"machine:{name}"])}

        def refreshed(block: CoreBlock) -> CoreBlock:
            return block if block.read_only else _with_machine_facts(block, facts, update.writer.day)

        self._memory.edit_block("system_context", refreshed, replace(update.writer, by="machine"))


def _with_machine_facts(block: CoreBlock, facts: Mapping[str, str], day: str) -> CoreBlock:
    for name, text in facts.items():
        made = item_id(block.label, f"machine:{name}")
        there = block.find(made)
        item = CoreItem(text, made, day, MACHINE, (f"machine:{name}",), 1.0)
        if there is None or (there.by == MACHINE and not there.pinned and there.text != text):
            block = block.with_item(item)
    return block


def _first_of_each(messages: Iterable[Heard]) -> list[Heard]:
    kept: dict[str, Heard] = {}
    for message in messages:
        kept.setdefault(message.text, message)
    return list(kept.values())


def _batches(messages: Sequence[Heard], chars: int) -> list[list[Heard]]:
    batches: list[list[Heard]] = [[]]
    size = 0
    for message in messages:
        if batches[-1] and size + len(message.text) > chars:
            batches.append([])
            size = 0
        batches[-1].append(message)
        size += len(message.text)
    return [batch for batch in batches if batch]


def _tells(one: Fact, other: Fact) -> bool:
    """Whether a fact says what another says, of the same message."""
    return bool(set(one.evidence) & set(other.evidence)) and about_the_same(one.text, other.text)


def _asked(memory: MemoryEngine, when: datetime) -> list[str]:
    """The questions about disputed passages that the person was not asked before."""
    disputed = {one.id: one for one in memory.passages() if one.state == "disputed"}
    lines = []
    for passage in disputed.values():
        against = [disputed[other] for other in passage.disputes if other in disputed]
        if passage.asked or not against:
            continue
        shown = " or ".join(f"{one.text!r} (said {one.since})" for one in (*against, passage))
        lines.append(f"which holds? {shown}: say it, and it is remembered so")
        writer = Writer(when, "asked which of them holds", "machine")
        for one in (passage, *against):
            memory.change_passage(one.id, lambda known: replace(known, asked=when.date().isoformat()), writer)
    return lines


def _nowhere(_: Event) -> None:
    """The cost of an update is told by its own event, and must not be counted as the turn's."""
