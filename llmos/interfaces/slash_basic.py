"""Slash commands about the session at hand: help, the model, the last decision, what a goal would do, leaving."""

from __future__ import annotations

from llmos.core.errors import UsageError
from llmos.interfaces.layout import pairs
from llmos.interfaces.slash import SlashCommand, SlashContext, find_command

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


async def show_model(context: SlashContext) -> None:
    from llmos.interfaces.render import SMALL_MODEL_WORDS

    info = context.app.model().info
    small = f" {SMALL_MODEL_WORDS}" if info.small else ""
    context.say(f"{info.name}{small} · paid by {info.payer}; `llmos --model NAME` starts with another")


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
MODEL = SlashCommand("/model", "", "which model answers, and who pays", show_model)
EXPLAIN = SlashCommand("/explain", "", "the last decision whole: every candidate, gate and number", explain)
DRY_RUN = SlashCommand("/dry-run", "GOAL", "decide and show what would run; run nothing", dry_run, ("/dryrun",))
QUIT = SlashCommand("/quit", "", "leave (also Ctrl-D)", leave, ("/exit",))
