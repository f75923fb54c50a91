"""The turns of a transcript in numbers: what each was, how it ended, what it cost. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.event_records import unnested

BESIDE = frozenset({"memory_ticked", "conversation_compacted"})
"""Events that cost something beside a turn: it counts with the turn before them, else with the first one after."""
TOLD_BY = BESIDE | {
    "turn_started",
    "plan_made",
    "model_call_started",
    "model_call_finished",
    "model_call_failed",
    "turn_ended",
    "nested",
    "agent_asked",
}
"""The events that `turn_facts` looks at; a reader may leave out all others."""


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """One turn. Costs are US dollars, `at` is UTC in ISO 8601."""

    at: str
    goal: str
    cwd: str = ""
    planned: str = ""
    """The mode that was decided on; empty when the turn ended before that."""
    mode: str = ""
    """The mode that it ended in: a replay that stopped and was continued ends in MIXED."""
    outcome: str = ""
    """Empty while the turn has no end."""
    cost_usd: float = 0.0
    saved_usd: float = 0.0
    model_calls: int = 0
    elapsed_s: float = 0.0
    tokens_in: int = 0
    """Cached ones among them."""
    tokens_out: int = 0

    @property
    def replayed(self) -> bool:
        """Whether it was done by a replay alone."""
        return self.mode == "FOLLOWER" and self.outcome == "ok"


def turn_facts(records: Iterable[Mapping[str, Any]]) -> Iterator[TurnFacts]:
    """The turns of a transcript, in order. The cost of one that has no end is what its calls cost so far.

    Raises KeyError, ValueError or TypeError for records that no transcript has.
    """
    turn: TurnFacts | None = None
    cost_usd, calls = 0.0, 0  # spent beside turns, and not counted with one yet
    for record in records:
        if (event := record["event"]) == "nested":
            if not str(record["kind"]).startswith("model_call_"):
                continue  # a sub-goal's turn is no turn; what it spent is this one's
            record = unnested(record)
            event = record["event"]
        if event in BESIDE:
            cost_usd, calls = (
                cost_usd + _dollars(record.get("cost_usd", 0.0)),
                calls + int(record.get("model_calls", 0)),
            )
        elif event == "turn_started":
            if turn is not None:
                yield replace(turn, cost_usd=turn.cost_usd + cost_usd, model_calls=turn.model_calls + calls)
                cost_usd, calls = 0.0, 0
            turn = TurnFacts(at=_time(record["at"]), goal=str(record["goal"]), cwd=str(record["cwd"]))
        elif turn is not None and not turn.outcome:
            turn = _after(turn, event, record)
    if turn is not None:
        yield replace(turn, cost_usd=turn.cost_usd + cost_usd, model_calls=turn.model_calls + calls)


def _after(turn: TurnFacts, event: str, record: Mapping[str, Any]) -> TurnFacts:
    match event:
        case "plan_made":
            mode = str(record["mode"])
            return replace(turn, planned=mode, mode=mode)
        case "model_call_started":
            return replace(turn, model_calls=turn.model_calls + 1)
        case "model_call_failed":
            return replace(turn, cost_usd=turn.cost_usd + _dollars(record["cost_usd"]))
        case "model_call_finished":
            usage = record["usage"]
            cached = int(usage["cache_read_tokens"]) + int(usage["cache_write_tokens"])
            return replace(
                turn,
                cost_usd=turn.cost_usd + _dollars(record["cost_usd"]),
                tokens_in=turn.tokens_in + int(usage["input_tokens"]) + cached,
                tokens_out=turn.tokens_out + int(usage["output_tokens"]),
            )
        case "turn_ended":
            return replace(
                turn,
                mode=str(record["mode"]),
                outcome=str(record["outcome"]),
                cost_usd=_dollars(record["cost_usd"]),
                saved_usd=_dollars(record["saved_usd"]),
                model_calls=int(record["model_calls"]),
                elapsed_s=float(record["elapsed_s"]),
            )
    return turn


def _dollars(value: Any) -> float:
    amount = float(value)
    if not math.isfinite(amount):
        raise ValueError(f"{value!r} is no amount of money")
    return amount


def _time(value: Any) -> str:
    """A time as this program writes it, with its zone."""
    if datetime.fromisoformat(str(value)).tzinfo is None:
        raise ValueError(f"the time {value!r} has no zone")
    return str(value)
