"""Permission questions on a terminal, for `llmos run`.

Invariant: only what is typed after the question counts as its answer, and only a clear yes allows.
"""

from __future__ import annotations

import asyncio
import os
import termios
from collections.abc import Callable

from llmos.core.permission import GrantScope
from llmos.core.ports import PermissionAnswer, PermissionQuestion
from llmos.core.tool import Effect
from llmos.interfaces.call_view import EFFECT_WORDS, call_details, call_subject
from llmos.interfaces.printable import printable

_LINE_BYTES = 64_000


def question_text(question: PermissionQuestion, scope: str) -> str:
    """The question as lines: the whole call, what it can do, why it is asked, and the ways to answer."""
    call = question.call
    again = " again, as in the saved run" if question.replayed else ""
    effect = EFFECT_WORDS[Effect(question.effect)]
    lines = [
        f"Allow {call.name}{again}? It {effect}:",
        *(f"    {line}" for line in call_subject(call.name, call.args).split("\n")),
        *(f"    {line}" for line in call_details(call.name, call.args, limit=200)),
        f"  why you are asked: {question.reason}",
        f"  y yes · n no · a yes to {question.rule} in this {scope}" if question.rule else "  y yes · n no",
        "  anything else is a no, with your words as the reason",
    ]
    return printable("\n".join(lines))


def read_answer(typed: str) -> PermissionAnswer:
    """What a person's words mean. An empty line is a no."""
    text = typed.strip()
    match text.lower():
        case "y" | "yes":
            return PermissionAnswer(True)
        case "a" | "always":
            return PermissionAnswer(True, scope=GrantScope.SESSION)
        case "" | "n" | "no":
            return PermissionAnswer(False)
    return PermissionAnswer(False, reason=text)


class TerminalAsk:
    """Asks on the terminal `descriptor`; cancelling it stops the reading.

    `say` prints the lines of the question, `prompt` what stands before the cursor.
    """

    def __init__(
        self, descriptor: int, *, say: Callable[[str], None], prompt: Callable[[str], None], scope: str = "run"
    ) -> None:
        self._descriptor = descriptor
        self._say = say
        self._prompt = prompt
        self._scope = scope

    async def __call__(self, question: PermissionQuestion) -> PermissionAnswer:
        # What was typed before the question was shown cannot have been meant for it.
        termios.tcflush(self._descriptor, termios.TCIFLUSH)
        self._say(question_text(question, self._scope))
        self._prompt("> ")
        line = await self._read_line()
        if not line:
            self._prompt("\n")
            return PermissionAnswer(False, "the person closed the input")
        return read_answer(line.decode("utf-8", "replace"))

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
