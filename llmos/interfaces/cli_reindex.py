"""`llmos reindex`: everything in `.llmos/` that is derived from the files, made again."""

from __future__ import annotations

import sys

import typer

from llmos.interfaces.cli_shared import WorkspaceOption, open_app, say, write


def reindex(ctx: typer.Context, workspace: WorkspaceOption = None) -> None:
    """Build the indexes again from the files. They are of saved runs, messages and vectors.

    Nothing of the record changes. One that was interrupted goes on where it stopped.

    \b
    Example:
      llmos reindex
    """
    opened = open_app(ctx, workspace)
    from llmos.interfaces.actions_reindex import reindex_all
    from llmos.memory.reindex import Stage

    shows = sys.stderr.isatty()

    def report(stage: Stage, done: int, of: int) -> None:
        if shows:
            sys.stderr.write(f"\r{stage.noun}: {done:,} of {of:,}\x1b[K")
            sys.stderr.flush()

    for sentence in reindex_all(opened, report):
        if shows:
            sys.stderr.write("\r\x1b[K")
        write(sentence)
    if opened.embedder() is None:
        say("no vectors were made: `llmos models pull minilm` gets the model that finds by meaning")
