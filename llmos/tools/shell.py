"""The shell tool: one bash command, its output bounded and its end certain.

Invariant: the command reads nothing from the terminal, sees no model credential in its environment, and its outcome
is never guessed: `ok` is exit code 0, a command that was ended has no exit code.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

from llmos.core.errors import ToolError
from llmos.core.sandbox import Confinement, Launch
from llmos.core.tool import Effect, ToolContext, ToolOutput
from llmos.tools import process, text
from llmos.tools.declare import Argument, tool

_HIDDEN_PREFIXES = ("ANTHROPIC_",)
_HIDDEN = frozenset({"BASH_ENV", "ENV"})  # each names a file that a non-interactive shell would run first
_SET = {"PAGER": "cat", "GIT_PAGER": "cat", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}

# Linux takes at most 128 KiB for one argument of a program.
_MAX_COMMAND_BYTES = 128 * 1024 - 1


@tool(effect=Effect.EXECUTE, uses=(process, text))
async def shell(
    command: Annotated[str, Argument("What bash runs; may be several lines.")],
    timeout_s: Annotated[
        float | None,
        Argument("Seconds after which the command is ended; the configured limit if left out or less.", gt=0),
    ] = None,
    *,
    context: ToolContext,
) -> ToolOutput:
    """Run a bash command in the working folder and return its output and exit code.

    Each call starts a fresh shell: `cd` and variables do not carry over. There is no terminal and no standard input.
    """
    limit_s = context.timeout_s if timeout_s is None else min(timeout_s, context.timeout_s)
    argv = _command_line(command)
    if not context.cwd.is_dir():
        raise ToolError(f"shell: the working folder {context.cwd} does not exist")
    with _launch(argv, command, context) as launch:
        try:
            ended = await process.run_session(
                launch.argv,
                cwd=context.cwd,
                env=launch.env,
                timeout_s=limit_s,
                output_bytes=context.output_bytes,
                pass_fds=launch.pass_fds,
                wrapped=launch.wrapped,
            )
        except FileNotFoundError as error:
            raise ToolError("shell: bash was not found on PATH") from error
    return _output(ended, limit_s, context.output_bytes, launch.undone)


def _launch(argv: list[str], command: str, context: ToolContext) -> AbstractContextManager[Launch]:
    """How the command is started: inside the boundary, where a person did not decide against one."""
    if context.sandbox is None or context.unheld:
        return nullcontext(Launch(argv, environment(os.environ)))
    confinement = Confinement(
        cwd=context.cwd,
        writable=context.allowed_roots,
        boundary=context.boundary,
        network=context.network(command),
        env_names=context.env_names,
    )
    return context.sandbox.launch(argv, confinement)


def environment(parent: Mapping[str, str]) -> dict[str, str]:
    """The parent's environment without model credentials and start-up files, and with nothing that pages or asks."""
    kept = {
        name: value
        for name, value in parent.items()
        if name not in _HIDDEN and not name.upper().startswith(_HIDDEN_PREFIXES)
    }
    return kept | _SET


def _command_line(command: str) -> list[str]:
    """The shell that runs the command. Raises ToolError for what no shell can be given."""
    if not command.strip():
        raise ToolError("shell: the command is empty")
    if "\0" in command:
        raise ToolError("shell: the command holds a NUL character, which no program can take")
    if len(command.encode()) > _MAX_COMMAND_BYTES:
        raise ToolError("shell: the command is over 128 KiB; write it to a file with write_file and run that")
    return ["bash", "--noprofile", "--norc", "-c", command]


def _output(ended: process.Ended, limit_s: float, cap: int, undone: Sequence[str]) -> ToolOutput:
    # Each stream was kept within the cap; together they share it, and what one does not need the other may use.
    out = ended.stdout.text(max(cap // 2, cap - ended.stderr.total))
    err = ended.stderr.text(max(cap // 2, cap - ended.stdout.total))
    parts = []
    if out:
        parts.append(out.removesuffix("\n"))
    if err:
        parts.append("[stderr]\n" + err.removesuffix("\n"))
    if not parts:
        parts.append("[no output]")
    parts.extend(_endings(ended, limit_s))
    if undone:
        parts.append(f"[put back as it was, because no command may change it: {', '.join(undone)}]")
    code = ended.returncode
    total = ended.stdout.total + ended.stderr.total
    return ToolOutput(
        text="\n".join(parts),
        ok=code == 0 and not undone,
        exit_code=code if code is not None and code >= 0 else None,
        truncated=total > cap,
        total_bytes=total,
        stdout=ended.stdout.text(),
    )


def _endings(ended: process.Ended, limit_s: float) -> list[str]:
    """What there is to say of the end of a command; nothing when it was plain success."""
    said = []
    code = ended.returncode
    if code is None:
        said.append(f"[ended after {limit_s:g} s: time limit]")
    elif code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        said.append(f"[killed by {name}]")
    elif code > 0:
        said.append(f"[exit code {code}]")
    if ended.still_open:
        said.append("[a background process still holds the output open; what it writes from now on is lost]")
    return said
