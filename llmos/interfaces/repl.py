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
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style
from rich.console import Console
from rich.text import Text

from llmos import __version__
from llmos.app import App, AppOptions
from llmos.core.catalogue import LOCAL_PAYER
from llmos.core.conversation import TYPED, TYPED_ALONE
from llmos.core.errors import ExitStatus, LlmosError, UsageError
from llmos.core.events import Event, PlanMade
from llmos.core.graph import Graph
from llmos.core.ports import PermissionAnswer, PermissionQuestion
from llmos.core.session_events import MemoryTicked
from llmos.interfaces.actions_resume import resume_command
from llmos.interfaces.attach import some_files
from llmos.interfaces.failures import report_unexpected
from llmos.interfaces.first_run import FirstRun, example_goal, first_run_rows
from llmos.interfaces.history import prompt_history
from llmos.interfaces.keyboard import TerminalInput, as_text, bounded, print_above_prompt
from llmos.interfaces.plan_view import explain_lines, plan_line
from llmos.interfaces.printable import printable
from llmos.interfaces.prompt_keys import KEYS, PromptActions, prompt_bindings
from llmos.interfaces.questions import question_text, read_answer
from llmos.interfaces.render import Renderer
from llmos.interfaces.session import Stopper, open_dispatcher
from llmos.interfaces.session_bar import SessionBar, below_home
from llmos.interfaces.slash import SlashContext, command_of, is_known, run_slash, takes_terminal
from llmos.interfaces.slash_complete import SlashCompleter, wants_menu
from llmos.interfaces.slash_sessions import go_on
from llmos.interfaces.slash_table import COMMANDS
from llmos.interfaces.startup import collect_again
from llmos.interfaces.terminal import make_console
from llmos.interfaces.turn_keys import TurnKeys
from llmos.interfaces.typed import is_shell, run_shell, work_on


