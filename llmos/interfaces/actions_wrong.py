"""Saying that a replay was wrong, and seeing that it stays refused: what the command line and the prompt share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llmos.app import App
from llmos.core.dataclass import dataclass
from llmos.core.errors import UsageError
from llmos.core.event_records import unnested
from llmos.interfaces.printable import one_line


@dataclass(frozen=True, slots=True)
class Replay:
    """A turn that was replayed to its end."""

    trace: str
    goal: str
    at: str


def last_replay(app: App, trace: str = "") -> Replay | None:
    """The last turn of this workspace that was a replay alone, of `trace` where it is given, by the transcripts.

    Of a turn of several tasks: the one among them. Raises UsageError where several are.
    """
    store = app.sessions
    for session in reversed(store.all()):
        found = _last_replays(store.records(session.id), trace)
        if len(found) > 1 and not trace:
            listed = ", ".join(f"{one.trace} for {one_line(repr(one.goal), 60)}" for one in found)
            raise UsageError(f"the last turn replayed {len(found)} saved runs; give the ID of the wrong one: {listed}")
        if found:
            return found[-1]
    return None


def _last_replays(records: Iterable[Mapping[str, Any]], trace: str) -> list[Replay]:
    """The replays of the last turn that had one, of `trace` where it is given."""
    turns: dict[str, tuple[str, str, str]] = {}
    found: list[Replay] = []
    here: list[Replay] = []
    for line in records:
        record, place = unnested(line), str(line["parent"]) if line.get("event") == "nested" else ""
        goal, planned, at = turns.get(place, ("", "", ""))
        match record.get("event"):
            case "turn_started":
                goal, planned, at = str(record.get("goal", "")), "", str(record.get("at", ""))
                here = here if place else []
            case "plan_made":
                planned = str(record.get("trace_id") or "") if record.get("mode") == "FOLLOWER" else ""
            case "turn_ended":
                replayed = planned and record.get("mode") == "FOLLOWER" and record.get("outcome") == "ok"
                if replayed and trace in ("", planned):
                    here.append(Replay(planned, goal, at))
                found = here or found
        turns[place] = goal, planned, at
    return found


def replay_to_blame(app: App, trace: str = "", goal: str = "") -> Replay:
    """What "wrong" is about: the last replay, that of `trace`, or `trace` for `goal`. Raises UsageError."""
    if goal and not trace:
        raise UsageError("--goal needs the ID of the trace that was replayed for it")
    if goal:
        return Replay(trace, goal, "")
    found = last_replay(app, trace)
    if found is not None:
        return found
    if trace:
        return Replay(trace, app.traces.load(trace).header.goal, "")
    raise UsageError("no replay is on record here; `llmos traces wrong ID --goal TEXT` says which one was wrong")


def mark_wrong(app: App, replay: Replay, reason: str = "") -> list[str]:
    """Put the verdict on record; sentences for the person. Raises UsageError, StoreError."""
    notice = app.traces.mark_wrong(replay.trace, replay.goal, app.clock.now(), reason)
    said = f"{replay.trace} is never replayed again for {one_line(repr(replay.goal), 120)}; what it did stays done"
    return [said, *([notice] if notice else [])]


def check_lines(app: App) -> tuple[list[str], int]:
    """One line for each verdict "wrong", and how many of them would be replayed all the same."""
    checked = app.traces.check_wrong()
    lines = [
        f"{'REPLAYED' if one.replays else 'refused'}  {one.wrong.trace}  {one_line(repr(one.wrong.goal), 100)}: "
        f"{one_line(one.reason)}"
        for one in checked
    ]
    return lines, sum(one.replays for one in checked)
