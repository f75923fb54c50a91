"""A graph as a trace: one step a sub-goal, so that it is matched, bound to other values and gated like any saved run.

Ids stand in the keys and as words that no goal has, because a value of the goal that looks like an id would be rebound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llmos.core.goal import context_reference
from llmos.core.graph import Graph, SubGoal
from llmos.core.tool import Effect
from llmos.core.trace import GRAPH_TOOLS, SUB_GOAL, Expect, Learned, Require, Step, Trace, TraceHeader, TraceStatus

_ID = "llmos:part:{}"
_TAKEN = re.compile(r"\{\{\s*([\w:-]+)\s*\}\}")


def trace_of_graph(graph: Graph, learned: Learned) -> Trace:
    """The trace of a graph that ran and was checked; without an id."""
    names = {one.id: _ID.format(number) for number, one in enumerate(graph.sub_goals, start=1)}
    reference = context_reference(graph.goal)
    header = TraceHeader(
        id="",
        goal=graph.goal,
        status=TraceStatus.GUIDANCE if reference else TraceStatus.VERIFIED,
        reason=f"{reference!r} in the goal points at something outside it" if reference else "",
        tools=GRAPH_TOOLS,
        learned=learned,
    )
    return Trace(header, tuple(_step(one, names) for one in graph.sub_goals))


def _step(one: SubGoal, names: Mapping[str, str]) -> Step:
    args: dict[str, Any] = {"goal": _TAKEN.sub(lambda found: "{{" + names[found[1]] + "}}", one.goal)}
    if one.depends_on:
        args["after"] = {names[other]: True for other in one.depends_on}
    if one.inputs:
        args["with"] = {names[other]: True for other in one.inputs}
    if one.leaves:
        args["leaves"] = list(one.leaves)
    if one.role:
        args["as"] = {one.role: True}
    return Step(SUB_GOAL, args, Effect.EXECUTE, Require(), Expect(), "")


def graph_of_trace(trace: Trace, goal: str) -> Graph:
    """The graph for `goal`, to which the trace is bound. Raises ValueError for steps that are none of a graph."""
    ids = {_ID.format(number): str(number) for number in range(1, len(trace.steps) + 1)}
    try:
        subs = tuple(_sub_goal(step.args, str(number), ids) for number, step in enumerate(trace.steps, start=1))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{trace.header.id} holds a sub-goal that cannot be read: {error!r}") from None
    return Graph(goal, subs)


def _sub_goal(args: Mapping[str, Any], identifier: str, ids: Mapping[str, str]) -> SubGoal:
    return SubGoal(
        identifier,
        _TAKEN.sub(lambda found: "{{" + ids[found[1]] + "}}", args["goal"]),
        tuple(ids[name] for name in args.get("after", {})),
        tuple(ids[name] for name in args.get("with", {})),
        tuple(str(path) for path in args.get("leaves", ())),
        next(iter(args.get("as", {})), ""),
    )
