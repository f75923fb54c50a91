"""How long a person waits at the prompt: from Enter to the decision on the screen, and from a key to its echo.

    python -m bench.repl [--traces 10000] [--goals 60] [--keys 200] [--json OUT.json]

`llmos` runs in a real pseudo-terminal over a workspace with that many traces (those of bench/decision_latency.py), with
no model, in the mode that changes nothing. Beside it, in the same run, a bare prompt-toolkit prompt with a bar, whose
echo is the baseline: the same keys are sent to both in turn, so that a busy machine is busy for both.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pexpect

from bench.decision_latency import at, fill, jobs, questions

REQUIRED_MS = 100.0
BARE = """
import asyncio
from prompt_toolkit import PromptSession
async def main():
    session = PromptSession("bare> ", multiline=False, bottom_toolbar="a bar")
    while True:
        await session.prompt_async()
try:
    asyncio.run(main())
except EOFError:
    pass
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds."""

    traces: int
    decision_p50: float
    decision_p95: float
    decision_worst: float
    echo_p50: float
    echo_p95: float
    bare_p50: float
    bare_p95: float
    modes: dict[str, int]


class Pty:
    """A program in a terminal that answers where its cursor is."""

    def __init__(self, command: Sequence[str], *, cwd: Path, env: dict[str, str]) -> None:
        environ = {**os.environ, "TERM": "xterm-256color", **env}
        self._process = pexpect.spawn(command[0], list(command[1:]), cwd=str(cwd), env=environ, dimensions=(40, 100))
        self._process.delaybeforesend = None
        self._fd = self._process.child_fd

    def until(self, marks: Sequence[bytes], seconds: float = 60.0) -> bytes:
        """Read until one of the marks was written; what was read."""
        end, seen = time.perf_counter() + seconds, b""
        while not any(mark in seen for mark in marks):
            if time.perf_counter() > end:
                raise TimeoutError(f"none of {marks!r} came; the last was {seen[-500:]!r}")
            seen += self._read(0.05)
        return seen

    def quiet(self, seconds: float = 0.15) -> None:
        """Read until nothing comes any more."""
        while self._read(seconds):
            pass

    def send(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def close(self) -> None:
        self._process.close(force=True)

    def _read(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if not ready:
            return b""
        data = os.read(self._fd, 65536)
        for _ in range(data.count(b"\x1b[6n")):
            os.write(self._fd, b"\x1b[1;1R")
        return data


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="How long a person waits at the prompt.")
    parser.add_argument("--traces", type=int, default=10_000)
    parser.add_argument("--goals", type=int, default=60)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--json", type=Path, help="also write every figure there")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="llmos-repl-") as folder:
        found = measure(Path(folder), options.traces, options.goals, options.keys)
    print(said(found))
    if options.json:
        options.json.write_text(json.dumps(asdict(found), indent=1) + "\n", "utf-8")
    return 0 if found.decision_p95 <= REQUIRED_MS else 1


def measure(root: Path, traces: int, goals: int, keys: int) -> Measured:
    made = list(jobs(traces))
    fill(root, made)
    (root / "workspace" / "config.yaml").write_text("format: llmos-config/1\n")
    (root / "home" / "config.yaml").write_text("format: llmos-config/1\npermissions:\n  mode: read-only\n")
    (root / "cwd").mkdir()
    env = {"LLMOS_HOME": str(root / "home"), "LLMOS_MODELS": str(root / "models"), "ANTHROPIC_API_KEY": ""}
    workspace = ["--workspace", str(root / "workspace")]
    llmos = Pty([sys.executable, "-m", "llmos", *workspace], cwd=root / "cwd", env=env)
    bare = Pty([sys.executable, "-c", BARE], cwd=root / "cwd", env={})
    try:
        llmos.until([b"llmos>"], 600)
        bare.until([b"bare>"])
        modes: dict[str, int] = {}
        first = decision(llmos, questions(made, 1)[0][1], modes)
        modes.clear()
        times = [decision(llmos, goal, modes) for kind, goal in questions(made, goals) if kind != "hostile"]
        ours, theirs = echoes(llmos, bare, keys)
    finally:
        llmos.close()
        bare.close()
    print(f"the first decision, which opens the index: {first:.0f} ms")
    return Measured(
        traces=traces,
        decision_p50=at(times, 0.5),
        decision_p95=at(times, 0.95),
        decision_worst=max(times),
        echo_p50=at(ours, 0.5),
        echo_p95=at(ours, 0.95),
        bare_p50=at(theirs, 0.5),
        bare_p95=at(theirs, 0.95),
        modes=modes,
    )


def decision(llmos: Pty, goal: str, modes: dict[str, int]) -> float:
    """Milliseconds from Enter to the decision, read off the terminal."""
    llmos.send(goal)
    llmos.quiet()
    started = time.perf_counter()
    llmos.send("\r")
    seen = llmos.until([b"FOLLOWER", b"MIXED", b"LEARNER"])
    took = 1000 * (time.perf_counter() - started)
    mode = next(name for name in ("FOLLOWER", "MIXED", "LEARNER") if name.encode() in seen)
    modes[mode] = modes.get(mode, 0) + 1
    llmos.quiet(0.4)
    return took


def echoes(llmos: Pty, bare: Pty, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds from a key to its echo, of both in turn."""
    draw = random.Random(11)
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(count):
        for terminal, times in zip((llmos, bare), found, strict=True):
            key = draw.choice("abcdefghijklmnopqrstuvwxyz")
            terminal.quiet(0.01)
            started = time.perf_counter()
            terminal.send(key)
            terminal.until([key.encode()])
            times.append(1000 * (time.perf_counter() - started))
            if number % 40 == 39:
                terminal.send("\x15")
                terminal.quiet()
    return found


def said(found: Measured) -> str:
    modes = ", ".join(f"{count} {mode}" for mode, count in sorted(found.modes.items()))
    return "\n".join(
        [
            f"{found.traces:,} traces; decisions: {modes}",
            f"Enter to decision    p50 {found.decision_p50:7.1f} ms   p95 {found.decision_p95:7.1f} ms   "
            f"worst {found.decision_worst:7.1f} ms   (required: p95 of at most {REQUIRED_MS:g} ms)",
            f"key to echo, llmos   p50 {found.echo_p50:7.2f} ms   p95 {found.echo_p95:7.2f} ms",
            f"key to echo, bare    p50 {found.bare_p50:7.2f} ms   p95 {found.bare_p95:7.2f} ms",
            f"ratio of the echoes  p50 {found.echo_p50 / found.bare_p50:7.2f}      p95 "
            f"{found.echo_p95 / found.bare_p95:7.2f}",
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
