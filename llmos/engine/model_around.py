"""A model around another one, for what is done about its calls."""

from __future__ import annotations

from llmos.core.ports import Emit, Model, ModelInfo, ModelReply, ModelRequest


class ModelAround:
    """The Model port; what a subclass does not say otherwise is as the inner model has it."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def info(self) -> ModelInfo:
        return self._model.info

    def reserve_usd(self, request: ModelRequest) -> float | None:
        return self._model.reserve_usd(request)

    async def reply(self, request: ModelRequest, emit: Emit) -> ModelReply:
        return await self._model.reply(request, emit)

    def abandoned_usd(self) -> float:
        return self._model.abandoned_usd()

    async def close(self) -> None:
        await self._model.close()
