"""The timeline of the memory tiers: 250 scripted messages over 8 processes, and again with kill -9 at random points.

    python -m bench.memory_timeline [--kill SEED] [--messages 250] [--show]

Every message goes through the product's own App, Dispatcher, transcript and screen; only the model follows a script.
Prints when each tier updated, as the event log has it (`--show`: the screens of all sessions too).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from llmos.app import App, AppOptions
from llmos.core.messages import Message, StopReason, Text, Usage
from llmos.core.ports import Emit, ModelInfo, ModelReply, ModelRequest
from llmos.interfaces.render import Renderer
from llmos.interfaces.session import open_dispatcher

MESSAGES = 250
RESTARTS = (9, 10, 49, 99, 101, 166, 225)
"""How many messages there are when a process ends and the next one begins."""
_FACTS = (
    "I prefer the editor number {n}",
    "our service number {n} runs on port {n}",
    "always name branch {n} topic-{n}",
)


def message(number: int) -> str:
    """What the person types: every seventh message says something to remember, the others are jobs."""
    if number % 7 == 3:
        return f"{_FACTS[number // 7 % 3].format(n=number)}. Thanks!"
    return f"say the number {number}"


class ScriptedAgent:
    """A Model that answers turns with a word and updates of memory from what it is shown."""

    info = ModelInfo("scripted", "nobody (a script)")

    def reserve_usd(self, request: ModelRequest) -> float | None:
        return 0.002

    def abandoned_usd(self) -> float:
        return 0.0

    async def reply(self, request: ModelRequest, emit: Emit) -> ModelReply:
        await asyncio.sleep(0)
        answer = "Noted."
        if request.output_schema is not None:
            answer = json.dumps(_memory_answer(request.messages[-1].text, request.output_schema))
        return ModelReply(Message("assistant", (Text(answer),)), StopReason.END_TURN, Usage(100, 20), 0.001, "scripted")

    async def close(self) -> None:
        """Nothing to release."""


def _memory_answer(question: str, schema: Any) -> dict[str, Any]:
    shown = [json.loads(line) for line in question.splitlines()]
    if "labels" in schema["properties"]:
        return {"labels": [{"pair": one["pair"], "label": "unrelated"} for one in shown]}
    facts = []
    for one in shown:
        said = re.match(r"(.*\d)\. Thanks!", one["typed"])
        if said:
            about = {"I": "human", "our": "fact", "always": "persona"}[said[1].split()[0]]
            source = {"message": one["message"], "quote": said[1]}
            facts.append({"text": said[1], "about": about, "subject": "", "attribute": "", "sources": [source]})
    return {"facts": facts[:12]}


async def session(workspace: Path, until: int) -> None:
    """One process: goes on from what is on record until there are so many messages."""
    options = AppOptions(workspace=workspace)
    app = App.open(options, cwd=workspace, environ=os.environ, model=ScriptedAgent())
    screen = Renderer(Console(width=100), verbose=True)
    app.close_abandoned()
    dispatcher = open_dispatcher(app, emit=screen, ask=None, grant_all=False)
    try:
        while (count := app.record.nested.track_message()) < until:
            await dispatcher.dispatch(message(count + 1))
            await dispatcher.finish()
    finally:
        await app.close()


# ------------------------------------------------------------------------------------------------------ the parent


@dataclass(frozen=True)
class Timeline:
    """What the event log says. Messages at which each tier updated, in the order of the log."""

    workspace: Path
    messages: int
    processes: int
    recall: list[int]
    core: list[int]
    archival: list[int]
    order: list[tuple[str, int]]
    failed: list[str]
    screen: str


def run(workspace: Path, *, messages: int = MESSAGES, kill: int | None = None) -> Timeline:
    """Run the whole script in processes of their own; with `kill`, a seed, each is killed at a random moment."""
    (workspace / "config.yaml").write_text("format: llmos-config/1\n")
    # Without the embedder: what is shown is when the tiers update, and eight processes need not load it.
    environ = {**os.environ, "LLMOS_HOME": str(workspace / "home"), "LLMOS_MODELS": str(workspace / "models")}
    ends = [end for end in RESTARTS if end < messages] + [messages]
    screens: list[str] = []
    chance = random.Random(kill)
    processes = 0
    for until in ends if kill is None else [messages] * 400:
        command = [sys.executable, "-m", "bench.memory_timeline", "--session", str(workspace), "--messages", str(until)]
        child = subprocess.Popen(
            command, env=environ, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        processes += 1
        if kill is not None:
            _kill_later(child, workspace, chance)
        screens.append(child.communicate()[0].decode("utf-8", "replace"))
        if kill is None and child.returncode != 0:
            raise RuntimeError(f"a session failed:\n{screens[-1]}")
        if kill is not None and child.returncode == 0:
            break
    return _timeline(workspace, processes, "".join(screens))


def _kill_later(child: subprocess.Popen[bytes], workspace: Path, chance: random.Random) -> None:
    """Kill it a few messages from now, at any moment of one."""
    more = chance.randint(8, 45)
    start = _size(workspace)
    while child.poll() is None and _size(workspace) - start < more * 1_000:
        time.sleep(0.002)
    time.sleep(chance.random() * 0.03)
    if child.poll() is None:
        child.send_signal(signal.SIGKILL)


def _size(workspace: Path) -> int:
    return sum(path.stat().st_size for path in (workspace / "memories/recall").glob("*.jsonl"))


def records(workspace: Path) -> list[dict[str, Any]]:
    """All events on record, in the order of their time; a line that a kill cut short is no record."""
    found = []
    for path in sorted((workspace / "memories/recall").glob("*.jsonl")):
        for line in path.read_bytes().split(b"\n"):
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return sorted(found, key=lambda record: (record["at"], record["seq"]))


def _timeline(workspace: Path, processes: int, screen: str) -> Timeline:
    log = records(workspace)
    ticks = [record for record in log if record["event"] == "memory_ticked"]
    done = [(str(tick["tier"]), int(tick["message"])) for tick in ticks if tick["done"]]
    at = {tier: [message for name, message in done if name == tier] for tier in ("recall", "core", "archival")}
    return Timeline(
        workspace,
        Counter(record["event"] for record in log)["turn_started"],
        processes,
        at["recall"],
        at["core"],
        at["archival"],
        [tick for tick in done if tick[0] != "recall"],
        [f"{tick['tier']} at {tick['message']}: {tick['reason']}" for tick in ticks if not tick["done"]],
        screen,
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--kill", type=int, metavar="SEED")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.session is not None:
        asyncio.run(session(options.session, options.messages))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        made = run(Path(folder), messages=options.messages, kill=options.kill)
        if options.show:
            print(made.screen)
        print(f"{made.messages} messages in {made.processes} processes")
        print(f"recall: {len(made.recall)} times, at {made.recall[0]} to {made.recall[-1]}")
        print(f"core: {len(made.core)} times, at {', '.join(map(str, made.core))}")
        print(f"archival: {len(made.archival)} times, at {', '.join(map(str, made.archival))}")
        for line in made.failed:
            print(f"stayed due: {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
