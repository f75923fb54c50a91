"""A trace for other values: its calls, what they need and must leave, and its answer, all rebound together.

The calls are bound by `binding.bind` behind its gates. The paths that the checks name and the words of the answer are
then rebound as texts of the same goal, so that the check after each step is about the new values: a binding that went
wrong shows at the first step. What cannot be rebound whole is refused.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from llmos.core.binding import bind, make_case, render
from llmos.core.dataclass import dataclass
from llmos.core.gate import Bound, Refusal
from llmos.core.gates_values import check_leftover
from llmos.core.generalise import proven_by
from llmos.core.replayable import outside
from llmos.core.template import Call, generalise
from llmos.core.template_facts import texts
from llmos.core.trace import AnswerTemplate, AnswerValue, Expect, Step, Trace
from llmos.core.wording import analyse

MOST_SIBLINGS = 4
"""Other runs of a wording that are asked what is constant; each costs as much as a binding."""
_DOUBTS = frozenset("repeated command form code option glob quotes constant leftover".split())
"""Gates that a value may close because it stands in the run by coincidence."""


@dataclass(frozen=True, slots=True)
class Rebound:
    """A trace as it is replayed for another goal. Its header stays that of the saved one."""

    trace: Trace
    values: tuple[tuple[str, str], ...]
    """Old and new text of each value that differs."""


def rebind(trace: Trace, goal: str, siblings: Iterable[Trace] = ()) -> Rebound | Refusal:
    """The trace for the values of `goal`, or the gate that is closed and why. Total.

    `siblings` are other verified runs of the same wording; what they prove constant closes no gate.
    """
    identifier = trace.header.id
    analysis = analyse(goal)
    template = generalise(trace.header.goal, trace.steps, identifier)
    bound = bind(template, analysis)
    sibling: Trace | None = None
    if isinstance(bound, Refusal) and bound.gate in _DOUBTS:
        for sibling in islice(siblings, MOST_SIBLINGS):
            opened = proven_by(template, generalise(sibling.header.goal, sibling.steps), analysis)
            if opened is not None and isinstance(again := bind(opened, analysis), Bound):
                bound = again
                break
    if isinstance(bound, Refusal):
        return bound
    if (bound.values or bound.distance) and (place := _outside(bound.calls)):
        return Refusal(
            identifier, "outside", f"{place!r} lies outside the working directory, where effects are not seen"
        )
    if away := next((new for old, new in bound.values if _leads_out(new) and not _leads_out(old)), ""):
        return Refusal(
            identifier, "outside", f"{away!r} may lie outside the working directory, where effects are not seen"
        )
    if unknown := next((new for _, new in bound.values if "$" in new), ""):
        # `rm -r $x/*` is `rm -r /*` where x has no value.
        return Refusal(identifier, "outside", f"what {unknown!r} stands for is not known before it runs")
    facts = _rebound_facts(trace, goal, sibling)
    if facts is None:
        return Refusal(identifier, "checks", "what the saved run must leave cannot be said for the new values")
    steps = tuple(
        _step(step, args, fact) for step, args, fact in zip(trace.steps, bound.calls, facts["steps"], strict=True)
    )
    return Rebound(Trace(trace.header, steps, _answer(trace.answer, facts["answer"])), bound.values)


def _leads_out(value: str) -> bool:
    """Whether a value leads out of the working directory where it is taken for a path."""
    return value.startswith(("/", "~")) or ".." in re.split(r"[/\\]", value)


def _outside(calls: Sequence[Mapping[str, Any]]) -> str:
    """The first place outside the working directory that the calls name; empty when there is none."""
    for call in calls:
        command, path = call.get("command"), call.get("path")
        if isinstance(command, str) and (place := outside(command)):
            return place
        if isinstance(path, str) and (path.startswith(("/", "~")) or ".." in path.split("/")):
            return path
    return ""


def _facts(trace: Trace) -> dict[str, Any]:
    """Every text of a trace besides the calls that may hold a value of its goal."""
    return {
        "steps": [
            {
                "present": list(step.require.present),
                "absent": list(step.require.absent),
                "created": list(step.expect.created),
                "changed": list(step.expect.changed),
                "deleted": list(step.expect.deleted),
            }
            for step in trace.steps
        ],
        "answer": {
            "text": _PLACEHOLDER.split(trace.answer.text),
            "lines": [[_MARKED.get(part, part) for part in value.line.split(" ")] for value in trace.answer.values],
        },
    }


_PLACEHOLDER = re.compile(r"\$\{\d+\}")
_MARKED = {"0": "\0n", "*": "\0v"}
"""The marks in an answer's line (trace.AnswerValue), out of reach of the goal's own numbers."""
_UNMARKED = {mark: part for part, mark in _MARKED.items()}


def _rebound_facts(trace: Trace, goal: str, sibling: Trace | None) -> Mapping[str, Any] | None:
    """`sibling` is the run that proved constants of the calls; it may prove those of the facts too."""
    facts, analysis = _facts(trace), analyse(goal)
    if not any(text for _, text in texts(facts)):
        return facts  # nothing in it could name a value
    template = generalise(trace.header.goal, [Call("", facts)])
    if sibling is not None:
        other = generalise(sibling.header.goal, [Call("", _facts(sibling))])
        template = proven_by(template, other, analysis) or template
    case = make_case(template, analysis)
    if not case.changed:
        return facts
    if any(landing.value is None for landing in case.landings):
        return None
    calls = render(case.template, case.landings)
    if calls is None or check_leftover(case.with_calls(calls)):
        return None
    return calls[0]


def _step(step: Step, args: Mapping[str, Any], fact: Mapping[str, Any]) -> Step:
    expect: Expect = replace(
        step.expect,
        created=_paths(fact["created"]),
        changed=_paths(fact["changed"]),
        deleted=_paths(fact["deleted"]),
    )
    path, old = args.get("path"), args.get("old")
    edits = isinstance(path, str) and isinstance(old, str) and old != step.args.get("old")
    bounded = ((str(path), str(old)),) if edits else ()
    require = replace(step.require, bounded=bounded, present=_paths(fact["present"]), absent=_paths(fact["absent"]))
    return replace(step, args=args, require=require, expect=expect)


def _paths(paths: Sequence[str]) -> tuple[str, ...]:
    """Paths as effects name them: "./b.txt" is b.txt."""
    return tuple(posixpath.normpath(path) + ("/" if path.endswith("/") else "") for path in paths)


def _answer(answer: AnswerTemplate, fact: Mapping[str, Any]) -> AnswerTemplate:
    values = tuple(
        AnswerValue(value.step, value.field, " ".join(_UNMARKED.get(part, part) for part in line))
        for value, line in zip(answer.values, fact["lines"], strict=True)
    )
    between = [*_PLACEHOLDER.findall(answer.text), ""]
    text = "".join(piece + mark for piece, mark in zip(fact["text"], between, strict=True))
    return AnswerTemplate(text, values)
