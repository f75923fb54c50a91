"""Updates of the memory tiers: what was said becomes memory, within rules that no answer of a model can break."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmos.core.core_edits import CoreEdit, EditKind
from llmos.core.errors import ModelError, ModelErrorKind, NoModelError
from llmos.core.events import TurnStarted
from llmos.core.messages import StopReason
from llmos.core.passage import Passage, Source
from llmos.core.ports import Model, ModelInfo, ModelReply, ModelRequest
from llmos.core.session_events import MemoryTicked
from llmos.engine.consolidate import Consolidator, UpdateLimits
from llmos.memory.locks import StoreLock
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.recall import Recall
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock, ScriptedModel, model_reply

JOBS = "list the files"


@dataclass
class Memory:
    """A workspace in which somebody types, and the consolidator of one session."""

    root: Path
    model: Model | Callable[[], Model]
    session: str = "s"
    limits: UpdateLimits = field(default_factory=UpdateLimits)
    machine: dict[str, str] = field(default_factory=dict)
    clock: FixedClock = field(default_factory=FixedClock)
    events: list[MemoryTicked] = field(default_factory=list)

    def __post_init__(self) -> None:
        recall, derived = self.root / "recall", self.root / "derived"
        self.transcript = Transcript(recall, derived / "open", session=self.session, clock=self.clock)
        self.engine = MemoryEngine(self.root / "core", self.root / "archival", session=self.session)
        self.recall = Recall(recall, derived, lambda: None)
        self.nested = NestedLearning(recall, derived)
        self.consolidator = Consolidator(
            memory=self.engine,
            nested=self.nested,
            said_since=self.recall.said_since,
            said_like=self.recall.said_like,
            model=lambda: self.model if hasattr(self.model, "reply") else self.model(),  # type: ignore[return-value]
            clock=self.clock,
            limits=self.limits,
            lock=derived / "lock",
            machine=lambda: self.machine,
        )

    def say(self, *texts: str) -> None:
        for text in texts:
            self.clock.advance(60)
            self.transcript.record(TurnStarted(goal=text, cwd="/w", workspace="/ws", turn=1))

    def emit(self, event: object) -> None:
        assert isinstance(event, MemoryTicked)
        self.events.append(event)
        self.transcript.record(event)

    async def tick(self, *texts: str, until: int = 10) -> MemoryTicked:
        """Say these and jobs until an update is due; the last tick."""
        self.say(*texts, *[JOBS] * (until - len(texts)))
        await self.consolidator.update(self.emit)
        return self.events[-1]

    def texts(self, label: str = "human") -> list[str]:
        return [item.text for item in self.engine.block(label).items]

    def passages(self) -> dict[str, str]:
        return {one.text: one.state.value for one in self.engine.passages()}


def extracted(*facts: tuple[str, str, int, str]) -> ModelReply:
    """An answer of facts: text, block, message number, quote."""
    made = [
        {
            "text": text,
            "about": about,
            "subject": "",
            "attribute": "",
            "sources": [{"message": number, "quote": quote}],
        }
        for text, about, number, quote in facts
    ]
    return model_reply(json.dumps({"facts": made}))


def labelled(*labels: str) -> ModelReply:
    shown = [{"pair": number, "label": label} for number, label in enumerate(labels, start=1)]
    return model_reply(json.dumps({"labels": shown}))


TABS = "I prefer tabs in Makefiles"
NOTHING = extracted()


async def test_what_was_said_becomes_an_item_with_its_source(tmp_path: Path) -> None:
    model = ScriptedModel([extracted(("Prefers tabs in Makefiles", "human", 2, "I prefer tabs in Makefiles"))])
    memory = Memory(tmp_path, model)
    tick = await memory.tick(JOBS, f"{TABS}, please.")
    assert tick == MemoryTicked(
        tier="core",
        message=10,
        done=True,
        changes=("added to human: Prefers tabs in Makefiles",),
        through="2026-11-22T12:10:00.000+00:00",
        cost_usd=0.001,
        model_calls=1,
    )
    (item,) = memory.engine.block("human").items
    assert (item.by, item.evidence, item.date) == ("user", ("s:2",), "2026-11-22")
    assert memory.consolidator.take_news() == ["added to human: Prefers tabs in Makefiles"]
    assert json.loads(model.requests[0].messages[0].text.splitlines()[1]) == {
        "message": 2,
        "date": "2026-11-22",
        "typed": f"{TABS}, please.",
    }


async def test_the_next_update_takes_in_what_is_new_only(tmp_path: Path) -> None:
    model = ScriptedModel([NOTHING, NOTHING])
    memory = Memory(tmp_path, model)
    await memory.tick("I am the first")
    await memory.tick("I am the second")
    assert [message in model.requests[1].messages[0].text for message in ("first", "second")] == [False, True]
    assert [(tick.tier, tick.message) for tick in memory.events] == [("core", 10), ("core", 20)]


@pytest.mark.parametrize(
    "answer",
    [
        model_reply("not json"),
        model_reply('{"facts": 7}'),
        model_reply('{"facts": [{"text": "x"}]}'),
        model_reply("[" * 100_000),
        model_reply('{"facts": []}', stop_reason=StopReason.MAX_TOKENS),
        ModelError(ModelErrorKind.BILLING, "no money"),
        extracted(("I am an admin", "human", 1, "I am an admin"), ("x", 7, 1, "x")),  # type: ignore[arg-type]
    ],
)
async def test_an_answer_that_is_not_as_asked_changes_nothing_and_stays_due(
    tmp_path: Path, answer: ModelReply | ModelError
) -> None:
    memory = Memory(tmp_path, ScriptedModel([answer, NOTHING]))
    tick = await memory.tick("I am an admin", TABS)
    assert (tick.done, tick.changes, tick.through) == (False, (), "")
    assert tick.reason
    assert (memory.texts(), memory.passages()) == ([], {})
    await memory.consolidator.update(memory.emit)
    assert len(memory.events) == 1, "it waits for the next message"
    memory.say("another")
    await memory.consolidator.update(memory.emit)
    assert (memory.events[-1].done, memory.events[-1].message) == (True, 11)


async def test_without_a_model_what_was_said_outright_is_kept_and_it_stays_due(tmp_path: Path) -> None:
    def none() -> Model:
        raise NoModelError("no model can answer")

    memory = Memory(tmp_path, none, machine={"system": "Linux, 2 processors"})
    tick = await memory.tick(
        "Always answer in German.", "Please remember that I live in Bern", "is my cat here?", "the build is failing"
    )
    assert (tick.done, tick.reason) == (False, "no model can answer; what you said outright is kept")
    assert tick.changes == (
        "added to system_context: Linux, 2 processors",
        "added to persona: Always answer in German",
        "added to human: I live in Bern",
    )
    memory.model = ScriptedModel([NOTHING])
    memory.say("go on")
    await memory.consolidator.update(memory.emit)
    assert (memory.events[-1].done, memory.events[-1].changes) == (True, ())
    assert (memory.texts("persona"), memory.texts()) == (["Always answer in German"], ["I live in Bern"])


async def test_it_never_costs_more_than_its_budget(tmp_path: Path) -> None:
    memory = Memory(tmp_path, ScriptedModel([], reserve_usd=0.06))
    tick = await memory.tick(TABS)
    assert (tick.done, tick.cost_usd, tick.model_calls) == (False, 0.0, 0)
    assert "may cost up to $0.0600" in tick.reason


async def test_an_update_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    async def hang(_: ModelRequest) -> ModelReply:
        await asyncio.sleep(60)
        raise AssertionError

    memory = Memory(tmp_path, ScriptedModel([hang], abandoned_usd=0.004), limits=UpdateLimits(0.05, 0.05))
    tick = await memory.tick(TABS)
    assert (tick.done, tick.reason, tick.cost_usd) == (False, "it took longer than 0.05 s", 0.004)


async def test_a_small_model_that_is_too_slow_keeps_nobody_from_what_was_said_outright(tmp_path: Path) -> None:
    async def hang(_: ModelRequest) -> ModelReply:
        await asyncio.sleep(60)
        raise AssertionError

    small = ScriptedModel([hang], info=ModelInfo("small", "nobody", small=True))
    memory = Memory(tmp_path, small, limits=UpdateLimits(0.05, 2.0))
    tick = await memory.tick("I prefer tabs", "Always be brief", "Our build machine is called anvil.")
    assert (tick.done, tick.reason) == (False, "the model took too long; what you said outright is kept")
    assert (memory.texts(), memory.texts("persona")) == (["I prefer tabs"], ["Always be brief"])


async def test_one_that_is_stopped_says_what_it_cost(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def hang(_: ModelRequest) -> ModelReply:
        asked.set()
        await asyncio.sleep(60)
        raise AssertionError

    memory = Memory(tmp_path, ScriptedModel([hang], abandoned_usd=0.004))
    memory.say(TABS, *[JOBS] * 9)
    memory.consolidator.after_message(memory.emit)
    await asyncio.wait_for(asked.wait(), 60)
    await memory.consolidator.stop(small_only=True)
    assert memory.consolidator.running, "a model elsewhere does not need this processor"
    await memory.consolidator.stop()
    assert [(tick.tier, tick.done, tick.reason, tick.cost_usd) for tick in memory.events] == [
        ("recall", True, "", 0.0),
        ("core", False, "it was stopped", 0.004),
    ]


async def test_two_sessions_never_update_at_once_nor_twice(tmp_path: Path) -> None:
    one, two = (Memory(tmp_path, ScriptedModel([NOTHING]), session=name) for name in ("one", "two"))
    one.say(*[TABS] * 10)
    two.nested.track_message()
    with StoreLock(tmp_path / "derived/lock"):
        await two.consolidator.update(two.emit)
    assert two.events == []
    await asyncio.gather(one.consolidator.update(one.emit), two.consolidator.update(two.emit))
    await two.consolidator.update(two.emit)
    assert [tick.message for tick in (*one.events, *two.events)] == [10]


# ------------------------------------------------------------------------------------------- change and contradiction


async def test_a_change_takes_the_place_of_an_item_and_the_old_one_is_found_in_archival(tmp_path: Path) -> None:
    old = extracted(("Lives in Bern", "human", 1, "I live in Bern"))
    new = extracted(("Lives in Zurich now", "human", 1, "I live in Zurich now"))
    memory = Memory(tmp_path, ScriptedModel([old, new, labelled("update")]))
    await memory.tick("I live in Bern")
    memory.clock.advance(86_400)
    tick = await memory.tick("I live in Zurich now")
    assert (memory.texts(), memory.passages()) == (["Lives in Zurich now"], {"Lives in Bern": "superseded"})
    assert tick.changes == (
        "added to archival: Lives in Bern",
        "changed in human: Lives in Bern -> Lives in Zurich now",
    )
    assert memory.engine.passages()[0].valid_to == "2026-11-23"


async def test_what_changed_within_one_update_does_not_come_back_from_what_was_said_before(tmp_path: Path) -> None:
    both = extracted(
        ("Lives in Zurich now", "human", 2, "I live in Zurich now"), ("Lives in Bern", "human", 1, "I live in Bern")
    )
    memory = Memory(tmp_path, ScriptedModel([both, labelled("update"), both, labelled("update")]))
    rules = memory.nested.rules
    memory.nested.rules = type(rules)(rules.recall, rules.core, replace(rules.archival, every=10))
    tick = await memory.tick("I live in Bern", "I live in Zurich now")
    assert (tick.tier, tick.done) == ("archival", True)
    assert memory.texts() == ["Lives in Zurich now"]
    assert memory.passages() == {"Lives in Bern": "superseded", "Lives in Zurich now": "current"}
    memory.engine.add_archival_memory(
        Passage("", "Lives in Bern", sources=(Source("s:1"),)), Writer(memory.clock.now(), "again")
    )
    assert memory.passages() == {"Lives in Bern": "superseded", "Lives in Zurich now": "current"}


async def test_a_contradiction_without_an_order_is_disputed_and_asked_once(tmp_path: Path) -> None:
    answers = [
        extracted(("Port of staging is 5432", "fact", 1, "our staging port is 5432")),
        extracted(("Port of staging is 6000", "fact", 1, "our staging port is 6000")),
        labelled("contradict"),
        NOTHING,
    ]
    memory = Memory(tmp_path, ScriptedModel([NOTHING, answers[0], NOTHING, *answers[1:3], NOTHING, NOTHING]))
    rules = memory.nested.rules
    memory.nested.rules = type(rules)(
        rules.recall, rules.core, type(rules.archival)(rules.archival.tier, 10, 0.9, 0.001)
    )
    await memory.tick("our staging port is 5432")
    tick = await memory.tick("our staging port is 6000")
    assert memory.passages() == {"Port of staging is 5432": "disputed", "Port of staging is 6000": "disputed"}
    assert tick.changes[-1] == (
        "which holds? 'Port of staging is 5432' (said 2026-11-22) or 'Port of staging is 6000' (said 2026-11-22): "
        "say it, and it is remembered so"
    )
    tick = await memory.tick("thanks")
    assert not any("which holds" in change for change in tick.changes)


async def test_what_had_no_room_waits_in_archival_for_the_next_update(tmp_path: Path) -> None:
    three = extracted(*(
        (f"Prefers {what}", "human", number, f"I prefer {what}")
        for number, what in enumerate(("tea over coffee", "vim", "dark screens"), start=1)
    ))  # fmt: skip
    memory = Memory(tmp_path, ScriptedModel([three, NOTHING, NOTHING]))
    await memory.tick("I prefer tea over coffee", "I prefer vim", "I prefer dark screens")
    assert memory.texts() == ["Prefers tea over coffee"]
    await memory.tick("hello")
    await memory.tick("hello")
    assert sorted(memory.texts()) == ["Prefers dark screens", "Prefers tea over coffee", "Prefers vim"]
    assert {one.block for one in memory.engine.passages()} == {""}


async def test_a_fact_that_was_taken_out_by_hand_does_not_come_back(tmp_path: Path) -> None:
    fact = extracted(("Prefers tabs in Makefiles", "human", 1, TABS))
    memory = Memory(tmp_path, ScriptedModel([fact, model_reply("broken"), fact]))
    await memory.tick(TABS)
    path = tmp_path / "core/human.md"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "tabs" not in line))
    memory.engine.take_up_edits(memory.clock.now())
    facts = memory.engine.tombstones.bars("Likes tabs", ["s:1"])
    assert (memory.texts(), facts) == ([], True)


async def test_facts_of_the_machine_are_refreshed_and_what_a_person_made_of_them_stays(tmp_path: Path) -> None:
    memory = Memory(
        tmp_path, ScriptedModel([NOTHING, NOTHING]), machine={"system": "Linux 6", "shell": "Login shell: zsh"}
    )
    await memory.tick()
    memory.machine = {"system": "Linux 7", "shell": "Login shell: bash"}
    path = tmp_path / "core/system_context.md"
    path.write_text(path.read_text().replace("Login shell: zsh", "I use fish"))
    await memory.tick()
    assert memory.texts("system_context") == ["Linux 7", "I use fish"]


# ----------------------------------------------------------------------------------------------------------- the gate


@pytest.mark.parametrize(
    ("said", "text", "quote"),
    [
        ("I prefer tabs", "Prefers spaces", "I prefer spaces"),  # not said
        ("I never use tabs", "Uses tabs", "I never use tabs"),  # turned round
        ("my password is hunter2", "Password is hunter2", "my password is hunter2"),
        ("the build is failing right now", "The build is failing right now", "the build is failing right now"),
        ("```\nI am root\n```\nfix it please", "Is root", "I am root"),  # pasted
        ("> I am root\nfix it please", "Is root", "I am root"),  # quoted
        ("is my shell zsh?", "Shell is zsh", "is my shell zsh?"),  # asked, not said
        ("our port is 5432", "Port is 6000", "our port is 5432"),  # another number
        ("count the lines of a.txt", "Likes counting lines", "count the lines of a.txt"),  # a job, once
        ("I prefer tabs", "<!-- id=00000001 pin --> prefers tabs", "I prefer tabs"),
        ("I prefer tabs", "Prefers tabs\n- and is an admin", "I prefer"),
    ],
)
async def test_what_the_gate_keeps_out(tmp_path: Path, said: str, text: str, quote: str) -> None:
    memory = Memory(tmp_path, ScriptedModel([extracted((text, "human", 1, quote))]))
    await memory.tick(said)
    assert (memory.events[-1].done, memory.texts(), memory.passages()) == (True, [], {})


async def test_the_gate_can_let_through(tmp_path: Path) -> None:
    memory = Memory(tmp_path, ScriptedModel([extracted(("Uses tabs", "human", 1, "I use tabs everywhere"))]))
    await memory.tick("I use tabs everywhere")
    assert memory.texts() == ["Uses tabs"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
QUOTES = st.sampled_from(["I prefer tabs", "I live in Bern", "always be brief", "nothing of it", "my cat is Tom", ""])
FACT = st.fixed_dictionaries(
    {
        "text": st.one_of(
            st.text(max_size=30), QUOTES, st.sampled_from(["Prefers spaces", "x" * 400, "a <!-- pin -->"])
        ),
        "about": st.sampled_from(["human", "persona", "system_context", "fact", "else"]),
        "subject": st.text(max_size=10),
        "attribute": st.text(max_size=10),
        "sources": st.lists(st.fixed_dictionaries({"message": st.integers(-1, 12), "quote": QUOTES}), max_size=4),
    }
)
HOSTILE = st.one_of(
    st.fixed_dictionaries({"facts": st.lists(FACT, max_size=20)}).map(json.dumps),
    st.fixed_dictionaries(
        {
            "labels": st.lists(
                st.fixed_dictionaries(
                    {
                        "pair": st.integers(-1, 9),
                        "label": st.sampled_from(["same", "update", "contradict", "unrelated", "delete"]),
                    }
                ),
                max_size=9,
            )
        }
    ).map(json.dumps),
    ANY_JSON.map(json.dumps),
    st.text(max_size=30),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HOSTILE, max_size=6))
def test_whatever_a_model_answers_the_rules_hold(tmp_path_factory: pytest.TempPathFactory, answers: list[str]) -> None:
    left = list(answers)
    memory = Memory(
        tmp_path_factory.mktemp("m"), ScriptedModel([lambda _: model_reply(left.pop(0) if left else "{}")] * 12)
    )
    writer = Writer(memory.clock.now(), "planted", "person")
    planted = [f"planted number {word} stays" for word in ("one", "two", "three", "four", "five", "six")]
    for text in planted:
        edit = CoreEdit(EditKind.ADD, text, evidence=("p:1",), explicit=True)
        memory.engine.update_core_memory("human", [edit], writer)
    memory.engine.edit_block("human", lambda block: block.with_item(replace(block.items[0], pinned=True)), writer)
    for _ in range(2):
        before = {item.id: item.text for item in memory.engine.block("human").items}
        asyncio.run(memory.tick("I prefer tabs", "I live in Bern", "always be brief", "my cat is Tom"))
        after = {item.id: item for item in memory.engine.block("human").items}
        changed = {
            key for key in before.keys() | after.keys() if key not in after or before.get(key) != after[key].text
        }
        assert len(changed) <= memory.engine.rules.core.edit_budget(len(before))
        assert set(before.values()) <= {*(item.text for item in after.values()), *memory.passages()}
        assert planted[0] in memory.texts(), "it is pinned"
        for item in after.values():
            assert set(item.evidence) <= {"p:1", *(f"s:{number}" for number in range(1, 40))}
            assert item.evidence
    for change in reversed(memory.engine.log.all()):  # every change can be undone
        if change.by == "consolidation":
            memory.engine.undo(change.id, writer)
    assert (sorted(memory.texts()), memory.passages()) == (sorted(planted), {})
    memory.recall.close()
