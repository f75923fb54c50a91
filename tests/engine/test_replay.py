"""Replays with real commands in a real directory: right where nothing changed that matters, else not at all.

Each pair runs a goal once with a scripted model, changes the world, and runs the goal again without a model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import World

from llmos.core.errors import NoModelError
from llmos.core.events import Mode, Outcome, PlanMade, StepChecked, ToolStarted, TraceKept
from llmos.core.messages import ToolCall
from llmos.core.ports import Model
from llmos.interfaces.turn import TurnResult
from llmos.testing import ScriptedModel, model_reply

OTHER = "its output is another than the one that the next step was chosen by"


def shell(command: str) -> ToolCall:
    return ToolCall("c", "shell", {"command": command})


def no_model() -> Model:
    raise NoModelError("no model can answer")


async def learn(world: World, goal: str, *calls: ToolCall, answer: str) -> TraceKept:
    """Run the goal with a model that makes these calls one after the other; what was kept of it."""
    model = ScriptedModel([*(model_reply(call) for call in calls), model_reply(answer)])
    result = await world.dispatcher(model).dispatch(goal)
    assert (result.mode, result.outcome) == (Mode.LEARNER, Outcome.OK), result
    (kept,) = [event for event in world.take_events() if isinstance(event, TraceKept)]
    return kept


async def again(world: World, goal: str) -> TurnResult:
    return await world.dispatcher(no_model).dispatch(goal)


def ran(world: World) -> list[str]:
    """The commands that were run since the last look."""
    return [str(event.args.get("command")) for event in world.take_events() if isinstance(event, ToolStarted)]


def files(world: World, **contents: str) -> None:
    for name, content in contents.items():
        (world.cwd / name.replace("__", ".")).write_text(content)


class TestRightReplays:
    async def test_an_answer_follows_the_world(self, world: World) -> None:
        files(world, a__txt="1\n2\n")
        goal = "how many lines does a.txt have?"
        await learn(world, goal, shell("wc -l a.txt"), answer="a.txt has 2 lines.")
        files(world, a__txt="1\n2\n3\n")
        assert (await again(world, goal)).answer == "a.txt has 3 lines."

    async def test_a_second_step_that_rests_on_the_first_is_run_when_that_says_the_same(self, world: World) -> None:
        files(world, big__log="x" * 99 + "\n", small__log="x\n")
        goal = "how many lines does the largest file have?"
        await learn(world, goal, shell("ls -S | head -1"), shell("wc -l < big.log"), answer="1")
        with (world.cwd / "big.log").open("a") as file:
            file.write("y\n")
        assert (await again(world, goal)).answer == "2"

    async def test_another_directory_is_no_difference(self, world: World) -> None:
        files(world, a__txt="1\n")
        goal = "where am I, and how many lines does a.txt have?"
        await learn(world, goal, shell("pwd"), shell("wc -l < a.txt"), answer="1")
        world.cwd.rename(world.root / "work2")
        world.cwd.mkdir()
        files(world, a__txt="1\n2\n")
        assert (await again(world, goal)).answer == "2"

    async def test_a_step_that_is_already_so_is_left_out_and_the_answer_comes_from_the_rest(self, world: World) -> None:
        goal = "write square.py that prints the square of the number in n.txt, and run it"
        files(world, n__txt="3")
        script = "print(int(open('n.txt').read()) ** 2)\n"
        await learn(
            world,
            goal,
            ToolCall("c", "write_file", {"path": "square.py", "content": script}),
            shell("python3 square.py"),
            answer="9",
        )
        files(world, n__txt="4")
        assert (await again(world, goal)).answer == "16"

    async def test_a_session_that_was_open_before_sees_what_another_learned(self, world: World) -> None:
        early = world.dispatcher(no_model)
        files(world, a__txt="1\n")
        await learn(world, "count the lines of a.txt", shell("wc -l < a.txt"), answer="1")
        assert (await early.dispatch("count the lines of a.txt")).mode is Mode.FOLLOWER

    async def test_a_failing_look_that_fails_again_is_as_recorded(self, world: World) -> None:
        goal = "create a.txt unless b.txt is there"
        await learn(world, goal, shell("test -f b.txt"), shell("touch a.txt"), answer="Created a.txt.")
        (world.cwd / "a.txt").unlink()
        assert (await again(world, goal)).answer == "Created a.txt."


def rewrite(**contents: str) -> Callable[[World], None]:
    return lambda world: files(world, **contents)


def remove(name: str) -> Callable[[World], None]:
    return lambda world: (world.cwd / name).unlink()


@pytest.mark.parametrize(
    ("before", "goal", "calls", "answer", "change", "reason"),
    [
        pytest.param(
            {"stat__txt": "1 file changed, 5 insertions(+)\n"},
            "how many lines did I add",
            [shell("cat *.txt")],
            "5",
            rewrite(stat__txt="1 file changed, 5 deletions(-)\n"),
            "the outputs no longer hold what the answer is computed from",
            id="the field stands in another sentence",
        ),
        pytest.param(
            {"who__txt": "Ann abc123\n"},
            "which commit is the newest",
            [shell("cat *.txt")],
            "abc123",
            rewrite(who__txt="Ann Lee def456\n"),
            "the outputs no longer hold what the answer is computed from",
            id="there are more fields than before",
        ),
        pytest.param(
            {"n__txt": "a.txt 30\n"},
            "how long is a.txt",
            [shell("cat n*")],
            "a.txt: 30",
            rewrite(n__txt="b.txt 50\n"),
            "the outputs no longer hold what the answer is computed from",
            id="the line is about another file",
        ),
        pytest.param(
            {"a__py": ""},
            "what is the largest python file",
            [shell("find . -name '*.py'")],
            "The largest file is ./a.py",
            rewrite(b__py=""),
            "the outputs no longer hold what the answer is computed from",
            id="a sentence about one thing, and there are two",
        ),
        pytest.param(
            {"a__py": ""},
            "which python files are here",
            [shell("find . -name '*.py'")],
            "./a.py",
            remove("a.py"),
            "step 1 (shell): expected output of the form 'line', got 'empty'",
            id="an answer made of nothing",
        ),
        pytest.param(
            {"a__txt": "1\n"},
            "how many lines do the text files have",
            [shell("cat *.txt | wc -l")],
            "1",
            remove("a.txt"),
            "step 1 (shell): it warned: cat: '*.txt': No such file or directory",
            id="a failure that the pipe swallowed",
        ),
        pytest.param(
            {"a__txt": "line\n"},
            "show the text files",
            [shell("cat *.txt")],
            "line",
            rewrite(a__txt="line\n" * 20_000),
            "the outputs no longer hold what the answer is computed from",
            id="more output than is kept",
        ),
        pytest.param(
            {"usage": "85%\n", "cache__tmp": "x"},
            "delete cache.tmp when usage is above 80%",
            [shell("cat usage"), shell("rm cache.tmp")],
            "Deleted cache.tmp.",
            rewrite(usage="20%\n", cache__tmp="x"),
            f"step 1 (shell): {OTHER}",
            id="the condition does not hold",
        ),
        pytest.param(
            {},
            "create a.txt unless b.txt is there",
            [shell("test -f b.txt"), shell("touch a.txt")],
            "Created a.txt.",
            lambda world: (files(world, b__txt=""), (world.cwd / "a.txt").unlink()),
            "step 1 (shell): expected exit code 1, got exit code 0",
            id="a look that had failed succeeds",
        ),
        pytest.param(
            {"big__log": "x" * 99, "small__log": "x\n"},
            "how many lines does the largest file have?",
            [shell("ls -S | head -1"), shell("wc -l < big.log")],
            "0",
            rewrite(small__log="y\n" * 99),
            f"step 1 (shell): {OTHER}",
            id="another file is the largest",
        ),
        pytest.param(
            {"a__cfg": "x=1\n"},
            "set x to 2 in a.cfg",
            [shell("sed -i s/x=1/x=2/ a.cfg")],
            "Set x to 2 in a.cfg.",
            lambda world: None,
            "step 1 (shell): a.cfg was changed when this was learned, and was not now",
            id="the change does not take place",
        ),
    ],
)
async def test_a_replay_that_is_not_right_stops_and_says_so(
    world: World,
    before: dict[str, str],
    goal: str,
    calls: list[ToolCall],
    answer: str,
    change: Callable[[World], object],
    reason: str,
) -> None:
    files(world, **before)
    kept = await learn(world, goal, *calls, answer=answer)
    assert (kept.status, kept.reason) == ("verified", "")
    change(world)
    kept_files = sorted(path.name for path in world.cwd.iterdir())
    result = await again(world, goal)
    assert (result.mode, result.outcome, result.answer) == (Mode.FOLLOWER, Outcome.DIVERGED, "")
    assert result.reason == f"{reason}; no model can answer"
    assert sorted(path.name for path in world.cwd.iterdir()) == kept_files


@pytest.mark.parametrize(
    ("before", "goal", "calls", "answer", "gate"),
    [
        pytest.param(
            {"a__log": "", "b__log": ""},
            "delete the log files",
            [shell("rm a.log b.log")],
            "Deleted a.log, b.log.",
            "status: a call names a.log, which the goal does not: another time it may be another file",
            id="names from the listing",
        ),
        pytest.param(
            {"a__py": "", "b__py": ""},
            "how many python files are here",
            [shell("echo 2")],
            "2",
            "status: the answer stands in the commands themselves, so it was not found out",
            id="an answer out of thin air",
        ),
        pytest.param(
            {"a__py": "", "a__txt": ""},
            "how many python files and how many text files are here",
            [shell("ls *.py | wc -l"), shell("ls *.txt | wc -l")],
            "1 python file and 1 text file",
            "status: which output the '1' of the answer comes from cannot be told",
            id="two outputs with one value",
        ),
        pytest.param(
            {},
            "create many.txt with a log",
            [shell("seq 20000 | tee many.txt")],
            "Created many.txt.",
            "status: the output of shell was longer than is kept, so nothing may rest on it",
            id="output that was cut",
        ),
        pytest.param(
            {"a__txt": "x"},
            "keep a copy of a.txt elsewhere and show where a.txt is",
            [shell("cp a.txt /tmp/llmos-test-copy.txt && ls a.txt")],
            "a.txt",
            "status: the command names '/tmp/llmos-test-copy.txt', which lies outside the working directory, "
            "where effects are not seen",
            id="an effect elsewhere",
        ),
    ],
)
async def test_a_run_that_may_not_be_replayed_says_why(
    world: World, before: dict[str, str], goal: str, calls: list[ToolCall], answer: str, gate: str
) -> None:
    files(world, **before)
    kept = await learn(world, goal, *calls, answer=answer)
    assert kept.status == "guidance"
    result = await again(world, goal)
    assert (result.mode, result.reasons) == (Mode.MIXED, (f"{kept.trace_id} not replayed: {gate}",))
    assert ran(world) == []


class TestPreconditions:
    async def test_a_file_that_a_command_names_must_be_there(self, world: World) -> None:
        files(world, a__txt="1\n")
        goal = "count the lines of a.txt"
        kept = await learn(world, goal, shell("wc -l < a.txt 2>/dev/null || echo 0"), answer="1")
        (world.cwd / "a.txt").unlink()
        result = await again(world, goal)
        assert result.reasons == (f"{kept.trace_id} not replayed: precondition: a.txt is missing",)
        assert ran(world) == []

    async def test_a_column_that_was_picked_by_its_place_rests_on_the_first_line(self, world: World) -> None:
        files(world, sales__csv="year,amount\n2024,5\n2025,6\n")
        goal = "what is the total of the amount column in sales.csv?"
        total = "awk -F, 'NR>1 {s+=$2} END {print s}' sales.csv"
        kept = await learn(world, goal, shell(total), answer="11")
        files(world, sales__csv="year,amount\n2024,5\n2025,7\n")
        assert (await again(world, goal)).answer == "12"
        files(world, sales__csv="amount,year\n5,2024\n7,2025\n")
        reason = "the first line of sales.csv is another than when this was learned"
        assert (await again(world, goal)).reasons == (f"{kept.trace_id} not replayed: precondition: {reason}",)
        assert ran(world) == [total]

    async def test_a_name_that_was_free_while_it_was_used_must_be_free_again(self, world: World) -> None:
        files(world, a__txt="1\n", b__txt="2\n")
        goal = "swap a.txt and b.txt"
        swap = "mv a.txt swap.tmp && mv b.txt a.txt && mv swap.tmp b.txt"
        kept = await learn(world, goal, shell(swap), answer="Swapped a.txt and b.txt.")
        files(world, swap__tmp="precious")
        result = await again(world, goal)
        assert result.reasons == (f"{kept.trace_id} not replayed: precondition: swap.tmp exists already",)
        assert (world.cwd / "swap.tmp").read_text() == "precious"

    async def test_a_rebound_edit_is_of_whole_words(self, world: World) -> None:
        files(world, a__txt="alpha\ngamma\n", b__txt="alphabeta\n", c__txt="alpha beta\n")
        edit = ToolCall("c", "edit_file", {"path": "a.txt", "old": "gamma", "new": "delta"})
        kept = await learn(world, "change 'gamma' to 'delta' in a.txt", edit, answer="Edited a.txt.")
        result = await again(world, "change 'beta' to 'zeta' in b.txt")
        reason = "'beta' stands in b.txt as a part of a longer word"
        assert result.reasons == (f"{kept.trace_id} not replayed: precondition: {reason}",)
        assert (await again(world, "change 'beta' to 'zeta' in c.txt")).mode is Mode.FOLLOWER
        assert (world.cwd / "c.txt").read_text() == "alpha zeta\n"

    async def test_a_link_that_leads_nowhere_stands_in_the_way_too(self, world: World) -> None:
        goal = "create notes.txt containing hello"
        write = ToolCall("c", "write_file", {"path": "notes.txt", "content": "hello"})
        kept = await learn(world, goal, write, answer="Created notes.txt.")
        (world.cwd / "notes.txt").unlink()
        (world.cwd / "notes.txt").symlink_to(world.root / "elsewhere.txt")
        result = await again(world, goal)
        assert result.reasons == (f"{kept.trace_id} not replayed: precondition: notes.txt exists already",)
        assert not (world.root / "elsewhere.txt").exists()

    async def test_a_later_step_counts_on_what_an_earlier_one_leaves(self, world: World) -> None:
        goal = "make the folder out with the file a.txt"
        await learn(world, goal, shell("mkdir out"), shell("touch out/a.txt"), answer="Made out/a.txt.")
        (world.cwd / "out/a.txt").unlink()
        (world.cwd / "out").rmdir()
        assert (await again(world, goal)).outcome is Outcome.OK


async def test_text_that_is_handed_over_is_taken_to_the_letter(world: World) -> None:
    write = ToolCall("c", "write_file", {"path": "a.txt", "content": "hello"})
    await learn(world, "create a.txt containing hello", write, answer="Created a.txt.")
    (world.cwd / "a.txt").unlink()
    result = await world.dispatcher(no_model).dispatch("create a.txt containing hello!", dry_run=True)
    assert result.mode is not Mode.FOLLOWER


async def test_a_value_from_an_earlier_turn_is_not_replayed(world: World) -> None:
    files(world, port__txt="8081\n")
    write = ToolCall("c", "write_file", {"path": "a.cfg", "content": "port=8081\n"})
    model = ScriptedModel(
        [model_reply(shell("cat port.txt")), model_reply("8081"), model_reply(write), model_reply("Created a.cfg.")]
    )
    dispatcher = world.dispatcher(model)
    await dispatcher.dispatch("which port is in port.txt")
    await dispatcher.dispatch("create a.cfg with the port")
    kept = [event for event in world.take_events() if isinstance(event, TraceKept)]
    assert [(event.status, event.reason) for event in kept] == [
        ("verified", ""),
        ("guidance", "a call holds '8081', which comes from what was said or remembered before"),
    ]


async def test_a_run_with_a_denied_call_is_not_the_whole_job(world: World) -> None:
    from llmos.core.events import Verdict
    from llmos.core.permission import parse_rule

    files(world, a__txt="1\n")
    rules = [parse_rule("shell(rm *)", Verdict.DENY, "test")]
    model = ScriptedModel([model_reply(shell("rm a.txt")), model_reply(shell("ls")), model_reply("a.txt")])
    await world.dispatcher(model, rules=rules).dispatch("show what is here after a clean-up")
    (kept,) = [event for event in world.take_events() if isinstance(event, TraceKept)]
    assert (kept.status, kept.reason) == (
        "guidance",
        "a call was not allowed on the way, so the run is not the whole job",
    )


async def test_the_journal_of_a_stopped_replay_has_every_step_once(world: World) -> None:
    files(world, usage="85%\n")
    goal = "clean up when usage is above 80%"
    await learn(world, goal, shell("mkdir old"), shell("cat usage"), shell("touch old/done"), answer="Made old/done.")
    (world.cwd / "old/done").unlink()
    (world.cwd / "old").rmdir()
    files(world, usage="20%\n")
    world.take_events()
    second = ScriptedModel([model_reply("Nothing to do.")])
    await world.dispatcher(second).dispatch(goal)
    opening = second.requests[0].messages[-1].text
    assert opening.partition("Steps and their state:\n")[2] == (
        "1. done: shell: mkdir old (it gave: [no output])\n"
        f"2. failed: shell: cat usage ({OTHER}; it gave: 20%)\n"
        "3. planned: shell: touch old/done\n"
        f"Why it stopped: step 2 (shell): {OTHER}\n\n{goal}"
    )
    checked = [event for event in world.take_events() if isinstance(event, StepChecked)]
    assert [(event.step, event.ok) for event in checked] == [(0, True), (1, False)]


async def test_a_trace_edited_by_one_byte_is_never_run(world: World) -> None:
    files(world, a__txt="1\n")
    goal = "count the lines of a.txt"
    kept = await learn(world, goal, shell("wc -l < a.txt"), answer="1")
    path = Path(kept.path)
    path.write_bytes(path.read_bytes().replace(b"wc -l", b"wc -w"))
    result = await again(world, goal)
    assert result.reasons == (
        f"{kept.trace_id} not replayed: origin: it was not learned or approved here, or its file was changed since",
    )
    assert ran(world) == []
    learned = await learn(world, goal, shell("wc -l < a.txt"), answer="1")
    assert learned.trace_id == f"{kept.trace_id}-2"
    assert (await again(world, goal)).answer == "1"


async def test_after_a_wrong_replay_a_young_trace_is_asked_no_more(world: World) -> None:
    files(world, a__txt="1\n")
    goal = "how many lines do the text files have"
    await learn(world, goal, shell("cat *.txt | wc -l"), answer="1")
    (world.cwd / "a.txt").unlink()
    modes = [(await again(world, goal)).mode for _ in range(3)]
    assert modes == [Mode.FOLLOWER, Mode.MIXED, Mode.MIXED]
    plans = [event for event in world.take_events() if isinstance(event, PlanMade)]
    assert [round(plan.confidence, 3) for plan in plans] == [0.96, 0.91, 0.91]
