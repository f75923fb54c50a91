"""The Model port over a local GGUF file: small, free, and never believed.

A turn is a fenced block or an answer, under a grammar that decodes the tool's name before the arguments. A call that
the model is not sure of, by the probabilities of its tokens, is drawn several times over: the one that most draws
agree on is made, and too little agreement is said. Invariant: nothing leaves this computer.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import reduce
from pathlib import Path
from typing import Any

from llmos.adapters import local_prompt, local_runtime
from llmos.adapters.local_cache import PrefixCache
from llmos.adapters.local_runtime import Cancel, LoadSettings, LocalServer
from llmos.adapters.local_slots import Slot, Slots
from llmos.adapters.local_turn import (
    MOST_IN_VAIN,
    agreed,
    calls_in_vain,
    chances,
    first_other,
    goes_in_circles,
    is_repeated,
    others,
    read_turn,
    turn_body,
    without_vain,
)
from llmos.core.catalogue import LOCAL_PAYER
from llmos.core.dataclass import dataclass
from llmos.core.errors import ModelError, ModelErrorKind, NoModelError
from llmos.core.events import TextStreamed
from llmos.core.messages import Message, StopReason, Text, ToolCall, Usage
from llmos.core.ports import Emit, ModelInfo, ModelReply, ModelRequest

DEFAULT_CONTEXT = 8_192
MAX_OUTPUT_TOKENS = 1_024
SURE = 0.85
"""The mean probability of a call's tokens from which it is made without a second look."""
DRAWS = 4
"""How many more are drawn of a call that is not sure, all at once."""
FIRST_SLOT = DRAWS - 1
"""The slot of the first conversation; a draw is spread over it and those before it."""
SECOND_ROOM = 300
"""Tokens for each further draw of a call at most."""
CONSIDERED = 20
"""Tokens whose probabilities are asked for where the answer is a choice."""
AGREED = 3
"""How many of all draws must be the same call for it not to be doubted."""

available = local_runtime.available


@dataclass(slots=True)
class _Generation:
    """What one completion gave."""

    text: str = ""
    finish: str = ""
    usage: Usage = field(default_factory=Usage)
    logprobs: list[float] = field(default_factory=list)
    first: dict[str, float] = field(default_factory=dict)
    """The probabilities of the tokens that might have been the first, where they were asked for."""

    @property
    def certainty(self) -> float:
        """The geometric mean of the probabilities of its tokens; 1.0 where none are known."""
        return math.exp(sum(self.logprobs) / len(self.logprobs)) if self.logprobs else 1.0


