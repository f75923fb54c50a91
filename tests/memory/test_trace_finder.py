"""What goals are replayed from, over a real folder: aliases, two runs, strange goals, and traces that do not matter."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_trace_wrong import counts, mode, planned
from test_traces_sdk import NOW, VERSIONS, Open, made, opened  # noqa: F401 (the fixture)

from llmos.core.events import Mode
from llmos.core.prune import PruneRule
from llmos.memory.traces_sdk import TraceManager


class TestAliases:
    async def test_a_paraphrase_that_did_the_very_same_is_free_from_then_on(self, opened: Open) -> None:  # noqa: F811
        manager = opened()
        kept = manager.keep(counts("a.txt"), NOW).header.id
        other = "tell me how long b.txt is in lines"
        run = replace(counts("b.txt"), header=made(other).header)
        again = manager.keep(run, NOW).header.id
        assert [(one.goal, one.values) for one in manager.aliases(kept)] == [(other, (("a.txt", "b.txt"),))]
        manager.prune([e for e in manager.to_prune(PruneRule(unused=True), NOW) if e.header.id == again])
        plan = await planned(manager, other)
        assert (plan.mode, plan.trace and plan.trace.header.id) == (Mode.FOLLOWER, kept)
        assert plan.trace is not None
        assert plan.trace.steps[0].args == {"command": "wc -l < b.txt"}
        assert plan.reasons[0].startswith("m did the same as 'count the lines of a.txt', which a checked run confirmed")
        third = await planned(manager, "tell me how long c.txt is in lines")
        assert (third.mode, third.trace and third.trace.steps[0].args) == (Mode.FOLLOWER, {"command": "wc -l < c.txt"})

    async def test_a_run_that_did_something_else_confirms_nothing(self, opened: Open) -> None:  # noqa: F811
        manager = opened()
        kept = manager.keep(counts("a.txt"), NOW).header.id
        manager.keep(replace(counts("b.txt", "wc -w < {}"), header=made("how many words of b.txt").header), NOW)
        assert manager.aliases(kept) == []

    async def test_an_alias_is_blocked_like_any_other_goal(self, opened: Open) -> None:  # noqa: F811
        manager = opened()
        kept = manager.keep(counts("a.txt"), NOW).header.id
        goal = "tell me how long a.txt is in lines"
        manager.add_alias(kept, goal, NOW)
        assert await mode(manager, goal) is Mode.FOLLOWER
        manager.mark_wrong(kept, goal, NOW)
        assert await mode(manager, goal) is not Mode.FOLLOWER

    async def test_one_of_unbindable_values_serves_nothing(self, opened: Open) -> None:  # noqa: F811
        manager = opened()
        kept = manager.keep(counts("a.txt"), NOW).header.id
        manager.add_alias(kept, "how long is the thing", NOW, values=(("a.txt", "two words; rm"),))
        assert await mode(manager, "how long is the thing") is not Mode.FOLLOWER

    def test_the_same_run_learned_again_confirms_its_trace(self, opened: Open) -> None:  # noqa: F811
        manager = opened()
        kept = manager.keep(counts("a.txt"), NOW).header.id
        manager.record_outcome(kept, "diverged", NOW)
        manager.keep(counts("a.txt"), NOW)
        manager.headers()
        found = manager.outcomes(kept)
        assert (found.successes, found.failures, found.in_a_row, found.raised) == (1, 1, 0, 0.005)


async def test_two_runs_prove_what_one_does_not(opened: Open) -> None:  # noqa: F811
    manager = opened()
    goal = "count the lines of {} in the usual way"
    first, second = (
        replace(counts(name, "grep -vc usual-skip.cfg {}"), header=made(goal.format(name)).header)
        for name in ("a.txt", "b.txt")
    )
    manager.keep(first, NOW)
    assert await mode(manager, goal.format("c.txt")) is not Mode.FOLLOWER
    manager.keep(second, NOW)
    plan = await planned(manager, goal.format("c.txt"))
    assert plan.trace is not None
    assert (plan.mode, plan.trace.steps[0].args) == (Mode.FOLLOWER, {"command": "grep -vc usual-skip.cfg c.txt"})


@pytest.mark.parametrize(
    "goal",
    [
        "a.txt",
        "a.txt b.txt c.txt",
        "count the lines of " + " and ".join(f"f{number}.txt" for number in range(100)),
        "count the lines of a.txt " + "very " * 10_000,
        "посчитай строки в a.txt",
        "احسب عدد الأسطر في a.txt",
        "数一下 a.txt 的行数",
        "cоunt the lines of a.txt",
        "count the lines of а.txt",
        "count the lines of \u202eatxt.\u202c",
        "count the lines of a.txt, and of a.txt but not of a.txt",
        "\udcff",
        "🙂",
    ],
)
async def test_a_strange_goal_is_a_miss_with_a_reason(opened: Open, goal: str) -> None:  # noqa: F811
    manager = opened()
    manager.keep(counts("a.txt"), NOW)
    plan = await planned(manager, goal)
    assert plan.mode is not Mode.FOLLOWER
    assert all(plan.reasons)


async def test_a_trace_whose_tool_is_gone_is_a_miss_that_names_it(opened: Open) -> None:  # noqa: F811
    kept = opened().keep(counts("a.txt"), NOW).header.id
    plan = await planned(opened(tool_versions={}), "count the lines of a.txt")
    assert (plan.mode, plan.reasons) == (
        Mode.MIXED,
        (f"{kept} not replayed: tools: shell changed since it was learned",),
    )


async def test_of_two_runs_with_other_steps_the_better_verified_is_replayed(opened: Open) -> None:  # noqa: F811
    manager = opened()
    one = manager.keep(counts("a.txt"), NOW).header.id
    two = manager.keep(counts("a.txt", "grep -c '' {}"), NOW).header.id
    for better, other in ((one, two), (two, one)):
        for _ in range(3):
            manager.record_outcome(better, "ok", NOW)
        for goal in ("count the lines of a.txt", "count the lines of b.txt"):
            plan = await planned(manager, goal)
            assert (plan.mode, plan.trace and plan.trace.header.id) == (Mode.FOLLOWER, better)
            assert plan.reasons[1].startswith(f"{other} does this with other steps")
        manager.record_outcome(better, "diverged", NOW)


class TestTheFolder:
    """The index is asked first; whatever happens to the folder is seen all the same."""

    def test_files_that_come_and_go_are_seen_at_once(self, opened: Open) -> None:  # noqa: F811
        manager, other = opened(), opened()
        assert manager.candidates("count the lines of a.txt") == []
        path = other.keep(counts("a.txt"), NOW).path
        assert len(manager.candidates("count the lines of a.txt")) == 1
        path.unlink()
        assert manager.candidates("count the lines of a.txt") == []

    def test_a_folder_at_rest_is_not_read_and_one_that_changed_is(self, opened: Open) -> None:  # noqa: F811
        manager = opened()
        kept = manager.keep(counts("a.txt"), NOW)
        _rest(kept.path.parent)
        assert len(manager.candidates("count the lines of a.txt")) == 1
        data = kept.path.read_bytes()
        kept.path.unlink()
        assert manager.candidates("count the lines of a.txt") == []
        kept.path.write_bytes(data)
        _rest(kept.path.parent)
        assert len(opened().candidates("count the lines of a.txt")) == 1

    def test_an_edit_in_place_is_seen_where_it_is_used(self, opened: Open) -> None:  # noqa: F811
        manager = opened()
        kept = manager.keep(counts("a.txt"), NOW)
        _rest(kept.path.parent)
        manager.candidates("count the lines of a.txt")
        kept.path.write_bytes(kept.path.read_bytes().replace(b"wc -l", b"wc -c"))
        assert [found.approved for found in manager.candidates("count the lines of a.txt")] == [False]

    def test_foreign_files_crowd_nothing_out(self, opened: Open, tmp_path: Path) -> None:  # noqa: F811
        mine = opened().keep(counts("a.txt"), NOW).header.id
        theirs = opened(tmp_path / "ws", tmp_path / "their-home")
        for number in range(40):
            theirs.keep(counts("a.txt", f"wc -l < {{}} # {number}"), NOW)
        found = opened().candidates("count the lines of a.txt")
        assert [(one.trace.header.id, one.approved) for one in found][:1] == [(mine, True)]
        assert len(found) == 2


def _rest(folder: Path) -> None:
    """Make the folder look as if it had not been touched for a while."""
    os.utime(folder, (1_000_000_000, 1_000_000_000))


WORDS = st.sampled_from("bake bread water garden plant mow lawn paint wall yellow zebra".split())
UNRELATED = st.lists(WORDS, min_size=2, max_size=6).map(" ".join)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(UNRELATED, min_size=1, max_size=4))
async def test_an_unrelated_trace_never_changes_a_plan(
    tmp_path_factory: pytest.TempPathFactory, others: list[str]
) -> None:
    root = tmp_path_factory.mktemp("ws")
    manager = TraceManager(root / "memories", root, False, home=root / "home", tool_versions=VERSIONS)
    for name in ("a.txt", "b.txt"):
        manager.keep(counts(name), NOW)
    goals = ["count the lines of a.txt", "count the lines of c.txt", "count the words of a.txt", "list the folders"]
    before = [await planned(manager, goal) for goal in goals]
    assert {plan.mode for plan in before} == {Mode.FOLLOWER, Mode.MIXED, Mode.LEARNER}
    for goal in others:
        manager.keep(made(goal), NOW)
    assert [await planned(manager, goal) for goal in goals] == before
    manager.close()
