"""The tool by which an agent hands a part of its goal to another one."""

from __future__ import annotations

from typing import Annotated

from llmos.core.errors import ToolError
from llmos.core.tool import Effect, ToolContext, ToolOutput
from llmos.tools.declare import Argument, tool


@tool(effect=Effect.READ)
async def delegate(
    goal: Annotated[
        str, Argument("What is to be done, understood alone: every name and value that it needs.", min_length=2)
    ],
    agent: Annotated[
        str,
        Argument("Its name, or the id of one that answered before; empty for none in particular."),
    ] = "",
    *,
    context: ToolContext,
) -> ToolOutput:
    """Hand a self-contained part of the goal to another agent. It works in the same directory under the same rules,
    does not see this conversation, and gives back its id and its answer. Use it for parts that stand alone; several in
    one reply run side by side. To go on with one that answered before, give its id (such as reviewer-1) as agent: it
    remembers what it did."""
    if context.delegation is None:
        raise ToolError("no agent can be called from here")
    return await context.delegation.delegate(goal, agent, context.call_id)
