"""What `delegate` does: the same dispatcher again for a part of the goal, in a role that can only tighten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from llmos.core.agent_roles import AgentRole
from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError, NoModelError, ToolError
from llmos.core.events import Outcome
from llmos.core.ports import Model
from llmos.core.tool import ToolOutput
from llmos.core.trace import shorten

if TYPE_CHECKING:
    from llmos.interfaces.dispatcher import Dispatcher

LONGEST_RESULT = 8_000
"""Characters of an agent's answer that its caller reads."""


@dataclass(frozen=True, slots=True)
class Agents:
    """The agents of a workspace: `read` gives them by name, and a sentence for each that is left out."""

    read: Callable[[], tuple[dict[str, AgentRole], list[str]]]
    model: Callable[[str], Model]
    """The model that an agent names. Raises NoModelError, OfflineError."""


NO_AGENTS = Agents(lambda: ({}, []), lambda name: _no_such(name))


def _no_such(name: str) -> Model:
    raise NoModelError(f"the model {name} is not to be had here")


async def delegated(
    goal: str, agent: str, roles: Mapping[str, AgentRole], child: Callable[[AgentRole | None], tuple[str, Dispatcher]]
) -> ToolOutput:
    """Hand a goal to an agent; `child` gives its name in the log and its dispatcher. Raises ToolError."""
    role = roles.get(agent)
    if agent and role is None:
        raise ToolError(f"there is no agent {agent!r}; there are: {', '.join(sorted(roles)) or 'none'}")
    name, dispatcher = child(role)
    try:
        result = await dispatcher.dispatch(goal)
    except LlmosError as error:
        raise ToolError(f"{name} could not begin: {error}") from error
    assert result.outcome is not None
    answer = shorten(result.answer.strip(), LONGEST_RESULT) or "(no answer)"
    reason = f": {result.reason}" if result.reason else ""
    ok = result.outcome in (Outcome.OK, Outcome.UNVERIFIED)
    return ToolOutput(f"[{name} ended {result.outcome.value}{reason}]\n{answer}", ok=ok, stdout=answer)
