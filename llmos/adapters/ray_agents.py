"""The AgentChannel port on Ray: an agent is an actor on the cluster that this process belongs to, on machines in turn.

It ends when it is closed, with its caller's process, or with the cluster, whichever comes first; it is never restarted.
The actor keeps what it has to say until it is taken, and says it once: a caller that was cancelled in the middle goes
on taking until the actor has stopped, so that what was done and spent is known.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from llmos.core.errors import ChannelLostError, LlmosError
from llmos.core.ports import AgentCaller

_STOP_S = 15.0
"""How long an agent may take to stop what it does; then it is ended itself."""
_AT_ONCE = 64
"""Calls that an actor takes at once: a question, what stops it, and answers to what it asked."""


class AgentBody(Protocol):
    """What an actor is made of."""

    async def ask(self, question: Any) -> Any: ...

    async def close(self) -> None: ...


class Upward(Protocol):
    """How it reaches its caller: `tell` in order and without waiting; `call` for an answer, or an error."""

    def tell(self, what: str, *args: Any) -> None: ...

    async def call(self, what: str, *args: Any) -> Any: ...


MakeAgent = Callable[[Any, Upward], AgentBody]
"""Makes the agent in the process where it is to live. A function that the other machines have too."""


class RayAgents:
    """Begins agents. `environ` is set for them; secrets do not belong in it, for Ray keeps it."""

    def __init__(self, make: MakeAgent, environ: Mapping[str, str]) -> None:
        self._make = make
        self._environ = dict(environ)
        self._begun: list[_Channel] = []

    def begin(self, spec: Any) -> _Channel:
        import ray

        made: Any = ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0)(_AgentActor)
        actor = made.options(scheduling_strategy="SPREAD", max_concurrency=_AT_ONCE)
        self._begun.append(channel := _Channel(ray, actor.remote(self._make, spec, self._environ)))
        return channel

    def close(self) -> None:
        """End those that are left, however busy they are."""
        for channel in self._begun:
            channel.kill()
        self._begun.clear()


class _Channel:
    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor
        self._taking: asyncio.Future[list[tuple[Any, ...]]] | None = None
        self._inbox: deque[tuple[Any, ...]] = deque()

    async def ask(self, question: Any, caller: AgentCaller) -> Any:
        answering: set[asyncio.Task[None]] = set()
        try:
            await _result(self._actor.ask.remote(question))
            return await self._listen(caller, answering)
        except asyncio.CancelledError:
            await self._stop(caller, answering)
            raise
        except self._ray.exceptions.RayError as error:
            self.kill()
            raise ChannelLostError(type(error).__name__) from None
        finally:
            for task in answering:
                task.cancel()

    async def _stop(self, caller: AgentCaller, answering: set[asyncio.Task[None]]) -> None:
        self._actor.stop.remote()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._listen(caller, answering)
        except (self._ray.exceptions.RayError, TimeoutError):
            self.kill()
        except LlmosError:
            return  # it ended with an error, or has stopped: either way it is at rest

    async def _listen(self, caller: AgentCaller, answering: set[asyncio.Task[None]]) -> Any:
        """Take what it says until it has answered."""
        while True:
            while self._inbox:
                match self._inbox.popleft():
                    case ("tell", what, args):
                        caller.hear(what, args)
                    case ("call", number, what, args):
                        task = asyncio.ensure_future(self._answer(caller, number, what, args))
                        answering.add(task)
                        task.add_done_callback(answering.discard)
                    case ("end", value):
                        return value
                    case ("failed", error):
                        raise error
            if self._taking is None:
                self._taking = asyncio.ensure_future(_result(self._actor.take.remote()))
            await asyncio.wait({self._taking})  # a wait that is cancelled leaves it, and what it brings
            taken, self._taking = self._taking, None
            self._inbox.extend(taken.result())

    async def _answer(self, caller: AgentCaller, number: int, what: str, args: tuple[Any, ...]) -> None:
        value, error = None, None
        try:
            value = await caller.answer(what, args)
        except Exception as said:  # whatever it is, the agent must not wait for ever
            error = said
        self._actor.told.remote(number, value, error)

    def close(self) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._actor.close.remote()

    def kill(self) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(self._actor)


async def _result(reference: Any) -> Any:
    return await reference


class _AgentActor:
    """An agent in its own process, and what it has to say to its caller."""

    def __init__(self, make: MakeAgent, spec: Any, environ: Mapping[str, str]) -> None:
        os.environ.update(environ)
        self._make, self._spec = make, spec
        self._body: AgentBody | None = None
        self._working: asyncio.Task[None] | None = None
        self._said: list[tuple[Any, ...]] = []
        self._something = asyncio.Event()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._calls = 0

    async def ask(self, question: Any) -> None:
        self._working = asyncio.ensure_future(self._work(question))

    async def _work(self, question: Any) -> None:
        try:
            if self._body is None:
                self._body = self._make(self._spec, self)
            self._say("end", await self._body.ask(question))
        except asyncio.CancelledError:
            self._say("failed", ChannelLostError("it was stopped"))
        except LlmosError as error:
            self._say("failed", error)
        except Exception as error:  # told as what it is: this process may go on
            self._say("failed", ChannelLostError(f"{type(error).__name__}: {error}"))

    def tell(self, what: str, *args: Any) -> None:
        self._say("tell", what, args)

    async def call(self, what: str, *args: Any) -> Any:
        self._calls += 1
        number = self._calls
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._say("call", number, what, args)
        try:
            return await answer
        finally:
            del self._answers[number]

    def _say(self, *message: Any) -> None:
        self._said.append(message)
        self._something.set()

    async def take(self) -> list[tuple[Any, ...]]:
        await self._something.wait()
        self._something.clear()
        said, self._said = self._said, []
        return said

    async def told(self, number: int, value: Any, error: Exception | None) -> None:
        answer = self._answers.get(number)
        if answer is None or answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(value)

    async def stop(self) -> None:
        if self._working is not None:
            self._working.cancel()

    async def close(self) -> None:
        import ray.actor

        if self._working is not None:
            self._working.cancel()
            await asyncio.wait({self._working})
        if self._body is not None:
            await self._body.close()
        leave: Any = ray.actor.exit_actor
        leave()
