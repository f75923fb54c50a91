"""What tests share: a clean environment, and a small world in which a dispatcher works with real tools."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cli_world import api, kept, llmos, work  # noqa: F401 - fixtures
from cluster_world import cluster  # noqa: F401 - a fixture
from hypothesis import settings

from llmos.adapters.bash_parser import parse_bash
from llmos.core.events import Event
from llmos.core.permission import Rule
from llmos.core.policy import TurnLimits
from llmos.core.ports import Ask, Emit, Model
from llmos.core.tool import Tool, ToolContext
from llmos.engine.invoke import Invoker
from llmos.engine.step_backups import BackupLimits
from llmos.interfaces.delegating import NO_AGENTS, Agents
from llmos.interfaces.dispatcher import Dispatcher
from llmos.interfaces.orchestrating import AskPlan
from llmos.interfaces.session_parts import SessionParts
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.record import Record
from llmos.memory.trace_analyzer import TraceAnalyzer
from llmos.memory.traces_sdk import TraceManager
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock
from llmos.tools import builtin_tools

# Half of hypothesis' own number, so that the suite ends within its time; HYPOTHESIS_EXAMPLES=1000 looks longer.
settings.register_profile("suite", max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "50")))
settings.load_profile("suite")

_SCRUBBED = ("ANTHROPIC_", "LLMOS_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No credential, no setting and no home folder of the person who runs the tests reaches them."""
    models = os.environ.get("LLMOS_MODELS") or str(Path.home() / ".local/share/llmos/models")
    for name in list(os.environ):
        if name.startswith(_SCRUBBED):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LLMOS_HOME", str(tmp_path_factory.mktemp("home") / ".llmos"))
    monkeypatch.setenv("LLMOS_MODELS", models)
    yield


@dataclass
class World:
    """A working directory, a workspace and a home, in which dispatchers come and go."""

    root: Path
    clock: FixedClock = field(default_factory=FixedClock)
    events: list[Event] = field(default_factory=list)
    tools: dict[str, Tool] = field(default_factory=builtin_tools)
    sessions: int = 0
    judged_replay: bool = False
    """Whether what a large model judges the same may be replayed."""
    records: list[Record] = field(default_factory=list)

    @property
    def cwd(self) -> Path:
        return self.root / "work"

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def record(self, judge: Model | None = None) -> Record:
        """The record as a new process opens it; `judge` judges how alike goals are."""
        self.sessions += 1
        memories, derived = self.workspace / "memories", self.workspace / ".llmos"
        made = Record(
            traces=TraceManager(
                memories,
                self.workspace,
                enable_llm_matching=judge is not None,
                analyzer=TraceAnalyzer(judge),
                judged_replay=self.judged_replay,
                home=self.home,
                tool_versions={name: tool.spec.version for name, tool in self.tools.items()},
            ),
            transcript=Transcript(
                memories / "recall", derived / "open", session=f"session{self.sessions}", clock=self.clock
            ),
            memory=MemoryEngine(memories / "core", memories / "archival"),
            nested=NestedLearning(memories / "recall", derived),
        )
        self.records.append(made)
        return made

    def dispatcher(
        self,
        model: Model | Callable[[], Model],
        *,
        ask: Ask | None = None,
        grant_all: bool = True,
        rules: Sequence[Rule] = (),
        limits: TurnLimits = TurnLimits(),
        judge: Model | None = None,
        emit: Emit | None = None,
        ask_plan: AskPlan | None = None,
        agents: Agents = NO_AGENTS,
    ) -> Dispatcher:
        """A new session. `model` is one, or what gives one on demand."""
        record = self.record(judge)

        def invoker(emit: Callable[[Event], None]) -> Invoker:
            return Invoker(
                tools=self.tools,
                rules=rules,
                context=ToolContext(cwd=self.cwd, timeout_s=20),
                backups=BackupLimits(self.workspace / "backups" / f"session{self.sessions}"),
                emit=emit,
                ask=ask,
                grant_all=grant_all,
                parse_shell=parse_bash,
                monotonic=self.clock.monotonic,
            )

        return Dispatcher(
            SessionParts(
                record=record,
                model=model if not hasattr(model, "reply") else lambda: model,  # type: ignore[arg-type,return-value]
                clock=self.clock,
                limits=limits,
                workspace=self.workspace,
                agents=agents,
                ask_plan=ask_plan,
            ),
            invoker=invoker,
            emit=emit or self.events.append,
        )

    def take_events(self) -> list[Event]:
        """What was emitted since the last time."""
        taken, self.events[:] = list(self.events), []
        return taken


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.cwd.mkdir()
    made.workspace.mkdir()
    yield made
    for record in made.records:
        record.traces.close()
        record.transcript.close()
