"""How deep this llmos runs inside commands of others: a saved run that calls llmos must come to an end. Pure.

The number goes along in the environment of every command, past the list of variables that are let through. A command
that takes it away from itself begins at the top again; budgets, limits and the replay lock hold there as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmos.core.errors import UsageError

DEPTH = "LLMOS_DEPTH"
MOST = 3
"""A Makefile that calls llmos is ordinary, and so is one below it; what is deeper calls itself."""


def depth_of(environ: Mapping[str, str]) -> int:
    """How many llmos this one runs inside of; beyond every limit for what is no such number."""
    said = environ.get(DEPTH, "0")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 6 else MOST + 1


def next_depth(environ: Mapping[str, str]) -> str:
    """What the commands of this llmos are told. Raises UsageError where it is too deep inside others itself."""
    depth = depth_of(environ)
    if depth > MOST:
        raise UsageError(
            f"this llmos was started by a command of another one, and {MOST} inside each other are the most "
            f"({DEPTH} is {environ[DEPTH][:20]!r}); probably a saved run calls itself: look at what runs `llmos`"
        )
    return str(depth + 1)
