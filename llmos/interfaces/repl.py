"""`llmos` alone: a prompt, one goal after the other through one dispatcher, so that it is one conversation.

Invariant: Ctrl-C ends a turn or a draft, never the session; the session ends by /quit, Ctrl-D or a signal.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import termios
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output
from rich.console import Console
from rich.text import Text

from llmos import __version__
from llmos.app import App, AppOptions
from llmos.core.errors import ExitStatus, LlmosError, UsageError
from llmos.core.events import Event, TurnEnded
from llmos.core.ports import PermissionAnswer, PermissionQuestion
from llmos.interfaces.call_view import money
from llmos.interfaces.failures import report_unexpected
from llmos.interfaces.printable import printable
from llmos.interfaces.questions import question_text, read_answer
from llmos.interfaces.render import Renderer
from llmos.interfaces.session import Stopper, open_dispatcher
from llmos.interfaces.slash import SlashContext, command_of, run_slash
from llmos.interfaces.slash_complete import SlashCompleter
from llmos.interfaces.slash_table import COMMANDS
from llmos.interfaces.terminal import make_console
from llmos.memory.workspace import make_derived_folder


def run_repl(options: AppOptions, *, cwd: Path, environ: Mapping[str, str]) -> ExitStatus:
    """Open the prompt on this process's terminal. Raises LlmosError before the first prompt only."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError('the prompt needs a terminal; for one goal write `llmos run "what is to be done"`')
    return asyncio.run(_session(options, make_console(), cwd=cwd, environ=environ))


async def _session(options: AppOptions, console: Console, *, cwd: Path, environ: Mapping[str, str]) -> ExitStatus:
    app = App.open(options, cwd=cwd, environ=environ)
    try:
        return await Repl(app, console, environ=environ).run()
    finally:
        await app.close()


@dataclass(slots=True)
class _Totals:
    goals: int = 0
    cost_usd: float = 0.0
    saved_usd: float = 0.0
    model_calls: int = 0

    def take(self, event: Event) -> None:
        """Count turns by their ends, so that a stopped one counts with what it cost."""
        if isinstance(event, TurnEnded):
            self.goals += 1
            self.cost_usd += event.cost_usd
            self.saved_usd += event.saved_usd
            self.model_calls += event.model_calls


