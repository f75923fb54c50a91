"""Keys and signals at 50 points of a turn: nothing is left running, and the prompt is back."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from terminal_world import running, terminal

from llmos.testing import Answer, FakeMessagesServer, delay, reply, text, tool_use

POINTS = 50
SPAN_S = 0.7
"""A turn decides, waits for its model, streams, and is in mid-tool before this is over."""
BACK_S = 15.0
"""Far below what the command would take, and far above what a busy machine needs."""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_turn_is_stopped_at_any_point(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(os.environ["LLMOS_HOME"])
    home.mkdir(mode=0o700, parents=True)
    (home / "config.yaml").write_text("format: llmos-config/1\npermissions:\n  mode: trusted\n")
    nap = f"sleep 300.3{os.getpid()}"

    def answer(body: dict[str, Any]) -> Answer:
        call = tool_use("shell", {"command": f"{nap} & {nap}"})
        return reply(delay(0.15), text("I will ", "do it", " now."), delay(0.15), call)

    stops = ("\x1b", "\x03", signal.SIGINT)
    in_mid_tool = 0
    with FakeMessagesServer(answer) as api:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        with terminal() as screen:
            screen.wait_for_prompt()
            for point in range(POINTS):
                screen.send(f"task number {point} of the many\r")
                screen.wait_for(f"number {point} of")
                end = time.monotonic() + point * SPAN_S / POINTS
                while time.monotonic() < end:
                    screen.pump(0.005)
                in_mid_tool += bool(running(nap))
                stop = stops[point % len(stops)]
                pressed = time.monotonic()
                if isinstance(stop, str):
                    screen.send(stop)
                else:
                    screen.process.kill(stop)
                screen.wait_for_prompt()
                took = time.monotonic() - pressed
                assert took < BACK_S, f"point {point}: {took:.1f} s"
                assert not running(nap), f"point {point}"
            screen.send("\x04")
            assert screen.wait_for_end() == 0
            assert "Traceback" not in "\n".join(screen.written)
    (transcript,) = (home / "memories" / "recall").glob("*.jsonl")
    lines = transcript.read_text()
    assert lines.count('"event":"turn_started"') == lines.count('"event":"turn_ended"')
    # Partner of the checks above: the tool really was running when some of the turns were stopped.
    assert in_mid_tool >= 5
