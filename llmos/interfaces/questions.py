"""Permission questions on a terminal, for `llmos run`.

Invariant: only what is typed after the question counts as its answer, and only a clear yes allows.
"""

from __future__ import annotations

import asyncio
import os
import termios
from collections.abc import Callable
from pathlib import Path

from llmos.core.permission import GrantScope
from llmos.core.ports import PermissionAnswer, PermissionQuestion
from llmos.core.tool import Effect
from llmos.interfaces.call_diff import call_diff
from llmos.interfaces.call_view import EFFECT_WORDS, call_details, call_subject
from llmos.interfaces.printable import printable

_LINE_BYTES = 64_000


def question_text(question: PermissionQuestion, scope: str, cwd: Path) -> str:
    """The question as lines: the whole call or the diff, what it can do, why it is asked, and the ways to answer."""
    call = question.call
    again = " again, as in the saved run" if question.replayed else ""
    effect = EFFECT_WORDS[Effect(question.effect)]
    diff = call_diff(call.name, call.args, cwd)
    details = call_details(call.name, call.args, limit=200) if diff is None else diff
    subject = call_subject(call.name, call.args) if diff is None else str(call.args["path"])
    named = question.agent.rpartition("/")[2]
    who = f"{'sub-goal ' if named.isdecimal() else ''}{question.agent} asks: " if named else ""
    lines = [
        f"{who}Allow {call.name}{again}? It {effect}:",
        *(f"    {line}" for line in subject.split("\n")),
        *(f"    {line}" for line in details),
        f"  asked because {question.reason}",
        *(f"  {line}" for line in _ways(question, scope)),
    ]
    return printable("\n".join(lines))


def _ways(question: PermissionQuestion, scope: str) -> list[str]:
    """How it can be answered, with the exact rule that a wider yes stands for."""
    always = GrantScope.ALWAYS in question.scopes
    wider = question.rule and GrantScope.SESSION in question.scopes
    ways = ["y yes, once"]
    if wider:
        ways.append(f"s yes, this {scope}")
    if wider and always:
        ways.append("a yes, always in this folder")
    lines = [" · ".join([*ways, "n no"])]
    if wider:
        lines.append(f"{'s and a allow' if always else 's allows'} from now on: {question.rule}")
    if question.run:
        lines.append(f"r yes to every step of {question.run}")
        if GrantScope.SESSION in question.scopes:
            always_too = " · ra always in this folder" if always else ""
            lines.append(f"rs also when it is replayed again this {scope}{always_too}")
    return [*lines, "any other words: no, and the model is told them"]


_YES = {
    ("y", "yes"): PermissionAnswer(True),
    ("s", "session"): PermissionAnswer(True, scope=GrantScope.SESSION),
    ("a", "always"): PermissionAnswer(True, scope=GrantScope.ALWAYS),
    ("r", "run"): PermissionAnswer(True, whole_run=True),
    ("rs",): PermissionAnswer(True, scope=GrantScope.SESSION, whole_run=True),
    ("ra",): PermissionAnswer(True, scope=GrantScope.ALWAYS, whole_run=True),
}


def read_answer(typed: str) -> PermissionAnswer:
    """What a person's words mean. An empty line is a no."""
    text = typed.strip()
    for words, answer in _YES.items():
        if text.lower() in words:
            return answer
    return PermissionAnswer(False, reason="" if text.lower() in ("", "n", "no") else text)


class TerminalAsk:
    """Asks on the terminal `descriptor`; cancelling it stops the reading.

    `say` prints the lines of the question, `prompt` what stands before the cursor; `answered` is told that it is over.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        say: Callable[[str], None],
        prompt: Callable[[str], None],
        cwd: Path,
        scope: str = "run",
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        self._descriptor = descriptor
        self._say = say
        self._prompt = prompt
        self._scope = scope
        self._cwd = cwd
        self._answered = answered

    async def __call__(self, question: PermissionQuestion) -> PermissionAnswer:
        line = await self.ask(question_text(question, self._scope, self._cwd))
        return PermissionAnswer(False, "the person closed the input") if line is None else read_answer(line)

    async def ask(self, text: str) -> str | None:
        """The line that is typed in answer to a text; None at the end of input."""
        # What was typed before the question was shown cannot have been meant for it.
        termios.tcflush(self._descriptor, termios.TCIFLUSH)
        self._say(text)
        self._prompt("> ")
        try:
            line = await self._read_line()
        finally:
            self._answered()
        if not line:
            self._prompt("\n")
            return None
        return line.decode("utf-8", "replace")

    async def _read_line(self) -> bytes:
        """One line as the terminal delivers it; empty at the end of input. Not in a thread, which could not be left."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._descriptor, _set, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._descriptor)
        try:
            return os.read(self._descriptor, _LINE_BYTES)
        except OSError:
            return b""


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