class Repl:
    """One session at a prompt. `input` and `output` stand in for the terminal in tests."""

    def __init__(
        self,
        app: App,
        console: Console,
        *,
        environ: Mapping[str, str],
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._app = app
        self._console = console
        self._environ = environ
        self._renderer = Renderer(console, answers=console)
        self._totals = _Totals()
        self._prompt: PromptSession[str] = PromptSession(
            "llmos> ",
            multiline=True,
            prompt_continuation="  ... ",
            key_bindings=_bindings(),
            history=self._history(),
            completer=SlashCompleter(app, COMMANDS),
            # Only then, because room for a menu is kept free below the line.
            complete_while_typing=Condition(lambda: get_app().current_buffer.text.startswith("/")),
            input=input,
            output=output,
        )
        self._question: PromptSession[str] = PromptSession("> ", input=input, output=output)
        self._dispatcher = open_dispatcher(app, emit=self._show, ask=self._ask, grant_all=False)
        self._slash = SlashContext(
            app=app,
            dispatcher=self._dispatcher,
            renderer=self._renderer,
            environ=environ,
            say=self._say,
            ask_line=lambda: self._question.prompt_async(handle_sigint=False),
            width=lambda: console.width,
        )
        self._turn: asyncio.Task[object] | None = None
        self._main: asyncio.Task[object] | None = None
        self._stopper = Stopper(self._stop)

    async def run(self) -> ExitStatus:
        """Prompt, dispatch, again; until the person leaves or the terminal goes away."""
        self._main = asyncio.current_task()
        self._stopper.install()
        threading.Thread(target=self._app.warm_up, daemon=True).start()
        try:
            self._greet()
            while (text := await self._read()) is not None:
                if text.strip() and not await self._take(text.strip()):
                    break
        except asyncio.CancelledError:
            return ExitStatus.INTERRUPTED
        finally:
            self._renderer.close()
            self._say_goodbye()
            self._stopper.remove()
        return ExitStatus.OK

    # --------------------------------------------------------------------------------------------------- reading

    async def _read(self) -> str | None:
        """What was typed; empty after Ctrl-C, None after Ctrl-D."""
        self._stopper.reset()
        try:
            return await self._prompt.prompt_async(handle_sigint=False)
        except KeyboardInterrupt:
            return ""
        except EOFError:
            return None

    async def _take(self, text: str) -> bool:
        """Act on one message; False when the session is to end."""
        if command_of(text) is None:
            await self._work(self._dispatcher.dispatch(text))
        else:
            await self._work(run_slash(self._slash, text, COMMANDS))
        return not self._slash.state.leaving

    # ---------------------------------------------------------------------------------------------------- acting

    def _show(self, event: Event) -> None:
        self._totals.take(event)
        self._slash.state.take(event)
        try:
            self._renderer(event)
        except OSError:
            return  # a terminal that was closed must not keep the turn from being recorded

    async def _work(self, work: Coroutine[None, None, object]) -> None:
        """Carry out a turn or a command to its end; Ctrl-C cancels it."""
        self._turn = asyncio.ensure_future(work)
        try:
            await self._turn
        except asyncio.CancelledError:
            assert self._main is not None
            if self._main.cancelling():
                raise
        except LlmosError as error:
            self._say(f"llmos: {error}")
        except Exception as error:  # a defect in one turn must not cost the person the session
            self._say(f"llmos: {report_unexpected(error, self._environ)}")
        finally:
            self._turn = None
            self._renderer.close()

    async def _ask(self, question: PermissionQuestion) -> PermissionAnswer:
        self._discard_typed()
        self._renderer.say(question_text(question, "session"))
        try:
            return read_answer(await self._question.prompt_async(handle_sigint=False))
        except EOFError:
            return PermissionAnswer(False, "the person closed the question")
        except KeyboardInterrupt:
            assert self._turn is not None
            self._turn.cancel()
            raise asyncio.CancelledError from None

    def _discard_typed(self) -> None:
        """What was typed before the question was shown cannot have been meant for it."""
        clear_typeahead(self._question.input)
        if sys.stdin.isatty():
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)

    def _stop(self, number: signal.Signals) -> None:
        if number is signal.SIGINT:
            if self._turn is not None:
                self._turn.cancel()
            return
        for task in (self._turn, self._main):
            if task is not None:
                task.cancel()

    # ---------------------------------------------------------------------------------------------------- saying

    def _say(self, text: str) -> None:
        self._renderer.say(text)

    def _greet(self) -> None:
        self._say(f"llmos {__version__} · workspace {self._app.workspace.root} · /help shows the commands")
        for notice in (*self._app.config.notices, *self._app.close_abandoned()):
            self._say(f"note: {notice}")

    def _say_goodbye(self) -> None:
        totals = self._totals
        if not totals.goals:
            return
        goals = f"{totals.goals} goal{'s' if totals.goals != 1 else ''}"
        try:
            self._say(
                f"{goals} · cost {money(totals.cost_usd)} · saved {money(totals.saved_usd)} · "
                f"{totals.model_calls} model call{'s' if totals.model_calls != 1 else ''}"
            )
            # On one line however long, so that it can be copied.
            where = printable(f"transcript: {self._app.transcript.path}")
            self._console.print(Text(where), soft_wrap=True, highlight=False)
        except OSError:
            return  # the terminal is gone

    def _history(self) -> History:
        """Owner-only, below the workspace; in memory where that cannot be written."""
        try:
            path = make_derived_folder(self._app.workspace) / "history"
            path.touch(mode=0o600)
            with path.open("ab"):
                return FileHistory(path)
        except (LlmosError, OSError):
            return InMemoryHistory()


def _bindings() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
