"""Sessions: the transcripts of a workspace seen from outside. Listed, read back as a conversation, deleted.

Invariant: a session that a living process writes to is never deleted, and a transcript that cannot be read stands in
nobody's way.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from llmos.core.conversation import conversation_of
from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError, UsageError
from llmos.core.events import PlanMade
from llmos.core.messages import Message
from llmos.core.nearest import did_you_mean
from llmos.core.prune import parse_time
from llmos.core.turns import TOLD_BY, TurnFacts, turn_facts
from llmos.memory.agent_logs import (
    agent_markers,
    agent_transcripts,
    agents_folder,
    marker_of,
    name_of,
    with_agents,
)
from llmos.memory.codec import CodecError, check_format
from llmos.memory.files import open_regular, os_cause, show_path
from llmos.memory.locks import is_held
from llmos.memory.transcript import FORMAT_KIND, FORMAT_NUMBER, cut_off_in, read_session, read_transcript

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})-([A-Za-z0-9_-]+(?:/[a-z0-9-]+)?)")
_MARKS = tuple(f'"event":"{name}"'.encode() for name in sorted(TOLD_BY))


class SessionState(StrEnum):
    """Whether a session can change: OPEN in a living process, CUT_OFF in the middle of a turn, or ENDED."""

    OPEN = "open"
    CUT_OFF = "cut off"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One session in numbers. Costs are US dollars, times UTC in ISO 8601 (empty where nothing was recorded)."""

    id: str
    path: Path
    state: SessionState
    started: str
    last: str
    turns: int
    first_goal: str
    last_goal: str
    cwd: str
    cost_usd: float
    saved_usd: float
    model_calls: int
    bytes: int
    agents: tuple[str, ...] = ()
    """The ids of its agents, each of which can be asked for as one of a session; none for an agent."""

    @property
    def of(self) -> str:
        """The session whose agent this is; empty for a session itself."""
        return self.id.partition("/")[0] if "/" in self.id else ""


