"""The small talk of bench/data as a file in LoCoMo's format, with that format's oddities.

    python -m bench.small_talk OUT

Written for llmos, so it may be shipped. Two named people, dated sessions, image turns, questions of all five
categories. Evidence ids come as the published file has them: lists, joined by "; ", with a stray colon or a leading
zero, and a few that name no turn.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parent / "data" / "small_talk.txt"


def samples(text: str) -> list[dict[str, Any]]:
    """The conversations as LoCoMo has them."""
    talk: dict[str, Any] = {}
    questions: list[dict[str, Any]] = []
    session = 0
    for line in text.splitlines():
        if line.startswith("# "):
            session += 1
            talk[f"session_{session}_date_time"], talk[f"session_{session}"] = line[2:], []
        elif line.startswith("? "):
            questions.append(_question(line[2:], len(questions)))
        elif line:
            turns = talk[f"session_{session}"]
            turns.append(_turn(line, f"D{session}:{len(turns) + 1}"))
    names = list(dict.fromkeys(turn["speaker"] for turn in talk["session_1"]))
    talk["speaker_a"], talk["speaker_b"] = names
    talk[f"session_{session + 1}_date_time"] = "9:00 am on 1 November, 2024"  # a date without a session, as there are
    questions.append({"question": "Is there evidence for this?", "answer": "no", "evidence": [], "category": 3})
    questions.append({"question": "Whose evidence is no turn?", "answer": "nobody's", "evidence": ["D"], "category": 1})
    return [{"sample_id": "small-talk-1", "conversation": talk, "qa": questions, "event_summary": {}}]


def _turn(line: str, name: str) -> dict[str, Any]:
    speaker, _, said = line.partition(": ")
    found = re.fullmatch(r"(.*?)(?: \[\[(.*)\]\])?", said)
    assert found is not None
    turn: dict[str, Any] = {"speaker": speaker, "dia_id": name, "text": found[1]}
    if found[2]:
        turn |= {"img_url": ["https://example.invalid/1.jpg"], "blip_caption": found[2], "query": "photo"}
    return turn


def _question(line: str, number: int) -> dict[str, Any]:
    category, question, evidence = line.split(" | ")
    names = evidence.split(", ")
    if len(names) > 1 and number % 2:
        names = ["; ".join(names)]
    elif number % 7 == 3:
        names = [name.replace("D", "D:") for name in names]
    elif number % 7 == 5:
        names = [re.sub(r":(\d)$", r":0\1", name) for name in names]
    answer = "adversarial_answer" if category == "5" else "answer"
    return {"question": question, answer: "", "evidence": names, "category": int(category)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    chosen.out.write_text(json.dumps(samples(SOURCE.read_text("utf-8")), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
