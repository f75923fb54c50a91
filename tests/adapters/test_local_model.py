"""The local model with a real model file: calls that parse, schemas that hold, a cancel that stops, errors in words.

Marked `model`: they run where the small model of the catalogue has been pulled.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmos.adapters import local_runtime
from llmos.adapters.local_model import LocalModel, available
from llmos.adapters.local_turn import chances
from llmos.core.catalogue import find_model
from llmos.core.errors import ModelError, ModelErrorKind, NoModelError
from llmos.core.events import Event, TextStreamed
from llmos.core.messages import Message, StopReason, Text, ToolCall, ToolResult, user_text
from llmos.core.ports import Example, ExampleStep, ModelInfo, ModelReply, ModelRequest
from llmos.core.tool import Effect, ToolSpec
from llmos.memory.model_store import ModelStore, models_folder

SMALL = find_model("0.5b")
STORE = ModelStore(models_folder(os.environ, Path.home()))
needs_model = [
    pytest.mark.model,
    pytest.mark.skipif(
        not available() or not STORE.path(SMALL).exists(), reason="the 0.5B model or its runtime is not here"
    ),
]

SHELL = ToolSpec(
    "shell",
    "Run a bash command.",
    {
        "type": "object",
        "properties": {"command": {"type": "string"}},
        "required": ["command"],
        "additionalProperties": False,
    },
    Effect.EXECUTE,
    "0" * 12,
)
EXAMPLES = (
    Example(
        "count the .c files below this folder",
        (ExampleStep("shell", {"command": "find . -type f -name '*.c' | wc -l"}, "4"),),
        "There are 4 .c files.",
    ),
)


def small_model(n_ctx: int = 2_048) -> LocalModel:
    return LocalModel(
        STORE.path(SMALL), name=SMALL.name, kv_bytes_per_token=SMALL.kv_bytes_per_token, n_ctx=n_ctx, threads=1
    )


@pytest.fixture(scope="module")
def loaded() -> Any:
    """One loaded model for the module: its process does not belong to any event loop."""
    model = small_model()
    yield model
    asyncio.run(model.close())


@pytest.fixture
async def model(loaded: LocalModel) -> AsyncIterator[LocalModel]:
    yield loaded


def ignore(event: Event) -> None:
    return


def test_the_chance_of_a_choice_is_that_of_all_its_spellings_and_nothing_where_none_was_likely() -> None:
    assert chances(("yes", "no"), {"yes": 0.25, " Yes": 0.25, "NO": 0.125, "maybe": 0.375}) == {"yes": 0.8, "no": 0.2}
    assert chances(("yes", "no"), {"maybe": 1.0}) == {}


class TestWithoutAModel:
    async def test_a_file_that_is_not_there_says_how_to_get_it(self, tmp_path: Path) -> None:
        if not available():
            pytest.skip("the runtime is not installed")
        model = LocalModel(tmp_path / "absent.gguf", name="absent")
        with pytest.raises(NoModelError) as caught:
            await model.reply(ModelRequest("", (user_text("hi"),)), ignore)
        assert str(caught.value) == (
            f"The local model absent is not at {tmp_path}/absent.gguf; get it with: llmos models pull."
        )
        await model.close()

    async def test_a_file_that_is_no_model_is_refused_with_the_reason(self, tmp_path: Path) -> None:
        if not available():
            pytest.skip("the runtime is not installed")
        (tmp_path / "text.gguf").write_text("this is not a model")
        model = LocalModel(tmp_path / "text.gguf", name="text")
        with pytest.raises(ModelError) as caught:
            await model.warm()
        assert str(caught.value) == (
            "The local model text could not be loaded: "
            "gguf_init_from_reader: invalid magic characters: 'this', expected 'GGUF'."
        )
        await model.close()

    def test_it_is_free_and_says_that_it_is_small(self, tmp_path: Path) -> None:
        model = LocalModel(tmp_path / "m.gguf", name="m")
        assert model.info == ModelInfo("m", "nobody (local model)", small=True, max_output_tokens=1_024)
        assert model.reserve_usd(ModelRequest("", ())) == 0.0
        assert model.abandoned_usd() == 0.0

    @pytest.mark.parametrize(("free_mib", "context"), [(None, 8_192), (4_000, 8_192), (1_950, 4_096), (1_000, 0)])
    def test_the_context_shrinks_to_what_memory_allows(self, free_mib: int | None, context: int) -> None:
        free = None if free_mib is None else free_mib << 20
        assert local_runtime.fitting_context(8_192, 1_117_320_768, 28_672, free) == context

    def test_errors_of_the_runtime_keep_their_reason(self) -> None:
        long = local_runtime.error_of(
            b'{"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error"}}'
        )
        assert (long.kind, str(long)) == (
            ModelErrorKind.CONTEXT_OVERFLOW,
            "The conversation is too long for the local model: too long.",
        )
        odd = local_runtime.error_of(b"<html>")
        assert (odd.kind, str(odd)) == (ModelErrorKind.RUNTIME, "The local model refused the request: <html>.")


@needs_model[0]
@needs_model[1]
class TestWithTheSmallModel:
    async def test_a_goal_becomes_a_tool_call_and_its_result_an_answer(self, model: LocalModel) -> None:
        goal = user_text("Task: count the .py files below this folder")
        first = await model.reply(ModelRequest("", (goal,), (SHELL,), examples=EXAMPLES), ignore)
        (call,) = first.message.parts
        assert isinstance(call, ToolCall) and call.problem == ""
        assert call.name == "shell"
        assert re.fullmatch(r"find \. (-type f )?-name '\*\.py'( -type f)? \| wc -l", call.args["command"])
        assert (first.stop_reason, first.cost_usd, first.model) == (StopReason.TOOL_USE, 0.0, SMALL.name)
        assert first.usage.input_tokens > 100 and first.usage.output_tokens > 10

        seen: list[Event] = []
        result = Message("user", (ToolResult(call.id, "3\n"),))
        request = ModelRequest("", (goal, first.message, result), (SHELL,), examples=EXAMPLES)
        last = await model.reply(request, seen.append)
        assert last.stop_reason is StopReason.END_TURN
        assert last.message == Message("assistant", (Text(last.message.text),))
        assert "3" in last.message.text
        assert "".join(event.text for event in seen if isinstance(event, TextStreamed)) == last.message.text
        # The first turn's prompt is a prefix of the second's: only the newest turns are read anew.
        assert last.usage.cache_read_tokens > 10 * last.usage.input_tokens

    async def test_a_repeated_call_is_turned_into_an_answer(self, model: LocalModel) -> None:
        goal = user_text("Task: count the .py files below this folder")
        call = ToolCall("c1", "shell", {"command": "find . -type f -name '*.py' | wc -l"})
        messages = (goal, Message("assistant", (call,)), Message("user", (ToolResult("c1", ""),)))
        reply = await model.reply(ModelRequest("", messages, (SHELL,), examples=EXAMPLES), ignore)
        (part,) = reply.message.parts
        assert part != call and not (isinstance(part, ToolCall) and dict(part.args) == dict(call.args))

    async def test_after_a_call_in_vain_another_is_made(self, model: LocalModel) -> None:
        goal = user_text("Task: count the .py files below this folder")
        call = ToolCall("c1", "shell", {"command": "find . -name '*.pyy' | grep -c ."})
        told = ToolResult("c1", "0\n[exit code 1]\n[files: no change]", True)
        messages = (goal, Message("assistant", (call,)), Message("user", (told,)))
        reply = await model.reply(ModelRequest("", messages, (SHELL,), examples=EXAMPLES), ignore)
        (part,) = reply.message.parts
        assert isinstance(part, ToolCall) and part.problem == "" and dict(part.args) != dict(call.args)
        assert "*.py'" in part.args["command"]

    async def test_an_output_schema_holds(self, model: LocalModel) -> None:
        schema = {
            "type": "object",
            "properties": {"same": {"type": "boolean"}, "why": {"type": "string", "maxLength": 60}},
            "required": ["same", "why"],
            "additionalProperties": False,
        }
        request = ModelRequest("You compare goals.", (user_text("copy a to b / copy b to a"),), output_schema=schema)
        reply = await model.reply(request, ignore)
        facts = json.loads(reply.message.text)
        assert sorted(facts) == ["same", "why"] and isinstance(facts["same"], bool)
        assert reply.stop_reason is StopReason.END_TURN

    async def test_a_choice_comes_with_the_chance_of_each_word(self, model: LocalModel) -> None:
        asked = ModelRequest("Answer yes or no.", (user_text("Is 2 + 2 = 4?"),), choices=("yes", "no"))
        reply = await model.reply(asked, ignore)
        assert reply.chances.keys() == {"yes", "no"}
        assert sum(reply.chances.values()) == pytest.approx(1.0)
        assert 0.0 < reply.chances["yes"] < 1.0
        assert reply.usage.output_tokens == 1

    async def test_plain_words_are_streamed(self, model: LocalModel) -> None:
        seen: list[Event] = []
        reply = await model.reply(ModelRequest("", (user_text("List five colours."),), max_tokens=20), seen.append)
        assert len(seen) > 1
        assert "".join(event.text for event in seen if isinstance(event, TextStreamed)) == reply.message.text

    async def test_the_output_limit_is_a_stop_reason(self, model: LocalModel) -> None:
        reply = await model.reply(ModelRequest("", (user_text("Count from 1 to 500."),), max_tokens=5), ignore)
        assert (reply.stop_reason, reply.usage.output_tokens) == (StopReason.MAX_TOKENS, 5)

    async def test_cancelling_stops_the_generation(self, model: LocalModel) -> None:
        started = asyncio.Event()
        poem = ModelRequest("", (user_text("Write a very long poem about the sea."),))
        task = asyncio.create_task(model.reply(poem, lambda event: started.set()))
        await started.wait()
        begun = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # 1,000 tokens of poem would hold up the next call for half a minute; a stopped one does not.
        await model.reply(ModelRequest("", (user_text("Say yes."),), max_tokens=3), ignore)
        assert time.monotonic() - begun < 15

    async def test_a_conversation_that_is_too_long_is_its_own_error(self, model: LocalModel) -> None:
        with pytest.raises(ModelError) as caught:
            await model.reply(ModelRequest("", (user_text("word " * 3_000),)), ignore)
        assert (caught.value.kind, caught.value.retryable) == (ModelErrorKind.CONTEXT_OVERFLOW, False)

    async def test_a_process_that_died_in_a_call_is_an_error_and_then_started_again(self) -> None:
        model = small_model(n_ctx=512)
        poem = ModelRequest("", (user_text("Write a very long poem about the sea."),))
        pid = model.serve().pid
        with pytest.raises(ModelError) as caught:
            await model.reply(poem, lambda event: os.kill(pid, 9))
        assert str(caught.value) == (
            "The local model was ended by signal 9 (it left no message); it is started again by the next call."
        )
        reply = await model.reply(ModelRequest("", (user_text("hi"),), max_tokens=1), ignore)
        assert reply.usage.output_tokens == 1
        await model.close()

    async def test_close_ends_the_process_and_later_calls_say_so(self) -> None:
        model = small_model(n_ctx=512)
        pid = model.serve().pid
        await model.close()
        assert not Path(f"/proc/{pid}").exists()
        with pytest.raises(ModelError, match=r"^The local model was closed\.$"):
            await model.reply(ModelRequest("", (user_text("hi"),)), ignore)

    @pytest.mark.thorough
    async def test_a_system_prompt_is_read_once_for_all_processes(self, tmp_path: Path) -> None:
        bash = replace(SHELL, name="bash")  # under another name it brings no hints, and so is read sooner
        request = ModelRequest("", (user_text("list the files"),), (bash,), max_tokens=40)
        folder = tmp_path / "states"
        replies = []
        for _ in range(3):
            model = LocalModel(STORE.path(SMALL), name=SMALL.name, n_ctx=1_024, prefix_cache=folder)
            replies.append(await model.reply(request, ignore))
            await model.close()
            (state,) = folder.iterdir()
            assert state.stat().st_mode & 0o777 == 0o600
            if len(replies) == 2:
                state.write_bytes(state.read_bytes()[:1_000])  # a damaged state is made anew
        calls = [[(part.name, part.args) for part in reply.message.tool_calls] for reply in replies]
        assert calls[0] == calls[1] == calls[2] != []
        assert replies[0].usage == replies[1].usage == replies[2].usage
        assert replies[1].usage.cache_read_tokens > 10 * replies[1].usage.input_tokens

    @pytest.mark.thorough
    async def test_two_conversations_are_at_work_at_once_and_neither_is_read_again(self, tmp_path: Path) -> None:
        bash = replace(SHELL, name="bash")
        model = LocalModel(STORE.path(SMALL), name=SMALL.name, n_ctx=1_024, prefix_cache=tmp_path / "states", slots=2)
        began: list[str] = []

        async def talk(goal: str) -> tuple[ModelReply, ModelReply]:
            messages: tuple[Message, ...] = (user_text(goal),)
            began.append(goal)
            first = await model.reply(ModelRequest("", messages, (bash,), max_tokens=40), ignore)
            began.append(goal)
            call = next(iter(first.message.tool_calls))
            messages = (*messages, first.message, Message("user", (ToolResult(call.id, "a.txt\nb.txt", False),)))
            return first, await model.reply(ModelRequest("", messages, (bash,), max_tokens=20), ignore)

        try:
            alone = await talk("count the files here")
            one, other = await asyncio.gather(talk("list the files"), talk("show the first line of a.txt"))
        finally:
            await model.close()
        assert began[2:4] == ["list the files", "show the first line of a.txt"]
        named = [str([call.args for call in first.message.tool_calls]) for first, _ in (one, other)]
        assert "a.txt" not in named[0] and "a.txt" in named[1]
        for _, second in (alone, one, other):
            # Of its first turn it reads no more again than the end, which is written anew as a past call.
            assert second.usage.cache_read_tokens > 4 * second.usage.input_tokens

    async def test_loading_leaves_the_event_loop_free(self) -> None:
        model = small_model(n_ctx=512)
        loading = asyncio.create_task(model.warm())
        longest, last = 0.0, (began := time.monotonic())
        while not loading.done():
            await asyncio.sleep(0.01)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        await loading
        await model.close()
        assert longest < 0.5 * (last - began)
