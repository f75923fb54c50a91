"""`llmos run` from its words to its exit code, and the short way around the command line's parser.

typer and the checks behind it take as long to load as a whole replay. So words that need no help, conversion or error
are read here; everything else is left to typer, and a test holds both against each other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from llmos.core.errors import UsageError
from llmos.interfaces.startup import working_folder

OutputName: TypeAlias = Literal["text", "json", "stream-json"]
ModeName: TypeAlias = Literal["read-only", "ask", "accept-edits", "trusted"]

_FLAGS = {
    "--yes": "yes",
    "-y": "yes",
    "--dry-run": "dry_run",
    "--offline": "offline",
    "--freeze": "freeze",
    "--explain": "explain",
    "--verbose": "verbose",
    "-v": "verbose",
    "--quiet": "quiet",
    "-q": "quiet",
    "--plain": "plain",
    "--continue": "go_on",
    "-c": "go_on",
    "--unsafe-no-sandbox": "unsafe_no_sandbox",
}
_VALUES = {
    "--output-format": "output_format",
    "-o": "output_format",
    "--mode": "mode",
    "--model": "model",
    "--workspace": "workspace",
}
_WORDS = {
    "output_format": ("text", "json", "stream-json"),
    "mode": ("read-only", "ask", "accept-edits", "trusted"),
}


def read_plainly(words: Sequence[str]) -> dict[str, Any] | None:
    """What the words after `run` say, by the names of `run_command`; None where typer has to look at them."""
    found: dict[str, Any] = {}
    goal: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            goal.append(word)
        elif word in _FLAGS:
            found[_FLAGS[word]] = True
        elif (name := _VALUES.get(word)) is not None:
            value = next(rest, "-")
            if value.startswith("-") or value == "" or value not in _WORDS.get(name, (value,)):
                return None
            found[name] = Path(value) if name == "workspace" else value
        else:
            return None
    return {**found, "goal": goal} if goal else None


def run_command(
    *,
    goal: Sequence[str],
    model: str | None = None,
    workspace: Path | None = None,
    max_cost: float | None = None,
    yes: bool = False,
    dry_run: bool = False,
    offline: bool = False,
    freeze: bool = False,
    explain: bool = False,
    output_format: OutputName = "text",
    verbose: bool = False,
    quiet: bool = False,
    plain: bool = False,
    mode: ModeName | None = None,
    json_schema: Path | None = None,
    go_on: bool = False,
    resume: str | None = None,
    unsafe_no_sandbox: bool = False,
    max_steps: int | None = None,
) -> int:
    """Carry out one goal; the exit code. Raises UsageError."""
    if quiet and verbose:
        raise UsageError("--quiet and --verbose contradict one another; give one of them")
    from llmos.app import AppOptions
    from llmos.interfaces.output import OutputFormat
    from llmos.interfaces.run import RunOptions, run_goal

    options = RunOptions(
        app=AppOptions(
            workspace=workspace,
            model=model,
            max_cost=max_cost,
            max_steps=max_steps,
            mode=mode,
            unsafe_no_sandbox=unsafe_no_sandbox,
            offline=offline,
            freeze=freeze,
        ),
        words=goal,
        yes=yes,
        dry_run=dry_run,
        form=OutputFormat(output_format),
        verbose=verbose,
        explain=explain,
        quiet=quiet,
        plain=plain or draws_nothing(os.environ),
        resume=chosen_session(go_on, resume),
        json_schema=json_schema,
    )
    return run_goal(options, cwd=working_folder(), environ=os.environ)


def draws_nothing(environ: Mapping[str, str]) -> bool:
    """Whether a variable says that nothing is to be drawn, or the terminal can draw nothing."""
    return bool(environ.get("LLMOS_PLAIN")) or environ.get("TERM") == "dumb"


def chosen_session(go_on: bool, resume: str | None) -> str | None:
    """Which session `-c` and `--resume` mean, as interfaces/actions_resume.py takes it; None: a new one."""
    if go_on and resume is not None:
        raise UsageError("-c and --resume both choose a session; give one of them")
    if not go_on:
        return resume
    from llmos.interfaces.actions_resume import LAST

    return LAST
