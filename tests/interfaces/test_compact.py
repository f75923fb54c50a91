"""Making a conversation short: by a model, without one, by itself; what was dropped is said, what must stay stays."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from cli_world import Llmos
from hypothesis import given
from hypothesis import strategies as st
from repl_world import talk

from llmos.core.compaction import DIGEST_CHARS, SUMMARY_WANTED, compacted, context_tokens, digest_of
from llmos.core.messages import Message, Text, ToolCall, ToolResult, user_text
from llmos.testing import FakeMessagesServer, error, reply, text, tool_use, usage

HOME_CONFIG = "format: llmos-config/1\n"


def settings(words: str) -> None:
    home = Path(os.environ["LLMOS_HOME"])
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "config.yaml").write_text(HOME_CONFIG + words)


def sessions(llmos: Llmos) -> list[str]:
    return [row["id"] for row in json.loads(llmos("sessions", "list", "--json").out)]


def words(body: object) -> list[str]:
    assert isinstance(body, dict)
    return [message["content"][-1].get("text", "") for message in body["messages"]]


def test_compact_goes_on_from_a_models_summary_in_a_new_session(
    llmos: Llmos, api: FakeMessagesServer, work: Path
) -> None:
    api.add(
        reply(tool_use("read_file", {"path": "notes.txt"})),
        reply(text("It has three lines.")),
        reply(text("The person wants short answers. notes.txt has 3 lines.")),
        reply(text("Three.")),
    )
    _, screen = asyncio.run(talk("what is in notes.txt", "/compact the file names", "how many lines"))
    assert words(api.bodies[2])[-1] == f"{SUMMARY_WANTED}\nKeep above all: the file names"
    assert [api.bodies[2][key] == api.bodies[1][key] for key in ("system", "tools")] == [True, True]
    assert words(api.bodies[3]) == [
        compacted("The person wants short answers. notes.txt has 3 lines.", "claude-sonnet-5-5")[0].text,
        "Understood; I go on from this.",
        "how many lines",
    ]
    before, after = sessions(llmos)
    at = next(number for number, line in enumerate(screen) if line.startswith("compacted: "))
    assert (
        screen[at].startswith("compacted: 4 messages, ")
        and " became a summary by claude-sonnet-5-5 · cost under $" in screen[at]
    )
    assert screen[at + 1 : at + 4] == [
        "dropped: what was said word for word, and 1 outputs of tools; all of it stays on record: "
        f"llmos sessions show {before}",
        "kept as they are: core memory, the project's instructions, permissions, saved runs",
        "  The person wants short answers. notes.txt has 3 lines.",
    ]
    assert screen[-1] == f"go on with: llmos --resume {after}"
    # and the summary is what another process goes on from
    api.add(reply(text("Still three.")))
    llmos("run", "-c", "and now")
    assert words(api.bodies[4])[:3] == words(api.bodies[3])


async def test_without_an_answer_the_digest_stands_in_and_says_why(
    llmos: Llmos, api: FakeMessagesServer, work: Path
) -> None:
    api.add(reply(text("Hello.")), error(400, "invalid_request_error", "no"), reply(text("Yes.")))
    _, screen = await talk("always answer in one word", "/compact", "are you there")
    assert any(line.startswith("compacted: 2 messages") and "a digest without a model" in line for line in screen)
    summary = words(api.bodies[2])[0]
    assert "- asked: always answer in one word" in summary and "answered: Hello." in summary


async def test_a_full_context_is_compacted_by_itself(llmos: Llmos, api: FakeMessagesServer, work: Path) -> None:
    settings("context:\n  compact_at: 0.1\n")
    api.add(reply(text("Hello."), usage=usage(input=99_999)), reply(text("A greeting.")), reply(text("Yes.")))
    _, screen = await talk("say hello", "are you there")
    assert "the conversation fills over 10 % of the context (context.compact_at)" in screen
    assert words(api.bodies[2])[1:] == ["Understood; I go on from this.", "are you there"]
    first, second = sessions(llmos)
    shown = json.loads(llmos("sessions", "show", second, "--json").out)["records"]
    assert (shown[0]["event"], shown[0]["before"], shown[0]["automatic"]) == ("conversation_compacted", first, True)


async def test_below_the_share_nothing_is_compacted(llmos: Llmos, api: FakeMessagesServer, work: Path) -> None:
    """The partner of the test above."""
    settings("context:\n  compact_at: 0.2\n")
    api.add(reply(text("Hello."), usage=usage(input=99_999)), reply(text("Yes.")))
    _, screen = await talk("say hello", "are you there")
    assert len(sessions(llmos)) == 1 and not any("compacted" in line for line in screen)


async def test_there_must_be_something_to_compact(work: Path) -> None:
    _, screen = await talk("/compact", "/cost", "/export", "/context")
    assert screen[:3] == [
        "llmos: there is no conversation to compact yet",
        "llmos: nothing is on record in this session yet",
        "llmos: nothing is on record in this session yet",
    ]


# ------------------------------------------------------------------------------------------------------- the digest


def test_a_digest_names_goals_calls_and_answers() -> None:
    messages = (
        user_text("count the lines of notes.txt"),
        Message("assistant", (ToolCall("1", "shell", {"command": "wc -l < notes.txt"}),)),
        Message("user", (ToolResult("1", "3"),)),
        Message("assistant", (Text("3"),)),
        user_text("and of gone.txt"),
        Message("assistant", (ToolCall("2", "shell", {"command": "wc -l < gone.txt"}),)),
        Message("user", (ToolResult("2", "no such file", True),)),
        Message("assistant", (Text("It is not there."),)),
    )
    assert digest_of(messages).split("\n") == [
        "- asked: count the lines of notes.txt",
        "  done: shell: wc -l < notes.txt",
        "  answered: 3",
        "- asked: and of gone.txt",
        "  failed: shell: wc -l < gone.txt",
        "  answered: It is not there.",
    ]


@given(st.lists(st.tuples(st.text(min_size=1, max_size=2_000), st.text(max_size=2_000)), max_size=60))
def test_a_digest_is_bounded_and_forgets_no_goal(turns: list[tuple[str, str]]) -> None:
    messages = [
        message for goal, answer in turns for message in (user_text(goal), Message("assistant", (Text(answer),)))
    ]
    digest = digest_of(messages)
    assert len(digest) <= DIGEST_CHARS + 60
    assert sum(line.startswith("- asked:") for line in digest.split("\n")) == sum(
        bool(goal.strip()) for goal, _ in turns
    )


def test_the_context_is_what_the_last_call_filled() -> None:
    usage = {"input_tokens": 5, "output_tokens": 1, "cache_read_tokens": 20, "cache_write_tokens": 3}
    called = {"event": "model_call_finished", "usage": usage}
    assert context_tokens([called]) == 29
    assert context_tokens([called, {"event": "conversation_compacted"}]) == context_tokens([]) == 0
