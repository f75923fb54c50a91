"""How alike two goals are: a judgement by a small model where one is given, else by shared words.

A judgement proposes a match, a pairing of the values, and a reason. It authorises nothing: core/judged asks the gates,
and core/policy decides. Whatever is wrong with a judgement makes it a miss.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.errors import BudgetError, LlmosError, ModelError, ModelErrorKind, StoreError
from llmos.core.goal import content_stems, goal_key
from llmos.core.judgement import Judgement, in_order, pairing
from llmos.core.messages import user_text
from llmos.core.ports import Emit, Model, ModelReply, ModelRequest
from llmos.core.trace import TraceHeader
from llmos.core.wording import analyse
from llmos.memory import small_judge
from llmos.memory.judgements import Judgements

HIGHEST_UNPROVEN = 0.91
"""What shared words may claim at most for goals that are not identical: just under the FOLLOWER threshold."""
MOST_OF_A_SMALL_MODEL = 2
"""Earlier goals that a small model is asked about, the nearest ones: each costs it seconds."""
LONGEST_S = 60.0
"""After so long a judgement is a miss: the model that works on the goal would be half done by then."""

_SYSTEM = """\
You compare a goal for a shell agent with earlier goals whose runs are on record. For each earlier goal say how likely
it is that its very steps, with only the values exchanged, do exactly what the goal asks for:
0.95-1.0 virtually identical; 0.85-0.95 same task, other values; 0.70-0.85 related, a similar approach helps;
0.50-0.70 loosely related; 0-0.50 unrelated.
Opposites (enable/disable, copy to/copy from), another action (copy/move, count/list), a negation, another order or
number, and anything more or less that is asked for are not the same task. Pair each value of the earlier goal with the
value of the goal that takes its place. Answer with JSON alone, one verdict for each earlier goal, with a reason of at
most ten words."""

_VERDICT: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["number", "reason", "confidence", "values"],
    "properties": {
        "number": {"type": "integer"},
        "reason": {"type": "string"},
        "confidence": {"type": "number"},
        "values": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["earlier", "now"],
                "properties": {"earlier": {"type": "string"}, "now": {"type": "string"}},
            },
        },
    },
}
_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["verdicts"],
    "properties": {"verdicts": {"type": "array", "items": _VERDICT}},
}


@dataclass(frozen=True, slots=True)
class Judging:
    """What judgements have cost so far."""

    calls: int = 0
    cost_usd: float = 0.0


class TraceAnalyzer:
    """Judges goals beside earlier ones. Without a model the judgement is the overlap of their words.

    `make` makes the model when the first judgement needs it. Judgements are kept in `known`.
    """

    def __init__(
        self,
        model: Model | None = None,
        emit: Emit | None = None,
        *,
        make: Callable[[], Model] | None = None,
        known: Judgements | None = None,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._model = model
        self._make = make
        self._emit = emit or (lambda event: None)
        self._known = known or Judgements()
        self._longest_s = longest_s
        self.judging = Judging()

    async def analyze_goal_similarity(
        self, goal: str, trace_goal: str, metadata: Mapping[str, Any] | None = None
    ) -> float:
        """A confidence from 0 to 1 that the run of `trace_goal` does what `goal` asks for; 1.0 for the identical goal.

        `metadata` may hold what else is known of the trace (its tools, say); it is shown to the model. A model that
        fails or answers nonsense counts as a miss: 0.0.
        """
        return (await self.judge(goal, [(trace_goal, metadata or {})]))[0].confidence

    async def find_best_matching_trace(
        self, goal: str, traces: Sequence[TraceHeader], min_confidence: float
    ) -> tuple[TraceHeader, float] | None:
        """The trace judged nearest, when it reaches `min_confidence`."""
        best = await self.batch_analyze_traces(goal, traces, top_k=1)
        return best[0] if best and best[0][1] >= min_confidence else None

    async def batch_analyze_traces(
        self, goal: str, traces: Sequence[TraceHeader], top_k: int
    ) -> list[tuple[TraceHeader, float]]:
        """The `top_k` nearest traces with their confidence, best first, ties by id; one model call for all."""
        return [(header, judgement.confidence) for header, judgement in (await self.verdicts(goal, traces))[:top_k]]

    async def verdicts(self, goal: str, traces: Sequence[TraceHeader]) -> list[tuple[TraceHeader, Judgement]]:
        """Each trace with what is said of it, best first, ties by id; one call of a large model for all."""
        asked = [(header.goal, {"tools": sorted(header.tools)}) for header in traces]
        judged = list(zip(traces, await self.judge(goal, asked), strict=True))
        return sorted(judged, key=lambda pair: (-pair[1].confidence, pair[0].id))

    async def judge(self, goal: str, earlier: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Judgement]:
        """A judgement of each earlier goal, in order. What is known is not asked again; a failure is a miss."""
        found: dict[int, Judgement] = {}
        for index, (text, _) in enumerate(earlier):
            if goal_key(goal) == goal_key(text):
                found[index] = Judgement(1.0, (), "the identical goal")
            elif not self.has_model:
                found[index] = Judgement(min(HIGHEST_UNPROVEN, _word_overlap(goal, text)), None, "shared words")
        open_ = [index for index in range(len(earlier)) if index not in found]
        if open_:
            with suppress(LlmosError, TimeoutError):
                found.update(await self._judged(goal, earlier, open_))
        return [found.get(index, Judgement()) for index in range(len(earlier))]

    async def _judged(
        self, goal: str, earlier: Sequence[tuple[str, Mapping[str, Any]]], wanted: Sequence[int]
    ) -> dict[int, Judgement]:
        """Raises LlmosError, TimeoutError."""
        model = self.model()
        name = model.info.name
        found = {i: known for i in wanted if (known := self._known.find(name, earlier[i][0], goal)) is not None}
        left = [index for index in wanted if index not in found]
        if not left:
            return found
        async with asyncio.timeout(self._longest_s):
            if model.info.small:
                answers = await self._one_by_one(model, goal, earlier, left[:MOST_OF_A_SMALL_MODEL])
            else:
                answers = await self._all_at_once(model, goal, earlier, left)
        for index, judgement in answers.items():
            self._known.keep(name, earlier[index][0], goal, judgement)
        return found | answers

    async def _all_at_once(
        self, model: Model, goal: str, earlier: Sequence[tuple[str, Mapping[str, Any]]], wanted: Sequence[int]
    ) -> dict[int, Judgement]:
        goals = [
            {"number": number, "goal": earlier[index][0], "values": _texts(earlier[index][0]), **earlier[index][1]}
            for number, index in enumerate(wanted, start=1)
        ]
        question = json.dumps({"goal": goal, "values": _texts(goal), "earlier goals": goals}, ensure_ascii=False)
        room = 200 + 300 * len(wanted)
        request = ModelRequest(_SYSTEM, (user_text(question),), max_tokens=room, output_schema=_SCHEMA)
        reply = await self._ask(model, request)
        found = _read(reply.message.text, goal, [earlier[index][0] for index in wanted])
        return {wanted[number]: judgement for number, judgement in found.items()}

    async def _one_by_one(
        self, model: Model, goal: str, earlier: Sequence[tuple[str, Mapping[str, Any]]], wanted: Sequence[int]
    ) -> dict[int, Judgement]:
        """What a small model says of each; it is not asked for a pairing, values go by their order."""
        found: dict[int, Judgement] = {}
        for index in wanted:
            text = earlier[index][0]
            likely = small_judge.confidence(await self._ask(model, small_judge.request(text, goal)))
            if likely is not None:
                values = in_order(analyse(text), analyse(goal))
                found[index] = Judgement(likely, values, "asked whether it is the same job")
        return found

    @property
    def has_model(self) -> bool:
        return self._model is not None or self._make is not None

    @property
    def is_large(self) -> bool:
        """Whether a large model judges; False until it is made, and where none can be made."""
        return self._model is not None and not self._model.info.small

    def model(self) -> Model:
        """The judging model, made when it is first needed. Raises LlmosError."""
        if self._model is None:
            if self._make is None:
                raise ModelError(ModelErrorKind.RUNTIME, "there is no judging model")
            self._model = self._make()
        return self._model

    async def _ask(self, model: Model, request: ModelRequest) -> ModelReply:
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
        return reply

    def _charge(self, cost_usd: float) -> None:
        self.judging = Judging(self.judging.calls + 1, self.judging.cost_usd + cost_usd)


def _texts(goal: str) -> list[str]:
    return [literal.text for literal in analyse(goal).literals]


def _read(answer: str, goal: str, earlier: Sequence[str]) -> dict[int, Judgement]:
    """The readable verdicts by the position of their goal; whatever else was answered is left out."""
    try:
        verdicts = json.loads(answer)["verdicts"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(ModelErrorKind.RUNTIME, "the judging model gave no readable judgement") from None
    found: dict[int, Judgement] = {}
    for verdict in verdicts if isinstance(verdicts, list) else []:
        try:
            index = int(verdict["number"]) - 1
            confidence = float(verdict["confidence"])
            pairs = [(str(pair["earlier"]), str(pair["now"])) for pair in verdict["values"]]
            reason = str(verdict["reason"])
        except (ValueError, KeyError, TypeError, OverflowError):
            continue
        if 0 <= index < len(earlier) and 0.0 <= confidence <= 1.0 and index not in found:
            values = pairing(analyse(earlier[index]), analyse(goal), pairs)
            found[index] = Judgement(confidence, values, reason)
    return found


def _word_overlap(goal: str, other: str) -> float:
    """Jaccard index of the content stems."""
    left, right = content_stems(goal), content_stems(other)
    return len(left & right) / len(left | right) if left | right else 0.0
