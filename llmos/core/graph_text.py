"""A graph as text that a person reads and edits, and as the JSON that a model gives. Pure.

1: create a.txt containing hello
    leaves: a.txt
2 after 1: count the lines of a.txt
3 after 1, with 2: write a summary to b.txt
    as: writer
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from llmos.core.errors import UsageError
from llmos.core.events import ToolFinished
from llmos.core.graph import Graph, Progress, SubGoal, SubState
from llmos.core.trace import shorten

_HEAD = re.compile(
    r"(?P<id>[A-Za-z0-9][\w-]*)(?:\s+after\s+(?P<after>[\w, -]+?))?(?:,?\s+with\s+(?P<given>[\w, -]+?))?"
    r"\s*:\s+(?P<goal>\S.*)"
)
_SHOWN = 5
"""Files that are named of each kind of change."""
_EXTRA = re.compile(r"\s+(?P<key>leaves|as):\s*(?P<value>.*)")
_ABOUT = """\
# One sub-goal begins at each line like `2 after 1: what is to be done`. Change it, take it away, or add one.
#   after 1, 3   it begins when these are done         with 1   it is also given what this one said
#   leaves: a.txt, b.txt   (a line below, further in)  files that must be there when it is done
#   as: NAME               (a line below, further in)  the agent that does it
# Lines further in go on with the text of the sub-goal. Lines that begin with # are left out. Empty: nothing is run.
"""


def graph_text(graph: Graph, about: str = _ABOUT) -> str:
    """The graph for an editor; `read_graph` reads it back."""
    lines = [about]
    for one in graph.sub_goals:
        after = f" after {', '.join(one.depends_on)}" if one.depends_on else ""
        given = f"{',' if after else ''} with {', '.join(one.inputs)}" if one.inputs else ""
        first, *rest = one.goal.split("\n")
        lines.append(f"{one.id}{after}{given}: {first}\n")
        lines += [f"    {line}\n" for line in rest]
        lines += [f"    leaves: {', '.join(one.leaves)}\n"] if one.leaves else []
        lines += [f"    as: {one.role}\n"] if one.role else []
    return "".join(lines)


def read_graph(goal: str, text: str, name: str = "the plan") -> Graph:
    """Raises UsageError, naming the line that cannot be read. Whether the graph can be run is not looked at."""
    subs: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] in " \t" and subs:
            _take_extra(subs[-1], line)
            continue
        found = _HEAD.fullmatch(line.strip())
        if found is None:
            raise UsageError(
                f"{name} line {number}: {shorten(line.strip(), 60)!r} does not begin a sub-goal; "
                "write it like `2 after 1: what is to be done`"
            )
        subs.append(
            {
                "id": found["id"],
                "goal": found["goal"],
                "depends_on": _names(found["after"]),
                "inputs": _names(found["given"]),
                "leaves": (),
                "role": "",
            }
        )
    return Graph(goal, tuple(SubGoal(**one) for one in subs))


def _take_extra(sub: dict[str, Any], line: str) -> None:
    extra = _EXTRA.fullmatch(line.rstrip())
    if extra is None:
        sub["goal"] += f"\n{line.strip()}"
    elif extra["key"] == "leaves":
        sub["leaves"] = _names(extra["value"])
    else:
        sub["role"] = extra["value"].strip()


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name for name in (piece.strip() for piece in (text or "").split(",")) if name)


def steps_words(steps: Sequence[ToolFinished]) -> str:
    """What a sub-goal had done when it was cut off, by its steps that ended: how many, and what files they changed."""
    if not steps:
        return "before its first step"
    parts = [f"after {len(steps)} step{'s' if len(steps) != 1 else ''}"]
    for word in ("created", "changed", "deleted"):
        paths = list(dict.fromkeys(path for step in steps for path in getattr(step.changes, word)))
        shown = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
        parts += [f"{word} {shown}"] if paths else []
    return ": ".join([parts[0], "; ".join(parts[1:])]) if parts[1:] else parts[0]


def results_text(graph: Graph, progress: Progress, answers: Mapping[str, str]) -> str:
    """What came of each sub-goal, as an answer that no model wrote."""
    lines: list[str] = []
    for one in graph.sub_goals:
        state, reason = progress.states[one.id], progress.reasons.get(one.id, "")
        head = f"{one.id}. {shorten(' '.join(one.goal.split()), 100)}"
        if state is SubState.DONE:
            said = answers.get(one.id, "").strip() or "Done."
        else:
            said = f"{state.value}: {reason}" if reason else state.value
        first, *rest = said.split("\n")
        lines += [f"{head}: {first}" if not rest else f"{head}:"]
        lines += [f"   {line}" for line in ([first, *rest] if rest else [])]
    return "\n".join(lines)
