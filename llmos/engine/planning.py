"""Asking a model how a goal is split, and for the answer that its parts make together: one call each."""

from __future__ import annotations

import json
from collections.abc import Mapping

from llmos.core.errors import UsageError
from llmos.core.graph import Graph, graph_problem
from llmos.core.graph_prompt import (
    ANSWER_SYSTEM,
    PLAN_SCHEMA,
    PLAN_SYSTEM,
    answer_question,
    graph_of_answer,
    plan_question,
    strange_values,
)
from llmos.core.messages import user_text
from llmos.core.ports import Model, ModelRequest
from llmos.engine.model_calls import ModelCalls

PLAN_TOKENS = 4_000
ANSWER_TOKENS = 2_000


async def ask_for_plan(
    model: Model, calls: ModelCalls, goal: str, agents: Mapping[str, str], most: int
) -> tuple[Graph | None, str]:
    """The graph for a goal and why it is one; None where the model says that it is one task.

    Raises UsageError for a plan that cannot be run, and what a model call raises.
    """
    request = ModelRequest(
        PLAN_SYSTEM,
        (user_text(plan_question(goal, agents, most)),),
        max_tokens=min(PLAN_TOKENS, model.info.max_output_tokens),
        output_schema=PLAN_SCHEMA,
    )
    reply = await calls.call(model, request)
    try:
        answer = json.loads(reply.message.text)
    except (ValueError, RecursionError):
        raise UsageError("the plan of the model is no JSON") from None
    graph, why = graph_of_answer(goal, answer)
    if graph is None:
        return None, why
    problem = graph_problem(graph, most) or (strange_values(graph) if model.info.small else "")
    if problem:
        raise UsageError(problem)
    return graph, why


async def ask_for_answer(model: Model, calls: ModelCalls, goal: str, results: str) -> str:
    """The answer to a goal from the results of its parts; empty where none came. Raises LlmosError."""
    request = ModelRequest(
        ANSWER_SYSTEM,
        (user_text(answer_question(goal, results)),),
        max_tokens=min(ANSWER_TOKENS, model.info.max_output_tokens),
    )
    return (await calls.call(model, request)).message.text.strip()
