"""A model whose every call passes the money journal, whoever makes it: a turn, a judgement, a memory update."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from llmos.core.errors import ModelError, StoreError
from llmos.core.ports import Emit, Model, ModelReply, ModelRequest
from llmos.engine.model_around import ModelAround


class Journal(Protocol):
    """Where calls are reserved and settled; `memory/money_journal` on the disk."""

    def check(self, amount: float | None, *, model: str) -> None: ...

    def reserve(self, amount: float | None, *, model: str) -> str: ...

    def settle(self, reservation: str, cost_usd: float, *, estimated: bool = False) -> None: ...


class MeteredModel(ModelAround):
    """The Model port around another one.

    `reserve_usd` and `reply` also raise BudgetError and StoreError, before anything is sent: another session may have
    spent the rest of a cap between the two.
    """

    def __init__(self, model: Model, journal: Journal) -> None:
        super().__init__(model)
        self._journal = journal

    def reserve_usd(self, request: ModelRequest) -> float | None:
        amount = self._model.reserve_usd(request)
        self._journal.check(amount, model=self._model.info.name)
        return amount

    async def reply(self, request: ModelRequest, emit: Emit) -> ModelReply:
        reservation = self._journal.reserve(self._model.reserve_usd(request), model=self._model.info.name)
        try:
            reply = await self._model.reply(request, emit)
        except ModelError as error:
            if error.cost_usd is not None:
                self._settle(reservation, error.cost_usd, estimated=True)
            raise
        except asyncio.CancelledError:
            self._settle(reservation, self._model.abandoned_usd(), estimated=True)
            raise
        self._settle(reservation, reply.cost_usd, estimated=reply.estimated)
        return reply

    def _settle(self, reservation: str, cost_usd: float, *, estimated: bool) -> None:
        with suppress(StoreError):  # unsettled it counts as reserved, which is never less
            self._journal.settle(reservation, cost_usd, estimated=estimated)


class OneAtATime(ModelAround):
    """The Model port around one that several sessions share and that answers one question after the other."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._turn = asyncio.Lock()

    async def reply(self, request: ModelRequest, emit: Emit) -> ModelReply:
        async with self._turn:
            return await self._model.reply(request, emit)
