"""A goal of five parts, three of them independent: side by side, one after the other, and the same goal again.

    python -m bench.orchestrate --delay 1.0     the fake Messages server, each call answered after so many seconds
    python -m bench.orchestrate --local         the embedded model (LLMOS_MODELS, or where `models pull` puts it)

Every run is a fresh `llmos run` in a directory and a home of its own. Beside the wall times stand the number of model
calls, the cost, and what became of the parts; the event log of the first run is printed with its nesting.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmos.testing import Answer, FakeMessagesServer, delay, reply, text, tool_use

GOAL = (
    "1. create a file a.txt containing hello\n2. create a file b.txt containing world\n"
    "3. count the lines of notes.txt\n4. copy a.txt to d.txt\n5. count the lines of d.txt"
)
CALLS: dict[str, tuple[str, dict[str, str], str]] = {
    "create a file a.txt": ("write_file", {"path": "a.txt", "content": "hello\n"}, "Done."),
    "create a file b.txt": ("write_file", {"path": "b.txt", "content": "world\n"}, "Done."),
    "lines of notes.txt": ("shell", {"command": "wc -l < notes.txt"}, "3"),
    "copy a.txt": ("shell", {"command": "cp a.txt d.txt"}, "Done."),
    "lines of d.txt": ("shell", {"command": "wc -l < d.txt"}, "1"),
}
SHOWN = ("turn_started", "plan_made", "tool_started", "tool_finished", "trace_kept", "turn_ended")


@dataclass(frozen=True)
class Run:
    seconds: float
    records: list[dict[str, Any]]

    @property
    def result(self) -> Mapping[str, Any]:
        return self.records[-1]

    @property
    def parts(self) -> str:
        ended = sorted((r["id"], r["state"], r["mode"]) for r in self.records if r["event"] == "sub_goal_ended")
        return ", ".join(f"{one} {state}{f' {mode}' if mode else ''}" for one, state, mode in ended)


def main() -> None:
    parser = argparse.ArgumentParser(description="Wall time, cost and event log of a goal of five parts.")
    parser.add_argument("--local", action="store_true", help="the embedded model")
    parser.add_argument("--delay", type=float, default=1.0, help="seconds in which the fake server answers a call")
    parser.add_argument("--parallel-only", action="store_true", help="leave the run one after the other out")
    arguments = parser.parse_args()
    answering = nullcontext() if arguments.local else fake(arguments.delay)
    with answering, tempfile.TemporaryDirectory(prefix="llmos-orchestrate-") as folder:
        side = world(Path(folder), "side", parallel=3)
        first = run(side)
        print("\n".join(event_lines(first.records)), "\n")
        row("3 at once", first)
        if not arguments.parallel_only:
            if arguments.local:
                row("3 at once, one slot", run(world(Path(folder), "slot", parallel=3, slots=1)))
            row("one after the other", run(world(Path(folder), "after", parallel=1)))
        for name in ("a.txt", "b.txt", "d.txt"):
            (side / "work" / name).unlink(missing_ok=True)
        row("3 at once, again", run(side))


def row(name: str, one: Run) -> None:
    result = one.result
    print(
        f"{name:20} {one.seconds:7.1f} s · {result['elapsed_s']:.1f} s in the turn · "
        f"{result['model_calls']} model calls · "
        f"${result['cost_usd']:.4f} · {result['mode']} {result['outcome']} · {one.parts}"
        + (f" · {result['reason']}" if result["reason"] else ""),
        flush=True,
    )


def world(folder: Path, name: str, *, parallel: int, slots: int = 2) -> Path:
    made = folder / name
    (made / "work").mkdir(parents=True)
    (made / "work" / "notes.txt").write_text("a\nb\nc\n")
    home = made / ".llmos"
    home.mkdir(mode=0o700)
    settings = f"orchestrator:\n  parallel: {parallel}\nlocal:\n  slots: {slots}\n"
    (home / "config.yaml").write_text(f"format: llmos-config/1\n{settings}")
    return made


def run(made: Path) -> Run:
    """One `llmos run` with every call allowed."""
    environ = {**os.environ, "LLMOS_HOME": str(made / ".llmos")}
    started = time.perf_counter()
    command = [sys.executable, "-m", "llmos", "run", "-y", "-o", "stream-json", GOAL]
    done = subprocess.run(command, cwd=made / "work", env=environ, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    return Run(seconds, [json.loads(line) for line in done.stdout.splitlines()])


def event_lines(records: list[dict[str, Any]]) -> Iterator[str]:
    """The log with its nesting: what was decided, what ran, how it ended."""
    for record in records:
        kind, of = record["event"], record
        indent = ""
        if kind == "nested":
            kind, of, indent = record["kind"], record["of"], f"    [{record['parent']}] "
        if kind in SHOWN or kind == "sub_goal_ended":
            facts = ("goal", "mode", "tool", "args", "status", "state", "outcome", "cost_usd")
            told = ", ".join(f"{name}={str(of[name])[:60]!r}" for name in facts if of.get(name) not in (None, ""))
            yield f"{indent}{kind} {told}"


def by_goal(seconds: float, body: dict[str, Any]) -> Answer:
    first = body["messages"][0]["content"]
    goal = (first if isinstance(first, str) else first[0]["text"]).splitlines()[-1]
    tool, args, said = next(value for words, value in CALLS.items() if words in goal)
    return reply(delay(seconds), text(said) if len(body["messages"]) > 1 else tool_use(tool, args))


@contextmanager
def fake(seconds: float) -> Iterator[None]:
    with FakeMessagesServer(lambda body: by_goal(seconds, body)) as server:
        os.environ.update(ANTHROPIC_API_KEY="bench", ANTHROPIC_BASE_URL=server.url)
        yield


if __name__ == "__main__":
    main()
