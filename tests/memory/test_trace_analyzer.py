"""Judging how alike two goals are: bounded, charged, and a miss whenever anything is wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.errors import ModelError, ModelErrorKind
from llmos.core.trace import Learned, TraceHeader, TraceStatus
from llmos.memory.trace_analyzer import HIGHEST_UNPROVEN, Judging, TraceAnalyzer
from llmos.testing import ScriptedModel, model_reply


def header(goal: str) -> TraceHeader:
    learned = Learned("2026-11-22T12:00:00+00:00", "LEARNER", "m", 0.0, 1.0)
    return TraceHeader(f"id-{goal}", goal, TraceStatus.VERIFIED, "", {"shell": "v"}, learned)


def judged(confidence: Any, cost_usd: float = 0.001) -> Any:
    return model_reply(json.dumps({"reason": "r", "confidence": confidence}), cost_usd=cost_usd)


async def test_the_identical_goal_needs_no_judge() -> None:
    model = ScriptedModel()
    analyzer = TraceAnalyzer(model)
    assert await analyzer.analyze_goal_similarity("List the files.", "list the files", {}) == 1.0
    assert (model.requests, analyzer.judging) == ([], Judging())


async def test_opposites_share_words_and_stay_below_a_replay() -> None:
    analyzer = TraceAnalyzer()
    assert await analyzer.analyze_goal_similarity("copy a to b", "copy b to a", {}) == HIGHEST_UNPROVEN
    assert await analyzer.analyze_goal_similarity("", "", None) == 1.0
    assert await analyzer.analyze_goal_similarity("bake bread", "count files", None) == 0.0


@given(st.text(), st.text())
def test_words_never_claim_more_than_they_may(goal: str, other: str) -> None:
    found = asyncio.run(TraceAnalyzer().analyze_goal_similarity(goal, other))
    assert found == 1.0 or 0.0 <= found <= HIGHEST_UNPROVEN


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (judged(0.8), 0.8),
        (judged(1.0), HIGHEST_UNPROVEN),
        (judged(0), 0.0),
        (judged(1.5), 0.0),
        (judged(-1), 0.0),
        (judged("high"), 0.0),
        (judged(None), 0.0),
        (model_reply('{"confidence": NaN}'), 0.0),
        (model_reply("0.9"), 0.0),
        (model_reply("I am sure!"), 0.0),
        (model_reply("[" * 3000), 0.0),
        (ModelError(ModelErrorKind.RATE_LIMIT, "busy"), 0.0),
    ],
)
async def test_nonsense_is_a_miss(reply: Any, expected: float) -> None:
    analyzer = TraceAnalyzer(ScriptedModel([reply]))
    assert await analyzer.analyze_goal_similarity("list the files of src", "list the files", {}) == expected


async def test_the_judge_sees_both_goals_and_what_is_known() -> None:
    model = ScriptedModel([judged(0.8)])
    await TraceAnalyzer(model).analyze_goal_similarity("goal one", "goal two", {"tools": ["shell"]})
    (request,) = model.requests
    assert json.loads(request.messages[0].text) == {
        "goal": "goal one",
        "earlier goal": "goal two",
        "of the earlier run": {"tools": ["shell"]},
    }
    assert request.tools == ()


async def test_every_judgement_is_charged() -> None:
    model = ScriptedModel(
        [
            judged(0.8, 0.25),
            ModelError(ModelErrorKind.CONNECTION, "gone", cost_usd=0.125),
            ModelError(ModelErrorKind.CONNECTION, "gone, price unknown", cost_usd=None),
        ],
        reserve_usd=0.5,
    )
    analyzer = TraceAnalyzer(model)
    for _ in range(3):
        await analyzer.analyze_goal_similarity("list the files of src", "list the files", {})
    assert analyzer.judging == Judging(3, 0.875)


async def test_a_judgement_that_was_stopped_is_charged_at_its_most() -> None:
    began = asyncio.Event()

    async def never(_: object) -> Any:
        began.set()
        await asyncio.sleep(3600)

    analyzer = TraceAnalyzer(ScriptedModel([never], reserve_usd=0.5))
    task = asyncio.create_task(analyzer.analyze_goal_similarity("list the files of src", "list the files", {}))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert analyzer.judging == Judging(1, 0.5)


async def test_the_nearest_come_first_and_ties_go_by_id() -> None:
    model = ScriptedModel([judged(0.5), judged(0.8), judged(0.8)])
    headers = [header("a"), header("c"), header("b")]
    found = await TraceAnalyzer(model).batch_analyze_traces("x", headers, top_k=2)
    assert found == [(headers[2], 0.8), (headers[1], 0.8)]


async def test_all_are_judged_at_once() -> None:
    waiting = 0
    all_there = asyncio.Event()

    async def together(_: object) -> Any:
        nonlocal waiting
        waiting += 1
        if waiting == 3:
            all_there.set()
        await asyncio.wait_for(all_there.wait(), 5)
        return judged(0.8)

    found = await TraceAnalyzer(ScriptedModel([together] * 3)).batch_analyze_traces(
        "x", [header("a"), header("b"), header("c")], top_k=5
    )
    assert len(found) == 3


async def test_the_best_must_reach_the_bar() -> None:
    assert await TraceAnalyzer().find_best_matching_trace("list files", [], 0.1) is None
    one = header("list files of src")
    assert await TraceAnalyzer().find_best_matching_trace("list files", [one], 0.1) == (one, 2 / 3)
    assert await TraceAnalyzer().find_best_matching_trace("list files", [one], 0.9) is None
