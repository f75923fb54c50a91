"""What a call reached beyond the working directory, as far as settings and links tell."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from llmos.core.messages import ToolCall
from llmos.core.provenance import uses_network
from llmos.core.tool import ToolContext


def reached(call: ToolCall, reads: Sequence[str], context: ToolContext) -> tuple[str, ...]:
    """The network and the places outside that a call reached, each as words that follow "step 2"."""
    return tuple(_reached(call, reads, context))


def _reached(call: ToolCall, reads: Sequence[str], context: ToolContext) -> Iterator[str]:
    command = call.args.get("command")
    if isinstance(command, str):
        # Where every command has the network, only one that names it is held to have used it.
        open_to_all = context.sandbox is None or context.unheld or context.network("")
        if open_to_all and uses_network(command):
            yield "names a program or a place of the network, and the network was open"
        elif not open_to_all and context.network(command):
            yield "was given the network (sandbox.network_for)"
    top = os.path.realpath(context.cwd)
    for path in reads:
        if not Path(os.path.realpath(context.cwd / path)).is_relative_to(top):
            yield f"read {path}, which leads out of the working directory"
