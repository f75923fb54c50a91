"""What the command line's parser has to say, in words for a person. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

_PLAIN = (
    (r"Value error, ", ""),
    (r"Input should be a valid number, unable to parse string as a number", "it must be a number"),
    (r"Input should be a valid integer, unable to parse string as an integer", "it must be a whole number"),
    (r"Input should be greater than or equal to (\S+)", r"it must be at least \1"),
    (r"Input should be less than or equal to (\S+)", r"it must be at most \1"),
    (r"got unexpected extra arguments? \((.+)\)|got unexpected extra argument\(s\) \((.+)\)", r"too many words: \1\2"),
)
_NEAR_OPTION = re.compile(r" \(Possible options?: (.+)\)$")
_NO_COMMAND = re.compile(r"no such command ['\"](.*)['\"]$", re.DOTALL)
_GOAL_OPTIONS = ("-p", "--prompt", "--print", "-m", "--message")
"""How other agents' command lines take a goal."""


def usage_sentence(message: str, command: str, words: Sequence[str]) -> str:
    """One sentence about words that `command` does not take, with the way out."""
    sentence = message.strip().rstrip(".")
    sentence = sentence[:1].lower() + sentence[1:]
    for pattern, plain in _PLAIN:
        sentence = re.sub(pattern, plain, sentence)
    if sentence.endswith("?"):
        return sentence
    if command == "llmos":
        if words and words[0] in _GOAL_OPTIONS:
            goal = " ".join(words[1:]) or "what is to be done"
            return f"no such option: {words[0]}; to carry out a goal write: llmos run {shlex.quote(goal)}"
        if found := _NO_COMMAND.match(sentence):
            goal = " ".join([found[1], *words[words.index(found[1]) + 1 :]] if found[1] in words else [found[1]])
            return f"no such command: {found[1]}; to carry out a goal write: llmos run {shlex.quote(goal)}"
    if found := _NEAR_OPTION.search(sentence):
        return f"{sentence[: found.start()]}; did you mean {found[1].replace(', ', ' or ')}?"
    return f"{sentence}; `{command} --help` shows what it takes"


_FIRST_VERB = {
    "traces": "list",
    "sessions": "list",
    "memory": "list",
    "models": "list",
    "permissions": "list",
    "config": "show",
}
"""What a group of commands does where none of them is named."""
_WITH_VALUE = ("--workspace", "--model", "--max-cost", "--max-steps", "--mode")
_HELP = ("-h", "--help")


def with_verb(words: list[str]) -> list[str]:
    """The words, with the verb of a group put in where it was left out: `llmos traces` lists them."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in _WITH_VALUE else 1
    if at >= len(words) or words[at] not in _FIRST_VERB:
        return words
    rest = words[at + 1 :]
    if rest and (not rest[0].startswith("-") or rest[0] in _HELP):
        return words
    return [*words[: at + 1], _FIRST_VERB[words[at]], *rest]
