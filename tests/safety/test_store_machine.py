"""The store against a model of it: two handles that save, change and delete, processes killed in the middle of a save,
torn tails, and everything derived thrown away, in any order. After each step both handles say what the model says."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from crash_points import NOW, Faults, fast_folder, trace
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from many_writers import CENT, PERSON, SHARED, Process

from llmos.core.passage import Passage
from llmos.core.prune import Pruned
from llmos.memory import files

LOGS = ("traces/outcomes.jsonl", "traces/labels.jsonl", "memories/changes.jsonl", "home/approvals.jsonl")
numbers = st.integers(0, 9)
handles = st.integers(0, 1)


@dataclass
class State:
    """What a store says of itself."""

    goals: set[str] = field(default_factory=set)
    items: list[str] = field(default_factory=list)
    passages: set[str] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)
    outcomes: int = 0
    calls: int = 0


def state_of(process: Process) -> State:
    return State(
        {header.goal for header in process.traces.headers()},
        [item.text for item in process.memory.block("human").items],
        {passage.text for passage in process.memory.passages()},
        process.labels.all(),
        process.traces.outcomes(SHARED).successes,
        round(process.money.spending(NOW).total() / CENT),
    )


class Store(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = fast_folder()
        self.root = Path(self.folder.name) / "store"
        self.opened = 0
        self.handles = [self.open(), self.open()]
        self.model = State()
        self.done = 0

    def open(self) -> Process:
        self.opened += 1
        return Process(self.root, f"h{self.opened}")

    def teardown(self) -> None:
        for handle in self.handles:
            handle.traces.close()
        self.folder.cleanup()

    @rule(at=handles, number=numbers, die=st.integers(0, 25))
    def keep(self, at: int, number: int, die: int) -> None:
        goal = trace(number).header.goal
        self.carry_out(at, die, lambda one: one.traces.keep(trace(number), NOW), lambda model: model.goals.add(goal))

    @rule(at=handles, number=numbers)
    def prune(self, at: int, number: int) -> None:
        goal, handle = trace(number).header.goal, self.handles[at]
        found = [header for header in handle.traces.headers() if header.goal == goal]
        handle.traces.prune([Pruned(header, "") for header in found])
        self.model.goals.discard(goal)

    @rule(at=handles, die=st.integers(0, 25))
    def say(self, at: int, die: int) -> None:
        self.done += 1
        text = f"h{at} {self.done}"
        self.carry_out(
            at, die, lambda one, n=self.done: one.item(n), lambda model: model.items.append(text), as_name=f"h{at}"
        )

    @rule(at=handles)
    def take_back(self, at: int) -> None:
        if self.model.items:
            first = self.handles[at].memory.block("human").items[0]
            self.handles[at].memory.edit_block("human", lambda block: block.without_item(first.id), PERSON)
            self.model.items.pop(0)

    @rule(at=handles, number=numbers, die=st.integers(0, 25))
    def remember(self, at: int, number: int, die: int) -> None:
        text = f"fact number {number}"
        self.carry_out(
            at,
            die,
            lambda one: one.memory.add_archival_memory(Passage("", text), PERSON),
            lambda model: model.passages.add(text),
        )

    @rule(at=handles, number=numbers, die=st.integers(0, 25))
    def name(self, at: int, number: int, die: int) -> None:
        self.carry_out(
            at,
            die,
            lambda one: one.labels.name(f"t{number}", f"n{number}", NOW),
            lambda model: model.labels.update({f"t{number}": f"n{number}"}),
        )

    @rule(at=handles)
    def replay(self, at: int) -> None:
        self.handles[at].outcome(0)
        self.model.outcomes += 1

    @rule(at=handles)
    def pay(self, at: int) -> None:
        self.handles[at].call(0)
        self.model.calls += 1

    @rule(at=handles)
    def reopen(self, at: int) -> None:
        """A process that ends without a word, and another."""
        self.handles[at] = self.open()

    @rule()
    def lose_what_is_derived(self) -> None:
        for handle in self.handles:
            handle.traces.close()
        shutil.rmtree(self.root / ".llmos", ignore_errors=True)
        self.handles = [self.open(), self.open()]

    @rule(log=st.sampled_from(LOGS), tail=st.sampled_from([b"{", b'{"when":"2026', b"\xff\0", b'{"a":"\xc3']))
    def tear(self, log: str, tail: bytes) -> None:
        path = self.root / log
        if path.exists():
            with path.open("ab") as file:
                file.write(tail)

    def carry_out(
        self, at: int, die: int, save: Callable[[Process], Any], after: Callable[[State], Any], as_name: str = ""
    ) -> None:
        """Save by a handle; with `die` by another process, which is killed at that operation if it comes so far."""
        if not die:
            handle = self.handles[at]
            name, handle.name = handle.name, as_name or handle.name
            save(handle)
            handle.name = name
            after(self.model)
            return
        child = os.fork()
        if child == 0:
            status = 1
            try:
                process = Process(self.root, as_name or "child")
                Faults(die, "kill").install()
                save(process)
                status = 0
            finally:
                os._exit(status)
        ended = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0
        before = state_of(self.handles[0])
        expected = State(
            set(self.model.goals), list(self.model.items), set(self.model.passages), dict(self.model.labels),
            self.model.outcomes, self.model.calls,
        )  # fmt: skip
        after(expected)
        if not os.WIFSIGNALED(ended) or before == expected:
            self.model = expected

    @invariant()
    def both_handles_say_what_the_model_says(self) -> None:
        for handle in self.handles:
            assert state_of(handle) == self.model


def run(examples: int, steps: int) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    chosen = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks, database=None,
        print_blob=False, derandomize=True,
    )  # fmt: skip
    run_state_machine_as_test(Store, settings=chosen)


@pytest.mark.parametrize("examples", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_the_store_is_what_its_model_says(examples: int) -> None:
    run(examples, 20)


def after_a_torn_line() -> bool:
    """Whether the store is what its model says after a name, a torn tail and another name."""
    machine = Store()
    try:
        machine.name(0, 1, 0)
        machine.tear("traces/labels.jsonl", b"{")
        machine.name(1, 2, 0)
        machine.both_handles_say_what_the_model_says()
        return True
    except AssertionError:
        return False
    finally:
        machine.teardown()


def test_a_store_that_appends_after_a_torn_line_is_caught() -> None:
    assert after_a_torn_line()
    child = os.fork()
    if child == 0:  # a broken build, for the child alone
        status = 1
        try:
            files._append_locked = lambda descriptor, line: os.write(descriptor, line)
            status = int(after_a_torn_line())
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def main() -> None:
    """The figures of `make safety`."""
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    run(examples, 50)
    print(f"{examples} sequences of up to 50 steps over two handles: the store is what its model says after each step")


if __name__ == "__main__":
    main()
