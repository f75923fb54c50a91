"""Counting messages over sessions and processes, and which tier is due."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmos.core.events import Notice, TurnStarted
from llmos.core.memory_tiers import TickNote, Tier, TierRules, is_due, may_try
from llmos.core.session_events import MemoryTicked
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock


def say(root: Path, session: str, times: int = 1) -> None:
    made = Transcript(root / "recall", root / "open", session=session, clock=FixedClock())
    for turn in range(times):
        made.record(TurnStarted(goal='a goal with "event":"turn_started" in it', cwd="/w", workspace="/ws", turn=turn))
        made.record(Notice(text="turn_started"))
    made.close()


def counter(root: Path, *, core_every: int = 10, archival_every: int = 100) -> NestedLearning:
    rules = TierRules(
        core=replace(TierRules().core, every=core_every), archival=replace(TierRules().archival, every=archival_every)
    )
    return NestedLearning(root / "recall", root / "derived", rules)


def test_a_new_workspace_has_no_messages(tmp_path: Path) -> None:
    nested = counter(tmp_path)
    assert (nested.track_message(), nested.should_update_core(), nested.should_update_archival()) == (0, False, False)


def test_each_turn_is_one_message_over_all_sessions(tmp_path: Path) -> None:
    say(tmp_path, "one", 3)
    say(tmp_path, "two", 2)
    nested = counter(tmp_path)
    assert nested.track_message() == 5
    say(tmp_path, "three")
    assert (nested.track_message(), counter(tmp_path).track_message()) == (6, 6)


@pytest.mark.parametrize("damage", ["delete", "garbage", "list", "foreign", "nested"])
def test_the_cache_only_saves_time(tmp_path: Path, damage: str) -> None:
    say(tmp_path, "one", 4)
    counter(tmp_path).track_message()
    cache = tmp_path / "derived/message_count.json"
    match damage:
        case "delete":
            cache.unlink()
        case "garbage":
            cache.write_bytes(b"\xff{")
        case "list":
            cache.write_text("[1, 2]")
        case "foreign":
            cache.write_text('{"2026-11-22-one.jsonl": "x"}')
        case "nested":
            cache.write_text("[" * 100_000)
    assert counter(tmp_path).track_message() == 4


def test_where_the_cache_cannot_be_written_counting_goes_on(tmp_path: Path) -> None:
    (tmp_path / "derived").write_text("a file stands in the way")
    say(tmp_path, "one", 2)
    assert counter(tmp_path).track_message() == 2


def test_a_transcript_that_is_gone_no_longer_counts(tmp_path: Path) -> None:
    say(tmp_path, "one", 2)
    say(tmp_path, "two", 3)
    nested = counter(tmp_path)
    nested.track_message()
    (tmp_path / "recall/2026-11-22-one.jsonl").unlink()
    assert nested.track_message() == 3
    shutil.rmtree(tmp_path / "recall")
    assert nested.track_message() == 0


def test_a_transcript_that_was_cut_is_read_anew(tmp_path: Path) -> None:
    say(tmp_path, "one", 4)
    nested = counter(tmp_path)
    nested.track_message()
    path = tmp_path / "recall/2026-11-22-one.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    assert nested.track_message() == 2


def test_a_message_reads_only_what_was_added_and_writes_no_cache_for_it(tmp_path: Path) -> None:
    say(tmp_path, "old", 5)
    nested = counter(tmp_path)
    nested.track_message()
    cache = (tmp_path / "derived/message_count.json").read_bytes()
    old = tmp_path / "recall/2026-11-22-old.jsonl"
    old.write_bytes(b"x" * old.stat().st_size)  # not looked into again while it has its size
    say(tmp_path, "new")
    assert nested.track_message() == 6
    assert (tmp_path / "derived/message_count.json").read_bytes() == cache
    say(tmp_path, "long", 600)
    assert (nested.track_message(), counter(tmp_path).track_message()) == (606, 606)
    assert (tmp_path / "derived/message_count.json").read_bytes() != cache


@pytest.mark.parametrize("seed", range(5))
def test_counting_on_and_counting_anew_agree(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    nested = counter(tmp_path, core_every=3, archival_every=7)
    for minute in range(40):
        say(tmp_path, f"s{draw.randrange(4)}x{minute}", draw.randrange(1, 4))
        if draw.random() < 0.6:
            tier = draw.choice(["core", "archival"])
            tick(tmp_path, f"t{minute}", tier, nested.track_message(), done=draw.random() < 0.5, minute=minute)
        fresh = counter(tmp_path, core_every=3, archival_every=7)
        assert nested.track_message() == fresh.track_message()
        for tier in (Tier.CORE, Tier.ARCHIVAL):
            assert (nested.may_try(tier), nested.last_done(tier)) == (fresh.may_try(tier), fresh.last_done(tier))
        assert nested.should_update_core() == fresh.should_update_core()


def test_a_torn_last_line_counts_when_it_is_whole(tmp_path: Path) -> None:
    say(tmp_path, "one", 2)
    path = tmp_path / "recall/2026-11-22-one.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":9,"event":"turn_started"')
    nested = counter(tmp_path)
    assert nested.track_message() == 2
    path.write_bytes(whole + b'{"seq":9,"event":"turn_started"}\n')
    assert nested.track_message() == 3


def tick(root: Path, session: str, tier: str, message: int, *, done: bool, minute: int) -> None:
    clock = FixedClock(now=datetime(2026, 11, 22, 12, minute, tzinfo=UTC))
    made = Transcript(root / "recall", root / "open", session=session, clock=clock)
    made.record(MemoryTicked(tier=tier, message=message, done=done, reason="" if done else "no model"))
    made.close()


def test_the_cadence(tmp_path: Path) -> None:
    due = []
    for number in range(1, 13):
        say(tmp_path, f"s{number:02}")
        nested = counter(tmp_path, core_every=3, archival_every=6)
        nested.track_message()
        due.append((number, nested.should_update_core(), nested.should_update_archival()))
        for tier, wanted in (("core", due[-1][1]), ("archival", due[-1][2])):
            if wanted:
                tick(tmp_path, f"t{number:02}{tier}", tier, number, done=True, minute=number)
    assert [number for number, core, _ in due if core] == [3, 6, 9, 12]
    assert [number for number, _, archival in due if archival] == [6, 12]


def test_two_messages_at_once_do_not_step_over_the_cadence(tmp_path: Path) -> None:
    say(tmp_path, "one", 9)
    nested = counter(tmp_path)
    nested.track_message()
    assert not nested.should_update_core()
    say(tmp_path, "two", 2)
    assert (nested.track_message(), nested.should_update_core()) == (11, True)
    tick(tmp_path, "three", "core", 11, done=True, minute=1)
    nested.track_message()
    assert not nested.should_update_core()


def test_an_update_that_failed_or_was_never_begun_stays_due_in_the_next_process(tmp_path: Path) -> None:
    say(tmp_path, "one", 10)
    assert [counter(tmp_path).track_message() for _ in range(2)] == [10, 10]
    nested = counter(tmp_path)
    nested.track_message()
    assert (nested.should_update_core(), nested.may_try(Tier.CORE)) == (True, True)
    tick(tmp_path, "two", "core", 10, done=False, minute=1)
    nested.track_message()
    assert (nested.should_update_core(), nested.may_try(Tier.CORE)) == (True, False)


def test_attempts_after_failures_are_further_and_further_apart() -> None:
    rule = TierRules().core
    notes: list[TickNote] = []
    tried = []
    for count in range(1, 41):
        if may_try(rule, count, notes):
            tried.append(count)
            notes.append(TickNote("core", count, False, f"2026-11-22T12:{count:02}"))
    assert tried == [10, 11, 13, 17, 25, 35]
    done = TickNote("core", 35, True, "2026-11-22T13:00")
    assert [may_try(rule, count, [*notes, done]) for count in (36, 39, 40)] == [False, False, True]


def test_when_transcripts_were_deleted_the_cadence_goes_on() -> None:
    notes = [TickNote("core", 200, True, "2026-11-22T12:00")]
    assert [is_due(TierRules().core, count, notes) for count in (5, 10)] == [False, True]
    assert not is_due(TierRules().core, 15, [*notes, TickNote("core", 10, True, "2026-11-22T13:00")])


def test_rates_and_edit_budgets_are_those_of_the_table() -> None:
    rules = TierRules()
    assert [round(rule.rate, 6) for rule in (rules.recall, rules.core, rules.archival)] == [0.09, 0.005, 0.0001]
    assert [rules.core.edit_budget(items) for items in (0, 1, 10, 11, 20, 100)] == [1, 1, 1, 2, 2, 10]
    assert [rule.edit_budget(50) for rule in (rules.recall, rules.archival)] == [0, 0]
    assert rules.core.strength_after(0.5, 1.0) == 0.5025