class LocalModel:
    """A model file on this computer. It is loaded by the first call, or by `warm`, and stays until `close`.

    `n_ctx` is the most tokens of context; less when memory is short. `threads` None: as many as suit the machine.
    `prefix_cache`: a folder for derived files that make a first call fast; None keeps nothing. `slots`: how many
    conversations are decoded at once, each with a context of its own; one where memory is short.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        kv_bytes_per_token: int = 28_672,
        n_ctx: int = DEFAULT_CONTEXT,
        threads: int | None = None,
        prefix_cache: Path | None = None,
        slots: int = 1,
    ) -> None:
        self._path = path
        self._kv_bytes_per_token = kv_bytes_per_token
        self._n_ctx = n_ctx
        self._threads = threads
        self._info = ModelInfo(name=name, payer=LOCAL_PAYER, small=True, max_output_tokens=MAX_OUTPUT_TOKENS)
        self._cache = PrefixCache(prefix_cache) if prefix_cache is not None else None
        self._most_slots = slots
        self._slots = Slots(FIRST_SLOT, time.monotonic)
        self._drawing = asyncio.Lock()
        self._server: LocalServer | None = None
        self._loading = threading.Lock()
        self._closed = False
        self._child_end: Callable[[], None] | None = None

    @property
    def info(self) -> ModelInfo:
        return self._info

    def reserve_usd(self, request: ModelRequest) -> float | None:
        return 0.0

    def abandoned_usd(self) -> float:
        return 0.0

    async def warm(self) -> None:
        """Load the model now. Raises NoModelError or ModelError."""
        await asyncio.to_thread(self.serve)

    def serve(self) -> LocalServer:
        """The loaded model with its loopback `url` and `api_key`; blocks while it loads. Thread-safe.

        Raises NoModelError (no runtime, no file, not enough memory) or ModelError (the file cannot be loaded).
        """
        with self._loading:
            if self._server is not None and self._server.alive:
                return self._server
            if self._server is not None:
                self._server.close()
                self._server = None
            if self._closed:
                raise ModelError(ModelErrorKind.RUNTIME, "The local model was closed.")
            settings = self._settings()
            process, log = local_runtime.start_child()
            self._child_end = process.kill
            self._slots.lay_out(settings.slots)
            self._server = local_runtime.load(process, log, settings)
            return self._server

    async def reply(self, request: ModelRequest, emit: Emit) -> ModelReply:
        """One turn. Raises NoModelError or ModelError; cancelling ends the generation at once."""
        await self.warm()
        if request.tools:
            request = replace(request, messages=without_vain(request.messages))
        body = self._body(request)
        async with self._slots.take(body["messages"]) as slot:
            # Always the same slot, so that what was read there, or put back there, is not read again.
            body["id_slot"] = slot.number
            if not request.tools:
                slot.prefix = ""  # whatever was kept of a turn's prompt gives way to this one
                return await self._plain(request, body, emit)
            await self._read_system(body["messages"][0], slot)
            reply = await self._tool_turn(request, body, emit)
            slot.goes_on = reply.stop_reason is StopReason.TOOL_USE
            return reply

    async def _plain(self, request: ModelRequest, body: dict[str, Any], emit: Emit) -> ModelReply:
        """An answer without tools: words, a choice, or JSON."""
        if request.choices:
            (made,) = await self._generate(body | _choice(), lambda text: None)
            return replace(self._reply(Text(made.text), made), chances=chances(request.choices, made.first))
        if request.output_schema is not None:
            body |= _constraint(request.output_schema)
            (made,) = await self._generate(body, lambda text: None)
        else:
            streamed = _Streamed(emit)
            (made,) = await self._generate(body, streamed)
        return self._reply(Text(made.text), made)

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        """What every completion for this request has."""
        budget = max(1, min(request.max_tokens, MAX_OUTPUT_TOKENS))
        chars = (self._n_ctx - budget) * local_prompt.CHARS_PER_TOKEN
        return {
            "messages": local_prompt.build_messages(request, chars),
            "max_tokens": budget,
            "temperature": 0,
            "cache_prompt": True,
            "stream_options": {"include_usage": True},
        }

    async def _tool_turn(self, request: ModelRequest, body: Mapping[str, Any], emit: Emit) -> ModelReply:
        vain = calls_in_vain(request.messages)
        if 0 < len(vain) <= MOST_IN_VAIN and (anew := await self._drawn_anew(request, body, vain)) is not None:
            return anew
        streamed = _Streamed(emit, local_prompt.visible_answer)
        turn = turn_body(request, body)
        (made,) = await self._generate(turn, streamed)
        part, doubt = read_turn(made.text, request.tools, cut=made.finish == "length"), ""
        if isinstance(part, ToolCall) and is_repeated(part, request.messages):
            # The same call gives the same result again: a model that small then goes round in circles. Of what it says
            # with much chance in it the first call that is another is made; where none is, it has to answer.
            body_again = {
                **turn,
                "temperature": 1.0,
                "seed": len(request.messages),
                "n": DRAWS,
                "max_tokens": SECOND_ROOM,
            }
            drawn = await self._generate(body_again, streamed)
            made = replace(drawn[0], usage=_sum(made.usage, drawn[0].usage))
            part = first_other(part, self._turns(drawn, request), request.messages)
            doubt = "it was drawn by chance"
        elif isinstance(part, ToolCall) and (part.problem or made.certainty < SURE):
            room = min(turn["max_tokens"], SECOND_ROOM, 2 * len(made.logprobs) + 64)
            part, doubt, usage = await self._drawn_again(part, request, {**turn, "max_tokens": room})
            made = replace(made, usage=_sum(made.usage, usage), finish="stop" if not part.problem else made.finish)
        if isinstance(part, ToolCall) and is_repeated(part, request.messages):
            (again,) = await self._generate({**body, "grammar": local_prompt.ANSWER_GRAMMAR}, streamed)
            made = replace(again, usage=_sum(made.usage, again.usage))
            part, doubt = Text(made.text.strip()), ""
        return self._reply(part, made, doubt if isinstance(part, ToolCall) else "")

    async def _drawn_again(
        self, first: ToolCall, request: ModelRequest, turn: Mapping[str, Any]
    ) -> tuple[ToolCall, str, Usage]:
        """The call that most draws agree on, why it is doubtful all the same or nothing, and what the draws cost."""
        body = {**turn, "temperature": 0.7, "seed": 1, "n": DRAWS}
        drawn = await self._generate(body, lambda text: None)
        parts = self._turns(drawn, request)
        calls = [call for call in (first, *parts) if isinstance(call, ToolCall) and not call.problem] or [first]
        chosen, times = agreed(calls)
        doubt = "" if times >= AGREED else f"{times} of {DRAWS + 1} draws gave this call"
        return chosen, doubt, reduce(_sum, (made.usage for made in drawn))

    async def _drawn_anew(
        self, request: ModelRequest, body: Mapping[str, Any], vain: Sequence[ToolCall]
    ) -> ModelReply | None:
        """Another call, drawn as if those in vain had not been made: shown them, the model varies their mistake."""
        opening = replace(request, messages=request.messages[:1])
        turn = turn_body(opening, {**self._body(opening), "id_slot": body["id_slot"]})
        turn |= {"temperature": 0.8, "seed": len(vain), "n": DRAWS}
        drawn = await self._generate({**turn, "max_tokens": min(turn["max_tokens"], SECOND_ROOM)}, lambda text: None)
        fit = others(self._turns(drawn, request), vain)
        if not fit:
            return None
        chosen, times = agreed(fit)
        usage = reduce(_sum, (made.usage for made in drawn))
        doubt = "" if times >= AGREED else f"{times} of {DRAWS} draws gave this call, after {len(vain)} in vain"
        return self._reply(chosen, _Generation(finish="stop", usage=usage), doubt)

    def _turns(self, drawn: Sequence[_Generation], request: ModelRequest) -> list[Text | ToolCall]:
        return [read_turn(made.text, request.tools, cut=made.finish == "length") for made in drawn]

    async def _read_system(self, system: Mapping[str, str], slot: Slot) -> None:
        """Have the model know the system prompt: from a kept state, or by reading it once and keeping the state."""
        if self._cache is None:
            return
        server = await asyncio.to_thread(self.serve)
        name = self._cache.name(self._path, self._n_ctx, system["content"])
        if name == slot.prefix:
            return
        if not (self._cache.has(name) and await asyncio.to_thread(server.take_state, slot.number, name)):
            # A state that was there and could not be taken is of no use to anyone.
            self._cache.drop(name)
            if self._cache.make_room():
                asked = {"messages": [system], "max_tokens": 1, "temperature": 0, "id_slot": slot.number}
                await self._generate(asked, lambda text: None)
                await asyncio.to_thread(server.keep_state, slot.number, name)
        slot.prefix = name

    async def _generate(self, body: Mapping[str, Any], on_text: Callable[[str], None]) -> list[_Generation]:
        """Run one completion in a thread, `n` of them side by side; `on_text` gets the first's text so far."""
        loop = asyncio.get_running_loop()
        server = await asyncio.to_thread(self.serve)
        cancel = Cancel()
        last = body["messages"][-1]
        opened = last["content"] if last["role"] == "assistant" else ""
        made = [_Generation(text=opened) for _ in range(body.get("n", 1))]

        def on_chunk(chunk: dict[str, Any]) -> None:
            if _take(made, chunk):
                loop.call_soon_threadsafe(on_text, made[0].text)
                if len(made) == 1 and goes_in_circles(made[0].text):
                    made[0].finish = "length"
                    cancel()

        try:
            if len(made) == 1:
                await asyncio.to_thread(server.chat, body, on_chunk, cancel)
                return made
            async with self._drawing:  # the slots beside those of conversations are enough for one
                await asyncio.to_thread(server.chat, body, on_chunk, cancel)
                await asyncio.to_thread(server.clear, range(FIRST_SLOT))
                return made
        except asyncio.CancelledError:
            cancel()
            raise

    def _reply(self, part: Text | ToolCall, made: _Generation, doubt: str = "") -> ModelReply:
        stop = StopReason.TOOL_USE if isinstance(part, ToolCall) else StopReason.END_TURN
        if made.finish == "length":
            stop = StopReason.MAX_TOKENS
        return ModelReply(Message("assistant", (part,)), stop, made.usage, 0.0, self._info.name, doubt=doubt)

    async def close(self) -> None:
        """End the model's process. A call that is under way fails with ModelError."""
        self._closed = True
        if self._child_end is not None and self._loading.locked():
            self._child_end()
        await asyncio.to_thread(self._release)

    def _release(self) -> None:
        with self._loading:
            if self._server is not None:
                self._server.close()
                self._server = None

    def _settings(self) -> LoadSettings:
        local_runtime.require_runtime()
        try:
            size = self._path.stat().st_size
        except OSError as error:
            raise NoModelError(
                f"The local model {self._info.name} is not at {self._path}; get it with: llmos models pull."
            ) from error
        free = local_runtime.free_memory_bytes()
        context = local_runtime.fitting_context(self._n_ctx, size, self._kv_bytes_per_token, free)
        if context == 0:
            raise NoModelError(
                f"The local model {self._info.name} needs about {(size * 13 // 10 >> 20) + 400:,} MiB of memory and "
                f"{(free or 0) >> 20:,} MiB are free; close other programs, or choose a smaller model."
            )
        self._n_ctx = context
        slots, each = self._most_slots, self._kv_bytes_per_token
        while slots > 1 and local_runtime.fitting_context(context, size, slots * each, free) < context:
            slots -= 1
        generating, reading = local_runtime.thread_counts(self._threads)
        folder = self._cache.folder if self._cache is not None else None
        return LoadSettings(
            self._path, self._info.name, context, generating, reading, FIRST_SLOT, slots, state_folder=folder
        )


