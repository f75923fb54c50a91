"""What the configuration makes of the traces: how they are matched, judged and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

from llmos.core.policy import Thresholds
from llmos.core.ports import Embedder, Model
from llmos.core.tool import Tool
from llmos.memory.config_schema import Matching
from llmos.memory.examples import Examples
from llmos.memory.judgements import Judgements
from llmos.memory.quarantine import Quarantine
from llmos.memory.trace_analyzer import TraceAnalyzer
from llmos.memory.traces_sdk import TraceManager
from llmos.memory.workspace import Workspace


def open_traces(
    matching: Matching,
    space: Workspace,
    *,
    judging: Callable[[], Model] | None,
    embedder: Callable[[], Embedder | None],
    tools: Mapping[str, Tool],
    frozen: bool,
    quarantine: Quarantine,
    folder: Path,
) -> TraceManager:
    """The traces of a workspace, in `traces/` of `folder`.

    `judging` gives the model that judges likeness, None where no model may be asked.
    """
    analyzer = None
    if matching.judge and judging is not None:
        analyzer = TraceAnalyzer(make=judging, known=Judgements(None if frozen else space.derived, space.home))
    return TraceManager(
        space.memories,
        folder,
        analyzer is not None,
        home=space.home,
        analyzer=analyzer,
        examples=Examples(starter_folders(), embedder),
        tool_versions={name: tool.spec.version for name, tool in tools.items()},
        thresholds=Thresholds(matching.follower, matching.mixed),
        frozen=frozen,
        judged_replay=matching.judged_replay,
        quarantine=quarantine,
    )


def starter_folders() -> list[Path]:
    """Folders of the examples that ship with llmos: in the wheel, or at the top of a source checkout."""
    packaged = Path(str(resources.files("llmos"))) / "starter" / "traces"
    if packaged.is_dir():
        return [packaged]
    checkout = Path(str(resources.files("llmos"))).parent
    return [checkout / "traces"] if (checkout / "pyproject.toml").is_file() else []
