"""What two conversations at once gain on the local model's runtime: the same prompts and so many tokens each way.

    python -m bench.local_slots [--model NAME] [--tokens 32] [--rounds 3]

One after the other in one slot, and both in one batch in two slots, by turns in one process of the runtime. Beside the
wall time stands the processor time of that process, which a busy machine does not change as much, and its memory with
one slot and with two.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmos.adapters import local_prompt, local_runtime
from llmos.adapters.local_model import FIRST_SLOT
from llmos.adapters.local_runtime import Cancel, LoadSettings, LocalServer
from llmos.core.catalogue import CATALOGUE
from llmos.core.messages import user_text
from llmos.core.ports import ModelRequest
from llmos.memory.model_store import ModelStore, models_folder
from llmos.tools import builtin_tools

GOALS = ("count the lines of every file in docs and say which is the longest", "sort the names in cities.txt by length")
CONTEXT = 8_192


def main() -> None:
    parser = argparse.ArgumentParser(description="Two conversations of the local model at once, and in order.")
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--tokens", type=int, default=32, help="generated for each prompt")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    entry = next(one for one in CATALOGUE if one.name.startswith(arguments.model))
    path = ModelStore(models_folder(os.environ, Path.home())).path(entry)
    with tempfile.TemporaryDirectory(prefix="llmos-slots-") as folder:
        alone = load(path, 1, Path(folder))
        memory(alone, "one slot")
        alone.close()
        server = load(path, 2, Path(folder))
        for slot in (0, 1):
            ask(server, slot, "hello", 1)
        taken: dict[str, list[tuple[float, float]]] = {"in order": [], "at once": []}
        for number in range(arguments.rounds):
            for way, found in taken.items():
                found.append(both(server, way, number, arguments.tokens))
                wall, processor = found[-1]
                print(f"{way:9} {wall:6.1f} s wall {processor:6.1f} s of the processor", flush=True)
        memory(server, "two slots")
        server.close()
    wall, processor = (
        {way: statistics.median(pair[at] for pair in found) for way, found in taken.items()} for at in (0, 1)
    )
    print(
        f"at once takes {wall['at once'] / wall['in order']:.2f} of the wall time and "
        f"{processor['at once'] / processor['in order']:.2f} of the processor time (medians of {arguments.rounds})"
    )


def load(path: Path, slots: int, folder: Path) -> LocalServer:
    process, log = local_runtime.start_child()
    generating, reading = local_runtime.thread_counts(None)
    settings = LoadSettings(path, path.stem, CONTEXT, generating, reading, FIRST_SLOT, slots, state_folder=folder)
    return local_runtime.load(process, log, settings)


def ask(server: LocalServer, slot: int, goal: str, tokens: int) -> None:
    bash = replace(
        builtin_tools()["shell"].spec, name="bash"
    )  # under another name it brings no hints, and so is read sooner
    request = ModelRequest("", (user_text(goal),), (bash,))
    body: dict[str, Any] = {
        "messages": local_prompt.build_messages(request, CONTEXT * 3),
        "max_tokens": tokens,
        "temperature": 0,
        "ignore_eos": True,
        "cache_prompt": True,
        "id_slot": FIRST_SLOT + slot,
    }
    server.chat(body, lambda chunk: None, Cancel())


def both(server: LocalServer, way: str, number: int, tokens: int) -> tuple[float, float]:
    goals = [f"{goal} ({way}, {number})" for goal in GOALS]
    began, before = time.perf_counter(), processor_s(server)
    if way == "at once":
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda slot: ask(server, slot, goals[slot], tokens), (0, 1)))
    else:
        for goal in goals:
            ask(server, 0, goal, tokens)
    return time.perf_counter() - began, processor_s(server) - before


def processor_s(server: LocalServer) -> float:
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(server: LocalServer, what: str) -> None:
    status = Path(f"/proc/{server.pid}/status").read_text()
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    print(f"memory with {what}: {kib // 1024:,} MiB", flush=True)


if __name__ == "__main__":
    main()
