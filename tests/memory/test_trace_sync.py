"""Workers share what they learn: files and lines reach everybody once, whatever the order and whoever is killed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmos.memory.codec import dump_line
from llmos.memory.files import append_line
from llmos.memory.trace_sync import TraceSync, hand_over_all


def lines(folder: Path) -> Counter[int]:
    """How often each number stands in the outcomes, wherever its line came from."""
    path = folder / "outcomes.jsonl"
    return Counter(json.loads(line)["n"] for line in path.read_bytes().splitlines()) if path.exists() else Counter()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.yaml")}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["learn", "count", "pull", "push", "other", "killed", "killed in a push", "killed in a pull", "prune"]
        ),
        st.integers(0, 2),
    ),
    max_size=30,
)


@dataclass
class Place:
    """A shared record, three workers, and what everybody should have."""

    root: Path
    learned: set[str] = field(default_factory=set)
    pruned: set[str] = field(default_factory=set)
    counted: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.shared = self.root / "traces"
        self.shared.mkdir()
        self.folders = [self.root / f"worker{number}" for number in range(3)]
        self.workers = [TraceSync(self.shared, folder) for folder in self.folders]

    def anew(self, who: int) -> None:
        self.workers[who].close()
        self.workers[who] = TraceSync(self.shared, self.folders[who])

    def step(self, number: int, what: str, who: int) -> None:
        """`other` is a process without a folder of its own; `killed` is a worker whose process begins anew."""
        own = self.folders[who] / "traces"
        match what:
            case "learn":
                (own / f"t{number}.yaml").write_text(str(number))
                self.learned.add(f"t{number}.yaml")
            case "count" | "other":
                folder = own if what == "count" else self.shared
                append_line(folder / "outcomes.jsonl", dump_line({"outcome": "ok", "n": number % 3}), sync=False)
                self.counted[number % 3] += 1
            case "pull":
                self.workers[who].pull()
            case "push":
                self.workers[who].push()
            case "killed":
                self.anew(who)
            case "killed in a push" | "killed in a pull":
                # It wrote everything, and not how far it is.
                state = self.folders[who] / "sync.jsonl"
                before = state.read_bytes() if state.exists() else b""
                self.workers[who].push() if what.endswith("push") else self.workers[who].pull()
                state.write_bytes(before)
                self.anew(who)
            case "prune":
                for name in sorted(names(self.shared))[:1]:
                    (self.shared / name).unlink()
                    self.pruned.add(name)


@settings(max_examples=80, deadline=None)
@given(STEPS)
@example([("count", 1), ("killed in a push", 1), ("pull", 1)])
@example([("learn", 2), ("pull", 2), ("killed", 2)])
def test_everybody_ends_with_everything_once(steps: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as root:
        place = Place(Path(root))
        for number, (what, who) in enumerate(steps):
            place.step(number, what, who)
        for worker in (*place.workers, *place.workers):
            worker.push()
            worker.pull()
        for traces in (place.shared, *(folder / "traces" for folder in place.folders)):
            assert lines(traces) == place.counted
            assert names(traces) >= place.learned - place.pruned
        for worker in place.workers:
            worker.close()
        if not any(what.startswith("killed") for what, _ in steps):
            assert names(place.shared) == place.learned - place.pruned


def test_what_a_dead_worker_left_is_handed_over(tmp_path: Path) -> None:
    shared, dead = tmp_path / "traces", tmp_path / "workers/w1"
    worker = TraceSync(shared, dead)
    worker.pull()
    (dead / "traces/a.yaml").write_text("a")
    append_line(dead / "traces/outcomes.jsonl", b'{"n":1}', sync=False)
    hand_over_all(shared, tmp_path / "workers")
    assert names(shared) == set(), "it lives"
    worker.close()
    hand_over_all(shared, tmp_path / "workers")
    assert (names(shared), lines(shared), list((tmp_path / "workers").iterdir())) == (
        {"a.yaml"},
        Counter([1]),
        [],
    )


def test_of_two_that_learned_the_same_run_the_first_stays(tmp_path: Path) -> None:
    one, two = (TraceSync(tmp_path / "traces", tmp_path / name) for name in ("one", "two"))
    (tmp_path / "one/traces/a.yaml").write_text("learned by one")
    (tmp_path / "two/traces/a.yaml").write_text("learned by two")
    one.push(), two.push(), two.pull()
    one.close(), two.close()
    assert (tmp_path / "traces/a.yaml").read_text() == "learned by one"
    assert (tmp_path / "two/traces/a.yaml").read_text() == "learned by one"
