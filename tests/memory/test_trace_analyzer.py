"""Judging how alike two goals are: bounded, charged, and a miss whenever anything is wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.errors import ModelError, ModelErrorKind, NoModelError
from llmos.core.judgement import Judgement
from llmos.core.ports import ModelInfo
from llmos.core.trace import Learned, TraceHeader, TraceStatus
from llmos.memory.judgements import Judgements
from llmos.memory.trace_analyzer import HIGHEST_UNPROVEN, Judging, TraceAnalyzer
from llmos.testing import ScriptedModel, model_reply


def header(goal: str) -> TraceHeader:
    learned = Learned("2026-11-22T12:00:00+00:00", "LEARNER", "m", 0.0, 1.0)
    return TraceHeader(f"id-{goal}", goal, TraceStatus.VERIFIED, "", {"shell": "v"}, learned)


def verdict(confidence: Any, number: int = 1, values: Any = ()) -> dict[str, Any]:
    pairs = [{"earlier": earlier, "now": now} for earlier, now in values]
    return {"number": number, "reason": "r", "confidence": confidence, "values": pairs}


def judged(*confidences: Any, cost_usd: float = 0.001) -> Any:
    verdicts = [verdict(confidence, number) for number, confidence in enumerate(confidences, start=1)]
    return model_reply(json.dumps({"verdicts": verdicts}), cost_usd=cost_usd)


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
        (judged(1.0), 1.0),
        (judged(0), 0.0),
        (judged(1.5), 0.0),
        (judged(-1), 0.0),
        (judged("high"), 0.0),
        (judged(None), 0.0),
        (model_reply('{"verdicts": [{"number": 1, "reason": "", "values": [], "confidence": NaN}]}'), 0.0),
        (model_reply('{"verdicts": [{"number": 1e999, "reason": "", "values": [], "confidence": 0.9}]}'), 0.0),
        (model_reply('{"verdicts": [{"number": 2, "reason": "", "values": [], "confidence": 0.9}]}'), 0.0),
        (model_reply('{"verdicts": [{"number": 1, "confidence": 0.9}]}'), 0.0),
        (model_reply('{"verdicts": 5}'), 0.0),
        (model_reply("0.9"), 0.0),
        (model_reply("I am sure!"), 0.0),
        (model_reply("[" * 3000), 0.0),
        (ModelError(ModelErrorKind.RATE_LIMIT, "busy"), 0.0),
    ],
)
async def test_nonsense_is_a_miss(reply: Any, expected: float) -> None:
    analyzer = TraceAnalyzer(ScriptedModel([reply]))
    assert await analyzer.analyze_goal_similarity("list the files of src", "list the files", {}) == expected


async def test_the_judge_sees_all_goals_their_values_and_what_is_known() -> None:
    model = ScriptedModel([judged(0.8)])
    await TraceAnalyzer(model).analyze_goal_similarity("count a.txt", "sum up b.txt", {"tools": ["shell"]})
    (request,) = model.requests
    assert json.loads(request.messages[0].text) == {
        "goal": "count a.txt",
        "values": ["a.txt"],
        "earlier goals": [{"number": 1, "goal": "sum up b.txt", "values": ["b.txt"], "tools": ["shell"]}],
    }
    assert request.tools == ()


async def test_every_judgement_is_charged() -> None:
    model = ScriptedModel(
        [
            judged(0.8, cost_usd=0.25),
            ModelError(ModelErrorKind.CONNECTION, "gone", cost_usd=0.125),
            ModelError(ModelErrorKind.CONNECTION, "gone, price unknown", cost_usd=None),
        ],
        reserve_usd=0.5,
    )
    analyzer = TraceAnalyzer(model)
    for earlier in ("list the files", "show the files", "show them"):
        await analyzer.analyze_goal_similarity("list the files of src", earlier, {})
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


async def test_the_nearest_come_first_and_ties_go_by_id_in_one_call() -> None:
    model = ScriptedModel([judged(0.5, 0.8, 0.8)])
    headers = [header("a"), header("c"), header("b")]
    found = await TraceAnalyzer(model).batch_analyze_traces("x", headers, top_k=2)
    assert found == [(headers[2], 0.8), (headers[1], 0.8)]
    assert len(model.requests) == 1


async def test_a_verdict_that_is_missing_is_a_miss_and_the_others_count() -> None:
    reply = model_reply(json.dumps({"verdicts": [verdict(0.7, 2), {"number": "one"}, verdict(0.9, 2)]}))
    found = await TraceAnalyzer(ScriptedModel([reply])).judge("x", [("a", {}), ("b", {})])
    assert [judgement.confidence for judgement in found] == [0.0, 0.7]


async def test_a_judge_that_takes_too_long_is_a_miss_and_charged() -> None:
    async def never(_: object) -> Any:
        await asyncio.sleep(3600)

    analyzer = TraceAnalyzer(ScriptedModel([never], reserve_usd=0.5), longest_s=0.01)
    assert await analyzer.analyze_goal_similarity("count a.txt", "sum up b.txt") == 0.0
    assert analyzer.judging == Judging(1, 0.5)


async def test_a_judge_that_cannot_be_made_is_a_miss_and_is_not_made_before_it_is_needed() -> None:
    def no_model() -> ScriptedModel:
        raise NoModelError("there is none")

    analyzer = TraceAnalyzer(make=no_model)
    assert await analyzer.analyze_goal_similarity("List the files.", "list the files") == 1.0
    assert await analyzer.analyze_goal_similarity("count a.txt", "sum up b.txt") == 0.0
    assert analyzer.judging == Judging()


async def test_two_wordings_are_judged_once_whatever_their_values(tmp_path: Path) -> None:
    paired = model_reply(json.dumps({"verdicts": [verdict(0.97, 1, [("a.txt", "c.txt"), ("b.txt", "d.txt")])]}))
    known = Judgements(tmp_path / "derived", tmp_path / "home")
    (first,) = await TraceAnalyzer(ScriptedModel([paired]), known=known).judge(
        "duplicate c.txt as d.txt", [("copy a.txt to b.txt", {})]
    )
    assert first == Judgement(0.97, (("a.txt", "c.txt"), ("b.txt", "d.txt")), "r")
    again = TraceAnalyzer(ScriptedModel([]), known=Judgements(tmp_path / "derived", tmp_path / "home"))
    (second,) = await again.judge("duplicate x.txt as y.txt", [("copy m.txt to n.txt", {})])
    assert second == Judgement(0.97, (("m.txt", "x.txt"), ("n.txt", "y.txt")), "as judged before")
    assert again.judging == Judging()


@pytest.mark.parametrize(
    ("goal", "earlier"),
    [
        ("duplicate x.txt as x.txt", "copy m.txt to n.txt"),  # one value where there were two
        ("duplicate x.txt as n.txt", "copy m.txt to n.txt"),  # a value of the earlier goal
        ("duplicate x1 as y.txt", "copy m.txt to n.txt"),  # another kind of value
        ("duplicate x.txt in y.txt", "copy m.txt to n.txt"),
    ],
)
async def test_what_may_change_a_judgement_is_judged_anew(tmp_path: Path, goal: str, earlier: str) -> None:
    known = Judgements(tmp_path, tmp_path / "home")
    known.keep("scripted", "copy a.txt to b.txt", "duplicate c.txt as d.txt", Judgement(0.97, None, "r"))
    model = ScriptedModel([judged(0.5)])
    (found,) = await TraceAnalyzer(model, known=known).judge(goal, [(earlier, {})])
    assert found.confidence == 0.5


async def test_a_damaged_file_of_judgements_costs_a_call_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "judgements.jsonl").write_bytes(b'\xff{\n[]\n{"key": 5}\n{"key": "a", "confidence": "high"}\n')
    (found,) = await TraceAnalyzer(ScriptedModel([judged(0.5)]), known=Judgements(tmp_path, tmp_path / "home")).judge(
        "x", [("y", {})]
    )
    assert found.confidence == 0.5


async def test_a_failure_is_asked_again(tmp_path: Path) -> None:
    known = Judgements(tmp_path, tmp_path / "home")
    model = ScriptedModel([model_reply("nonsense"), judged(0.8)])
    analyzer = TraceAnalyzer(model, known=known)
    assert [await analyzer.analyze_goal_similarity("x", "y") for _ in range(3)] == [0.0, 0.8, 0.8]
    assert analyzer.judging.calls == 2


SMALL = ModelInfo("tiny", "nobody (local model)", small=True)


def likely(yes: float, word: str = "yes") -> Any:
    return model_reply(word, cost_usd=0.0, chances={"yes": yes, "no": 1 - yes})


async def test_a_small_model_says_one_word_about_each_of_the_nearest_two_and_its_chances_count() -> None:
    model = ScriptedModel([likely(0.75), likely(0.25, "no")], info=SMALL)
    analyzer = TraceAnalyzer(model)
    found = await analyzer.judge("tally b.txt", [("count a.txt", {}), ("delete the a.txt", {}), ("x", {})])
    assert found == [
        Judgement(0.75, (("a.txt", "b.txt"),), "asked whether it is the same job"),
        Judgement(0.25, (("a.txt", "b.txt"),), "asked whether it is the same job"),
        Judgement(),
    ]
    assert analyzer.judging == Judging(2, 0.0)
    assert [request.choices for request in model.requests] == [("yes", "no")] * 2
    assert model.requests[0].messages[:-1] == model.requests[1].messages[:-1]
    assert model.requests[0].messages[-1].text == "First: count a.txt\nSecond: tally b.txt"


@pytest.mark.parametrize("chances", [{}, {"no": 1.0}, {"yes": float("nan")}, {"yes": 2.0}])
async def test_a_small_model_that_does_not_say_how_likely_is_a_miss_and_is_asked_again(
    chances: dict[str, float],
) -> None:
    model = ScriptedModel([model_reply("yes", chances=chances), likely(0.5)], info=SMALL)
    analyzer = TraceAnalyzer(model, known=Judgements())
    assert [await analyzer.analyze_goal_similarity("x", "y") for _ in range(3)] == [0.0, 0.5, 0.5]


async def test_values_of_other_kinds_or_numbers_are_not_paired() -> None:
    model = ScriptedModel([likely(0.9), likely(0.9)], info=SMALL)
    found = await TraceAnalyzer(model).judge("tally b.txt", [("count 5 lines", {}), ("count lines", {})])
    assert [judgement.values for judgement in found] == [None, None]


async def test_the_best_must_reach_the_bar() -> None:
    assert await TraceAnalyzer().find_best_matching_trace("list files", [], 0.1) is None
    one = header("list files of src")
    assert await TraceAnalyzer().find_best_matching_trace("list files", [one], 0.1) == (one, 2 / 3)
    assert await TraceAnalyzer().find_best_matching_trace("list files", [one], 0.9) is None


async def test_a_judgement_that_somebody_else_wrote_is_none(tmp_path: Path) -> None:
    """The folder is the project's, so a repository can bring judgements along."""
    known = Judgements(tmp_path / "derived", tmp_path / "home")
    known.keep("m", "print the notes", "show the notes", Judgement(0.99, (), ""))
    path = tmp_path / "derived" / "judgements.jsonl"
    assert (
        Judgements(tmp_path / "derived", tmp_path / "home").find("m", "print the notes", "show the notes") is not None
    )
    assert Judgements(tmp_path / "derived", tmp_path / "other").find("m", "print the notes", "show the notes") is None
    line = json.loads(path.read_bytes())
    for edited in ({**line, "confidence": 1.0}, {**line, "order": [0]}, {k: v for k, v in line.items() if k != "mac"}):
        path.write_text(json.dumps(edited) + "\n")
        again = Judgements(tmp_path / "derived", tmp_path / "home")
        assert again.find("m", "print the notes", "show the notes") is None
