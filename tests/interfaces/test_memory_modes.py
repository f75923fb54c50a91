"""Memory switched off, frozen and offline, through the real command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cli_world import COUNT, COUNTED, Llmos

from llmos.testing import FakeMessagesServer, reply, text


@pytest.fixture
def home(work: Path) -> Path:
    """An update of the core blocks is due at every message."""
    made = Path(os.environ["LLMOS_HOME"])
    made.mkdir(parents=True, exist_ok=True)
    (made / "config.yaml").write_text("format: llmos-config/1\ntiers: {core_every: 1}\n")
    return made


def ticks(llmos: Llmos, *words: str) -> list[tuple[str, bool, str]]:
    ended = llmos("run", "-y", "-o", "stream-json", *words)
    events = [json.loads(line) for line in ended.out.splitlines()]
    found = [event for event in events if event["event"] == "memory_ticked"]
    return [(event["tier"], event["done"], event["reason"]) for event in found]


FACT = {
    "text": "Lives in Bern",
    "about": "human",
    "subject": "",
    "attribute": "",
    "sources": [{"message": 1, "quote": "I live in Bern"}],
}


def test_on_it_updates_through_the_api_and_the_next_conversation_knows(
    llmos: Llmos, home: Path, api: FakeMessagesServer
) -> None:
    api.add(reply(text("Hello.")), reply(text(json.dumps({"facts": [FACT]}))))
    assert ticks(llmos, "hello, I live in Bern") == [("recall", True, ""), ("core", True, "")]
    assert "- Lives in Bern" in (home / "memories/core/human.md").read_text()
    api.add(reply(text("Bern.")), reply(text('{"facts": []}')))
    ticks(llmos, "where do I live?")
    assert "- Lives in Bern" in api.requests[2].body["system"]


def test_off_is_off(llmos: Llmos, home: Path, api: FakeMessagesServer) -> None:
    (home / "config.yaml").write_text("format: llmos-config/1\nmemory: off\ntiers: {core_every: 1}\n")
    block = home / "memories/core/human.md"
    block.parent.mkdir(parents=True)
    block.write_text("---\nformat: llmos-core-block/2\n---\n- Lives in Bern\n")
    before = block.read_bytes()
    api.add(reply(text("Hello.")))
    assert ticks(llmos, "hello, I live in Zurich") == []
    (request,) = api.requests
    assert "Bern" not in json.dumps(request.body)
    assert not [tool["name"] for tool in request.body["tools"] if "memory" in tool["name"]]
    assert (block.read_bytes(), sorted(path.name for path in block.parent.iterdir())) == (before, ["human.md"])


def test_frozen_nothing_is_written(llmos: Llmos, home: Path, api: FakeMessagesServer) -> None:
    api.add(reply(text("Hello.")))
    assert ticks(llmos, "--freeze", "hello, I live in Bern") == []
    assert not (home / "memories").exists()


def test_offline_no_call_is_made_and_it_stays_due(llmos: Llmos, home: Path, api: FakeMessagesServer) -> None:
    why = "--offline forbids asking a model; what you said outright is kept"
    assert ticks(llmos, "--offline", "I live in Bern") == [("recall", True, ""), ("core", False, why)]
    assert api.requests == []
    assert "- I live in Bern" in (home / "memories/core/human.md").read_text()


def test_a_replay_that_a_script_waits_for_calls_no_model_for_memory(
    llmos: Llmos, home: Path, api: FakeMessagesServer
) -> None:
    api.add(*COUNTED, reply(text('{"facts": []}')))
    assert ticks(llmos, COUNT) == [("recall", True, ""), ("core", True, "")]
    made = len(api.requests)
    assert ticks(llmos, COUNT) == [("recall", True, "")]
    assert len(api.requests) == made
