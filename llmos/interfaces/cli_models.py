"""`llmos models`: the embedded models that are known, fetched and removed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmos.core.errors import ExitStatus, LlmosError
from llmos.interfaces.cli_shared import say, write

if TYPE_CHECKING:
    from llmos.core.catalogue import CatalogueModel
    from llmos.memory.model_store import ModelStore, Progress

app = typer.Typer(
    help="Models that run on this machine. Without a command: list.", no_args_is_help=True, rich_markup_mode=None
)

_PERCENT_STEP = 5


@app.callback()
def models() -> None:
    """Embedded models, which answer without a key and cost nothing."""


@app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False) -> None:
    """Show the models that llmos knows and whether they are here.

    \b
    Examples:
      llmos models list
      llmos models list --json
    """
    from llmos.core.catalogue import FETCHABLE, MINILM

    store = _store()
    if as_json:
        paths = [(entry, store.find(entry)) for entry in FETCHABLE]
        rows = [
            {
                "name": entry.name,
                "bytes": entry.size_bytes,
                "licence": entry.licence,
                "default": entry.default,
                "path": str(path) if path else None,
            }
            for entry, path in paths
        ]
        write(json.dumps(rows, indent=2))
        return
    for entry in FETCHABLE:
        path = store.find(entry)
        part = store.part_path(entry)
        state = "here" if path else ("partly fetched" if part.exists() else "not here")
        chosen = ", the default" if entry.default else ", finds memories by meaning" if entry is MINILM else ""
        write(f"{entry.name}  {_size(entry.size_bytes)}  {entry.licence}  {state}{chosen}")
        write(f"    {path or entry.source_page}")
    write(f"folder: {store.folder}")


@app.command()
def pull(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A name or a part of one; the default model else.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Take the model from this file, without a network.")
    ] = None,
) -> None:
    """Fetch a model, check its SHA-256 and keep it. A pull that was cut off goes on where it stopped.

    With a language model comes the small embedder, which finds saved runs and memories by meaning.

    \b
    Examples:
      llmos models pull
      llmos models pull 0.5b
      llmos models pull 1.5b --from ~/Downloads/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf
    """
    from llmos.core.catalogue import MINILM

    entry, store = _named(name), _store()
    write(str(_fetch(entry, store, source)))
    if entry is not MINILM and source is None and store.find(MINILM) is None:
        try:
            _fetch(MINILM, store, None)
        except LlmosError as error:  # what it finds by meaning is found by words without it
            say(f"{MINILM.name} is not here, and {entry.name} works without it: {error}")


def _fetch(entry: CatalogueModel, store: ModelStore, source: Path | None) -> Path:
    """Where the model is, fetched unless it is here. Raises LlmosError."""
    import asyncio

    if store.find(entry) is not None:
        say(f"{entry.name} is here already")
        return store.path(entry)
    say(f"fetching {entry.name} ({_size(entry.size_bytes)}, {entry.licence}, by {entry.author})")
    try:
        path = asyncio.run(_pull(entry, store, source))
    except KeyboardInterrupt:
        say("stopped; the next pull goes on from here")
        raise typer.Exit(ExitStatus.INTERRUPTED) from None
    say(f"{entry.name} is whole and checked")
    return path


@app.command()
def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="A name or a part of one.")]) -> None:
    """Delete a model file and what a pull left of it.

    \b
    Example:
      llmos models remove 0.5b
    """
    entry, store = _named(name), _store()
    freed = store.remove(entry)
    write(f"removed {entry.name}, {_size(freed)} freed" if freed else f"{entry.name} was not here")


async def _pull(entry: CatalogueModel, store: ModelStore, source: Path | None) -> Path:
    from llmos.adapters.model_download import pull as fetch

    with _progress(entry) as tell:
        return await fetch(entry, store=store, progress=tell, source=source)


def _progress(entry: CatalogueModel) -> AbstractContextManager[Progress]:
    """A bar on a terminal, a line every few percent elsewhere."""
    if sys.stderr.isatty():
        return _bar(entry)
    return nullcontext(percent_lines(say))


def _bar(entry: CatalogueModel) -> AbstractContextManager[Progress]:
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    @contextmanager
    def shown() -> Iterator[Callable[[int, int], None]]:
        columns = (BarColumn(bar_width=None), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(entry.name, total=entry.size_bytes)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    return shown()


def percent_lines(tell: Callable[[str], None]) -> Progress:
    """Progress as sentences, one for each five percent."""
    shown = -1

    def progress(done: int, total: int) -> None:
        nonlocal shown
        percent = done * 100 // total if total else 100
        if percent // _PERCENT_STEP > shown // _PERCENT_STEP or shown < 0:
            shown = percent
            tell(f"{percent} % ({_size(done)} of {_size(total)})")

    return progress


def _named(name: str | None) -> CatalogueModel:
    from llmos.core.catalogue import default_model, find_model

    return find_model(name) if name else default_model()


def _store() -> ModelStore:
    from llmos.memory.model_store import ModelStore, models_folder

    return ModelStore(models_folder(os.environ, Path.home()))


def _size(count: int) -> str:
    return f"{count / 1_000_000:,.0f} MB"
