"""Extraction with a model on this machine: rules pick what the person stated, the model says of each whether it lasts.

A small model that is asked for facts invents and rewords, and takes minutes. Asked for one word about a sentence it can
invent nothing: what is written is that sentence, to the letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmos.core.core_edits import text_refusal
from llmos.core.memory_gate import Fact, Heard, block_for, is_passing, makes_a_statement, sentences, stated
from llmos.core.memory_text import holds_secret, is_near_duplicate, words_of
from llmos.core.messages import Message, Text, user_text
from llmos.core.passage import Source
from llmos.core.ports import ModelRequest

MOST_ASKED = 8
"""Sentences that one update asks about; each takes a second or two of one processor."""
YES, NO = "yes", "no"
_LEAST_WORDS = 4

_SYSTEM = """\
You sort sentences that a person typed into a terminal assistant. Answer yes if the sentence states a lasting fact
about the person, their team, machines or projects that is still of use in half a year. Answer no for tasks,
questions, moods, results, and what is only true today. Answer with one word: yes or no."""
_SHOWN = (
    ("The invoices service is written in Go.", YES),
    ("The last run was slower than the one before.", NO),
    ("Our releases are approved by Katrin.", YES),
    ("I have a meeting in ten minutes.", NO),
    ("The logs are kept for ninety days.", YES),
    ("There are three warnings in the output above.", NO),
    ("My laptop runs Fedora.", YES),
    ("The file you made is empty.", NO),
)


def least_chance(model: str) -> float:
    """Of yes, for a sentence to be kept on this model's word: from where nothing that is over tomorrow came in.

    Measured for each model with bench/extraction.py.
    """
    return 0.7 if "0.5b" in model else 0.95


def candidates(messages: Sequence[Heard], known: Iterable[str]) -> list[Fact]:
    """The statements worth asking about, oldest first: no pattern keeps them, and nothing known says the same."""
    texts = list(known)
    found: list[Fact] = []
    for message in messages:
        outright = [fact.text for fact in stated(message)]
        for sentence in sentences(message.text):
            text = sentence.rstrip(".!").strip()
            if len(words_of(text)) < _LEAST_WORDS or not makes_a_statement(text) or is_passing(text):
                continue
            if text_refusal(text) or holds_secret(text):
                continue
            text = text[0].upper() + text[1:]
            if any(is_near_duplicate(text, other) for other in (*outright, *texts)):
                continue
            texts.append(text)
            source, at = Source(message.name, sentence), message.at.isoformat()
            about = block_for(text)
            found.append(Fact(text, about, (source,), True, message.day, project=message.project, at=at))
    return found[:MOST_ASKED]


def lasting_question(fact: Fact) -> ModelRequest:
    """Asks whether a statement lasts; what is the same for all stands first, so that it is read once."""
    shown: list[Message] = []
    for sentence, answer in _SHOWN:
        shown += [user_text(sentence), Message("assistant", (Text(answer),))]
    return ModelRequest(_SYSTEM, (*shown, user_text(f"{fact.text}.")), max_tokens=1, choices=(YES, NO))
