"""What a model on this machine keeps of what a person said: how much is right, missed, and how long it takes.

    python -m bench.extraction --model 0.5b [--threads 1] [--json OUT]

Twenty short talks of our own (bench/data/lasting.txt), each through the product's own candidates and question, one
update each. Kept wrongly: a sentence that is over tomorrow. The rules pick the candidates; what patterns keep without a
model (rules, preferences, "remember that") is not counted here. The first half was looked at when the question and the
threshold were chosen, the second was not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from llmos.adapters.local_model import LocalModel
from llmos.core.catalogue import find_model
from llmos.core.memory_gate import heard
from llmos.core.small_extraction import YES, candidates, lasting_question, least_chance
from llmos.memory.model_store import ModelStore, models_folder

SOURCE = Path(__file__).parent / "data" / "lasting.txt"
NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
CUTS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def talks(text: str) -> list[list[tuple[bool, str]]]:
    """The messages of each talk, and whether each is worth keeping."""
    found: list[list[tuple[bool, str]]] = []
    for line in text.splitlines():
        if line.startswith("= "):
            found.append([])
        elif line[:2] in ("+ ", "- "):
            found[-1].append((line[0] == "+", line[2:]))
    return found


async def measure(model: LocalModel, parts: Sequence[Sequence[tuple[bool, str]]]) -> list[dict[str, Any]]:
    """One row for each candidate: its talk, whether it is right, how likely the model holds that; and the seconds."""
    rows: list[dict[str, Any]] = []
    await model.warm()
    for number, said in enumerate(parts, start=1):
        made = (heard(f"t:{n}", NOW + timedelta(minutes=n), text, "") for n, (_, text) in enumerate(said))
        right = {f"t:{n}" for n, (worth, _) in enumerate(said) if worth}
        began = time.monotonic()
        for fact in candidates([one for one in made if one is not None], ()):
            reply = await model.reply(lasting_question(fact), lambda event: None)
            chance = round(reply.chances.get(YES, 0.0), 4)
            rows.append({"talk": number, "text": fact.text, "right": fact.evidence[0] in right, "chance": chance})
        rows.append({"talk": number, "seconds": round(time.monotonic() - began, 2)})
    return rows


def report(model: str, rows: Sequence[dict[str, Any]], parts: Sequence[Sequence[tuple[bool, str]]]) -> list[str]:
    lines = []
    for name, talk in (("first half", range(1, 11)), ("second half", range(11, 21)), ("all", range(1, 21))):
        asked = [row for row in rows if "text" in row and row["talk"] in talk]
        worth = sum(one for number in talk for one, _ in parts[number - 1])
        for cut in CUTS:
            kept = [row for row in asked if row["chance"] >= cut]
            right = sum(row["right"] for row in kept)
            mark = "  <- the product's" if cut == least_chance(model) else ""
            found = f"{right} of {len(kept)} kept are right, {right} of {worth} found"
            lines.append(f"{name:<12} from {cut:.2f}: {found}{mark}")
    took = sorted(row["seconds"] for row in rows if "seconds" in row)
    lines.append(f"seconds of an update: median {took[len(took) // 2]}, most {took[-1]}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="0.5b")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="OUT")
    chosen = parser.parse_args()
    entry = find_model(chosen.model)
    path = ModelStore(models_folder(os.environ, Path.home())).find(entry)
    if path is None:
        raise SystemExit(f"{entry.name} is not on this machine; `llmos models pull {chosen.model}` fetches it")
    parts = talks(SOURCE.read_text("utf-8"))
    model = LocalModel(path, name=entry.name, threads=chosen.threads)

    async def run() -> list[dict[str, Any]]:
        try:
            return await measure(model, parts)
        finally:
            await model.close()

    rows = asyncio.run(run())
    print("\n".join(report(entry.name, rows, parts)))
    if chosen.json is not None:
        chosen.json.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


if __name__ == "__main__":
    main()
