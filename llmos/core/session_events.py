"""What happens between the turns of a session, as frozen values; events like those of a turn (core/events)."""

from __future__ import annotations

from llmos.core.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTicked:
    """A memory tier was updated, or could not be and stays due. Its cost is beside the turn's."""

    tier: str
    message: int
    """The count of all messages of the workspace."""
    done: bool
    changes: tuple[str, ...] = ()
    """What was written, one line a change."""
    reason: str = ""
    """Why it stays due; empty when it is done."""
    through: str = ""
    """Time of the newest message that it took in."""
    cost_usd: float = 0.0
    model_calls: int = 0
    recalled: tuple[str, ...] = ()
    """Archival passages that were put before the model for this message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCompacted:
    """The first event of a session that goes on from a summary of another one's conversation."""

    before: str
    """The session whose conversation it was; its transcript stays."""
    summary: str
    by: str
    """The model that wrote it, or "a digest without a model"."""
    reason: str
    """Why no model wrote it; empty when one did."""
    messages: int
    """How many messages it stands for."""
    tool_outputs: int
    context_tokens: int
    """What the conversation filled at its last model call; 0 when that is not known."""
    automatic: bool
    cost_usd: float
    model_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnUndone:
    """A person took back what an earlier turn of this session did to files."""

    turn: int
    """`seq` of that turn's first record in the transcript."""
    goal: str
    restored: tuple[str, ...]
    removed: tuple[str, ...]
    not_undone: tuple[str, ...]
    """A sentence for each thing that stayed as it was."""
