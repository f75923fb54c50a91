"""`llmos run`: one goal from the command line or standard input to its exit code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from llmos.app import App, AppOptions
from llmos.core.dataclass import dataclass
from llmos.core.errors import ExitStatus, StoreError, UsageError
from llmos.core.events import PlanMade
from llmos.core.ports import AnswerForm
from llmos.interfaces.actions_compact import compact, compact_lines, is_due
from llmos.interfaces.dispatcher import Dispatcher
from llmos.interfaces.output import Output, OutputFormat
from llmos.interfaces.printable import one_line
from llmos.interfaces.questions import TerminalAsk
from llmos.interfaces.quiet import quiet
from llmos.interfaces.render import Renderer
from llmos.interfaces.session import open_dispatcher, run_to_exit_status
from llmos.interfaces.startup import collect_again
from llmos.interfaces.terminal import make_console
from llmos.memory.files import read_bounded

if TYPE_CHECKING:
    from llmos.core.graph import Graph
    from llmos.interfaces.orchestrating import AskPlan

STDIN_BYTES = 2_000_000
"""More than any goal may have: what is longer is refused without being read."""
SCHEMA_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `llmos run` was told."""

    app: AppOptions
    words: Sequence[str]
    yes: bool = False
    dry_run: bool = False
    form: OutputFormat = OutputFormat.TEXT
    verbose: bool = False
    explain: bool = False
    quiet: bool = False
    plain: bool = False
    resume: str | None = None
    """Which session to go on with (interfaces/actions_resume.py); None: a new one."""
    json_schema: Path | None = None
    """File with the JSON Schema that the answer must follow."""


def run_goal(options: RunOptions, *, cwd: Path, environ: Mapping[str, str]) -> ExitStatus:
    """Carry out the goal with the process's own streams and signals; every failure becomes a sentence and a code."""
    screen = make_console(stderr=True, plain=options.plain)
    on_terminal = options.form is OutputFormat.TEXT and sys.stdout.isatty() and screen.is_terminal and not options.quiet
    answers = make_console(plain=options.plain) if on_terminal else None
    renderer = Renderer(screen, answers=answers, verbose=options.verbose, explain=options.explain)
    shown = quiet(renderer) if options.quiet else renderer
    output = Output(
        options.form, sys.stdout, shown, say=lambda text: _say(renderer, text), answer_on_screen=on_terminal
    )

    def work() -> Coroutine[Any, Any, ExitStatus]:
        goal = read_goal(options.words)
        form = _form(options.json_schema, cwd) if options.json_schema is not None else None
        return _run(options, goal, form, output, _ask(screen, renderer, cwd), cwd=cwd, environ=environ)

    try:
        return run_to_exit_status(work, failed=output.error, interrupted=output.interrupted, environ=environ)
    finally:
        renderer.close()


async def _run(
    options: RunOptions,
    goal: str,
    form: AnswerForm | None,
    output: Output,
    ask: TerminalAsk | None,
    *,
    cwd: Path,
    environ: Mapping[str, str],
) -> ExitStatus:
    app = App.open(options.app, cwd=cwd, environ=environ)
    collect_again()
    app.quarantine.tell = output.notice
    try:
        for notice in (*app.config.notices, *app.close_abandoned()):
            output.notice(notice)
        asked = not options.yes or app.config.settings.orchestrator.confirm == "always"
        ask_plan = _ask_plan(ask, environ) if ask is not None and asked else None
        dispatcher = open_dispatcher(app, emit=output, ask=ask, grant_all=options.yes, one_shot=True, ask_plan=ask_plan)
        if options.resume is not None:
            for sentence in _resume(app, dispatcher, options.resume, cwd):
                output.notice(sentence)
            if is_due(app, dispatcher):
                for sentence in compact_lines(await compact(app, dispatcher, automatic=True))[:3]:
                    output.notice(sentence)
        result = await dispatcher.dispatch(goal, dry_run=options.dry_run, form=form)
        if options.form is OutputFormat.TEXT:
            output.result(result)  # the answer does not wait for memory
        await _update_memory(dispatcher, output, options.form)
        if options.form is not OutputFormat.TEXT:
            output.result(result)
        return result.exit_status
    finally:
        await app.close()


def _form(path: Path, cwd: Path) -> AnswerForm:
    """Raises UsageError."""
    from llmos.adapters.json_schema import answer_form

    try:
        data = read_bounded(cwd / path, SCHEMA_BYTES)
    except StoreError as error:
        raise UsageError(f"--json-schema: {error}") from None
    return answer_form(data, str(path))


def _resume(app: App, dispatcher: Dispatcher, chosen: str, cwd: Path) -> list[str]:
    from llmos.interfaces.actions_resume import PICK, resume

    if chosen == PICK:
        raise UsageError('say which session: `llmos run --resume ID "goal"`; `llmos sessions list` shows the ids')
    return resume(app, dispatcher, chosen, cwd)


async def _update_memory(dispatcher: Dispatcher, output: Output, form: OutputFormat) -> None:
    """Let the update of memory that is due come to its end; Ctrl-C leaves it for later and ends the run as it ended."""
    if dispatcher.updating_memory and form is OutputFormat.TEXT and sys.stderr.isatty():
        await asyncio.sleep(0.5)
        if dispatcher.updating_memory:
            output.notice("memory is being updated; Ctrl-C leaves that for later")
    with suppress(asyncio.CancelledError):
        await dispatcher.finish()


def read_goal(words: Sequence[str]) -> str:
    """The words joined, or standard input when there are none or a lone `-`. Raises UsageError."""
    if words and list(words) != ["-"]:
        goal = " ".join(words)
        if not goal.isascii() and any("\ud800" <= char <= "\udfff" for char in goal):  # PEP 383: bytes that are no text
            raise UsageError("the goal is not UTF-8 text; name what has such a name by a pattern, `caf*` for one")
        return goal
    if not words and sys.stdin.isatty():
        raise UsageError('no goal was given; write `llmos run "what is to be done"`, or pipe the goal in')
    data = sys.stdin.buffer.read(STDIN_BYTES + 1)
    if len(data) > STDIN_BYTES:
        raise UsageError(
            f"standard input holds more than {STDIN_BYTES:,} bytes, which is no goal; "
            "put long material in a file and name the file in the goal"
        )
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"the goal on standard input is not UTF-8 text (byte {error.start} is wrong)") from None


def _say(renderer: Renderer, sentence: str) -> None:
    renderer.say(f"llmos: {one_line(sentence)}")


def _ask(screen: Console, renderer: Renderer, cwd: Path) -> TerminalAsk | None:
    """Somebody to ask only where a person can both read the question and answer it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def prompt(text: str) -> None:
        screen.print(Text(text), end="", soft_wrap=True, highlight=False)

    return TerminalAsk(sys.stdin.fileno(), say=renderer.say, prompt=prompt, cwd=cwd, answered=renderer.answered)


def _ask_plan(ask: TerminalAsk, environ: Mapping[str, str]) -> AskPlan:
    """The question about a plan, with the person's editor. Used when there is a plan to ask about."""

    async def put(plan: PlanMade, graph: Graph) -> Graph | None:
        from llmos.interfaces.editing import edited_text
        from llmos.interfaces.plan_question import PlanQuestion

        async def edit(text: str) -> str:
            return edited_text(text, "plan.txt", environ)

        return await PlanQuestion(ask.ask, edit)(plan, graph)

    return put
