"""What a model is given when an earlier run guides it: the exact words."""

from __future__ import annotations

from conftest import World

from llmos.core.events import Mode, Outcome, PlanMade, TraceKept
from llmos.core.messages import ToolCall
from llmos.core.policy import TurnLimits
from llmos.interfaces.turn import TurnResult
from llmos.testing import ScriptedModel, model_reply

HEAD = (
    "Earlier runs that may help. Their goals or values were others: use what fits, check the rest, and do what the "
    "goal at the end asks, not what they did.\n"
)


def shell(command: str) -> ToolCall:
    return ToolCall("c", "shell", {"command": command})


async def run(world: World, goal: str, *calls: ToolCall, answer: str, k: int = 1) -> tuple[TurnResult, str]:
    """The result, and the first words that the model was given."""
    model = ScriptedModel([*(model_reply(call) for call in calls), model_reply(answer)])
    result = await world.dispatcher(model, limits=TurnLimits(mixed_k=k)).dispatch(goal)
    return result, model.requests[0].messages[0].text


async def learn(world: World) -> None:
    (world.cwd / "a.txt").write_text("b\na\n")
    (world.cwd / "n.txt").write_text("b\na\n")
    await run(world, "count the lines of a.txt", shell("wc -l < a.txt"), answer="2")
    await run(world, "sort n.txt alphabetically", shell("sort -o n.txt n.txt"), answer="Sorted n.txt.")
    world.take_events()


async def test_the_steps_and_what_differs_and_the_goal_last(world: World) -> None:
    await learn(world)
    goal = "count the words of b.txt"
    (world.cwd / "b.txt").write_text("x y z\n")
    result, words = await run(world, goal, shell("wc -w < b.txt"), answer="3")
    assert words == (
        f"{HEAD}"
        "1. goal: count the lines of a.txt\n"
        "   differs: values: a.txt is now b.txt\n"
        "   differs: only this goal says: words\n"
        "   differs: only the earlier goal said: lines\n"
        "   step 1: shell {'command': 'wc -l < a.txt'} gave: 2\n"
        "\nThe goal:\n"
        f"{goal}"
    )
    assert (result.mode, result.outcome) == (Mode.MIXED, Outcome.OK)
    events = world.take_events()
    (plan,) = [event for event in events if isinstance(event, PlanMade)]
    assert plan.differs == (
        "values: a.txt is now b.txt",
        "only this goal says: words",
        "only the earlier goal said: lines",
    )
    assert plan.expected_cost_usd == 0.002
    # It is kept as a trace of its own, under its own goal.
    (kept,) = [event for event in events if isinstance(event, TraceKept)]
    trace = world.records[-1].traces.load(kept.trace_id)
    assert (trace.header.goal, trace.header.learned.mode, kept.status) == (goal, "MIXED", "verified")


async def test_each_part_of_a_goal_is_guided_by_its_own_run(world: World) -> None:
    await learn(world)
    goal = "sort m.txt alphabetically and then count the lines of b.txt"
    (world.cwd / "m.txt").write_text("b\na\n")
    (world.cwd / "b.txt").write_text("x\n")
    result, words = await run(world, goal, shell("sort -o m.txt m.txt"), shell("wc -l < b.txt"), answer="1")
    assert words == (
        f"{HEAD}"
        "1. goal: sort n.txt alphabetically\n"
        "   for the part: sort m.txt alphabetically\n"
        "   differs: values: n.txt is now m.txt\n"
        "   step 1: shell {'command': 'sort -o n.txt n.txt'} gave: [no output]\n"
        "2. goal: count the lines of a.txt\n"
        "   for the part: count the lines of b.txt\n"
        "   differs: values: a.txt is now b.txt\n"
        "   step 1: shell {'command': 'wc -l < a.txt'} gave: 2\n"
        "\nThe goal:\n"
        f"{goal}"
    )
    assert result.mode is Mode.MIXED
    assert [reason.split(" the nearest")[0] for reason in result.reasons[-2:]] == [
        "for 'sort m.txt alphabetically'",
        "for 'count the lines of b.txt'",
    ]


async def test_runs_that_failed_are_shown_as_what_to_avoid(world: World) -> None:
    await learn(world)
    goal = "count the words of b.txt"
    (world.cwd / "b.txt").write_text("x y z\n")
    failed, _ = await run(world, goal, shell("wc --words-only b.txt"), answer="3")
    assert failed.outcome is Outcome.FAILED
    _, words = await run(world, goal, shell("wc -w < b.txt"), answer="3")
    assert words.endswith(
        "Runs that went wrong. Avoid what they did:\n"
        "- goal: count the words of b.txt\n"
        "  the run ended failed: the last step (shell) failed\n"
        "  tried: shell: wc --words-only b.txt\n"
        "\nThe goal:\n"
        f"{goal}"
    )
    assert words.startswith(f"{HEAD}1. goal: count the lines of a.txt\n")


async def test_replays_that_went_wrong_are_told(world: World) -> None:
    goal = "how many lines do the text files have"
    (world.cwd / "a.txt").write_text("1\n")
    await run(world, goal, shell("cat *.txt | wc -l"), answer="1")
    (world.cwd / "a.txt").unlink()
    await run(world, goal, shell("false"), answer="I cannot tell.")
    _, words = await run(world, "how many lines do the python files have", shell("cat *.py | wc -l"), answer="0")
    assert words == (
        f"{HEAD}"
        "1. goal: how many lines do the text files have\n"
        "   differs: only this goal says: python\n"
        "   differs: only the earlier goal said: text\n"
        "   step 1: shell {'command': 'cat *.txt | wc -l'} gave: 1\n"
        "   avoid: replays of these very steps went wrong 1 of 1 times\n"
        "Runs that went wrong. Avoid what they did:\n"
        "- goal: how many lines do the text files have\n"
        "  the run ended failed: the last step (shell) failed\n"
        "  tried: shell: false\n"
        "\nThe goal:\n"
        "how many lines do the python files have"
    )


async def test_what_a_person_called_wrong_is_told(world: World) -> None:
    goal = "how many lines do the text files have"
    (world.cwd / "a.txt").write_text("1\n")
    learned, _ = await run(world, goal, shell("cat *.txt | wc -l"), answer="1")
    reason = "blank lines do not count"
    world.records[-1].traces.mark_wrong(str(learned.kept), goal, world.clock.now(), reason)
    result, words = await run(world, goal, shell("grep -c . a.txt"), answer="1")
    assert result.mode is not Mode.FOLLOWER
    assert words == (
        "Runs that went wrong. Avoid what they did:\n"
        f"- goal: {goal}\n"
        f"  a person called what a replay did wrong: {reason}\n"
        "  tried: shell: cat *.txt | wc -l\n"
        f"\nThe goal:\n{goal}"
    )


async def test_nothing_near_gives_the_goal_alone(world: World) -> None:
    await learn(world)
    _, words = await run(world, "whistle", shell("echo whistle"), answer="whistle")
    assert words == "whistle"
