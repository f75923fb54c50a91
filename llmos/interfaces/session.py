"""What `llmos run`, `llmos batch` and the prompt share: a dispatcher, stopping at a signal, ending in an exit code."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from llmos.app import App
from llmos.core.cut_off import CutOff
from llmos.core.errors import ExitStatus
from llmos.core.ports import Ask, Emit
from llmos.interfaces.delegating import Agents
from llmos.interfaces.dispatcher import Dispatcher
from llmos.interfaces.failures import failure_of
from llmos.interfaces.session_parts import SessionParts

if TYPE_CHECKING:
    from llmos.core.ports import AgentChannel
    from llmos.interfaces.orchestrating import AskPlan
    from llmos.interfaces.remote_agents import AgentSpec

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INSISTED = 3
"""So many signals in a row end the process at once, whatever it is cleaning up."""


def open_dispatcher(
    app: App,
    *,
    emit: Emit,
    ask: Ask | None,
    grant_all: bool,
    one_shot: bool = False,
    ask_plan: AskPlan | None = None,
    in_batch: bool = False,
    agents_elsewhere: Callable[[AgentSpec], AgentChannel] | None = None,
    going_on: CutOff | None = None,
) -> Dispatcher:
    """A dispatcher for one session; it keeps the conversation. Raises LlmosError.

    One of many at once (`in_batch`) is no sequel to the session before it, and leaves memory as it is.
    `going_on` is the replay that it goes on with.
    `agents_elsewhere` begins the agents that it calls in processes of their own.
    """
    return Dispatcher(
        SessionParts(
            record=app.record,
            model=app.model,
            clock=app.clock,
            limits=app.turn_limits,
            workspace=app.workspace.root,
            agents=Agents(app.read_agents, app.agent_model, agents_elsewhere),
            ask_plan=ask_plan,
            cut_off=going_on,
            freeze=app.freeze,
        ),
        invoker=app.invoker_factory(ask=ask, grant_all=grant_all),
        emit=emit,
        cut_off={} if in_batch else app.cut_off(),
        consolidator=None if in_batch else app.consolidator,
        one_shot=one_shot,
    )


class Stopper:
    """Counts signals and hands each to `stop`; after three in a row the process ends without cleaning up."""

    def __init__(self, stop: Callable[[signal.Signals], None]) -> None:
        self._stop = stop
        self._count = 0

    def install(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._take, number)

    def remove(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)

    def reset(self) -> None:
        """What was to be stopped has stopped."""
        self._count = 0

    def _take(self, number: signal.Signals) -> None:
        self._count += 1
        if self._count >= _INSISTED:
            os._exit(ExitStatus.INTERRUPTED)
        self._stop(number)


def run_to_exit_status(
    work: Callable[[], Coroutine[Any, Any, ExitStatus]],
    *,
    failed: Callable[[str, ExitStatus], None],
    interrupted: Callable[[], None],
    environ: Mapping[str, str],
) -> ExitStatus:
    """Run what `work` gives in an event loop of its own, to its end or until a signal stops it.

    A failure, in `work` itself too, is handed to `failed` as a sentence and an exit code; a stop to `interrupted`.
    """
    try:
        return asyncio.run(_cancelled_by_signals(work()))
    except (asyncio.CancelledError, KeyboardInterrupt):
        interrupted()
        return ExitStatus.INTERRUPTED
    except Exception as error:  # every way out of the program says one sentence
        sentence, status = failure_of(error, environ)
        failed(sentence, status)
        return status


async def _cancelled_by_signals(work: Coroutine[Any, Any, ExitStatus]) -> ExitStatus:
    task = asyncio.current_task()
    assert task is not None

    def stop(_: signal.Signals) -> None:
        task.cancel()

    stopper = Stopper(stop)
    stopper.install()
    try:
        return await work
    finally:
        stopper.remove()
