"""Texts that would take over a terminal or pass for a call, and a home full of them."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pexpect
from test_undo_replays import settings

from llmos.core.passage import Passage, Source
from llmos.core.tool import Effect
from llmos.core.trace import (
    AnswerTemplate,
    Expect,
    Learned,
    OutputShape,
    Require,
    Step,
    Trace,
    TraceHeader,
    TraceStatus,
)
from llmos.memory.passage_files import dump_passage
from llmos.memory.trace_files import encode_trace

_TEXTS: dict[str, list[str]] = json.loads(Path(__file__).with_name("hostile_texts.json").read_text("utf-8"))
ESCAPES, LOOKALIKES = _TEXTS["escapes"], _TEXTS["lookalikes"]
FORBIDDEN = frozenset(
    {chr(code) for code in (*range(32), *range(127, 160))} - set("\n\r\t")
    | set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u2028\u2029\ufeff\U000e0041")
)
"""What moves a cursor, sets a colour, hides or turns text round. A carriage return is looked at by itself."""


def marked(number: int) -> str:
    """The payload of this number, its mark directly behind what would act."""
    every = (*ESCAPES, *LOOKALIKES)
    return f"{every[number % len(every)]}PWN{number}Z"


COUNT = len(ESCAPES) + len(LOOKALIKES)


def breaches(shown: str, *, plain: bool) -> list[str]:
    """Payloads that reached a terminal as they are."""
    found = []
    text = shown.replace("\r\n", "\n").replace("\r\r\n", "\n")
    if plain:
        at = [index for index, char in enumerate(text) if char in FORBIDDEN or char == "\r"]
        found += [f"{text[index]!r} in {text[max(0, index - 30) : index + 30]!r}" for index in at]
    for number in range(COUNT):
        escape = marked(number).removesuffix(f"PWN{number}Z")
        if number < len(ESCAPES) and escape not in ("\n", "\x1b[31\n") and f"{escape}PWN" in text:
            found.append(f"{escape!r} before its mark")
    return found


def names(folder: Path) -> Iterator[Path]:
    """A file for each payload that can be a name."""
    for number in range(COUNT):
        name = marked(number).replace("/", "_")[:200]
        try:
            (folder / name).write_text(f"{number}\n")
        except (OSError, ValueError):
            continue
        yield folder / name


def traces(folder: Path) -> None:
    """Traces of somebody else, which hold a payload in each of their texts."""
    folder.mkdir(parents=True, exist_ok=True)
    learned = Learned("2026-11-26T00:00:00+00:00", "LEARNER", "m", 0.0, 1.0)
    for number in range(COUNT):
        text = marked(number).encode("utf-8", "replace").decode()
        header = TraceHeader(
            f"evil-{number:08d}", f"list {text}", TraceStatus.GUIDANCE, f"because {text}", {"shell": "0" * 12}, learned
        )
        header = replace(header, learned=replace(learned, model=text, mode=text), provenance=(f"step 1: {text}",))
        step = Step(
            "shell",
            {"command": f"echo {text}"},
            Effect.EXECUTE,
            Require((f"a{text}",)),
            Expect(0, output=OutputShape.LINE),
            text,
        )
        (folder / f"evil-{number:08d}.yaml").write_bytes(encode_trace(Trace(header, (step,), AnswerTemplate(text))))


def passages(folder: Path) -> None:
    """Archival passages and core blocks that hold a payload."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(COUNT):
        text = marked(number)
        passage = Passage(
            "", f"the colour is {text}", sources=(Source(f"s1:{number}", text),), recorded_at="2026-11-26", subject=text
        )
        (folder / f"evil-{number:08d}.md").write_bytes(dump_passage(passage))


def on_a_terminal(root: Path, *words: str, plain: bool, **environ: str) -> str:
    """Everything that a command writes to a terminal of its own."""
    with settings(root, **environ):
        env = {
            **os.environ,
            "TERM": "dumb" if plain else "xterm-256color",
            "PYTHONIOENCODING": "utf-8",
            "LC_ALL": "C.UTF-8",
        }
        env |= {"NO_COLOR": "1"} if plain else {}
    log = io.BytesIO()
    child: pexpect.spawn[bytes] = pexpect.spawn(
        sys.executable, ["-m", "llmos", *words], env=env, cwd=str(root / "work"), timeout=60, dimensions=(50, 200)
    )
    child.logfile_read = log
    while child.expect([pexpect.EOF, r"\[y/N\]"]):
        child.sendline("n")
    child.close()
    return log.getvalue().decode("utf-8", "surrogateescape")


def fresh(root: Path) -> None:
    """A home and a working directory that are full of payloads."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "work" / "inner").mkdir(parents=True)
    list(names(root / "work" / "inner"))
    payloads = "\n".join(marked(number) for number in range(COUNT))
    (root / "work" / "notes.txt").write_bytes(payloads.encode("utf-8", "surrogatepass"))
    traces(root / "home" / "traces")
    passages(root / "home" / "memories" / "archival")
    for path in (root / "home", root / "home" / "traces", root / "home" / "memories"):
        path.chmod(0o700)
