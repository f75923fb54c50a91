"""Slash commands about the session at hand: help, the model, the last decision, what a goal would do, leaving."""

from __future__ import annotations

from llmos.app import App
from llmos.core.errors import UsageError
from llmos.interfaces.call_view import model_words
from llmos.interfaces.layout import pairs
from llmos.interfaces.slash import Offers, SlashCommand, SlashContext, find_command

KEYS = "? on an empty line lists the keys"


async def show_help(context: SlashContext) -> None:
    """All commands, or one with its other names."""
    from llmos.interfaces.slash_table import COMMANDS

    if context.arguments:
        command = find_command("/" + context.arguments.lstrip("/"), COMMANDS)
        also = f" (also {', '.join(command.aliases)})" if command.aliases else ""
        context.say(f"{command.usage}: {command.help}{also}")
        return
    rows = [(command.usage, command.help) for command in COMMANDS]
    context.say("\n".join([*pairs(rows, context.width()), KEYS]))


async def model(context: SlashContext) -> None:
    """Which model answers; with a name, that one from the next turn on."""
    if context.arguments:
        info = (await context.app.models.use(context.arguments)).info
    else:
        info = context.app.model().info
    after = "it answers from the next goal on" if context.arguments else "`/model NAME` takes another"
    context.say(f"{model_words(info.name, info.payer, small=info.small)}\n{after}")


def model_offers(app: App, typed: str) -> Offers:
    from llmos.core.catalogue import CATALOGUE

    settings = app.config.settings
    known = {"auto": "Anthropic with a key, else a local one"}
    known |= dict.fromkeys((settings.anthropic_model, settings.judge_model), "Anthropic")
    known |= {entry.name: "on this machine" for entry in CATALOGUE if app.model_store.find(entry) is not None}
    return [(name, about) for name, about in known.items() if name.startswith(typed)]


async def init(context: SlashContext) -> None:
    from llmos.interfaces.agents_file import write_agents_file

    context.say(write_agents_file(context.app.cwd))


async def explain(context: SlashContext) -> None:
    """The last decision whole: every candidate, gate and number."""
    from llmos.interfaces.plan_view import explain_lines, plan_line

    plan = context.state.last_plan
    if plan is None:
        raise UsageError("nothing was decided in this session yet; `/dry-run GOAL` decides and does nothing")
    context.say("\n".join([plan_line(plan), *explain_lines(plan)]))


async def dry_run(context: SlashContext) -> None:
    """Decide on a goal and show it beside the saved run; nothing runs."""
    from llmos.interfaces.plan_view import plan_diff

    if not context.arguments:
        raise UsageError("say for what: /dry-run GOAL")
    result = await context.dispatcher.dispatch(context.arguments, dry_run=True)
    if result.plan is not None:
        context.say("\n".join([*plan_diff(result.plan), "dry run: nothing was run and nothing was kept"]))


async def leave(context: SlashContext) -> None:
    context.state.leaving = True


HELP = SlashCommand("/help", "[COMMAND]", "the commands and keys", show_help, ("/?",))
MODEL = SlashCommand("/model", "[NAME]", "which model answers, and who pays", model, offer=model_offers)
INIT = SlashCommand("/init", "", "write a starter AGENTS.md here", init)
EXPLAIN = SlashCommand("/explain", "", "the last decision whole: every candidate, gate and number", explain)
DRY_RUN = SlashCommand("/dry-run", "GOAL", "decide and show what would run; run nothing", dry_run, ("/dryrun",))
QUIT = SlashCommand("/quit", "", "leave (also Ctrl+D)", leave, ("/exit",))
