"""What is typed at the prompt and is no command: a goal with its files, or a command for the shell."""

from __future__ import annotations

from llmos.core.errors import UsageError
from llmos.core.nearest import did_you_mean
from llmos.interfaces.attach import attached, some_files
from llmos.interfaces.printable import one_line
from llmos.interfaces.slash import SlashContext
from llmos.interfaces.slash_context import compact_if_due

_SHOWN_LINES = 200


def is_shell(text: str) -> bool:
    return text.startswith("!")


async def work_on(context: SlashContext, text: str) -> None:
    """One goal to its end, with the files that `@` names; then a shorter conversation where that is due."""
    meant = attached(text, context.app.cwd)
    for name in meant.missing:
        near = did_you_mean(name, some_files(context.app.cwd), "it is taken as words")
        context.say(f"note: @{one_line(name)} is no file here; {near}")
    await context.dispatcher.dispatch(meant.goal, attached=meant.paths)
    await compact_if_due(context)


async def run_shell(context: SlashContext, text: str) -> None:
    """`!command` runs and the conversation gets what it printed; with `!!command` it does not."""
    told = not text.startswith("!!")
    command = text.lstrip("!").strip()
    if not command:
        raise UsageError("write the command after the sign: !git status")
    ran = await context.dispatcher.run_command(command, told=told)
    if ran.denied:
        return
    lines = ran.result.content.rstrip("\n").split("\n")
    more = len(lines) - _SHOWN_LINES
    context.say("\n".join(lines[:_SHOWN_LINES]))
    if more > 0:
        context.say(f"… {more} more lines")
    if told and ran.step is not None:
        context.say("(the conversation has this; `!!` in front keeps a command out of it)")
