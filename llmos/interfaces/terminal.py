"""The consoles that everything is printed to, made in one place so that each obeys the same variables.

NO_COLOR takes colour away, FORCE_COLOR gives it to what is no terminal, TERM=dumb and `--plain` (or LLMOS_PLAIN) take
boxes, spinners and colour away; what is no terminal is never drawn on.
"""

from __future__ import annotations

import os
import sys

from rich.console import Console

from llmos.interfaces.layout import wants_colour


def make_console(*, stderr: bool = False, plain: bool = False) -> Console:
    """A console on a stream of this process."""
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    environ = dict(os.environ)
    if plain or environ.get("LLMOS_PLAIN"):
        environ["TERM"] = "dumb"
        environ.pop("FORCE_COLOR", None)
    forced = not terminal and "FORCE_COLOR" in environ and wants_colour(stream)
    return Console(
        stderr=stderr,
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=terminal,
        color_system="standard" if forced else "auto",
        _environ=environ,
    )
