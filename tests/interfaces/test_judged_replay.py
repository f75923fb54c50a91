"""A paraphrase from judgement to alias: what a model says is charged, gated, kept and never believed by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_world import Llmos
from conftest import World

from llmos.core.errors import ModelError, ModelErrorKind
from llmos.core.events import Mode, Outcome
from llmos.core.messages import ToolCall
from llmos.core.ports import ModelInfo, ModelReply
from llmos.testing import Answer, FakeMessagesServer, ScriptedModel, error, model_reply, reply, text

SAVED = "count the lines of notes.txt"
GOAL = "tally the rows of other.txt"
CALL = ToolCall("c1", "shell", {"command": "wc -l < notes.txt"})
SMALL = ModelInfo("tiny", "nobody (local model)", small=True)


def says(confidence: float, *pairs: tuple[str, str]) -> str:
    values = [{"earlier": earlier, "now": now} for earlier, now in pairs]
    verdict = {"number": 1, "reason": "rows are lines", "confidence": confidence, "values": values}
    return json.dumps({"verdicts": [verdict]})


SAME = says(0.97, ("notes.txt", "other.txt"))


def judge(
    answer: str | ModelError, info: ModelInfo = ModelInfo("big", "a test"), yes: float | None = None
) -> ScriptedModel:
    """A judge that answers this; a small one, of which only the chance of "yes" is read, with that."""
    chances = {} if yes is None else {"yes": yes, "no": 1 - yes}
    entry: ModelReply | ModelError = (
        model_reply(answer, cost_usd=0.25, chances=chances) if isinstance(answer, str) else answer
    )
    return ScriptedModel([entry], info=info)


@pytest.fixture
async def learned(world: World) -> World:
    (world.cwd / "notes.txt").write_text("a\nb\nc\n")
    (world.cwd / "other.txt").write_text("a\n")
    await world.dispatcher(ScriptedModel([model_reply(CALL), model_reply("3")])).dispatch(SAVED)
    world.take_events()
    return world


async def test_a_judged_paraphrase_is_replayed_once_charged_and_then_free(learned: World) -> None:
    learned.judged_replay = True
    first = await learned.dispatcher(ScriptedModel([]), judge=judge(SAME)).dispatch(GOAL)
    assert (first.mode, first.outcome, first.answer) == (Mode.FOLLOWER, Outcome.OK, "1")
    assert (first.cost_usd, first.model_calls) == (0.25, 1)
    assert first.reasons[0].startswith(
        "scripted did 'count the lines of notes.txt', which is judged the same: big says 0.97 (rows are lines) and "
        "explains verb: "
    )
    second = await learned.dispatcher(ScriptedModel([]), judge=ScriptedModel([])).dispatch(GOAL)
    assert (second.mode, second.answer, second.cost_usd, second.model_calls) == (Mode.FOLLOWER, "1", 0.0, 0)
    assert "which a checked run confirmed" in second.reasons[0]


@pytest.mark.parametrize(
    ("replays", "info", "why"),
    [
        (False, ModelInfo("big", "a test"), "judge: what big judges is not replayed unless `matching.judged_replay`"),
        (True, SMALL, "judge: tiny is a small model, whose judgement may only suggest what guides"),
    ],
)
async def test_otherwise_a_judgement_only_suggests_what_guides(
    learned: World, replays: bool, info: ModelInfo, why: str
) -> None:
    learned.judged_replay = replays
    result = await learned.dispatcher(ScriptedModel([]), judge=judge(SAME, info, yes=0.97)).dispatch(GOAL, dry_run=True)
    assert (result.mode, result.confidence) == (Mode.MIXED, 0.91)
    assert why in result.reasons[0]


@pytest.mark.parametrize(
    ("goal", "answer", "mode", "why"),
    [
        ("tally the rows that are not in other.txt", SAME, Mode.MIXED, "negation: "),
        ("tally the rows and words of other.txt", SAME, Mode.MIXED, "conjunction: "),
        (GOAL, says(0.97), Mode.MIXED, "binding: the judgement does not pair every value"),
        (GOAL, says(0.97, ("notes.txt", "secret.txt")), Mode.MIXED, "binding: "),
        (GOAL, says(0.93, ("notes.txt", "other.txt")), Mode.MIXED, "confidence: 0.89 is below 0.92"),
        (GOAL, says(0.2, ("notes.txt", "other.txt")), Mode.LEARNER, "no saved run is close"),
        (GOAL, "I am sure!", Mode.LEARNER, "no saved run is close"),
        (GOAL, ModelError(ModelErrorKind.RATE_LIMIT, "busy"), Mode.LEARNER, "no saved run is close"),
    ],
)
async def test_unsure_or_gated_is_no_replay(
    learned: World, goal: str, answer: str | ModelError, mode: Mode, why: str
) -> None:
    learned.judged_replay = True
    result = await learned.dispatcher(ScriptedModel([]), judge=judge(answer)).dispatch(goal, dry_run=True)
    assert result.mode is mode
    assert why in result.reasons[0]


async def test_what_a_small_model_holds_unlike_is_still_nearest_in_words(learned: World) -> None:
    goal, unlike = "the lines of other.txt, please count", judge("no", SMALL, yes=0.1)
    small = await learned.dispatcher(ScriptedModel([]), judge=unlike).dispatch(goal, dry_run=True)
    assert (small.mode, small.reasons[0][:49]) == (Mode.MIXED, "no saved run of this goal; the nearest in words (")
    large = await learned.dispatcher(ScriptedModel([]), judge=judge(says(0.1))).dispatch(goal, dry_run=True)
    assert (large.mode, large.reasons[0][:41]) == (Mode.LEARNER, "no saved run is close; the nearest as jud")


async def test_a_replay_that_a_check_stops_makes_no_alias(learned: World) -> None:
    learned.judged_replay = True
    (learned.cwd / "other.txt").unlink()
    result = await learned.dispatcher(ScriptedModel([]), judge=judge(SAME)).dispatch(GOAL, dry_run=True)
    assert (result.mode, "precondition" in result.reasons[0]) == (Mode.MIXED, True)
    assert learned.record().traces.aliases(learned.record().traces.headers()[0].id) == []


def test_the_api_judges_in_one_call_and_the_cost_is_shown(
    llmos: Llmos, api: FakeMessagesServer, kept: str, work: Path
) -> None:
    (work / "other.txt").write_text("a\n")
    for setting in ("matching.judge", "matching.judged_replay"):
        assert llmos("config", "set", setting, "true").code == 0
    api.add(reply(text(SAME)))
    first = json.loads(llmos("run", "-y", "-o", "json", GOAL).out)
    assert (first["mode"], first["answer"], first["model_calls"]) == ("FOLLOWER", "1", 1)
    assert 0 < first["cost_usd"] < 0.01
    assert api.requests[-1].body["model"] == "claude-haiku-5-5"
    second = json.loads(llmos("run", "-y", "-o", "json", GOAL).out)
    assert (second["mode"], second["answer"], second["model_calls"]) == ("FOLLOWER", "1", 0)
    assert api.unexpected == []


@pytest.mark.parametrize(
    ("answer", "charged"),
    [
        (reply(text("I am quite sure that these are the same!")), True),
        (reply(text(says(7.5, ("notes.txt", "other.txt")))), True),
        (reply(text(says(0.97, ("notes.txt", "; rm -rf /")))), True),
        (error(400, "invalid_request_error", "no"), False),
    ],
)
def test_what_the_api_answers_amiss_leads_to_no_replay(
    llmos: Llmos, api: FakeMessagesServer, kept: str, work: Path, answer: Answer, charged: bool
) -> None:
    (work / "other.txt").write_text("a\n")
    for setting in ("matching.judge", "matching.judged_replay"):
        assert llmos("config", "set", setting, "true").code == 0
    api.add(answer)
    plan = json.loads(llmos("run", "--dry-run", "-o", "json", GOAL).out)
    assert (plan["mode"] != "FOLLOWER", plan["cost_usd"] > 0) == (True, charged)
    assert [request.body["model"] for request in api.requests[-1:]] == ["claude-haiku-5-5"]