class Sessions:
    """The sessions of one workspace. `recall` holds the transcripts, `open_folder` the markers of living processes."""

    def __init__(self, recall: Path, open_folder: Path, backups: Path) -> None:
        self._recall = recall
        self._open_folder = open_folder
        self._backups = backups
        self.problems: list[str] = []
        """A sentence for each transcript that could not be read."""

    def all(self) -> list[SessionSummary]:
        """All readable sessions, the one used last at the end."""
        return sorted(self._summaries(self._paths()), key=lambda session: (session.last, session.id))

    def _summaries(self, paths: Sequence[Path]) -> list[SessionSummary]:
        found = []
        for path in paths:
            try:
                found.append(self._summary(path))
            except StoreError as error:
                self.problems.append(str(error))
        return found

    def find(self, identifier: str = "") -> SessionSummary:
        """The session with this id or unambiguous beginning of one; the one used last for an empty text.

        With `/` and the id of one of its agents behind it: that agent, seen as a session.
        Raises UsageError, and StoreError when its transcript cannot be read.
        """
        if not identifier:
            sessions = self.all()
            if not sessions:
                raise UsageError("there is no session in this workspace yet")
            return sessions[-1]
        wanted, _, agent = identifier.partition("/")
        paths = [path for path in self._paths() if path.stem == wanted or _id(path).startswith(wanted)]
        whole = [path for path in paths if wanted in (path.stem, _id(path))]
        paths = whole or paths
        if not paths:
            near = did_you_mean(wanted, map(_id, self._paths()), "`llmos sessions list` shows them")
            raise UsageError(f"there is no session {wanted!r}; {near}")
        if len(paths) > 1:
            names = ", ".join(_id(path) for path in paths[:5])
            raise UsageError(f"{wanted!r} could be {len(paths)} sessions: {names}; give more of the id")
        return self._agent(paths[0], agent) if agent else self._summary(paths[0])

    def find_whole(self, identifier: str = "") -> SessionSummary:
        """As `find`, where an agent does not do: it began and ended with its session."""
        found = self.find(identifier)
        if found.of:
            raise UsageError(f"{found.id} is an agent of the session {found.of}; name the session")
        return found

    def agents(self, session: SessionSummary) -> list[SessionSummary]:
        """The agents of a session as sessions, in the order in which they were called; none of an agent."""
        return self._summaries(agent_transcripts(session.path) if not session.of else [])

    def _agent(self, path: Path, agent: str) -> SessionSummary:
        for one in agent_transcripts(path):
            if one.stem == agent:
                return self._summary(one)
        known = ", ".join(one.stem for one in agent_transcripts(path)) or "none"
        raise UsageError(f"the session {_id(path)} called no agent {agent!r}; it called: {known}")

    def records(self, identifier: str = "", lost: Callable[[str], None] = lambda _: None) -> list[dict[str, Any]]:
        """The records of a session's transcript, in order, with what its agents did as nested in it.

        `lost` hears a sentence for each agent whose transcript cannot be read. Raises as `find` does.
        """
        return list(read_session(self.find(identifier).path, lost))

    def load_conversation(self, identifier: str = "") -> tuple[Message, ...]:
        """The conversation of a session, to go on with (core/conversation.py). Raises as `find` does."""
        path = self.find(identifier).path
        try:
            return conversation_of(self._read(path))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise StoreError(f"{show_path(path)} is not a readable transcript: {_what(error)}") from None

    def last_plan(self, identifier: str = "") -> PlanMade | None:
        """The last decision of a session as it was shown; None when there was none. Raises as `find` does."""
        path = self.find(identifier).path
        plans = [record for record in self._read(path) if record.get("event") == "plan_made"]
        if not plans:
            return None
        from pydantic import TypeAdapter, ValidationError

        told = {name: value for name, value in plans[-1].items() if name not in ("event", "seq", "at")}
        try:
            return TypeAdapter(PlanMade).validate_python(told)
        except ValidationError as error:
            raise StoreError(f"{show_path(path)} holds a decision of another version: {_what(error)}") from None

    def cut_off(self, session: SessionSummary) -> dict[str, str]:
        """The trace whose replay its last turn was cut off in, with how far it had come; mostly empty."""
        return cut_off_in(read_session(session.path))

    def turns(self, after: datetime | None = None) -> list[TurnFacts]:
        """The turns of all readable sessions, those that began before `after` left out."""
        found: list[TurnFacts] = []
        for path in self._paths():
            try:
                found += [turn for turn in facts_of(path)[0] if after is None or parse_time(turn.at) >= after]
            except StoreError as error:
                self.problems.append(str(error))
            except ValueError as error:
                self.problems.append(f"{show_path(path)} is not a readable transcript: {error}")
        return found

    def backups(self, session: SessionSummary) -> tuple[int, int]:
        """How many files, and bytes of them, the session kept copies of before it changed them."""
        sizes = [file.stat().st_size for file in (self._backups / session.id).rglob("*") if file.is_file()]
        return len(sizes), sum(sizes)

    def delete(self, session: SessionSummary, *, backups: bool) -> None:
        """Delete the transcript and those of its agents, and the copies of changed files with `backups`.

        Raises UsageError, StoreError.
        """
        if self._is_open(session.path):
            raise UsageError(f"the session {session.id} is open in another process; leave it first")
        target = agents_folder(session.path)
        try:
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            target = session.path
            session.path.unlink(missing_ok=True)
            for marker in (marker_of(self._open_folder, session.path), *self._agent_markers(session.path)):
                marker.unlink(missing_ok=True)
            target = self._backups / session.id
            if backups and target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
        except OSError as error:
            raise StoreError(f"cannot delete {show_path(target)}: {os_cause(error)}") from None

    # ------------------------------------------------------------------------------------------------- the files

    def _paths(self) -> list[Path]:
        try:
            return sorted(path for path in self._recall.glob("*.jsonl") if _NAME.fullmatch(path.stem))
        except OSError as error:
            raise StoreError(f"cannot read {show_path(self._recall)}: {os_cause(error)}") from None

    def _read(self, path: Path) -> Iterator[dict[str, Any]]:
        return read_transcript(path, lambda _: None)

    def _is_open(self, path: Path) -> bool:
        """Whether a living process holds the marker of this transcript, or of an agent of it."""
        markers = (marker_of(self._open_folder, path), *self._agent_markers(path))
        return any(marker.is_file() and is_held(marker) for marker in markers)

    def _agent_markers(self, path: Path) -> list[Path]:
        return agent_markers(self._open_folder, name_of(path))

    def _summary(self, path: Path) -> SessionSummary:
        """Raises StoreError."""
        agents = [] if path.parent == agents_folder(path) else agent_transcripts(path)
        size = sum(file.stat().st_size for file in (path, *agents) if file.exists())
        facts, last = facts_of(path)
        ended = not facts or facts[-1].outcome
        state = SessionState.ENDED if ended else SessionState.CUT_OFF
        return SessionSummary(
            id=_id(path),
            path=path,
            state=SessionState.OPEN if self._is_open(path) else state,
            started=facts[0].at if facts else last,
            last=last,
            turns=len(facts),
            first_goal=facts[0].goal if facts else "",
            last_goal=facts[-1].goal if facts else "",
            cwd=facts[-1].cwd if facts else "",
            cost_usd=math.fsum(turn.cost_usd for turn in facts),
            saved_usd=math.fsum(turn.saved_usd for turn in facts),
            model_calls=sum(turn.model_calls for turn in facts),
            bytes=size,
            agents=tuple(one.stem for one in agents),
        )


def facts_of(path: Path) -> tuple[list[TurnFacts], str]:
    """The turns of a transcript and the time of its last told event. Raises StoreError, naming file and line.

    Lines of other events, which hold the outputs of tools, are not even parsed.
    """
    last = ""

    def told() -> Iterator[dict[str, Any]]:
        nonlocal last
        with open_regular(path) as lines:
            for number, line in enumerate(lines, start=1):
                if number > 1 and not any(mark in line for mark in _MARKS):
                    continue
                try:
                    record = json.loads(line)
                    if number == 1:
                        check_format(record.get("format"), kind=FORMAT_KIND, supported=FORMAT_NUMBER, name=str(path))
                    last = str(record["at"])
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    if not line.endswith(b"\n"):
                        return  # torn by a crash: that record was never acknowledged
                    raise CodecError(f"{show_path(path)} line {number}: this is no record of a transcript") from None
                yield record

    try:
        whole = with_agents(told(), path, lambda agent: read_transcript(agent, lambda _: None), lambda _: None)
        return list(turn_facts(whole)), last
    except OSError as error:
        raise StoreError(f"cannot read {show_path(path)}: {os_cause(error)}") from None
    except (KeyError, ValueError, TypeError) as error:
        raise CodecError(f"{show_path(path)} is not a readable transcript: {_what(error)}") from None


def _id(path: Path) -> str:
    found = _NAME.fullmatch(name := name_of(path))
    return found[2] if found else name


def _what(error: Exception) -> str:
    return f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
