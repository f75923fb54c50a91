"""Work handed to another agent: its place in the log, its budget, and a role that can only tighten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import World

from llmos.core.agent_roles import AgentRole
from llmos.core.events import Event, MessageAdded, Nested, Outcome, PermissionDecided, TraceKept, TurnEnded, Verdict
from llmos.core.messages import ToolCall, ToolResult
from llmos.core.permission import PermissionMode
from llmos.core.policy import OrchestratorLimits, TurnLimits
from llmos.core.ports import ModelInfo, ModelReply, ModelRequest, PermissionAnswer, PermissionQuestion
from llmos.interfaces.delegating import Agents
from llmos.memory.agent_files import AgentFiles
from llmos.testing import model_reply

TOOLS = ("read_file", "write_file", "shell", "list_files", "delegate")


def no_such(name: str) -> object:
    raise AssertionError(name)


REVIEWER = AgentRole("reviewer", "reads and judges", "You change nothing.", frozenset({"read_file", "shell"}))
AGENTS = Agents(lambda: ({"reviewer": REVIEWER}, []), no_such)  # type: ignore[arg-type]


def hand(goal: str, agent: str = "reviewer", call: str = "d") -> ToolCall:
    return ToolCall(call, "delegate", {"goal": goal, "agent": agent})


class Worker:
    """Answers by the goal: for each, the replies in order. `seen` keeps the requests by their goal."""

    info = ModelInfo("worker", "nobody (a test)")

    def __init__(self, plays: dict[str, list[tuple[ToolCall, ...] | str]], wait_s: float = 0.0) -> None:
        self.plays = plays
        self.wait_s = wait_s
        self.seen: dict[str, list[ModelRequest]] = {}
        self.open_now = self.most_open = 0

    def reserve_usd(self, request: ModelRequest) -> float:
        return 0.01

    async def reply(self, request: ModelRequest, emit: Callable[[Event], None]) -> ModelReply:
        goals = [message.text for message in request.messages if message.role == "user" and message.text]
        goal = goals[-1].splitlines()[-1]
        self.seen.setdefault(goal, []).append(request)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await asyncio.sleep(self.wait_s)
        finally:
            self.open_now -= 1
        said = self.plays[goal][len(self.seen[goal]) - 1]
        return model_reply(said) if isinstance(said, str) else model_reply(*said)

    def abandoned_usd(self) -> float:
        return 0.0

    async def close(self) -> None: ...


LOOK = ToolCall("l", "shell", {"command": "cat a.txt"})
WRITE = ToolCall("w", "write_file", {"path": "b.txt", "content": "x"})


def results(events: list[Event]) -> list[str]:
    return [
        part.content
        for event in events
        if isinstance(event, MessageAdded)
        for part in event.message.parts
        if isinstance(part, ToolResult)
    ]


async def test_an_agent_works_in_the_log_and_on_the_account_of_the_turn(world: World) -> None:
    (world.cwd / "a.txt").write_text("one\n")
    model = Worker({
        "what is in a.txt, reviewed?": [(hand("say what is in a.txt"),), "It holds one."],
        "say what is in a.txt": [(LOOK,), "one"],
    })  # fmt: skip
    result = await world.dispatcher(model, agents=AGENTS).dispatch("what is in a.txt, reviewed?")
    events = world.take_events()
    assert (result.outcome, result.model_calls, result.cost_usd) == (Outcome.OK, 4, pytest.approx(0.004))
    assert results(events) == ["[reviewer-1 ended ok]\none"]
    inside = [event.event for event in events if isinstance(event, Nested) and event.parent == "reviewer-1"]
    assert isinstance(inside[-1], TurnEnded) and inside[-1].cost_usd == pytest.approx(0.002)
    kept = [event for event in events if isinstance(event, TraceKept)]
    assert [event.status for event in kept] == ["guidance"]
    assert kept[0].reason == "an agent did a part of it, and what it did stands in no step of this run"
    system = model.seen["say what is in a.txt"][0].system
    assert 'You work as the agent "reviewer"' in system and "> You change nothing." in system
    assert [tool.name for tool in model.seen["say what is in a.txt"][0].tools] == ["read_file", "shell"]


async def test_a_role_has_no_tool_that_it_does_not_name(world: World) -> None:
    model = Worker({
        "have b.txt written": [(hand("write b.txt"),), "It could not."],
        "write b.txt": [(WRITE,), "I cannot write."],
    })  # fmt: skip
    await world.dispatcher(model, agents=AGENTS).dispatch("have b.txt written")
    assert not (world.cwd / "b.txt").exists()
    inner = [event.event for event in world.take_events() if isinstance(event, Nested)]
    assert results(inner) == ["there is no tool 'write_file'; there are read_file, shell"]  # type: ignore[arg-type]


async def test_a_role_is_judged_in_its_stricter_mode_and_asks_by_its_name(world: World) -> None:
    asked: list[str] = []

    async def ask(question: PermissionQuestion) -> PermissionAnswer:
        asked.append(question.agent)
        return PermissionAnswer(False, "not now")

    strict = AgentRole("careful", "", "You look.", None, PermissionMode.READ_ONLY)
    agents = Agents(lambda: ({"careful": strict, "reviewer": REVIEWER}, []), no_such)  # type: ignore[arg-type]
    touch = ToolCall("t", "shell", {"command": "touch b.txt"})
    model = Worker({
        "have both try": [(hand("try it", "careful"),), (hand("try that"),), "Neither could."],
        "try it": [(touch,), "no"],
        "try that": [(touch,), "no"],
    })  # fmt: skip
    dispatcher = world.dispatcher(model, agents=agents, ask=ask, grant_all=False)
    dispatcher.permission_mode = PermissionMode.TRUSTED
    strict_only = await dispatcher.dispatch("have both try")
    assert strict_only.outcome is not None
    denied = [
        (event.parent, event.event.verdict)
        for event in world.take_events()
        if isinstance(event, Nested) and isinstance(event.event, PermissionDecided)
    ]
    assert ("careful-1", Verdict.DENY) in denied
    dispatcher.permission_mode = PermissionMode.ASK
    model.seen.clear()
    await dispatcher.dispatch("have both try")
    assert asked == ["reviewer-4"]  # an id is given once in a session


async def test_with_nobody_to_ask_an_agent_is_denied(world: World) -> None:
    touch = ToolCall("t", "shell", {"command": "touch b.txt"})
    model = Worker({"have it try": [(hand("try"),), "It could not."], "try": [(touch,), "no"]})
    await world.dispatcher(model, agents=AGENTS, grant_all=False).dispatch("have it try")
    denied = [event.event for event in world.take_events() if isinstance(event, Nested)]
    reasons = [event.reason for event in denied if isinstance(event, PermissionDecided)]
    assert len(reasons) == 1 and "there is nobody to ask" in reasons[0]


async def test_an_agent_has_a_budget_of_its_own_within_the_turn_s(world: World) -> None:
    cheap = AgentRole("cheap", "", "You are brief.", max_usd=0.0105)
    agents = Agents(lambda: ({"cheap": cheap}, []), no_such)  # type: ignore[arg-type]
    (world.cwd / "a.txt").write_text("one\n")
    model = Worker({"go": [(hand("look", "cheap"),), "It could not."], "look": [(LOOK,), "one"]})
    result = await world.dispatcher(model, agents=agents).dispatch("go")
    (said,) = results(world.take_events())
    assert said.startswith("[cheap-1 ended over_budget: the next call to worker may cost up to $0.0100")
    assert result.cost_usd == pytest.approx(0.003)


async def test_agents_that_one_reply_calls_work_side_by_side(world: World) -> None:
    model = Worker(
        {
            "look twice": [(hand("first look", call="d1"), hand("second look", call="d2")), "Both looked."],
            "first look": [(LOOK,), "one"],
            "second look": [(LOOK,), "one"],
        },
        wait_s=0.05,
    )
    (world.cwd / "a.txt").write_text("one\n")
    await world.dispatcher(model, agents=AGENTS).dispatch("look twice")
    assert model.most_open == 2
    assert results(world.take_events()) == ["[reviewer-1 ended ok]\none", "[reviewer-2 ended ok]\none"]


async def test_how_many_and_how_deep_is_limited(world: World) -> None:
    everyone = AgentRole("any", "", "You hand it on.")
    agents = Agents(lambda: ({"any": everyone}, []), no_such)  # type: ignore[arg-type]
    model = Worker({
        "go": [(hand("deep", "any"),), (hand("again", "any"),), (hand("nobody", "ghost"),), "Done."],
        "deep": [(ToolCall("d", "delegate", {"goal": "deeper", "agent": "any"}),), "It cannot."],
    })  # fmt: skip
    limits = TurnLimits(orchestrator=OrchestratorLimits(depth=1, max_agents=1))
    await world.dispatcher(model, agents=agents, limits=limits).dispatch("go")
    events = world.take_events()
    assert "delegate" not in [tool.name for tool in model.seen["deep"][0].tools]
    inner = [event.event for event in events if isinstance(event, Nested)]
    assert results(inner) == ["no agent can be called from here: orchestrator.depth allows no deeper one"]  # type: ignore[arg-type]
    assert results(events)[1:] == [
        "1 agents were called in this turn (orchestrator.max_agents)",
        "1 agents were called in this turn (orchestrator.max_agents)",
    ]


async def test_nobody_is_told_of_it_where_there_is_no_agent(world: World) -> None:
    model = Worker({"say hello": ["hello"]})
    await world.dispatcher(model).dispatch("say hello")
    assert "delegate" not in [tool.name for tool in model.seen["say hello"][0].tools]


async def test_stopping_stops_the_agents(world: World) -> None:
    nap = ToolCall("n", "shell", {"command": "touch begun; sleep 300.83"})
    worker = AgentRole("any", "", "You wait.")
    agents = Agents(lambda: ({"any": worker}, []), no_such)  # type: ignore[arg-type]
    model = Worker({"wait": [(hand("wait long", "any"),)], "wait long": [(nap,)]})
    task = asyncio.ensure_future(world.dispatcher(model, agents=agents).dispatch("wait"))
    for _ in range(500):
        if (world.cwd / "begun").exists():
            break
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    events = world.take_events()
    inner = [event.event for event in events if isinstance(event, Nested)]
    ends = [inner[-1], events[-1]]
    assert [event.outcome for event in ends if isinstance(event, TurnEnded)] == [Outcome.INTERRUPTED] * 2


class TestFiles:
    def write(self, folder: Path, name: str, head: str, body: str = "You work.\n") -> None:
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.md").write_text(f"---\nformat: llmos-agent/1\n{head}---\n{body}")

    @pytest.mark.parametrize(
        ("head", "sentence"),
        [
            ("tools: [root_shell]\n", "there is no tool 'root_shell'; there are"),
            ("model: gpt-9-huge\n", "a project cannot choose the model 'gpt-9-huge'; it may name inherit or one of"),
            ("mode: reckless\n", "mode must be one of read-only, ask, accept-edits, trusted"),
            ("base_url: http://evil.example\n", "base_url is no key of an agent"),
            ("name: other\n", "name must be the file's, of small letters, digits and -, and it is 'other'"),
            ("tools: shell\n", "tools must be a list of names"),
            ("max_usd: -1\n", "max_usd must be a number of dollars, 0 or more"),
        ],
    )
    def test_a_file_that_asks_for_more_is_left_out_and_the_others_hold(
        self, tmp_path: Path, head: str, sentence: str
    ) -> None:
        self.write(tmp_path / "agents", "bad", head)
        self.write(tmp_path / "agents", "good", "description: fine\n")
        roles, problems = AgentFiles(tmp_path / "agents", TOOLS, frozenset({"claude-haiku-5-5"})).read()
        assert list(roles) == ["good"]
        assert len(problems) == 1 and sentence in problems[0] and "bad.md" in problems[0]

    def test_the_persons_own_agents_may_name_any_model(self, tmp_path: Path) -> None:
        self.write(tmp_path / "agents", "own", "model: gpt-9-huge\n")
        roles, problems = AgentFiles(tmp_path / "agents", TOOLS, None).read()
        assert (roles["own"].model, problems) == ("gpt-9-huge", [])

    def test_no_folder_is_no_agent(self, tmp_path: Path) -> None:
        assert AgentFiles(tmp_path / "agents", TOOLS, None).read() == ({}, [])
