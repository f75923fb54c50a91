"""Traces that were forged or edited are never replayed: a trace is code, and only its exact approved bytes count."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import World

from llmos.core.errors import NoModelError
from llmos.core.events import Mode, Notice
from llmos.core.messages import ToolCall
from llmos.core.ports import Model
from llmos.memory.approvals import Approvals
from llmos.memory.signing import key_path, signing_key
from llmos.testing import ScriptedModel, model_reply

GOAL = "create the file mark.txt"


def no_model() -> Model:
    raise NoModelError("no model can answer")


@dataclass
class Store:
    """A world in which one run was learned; `reset` brings the store back to that."""

    world: World
    trace: Path
    learned: bytes
    approvals: bytes

    @property
    def approvals_file(self) -> Path:
        return self.world.home / "approvals.jsonl"

    def reset(self) -> None:
        self.trace.write_bytes(self.learned)
        self.approvals_file.write_bytes(self.approvals)
        shutil.rmtree(self.world.workspace / ".llmos", ignore_errors=True)
        (self.world.cwd / "mark.txt").unlink(missing_ok=True)

    async def replays(self) -> bool:
        """Whether the goal is replayed, or anything of it ran."""
        done = await self.world.dispatcher(no_model).dispatch(GOAL)
        for record in self.world.records:
            record.traces.close()
            record.transcript.close()
        self.world.records.clear()
        return done.mode is Mode.FOLLOWER or (self.world.cwd / "mark.txt").exists()


@pytest.fixture
async def store(world: World) -> Store:
    call = ToolCall("c1", "write_file", {"path": "mark.txt", "content": ""})
    model = ScriptedModel([model_reply(call), model_reply("Done.")])
    await world.dispatcher(model).dispatch(GOAL)
    (trace,) = (world.workspace / "traces").glob("*.yaml")
    made = Store(world, trace, trace.read_bytes(), (world.home / "approvals.jsonl").read_bytes())
    made.reset()
    assert await made.replays()  # the partner: what was learned is replayed, so a replay would be seen
    return made


def mutations(data: bytes, count: int) -> Iterator[bytes]:
    """One byte changed, taken away or added, all over the file."""
    rng = random.Random(11)
    for number in range(count):
        at = number * len(data) // count
        new = bytes([(data[at] + rng.randrange(1, 256)) % 256])
        yield (data[:at] + new + data[at + 1 :], data[:at] + data[at + 1 :], data[:at] + new + data[at:])[number % 3]


@pytest.mark.parametrize("count", [20, pytest.param(160, marks=pytest.mark.slow)])
async def test_no_edited_trace_is_replayed(store: Store, count: int) -> None:
    replayed = []
    for number, edited in enumerate(mutations(store.learned, count)):
        store.reset()
        store.trace.write_bytes(edited)
        if await store.replays():
            replayed.append(number)
    assert replayed == []


def forged_approvals(store: Store, edited: bytes) -> Iterator[bytes]:
    """Lines with which someone who can write to the store, and does not have the key, would approve `edited`."""
    import hashlib
    import hmac

    content = hashlib.sha256(edited).hexdigest()
    real = json.loads(store.approvals)
    said = {**real, "sha256": content}
    yield json.dumps({key: said[key] for key in ("sha256", "trace", "when")}).encode()
    yield json.dumps(said).encode()  # the signature of the real one
    for key in (b"", b"\0" * 32, b"llmos", content.encode()):
        text = f"llmos-approval/1\n{content}\n{said['trace']}\n{said['when']}".encode()
        yield json.dumps({**said, "mac": hmac.new(key, text, hashlib.sha256).hexdigest()}).encode()
    for mac in ("", None, 0, [], {}, real["mac"][::-1], real["mac"].upper(), real["mac"] + "0", "é"):
        yield json.dumps({**said, "mac": mac}).encode()
    # Two contents in one line: the one that is signed, and the one that is wanted.
    yield store.approvals.strip()[:-1] + f',"note":{{"sha256":"{content}"}}}}'.encode()
    yield f'{{"sha256":"{content}",'.encode() + store.approvals.strip()[1:]
    yield store.approvals.strip()[:-1] + f',"sha256":"{content}"}}'.encode()
    for field in ("trace", "when"):
        yield json.dumps({**said, field: said[field] + "\n"}).encode()
        yield json.dumps({**said, field: 1}).encode()


async def test_no_forged_approval_counts(store: Store) -> None:
    edited = store.learned.replace(b"mark.txt", b"mark.txt")[:-1] + b" \n"
    replayed = []
    lines = list(forged_approvals(store, edited))
    for number, line in enumerate([*lines, *(store.approvals + line for line in lines)]):
        store.reset()
        store.trace.write_bytes(edited)
        store.approvals_file.write_bytes(line + b"\n")
        if await store.replays():
            replayed.append(number)
    assert len(lines) * 2 + 160 >= 200
    assert replayed == []


async def test_the_approvals_of_another_person_do_not_count_here(store: Store, tmp_path: Path) -> None:
    other = tmp_path / "other" / ".llmos"
    Approvals(other).add(json.loads(store.approvals)["sha256"], store.trace.stem, "2026-11-26T00:00:00+00:00")
    store.reset()
    store.approvals_file.write_bytes((other / "approvals.jsonl").read_bytes())
    assert not await store.replays()


async def test_without_the_key_nothing_is_replayed(store: Store) -> None:
    store.reset()
    key_path(store.world.home).unlink()
    assert not await store.replays()


async def test_the_key_lies_outside_the_store_and_is_the_owners_alone(store: Store) -> None:
    path = key_path(store.world.home)
    assert path.parent == store.world.home.parent
    assert (path.stat().st_mode & 0o777, len(signing_key(store.world.home) or b"")) == (0o600, 32)


# ------------------------------------------------------------------------------ lines that make a goal ask for a trace

OTHER = "show me what is new"
"""A goal that says nothing of what the saved run does."""


def alias_line(store: Store, **more: object) -> dict[str, object]:
    record = {"when": "2026-11-26T00:00:00+00:00", "trace": store.trace.stem, "outcome": "alias", "goal": OTHER}
    return {**record, "values": [], **more}


def forged_aliases(store: Store) -> Iterator[bytes]:
    """Lines of outcomes.jsonl with which a repository would make another goal ask for what was learned here."""
    approval = json.loads(store.approvals)
    for more in (
        {},
        {"values": [["mark.txt", "mark2.txt"]]},
        {"mac": approval["mac"]},
        {"mac": ""},
        {"mac": None},
        {"mac": "0" * 64},
        {"from": "@0"},
        {"from": "worker:0", "mac": approval["mac"]},
    ):
        yield json.dumps(alias_line(store, **more)).encode() + b"\n"


async def asks_for_it(store: Store) -> bool:
    done = await store.world.dispatcher(no_model).dispatch(OTHER)
    for record in store.world.records:
        record.traces.close()
        record.transcript.close()
    store.world.records.clear()
    return done.mode is Mode.FOLLOWER or (store.world.cwd / "mark.txt").exists()


async def test_no_forged_line_makes_another_goal_ask_for_a_saved_run(store: Store) -> None:
    outcomes = store.trace.parent / "outcomes.jsonl"
    before = outcomes.read_bytes() if outcomes.exists() else b""
    replayed = []
    for line in forged_aliases(store):
        store.reset()
        outcomes.write_bytes(before + line)
        if await asks_for_it(store):
            replayed.append(line)
    assert replayed == []


async def test_an_alias_of_this_person_counts_and_one_of_another_or_an_edited_one_does_not(store: Store) -> None:
    outcomes = store.trace.parent / "outcomes.jsonl"

    def kept() -> bytes:
        manager = store.world.record().traces
        manager.add_alias(store.trace.stem, OTHER, store.world.clock.now())
        return outcomes.read_bytes()

    store.reset()
    own = kept()
    assert await asks_for_it(store)  # the partner: a signed line would be seen
    store.reset()
    outcomes.write_bytes(own.replace(b"show me", b"tell me"))
    assert (await store.world.dispatcher(no_model).dispatch(OTHER.replace("show", "tell"))).mode is not Mode.FOLLOWER
    store.reset()
    outcomes.unlink()
    mine = key_path(store.world.home).read_bytes()
    key_path(store.world.home).write_bytes(b"k" * 32)
    theirs = kept()
    key_path(store.world.home).write_bytes(mine)
    store.reset()
    outcomes.write_bytes(theirs)
    assert not await asks_for_it(store)


async def test_an_index_that_was_brought_along_makes_no_goal_ask_for_a_saved_run(store: Store) -> None:
    """The index is a file of the project's folder too: what it says of aliases is not believed either."""
    import sqlite3
    from contextlib import closing

    from llmos.core.goal import goal_key
    from llmos.memory.trace_keys import words_key

    store.reset()
    assert await store.replays()  # makes the index
    (store.world.cwd / "mark.txt").unlink()
    with closing(sqlite3.connect(store.world.workspace / ".llmos" / "traces.sqlite")) as index:
        row = (store.trace.stem, OTHER, "[]", "2026-11-26T00:00:00+00:00", "", goal_key(OTHER), words_key(OTHER))
        index.execute("insert into aliases values (?, ?, ?, ?, ?, ?, ?)", row)
        index.commit()
    assert not await asks_for_it(store)


# ---------------------------------------------------------------------------------------------------- whose the key is


async def test_a_key_that_others_may_know_approves_nothing_and_says_so(store: Store) -> None:
    path = key_path(store.world.home)
    for mode in (0o640, 0o604, 0o620, 0o602, 0o666, 0o777):
        store.reset()
        path.chmod(mode)
        store.world.take_events()
        assert not await store.replays(), oct(mode)
        told = [event.text for event in store.world.take_events() if isinstance(event, Notice)]
        assert any("can be read or written by other users, who can sign with it" in text for text in told), oct(mode)
    path.chmod(0o600)
    store.reset()
    assert await store.replays()
