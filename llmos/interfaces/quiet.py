"""The screen of `llmos run --quiet`: silent while all goes well, and never about what did not."""

from __future__ import annotations

from llmos.core.events import Event, Notice, Outcome, PermissionDecided, TurnEnded, TurnStarted, Verdict
from llmos.core.ports import Emit


def quiet(screen: Emit) -> Emit:
    """Hands on to `screen` only denials, notices, and the end of a turn that is not done and checked."""

    def emit(event: Event) -> None:
        match event:
            case TurnStarted() | Notice():
                screen(event)
            case PermissionDecided() if event.verdict is Verdict.DENY:
                screen(event)
            case TurnEnded() if event.outcome is not Outcome.OK:
                screen(event)

    return emit
