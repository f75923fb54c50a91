"""The Anthropic path from goal to end: the real SDK over real HTTP to the fake server, as whole event lists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from conftest import World

from llmos.adapters.anthropic_model import AnthropicModel, warm_up
from llmos.core.errors import ExitStatus
from llmos.core.events import (
    Event,
    MessageAdded,
    Mode,
    ModelCallFailed,
    ModelCallFinished,
    ModelCallStarted,
    Outcome,
    PermissionDecided,
    RetryCountdown,
    TextStreamed,
    ToolFinished,
    ToolStarted,
    TraceKept,
    TurnEnded,
    Verdict,
)
from llmos.core.messages import StopReason, Usage
from llmos.core.policy import TurnLimits
from llmos.core.tool import Effect, FileChanges
from llmos.testing import FakeMessagesServer, error, midstream_error, reply, text, thinking, tool_use, usage

SONNET = "claude-sonnet-5-5"  # $2 in, $10 out, $0.10 cache read, $2.50 cache write per million tokens
GOAL = "how many text files are here?"
COMMAND = {"command": "ls *.txt | wc -l"}


@pytest.fixture(scope="module", autouse=True)
def _sdk() -> None:
    warm_up()


@pytest.fixture
def server() -> Iterator[FakeMessagesServer]:
    with FakeMessagesServer() as fake:
        yield fake
        assert fake.unexpected == []


@pytest.fixture
async def claude(server: FakeMessagesServer) -> AsyncIterator[AnthropicModel]:
    model = AnthropicModel(SONNET, payer="ANTHROPIC_API_KEY", api_key="test-key", base_url=server.url)
    yield model
    await model.close()


def without_messages(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, MessageAdded)]


def started(call: int, reserved_usd: float) -> ModelCallStarted:
    return ModelCallStarted(call=call, model=SONNET, payer="ANTHROPIC_API_KEY", small=False, reserved_usd=reserved_usd)


async def test_a_whole_conversation_with_every_hitch(
    world: World, server: FakeMessagesServer, claude: AnthropicModel
) -> None:
    """Streaming, a 429, a stream that breaks in the middle, a split tool input, thinking sent back, the answer."""
    for name in ("a.txt", "b.txt"):
        (world.cwd / name).write_text("x\n")
    server.add(
        error(429, "rate_limit_error", "slow down", retry_after=2),
        midstream_error(text("Let me"), after_events=3),
        reply(
            thinking("Count them ", "with ls."),
            tool_use("shell", COMMAND, id="toolu_1", split=4),
            usage=usage(input=100, output=40, cache_write=2000),
        ),
        reply(text("There are ", "2 text files."), usage=usage(input=50, output=10, cache_read=2000)),
    )
    result = await world.dispatcher(claude).dispatch(GOAL)
    events = without_messages(world.take_events())[2:]
    reserved = [event.reserved_usd for event in events if isinstance(event, ModelCallStarted)]
    broken = next(event for event in events if isinstance(event, ModelCallFailed) and event.call == 2)
    waits = [event for event in events if isinstance(event, RetryCountdown)]
    first_cost = (100 * 2 + 2000 * 2.5 + 40 * 10) / 1e6
    second_cost = (50 * 2 + 2000 * 0.1 + 10 * 10) / 1e6
    trace = "how-many-text-files-are-here-"
    kept = next(event for event in events if isinstance(event, TraceKept))
    assert (
        events
        == [
            started(1, reserved[0]),
            ModelCallFailed(call=1, kind="rate_limit", reason=events[1].reason, cost_usd=0.0, retry_in_s=2.0),  # type: ignore[union-attr]
            RetryCountdown(remaining_s=2, reason=waits[0].reason),
            RetryCountdown(remaining_s=1, reason=waits[0].reason),
            started(2, reserved[1]),
            TextStreamed(text="Let me"),
            ModelCallFailed(
                call=2, kind="overloaded", reason=broken.reason, cost_usd=broken.cost_usd, retry_in_s=broken.retry_in_s
            ),
            *waits[2:],
            started(3, reserved[2]),
            TextStreamed(text="Count them ", thinking=True),
            TextStreamed(text="with ls.", thinking=True),
            ModelCallFinished(
                call=3,
                model=SONNET,
                stop_reason=StopReason.TOOL_USE,
                usage=Usage(100, 40, 0, 2000),
                cost_usd=pytest.approx(first_cost),
            ),
            PermissionDecided(
                call_id="toolu_1", tool="shell", verdict=Verdict.ALLOW, by="reading", reason="it only looks"
            ),
            ToolStarted(call_id="toolu_1", tool="shell", args=COMMAND, effect=Effect.EXECUTE, replayed=False),
            ToolFinished(
                call_id="toolu_1",
                tool="shell",
                ok=True,
                output="2",
                stdout="2\n",
                exit_code=0,
                truncated=False,
                total_bytes=2,
                changes=FileChanges(),
                backup=None,
                elapsed_s=0.0,
            ),
            started(4, reserved[3]),
            TextStreamed(text="There are "),
            TextStreamed(text="2 text files."),
            ModelCallFinished(
                call=4,
                model=SONNET,
                stop_reason=StopReason.END_TURN,
                usage=Usage(50, 10, 2000, 0),
                cost_usd=pytest.approx(second_cost),
            ),
            TraceKept(trace_id=kept.trace_id, path=kept.path, status="verified", reason=""),
            TurnEnded(
                outcome=Outcome.OK,
                mode=Mode.LEARNER,
                answer="There are 2 text files.",
                reason="",
                cost_usd=pytest.approx(broken.cost_usd + first_cost + second_cost),
                saved_usd=0.0,
                model_calls=4,
                elapsed_s=pytest.approx(2.0 + (broken.retry_in_s or 0), abs=0.01),
            ),
        ]
    )
    assert kept.trace_id.startswith(trace)
    assert broken.cost_usd > 0, "a stream that broke is charged an estimate, never nothing"
    assert result.exit_status is ExitStatus.OK
    assert server.refused == []

    again = await world.dispatcher(claude).dispatch(GOAL)
    assert (again.mode, again.answer, again.cost_usd, again.model_calls) == (
        Mode.FOLLOWER,
        "There are 2 text files.",
        0.0,
        0,
    )
    assert again.saved_usd == pytest.approx(result.cost_usd)
    assert len(server.requests) == 4, "the replay sent no request"


async def test_a_refusal_ends_the_turn(world: World, server: FakeMessagesServer, claude: AnthropicModel) -> None:
    server.add(reply(text("I cannot"), stop_reason="refusal", stop_details={"type": "refusal", "category": "cyber"}))
    result = await world.dispatcher(claude).dispatch(GOAL)
    assert [type(event).__name__ for event in without_messages(world.take_events())] == [
        "TurnStarted",
        "PlanMade",
        "ModelCallStarted",
        "TextStreamed",
        "ModelCallFinished",
        "TurnEnded",
    ]
    assert (result.outcome, result.reason) == (Outcome.FAILED, "the model refused this goal (cyber)")
    assert not list((world.workspace / "traces").glob("*.yaml"))


async def test_over_the_cap_nothing_is_sent(world: World, server: FakeMessagesServer, claude: AnthropicModel) -> None:
    result = await world.dispatcher(claude, limits=TurnLimits(cap_usd=0.001)).dispatch(GOAL)
    assert [type(event).__name__ for event in without_messages(world.take_events())] == [
        "TurnStarted",
        "PlanMade",
        "TurnEnded",
    ]
    assert (result.outcome, result.exit_status, result.cost_usd) == (
        Outcome.OVER_BUDGET,
        ExitStatus.OVER_BUDGET,
        0.0,
    )
    assert server.requests == []


async def test_a_key_that_is_refused_is_not_tried_again(
    world: World, server: FakeMessagesServer, claude: AnthropicModel
) -> None:
    server.add(error(401, "authentication_error", "invalid key"))
    result = await world.dispatcher(claude).dispatch(GOAL)
    assert (result.exit_status, result.model_calls, world.clock.sleeps) == (ExitStatus.MODEL_FAILED, 1, [])
    assert "ANTHROPIC_API_KEY" in result.reason
