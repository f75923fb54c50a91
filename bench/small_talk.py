"""The small talk of bench/data as a file in LoCoMo's format, with that format's oddities.

    python -m bench.small_talk OUT [--only 1 2 3 | --merged]

Written for llmos, so it may be shipped. Three conversations of two named people, dated sessions, image turns, questions
of all five categories; those of the first share few words with the answers, those of the others about as many as
LoCoMo's do. `--merged` makes one conversation of the three, in the order of their dates and between the same two
people, which is about as long as one of LoCoMo's and as hard to search.
Evidence ids come as the published file has them: lists, joined by "; ", with a stray colon or a leading
zero, and a few that name no turn.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

SOURCES = tuple(Path(__file__).parent / "data" / f"small_talk{end}.txt" for end in ("", "_2", "_3"))


def samples(text: str, number: int = 1) -> list[dict[str, Any]]:
    """A conversation as LoCoMo has them."""
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
    return [{"sample_id": f"small-talk-{number}", "conversation": talk, "qa": questions, "event_summary": {}}]


def merged(texts: Sequence[str]) -> str:
    """One conversation of several: their sessions by date, everybody renamed to the same two people."""
    sessions: list[tuple[datetime, int, int, list[str]]] = []
    for place, text in enumerate(texts):
        names = list(dict.fromkeys(re.findall(r"^(\w+): ", text, re.MULTILINE)))
        for name, put in zip(names, ("Carla", "Dennis"), strict=True):
            text = re.sub(rf"\b{name}\b", put, text)
        for number, part in enumerate(re.split(r"^# ", text, flags=re.MULTILINE)[1:], start=1):
            head, *lines = part.splitlines()
            sessions.append((datetime.strptime(head, "%I:%M %p on %d %B, %Y"), place, number, [f"# {head}", *lines]))
    sessions.sort()
    now = {(place, number): str(at) for at, (_, place, number, _) in enumerate(sessions, start=1)}
    made = []
    for _, place, _, lines in sessions:
        for line in lines:
            if line.startswith("? "):
                line = re.sub(r"\bD(\d+):", lambda m, place=place: f"D{now[place, int(m[1])]}:", line)  # type: ignore[misc]
            made.append(line)
    return "\n".join(made) + "\n"


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
    parser.add_argument("--only", type=int, nargs="+", choices=(1, 2, 3), default=(1, 2, 3), help="conversations")
    parser.add_argument("--merged", action="store_true", help="one conversation of all")
    chosen = parser.parse_args()
    texts = {number: SOURCES[number - 1].read_text("utf-8") for number in chosen.only}
    if chosen.merged:
        texts = {0: merged(list(texts.values()))}
    made = [one for number, text in texts.items() for one in samples(text, number)]
    chosen.out.write_text(json.dumps(made, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
