"""Tools for memory: looking up what was said and is known, and remembering what the person said.

They write nothing by themselves: the rules of memory decide, and a write must quote the person to the letter.
"""

from __future__ import annotations

from typing import Annotated, Literal

from llmos.core.errors import LlmosError, ToolError
from llmos.core.tool import Effect, MemoryAccess, ToolContext, ToolOutput
from llmos.tools.declare import Argument, tool

_QUOTE = Argument("The words of the person that say so, exactly as they typed them.", min_length=2)


@tool(effect=Effect.READ)
async def memory_search(
    question: Annotated[str, Argument("What is looked for, in words; a time may be named.", min_length=2)],
    *,
    context: ToolContext,
) -> ToolOutput:
    """Search what was said in all earlier sessions, and what is remembered of it. Gives quotes with source and age."""
    try:
        found = await _memory(context).search(question)
    except LlmosError as error:
        raise ToolError(f"memory_search: {error}") from error
    return ToolOutput(found, stdout=found)


@tool(effect=Effect.WRITE)
async def core_memory_edit(
    block: Annotated[
        Literal["persona", "human", "system_context"],
        Argument("persona: how you are to behave. human: who the person is. system_context: machine, project."),
    ],
    action: Annotated[Literal["add", "replace", "remove"], Argument("What to do with an item of the block.")],
    quote: Annotated[str, _QUOTE],
    text: Annotated[str, Argument("The new item: one sentence. Empty to remove.")] = "",
    item: Annotated[str, Argument("The text of the item to replace or remove, exactly.")] = "",
    *,
    context: ToolContext,
) -> ToolOutput:
    """Change what is always in the prompt, when the person asks to remember, change or forget something."""
    try:
        said = _memory(context).edit_core(block, action, text, quote, item)
    except (ToolError, LlmosError) as error:
        raise ToolError(f"core_memory_edit: {error}") from error
    return ToolOutput(said, stdout=said)


@tool(effect=Effect.WRITE)
async def archival_memory_add(
    text: Annotated[str, Argument("The fact: one sentence that is understood alone, with dates.", min_length=2)],
    quote: Annotated[str, _QUOTE],
    *,
    context: ToolContext,
) -> ToolOutput:
    """Keep a lasting fact that the person stated, where memory_search finds it."""
    try:
        said = _memory(context).add_archival(text, quote)
    except (ToolError, LlmosError) as error:
        raise ToolError(f"archival_memory_add: {error}") from error
    return ToolOutput(said, stdout=said)


def _memory(context: ToolContext) -> MemoryAccess:
    if context.memory is None:
        raise ToolError("memory is off")
    return context.memory
