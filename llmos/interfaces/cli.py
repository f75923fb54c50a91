"""The `llmos` command: one sentence with an exit code for every way it can end.

Invariant: nothing that a person can cause ends in a traceback. The version is told before anything is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING

from llmos import __version__
from llmos.core.depth import DEPTH, next_depth
from llmos.core.errors import ExitStatus
from llmos.interfaces.run_command import read_plainly, run_command
from llmos.interfaces.startup import collect_later

if TYPE_CHECKING:
    import typer


_COMPLETING = "_LLMOS_COMPLETE"
"""A shell that completes a line sets it and calls the program."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Nothing that a person can cause ends in a traceback."""
    collect_later()
    _open_missing_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a list has seen enough; Python would complain at exit while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = ExitStatus.OK
    except OSError as error:
        status = _told(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.stderr.write("llmos: interrupted\n")
        status = ExitStatus.INTERRUPTED
    return int(status)


def _run(words: list[str]) -> int:
    if words in (["version"], ["--version"]):
        sys.stdout.write(f"llmos {__version__}\n")
        return ExitStatus.OK
    try:
        given = read_plainly(words[1:]) if words[:1] == ["run"] and _COMPLETING not in os.environ else None
        with _deeper():
            return run_command(**given) if given is not None else _run_parsed(words)
    except BrokenPipeError:
        raise
    except Exception as error:  # every way out of the program says one sentence
        return _told(error)


def _told(error: Exception) -> int:
    from llmos.interfaces.failures import failure_of

    sentence, status = failure_of(error, os.environ)
    _say(sentence)
    return status


def _run_parsed(words: list[str]) -> int:
    """Have typer read the words, which takes time to load. Raises what a command raises, and BrokenPipeError."""
    import typer

    from llmos.interfaces.cli_shared import ReaderGoneError
    from llmos.interfaces.commands import app
    from llmos.interfaces.usage_words import usage_sentence, with_verb

    words = with_verb(words)
    try:
        code = _only_named(app, words)(_with_values(words), prog_name="llmos", standalone_mode=False)
        return code if isinstance(code, int) else ExitStatus.OK
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "llmos"
        _say(usage_sentence(error.format_message(), path, words))
        return ExitStatus.BAD_USAGE
    except typer.Abort:
        raise KeyboardInterrupt from None
    except ReaderGoneError:
        raise BrokenPipeError from None


def _say(sentence: str) -> None:
    from llmos.interfaces.cli_shared import say

    say(sentence)


@contextmanager
def _deeper() -> Iterator[None]:
    """What this process starts is told that it runs inside of llmos. Raises UsageError where that is too deep."""
    before = os.environ.get(DEPTH)
    os.environ[DEPTH] = next_depth(os.environ)
    try:
        yield
    finally:
        if before is None:
            del os.environ[DEPTH]
        else:
            os.environ[DEPTH] = before


def _only_named(app: typer.Typer, words: list[str]) -> typer.Typer:
    """The app with the one command that the first word names, where it names one.

    typer reads the annotations of every command before it runs one of them, which takes longer than a replay.
    """
    named = [
        command
        for command in app.registered_commands
        if words and command.callback is not None and words[0] == (command.name or command.callback.__name__)
    ]
    if len(named) != 1:
        return app
    narrowed = copy(app)
    narrowed.registered_commands, narrowed.registered_groups = named, []
    return narrowed


def _with_values(words: list[str]) -> list[str]:
    """`--resume` may stand without a value, which typer cannot say: it then gets an empty one."""
    last = len(words) - 1
    return [
        "--resume=" if word == "--resume" and (at == last or words[at + 1].startswith("-")) else word
        for at, word in enumerate(words)
    ]


def _open_missing_streams() -> None:
    """A daemon may start a process without them; and an answer must not fail because of its letters."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
