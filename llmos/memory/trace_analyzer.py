"""How alike two goals are: a judgement for MIXED, by a small model where one is given, else by shared words.

A judgement ranks what may guide a model. It never authorises a replay (DESIGN.md section 4), so whatever is not the
identical goal stays below the FOLLOWER threshold here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmos.core.errors import BudgetError, ModelError, ModelErrorKind, StoreError
from llmos.core.goal import content_stems, goal_key
from llmos.core.messages import user_text
from llmos.core.ports import Emit, Model, ModelRequest
from llmos.core.trace import TraceHeader

HIGHEST_UNPROVEN = 0.91
"""What a judgement may claim at most for goals that are not identical: just under the FOLLOWER threshold."""

_SYSTEM = """\
You judge how alike two goals for a shell agent are. Answer with JSON alone.
0.95-1.0 virtually identical; 0.85-0.95 same task, other values; 0.70-0.85 related, a similar approach helps;
0.50-0.70 loosely related; 0-0.50 unrelated. Opposites (enable/disable, copy to/copy from) are unrelated."""

_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["reason", "confidence"],
    "properties": {"reason": {"type": "string"}, "confidence": {"type": "number"}},
}


@dataclass(frozen=True, slots=True)
class Judging:
    """What judgements have cost so far."""

    calls: int = 0
    cost_usd: float = 0.0


class TraceAnalyzer:
    """Judges pairs of goals. Without a model the judgement is the overlap of their words."""

    def __init__(self, model: Model | None = None, emit: Emit | None = None) -> None:
        self._model = model
        self._emit = emit or (lambda event: None)
        self.judging = Judging()

    async def analyze_goal_similarity(
        self, goal: str, trace_goal: str, metadata: Mapping[str, Any] | None = None
    ) -> float:
        """A confidence from 0 to 1 that the run of `trace_goal` helps with `goal`; 1.0 only for the identical goal.

        `metadata` may hold what else is known of the trace (its tools, say); it is shown to the model. A model that
        fails or answers nonsense counts as a miss: 0.0.
        """
        if goal_key(goal) == goal_key(trace_goal):
            return 1.0
        if self._model is None:
            return min(HIGHEST_UNPROVEN, _word_overlap(goal, trace_goal))
        try:
            return min(HIGHEST_UNPROVEN, await self._judge(self._model, goal, trace_goal, metadata or {}))
        except (ModelError, BudgetError, StoreError):
            return 0.0

    async def find_best_matching_trace(
        self, goal: str, traces: Sequence[TraceHeader], min_confidence: float
    ) -> tuple[TraceHeader, float] | None:
        """The trace judged nearest, when it reaches `min_confidence`."""
        best = await self.batch_analyze_traces(goal, traces, top_k=1)
        return best[0] if best and best[0][1] >= min_confidence else None

    async def batch_analyze_traces(
        self, goal: str, traces: Sequence[TraceHeader], top_k: int
    ) -> list[tuple[TraceHeader, float]]:
        """The `top_k` nearest traces with their confidence, best first, ties by id."""
        confidences = await asyncio.gather(
            *(self.analyze_goal_similarity(goal, header.goal, {"tools": sorted(header.tools)}) for header in traces)
        )
        judged = list(zip(traces, confidences, strict=True))
        judged.sort(key=lambda pair: (-pair[1], pair[0].id))
        return judged[:top_k]

    async def _judge(self, model: Model, goal: str, trace_goal: str, metadata: Mapping[str, Any]) -> float:
        question = json.dumps({"goal": goal, "earlier goal": trace_goal, "of the earlier run": dict(metadata)})
        request = ModelRequest(_SYSTEM, (user_text(question),), max_tokens=400, output_schema=_SCHEMA)
        most = model.reserve_usd(request) or 0.0
        try:
            reply = await model.reply(request, self._emit)
        except ModelError as error:
            self._charge(most if error.cost_usd is None else error.cost_usd)
            raise
        except (BudgetError, StoreError):  # it was not sent
            raise
        except BaseException:  # stopped, or a fault: it may have cost the most that it can
            self._charge(most)
            raise
        self._charge(reply.cost_usd)
        try:
            confidence = float(json.loads(reply.message.text)["confidence"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ModelError(ModelErrorKind.RUNTIME, "the judging model gave no readable judgement") from None
        if not 0.0 <= confidence <= 1.0:
            raise ModelError(ModelErrorKind.RUNTIME, f"the judging model gave a confidence of {confidence}")
        return confidence

    def _charge(self, cost_usd: float) -> None:
        self.judging = Judging(self.judging.calls + 1, self.judging.cost_usd + cost_usd)


def _word_overlap(goal: str, other: str) -> float:
    """Jaccard index of the content stems."""
    left, right = content_stems(goal), content_stems(other)
    return len(left & right) / len(left | right) if left | right else 0.0
