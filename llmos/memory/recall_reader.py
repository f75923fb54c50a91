"""What a transcript says, message by message: the person's words of each turn, and what it answered and ran."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.memory.agent_logs import FOLDER as AGENTS


@dataclass(frozen=True, slots=True)
class RecallMessage:
    """One thing that was said. Its name everywhere is `session:seq`."""

    session: str
    seq: int
    at: datetime
    role: str
    speaker: str
    project: str
    text: str
    number: int = 0
    """Row in the index; 0 before it is there."""
    ordinal: int = 0
    """Place in the session."""

    @property
    def name(self) -> str:
        return f"{self.session}:{self.seq}"


def transcript_sizes(recall: Path) -> dict[str, int]:
    """The bytes of each session's transcript: how a reader that goes on where it stopped sees which have grown."""
    sizes = {}
    with suppress(OSError), os.scandir(recall) as entries:
        for entry in entries:
            if entry.name.endswith(".jsonl"):
                with suppress(OSError):
                    sizes[entry.name] = entry.stat().st_size
    return sizes


def agent_sizes(recall: Path) -> dict[str, int]:
    """The bytes of each agent's transcript, by its path below `recall`."""
    sizes = {}
    with suppress(OSError), os.scandir(recall / AGENTS) as folders:
        for folder in folders:
            for name, size in transcript_sizes(Path(folder.path)).items():
                sizes[f"{AGENTS}/{folder.name}/{name}"] = size
    return sizes


@dataclass(slots=True)
class TranscriptReader:
    """Where the reading of one transcript stands; kept between two readings as a record."""

    session: str = ""
    project: str = ""
    ran: list[str] | None = None
    agent: str = ""
    """Whose transcript it is; empty for that of a session. What an agent is asked, no person said."""

    def as_record(self) -> dict[str, Any]:
        return {"session": self.session, "project": self.project, "ran": self.ran, "agent": self.agent}

    def take(self, line: bytes) -> Iterator[RecallMessage]:
        """What one line of a transcript says."""
        try:
            record = json.loads(line)
            event, seq = str(record["event"]), int(record["seq"])
            at = datetime.fromisoformat(str(record["at"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        match event:
            case "session_started":
                self.session, self.agent = str(record.get("session", "")), str(record.get("agent", ""))
            case "turn_started":
                self.project, self.ran = str(record.get("cwd", "")), []
                yield self._message(seq, at, "user", str(record.get("goal", "")))
            case "tool_started" if self.ran is not None and len(self.ran) < 20:
                args = record.get("args")
                shown = " ".join(str(value) for value in args.values()) if isinstance(args, dict) else ""
                self.ran.append(f"{record.get('tool', '')}: {shown}"[:300])
            case "turn_ended":
                answer, ran = str(record.get("answer", "")).strip(), self.ran or []
                self.ran = None
                if answer or ran:
                    yield self._message(
                        seq, at, "assistant", "\n".join([answer, *(f"(ran {call})" for call in ran)]).strip()
                    )

    def _message(self, seq: int, at: datetime, role: str, text: str) -> RecallMessage:
        # Half a character (an undecodable byte of a command line) cannot be stored or embedded.
        text = text.encode("utf-8", "replace").decode("utf-8")
        speaker = "llmos"
        if self.agent:
            role, speaker = "assistant", self.agent if role == "assistant" else "llmos"
        elif role == "user":
            speaker = "user"
        return RecallMessage(self.session, seq, at, role, speaker, self.project, text)
