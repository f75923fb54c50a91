"""Templates by the words of their goals: which of thousands may fit a goal, without looking at the others.

Two goals share a key exactly when their canonical words and the number of their values are equal, so what the index
leaves out would be refused by a gate on words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from llmos.core.binding import bind
from llmos.core.gate import Bound, Gate, Refusal
from llmos.core.gates import GATES
from llmos.core.template import Template
from llmos.core.wording import Analysis, analyse

MAX_CANDIDATES = 24
"""Templates of one key that are looked at; more runs of one job than this add nothing."""


class TemplateIndex:
    """Templates by key, in the order in which they were added."""

    def __init__(self, templates: Iterable[Template] = ()) -> None:
        self._by_key: dict[tuple[str, ...], list[Template]] = {}
        for template in templates:
            self.add(template)

    def add(self, template: Template) -> None:
        self._by_key.setdefault(template.analysis.key, []).append(template)

    def candidates(self, analysis: Analysis) -> Sequence[Template]:
        """The templates whose goals have the same canonical words, those with the same surface first."""
        found = self._by_key.get(analysis.key, [])
        return sorted(found, key=lambda template: template.analysis.surface != analysis.surface)[:MAX_CANDIDATES]


def match(goal: str, index: TemplateIndex, gates: Sequence[Gate] = GATES) -> list[Bound | Refusal]:
    """What each candidate says to a goal: bound ones first, best first, then refusals.

    Best is: nearest in wording, then agreed upon by most candidates, then first added.
    """
    analysis = analyse(goal)
    answers = [bind(template, analysis, gates) for template in index.candidates(analysis)]
    bound = [answer for answer in answers if isinstance(answer, Bound)]
    votes = Counter(_calls_key(answer) for answer in bound)
    bound.sort(key=lambda answer: (answer.distance, -votes[_calls_key(answer)]))
    return [*bound, *(answer for answer in answers if isinstance(answer, Refusal))]


def _calls_key(bound: Bound) -> str:
    return repr([sorted(call.items()) for call in bound.calls])
