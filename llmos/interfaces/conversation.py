"""What a session says to a model, and what the model keeps of earlier turns.

Invariant: within a session the system prompt never changes, and a small model never sees earlier turns.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace

from llmos.core.compaction import summary_request
from llmos.core.events import Notice
from llmos.core.messages import Message, Text, ToolCall, ToolResult, all_text, user_text
from llmos.core.policy import TurnLimits
from llmos.core.ports import Emit, Example, Model, ModelRequest
from llmos.core.prompt import (
    attached_text,
    example_of,
    form_text,
    news_text,
    project_text,
    sandbox_words,
    system_prompt,
)
from llmos.core.provenance import Source
from llmos.core.replayable import DELEGATE, MEMORY_TOOLS
from llmos.core.tool import ToolSpec
from llmos.core.trace import RunStep
from llmos.core.verify import judge
from llmos.engine.compact import summarise
from llmos.engine.converse import Converse, Conversed
from llmos.engine.invoke import Invoker
from llmos.engine.model_calls import ModelCalls
from llmos.engine.surroundings import seen_in, surroundings
from llmos.interfaces.turn import Turn
from llmos.memory.project_words import project_files
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
        roles: Callable[[], str] = str,
        role: str = "",
    ) -> None:
        """`news` gives what changed in the core blocks since it was last asked, `roles` the agents that can be called.

        `role` is what the model is told of the role that it has.
        """
        self._record = record
        self._invoker = invoker
        self._limits = limits
        self._emit = emit
        self._news = news
        self._roles = roles
        self._role = role
        self._messages: tuple[Message, ...] = ()
        self._system: str | None = None
        self._project = ""
        self._spoken_with = ""
        self.tokens = 0
        """What the conversation filled of a model's context at its last call."""

    async def run(
        self, turn: Turn, model: Model, guidance: str, handoff: str, done: Sequence[RunStep | None] = ()
    ) -> Conversed:
        """Work on the goal of a turn with a model.

        `guidance` are words about earlier runs, `handoff` is what a replay that stopped leaves to it, and `done` the
        steps that this replay had carried out.
        """
        small = model.info.small
        examples = self._examples(turn.goal) if small else ()
        context = self._surroundings(turn) if small else await self._remembered(turn) + guidance
        if turn.given:
            turn.foreign += (Source("what another sub-goal gave", turn.given),)
        context = turn.given + context
        earlier = () if small else self._messages_for(model)
        attached, begun = await self._attached(turn)
        # What the handoff holds is no foreign knowledge: planned calls of a verified trace, and this run's own outputs.
        form = form_text(turn.form.schema) if turn.form else ""
        loop = self._loop(turn, model, [run for run in done if run is not None])
        shown = [
            self._record.memory.core_text(),
            self._project,
            self._role,
            context,
            *(all_text(message) for message in earlier),
        ]
        turn.shown = seen_in("\n".join(shown)) if small else "\n".join(shown)
        results = (part.content for message in earlier for part in message.parts if isinstance(part, ToolResult))
        turn.foreign += (
            Source("what is remembered", self._record.memory.core_text()),
            Source("the project's own instructions", self._project),
            Source("what a call of an earlier turn gave", "\n".join(results)),
        )
        opening = Message("user", (Text(handoff + attached + form + context + turn.goal),))
        try:
            return await loop.run(earlier, opening, examples, begun)
        finally:
            if not small:
                self.tokens = turn.calls.last_tokens or self.tokens

    def _examples(self, goal: str) -> tuple[Example, ...]:
        """Runs like this one. Nearest last: what stands next to the goal weighs most with a small model."""
        found = self._record.traces.examples_for(goal, EXAMPLES_SHOWN)
        return tuple(example_of(trace) for trace in reversed(found))

    def _surroundings(self, turn: Turn) -> str:
        """What a small model is told of the working directory."""
        around = surroundings(turn.goal, self._invoker.context.cwd, self._invoker.context.boundary)
        turn.foreign += (Source("what stands in the working directory", seen_in(around)),)
        return f"{around}\nTask: "

    async def _remembered(self, turn: Turn) -> str:
        """What memory holds for this goal, and what changed in it.

        A change enters a conversation that has begun as a new message: its prefix stays as it was.
        """
        news = news_text(self._news()) if self._system is not None else ""
        memory = self._invoker.context.memory
        recalled = await memory.context(turn.goal) if memory is not None else ""
        turn.foreign += (Source("what is remembered", news + recalled),)
        return news + recalled

    async def _attached(self, turn: Turn) -> tuple[str, list[RunStep]]:
        """The files that the person attached, read as a model would read them; and those reads as steps of the run."""
        words, steps = [], []
        for number, path in enumerate(turn.attached, start=1):
            invocation = await self._invoker.invoke(ToolCall(f"attached-{number}", "read_file", {"path": path}))
            words.append(attached_text(path, invocation.result.content, read=invocation.step is not None))
            steps += [invocation.step] if invocation.step is not None else []
        return "".join(words), steps

    def _messages_for(self, model: Model) -> tuple[Message, ...]:
        """The messages so far. Another model gets them without the blocks that are bound to the one before."""
        if self._spoken_with not in ("", model.info.name):
            self._messages = tuple(replace(message, wire=()) for message in self._messages)
        self._spoken_with = model.info.name
        return self._messages

    async def summary(self, model: Model, calls: ModelCalls, focus: str) -> str:
        """What the model makes of the conversation. Raises LlmosError."""
        loop_tools = self._specs(small=False)
        messages = (*self._messages_for(model), summary_request(focus))
        return await summarise(model, calls, ModelRequest(self._system_prompt(), messages, loop_tools))

    @property
    def messages(self) -> tuple[Message, ...]:
        return self._messages

    def restart(self, messages: tuple[Message, ...], tokens: int = 0) -> None:
        """Go on from these messages, under a prompt that is made anew of what is known then."""
        self._messages = messages
        self._system = None
        self.tokens = tokens

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
            tools=self._specs(small=small),
            system=self._record.memory.core_text() + self._role if small else self._system_prompt(),
            max_steps=self._limits.small_model_steps if small else self._limits.max_steps,
            max_tokens=self._limits.max_tokens,
            emit=self._emit,
            carried_out=carried_out,
            form=turn.form,
            review=(lambda answer, steps: judge(turn.goal, answer, steps, small=True)[1]) if small else None,
        )

    def _offers(self, tool: str) -> bool:
        context = self._invoker.context
        if tool == DELEGATE:
            return context.delegation is not None and context.delegation.offered
        return tool not in MEMORY_TOOLS or context.memory is not None

    def _specs(self, *, small: bool) -> tuple[ToolSpec, ...]:
        tools = sorted(self._invoker.tools.items())
        return tuple(tool.spec for name, tool in tools if (name in SMALL_MODEL_TOOLS if small else self._offers(name)))

    def _system_prompt(self) -> str:
        """Built once a session: within a conversation the prefix never changes."""
        if self._system is None:
            files = project_files(self._invoker.context.cwd)
            for file in files:
                self._emit(Notice(text=f"the model is given this project's instructions: {file.about}"))
            self._project = project_text([(str(file.path), file.text) for file in files])
            self._system = system_prompt(
                cwd=str(self._invoker.context.cwd),
                platform=f"{platform.system()} {platform.machine()}",
                core_memory=self._record.memory.core_text(),
                sandbox=sandbox_words(self._invoker.context),
                project=self._project,
            )
            self._system += (self._roles() if self._offers(DELEGATE) else "") + self._role
        return self._system
