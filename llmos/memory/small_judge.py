"""How a small model is asked whether two goals are the same job: one word, of which the probabilities are read.

The number that such a model writes down says nothing (it gives 0.95 to whatever it is shown); how likely "yes" is where
it may only say yes or no does (docs/benchmarks.md). All that is the same for every pair comes first, so that the model
reads it once; a pair then costs the reading of two lines.
"""

from __future__ import annotations

from llmos.core.messages import Message, Text, user_text
from llmos.core.ports import ModelReply, ModelRequest

YES, NO = "yes", "no"

_SYSTEM = """\
You compare two requests to a Linux shell. Say yes when the commands that did the first would do exactly what the second
asks for once names, paths, texts and numbers are exchanged: the same job in the same or in other words. Say no when the
second asks for another action, the opposite, another kind of thing, another order, or for more or less than the first.
Answer with yes or no alone."""

_SHOWN: tuple[tuple[str, str, str], ...] = (
    ("make a folder called reports", "create the directory invoices", YES),
    ("show the newest file in photos", "show the oldest file in photos", NO),
    ("which of the files here mention Vienna?", "find the files in this folder that contain the word Graz", YES),
    ("count the rows of prices.csv", "list the rows of prices.csv", NO),
    ("append a line to diary.txt saying hello", "put the line goodbye at the end of journal.txt", YES),
    ("copy a.cfg over b.cfg", "move a.cfg to b.cfg", NO),
    ("pack the folder src into src.tar.gz", "create a gzipped archive docs.tar.gz of the directory docs", YES),
    ("turn on the service printer", "turn off the service printer", NO),
    ("how much room does the folder videos take?", "print the size of the directory music", YES),
    ("remove the empty files below cache", "remove the files below cache", NO),
)
"""Pairs with their answers, as many of one as of the other; none is a goal of a benchmark."""


def request(earlier: str, goal: str) -> ModelRequest:
    """The question whether the run of `earlier` does what `goal` asks for."""
    turns: list[Message] = []
    for first, second, answer in _SHOWN:
        turns += [_question(first, second), Message("assistant", (Text(answer),))]
    return ModelRequest(_SYSTEM, (*turns, _question(earlier, goal)), max_tokens=1, choices=(YES, NO))


def _question(first: str, second: str) -> Message:
    lines = (f"First: {' '.join(first.split())}", f"Second: {' '.join(second.split())}")
    return user_text("\n".join(lines))


def confidence(reply: ModelReply) -> float | None:
    """How likely the model holds the two to be the same job; None where it does not say."""
    found = reply.chances.get(YES)
    return found if found is not None and 0.0 <= found <= 1.0 else None
