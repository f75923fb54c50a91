"""Slash commands about saved runs: the whole of `llmos traces`, and the verdict "that replay was wrong"."""

from __future__ import annotations

from llmos.app import App
from llmos.interfaces.slash import Offers, SlashCommand, SlashContext
from llmos.interfaces.slash_words import through_cli

_ABOUT = 60
_VERBS = {
    "list": "what can be replayed without a model",
    "inspect": "one saved run whole",
    "search": "runs by words",
    "diff": "two runs side by side",
    "edit": "change a run in your editor",
    "rename": "give a run a name",
    "pin": "prefer a run",
    "disable": "never replay a run",
    "enable": "replay it again",
    "prune": "delete runs that are no use",
    "export": "write a run as a skill or file",
    "import": "take runs from elsewhere, as data",
    "stats": "how the runs did",
    "wrong": "a replay was wrong",
    "check": "whether what was called wrong stays refused",
}


def trace_offers(app: App, typed: str) -> Offers:
    """The verbs of `llmos traces`, then the ids of saved runs."""
    verb, space, _ = typed.partition(" ")
    if not space:
        return [(name, about) for name, about in _VERBS.items() if name.startswith(verb)]
    from llmos.interfaces.printable import one_line

    last = typed.rpartition(" ")[2]
    return [(header.id, one_line(header.goal, _ABOUT)) for header in app.traces.headers() if header.id.startswith(last)]


async def wrong(context: SlashContext) -> None:
    """Say that the last replay was wrong, with the words as the reason."""
    from llmos.interfaces.actions_wrong import mark_wrong, replay_to_blame

    for sentence in mark_wrong(context.app, replay_to_blame(context.app), context.arguments):
        context.say(sentence)


TRACES = through_cli(
    "traces", "[VERB …]", "saved runs: list, inspect ID, search, …", default=["list"], offer=trace_offers
)
WRONG = SlashCommand("/wrong", "[WHY]", "that replay was wrong: never make it again", wrong)
