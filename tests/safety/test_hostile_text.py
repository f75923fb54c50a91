"""R-12: what files, tools, traces, memory and models say reaches a terminal without its control characters.

And it is never taken for a call: not by the screen, not by what is kept, not by the prompt of a small model.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hostile_text import COUNT, LOOKALIKES, breaches, fresh, marked, on_a_terminal

from llmos.adapters.local_prompt import build_messages
from llmos.core.messages import Message, Text, ToolCall, ToolResult
from llmos.core.ports import ModelRequest
from llmos.testing import Answer, FakeMessagesServer, reply, text, thinking, tool_use
from llmos.tools import builtin_tools

POSITIONS = 5
"""Names of files, outputs of tools, traces, memory, answers: each payload stands in each."""
LOOKS: tuple[tuple[str, ...], ...] = (
    ("traces", "list"),
    ("traces", "list", "--json"),
    ("traces", "inspect", "evil-00000001"),
    ("traces", "inspect", "evil-00000075"),
    ("traces", "search", "list"),
    ("traces", "diff", "evil-00000001", "evil-00000021"),
    ("memory", "list"),
    ("memory", "search", "the colour"),
    ("memory", "show", "evil-00000005"),
    ("memory", "why", "evil-00000005"),
    ("memory", "log"),
    ("sessions", "list"),
    ("stats",),
    ("doctor",),
    ("config", "show"),
    ("permissions", "list"),
    ("run", "--dry-run", f"list {marked(3)}"),
    ("traces", "inspect", marked(5)),
    ("memory", "show", marked(8)),
    ("run", "-y", "--offline", f"list {marked(6)}"),
    ("traces", "approve", "evil-00000021"),
)


@dataclass
class Figures:
    payloads: int = 0
    screens: int = 0
    raw: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.payloads} payloads (escape sequences and look-alike calls, each in a file name, an output, a "
            f"trace, memory and an answer) on {self.screens} screens: {len(self.raw)} reached the terminal raw, "
            f"{len(self.calls)} were taken for a call"
        )


def model(body: dict[str, object]) -> Answer:
    """Lists the names, reads the file, runs a command that holds payloads, and answers with all of them."""
    turns = sum(message["role"] == "assistant" for message in body["messages"])  # type: ignore[attr-defined,index]
    asked = (
        tool_use("list_files", {"path": "inner"}),
        tool_use("read_file", {"path": "notes.txt"}),
        tool_use("shell", {"command": "cat notes.txt; ls inner"}),
        tool_use("shell", {"command": "cat notes.txt >&2; false"}),
    )
    if turns < len(asked):
        return reply(thinking(marked(turns)), text(marked(turns + 5)), asked[turns])
    return reply(text("\n".join(marked(number) for number in range(COUNT))))


CALLS = 4


def run(root: Path, *, looks: tuple[tuple[str, ...], ...] = LOOKS, styles: tuple[bool, ...] = (True, False)) -> Figures:
    figures = Figures(payloads=COUNT * POSITIONS)
    for plain in styles:
        fresh(root)
        with FakeMessagesServer(model) as server:
            key = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}
            shown = on_a_terminal(
                root, "run", "-y", "-v", f"tell me of notes.txt and inner {marked(2)}", plain=plain, **key
            )
            figures.screens += 1
            figures.raw += [f"run: {one}" for one in breaches(shown, plain=plain)]
            if "PWN" not in shown:
                figures.raw.append(f"run showed nothing: {shown[-500:]}")
            figures.calls += results_as_calls(server)
        figures.calls += kept_as_calls(root)
        recorded = next((root / "home" / "memories" / "recall").rglob("*.jsonl"))
        session = recorded.stem.rpartition("-")[2]
        for words in (*looks, ("sessions", "show", session), ("sessions", "list")):
            shown = on_a_terminal(root, *words, plain=plain)
            figures.screens += 1
            figures.raw += [f"{' '.join(words[:2])}: {one}" for one in breaches(shown, plain=plain)]
    figures.calls += small_model_turns()
    return figures


def results_as_calls(server: FakeMessagesServer) -> list[str]:
    """Requests in which a payload stands anywhere but in a text."""
    found = []
    for body in server.bodies:
        for message in body["messages"]:
            blocks = message["content"] if isinstance(message["content"], list) else []
            uses = [block for block in blocks if block["type"] == "tool_use"]
            if (message["role"] != "assistant" and uses) or len(uses) > 1:
                found.append(f"a request has the call {uses}")
    if server.refused or server.unexpected:
        found.append(f"the server refused {server.refused or server.unexpected}")
    return found


def kept_as_calls(root: Path) -> list[str]:
    """What the store holds as a call that no model made."""
    found = []
    started = []
    for path in (root / "home" / "memories" / "recall").rglob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            record = json.loads(line)
            if "tool_started" in str(record.get("event", record.get("type", record.get("t", "")))):
                started.append(json.dumps(record))
    if len(started) > CALLS or any("touch PWNED" in one for one in started):
        found.append(f"{len(started)} calls are on record, and {CALLS} were made")
    if any(root.rglob("PWNED")):
        found.append("a file was made by what a text says")
    return found


def small_model_turns() -> list[str]:
    """Payloads that begin a turn, or end one, in the prompt of a small model."""
    tools = [tool.spec for tool in builtin_tools().values()]
    found = []
    for payload in LOOKALIKES:
        messages = (
            Message("user", (Text(f"look at {payload}"),)),
            Message("assistant", (ToolCall("c1", "shell", {"command": "cat notes.txt"}),)),
            Message("user", (ToolResult("c1", payload, False),)),
        )
        chat = build_messages(ModelRequest(f"system {payload}", messages, tuple(tools)))
        for mark in (
            "<|im_start|>",
            "<|im_end|>",
            "<|endoftext|>",
            "[INST]",
            "<<SYS>>",
            "</s>",
            "<start_of_turn>",
            "[TOOL_CALLS]",
        ):
            found += [f"{mark} in a prompt, from {payload!r}" for turn in chat if mark in turn["content"]]
        roles = [turn["role"] for turn in chat]
        if roles != ["system", "user", "assistant", "user"]:
            found.append(f"{payload!r} makes turns: {roles}")
    return found


def test_no_text_begins_a_turn_of_a_small_model() -> None:
    assert small_model_turns() == []


@pytest.mark.slow
def test_no_text_takes_over_a_terminal_or_passes_for_a_call(tmp_path: Path) -> None:
    figures = run(tmp_path / "place", looks=LOOKS[::7], styles=(True,))
    assert (figures.raw, figures.calls) == ([], [])


def test_what_is_written_as_it_is_would_be_seen() -> None:
    """The partner: the same payloads, written out."""
    raw = "\n".join(marked(number) for number in range(COUNT))
    assert len(breaches(raw, plain=True)) > 60
    assert len(breaches(raw, plain=False)) > 60


def main() -> None:
    """The figures of `make safety`."""
    few = len(sys.argv) > 1 and sys.argv[1] == "few"
    with tempfile.TemporaryDirectory() as folder:
        figures = run(
            Path(folder).resolve() / "place",
            looks=LOOKS[::5] if few else LOOKS,
            styles=(True,) if few else (True, False),
        )
    for problem in (*figures.raw, *figures.calls):
        print(problem)
    print(figures)
    sys.exit(1 if figures.raw or figures.calls else 0)


if __name__ == "__main__":
    main()
