"""Fakes that ship, for tests of llmos and of what is built on it. Needs only the standard library and `llmos.core`."""

from llmos.testing.ports import FixedClock, RecordingEmit, ScriptedModel, model_reply
from llmos.testing.script import (
    Answer,
    Raw,
    delay,
    drop,
    end_without_stop,
    error,
    midstream_error,
    ping,
    reply,
    text,
    thinking,
    tool_use,
    usage,
)
from llmos.testing.server import FakeMessagesServer, RecordedRequest

__all__ = [
    "Answer",
    "FakeMessagesServer",
    "FixedClock",
    "Raw",
    "RecordedRequest",
    "RecordingEmit",
    "ScriptedModel",
    "delay",
    "drop",
    "end_without_stop",
    "error",
    "midstream_error",
    "model_reply",
    "ping",
    "reply",
    "text",
    "thinking",
    "tool_use",
    "usage",
]
