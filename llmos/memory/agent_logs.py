"""Where the transcripts of a session's agents are, and how what they say is read together with the session's own.

`<recall>/<date>-<session>.jsonl` is the session; `<recall>/agents/<date>-<session>/<agent>.jsonl` each of its agents,
those that agents called among them. In the session's transcript `agent_asked` says which turn of which agent answered
a call of `delegate`; the head of the agent's says who called it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from llmos.core.errors import StoreError
from llmos.core.event_records import unnested

FOLDER = "agents"
ASKED = "agent_asked"
_AGENT = re.compile(r"[a-z][a-z0-9-]{0,63}")
IN_MARKER = "+"
"""Between session and agent in the name of a marker; no id of a session holds it."""


def agents_folder(transcript: Path) -> Path:
    """Where the transcripts of a session's agents are; also asked with that of one of them."""
    if transcript.parent.parent.name == FOLDER:
        return transcript.parent
    return transcript.parent / FOLDER / transcript.stem


def agent_path(transcript: Path, agent: str) -> Path:
    """The transcript of an agent of a session. Raises StoreError for what is no agent's name."""
    if not _AGENT.fullmatch(agent):
        raise StoreError(f"{agent!r} is not the name of an agent")
    return agents_folder(transcript) / f"{agent}.jsonl"


def agent_transcripts(transcript: Path) -> list[Path]:
    """The transcripts of a session's agents, in the order in which they were called."""
    return sorted(agents_folder(transcript).glob("*.jsonl"), key=agent_number)


def agent_number(transcript: Path) -> int:
    """The number at the end of an agent's id; 0 where there is none."""
    number = transcript.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def all_transcripts(recall: Path) -> list[Path]:
    """Every transcript of a workspace, those of agents after the sessions."""
    return [*sorted(recall.glob("*.jsonl")), *sorted(recall.glob(f"{FOLDER}/*/*.jsonl"))]


def name_of(transcript: Path) -> str:
    """`<date>-<session>`, for that of an agent `<date>-<session>/<agent>`: its end is what messages are named by."""
    folder = agents_folder(transcript)
    return f"{folder.name}/{transcript.stem}" if transcript.parent == folder else transcript.stem


def marker_of(open_folder: Path, transcript: Path) -> Path:
    """What a living process holds a lock on while it writes to a transcript."""
    return open_folder / f"{name_of(transcript).replace('/', IN_MARKER)}.jsonl"


def is_agent_marker(marker: Path) -> bool:
    return IN_MARKER in marker.stem


def agent_markers(open_folder: Path, session: str) -> list[Path]:
    """The markers of a session's agents; `session` with its date."""
    return list(open_folder.glob(f"{session}{IN_MARKER}*.jsonl"))


def transcript_of(recall: Path, marker: Path) -> Path:
    session, _, agent = marker.stem.partition(IN_MARKER)
    return recall / FOLDER / session / f"{agent}.jsonl" if agent else recall / marker.name


def with_agents(
    records: Iterable[dict[str, Any]],
    path: Path,
    read: Callable[[Path], Iterable[dict[str, Any]]],
    lost: Callable[[str], None],
    above: tuple[str, ...] = (),
) -> Iterator[dict[str, Any]]:
    """The records of the transcript at `path`; after each `agent_asked` what that agent did then, as nested in it.

    `lost` hears a sentence for each transcript that cannot be read; the records go on without it.
    """
    for record in records:
        yield record
        told = unnested(record)
        if told.get("event") != ASKED:
            continue
        agent, place = str(told.get("agent")), str(told.get("parent", ""))
        if agent in above:
            continue  # no agent calls itself: somebody wrote that into the file
        try:
            of = agent_path(path, agent)
            turn = _turn(read(of), told.get("turn"))
            inner = [*with_agents(turn, of, read, lost, (*above, agent))]
        except StoreError as error:
            lost(f"what the agent {agent} did is not known: {error}")
            continue
        outer = f"{place}/{agent}" if place else agent
        for one in inner:
            yield nested_record(outer, one)


def _turn(records: Iterable[dict[str, Any]], number: object) -> Iterator[dict[str, Any]]:
    """The records of one turn, from 1."""
    count = 0
    for record in records:
        count += record.get("event") == "turn_started"
        if count == number:
            yield record


def asked_in(records: Iterable[Mapping[str, Any]], starts: frozenset[int]) -> Iterator[tuple[str, int]]:
    """The agents that were asked in the turns that begin at these `seq`, each with the number of its turn."""
    inside = False
    for record in records:
        told = unnested(record)
        if record.get("event") == "turn_started":
            inside = record.get("seq") in starts
        elif inside and told.get("event") == ASKED and isinstance(told.get("turn"), int):
            yield str(told.get("agent")), int(told["turn"])


def nested_record(place: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of an agent as its caller's log would hold it."""
    stamp = {key: record[key] for key in ("seq", "at") if key in record}
    if record.get("event") == "nested":
        return {**record, "parent": f"{place}/{record.get('parent')}"}
    of = {key: value for key, value in record.items() if key not in ("seq", "at", "event")}
    return {**stamp, "event": "nested", "parent": place, "kind": str(record.get("event")), "of": of}
