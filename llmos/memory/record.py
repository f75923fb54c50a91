"""The record of one workspace, as a turn uses it."""

from __future__ import annotations

from llmos.core.dataclass import dataclass
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.traces_sdk import TraceManager
from llmos.memory.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that a turn reads from the record or writes to it."""

    traces: TraceManager
    transcript: Transcript
    memory: MemoryEngine
    nested: NestedLearning
