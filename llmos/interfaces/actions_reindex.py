"""Making what is derived again, without a command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from llmos.app import App
from llmos.memory.reindex import Stage, message_stage, passage_stage, reindex, trace_stage, vector_stage
from llmos.memory.workspace import make_derived_folder


def reindex_all(app: App, report: Callable[[Stage, int, int], None]) -> Iterator[str]:
    """Carry it out; a sentence after each stage. Raises LlmosError."""
    make_derived_folder(app.workspace)
    stages = [trace_stage(app.traces), message_stage(app.recall), vector_stage(app.recall)]
    if app.embedder() is not None and next(iter(app.memory.passage_files()), None) is not None:
        stages.append(passage_stage(app.memory, app.archival, app.workspace.derived / "chroma"))
    for stage, count, went_on in reindex(app.workspace.derived, [s for s in stages if s is not None], report):
        yield f"{stage.noun}: {count:,}" + (" (went on where it had stopped)" if went_on else "")
    if app.archival.problem:
        yield f"no vectors of passages: {app.archival.problem}"
