"""The question whether a plan may run: yes, no, or edited first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from llmos.core.errors import UsageError
from llmos.core.events import PlanMade
from llmos.core.graph import Graph
from llmos.core.graph_text import graph_text, read_graph

_QUESTION = "Run this plan? y yes · e edit it first · n no"


class PlanQuestion:
    """Asks about the plan that is on the screen. `ask` shows a text and gives a line, None where there is none.

    `edit` gives the text as a person changed it; it may raise UsageError.
    """

    def __init__(self, ask: Callable[[str], Awaitable[str | None]], edit: Callable[[str], Awaitable[str]]) -> None:
        self._ask = ask
        self._edit = edit

    async def __call__(self, plan: PlanMade, graph: Graph) -> Graph | None:
        text, said = graph_text(graph), ""
        while True:
            answer = (await self._ask(f"{said}{_QUESTION}") or "n").strip().lower()
            if answer in ("y", "yes"):
                return graph
            if answer not in ("e", "edit"):
                return None
            try:
                text = await self._edit(text)
                edited = read_graph(graph.goal, text)
                return edited if edited.sub_goals else None
            except UsageError as error:
                said = f"{error}\n"
