"""/undo: take back what the last turn did to files."""

from __future__ import annotations

from llmos.core.conversation import undone_messages
from llmos.core.errors import UsageError
from llmos.interfaces.actions_undo import carry_out, done_line, undo_lines, undo_plan
from llmos.interfaces.slash import SlashCommand, SlashContext


async def undo(context: SlashContext) -> None:
    """Show what comes back and what cannot, ask, then do it. `force` overwrites what changed again since."""
    if context.arguments not in ("", "force"):
        raise UsageError("write /undo, or /undo force to overwrite what changed again since")
    if not context.app.transcript.path.exists():
        raise UsageError("nothing was done in this session yet; `llmos undo ID` undoes a turn of another one")
    plan = undo_plan(context.app, context.app.sessions.find(context.app.session))
    context.say("\n".join(undo_lines(plan)))
    if not plan.does_something:
        return
    context.say("undo this? y yes · anything else no")
    try:
        typed = await context.ask_line()
    except EOFError:
        typed = ""
    if typed.strip().lower() not in ("y", "yes"):
        context.say("nothing was changed")
        return
    event = carry_out(context.app, plan, force=context.arguments == "force")
    context.dispatcher.note(event, undone_messages(event.goal, event.restored, event.removed))
    context.say(done_line(event))


UNDO = SlashCommand("/undo", "[force]", "take back what the last turn did to files", undo, ("/rewind",))
