"""Several earlier runs for one goal: its parts, and the trace that is nearest to each. Pure.

A part is what a line, a semicolon, "then", or "and" before another order sets apart; values in quotes are never cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from llmos.core.dataclass import dataclass
from llmos.core.events import Mode
from llmos.core.explain import Considered
from llmos.core.goal import asks_for_change, asks_only, words_of
from llmos.core.literals import Literal, Plain, tokens_of
from llmos.core.policy import Plan
from llmos.core.trace import TraceHeader

MOST_PARTS = 5
"""A goal of more parts is taken as one: so many traces would say more than the goal."""
_JOINING = ("and", "then")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")

Nearest = Callable[[str, int], Sequence[tuple[TraceHeader, float]]]
"""The traces nearest in words to a text, best first, with a similarity of 0 to 1."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A trace, and the part of the goal that it was chosen for."""

    part: str
    header: TraceHeader
    likeness: float


def parts_of(goal: str) -> tuple[str, ...]:
    """The parts of a goal that asks for several things; one part, the whole goal, for any other."""
    lines = [_BULLET.sub("", line).strip() for line in goal.splitlines() if line.strip()]
    parts = [part for line in lines for part in clauses(line)]
    if not 2 <= len(parts) <= MOST_PARTS or any(len(words_of(part)) < 2 for part in parts):
        return (goal,)
    return tuple(parts)


def clauses(line: str) -> list[str]:
    """A line cut at "; ", at "then", and at "and" or a comma before another order."""
    tokens = tokens_of(line)
    cuts: list[tuple[int, int]] = []
    for index, token in enumerate(tokens):
        if isinstance(token, Literal) or token.text not in ("and", "then", ";", ","):
            continue
        if cuts and not line[cuts[-1][1] : token.start].strip():
            cuts[-1] = (cuts[-1][0], token.end)  # ", and then" is one cut
        elif token.text in ("then", ";") or _orders(line, tokens[index + 1 :]):
            cuts.append((token.start, token.end))
    clauses, at = [], 0
    for start, end in [*cuts, (len(line), len(line))]:
        if clause := line[at:start].strip(" ,;"):
            clauses.append(clause)
        at = end
    return clauses


def _orders(line: str, after: Sequence[Literal | Plain]) -> bool:
    """Whether what follows begins with an order or a question of its own, joining words left out."""
    following = next((token for token in after if isinstance(token, Literal) or token.text not in _JOINING), None)
    if following is None or isinstance(following, Literal):
        return False
    rest = line[following.start :]
    return asks_for_change(rest) or asks_only(rest)


def pieces_for(goal: str, nearest: Nearest, *, k: int, floor: float) -> tuple[Piece, ...]:
    """The traces for each part of a goal, at most `k` a part and each once, from a similarity of `floor` on."""
    found: dict[str, Piece] = {}
    for part in parts_of(goal):
        for header, likeness in nearest(part, k):
            if likeness >= floor and header.id not in found:
                found[header.id] = Piece(part, header, likeness)
    return tuple(found.values())


def blended(goal: str, plan: Plan, nearest: Nearest, *, k: int, floor: float = 0.4) -> tuple[Plan, tuple[Piece, ...]]:
    """The plan, guided by a trace for each part where the parts of the goal match different ones.

    A plan that rests on a run of the very goal is left alone, replayed or not. With one part, `k` traces guide.
    """
    own = plan.trace is not None and any(header.id == plan.trace.header.id for header in plan.guidance)
    if plan.mode is Mode.FOLLOWER or own:
        return plan, ()
    pieces = pieces_for(goal, nearest, k=k, floor=floor)
    if len(pieces) < 2:
        return plan, ()
    if len(parts_of(goal)) > 1:
        reasons = tuple(
            f"for {piece.part!r} the nearest in words ({piece.likeness:.2f}): {piece.header.goal}" for piece in pieces
        )
    else:
        reasons = (f"{len(pieces)} earlier runs guide: matching.mixed_k is {k}",)
    ceiling = plan.thresholds.follower - 0.01
    confidence = min(ceiling, max(plan.thresholds.mixed, min(piece.likeness for piece in pieces)))
    headers = tuple(piece.header for piece in pieces)
    cost = sum(header.learned.cost_usd for header in headers)
    return (
        replace(
            plan,
            mode=Mode.MIXED,
            confidence=confidence,
            guidance=headers,
            reasons=(*plan.reasons, *reasons),
            considered=_with_pieces(plan.considered, pieces),
            expected_cost_usd=cost,
        ),
        pieces,
    )


def _with_pieces(considered: Sequence[Considered], pieces: Sequence[Piece]) -> tuple[Considered, ...]:
    """What was looked at, with the pieces as the ones that guide; those that are near only a part are added."""
    asked = {one.trace_id: one for one in considered}
    chosen = tuple(
        replace(
            asked.get(piece.header.id)
            or Considered(piece.header.id, piece.header.goal, "", None, cost_usd=piece.header.learned.cost_usd),
            role="guidance",
            likeness=piece.likeness,
        )
        for piece in pieces
    )
    guides = {one.trace_id for one in chosen}
    left = (replace(one, role="near") if one.role == "guidance" else one for one in considered)
    return (*chosen, *(one for one in left if one.trace_id not in guides))
