"""llmos as a person meets it: a real pseudo-terminal, and a screen that answers as real ones do."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pyte

GOLDEN = Path(__file__).parent / "golden" / "screens"
PROMPT = "llmos>"
WAIT_S = 25.0


class Terminal:
    """A process in a terminal of its own. `lines` is what a person sees, `history` all that was ever printed."""

    def __init__(self, process: pexpect.spawn[bytes], width: int, height: int) -> None:
        self.process = process
        self.screen = pyte.HistoryScreen(width, height, history=5_000)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""

    def pump(self, seconds: float = 0.05) -> None:
        """Take in what the process wrote, and answer what it asks of a terminal."""
        try:
            data = self.process.read_nonblocking(65536, timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        self.raw += data
        self._stream.feed(data)
        for _ in range(data.count(b"\x1b[6n")):
            cursor = self.screen.cursor
            self.process.send(f"\x1b[{cursor.y + 1};{cursor.x + 1}R")

    def send(self, keys: str | bytes) -> None:
        self.process.send(keys)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def written(self) -> list[str]:
        """What scrolled away and what is seen, without the empty lines at the end."""
        top = ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]
        lines = [line.rstrip() for line in (*top, *self.lines)]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def resize(self, width: int, height: int) -> None:
        self.process.setwinsize(height, width)
        self.screen.resize(height, width)

    def wait(self, condition: Callable[[list[str]], bool], seconds: float = WAIT_S) -> list[str]:
        end = time.monotonic() + seconds
        while not condition(self.lines):
            assert time.monotonic() < end, "\n".join(self.written)
            self.pump()
        return self.lines

    def wait_for(self, words: str, seconds: float = WAIT_S) -> list[str]:
        return self.wait(lambda lines: any(words in line for line in lines), seconds)

    def wait_for_prompt(self, typed: str = "", seconds: float = WAIT_S) -> list[str]:
        """Until the prompt waits with nothing, or with `typed`, behind it, and the cursor stands there."""
        wanted = f"{PROMPT} {typed}".rstrip()
        return self.wait(lambda lines: lines[self.screen.cursor.y] == wanted, seconds)

    def wait_for_question(self) -> list[str]:
        return self.wait(lambda lines: lines[self.screen.cursor.y] == ">")

    def wait_for_end(self, seconds: float = WAIT_S) -> int | None:
        end = time.monotonic() + seconds
        while self.process.isalive():
            assert time.monotonic() < end, "\n".join(self.written)
            self.pump()
        self.process.close()
        return self.process.exitstatus


@contextmanager
def terminal(
    words: Sequence[str] = (), *, width: int = 100, height: int = 40, shell: bool = False
) -> Iterator[Terminal]:
    """`llmos` with these arguments in a terminal of this size; whatever happens it is ended.

    With `shell` it is started by a shell that has job control.
    """
    environ = {**os.environ, "TERM": "xterm-256color", "PS1": "shell$ "}
    command = [sys.executable, "-m", "llmos", *words]
    if shell:
        command = ["bash", "--norc", "--noprofile", "-i", "+o", "history"]
    process = pexpect.spawn(command[0], command[1:], env=environ, dimensions=(height, width))
    process.delaybeforesend = None
    try:
        yield Terminal(process, width, height)
    finally:
        process.close(force=True)


def without_what_varies(lines: Sequence[str], *folders: Path) -> list[str]:
    """Times, ids of sessions and names of temporary folders replaced by words."""
    text = "\n".join(lines)
    for number, folder in enumerate(folders):
        text = text.replace(str(folder), f"FOLDER{number}" if number else "FOLDER")
    text = re.sub(r"\d+\.\d+ s\b", "N s", text)
    text = re.sub(r"(?<=/)\d{4}-\d\d-\d\d-[0-9a-f]{8}", "DATE-SESSION", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+", "TIME", text)
    return text.split("\n")


def running(words: str) -> list[str]:
    """The command lines of all processes that hold these words, in whatever sandbox they run.

    An entry that nobody has collected yet is no process any more: its command line is empty.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if words in line:
                found.append(line)
    return found
