"""What a dispatcher works with, and hands on to the dispatchers of its sub-goals and agents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from llmos.core.cut_off import CutOff
from llmos.core.dataclass import dataclass
from llmos.core.policy import TurnLimits
from llmos.core.ports import Clock, Model
from llmos.interfaces.delegating import NO_AGENTS, Agents
from llmos.memory.record import Record

if TYPE_CHECKING:
    from llmos.interfaces.orchestrating import AskPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParts:
    """Made once for a session; for a sub-goal or an agent with another model or stricter limits."""

    record: Record
    model: Callable[[], Model]
    """Gives the model on demand. Raises NoModelError, OfflineError; a replay never calls it."""
    model_name: str = ""
    """How a role names it; empty for the one of the settings."""
    clock: Clock
    limits: TurnLimits
    workspace: Path
    agents: Agents = NO_AGENTS
    ask_plan: AskPlan | None = None
    """Asks the person about a plan of several tasks; None where nobody is asked."""
    cut_off: CutOff | None = None
    """The replay that the goal goes on with, and nothing else may be done for it."""
    freeze: bool = False
    """Nothing is recorded, learned or counted."""
