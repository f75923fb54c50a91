"""Conversations to measure memory on: a generated set of coding chats, and the reader of files in LoCoMo's format.

The generated set is made of templates and a seed, so it may be shipped and grows to any size. Sixty facts are planted
(what people tell an assistant about themselves, their machines and their rules), each with a question in other words;
around them stand messages about the same projects and people that answer none of the questions.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from llmos.memory.recall_reader import RecallMessage

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

PROJECTS = "atlas borealis cobalt drift ember fathom granite harbor iris juniper kestrel lumen".split()
PEOPLE = "Nadia Tomas Wei Ingrid Paulo Amara Sven Leila Marek Yuki Olga Dario".split()
_FACTS = (
    (
        "The staging database of {project} listens on port {port}.",
        "On which port is {project}'s test database?",
    ),
    ("{person} is the one who approves releases of {project}.", "Who has to sign off a new version of {project}?"),
    (
        "{person} works on {project} from Lisbon on Fridays, room {port}.",
        "Where is {person} of {project} at the end of the week?",
    ),
    (
        "Always run make lint before you commit in {project}.",
        "What must happen ahead of a commit in {project}?",
    ),
    (
        "I moved {project} from Jenkins to Buildkite last winter.",
        "Which CI system does {project} use now?",
    ),
)
_NOISE = (
    "rename the folder of {project} to {project}-{port}",
    "why does the test suite of {project} fail on the second run?",
    "show me the last {small} commits of {person} in {project}",
    "write a short summary of the meeting with {person} about {project}",
    "how many lines of code has {project} got in total?",
    "{person} asked for a diagram of {project}, draw one with {small} boxes",
    "delete the temporary files of {project} that are older than {small} days",
    "compare the two branches of {project} and list what differs in release {small}",
    "the build of {project} took {small} minutes today, find out what is slow",
    "sort the names in the list that {person} sent by their last letter",
    "convert table {port} of the report to a csv file",
    "what is a good name for a helper that parses dates in {project}?",
)
_ANSWERS = (
    "Done: {small} files were changed in {project}.",
    "The command printed {port} lines; nothing else needed to be done.",
    "I looked at {project} and found {small} places; the first is in line {port}.",
    "{person}'s message is summarised in notes-{port}.md.",
)


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    evidence: frozenset[str]
    """Names of the messages that answer it."""
    category: int


@dataclass(frozen=True, slots=True)
class Conversation:
    name: str
    messages: tuple[RecallMessage, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class PlantedFact:
    statement: str
    question: str


def planted_facts(count: int = 60) -> list[PlantedFact]:
    """Facts and their questions; no two are about the same thing."""
    made = []
    for number in range(count):
        statement, question = _FACTS[number // len(PROJECTS) % len(_FACTS)]
        values = {
            "project": PROJECTS[number % len(PROJECTS)],
            "person": PEOPLE[(number * 5 + number // len(PROJECTS)) % len(PEOPLE)],
            "port": str(5000 + 37 * number),
        }
        made.append(PlantedFact(statement.format(**values), question.format(**values)))
    return made


def noise(seed: int) -> Iterator[tuple[str, str]]:
    """Endless requests and answers that hold none of the planted facts; twenty in a row are mostly of one project."""
    draw = random.Random(seed)
    for turn in itertools.count():
        values = {
            "project": project_of(turn) if draw.random() < 0.8 else draw.choice(PROJECTS),
            "person": draw.choice(PEOPLE),
            "port": str(draw.randrange(10_000, 99_999)),
            "small": str(draw.randrange(2, 60)),
        }
        yield draw.choice(_NOISE).format(**values), draw.choice(_ANSWERS).format(**values)


def project_of(turn: int) -> str:
    """What a session of twenty turns is about."""
    return PROJECTS[turn // 20 % len(PROJECTS)]


def _places(draw: random.Random, turns: int, planted: list[PlantedFact]) -> dict[int, PlantedFact]:
    """A turn for each fact, in a session about its project where there is one."""
    places: dict[int, PlantedFact] = {}
    for fact in planted:
        free = [turn for turn in range(turns) if turn not in places]
        fitting = [turn for turn in free if project_of(turn) in fact.statement]
        places[draw.choice(fitting or free)] = fact
    return places


def generated(seed: int, messages: int, facts: int = 60) -> Conversation:
    """One long coding chat of about `messages` messages, in sessions of a working hour, facts strewn over it."""
    talk = noise(seed)
    turns = max(facts, messages // 2)
    places = _places(random.Random(seed), turns, planted_facts(facts))
    said: list[RecallMessage] = []
    questions = []
    for turn in range(turns):
        session, at = f"g{turn // 20:05}", START + timedelta(hours=7 * (turn // 20), minutes=3 * (turn % 20))
        request, answer = next(talk)
        fact = places.get(turn)
        if fact is not None:
            request, answer = fact.statement, "Noted."
            questions.append(Question(fact.question, frozenset({f"{session}:{2 * turn}"}), 4))
        project = f"/work/{project_of(turn)}"
        said.append(RecallMessage(session, 2 * turn, at, "user", "user", project, request))
        later = at + timedelta(seconds=40)
        said.append(RecallMessage(session, 2 * turn + 1, later, "assistant", "llmos", project, answer))
    return Conversation("generated", tuple(said), tuple(questions))


def load_locomo(path: Path) -> list[Conversation]:
    """The conversations of a file in LoCoMo's format; questions without evidence that exists are left out."""
    read = json.loads(path.read_text("utf-8"))
    return [_conversation(sample, place) for place, sample in enumerate(read if isinstance(read, list) else [read])]


def _conversation(sample: dict[str, Any], place: int) -> Conversation:
    talk = sample["conversation"]
    said: list[RecallMessage] = []
    numbers = sorted(int(key[8:]) for key in talk if re.fullmatch(r"session_\d+", key))
    began = START
    for number in numbers:
        began = _moment(talk.get(f"session_{number}_date_time"), began + timedelta(days=1))
        for turn, entry in enumerate(talk[f"session_{number}"] or ()):
            said.append(_said(entry, number, turn, began + timedelta(seconds=30 * turn)))
    names = {message.name for message in said}
    questions = []
    for entry in sample.get("qa") or ():
        evidence = frozenset(_evidence(entry.get("evidence") or ())) & names
        if evidence:
            questions.append(Question(str(entry["question"]), evidence, int(entry.get("category") or 0)))
    return Conversation(str(sample.get("sample_id", place)), tuple(said), tuple(questions))


def _said(entry: dict[str, Any], session: int, turn: int, at: datetime) -> RecallMessage:
    text = str(entry.get("text") or "")
    if caption := entry.get("blip_caption"):
        text = f"{text} [image: {caption}]"
    name = next(_evidence(str(entry.get("dia_id", ""))), f"D{session}:{turn + 1}")
    seq = int(name.rpartition(":")[2])
    return RecallMessage(name.rpartition(":")[0], seq, at, "user", str(entry.get("speaker", "")), "", text)


def _evidence(raw: Any) -> Iterator[str]:
    """Ids of turns, also from entries such as "D8:6; D9:17", "D:11:26" and "D30:05"."""
    for text in raw if isinstance(raw, list) else [raw]:
        for match in re.finditer(r"D:?(\d+):(\d+)", str(text)):
            yield f"D{int(match[1])}:{int(match[2])}"


def _moment(text: Any, otherwise: datetime) -> datetime:
    """ "1:56 pm on 8 May, 2023" as a time."""
    try:
        return datetime.strptime(str(text).strip(), "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
    except ValueError:
        return otherwise
