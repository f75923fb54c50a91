"""Model calls under a budget: every attempt reserved, charged and shown."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.budget import Account, Ledger
from llmos.core.errors import BudgetError, ModelError, ModelErrorKind
from llmos.core.events import ModelCallFailed, ModelCallFinished, ModelCallStarted, RetryCountdown, TextStreamed
from llmos.core.messages import StopReason, Usage, user_text
from llmos.core.ports import ModelRequest
from llmos.engine.model_calls import ModelCalls
from llmos.testing import FixedClock, RecordingEmit, ScriptedModel, model_reply

REQUEST = ModelRequest("system", (user_text("hello"),))


def calls(
    emit: RecordingEmit, *, cap: float = 1.0, retry_total_s: float = 300.0, clock: FixedClock | None = None
) -> ModelCalls:
    return ModelCalls(
        account=Account(cap), clock=clock or FixedClock(), emit=emit, retry_total_s=retry_total_s, jitter=lambda: 1.0
    )


def started(call: int, reserved_usd: float = 0.01) -> ModelCallStarted:
    return ModelCallStarted(
        call=call, model="scripted", payer="nobody (a test)", small=False, reserved_usd=reserved_usd
    )


def finished(call: int, cost_usd: float = 0.001) -> ModelCallFinished:
    return ModelCallFinished(
        call=call, model="scripted", stop_reason=StopReason.END_TURN, usage=Usage(10, 5), cost_usd=cost_usd
    )


def failed(call: int, kind: ModelErrorKind, reason: str, cost_usd: float, retry_in_s: float | None) -> ModelCallFailed:
    return ModelCallFailed(call=call, kind=kind.value, reason=reason, cost_usd=cost_usd, retry_in_s=retry_in_s)


async def test_a_call_is_reserved_and_settled() -> None:
    emit = RecordingEmit()
    made = calls(emit)
    assert await made.call(ScriptedModel([model_reply("hi")]), REQUEST) == model_reply("hi")
    assert emit.events == [started(1), TextStreamed(text="hi"), finished(1)]
    assert (made.ledger, made.count) == (Ledger(1.0, spent=0.001), 1)


async def test_waits_grow_and_are_shown_by_the_second() -> None:
    emit, clock = RecordingEmit(), FixedClock()
    busy = ModelError(ModelErrorKind.OVERLOADED, "busy")
    made = calls(emit, clock=clock)
    await made.call(ScriptedModel([busy, busy, model_reply("hi")]), REQUEST)
    assert emit.events == [
        started(1),
        failed(1, ModelErrorKind.OVERLOADED, "busy", 0.0, 1.0),
        RetryCountdown(remaining_s=1, reason="busy"),
        started(2),
        failed(2, ModelErrorKind.OVERLOADED, "busy", 0.0, 2.0),
        RetryCountdown(remaining_s=2, reason="busy"),
        RetryCountdown(remaining_s=1, reason="busy"),
        started(3),
        TextStreamed(text="hi"),
        finished(3),
    ]
    assert (clock.sleeps, made.count) == ([1.0, 1.0, 1.0], 3)


async def test_waiting_ends_at_the_total_cap() -> None:
    emit, clock = RecordingEmit(), FixedClock()
    busy = ModelError(ModelErrorKind.OVERLOADED, "busy")
    with pytest.raises(ModelError, match="busy"):
        await calls(emit, clock=clock, retry_total_s=20).call(ScriptedModel([busy] * 9), REQUEST)
    assert [event.retry_in_s for event in emit.of(ModelCallFailed)] == [1.0, 2.0, 4.0, 8.0, None]
    assert sum(clock.sleeps) == 15.0


async def test_what_cannot_get_better_is_not_tried_again() -> None:
    emit = RecordingEmit()
    wrong = ModelError(ModelErrorKind.AUTHENTICATION, "the key is not valid")
    with pytest.raises(ModelError, match="the key is not valid"):
        await calls(emit).call(ScriptedModel([wrong]), REQUEST)
    assert emit.events == [started(1), failed(1, ModelErrorKind.AUTHENTICATION, "the key is not valid", 0.0, None)]


@pytest.mark.parametrize(("cost_usd", "charged"), [(0.0, 0.0), (0.004, 0.004), (None, 0.01)])
async def test_a_failed_attempt_is_charged_what_it_may_have_cost(cost_usd: float | None, charged: float) -> None:
    made = calls(RecordingEmit())
    broken = ModelError(ModelErrorKind.BAD_REQUEST, "broken", cost_usd=cost_usd)
    with pytest.raises(ModelError):
        await made.call(ScriptedModel([broken]), REQUEST)
    assert made.ledger == Ledger(1.0, spent=charged)


async def test_a_call_that_was_stopped_is_charged_what_the_model_says() -> None:
    began = asyncio.Event()

    async def never(_: object) -> Any:
        began.set()
        await asyncio.sleep(3600)

    made = calls(RecordingEmit())
    task = asyncio.create_task(made.call(ScriptedModel([never], abandoned_usd=0.007), REQUEST))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert made.ledger == Ledger(1.0, spent=0.007)


async def test_a_fault_in_the_model_is_charged_at_its_most() -> None:
    made = calls(RecordingEmit())
    with pytest.raises(AssertionError, match="not in the script"):
        await made.call(ScriptedModel([]), REQUEST)
    assert made.ledger == Ledger(1.0, spent=0.01)


async def test_over_the_cap_no_call_is_begun() -> None:
    emit = RecordingEmit()
    model = ScriptedModel([model_reply("hi")], reserve_usd=2.0)
    with pytest.raises(BudgetError, match=r"may cost up to \$2\.0000, and \$0\.0000 of the \$1\.00"):
        await calls(emit).call(model, REQUEST)
    assert (emit.events, model.requests) == ([], [])


async def test_an_unknown_price_is_never_zero() -> None:
    with pytest.raises(BudgetError, match="the price of scripted is not known"):
        await calls(RecordingEmit()).call(ScriptedModel([model_reply("hi")], reserve_usd=None), REQUEST)


async def test_a_retry_must_fit_the_budget_too() -> None:
    emit = RecordingEmit()
    broken = ModelError(ModelErrorKind.INCOMPLETE, "the stream broke", cost_usd=0.6)
    with pytest.raises(BudgetError, match=r"\$0\.6000 of the \$1\.00"):
        await calls(emit).call(ScriptedModel([broken, model_reply("hi")], reserve_usd=0.6), REQUEST)
    assert emit.of(ModelCallStarted) == [started(1, 0.6)]


def test_what_was_paid_elsewhere_counts() -> None:
    made = calls(RecordingEmit())
    made.charge(3, 0.25)
    assert (made.count, made.ledger) == (3, Ledger(1.0, spent=0.25))


@given(st.lists(st.sampled_from(["ok", "busy", "paid", "unknown"]), max_size=12), st.floats(0.01, 2.0))
def test_what_is_spent_is_never_less_than_what_was_charged(script: list[str], cap: float) -> None:
    replies = {
        "ok": model_reply("hi", cost_usd=0.05),
        "busy": ModelError(ModelErrorKind.OVERLOADED, "busy"),
        "paid": ModelError(ModelErrorKind.INCOMPLETE, "broke", cost_usd=0.04),
        "unknown": ModelError(ModelErrorKind.INCOMPLETE, "broke", cost_usd=None),
    }
    costs = {"ok": 0.05, "busy": 0.0, "paid": 0.04, "unknown": 0.1}
    model = ScriptedModel([replies[word] for word in script], reserve_usd=0.1)
    made = calls(RecordingEmit(), cap=cap)

    async def run() -> None:
        while model.unused:
            try:
                await made.call(model, REQUEST)
            except ModelError:
                continue
            except BudgetError:
                return
            except AssertionError:  # the last attempt failed and the script is over: the fault is charged in full
                return

    asyncio.run(run())
    used = script[: len(script) - model.unused]
    extra = 0.1 * len(model.unexpected)
    assert made.ledger.spent == pytest.approx(sum(costs[word] for word in used) + extra)
    assert made.ledger.reserved == 0.0
    assert made.ledger.spent <= cap + 1e-9
