"""Slips that a small model makes in a shell command, mended in its text before the command is a call. Pure.

Each rule knows one mistake that is one whatever the goal: an option that does not exist here, a pattern that needs -E,
output that overwrites its own input. Only the words in question are rewritten, the rest stays to the letter; a command
that shell_words does not read with certainty is left alone. What is permitted and run is the mended command.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from llmos.core.shell_mend_files import FILE_RULES
from llmos.core.shell_mend_line import Edit, Line
from llmos.core.shell_mend_text import TEXT_RULES
from llmos.core.shell_words import NotClosed, NotParsed

_ROUNDS = 16
"""Edits of one command; each rule leaves a text behind in which it finds nothing more."""
_PROMPT = re.compile(r"^\$ +(?=\w)", re.MULTILINE)
_PROGRAM = re.compile(r"[a-z][a-z0-9_+-]*")
BUILTINS = frozenset(
    """alias bg bind break builtin caller cd command compgen complete continue declare dirs disown echo enable eval
    exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd printf pushd
    pwd read readarray readonly return set shift shopt source suspend test time times trap true type typeset
    ulimit umask unalias unset wait if then else elif fi for while until do done case esac in select function
    coproc""".split()
)
"""Words that bash knows by itself."""
_RULES = (*TEXT_RULES, *FILE_RULES)


def mended(command: str) -> str:
    """The command without the slips that are known; the same text where there are none. Total."""
    text = _PROMPT.sub("", command)
    for _ in range(_ROUNDS):
        try:
            line = Line(text)
        except NotParsed:
            return text
        edits = next((found for rule in _RULES for one in line.commands if (found := rule(line, one))), None)
        if not edits:
            return text
        text = _applied(text, edits)
    return text


def unrunnable(command: str, is_program: Callable[[str], bool]) -> str:
    """Why no shell can run the command as a whole, or nothing; `is_program` knows the programs of this machine. Total.

    Only the first words of commands that lie open are asked about: a name that the text itself gives may be a function.
    """
    try:
        line = Line(command)
    except NotClosed as error:
        return str(error)
    except NotParsed:
        return ""
    unknown = (
        one.name
        for one in line.commands
        if one.head is not None and _PROGRAM.fullmatch(one.name) and not one.loop and not is_program(one.name)
    )
    return next((f"there is no program {name} here" for name in unknown), "")


def _applied(text: str, edits: list[Edit]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text
