"""One session of many turns in a process of its own: `python soak.py TURNS`, with the model at ANTHROPIC_BASE_URL.

Prints a line of JSON every so many turns: what the process holds of memory, open files and threads.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
from pathlib import Path

from llmos.app import App, AppOptions
from llmos.core.events import Event, Outcome
from llmos.interfaces.actions_compact import compact, is_due
from llmos.interfaces.session import open_dispatcher


def held() -> dict[str, int]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return {
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
        "files": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "threads": threading.active_count(),
    }


async def main(turns: int) -> None:
    work = Path.cwd()
    for number in range(20):
        (work / f"file{number}.txt").write_text(f"line of file {number}\n" * (number + 1))
    seen: list[Event] = []

    def emit(event: Event) -> None:
        del seen[:]
        seen.append(event)

    app = App.open(AppOptions(), cwd=work, environ=os.environ)
    compactions, outcomes = 0, dict[str, int]()
    try:
        dispatcher = open_dispatcher(app, emit=emit, ask=None, grant_all=True)
        for turn in range(1, turns + 1):
            kind = (
                "how long is file{}.txt, I wonder about it",
                "append word {} to log.txt",
                "I prefer tea number {} in the morning",
            )
            result = await dispatcher.dispatch(kind[turn % 3].format(turn % 20) + f", for the {turn}th time")
            outcomes[result.outcome.value] = outcomes.get(result.outcome.value, 0) + 1
            if result.outcome is Outcome.FAILED:
                print(json.dumps({"failed": result.reason}), flush=True)
            if is_due(app, dispatcher):
                await compact(app, dispatcher, automatic=True)
                compactions += 1
            if turn % max(1, turns // 10) == 0:
                print(
                    json.dumps({"turn": turn, **held(), "compactions": compactions, "outcomes": outcomes}), flush=True
                )
        await dispatcher.finish()
    finally:
        await app.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
