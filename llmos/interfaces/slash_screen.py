"""Slash commands about what is shown."""

from __future__ import annotations

from llmos.core.errors import LlmosError, UsageError
from llmos.interfaces.slash import SlashCommand, SlashContext
from llmos.memory.files import show_path

_SETTING = "screen.verbose"


async def verbose(context: SlashContext) -> None:
    """Show decisions, calls and outputs whole, or in short again; kept for later sessions."""
    from llmos.memory.config_edit import set_setting

    wanted = {"": not context.renderer.verbose, "on": True, "off": False}.get(context.arguments.lower())
    if wanted is None:
        raise UsageError("write /verbose, /verbose on or /verbose off")
    context.renderer.verbose = wanted
    what = "decisions, calls and outputs are shown whole" if wanted else "one line a decision"
    if context.app.freeze:
        context.say(f"{what}; in this session only")
        return
    try:
        path = set_setting(context.app.workspace, _SETTING, wanted, context.environ, own=True)
        context.say(f"{what}; kept as {_SETTING} in {show_path(path)}")
    except LlmosError as error:
        context.say(f"{what}; in this session only: {error}")


VERBOSE = SlashCommand("/verbose", "[on|off]", "show decisions, calls and outputs whole, or in short", verbose)