class _Streamed:
    """Emits what is new of a growing text, as `visible` shows it."""

    def __init__(self, emit: Emit, visible: Callable[[str], str] = str) -> None:
        self._emit = emit
        self._visible = visible
        self._shown = 0

    def __call__(self, text: str) -> None:
        shown = self._visible(text)
        if len(shown) > self._shown:
            self._emit(TextStreamed(text=shown[self._shown :]))
            self._shown = len(shown)


def _constraint(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "turn", "schema": dict(schema)}}}


def _choice() -> dict[str, Any]:
    """One token, with the probabilities of those that it might have been."""
    return {"max_tokens": 1, "logprobs": True, "top_logprobs": CONSIDERED}


def _take(made: Sequence[_Generation], chunk: Mapping[str, Any]) -> bool:
    """Add a streamed chunk; whether it brought text of the first."""
    if facts := chunk.get("usage"):
        cached = int((facts.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
        used = Usage(
            input_tokens=int(facts["prompt_tokens"]) - cached,
            output_tokens=int(facts["completion_tokens"]),
            cache_read_tokens=cached,
        )
        made[0].usage = _sum(made[0].usage, used)
    brought = False
    for choice in chunk.get("choices", ()):
        one = made[choice.get("index", 0)]
        one.finish = choice.get("finish_reason") or one.finish
        tokens = (choice.get("logprobs") or {}).get("content") or ()
        if tokens and not one.logprobs:
            one.first = {other["token"]: math.exp(other["logprob"]) for other in tokens[0].get("top_logprobs") or ()}
        one.logprobs += [token["logprob"] for token in tokens]
        if text := (choice.get("delta") or {}).get("content"):
            one.text += text
            brought = brought or one is made[0]
    return brought


def _sum(first: Usage, second: Usage) -> Usage:
    return Usage(
        input_tokens=first.input_tokens + second.input_tokens,
        output_tokens=first.output_tokens + second.output_tokens,
        cache_read_tokens=first.cache_read_tokens + second.cache_read_tokens,
    )