def run_repl(
    options: AppOptions, *, cwd: Path, environ: Mapping[str, str], resume: str | None = None, verbose: bool = False
) -> ExitStatus:
    """Open the prompt on this process's terminal, going on with a session where `resume` chooses one.

    Raises LlmosError before the first prompt only.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            'the prompt needs a terminal; for one goal write `llmos run "what to do"`, or pipe it into `llmos run`'
        )
    return asyncio.run(_session(options, make_console(), cwd=cwd, environ=environ, resume=resume, verbose=verbose))


async def _session(
    options: AppOptions, console: Console, *, cwd: Path, environ: Mapping[str, str], resume: str | None, verbose: bool
) -> ExitStatus:
    app = App.open(options, cwd=cwd, environ=environ)
    collect_again()
    try:
        return await Repl(app, console, environ=environ, resume=resume, verbose=verbose).run()
    finally:
        await app.close()


class Repl:
    """One session at a prompt. `input` and `output` stand in for the terminal in tests."""

    def __init__(
        self,
        app: App,
        console: Console,
        *,
        environ: Mapping[str, str],
        resume: str | None = None,
        verbose: bool = False,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._app = app
        self._console = console
        self._environ = environ
        self._resume = resume
        self._bar = SessionBar(app, environ, mode=lambda: self._dispatcher.permission_mode, changed=self._redraw)
        self._renderer = Renderer(
            console,
            answers=console,
            verbose=verbose or app.config.settings.screen.verbose,
            more="Ctrl+O",
            stop="Esc stops",
            command="/",
            foot=self._bar.foot,
        )
        actions = PromptActions(self._cycle_mode, self._show_keys, self._show_decision, self._bar.hint)
        self._most = app.config.settings.limits.goal_bytes
        source = bounded(input or TerminalInput(sys.stdin), self._most, self._refuse_paste)
        self._prompt: PromptSession[str] = PromptSession(
            "llmos> ",
            multiline=True,
            prompt_continuation="  ... ",
            key_bindings=prompt_bindings(actions),
            history=prompt_history(app.workspace),
            completer=SlashCompleter(app, COMMANDS),
            # Only then, because room for a menu is kept free below the line.
            complete_while_typing=Condition(lambda: wants_menu(get_app().current_buffer.document.text_before_cursor)),
            bottom_toolbar=lambda: self._bar.line(self._prompt.output.get_size().columns),
            enable_suspend=True,
            tempfile_suffix=".md",
            style=Style([("bottom-toolbar", "noreverse"), ("bottom-toolbar.text", "noreverse")]),
            input=source,
            output=output,
        )
        self._question: PromptSession[str] = PromptSession("> ", input=source, output=output)
        self._keys = TurnKeys(
            self._prompt.input,
            {"escape": self._stop_turn, "c-c": self._stop_turn, "s-tab": self._cycle_mode, "c-o": self._show_decision},
            changed=self._bar.typed_ahead,
            suspended=self._renderer.close,
            resumed=self._renderer.refresh,
        )
        self._dispatcher = open_dispatcher(
            app, emit=self._show, ask=self._ask, grant_all=False, ask_plan=self._ask_plan
        )
        self._slash = self._slash_context()
        self._turn: asyncio.Task[object] | None = None
        self._main: asyncio.Task[object] | None = None
        self._stopper = Stopper(self._stop)

    def _slash_context(self) -> SlashContext:
        """What the slash commands of this session work with."""
        return SlashContext(
            app=self._app,
            dispatcher=self._dispatcher,
            renderer=self._renderer,
            environ=self._environ,
            say=self._say,
            ask_line=self._ask_line,
            width=lambda: self._console.width,
        )

    async def run(self) -> ExitStatus:
        """Prompt, dispatch, again; until the person leaves or the terminal goes away."""
        self._main = asyncio.current_task()
        self._stopper.install()
        threading.Thread(target=self._app.models.warm_up, daemon=True).start()
        try:
            self._app.record.nested.track_message()
            with self._prompt.input.raw_mode():  # also between prompts, so that no key is echoed or made another
                self._greet()
                if self._resume is not None:
                    await self._work(self._listened_to(go_on(self._slash.with_arguments(self._resume))))
                while (text := await self._read()) is not None:
                    if text.strip() and not await self._take(text.strip()):
                        break
        except asyncio.CancelledError:
            return ExitStatus.INTERRUPTED
        finally:
            await self._dispatcher.close()
            self._renderer.close()
            self._say_goodbye()
            self._stopper.remove()
        return ExitStatus.OK

    # --------------------------------------------------------------------------------------------------- reading

    async def _read(self) -> str | None:
        """What was typed; empty after Ctrl-C, None after Ctrl-D."""
        self._stopper.reset()
        self._bar.gather()
        try:
            typed = await self._prompt.prompt_async(handle_sigint=False)
        except KeyboardInterrupt:
            return ""
        except EOFError:
            return None
        text = as_text(typed)
        if text != typed:
            self._say("note: what was typed held bytes that are not UTF-8; each became \N{REPLACEMENT CHARACTER}")
        return text

    async def _take(self, text: str) -> bool:
        """Act on one message; False when the session is to end."""
        if command_of(text) is None:
            act = run_shell if is_shell(text) else work_on
            await self._work(self._listened_to(act(self._slash, text)))
        elif takes_terminal(text, COMMANDS):
            with self._prompt.input.cooked_mode():
                await self._work(run_slash(self._slash, text, COMMANDS))
        else:
            await self._work(self._listened_to(run_slash(self._slash, text, COMMANDS)))
        return not self._slash.state.leaving

    # ---------------------------------------------------------------------------------------------------- acting

    def _show(self, event: Event) -> None:
        self._bar.take(event)
        self._slash.state.take(event)
        if isinstance(event, MemoryTicked) and self._prompt.app.is_running:
            # An update of memory ends whenever it ends, also while a line is being typed.
            print_above_prompt(lambda: self._render(event))
            self._app.record.nested.track_message()
            self._bar.gather()
        else:
            self._render(event)

    def _render(self, event: Event) -> None:
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

    async def _listened_to(self, work: Coroutine[None, None, object]) -> None:
        """With the keys that act while it works."""
        with self._keys.listening():
            await work

    async def _ask(self, question: PermissionQuestion) -> PermissionAnswer:
        if question.call.id.startswith((TYPED, TYPED_ALONE)):
            return PermissionAnswer(True, "typed by the person")  # a rule that denies was asked before
        self._renderer.say(question_text(question, "session", self._app.cwd))
        try:
            while is_known(typed := await self._ask_line(), COMMANDS):
                self._renderer.say("answer the question first; commands work again after it")
            return read_answer(typed)
        except EOFError:
            return PermissionAnswer(False, "the person closed the question")
        finally:
            self._renderer.answered()

    async def _ask_plan(self, plan: PlanMade, graph: Graph) -> Graph | None:
        from llmos.interfaces.plan_question import PlanQuestion

        return await PlanQuestion(self._ask_about, self._edit)(plan, graph)

    async def _ask_about(self, text: str) -> str | None:
        self._renderer.say(text)
        try:
            return await self._ask_line()
        except EOFError:
            return None
        finally:
            self._renderer.answered()

    async def _edit(self, text: str) -> str:
        self._renderer.say("Alt-Enter takes it, Ctrl-X Ctrl-E opens your editor, an empty text runs nothing")
        try:
            return await self._ask_line(text)
        except EOFError:
            return ""
        finally:
            self._renderer.answered()

    async def _ask_line(self, text: str = "") -> str:
        """One line in answer to what was just said, or `text` edited. Raises EOFError.

        Ctrl-C stops the work that asks.
        """
        ahead = self._take_typed()
        try:
            several = bool(text)
            return await self._question.prompt_async(
                handle_sigint=False,
                default=text,
                multiline=several,
                enable_open_in_editor=several,
                tempfile_suffix=".txt",
            )
        except KeyboardInterrupt:
            assert self._turn is not None
            self._turn.cancel()
            raise asyncio.CancelledError from None
        finally:
            store_typeahead(self._question.input, ahead)

    def _take_typed(self) -> list[KeyPress]:
        """What was typed before the question was shown cannot have been meant for it: it waits for the next prompt."""
        self._keys.hand_on()
        if sys.stdin.isatty():
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
        return get_typeahead(self._question.input)

    def _stop(self, number: signal.Signals) -> None:
        if number is signal.SIGINT:
            self._stop_turn()
            return
        for task in (self._turn, self._main):
            if task is not None:
                task.cancel()

    def _stop_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()

    def _cycle_mode(self) -> None:
        """Go on to the next permission mode; what is asked from now on is judged in it."""
        mode = self._dispatcher.permission_mode = self._dispatcher.permission_mode.next
        self._bar.hint(mode.words)

    def _redraw(self) -> None:
        """The bar changed, wherever it stands."""
        self._renderer.refresh()
        if self._prompt.app.is_running:
            self._prompt.app.invalidate()

    # ---------------------------------------------------------------------------------------------------- saying

    def _show_keys(self) -> None:
        width = max(len(key) for key, _ in KEYS)
        self._above_prompt("\n".join(f"{key:<{width}}  {about}" for key, about in KEYS))

    def _show_decision(self) -> None:
        plan = self._slash.state.last_plan
        self._above_prompt("\n".join([plan_line(plan), *explain_lines(plan)]) if plan else "nothing was decided yet")

    def _refuse_paste(self, size: int) -> None:
        self._above_prompt(
            f"llmos: what was pasted has {size:,} characters and a message may have {self._most:,}; "
            "put it in a file and name the file in the message"
        )

    def _above_prompt(self, text: str) -> None:
        """Print while a prompt may be open: above it, in the terminal's own scrollback."""
        if self._prompt.app.is_running:
            print_above_prompt(lambda: self._say(text))
        else:
            self._renderer.say(text, pause=False)

    def _say(self, text: str) -> None:
        self._renderer.say(text)

    def _greet(self) -> None:
        app = self._app
        if not any(app.workspace.recall.glob("*.jsonl")):
            self._renderer.panel(f"llmos {__version__}", first_run_rows(self._first_run()))
        else:
            where = below_home(app.workspace.root, self._environ)
            self._say(f"llmos {__version__} · workspace {where} · /help shows the commands")
        app.quarantine.tell = lambda text: self._above_prompt(f"note: {text}")
        for notice in (*app.config.notices, *app.close_abandoned()):
            self._say(f"note: {notice}")

    def _first_run(self) -> FirstRun:
        app, (model, payer) = self._app, self._app.models.choice
        return FirstRun(
            model=model,
            payer=payer,
            small=payer == LOCAL_PAYER,
            cap_usd=app.config.settings.budget.per_goal_usd,
            asks=self._dispatcher.permission_mode.words,
            sandbox=app.sandbox_tier.name,
            workspace=below_home(app.workspace.root, self._environ),
            example=example_goal(some_files(app.cwd)),
        )

    def _say_goodbye(self) -> None:
        if not self._bar.facts.goals:
            return
        try:
            self._say(self._bar.facts.totals)
            # On one line however long, so that it can be copied.
            again = resume_command(self._app)
            for line in (f"transcript: {self._app.transcript.path}", *([f"go on with: {again}"] if again else [])):
                self._console.print(Text(printable(line)), soft_wrap=True, highlight=False)
        except OSError:
            return  # the terminal is gone
