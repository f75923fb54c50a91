"""Calls of a model under a budget, with retries that a person can watch.

Each attempt is reserved before it is sent and settled after it; an attempt that broke off is charged its upper
estimate, so recorded spending is never below real spending.
"""

from __future__ import annotations

import asyncio
import copy
import math
import random
from collections.abc import Callable

from llmos.core.budget import Account, Ledger
from llmos.core.errors import BudgetError, ModelError, StoreError
from llmos.core.events import ModelCallFailed, ModelCallFinished, ModelCallStarted, RetryCountdown, TextStreamed
from llmos.core.ports import Clock, Emit, Model, ModelReply, ModelRequest

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0


class ModelCalls:
    """The model calls of one turn: counts them, pays for them, repeats them."""

    def __init__(
        self,
        *,
        account: Account,
        clock: Clock,
        emit: Emit,
        retry_total_s: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.account = account
        self.last_tokens = 0
        """What the last answered call read and wrote."""
        self._clock = clock
        self._emit = emit
        self._retry_total_s = retry_total_s
        self._jitter = jitter

    def charge(self, calls: int, cost_usd: float) -> None:
        """Count calls that were made elsewhere for this turn."""
        self.account.charge(calls, cost_usd)

    def without_words(self) -> ModelCalls:
        """The same calls on the same account; what the model writes is no answer, and not shown as one."""
        made = copy.copy(self)
        made._emit = lambda event: None if isinstance(event, TextStreamed) else self._emit(event)
        return made

    @property
    def ledger(self) -> Ledger:
        """What is reserved and spent, sub-goals among it."""
        return self.account.ledger

    @property
    def count(self) -> int:
        """Model calls that were begun, those of sub-goals among them."""
        return self.account.calls

    async def call(self, model: Model, request: ModelRequest) -> ModelReply:
        """One answered request. Raises BudgetError before a call that may not fit, ModelError when retries are over."""
        waited_s = 0.0
        attempt = 0
        while True:
            try:
                return await self._attempt(model, request)
            except ModelError as error:
                delay_s = self._delay(error, attempt, waited_s)
                self._emit(
                    ModelCallFailed(
                        call=self.count,
                        kind=error.kind.value,
                        reason=str(error),
                        cost_usd=error.cost_usd or 0.0,
                        retry_in_s=delay_s,
                    )
                )
                if delay_s is None:
                    raise
                await self._wait(delay_s, str(error))
                waited_s += delay_s
                attempt += 1

    async def _attempt(self, model: Model, request: ModelRequest) -> ModelReply:
        amount = self.account.reserve(model.reserve_usd(request), model=model.info.name)
        info = model.info
        self._emit(
            ModelCallStarted(call=self.count, model=info.name, payer=info.payer, small=info.small, reserved_usd=amount)
        )
        try:
            reply = await model.reply(request, self._emit)
        except ModelError as error:
            self.account.settle(amount, amount if error.cost_usd is None else error.cost_usd)
            raise
        except (BudgetError, StoreError):  # a cap above the goal's does not let it be sent
            self.account.settle(amount, 0.0)
            raise
        except asyncio.CancelledError:
            self.account.settle(amount, model.abandoned_usd())
            raise
        except BaseException:
            # What the attempt cost is not known here, so it counts at the most that it can have cost.
            self.account.settle(amount, amount)
            raise
        self.account.settle(amount, reply.cost_usd)
        self.last_tokens = reply.usage.total
        self._emit(
            ModelCallFinished(
                call=self.count,
                model=reply.model,
                stop_reason=reply.stop_reason,
                usage=reply.usage,
                cost_usd=reply.cost_usd,
                estimated=reply.estimated,
            )
        )
        return reply

    def _delay(self, error: ModelError, attempt: int, waited_s: float) -> float | None:
        """Seconds to wait before the next attempt; None when waiting is useless or longer than the total cap."""
        if not error.retryable:
            return None
        delay_s = error.retry_after_s
        if delay_s is None:
            delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2**attempt) * (0.5 + self._jitter() / 2)
        return delay_s if waited_s + delay_s <= self._retry_total_s else None

    async def _wait(self, seconds: float, reason: str) -> None:
        remaining = seconds
        while remaining > 0:
            self._emit(RetryCountdown(remaining_s=math.ceil(remaining), reason=reason))
            await self._clock.sleep(min(1.0, remaining))
            remaining -= 1.0
