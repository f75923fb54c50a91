"""Going on with a session, or beginning a new one: what `llmos -c`, `--resume` and the prompt's commands share."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from llmos.app import App
from llmos.core.compaction import context_tokens
from llmos.core.errors import UsageError
from llmos.interfaces.dispatcher import Dispatcher
from llmos.interfaces.layout import cut
from llmos.interfaces.printable import one_line
from llmos.memory.sessions import SessionState, SessionSummary
from llmos.memory.workspace import WorkspaceOrigin

LAST = "-c"
"""In place of an id: the session used last in the working directory."""
PICK = ""
"""In place of an id: the person picks."""
OFFERED = 9
_WAYS_OUT = "`llmos sessions list` shows all sessions"


def resume(app: App, dispatcher: Dispatcher, chosen: str, cwd: Path) -> list[str]:
    """Go on with a session: its conversation, its transcript, its copies. Sentences for the person.

    `chosen` is an id, the beginning of one, or LAST. Raises UsageError, StoreError; nothing is changed then.
    """
    session = last_here(app, cwd) if chosen == LAST else app.sessions.find_whole(chosen)
    messages = app.sessions.load_conversation(session.id)
    cut_off = app.sessions.cut_off(session)
    tokens = context_tokens(app.sessions.records(session.id))
    app.resume_session(session)
    dispatcher.restart(messages, turns=session.turns, tokens=tokens, cut_off=cut_off)
    turns = f"{session.turns} turn{'s' if session.turns != 1 else ''}"
    said = [f"going on with session {session.id}: {turns}, the last one {one_line(repr(session.last_goal), 100)}"]
    if session.state is SessionState.CUT_OFF:
        said.append("it was cut off in the middle of that turn; what had started then has an unknown effect")
    if session.cwd and session.cwd != str(cwd):
        said.append(f"it worked in {one_line(session.cwd)}; tools run in {one_line(str(cwd))} now")
    return said


def begin_anew(app: App, dispatcher: Dispatcher) -> list[str]:
    """Begin a new session in this process. Sentences for the person."""
    before = resume_command(app)
    app.begin_session()
    dispatcher.restart()
    return ["a new conversation", *([f"the one before: {before}"] if before else [])]


def last_here(app: App, cwd: Path) -> SessionSummary:
    """The session used last in this folder. Raises UsageError."""
    found = [session for session in resumable(app) if session.cwd == str(cwd)]
    if not found:
        raise UsageError(f"no session has worked in {one_line(str(cwd))} yet; {_WAYS_OUT}")
    return found[0]


def resumable(app: App) -> list[SessionSummary]:
    """The sessions that can be gone on with, the one used last first."""
    return [session for session in reversed(app.sessions.all()) if session.turns and session.state != SessionState.OPEN]


def offer_lines(sessions: Sequence[SessionSummary], width: int) -> list[str]:
    """The sessions numbered from 1, a line each, to pick one by its number."""
    lines = []
    for number, session in enumerate(sessions[:OFFERED], start=1):
        state = f" · {session.state.value}" if session.state is SessionState.CUT_OFF else ""
        turns = f"{session.turns} turn{'s' if session.turns != 1 else ''}"
        head = f"{number}  {session.id} · {session.last[:16].replace('T', ' ')} · {turns}{state} · "
        lines.append(cut(head + one_line(session.last_goal), width) if width else head + one_line(session.last_goal))
    return lines


def picked(sessions: Sequence[SessionSummary], typed: str) -> str:
    """The id that a number or the beginning of an id means; empty for none. Raises UsageError."""
    answer = typed.strip()
    if answer.isdecimal() and len(answer) == 1 and answer != "0":
        if int(answer) > len(sessions[:OFFERED]):
            raise UsageError(f"there is no session number {answer} in the list")
        return sessions[int(answer) - 1].id
    return answer


def resume_command(app: App) -> str:
    """The words that go on with this session, in any shell; empty while it has no record."""
    if app.freeze or not app.transcript.path.exists():
        return ""
    named = app.workspace.origin is WorkspaceOrigin.FLAG
    place = f" --workspace {shlex.quote(str(app.workspace.root))}" if named else ""
    return f"llmos{place} --resume {app.session}"
