"""Asking a model how a goal is split, and for the answer that its parts make together: one call each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from llmos.core.errors import UsageError
from llmos.core.events import Notice
from llmos.core.graph import Graph
from llmos.core.graph_prompt import (
    ANSWER_SYSTEM,
    PLAN_SCHEMA,
    PLAN_SYSTEM,
    answer_question,
    graph_of_answer,
    plan_again,
    plan_question,
    strange_values,
)
from llmos.core.messages import Message, StopReason, Text, user_text
from llmos.core.ports import Emit, Model, ModelReply, ModelRequest
from llmos.core.trace import shorten
from llmos.engine.model_calls import ModelCalls

PLAN_TOKENS = 4_000
LONGEST_PLAN = 4_000
"""Characters of a plan that cannot be run that are shown to the model again."""
ANSWER_TOKENS = 2_000


ATTEMPTS = 2
"""How often a plan is asked for: a second time, with the reason, where the first cannot be run."""


async def ask_for_plan(
    model: Model,
    calls: ModelCalls,
    goal: str,
    agents: Mapping[str, str],
    *,
    most: int,
    problem_of: Callable[[Graph], str],
    emit: Emit,
) -> tuple[Graph | None, str]:
    """The graph for a goal and why it is one; None where the model says that it is one task.

    `problem_of` says why a graph cannot be run. Raises UsageError for a plan that cannot be run though it was asked for
    again, and what a model call raises.
    """
    request = ModelRequest(
        PLAN_SYSTEM,
        (user_text(plan_question(goal, agents, most)),),
        max_tokens=min(PLAN_TOKENS, model.info.max_output_tokens),
        output_schema=PLAN_SCHEMA,
    )
    for _ in range(ATTEMPTS - 1):
        reply = await calls.call(model, request)
        try:
            return _plan(goal, reply, model.info.small, problem_of)
        except UsageError as error:
            emit(Notice(text=f"{error}; {model.info.name} is asked once more"))
            said = shorten(reply.message.text, LONGEST_PLAN) or "(nothing)"
            again = (Message("assistant", (Text(said),)), user_text(plan_again(str(error))))
            request = replace(request, messages=(*request.messages, *again))
    return _plan(goal, await calls.call(model, request), model.info.small, problem_of)


def _plan(goal: str, reply: ModelReply, small: bool, problem_of: Callable[[Graph], str]) -> tuple[Graph | None, str]:
    """The graph that a reply holds and why, or None where it says that the goal is one task. Raises UsageError."""
    if reply.stop_reason is StopReason.MAX_TOKENS:
        raise UsageError("the plan of the model is longer than it may be, and was cut off")
    try:
        answer = json.loads(reply.message.text)
    except (ValueError, RecursionError):
        raise UsageError("the plan of the model is no JSON") from None
    graph, why = graph_of_answer(goal, answer)
    if graph is None:
        return None, why
    if problem := problem_of(graph) or (strange_values(graph) if small else ""):
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
