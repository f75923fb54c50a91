"""What a session amounts to so far, as a fold over its events. Pure."""

from __future__ import annotations

from dataclasses import replace

from llmos.core.dataclass import dataclass
from llmos.core.events import Event, ModelCallFinished, TurnEnded
from llmos.core.session_events import ConversationCompacted, MemoryTicked
from llmos.interfaces.call_view import money


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """Money in US dollars; `context_tokens` is what the last model call of a goal read and wrote."""

    goals: int = 0
    cost_usd: float = 0.0
    saved_usd: float = 0.0
    model_calls: int = 0
    context_tokens: int = 0
    memory_failure: str = ""
    """Why a memory update stays due; empty when none does."""

    def after(self, event: Event) -> SessionFacts:
        """With one event more. Turns count by their ends, so that a stopped one counts with what it cost."""
        match event:
            case ModelCallFinished():
                usage = event.usage
                read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
                return replace(self, context_tokens=read + usage.output_tokens)
            case MemoryTicked():
                return replace(
                    self,
                    cost_usd=self.cost_usd + event.cost_usd,
                    model_calls=self.model_calls + event.model_calls,
                    memory_failure="" if event.done else event.reason,
                )
            case ConversationCompacted():
                return replace(
                    self,
                    cost_usd=self.cost_usd + event.cost_usd,
                    model_calls=self.model_calls + event.model_calls,
                    context_tokens=0,
                )
            case TurnEnded():
                return replace(
                    self,
                    goals=self.goals + 1,
                    cost_usd=self.cost_usd + event.cost_usd,
                    saved_usd=self.saved_usd + event.saved_usd,
                    model_calls=self.model_calls + event.model_calls,
                )
        return self

    @property
    def totals(self) -> str:
        """The line that a person leaves with."""
        goals = f"{self.goals} goal{'s' if self.goals != 1 else ''}"
        calls = f"{self.model_calls} model call{'s' if self.model_calls != 1 else ''}"
        return f"{goals} · cost {money(self.cost_usd)} · saved {money(self.saved_usd)} · {calls}"
