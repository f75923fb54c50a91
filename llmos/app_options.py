"""What a command line may override."""

from __future__ import annotations

from pathlib import Path

from llmos.core.dataclass import dataclass
from llmos.core.spending import SharedCap


@dataclass(frozen=True, slots=True)
class AppOptions:
    """What a command line may override."""

    workspace: Path | None = None
    model: str | None = None
    max_cost: float | None = None
    max_steps: int | None = None
    mode: str | None = None
    """The permission mode."""
    unsafe_no_sandbox: bool = False
    """The person names the risk: commands run with their own rights."""
    offline: bool = False
    """No model is asked for anything: not to answer, not to judge."""
    freeze: bool = False
    """Nothing is written to the workspace: no trace, outcome, transcript, index, cache or copy of a file."""
    shared_cap: SharedCap | None = None
    """A cap over this and other sessions, such as the goals of a batch."""
    worker: str = ""
    """The name of the worker that this process is: its traces are its own, and are brought together with the shared."""
