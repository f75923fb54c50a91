"""The real command, killed at some point of a turn, and the session gone on with by another process.

A child is forked for each crash, with everything imported, and runs `llmos run` as a shell would. It is killed
(SIGKILL) at the N-th event of the turn, before or after it is on record; while a tool runs; at the N-th operation on a
file, or in the middle of a write; at a random moment; or while it asks the person. Then `llmos run -c` says something
else in the same folder. The fake Messages server, in a process of its own, refuses a conversation in which a call has
no result.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crash_points import Faults

from llmos.core.conversation import NOT_RUN, UNKNOWN_EFFECT
from llmos.core.events import ToolStarted
from llmos.interfaces.cli import main as llmos
from llmos.interfaces.turn import Sink
from llmos.memory.transcript import read_transcript
from llmos.testing import Answer, FakeMessagesServer, reply, text, thinking, tool_use

GOAL = "append a line to log.txt, and say how many lines it has"
_LEFT_S = 0.4
"""A command that was just being started when its parent was killed may still run to its end; it is not run again."""
APPEND = "echo line >> log.txt; sleep 0.2"
IN_TOOL = "in a tool"
KINDS = (
    "before an event",
    "after an event",
    IN_TOOL,
    "at a file operation",
    "in a write",
    "at a random moment",
    "while asking",
)
_ANSWERS = (
    reply(thinking("First ", "a look."), tool_use("read_file", {"path": "notes.txt"}, id="toolu_look")),
    reply(text("Now ", "the line."), tool_use("shell", {"command": APPEND}, id="toolu_append", split=4)),
    reply(tool_use("shell", {"command": "wc -l < log.txt"}, id="toolu_count")),
    reply(text("It has ", "1 line.")),
)


def answer_to(body: dict[str, Any]) -> Answer:
    """What the model says, told by the request itself: the next step of the job, or hello."""
    if "say hello" in json.dumps(body["messages"][-1]):
        return reply(text("Hello."))
    return _ANSWERS[min(sum(message["role"] == "assistant" for message in body["messages"]), 3)]


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """The fake server in a process of its own; every request stands in `requests.jsonl`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        log = (folder / "requests.jsonl").open("a")

        def logged(body: dict[str, Any]) -> Answer:
            log.write(json.dumps(body) + "\n")
            log.flush()
            return answer_to(body)

        with FakeMessagesServer(logged) as fake:
            os.write(writing, fake.url.encode())
            os.close(writing)
            signal.pause()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        url = pipe.read()
    try:
        yield url
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@dataclass
class Place:
    """A working directory and a home of one crash."""

    root: Path
    url: str

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def lines(self) -> int:
        log = self.work / "log.txt"
        return len(log.read_text().splitlines()) if log.exists() else 0

    @property
    def transcripts(self) -> list[Path]:
        return sorted((self.root / "home" / "memories" / "recall").glob("*.jsonl"))

    def make(self) -> None:
        self.work.mkdir(parents=True)
        (self.work / "notes.txt").write_text("a\n")

    def run(self, *words: str, prepare: Callable[[], None] = lambda: None, until: float = 0.0) -> tuple[int, str]:
        """The command in a child: its exit code (negative for a signal) and what it printed. `until`: killed then."""
        out = self.root / "out.txt"
        child = os.fork()
        if child == 0:
            self._become(out, words, prepare)
        if until:
            time.sleep(until)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), out.read_text()

    def run_and_kill_in_question(self, *words: str) -> tuple[int, str]:
        """The same on a terminal, killed while it asks; without a question it ends by itself."""
        child, terminal = os.forkpty()
        if child == 0:
            self._become(None, words, lambda: None)
        said, end = b"", time.monotonic() + 30
        while time.monotonic() < end and b"asked because" not in said:
            ready, _, _ = select.select([terminal], [], [], 0.5)
            if ready:
                try:
                    said += os.read(terminal, 65536)
                except OSError:
                    break
        os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(terminal)
        return status, said.decode(errors="replace")

    def _become(self, out: Path | None, words: tuple[str, ...], prepare: Callable[[], None]) -> None:
        try:
            for name in [name for name in os.environ if name.startswith(("ANTHROPIC_", "LLMOS_"))]:
                del os.environ[name]
            os.environ |= {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": self.url}
            os.environ |= {"LLMOS_HOME": str(self.root / "home"), "LLMOS_MODELS": str(self.root / "models")}
            os.chdir(self.work)
            if out is not None:
                both = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(both, 1)
                os.dup2(both, 2)
            sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
            prepare()
            code = llmos(words)
            sys.stdout.flush()
            os._exit(code)
        except BaseException as error:
            os.write(2, f"unexpected: {error!r}\n".encode())
            os._exit(99)


@dataclass
class Figures:
    crashes: int = 0
    refused: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    """What the model is told of a step is not what became of it."""
    twice: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    unfinished: int = 0
    """Crashes that left a call without a result."""

    @property
    def problems(self) -> list[str]:
        return [*self.refused, *self.untrue, *self.twice, *self.damaged]

    def __str__(self) -> str:
        return (
            f"{self.crashes} crashes in a turn ({self.unfinished} left a call without a result): {len(self.refused)} "
            f"sessions could not go on, {len(self.untrue)} told untruly what became of a step, {len(self.twice)} steps "
            f"ran twice, {len(self.damaged)} transcripts not readable"
        )


def killing_at_event(at: int, *, after: bool) -> Callable[[], None]:
    """In the child alone: it is killed at its N-th event."""

    def prepare() -> None:
        real, count = Sink.__call__, 0

        def call(sink: Sink, event: Any) -> None:
            nonlocal count
            count += 1
            if count == at and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            real(sink, event)
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

        Sink.__call__ = call  # type: ignore[method-assign]

    return prepare


def killing_in_tool(number: int, delay_s: float) -> Callable[[], None]:
    """In the child alone: it is killed so long after its N-th call began."""

    def prepare() -> None:
        real, count = Sink.__call__, 0

        def call(sink: Sink, event: Any) -> None:
            nonlocal count
            real(sink, event)
            count += isinstance(event, ToolStarted)
            if count == number and isinstance(event, ToolStarted):
                threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()

        Sink.__call__ = call  # type: ignore[method-assign]

    return prepare


def crash(place: Place, kind: str, rng: random.Random) -> int:
    """One turn that is killed; its exit code, -9 when it was."""
    words = ("run", "-y", "-q", GOAL)
    if kind == "while asking":
        return place.run_and_kill_in_question("run", GOAL)[0]
    if kind == "at a random moment":
        return place.run(*words, until=rng.uniform(0.05, 1.2))[0]
    if kind == IN_TOOL:
        return place.run(*words, prepare=killing_in_tool(rng.choice((1, 2, 2, 3)), rng.uniform(0.0, 0.2)))[0]
    if kind in ("before an event", "after an event"):
        return place.run(*words, prepare=killing_at_event(rng.randrange(1, 40), after=kind.startswith("after")))[0]
    how = "half a write" if kind == "in a write" else "kill"
    return place.run(*words, prepare=Faults(rng.randrange(1, 160), how).install)[0]


def check(place: Place, figures: Figures, name: str, requests: Path) -> None:
    """Go on in another process, and look at what the server got and what the transcript says."""
    time.sleep(_LEFT_S)
    lines = place.lines
    # By whole records: of a session that died in its first one nothing was acknowledged, and none can be gone on with.
    found = [record for path in place.transcripts for record in read_transcript(path, lambda _: None)]
    begun = any(record["event"] == "turn_started" for record in found)
    code, said = place.run("run", *(["-c"] if begun else []), "-q", "say hello")
    if code not in (0, 3) or "Hello." not in said:
        figures.refused.append(f"{name}: exit {code}, {said[:300]!r}")
        return
    if place.lines != lines or lines > 1:
        figures.twice.append(f"{name}: {lines} lines, then {place.lines}")
    problems: list[str] = []
    records = [record for path in place.transcripts for record in read_transcript(path, problems.append)]
    if problems or [r["event"] for r in records if r["event"].startswith("turn_")][-1] != "turn_ended":
        figures.damaged.append(f"{name}: {problems}")
    if not begun:
        return
    started = {r["call_id"] for r in records if r["event"] == "tool_started"}
    finished = {r["call_id"] for r in records if r["event"] == "tool_finished"}
    body = json.loads(requests.read_text().splitlines()[-1])
    told = json.dumps(body["messages"])
    unknown = started - finished
    figures.unfinished += bool(unknown)
    if unknown and UNKNOWN_EFFECT not in told and "its effect is unknown" not in told:
        figures.untrue.append(f"{name}: {unknown} had started, and nothing says so")
    if lines and "toolu_append" not in started:
        figures.untrue.append(f"{name}: the line was written, and the transcript does not say that the step began")
    blocks = (block for message in body["messages"] for block in message["content"] if isinstance(block, dict))
    for block in blocks:
        if block.get("type") == "tool_result" and block["tool_use_id"] in started and NOT_RUN in json.dumps(block):
            figures.untrue.append(f"{name}: {block['tool_use_id']} had started and is called not run")


def run(folder: Path, crashes: int, seed: int = 2, kinds: tuple[str, ...] = KINDS) -> Figures:
    from llmos.adapters.anthropic_model import warm_up

    warm_up()
    rng, figures = random.Random(seed), Figures()
    with server(folder) as url:
        while figures.crashes < crashes:
            kind = kinds[figures.crashes % len(kinds)]
            place = Place(folder / f"{figures.crashes}", url)
            for _ in range(4):  # a turn that ended before its point came is no crash
                shutil.rmtree(place.root, ignore_errors=True)
                place.make()
                code = crash(place, kind, rng)
                if code == -signal.SIGKILL:
                    break
                if code == 99:
                    raise AssertionError((place.root / "out.txt").read_text())
            figures.crashes += 1
            figures.kinds[kind] += code == -signal.SIGKILL
            check(place, figures, f"{figures.crashes} {kind}", folder / "requests.jsonl")
            shutil.rmtree(place.root, ignore_errors=True)
    return figures


def starting_again(monkeypatch: Any) -> None:
    """A broken build: what had started and has no end is told as not run, so a model would do it again."""
    monkeypatch.setattr("llmos.core.conversation.UNKNOWN_EFFECT", NOT_RUN)
