"""What a session says to a model, and what the model keeps of earlier turns.

Invariant: within a session the system prompt never changes, and a small model never sees earlier turns.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

from llmos.core.messages import Message, Text, all_text, user_text
from llmos.core.policy import TurnLimits
from llmos.core.ports import Emit, Example, Model
from llmos.core.prompt import example_of, news_text, sandbox_words, system_prompt
from llmos.core.replayable import MEMORY_TOOLS
from llmos.core.trace import RunStep
from llmos.core.verify import judge
from llmos.engine.converse import Converse, Conversed
from llmos.engine.invoke import Invoker
from llmos.engine.surroundings import surroundings
from llmos.interfaces.turn import Turn
from llmos.memory.record import Record

EXAMPLES_SHOWN = 4
SMALL_MODEL_TOOLS = ("read_file", "shell", "write_file")
"""What a small model is offered: with more ways to the same end it picks the wrong one (docs/decisions/0003)."""


class Conversation:
    """The conversation of one session with its model, turn after turn."""

    def __init__(
        self,
        *,
        record: Record,
        invoker: Invoker,
        limits: TurnLimits,
        emit: Emit,
        news: Callable[[], Sequence[str]] = list,
    ) -> None:
        """`news` gives what changed in the core blocks since it was last asked."""
        self._record = record
        self._invoker = invoker
        self._limits = limits
        self._emit = emit
        self._news = news
        self._messages: tuple[Message, ...] = ()
        self._system: str | None = None

    async def run(
        self, turn: Turn, model: Model, guidance: str, handoff: str, done: Sequence[RunStep | None] = ()
    ) -> Conversed:
        """Work on the goal of a turn with a model.

        `guidance` are words about earlier runs, `handoff` is what a replay that stopped leaves to it, and `done` the
        steps that this replay had carried out.
        """
        small = model.info.small
        examples: tuple[Example, ...] = ()
        if small:
            # Nearest last: what stands next to the goal weighs most with a small model.
            found = self._record.traces.examples_for(turn.goal, EXAMPLES_SHOWN)
            examples = tuple(example_of(trace) for trace in reversed(found))
            context = f"{surroundings(turn.goal, self._invoker.context.cwd)}\nTask: "
        else:
            # A change of memory enters a conversation that has begun as a new message: its prefix stays as it was.
            news = news_text(self._news()) if self._system is not None else ""
            memory = self._invoker.context.memory
            recalled = await memory.context(turn.goal) if memory is not None else ""
            context = news + recalled + guidance
        earlier = () if small else self._messages
        # What the handoff holds is no foreign knowledge: planned calls of a verified trace, and this run's own outputs.
        turn.shown = "\n".join([self._record.memory.core_text(), context, *(all_text(message) for message in earlier)])
        opening = Message("user", (Text(handoff + context + turn.goal),))
        carried_out = [run for run in done if run is not None]
        return await self._loop(turn, model, carried_out).run(earlier, opening, examples)

    def restart(self, messages: tuple[Message, ...]) -> None:
        """Go on from these messages, under a prompt that is made anew of what is known then."""
        self._messages = messages
        self._system = None

    def take(self, messages: tuple[Message, ...]) -> None:
        """Go on from here: the messages of a turn that the model ended by itself, earlier ones among them."""
        self._messages = messages

    def add(self, messages: Sequence[Message]) -> None:
        """Take in what happened between two turns."""
        self._messages = (*self._messages, *messages)

    def extend(self, goal: str, answer: str) -> None:
        """Take a turn into the conversation that the model did not see whole."""
        self._messages = (*self._messages, user_text(goal), Message("assistant", (Text(answer or "Done."),)))

    def _loop(self, turn: Turn, model: Model, carried_out: Sequence[RunStep]) -> Converse:
        small = model.info.small
        return Converse(
            model=model,
            calls=turn.calls,
            invoker=self._invoker,
            tools=[
                tool.spec
                for name, tool in sorted(self._invoker.tools.items())
                if (name in SMALL_MODEL_TOOLS if small else self._offers(name))
            ],
            system=self._record.memory.core_text() if small else self._system_prompt(),
            max_steps=self._limits.small_model_steps if small else self._limits.max_steps,
            max_tokens=self._limits.max_tokens,
            emit=self._emit,
            carried_out=carried_out,
            review=(lambda answer, steps: judge(turn.goal, answer, steps, small=True)[1]) if small else None,
        )

    def _offers(self, tool: str) -> bool:
        return tool not in MEMORY_TOOLS or self._invoker.context.memory is not None

    def _system_prompt(self) -> str:
        """Built once a session: within a conversation the prefix never changes."""
        if self._system is None:
            self._system = system_prompt(
                cwd=str(self._invoker.context.cwd),
                platform=f"{platform.system()} {platform.machine()}",
                core_memory=self._record.memory.core_text(),
                sandbox=sandbox_words(self._invoker.context),
            )
        return self._system
